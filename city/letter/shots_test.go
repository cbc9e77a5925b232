package letter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/letter"
)

// TestShots draws the letter, with fingers and with a number, and the slip into
// the folder that NACHTFACH_SHOTS names.
func TestShots(t *testing.T) {
	dir := os.Getenv("NACHTFACH_SHOTS")
	if dir == "" {
		t.Skip("NACHTFACH_SHOTS names no folder")
	}
	need(t, "pdftoppm", "poppler-utils")
	finger, number := sample(t), sample(t)
	number.Fingers, number.PINLetter = nil, false
	slip := letter.Slip{
		Town: "Stadt Musterstadt", Station: "Rathaus, Marktplatz 1, Eingang Nord", Terminal: "rathaus-nord",
		Order: finger.Order, Arrived: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
	}
	dummy, dummySlip := sample(t), slip
	dummy.Training, dummySlip.Training = true, true
	for name, draw := range map[string]func(*bytes.Buffer) error{
		"letter":        func(b *bytes.Buffer) error { return letter.Write(b, finger) },
		"letter-number": func(b *bytes.Buffer) error { return letter.Write(b, number) },
		"slip":          func(b *bytes.Buffer) error { return letter.WriteSlip(b, slip) },

		"training-letter": func(b *bytes.Buffer) error { return letter.Write(b, dummy) },
		"training-slip":   func(b *bytes.Buffer) error { return letter.WriteSlip(b, dummySlip) },
	} {
		var b bytes.Buffer
		if err := draw(&b); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("pdftoppm", "-r", "100", "-png", "-", filepath.Join(dir, "paper-"+name))
		c.Stdin = &b
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("pdftoppm: %v: %s", err, out)
		}
	}
}
