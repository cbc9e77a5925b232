package firmwaresim_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// street is a Modbus line to a simulator's boards.
func street(t *testing.T, s *firmwaresim.Simulator) *modbus.Line {
	t.Helper()
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: s.Addresses().Locks, Baud: 115200,
		Timeout: modbus.MaxTimeout, Poll: 20 * time.Millisecond, Supply: supply.New()})
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
	ctx, cancel := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		askers.Wait()
	})
	for board := range byte(3) {
		s.Boards.Trouble(board+1, firmwaresim.Silent)
		contact := contactOf(t, s, line, int(board)*4+1)
		askers.Go(func() {
			for ctx.Err() == nil {
				if _, err := contact.Open(); err == nil {
					t.Error("a silent board answered")
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // the line is busy now
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

func TestAnInputThatFlickersIsNotTold(t *testing.T) {
	s := newSimulator(t, 1)
	line := street(t, s)
	changes := watch(t, contactOf(t, s, line, 1))
	expect(t, changes, false)
	s.Boards.Trouble(1, firmwaresim.Flickering)
	time.Sleep(300 * time.Millisecond)
	if n := len(changes); n > 0 {
		t.Errorf("told %d times", n)
	}
	do(t, s, 1, firmwaresim.Force)
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	expect(t, changes, true)
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
