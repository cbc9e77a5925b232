package vault_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	synthetic "github.com/nachtfach/nachtfach/firmware-sim/finger"
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

// A finger that lies upside down never matches, so that its owner is told before
// a try is spent. A picture that no finger can cause is the reader's fault.
func TestAFingerUpsideDownIsAskedToTurn(t *testing.T) {
	f := synthetic.New(1) // a loop
	picture := func() biometrics.Image {
		return biometrics.Image{Pix: f.Impression(1).Pix, Width: synthetic.Width, Height: synthetic.Height, DPI: synthetic.DPI}
	}
	turned, negative, coarse := picture(), picture(), picture()
	slices.Reverse(turned.Pix)
	for i, v := range negative.Pix {
		negative.Pix[i] = 255 - v
	}
	coarse.DPI = 1000 // half as far from ridge to ridge
	if _, advice, err := (vault.Biometrics{}).Extract(picture()); advice != "" || err != nil {
		t.Errorf("laid well: %q, %v", advice, err)
	}
	if probe, advice, err := (vault.Biometrics{}).Extract(turned); probe == nil || advice != locker.AdviceTurn || err != nil {
		t.Errorf("upside down: %v, %q, %v", probe, advice, err)
	}
	if _, _, err := (vault.Biometrics{}).Extract(negative); !errors.Is(err, biometrics.ErrImageNegative) {
		t.Errorf("negative: %v", err)
	}
	if _, _, err := (vault.Biometrics{}).Extract(coarse); !errors.Is(err, biometrics.ErrImageScale) {
		t.Errorf("wrong resolution: %v", err)
	}
}

func TestEachReasonHasAnAdviceOfItsOwn(t *testing.T) {
	want := map[biometrics.Reason]locker.FingerAdvice{
		biometrics.Good:      locker.AdviceClean, // nothing to blame: once more
		biometrics.TooSmall:  locker.AdviceFlat,
		biometrics.OffCentre: locker.AdviceCentre,
		biometrics.TooDry:    locker.AdviceDry,
		biometrics.TooWet:    locker.AdviceWet,
		biometrics.Blurred:   locker.AdviceLonger,
	}
	given := map[locker.FingerAdvice]bool{locker.AdviceLay: true} // by ErrNoFinger
	for r := biometrics.Good; r.String() != "unknown"; r++ {
		a := vault.AdviceFor(r)
		if a != want[r] {
			t.Errorf("%v: advice %q, want %q", r, a, want[r])
		}
		if given[a] {
			t.Errorf("%v: %q is another reason's advice", r, a)
		}
		given[a] = true
	}
}

func TestPoorPictureGetsTheAdviceForItsReason(t *testing.T) {
	// Rings of 9 pixels, in a corner of a reader that is else white.
	rings := biometrics.Image{Pix: make([]byte, 300*400), Width: 300, Height: 400, DPI: 500}
	for i := range rings.Pix {
		x, y := float64(i%300), float64(i/300)
		rings.Pix[i] = 255
		if x < 70 && y < 70 {
			rings.Pix[i] = byte(128 + 100*math.Sin(math.Hypot(x+40, y+40)*2*math.Pi/9))
		}
	}
	if _, advice, err := (vault.Biometrics{}).Extract(rings); advice != locker.AdviceCentre || err != nil {
		t.Errorf("in a corner: advice %q, %v", advice, err)
	}
	middle := biometrics.Image{Pix: bytes.Repeat([]byte{255}, 300*400), Width: 300, Height: 400, DPI: 500}
	for y := range 70 {
		copy(middle.Pix[(y+165)*300+115:], rings.Pix[y*300:y*300+70])
	}
	if _, advice, err := (vault.Biometrics{}).Extract(middle); advice != locker.AdviceFlat || err != nil {
		t.Errorf("a tip in the middle: advice %q, %v", advice, err)
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
		if got := must(h.vault.Compare(1, 10, locker.FactorFinger, 2, nil, 1e-4)); got.Accepted != accepted {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
