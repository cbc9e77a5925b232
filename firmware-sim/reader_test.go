package firmwaresim_test

import (
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/zfm"
)

func newReader(t *testing.T, s *firmwaresim.Simulator) *zfm.Reader {
	t.Helper()
	r := zfm.New(zfm.Config{Name: "finger", Path: s.Addresses().Reader})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestTheReaderSeesTheFingerThatLiesThere(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	go func() {
		time.Sleep(250 * time.Millisecond) // the reader waits for a finger meanwhile
		if err := s.LayFinger("anna", 2, 0); err != nil {
			t.Error(err)
		}
	}()
	got, err := r.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := stripes("anna", 2)
	if string(got.Pix) != string(want.(*image.Gray).Pix) {
		t.Error("the picture is another one")
	}
	s.Module.Lift()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := r.Capture(ctx); !errors.Is(err, zfm.ErrNoFinger) {
		t.Errorf("after lifting: %v", err)
	}
}

func TestAReaderUnpluggedInMidImageSaysSoAndComesBack(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.Module.CutAfter(100)
	_, err := r.Capture(t.Context())
	if err == nil || !strings.Contains(err.Error(), "picture broken off after") || !errors.Is(err, zfm.ErrUnplugged) {
		t.Fatalf("got %v", err)
	}
	if _, err := r.Capture(t.Context()); err == nil || !strings.Contains(err.Error(), "open") {
		t.Errorf("while unplugged: %v", err)
	}
	if err := s.Plug(firmwaresim.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Capture(t.Context()); err != nil {
		t.Errorf("plugged in again: %v", err)
	}
}

func TestOneDamagedPacketOfAPictureEndsNoCapture(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.Module.CorruptAfter(50)
	got, err := r.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := stripes("anna", 1); string(got.Pix) != string(want.(*image.Gray).Pix) {
		t.Error("the picture is another one")
	}
}

// The picture lies in the module: a finger that was lifted meanwhile need not come
// back for a damaged packet.
func TestADamagedPacketNeedsNoSecondFinger(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.Module.LiftAfterPicture()
	s.Module.CorruptAfter(50)
	if _, err := r.Capture(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOneLostOrDamagedAnswerEndsNoCapture(t *testing.T) {
	for name, slip := range map[string]firmwaresim.Slip{
		"damaged": firmwaresim.SlipDamaged, "silent": firmwaresim.SlipSilent, "twice": firmwaresim.SlipTwice, "late": firmwaresim.SlipLate,
	} {
		for command, at := range map[string]int{"the picture": 1, "its transfer": 2} {
			t.Run(name+" at "+command, func(t *testing.T) {
				s := newSimulator(t, 1)
				r := newReader(t, s)
				if err := r.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.LayFinger("anna", 1, 0); err != nil {
					t.Fatal(err)
				}
				s.Module.SlipAfter(at, slip)
				if _, err := r.Capture(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := r.Capture(t.Context()); err != nil {
					t.Errorf("the next: %v", err)
				}
			})
		}
	}
}

func TestACancelledTransferLeavesTheReaderUsable(t *testing.T) {
	t.Parallel()
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: 1, Dir: t.TempDir(), Baud: 460800, Finger: stripes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Capture(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if _, err := r.Capture(t.Context()); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestTheReaderWaitsUntilTheFingerIsLifted(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.AwaitLift(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the finger lies there: %v", err)
	}
	s.Module.Lift()
	if err := r.AwaitLift(t.Context()); err != nil {
		t.Errorf("the finger was lifted: %v", err)
	}
}

func TestNoiseBetweenThePacketsIsPassedOver(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.Module.Noise([]byte{0x00, 0xEF, 0x55, 0xEF})
	if _, err := r.Capture(t.Context()); err != nil {
		t.Errorf("noise that is no packet: %v", err)
	}
	// A head without its packet swallows the next one's, and does so each time.
	s.Module.Noise([]byte{0xEF, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x00, 0x03})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := r.Capture(ctx); err == nil {
		t.Error("a picture came out of what cannot be read")
	}
	s.Module.Noise(nil)
	if _, err := r.Capture(t.Context()); err != nil {
		t.Errorf("after the noise: %v", err)
	}
}

func TestAReaderIsUnpluggedAndPluggedInAgainAnyNumberOfTimes(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Capture(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Unplug(firmwaresim.Reader); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context()); err == nil {
			t.Error("unplugged, and it answers")
		}
		if err := s.Plug(firmwaresim.Reader); err != nil {
			t.Fatal(err)
		}
	}
}
