package firmwaresim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
)

// bench is a wall with lines and a clock that is moved by hand.
type bench struct {
	*firmwaresim.Wall
	*stepClock
	t    *testing.T
	name string
}

func newBench(t *testing.T, compartments int) *bench {
	t.Helper()
	clock := newStepClock()
	wall, err := firmwaresim.NewWall(compartments, clock)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := wall.RegisterLines(t.Name(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lines.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{wall, clock, t, t.Name()}
}

func (b *bench) drive(n int, level gpio.Level) {
	b.t.Helper()
	if err := gpioreg.ByName(firmwaresim.LockLine(b.name, n)).Out(level); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) pulse(n int, length time.Duration) {
	b.t.Helper()
	b.drive(n, gpio.High)
	b.step(length)
	b.drive(n, gpio.Low)
	b.step(time.Second)
}

func (b *bench) do(n int, deeds ...firmwaresim.Deed) {
	b.t.Helper()
	for _, deed := range deeds {
		if err := b.Do(n, deed); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) door(n int) firmwaresim.Door {
	b.t.Helper()
	d, err := b.Door(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) faults() string {
	faults, _ := b.Faults()
	return strings.Join(faults, "; ")
}

func TestAPulseOpensItsDoorAndNoOther(t *testing.T) {
	b := newBench(t, 3)
	b.pulse(2, 300*time.Millisecond)
	for n := 1; n <= 3; n++ {
		if d := b.door(n); d.Open != (n == 2) || d.ContactOpen != (n == 2) {
			t.Errorf("door %d: %+v", n, d)
		}
	}
	if b.faults() != "" {
		t.Errorf("faults: %s", b.faults())
	}
}

func TestATooShortPulseDoesNotFreeTheLatch(t *testing.T) {
	b := newBench(t, 1)
	b.pulse(1, 100*time.Millisecond)
	b.pulse(1, 149*time.Millisecond)
	if b.door(1).Open {
		t.Error("the door opened")
	}
	b.pulse(1, 151*time.Millisecond)
	if d := b.door(1); !d.Open || d.Pulses != 3 || d.Openings != 1 {
		t.Errorf("after a sufficient pulse: %+v", d)
	}
}

func TestABurntCoilAndTwoCoilsAreFaults(t *testing.T) {
	b := newBench(t, 2)
	b.pulse(1, 1400*time.Millisecond)
	if b.faults() != "" {
		t.Fatalf("a second and a half is allowed: %s", b.faults())
	}
	b.pulse(1, 1600*time.Millisecond)
	if !strings.Contains(b.faults(), "compartment 1 is energised for more than 1.5s") {
		t.Errorf("faults: %q", b.faults())
	}
	b.drive(1, gpio.High)
	b.drive(2, gpio.High)
	if !strings.Contains(b.faults(), "compartments 1 and 2 are energised together") {
		t.Errorf("faults: %q", b.faults())
	}
}

func TestFaultsAreCountedAndBounded(t *testing.T) {
	b := newBench(t, 2)
	b.drive(1, gpio.High)
	for range 250 {
		b.drive(2, gpio.High)
		b.drive(2, gpio.Low)
	}
	if first, count := b.Faults(); len(first) != 100 || count != 250 {
		t.Errorf("%d kept, %d counted", len(first), count)
	}
}

func TestALockWithstandsAPullAndNotForce(t *testing.T) {
	b := newBench(t, 1)
	if err := b.Do(1, firmwaresim.Open); !errors.Is(err, firmwaresim.ErrRefused) || b.door(1).Open {
		t.Errorf("a pull: %v", err)
	}
	b.do(1, firmwaresim.Force)
	if !b.door(1).ContactOpen {
		t.Error("forced, but the contact shows closed")
	}
	b.do(1, firmwaresim.Close)
	if b.door(1).ContactOpen {
		t.Error("closed, but the contact shows open")
	}
}

func TestAJammedDoorStaysWhereItIs(t *testing.T) {
	b := newBench(t, 1)
	b.do(1, firmwaresim.Jam)
	b.pulse(1, 500*time.Millisecond)
	if b.door(1).Open {
		t.Error("jammed closed, but it opened")
	}
	b.do(1, firmwaresim.Heal)
	b.pulse(1, 500*time.Millisecond)
	b.do(1, firmwaresim.Jam)
	if err := b.Do(1, firmwaresim.Close); !errors.Is(err, firmwaresim.ErrRefused) || !b.door(1).Open {
		t.Errorf("jammed open: %v, %+v", err, b.door(1))
	}
	b.do(1, firmwaresim.Heal, firmwaresim.Close)
}

func TestABouncingContactComesToRest(t *testing.T) {
	b := newBench(t, 1)
	b.do(1, firmwaresim.Bounce, firmwaresim.Force)
	line := gpioreg.ByName(firmwaresim.DoorLine(b.name, 1))
	seen := map[gpio.Level]int{}
	for range 20 {
		seen[line.Read()]++
		b.step(time.Millisecond)
	}
	if seen[gpio.Low] == 0 || seen[gpio.High] == 0 {
		t.Errorf("it did not bounce: %v", seen)
	}
	if !b.door(1).ContactOpen {
		t.Error("it came to rest in the wrong state")
	}
}

func TestADeadContactTellsNothing(t *testing.T) {
	b := newBench(t, 1)
	b.do(1, firmwaresim.Deaden, firmwaresim.Force)
	if d := b.door(1); !d.Open || d.ContactOpen {
		t.Errorf("got %+v", d)
	}
	b.do(1, firmwaresim.Heal)
	if !b.door(1).ContactOpen {
		t.Error("healed, but the contact shows closed")
	}
}

func TestDocumentsNeedAnOpenDoor(t *testing.T) {
	b := newBench(t, 1)
	for _, deed := range []firmwaresim.Deed{firmwaresim.Lay, firmwaresim.Take} {
		if err := b.Do(1, deed); !errors.Is(err, firmwaresim.ErrRefused) {
			t.Errorf("%s through a closed door: %v", deed, err)
		}
	}
	b.do(1, firmwaresim.Force, firmwaresim.Lay)
	if err := b.Do(1, firmwaresim.Lay); !errors.Is(err, firmwaresim.ErrRefused) || !b.door(1).Document {
		t.Errorf("a second one: %v", err)
	}
	b.do(1, firmwaresim.Take)
	if err := b.Do(1, firmwaresim.Take); !errors.Is(err, firmwaresim.ErrRefused) || b.door(1).Document {
		t.Errorf("taken twice: %v", err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	b := newBench(t, 2)
	for _, n := range []int{-1, 0, 3} {
		if err := b.Do(n, firmwaresim.Force); !errors.Is(err, firmwaresim.ErrNoCompartment) {
			t.Errorf("compartment %d: %v", n, err)
		}
	}
	if err := b.Do(1, "explode"); !errors.Is(err, firmwaresim.ErrUnknownDeed) {
		t.Errorf("got %v", err)
	}
	for _, n := range []int{-1, 0, 1001} {
		if _, err := firmwaresim.NewWall(n, newStepClock()); err == nil {
			t.Errorf("a wall of %d was built", n)
		}
	}
}

func TestLinesCarryTheTerminalsNameAndGoAway(t *testing.T) {
	wall, err := firmwaresim.NewWall(2, newStepClock())
	if err != nil {
		t.Fatal(err)
	}
	lines, err := wall.RegisterLines("berlin-1", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wall.RegisterLines("berlin-1", true); err == nil {
		t.Error("the same names were registered twice")
	}
	door := gpioreg.ByName("berlin-1/DOOR2")
	lock := gpioreg.ByName("berlin-1/LOCK2")
	if door == nil || lock == nil {
		t.Fatal("the lines are not in the registry")
	}
	if d, err := wall.Door(2); err != nil || d.Coil {
		t.Errorf("an active-low line that nobody drives: %+v, %v", d, err)
	}
	if err := lock.Out(gpio.Low); err != nil {
		t.Fatal(err)
	}
	if d, _ := wall.Door(2); !d.Coil {
		t.Error("an active-low line that is low: the coil is off")
	}
	if err := lock.In(gpio.Float, gpio.NoEdge); err != nil {
		t.Fatal(err)
	}
	if d, _ := wall.Door(2); d.Coil {
		t.Error("a line that is let go: the coil is on")
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if gpioreg.ByName("berlin-1/DOOR2") != nil || gpioreg.ByName("berlin-1/LOCK1") != nil {
		t.Error("the lines are still in the registry")
	}
	if err := door.In(gpio.Float, gpio.BothEdges); err == nil {
		t.Error("a line that is gone can be opened")
	}
}
