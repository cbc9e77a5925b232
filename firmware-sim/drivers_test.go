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
	"github.com/nachtfach/nachtfach/hardware/modbus"
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

// street is a Modbus line to a simulator's boards.
func street(t *testing.T, s *firmwaresim.Simulator) *modbus.Line {
	t.Helper()
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: s.Addresses().Locks, Baud: 115200,
		Timeout: 100 * time.Millisecond, Poll: 20 * time.Millisecond, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := line.Close(); err != nil {
			t.Error(err)
		}
	})
	return line
}

func lockOf(t *testing.T, s *firmwaresim.Simulator, line *modbus.Line, n int) *modbus.Lock {
	t.Helper()
	unit, coil := s.Boards.Address(n)
	lock, err := line.Lock(modbus.LockConfig{Board: unit, Coil: coil, Pulse: supply.MinPulse})
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func contactOf(t *testing.T, s *firmwaresim.Simulator, line *modbus.Line, n int) *modbus.Contact {
	t.Helper()
	unit, input := s.Boards.Address(n)
	contact, err := line.Contact(modbus.ContactConfig{Board: unit, Input: input})
	if err != nil {
		t.Fatal(err)
	}
	return contact
}

func TestABoardOpensItsDoorAndTheInputTells(t *testing.T) {
	s := newSimulator(t, 10) // three boards, the last with two compartments
	line := street(t, s)
	for _, n := range []int{1, 10} {
		changes := watch(t, contactOf(t, s, line, n))
		expect(t, changes, false)
		if err := lockOf(t, s, line, n).Pulse(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, changes, true)
		do(t, s, n, firmwaresim.Bounce, firmwaresim.Close)
		expect(t, changes, false)
	}
	for _, d := range s.Wall.Doors() {
		if want := d.Number == 1 || d.Number == 10; (d.Openings == 1) != want || d.Coil {
			t.Errorf("door %+v", d)
		}
	}
}

func TestADoorThatNeitherOpensNorClosesIsSeen(t *testing.T) {
	s := newSimulator(t, 1)
	line := street(t, s)
	lock, contact := lockOf(t, s, line, 1), contactOf(t, s, line, 1)
	do(t, s, 1, firmwaresim.Jam)
	if err := lock.Pulse(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if open, err := contact.Open(); err != nil || open {
		t.Errorf("jammed closed: open %v, %v", open, err)
	}
	do(t, s, 1, firmwaresim.Force)
	if err := s.Wall.Do(1, firmwaresim.Close); err == nil {
		t.Error("jammed open, but it closed")
	}
	time.Sleep(50 * time.Millisecond)
	if open, err := contact.Open(); err != nil || !open {
		t.Errorf("jammed open: open %v, %v", open, err)
	}
}

func TestEachTroubleOfABoardIsNamed(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	bad, good := lockOf(t, s, line, 1), lockOf(t, s, line, 5)
	for trouble, want := range map[firmwaresim.Trouble]string{
		firmwaresim.Silent:      "no answer",
		firmwaresim.Stranger:    "another board answered",
		firmwaresim.Garbled:     "damaged",
		firmwaresim.StuckRelays: "failure of its own",
	} {
		s.Boards.Trouble(1, trouble)
		err := bad.Release()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "board 1: write coil 0 off") {
			t.Errorf("want %q, got %v", want, err)
		}
		if err := good.Release(); err != nil {
			t.Errorf("beside a board that is %q: %v", want, err)
		}
		s.Boards.Trouble(1, firmwaresim.NoTrouble)
		if err := bad.Release(); err != nil {
			t.Errorf("after %q: %v", want, err)
		}
	}
}

func TestACoilThatCannotBeSwitchedOffBlocksTheOthers(t *testing.T) {
	t.Parallel()
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: 8, PerBoard: 4, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	line := street(t, s)
	bad, good := lockOf(t, s, line, 1), lockOf(t, s, line, 5)
	s.Boards.Trouble(1, firmwaresim.HoldsOn)
	if err := bad.Pulse(t.Context()); !errors.Is(err, supply.ErrStuck) {
		t.Errorf("got %v", err)
	}
	if err := good.Pulse(t.Context()); !errors.Is(err, supply.ErrStuck) {
		t.Errorf("the other lock: %v", err)
	}
	if d, _ := s.Wall.Door(5); d.Pulses > 0 {
		t.Error("the other lock was driven")
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	if err := good.Pulse(t.Context()); err != nil {
		t.Errorf("after mending: %v", err)
	}
	if d, _ := s.Wall.Door(1); d.Coil {
		t.Error("the coil is still on")
	}
}

func TestALockWithoutPowerDoesNotHoldUpTheOthers(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	s.Boards.Trouble(1, firmwaresim.Silent)
	if err := lockOf(t, s, line, 1).Pulse(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v", err)
	}
	if err := lockOf(t, s, line, 5).Pulse(t.Context()); err != nil {
		t.Errorf("the other lock: %v", err)
	}
}

func TestASilentBoardIsToldOnceAndRecovers(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	bad, good := watch(t, contactOf(t, s, line, 1)), watch(t, contactOf(t, s, line, 5))
	expect(t, bad, false)
	expect(t, good, false)
	s.Boards.Trouble(1, firmwaresim.Silent)
	if c := next(t, bad); c.err == nil || !strings.Contains(c.err.Error(), "board 1") {
		t.Fatalf("told %+v", c)
	}
	do(t, s, 1, firmwaresim.Force)
	do(t, s, 5, firmwaresim.Force)
	expect(t, good, true)
	if n := len(bad); n > 0 {
		t.Errorf("the silent board was told %d times more", n)
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	expect(t, bad, true)
}

// The simulator keeps the books: a coil on for more than 1.5 s is a fault.
func TestSilentBoardsDoNotLengthenAPulse(t *testing.T) {
	s := newSimulator(t, 16)
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: s.Addresses().Locks, Baud: 115200,
		Timeout: modbus.MaxTimeout, Poll: 20 * time.Millisecond, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	unit, coil := s.Boards.Address(16)
	lock, err := line.Lock(modbus.LockConfig{Board: unit, Coil: coil, Pulse: supply.MaxPulse})
	if err != nil {
		t.Fatal(err)
	}
	var silent []<-chan change
	for board := range byte(3) {
		s.Boards.Trouble(board+1, firmwaresim.Silent)
		silent = append(silent, watch(t, contactOf(t, s, line, int(board)*4+1)))
	}
	for _, changes := range silent {
		if c := next(t, changes); c.err == nil {
			t.Fatalf("told %+v", c)
		}
	}
	if err := lock.Pulse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Wall.Door(16); err != nil || !d.Open || d.Coil {
		t.Errorf("door %+v, %v", d, err)
	}
}

func TestAnAdapterThatWasUnpluggedIsFoundAgain(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s)
	lock := lockOf(t, s, line, 1)
	changes := watch(t, contactOf(t, s, line, 1))
	expect(t, changes, false)
	if err := s.Unplug(firmwaresim.Locks); err != nil {
		t.Fatal(err)
	}
	if c := next(t, changes); c.err == nil {
		t.Fatalf("told %+v", c)
	}
	if err := lock.Release(); err == nil || !strings.Contains(err.Error(), "open: no such file") {
		t.Errorf("unplugged: %v", err)
	}
	if err := s.Plug(firmwaresim.Locks); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, false)
	if err := lock.Release(); err != nil {
		t.Errorf("plugged in again: %v", err)
	}
}

func TestBadModbusAddressesAreRefused(t *testing.T) {
	s := newSimulator(t, 2)
	line := street(t, s)
	for _, unit := range []uint8{0, 248} {
		if _, err := line.Lock(modbus.LockConfig{Board: unit}); err == nil {
			t.Errorf("unit %d was taken", unit)
		}
		if _, err := line.Contact(modbus.ContactConfig{Board: unit}); err == nil {
			t.Errorf("unit %d was taken", unit)
		}
	}
	lock, err := line.Lock(modbus.LockConfig{Board: 1, Coil: 99})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err == nil || !strings.Contains(err.Error(), "no such coil") {
		t.Errorf("got %v", err)
	}
}

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

func TestADamagedTransferIsAnErrorAndTheNextIsWhole(t *testing.T) {
	s := newSimulator(t, 1)
	r := newReader(t, s)
	if err := s.LayFinger("anna", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.Module.CorruptAfter(50)
	if _, err := r.Capture(t.Context()); !errors.Is(err, zfm.ErrChecksum) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Capture(t.Context()); err != nil {
		t.Errorf("the next: %v", err)
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
			Watch(ctx, func(text string, err error) { lines <- heard{text, err} })
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
