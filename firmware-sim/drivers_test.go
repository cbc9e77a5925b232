package firmwaresim_test

import (
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/scanner"
	"github.com/nachtfach/nachtfach/hardware/supply"
	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// newSimulator returns the hardware of one terminal, in real time. The test
// fails if a driver does what it must not do. Tests with one run in parallel:
// most of their time they wait.
func newSimulator(t *testing.T, compartments int) *firmwaresim.Simulator {
	t.Helper()
	t.Parallel()
	s, err := firmwaresim.New(firmwaresim.Config{
		Terminal: t.Name(), Compartments: compartments, PerBoard: 4, Dir: t.TempDir(), Lines: true, Finger: stripes,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if faults, count := s.Wall.Faults(); count > 0 {
			t.Errorf("the driver's faults: %v", faults)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// stripes are fingers that are easily told apart.
func stripes(name string, impression int) (image.Image, error) {
	if name == "nobody" {
		return nil, errors.New("there is no such finger")
	}
	img := image.NewGray(image.Rect(0, 0, zfm.Width, zfm.Height))
	for i := range img.Pix {
		img.Pix[i] = byte(i / (len(name) + impression) % 16 * 17)
	}
	return img, nil
}

type change struct {
	open bool
	err  error
}

// watcher is what both drivers' contacts do.
type watcher interface {
	Watch(context.Context, func(bool, error)) error
}

func watch(t *testing.T, c watcher) <-chan change {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	changes, done := make(chan change, 100), make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(open bool, err error) { changes <- change{open, err} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	})
	return changes
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told")
		panic("unreachable")
	}
}

func expect(t *testing.T, changes <-chan change, open bool) {
	t.Helper()
	if c := next(t, changes); c.err != nil || c.open != open {
		t.Fatalf("told %+v, want open %v", c, open)
	}
}

func do(t *testing.T, s *firmwaresim.Simulator, n int, deeds ...firmwaresim.Deed) {
	t.Helper()
	for _, deed := range deeds {
		if err := s.Wall.Do(n, deed); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALineOpensItsDoorAndTheContactTells(t *testing.T) {
	s := newSimulator(t, 2)
	lock, err := gpio.OpenCoil(gpio.CoilConfig{Line: firmwaresim.LockLine(t.Name(), 2), Pulse: supply.MinPulse, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	contact, err := gpio.OpenContact(gpio.ContactConfig{Line: firmwaresim.DoorLine(t.Name(), 2)})
	if err != nil {
		t.Fatal(err)
	}
	changes := watch(t, contact)
	expect(t, changes, false)
	if err := lock.Pulse(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, true)
	if open, err := contact.Open(); err != nil || !open {
		t.Errorf("open %v, %v", open, err)
	}
	do(t, s, 2, firmwaresim.Bounce, firmwaresim.Close)
	expect(t, changes, false)
	time.Sleep(100 * time.Millisecond)
	if n := len(changes); n > 0 {
		t.Errorf("a bouncing contact was told %d times more", n)
	}
}

type heard struct {
	text string
	err  error
}

func TestAScannerIsHeardAndFoundAgainAfterUnplugging(t *testing.T) {
	s := newSimulator(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	lines, done := make(chan heard, 100), make(chan error, 1)
	go func() {
		done <- scanner.New(scanner.Config{Name: "citizen", Path: s.Addresses().Citizen}).
			Watch(ctx, func(text []byte, err error) { lines <- heard{string(text), err} })
	}()
	defer func() {
		cancel()
		<-done
	}()
	if h := next(t, lines); h != (heard{}) {
		t.Fatalf("not open: %+v", h)
	}
	scan := func(text string) heard {
		t.Helper()
		if err := s.Scan(firmwaresim.Citizen, text); err != nil {
			t.Fatal(err)
		}
		return next(t, lines)
	}
	if h := scan("1234 5678 9012"); h.text != "1234 5678 9012" {
		t.Errorf("heard %+v", h)
	}
	if h := scan(strings.Repeat("9", 600)); !errors.Is(h.err, scanner.ErrTooLong) {
		t.Errorf("heard %+v", h)
	}
	if err := s.Unplug(firmwaresim.Citizen); err != nil {
		t.Fatal(err)
	}
	if h := next(t, lines); !errors.Is(h.err, scanner.ErrGone) {
		t.Fatalf("unplugged: %+v", h)
	}
	if err := s.Scan(firmwaresim.Citizen, "lost"); err == nil {
		t.Error("an unplugged scanner reads")
	}
	if err := s.Plug(firmwaresim.Citizen); err != nil {
		t.Fatal(err)
	}
	if h := next(t, lines); h != (heard{}) {
		t.Fatalf("plugged in again: %+v", h)
	}
	if h := scan("again"); h.text != "again" {
		t.Errorf("heard %+v", h)
	}
}

func TestABurstOfEdgesEndsInTheRightState(t *testing.T) {
	s := newSimulator(t, 1)
	contact, err := gpio.OpenContact(gpio.ContactConfig{Line: firmwaresim.DoorLine(t.Name(), 1)})
	if err != nil {
		t.Fatal(err)
	}
	changes := watch(t, contact)
	expect(t, changes, false)
	for range 200 { // many more edges than a line keeps
		do(t, s, 1, firmwaresim.Force, firmwaresim.Close)
	}
	do(t, s, 1, firmwaresim.Force)
	for last := next(t, changes); !last.open; last = next(t, changes) {
		if last.err != nil {
			t.Fatal(last.err)
		}
	}
}

func TestALineThatGoesAwayIsTold(t *testing.T) {
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: 1, Dir: t.TempDir(), Lines: true})
	if err != nil {
		t.Fatal(err)
	}
	contact, err := gpio.OpenContact(gpio.ContactConfig{Line: firmwaresim.DoorLine(t.Name(), 1), Reread: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	changes := watch(t, contact)
	expect(t, changes, false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if c := next(t, changes); c.err == nil || !strings.Contains(c.err.Error(), "DOOR1") {
		t.Errorf("told %+v", c)
	}
}
