package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/vault"
)

func TestEmptyReaderAsksForTheFinger(t *testing.T) {
	white := biometrics.Image{Pix: bytes.Repeat([]byte{255}, 300*400), Width: 300, Height: 400, DPI: 500}
	if _, advice, err := (vault.Biometrics{}).Extract(white); advice != locker.AdviceLay || err != nil {
		t.Errorf("advice %q, %v", advice, err)
	}
	if _, _, err := (vault.Biometrics{}).Extract(biometrics.Image{Pix: []byte{0}, Width: 1, Height: 1, DPI: 500}); !errors.Is(err, biometrics.ErrImageSize) {
		t.Errorf("one pixel: %v", err)
	}
	if err := (vault.Biometrics{}).Check([]byte("FMR")); !errors.Is(err, biometrics.ErrTemplate) {
		t.Errorf("no enrolment: %v", err)
	}
}

// images returns a folder of real images beside the repository, or skips: they
// are pictures of people's fingers and are never part of it.
func images(t *testing.T) string {
	t.Helper()
	root := os.Getenv("NACHTFACH_FINGERPRINTS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fingerprints")
	}
	folder := filepath.Join(root, "fvc2002", "DB1_B")
	if _, err := os.Stat(folder); err != nil {
		if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "fingerprints") {
			t.Fatal("fingerprints are required: ", err)
		}
		t.Skip("no images of fingers: ", err)
	}
	return folder
}

func TestRealFingerOpensForItsOwnerAlone(t *testing.T) {
	folder := images(t)
	image := func(name string) biometrics.Image {
		f := must(os.Open(filepath.Join(folder, name+".png")))
		defer func() { _ = f.Close() }()
		return must(biometrics.DecodeImage(f, 500))
	}
	var impressions []*biometrics.Template
	for _, name := range []string{"101_1", "101_2", "101_3"} {
		impressions = append(impressions, must(biometrics.Extract(image(name))))
	}
	enrolment := must(must(biometrics.Enrol(impressions...)).MarshalBinary())

	h := newHouse(t)
	h.config.Matcher = nil // the one in use
	h.open()
	o := anOrder("A-2026-0001", 1)
	o.Terms.Recipients[0].Fingers = []int{2}
	o.Factors[0].Fingers = o.Factors[0].Fingers[:1]
	o.Factors[0].Fingers[0].Enrolment = enrolment
	if in := must(h.vault.ReceiveOrder(h.sealed(h.desk, o), now)); in.(locker.OrderReceived).Hash == "" {
		t.Fatal(in)
	}
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err != nil {
		t.Fatal(err)
	}
	if opened := must(h.vault.Try(1, 10, 0, h.read(10).Code)); !opened {
		t.Fatal("not opened")
	}
	for name, accepted := range map[string]bool{"101_5": true, "103_5": false} {
		if advice, err := h.vault.Capture(1, image(name)); advice != "" || err != nil {
			t.Fatalf("%s: advice %q, %v", name, advice, err)
		}
		if got := must(h.vault.Compare(1, 10, locker.FactorFinger, 2, "", 1e-4)); got.Accepted != accepted {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
