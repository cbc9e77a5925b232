package letter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/letter"
	"github.com/nachtfach/nachtfach/locker"
)

// need finds a peer, or skips; where NACHTFACH_REQUIRE names it, it must be there.
func need(t *testing.T, name, debian string) {
	t.Helper()
	_, err := exec.LookPath(name)
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), name):
		t.Fatalf("%s is required here: %v", name, err)
	default:
		t.Skipf("no %s here (Debian: apt-get install %s)", name, debian)
	}
}

// scanned renders the first page as a cheap printer does, and gives what
// another's scanner reads on it.
func scanned(t *testing.T, pdf []byte) string {
	t.Helper()
	need(t, "pdftoppm", "poppler-utils")
	need(t, "zbarimg", "zbar-tools")
	file := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(file+".pdf", pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("pdftoppm", "-r", "150", "-gray", "-png", "-singlefile", file+".pdf", file).CombinedOutput(); err != nil {
		t.Fatalf("pdftoppm: %v: %s", err, out)
	}
	var out, errs bytes.Buffer
	c := exec.Command("zbarimg", "-q", "--nodbus", file+".png")
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("zbarimg reads nothing: %v: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

func TestAnotherScannerReadsTheLetter(t *testing.T) {
	l := sample(t)
	var b bytes.Buffer
	if err := letter.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	if got := scanned(t, b.Bytes()); got != "QR-Code:"+l.QR {
		t.Errorf("the scanner reads %q, want %q", got, l.QR)
	}
}

func TestAnotherScannerReadsTheSlip(t *testing.T) {
	for _, order := range []locker.OrderID{"ABCDEFGH", "7F3A9C20QX4BZ2KM", "aB-9aB-9aB-9aB-9aB-9aB-9aB-9aB-9aB-9aB-9"} {
		var b bytes.Buffer
		s := letter.Slip{Town: "Stadt", Station: "Rathaus", Terminal: "rathaus-1", Arrived: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
		s.Order = order
		if err := letter.WriteSlip(&b, s); err != nil {
			t.Fatal(err)
		}
		if got := scanned(t, b.Bytes()); got != "CODE-128:"+string(order) {
			t.Errorf("the scanner reads %q, want %q", got, order)
		}
	}
}
