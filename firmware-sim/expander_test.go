package firmwaresim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// The registers that the tests look at.
const (
	iodirA, iodirB = 0x00, 0x01
	ioconA         = 0x0A
	olatA, olatB   = 0x14, 0x15
)

// bank is a wall on expanders, with the driver's chips.
type bank struct {
	t         *testing.T
	sim       *firmwaresim.Simulator
	activeLow bool
	power     *supply.Supply
	chips     []*expander.Chip
}

func newBank(t *testing.T, compartments int, activeLow bool) *bank {
	t.Helper()
	t.Parallel()
	sim, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: compartments, Dir: t.TempDir(), Expanders: true, ActiveLow: activeLow})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if faults, count := sim.Wall.Faults(); count > 0 {
			t.Errorf("the driver's faults: %v", faults)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bank{t: t, sim: sim, activeLow: activeLow}
	b.open("")
	return b
}

// open begins as a new process does, with or without interrupts.
func (b *bank) open(interrupt string) {
	b.t.Helper()
	for _, c := range b.chips {
		if err := c.Close(); err != nil {
			b.t.Fatal(err)
		}
	}
	b.chips, b.power = nil, supply.New()
	bus := expander.NewBus(firmwaresim.ExpanderBus(b.t.Name()))
	for i := range b.sim.Expanders.Chips {
		chip, err := expander.Register(expander.Config{
			Name: fmt.Sprint(i), Bus: bus, Address: 0x20 + i, Registry: fmt.Sprintf("%s/%d", b.t.Name(), i), Interrupt: interrupt,
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.chips = append(b.chips, chip)
		b.t.Cleanup(func() {
			if err := chip.Close(); err != nil {
				b.t.Error(err)
			}
		})
	}
	b.t.Cleanup(func() { _ = bus.Close() })
}

func (b *bank) lock(n int) *gpio.Coil {
	b.t.Helper()
	chip, line, _ := firmwaresim.ExpanderWire(n)
	coil, err := gpio.OpenCoil(gpio.CoilConfig{
		Line: expander.LineName(fmt.Sprintf("%s/%d", b.t.Name(), chip), line), ActiveLow: b.activeLow, Pulse: supply.MinPulse, Supply: b.power,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return coil
}

func (b *bank) contact(n int) *gpio.Contact {
	b.t.Helper()
	chip, _, line := firmwaresim.ExpanderWire(n)
	contact, err := gpio.OpenContact(gpio.ContactConfig{
		Line: expander.LineName(fmt.Sprintf("%s/%d", b.t.Name(), chip), line), Pull: periph.PullUp,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return contact
}

// watchChip returns what a chip tells: an error, or nil that it is well again.
func (b *bank) watchChip(i int) <-chan error {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	told, done := make(chan error, 100), make(chan struct{})
	go func() {
		defer close(done)
		_ = b.chips[i].Watch(ctx, func(err error) { told <- err })
	}()
	b.t.Cleanup(func() { cancel(); <-done })
	return told
}

// pulses is how often any coil was driven.
func (b *bank) pulses() (n int) {
	for _, d := range b.sim.Wall.Doors() {
		n += d.Pulses
	}
	return n
}

func toldNext(t *testing.T, told <-chan error) error {
	t.Helper()
	select {
	case err := <-told:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told")
		return nil
	}
}

func TestAnExpandersLatchIsWrittenBeforeItsDirection(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprintf("active low %v", activeLow), func(t *testing.T) {
			b := newBank(t, 8, activeLow)
			chip := b.sim.Expanders.Chips[0]
			coil := b.lock(1)
			written := chip.Written()
			first := func(register byte) int { return strings.IndexByte(string(written), register) }
			if first(olatA) < 0 || first(iodirA) < 0 || first(olatA) > first(iodirA) {
				t.Errorf("written in this order: %x", written)
			}
			for n := 2; n <= 8; n++ {
				b.lock(n)
				b.contact(n)
			}
			if b.pulses() != 0 {
				t.Errorf("opening the locks drove %d", b.pulses())
			}
			if err := coil.Pulse(t.Context()); err != nil || b.pulses() != 1 {
				t.Errorf("a pulse: %v, %d coils driven", err, b.pulses())
			}
			if d, _ := b.sim.Wall.Door(1); d.Coil || d.Pulses != 1 {
				t.Errorf("door 1 is %+v", d)
			}
			if err := coil.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestANewProcessMovesNoLockOfAChipThatDrives(t *testing.T) {
	b := newBank(t, 8, true)
	for n := 1; n <= 8; n++ {
		b.lock(n)
	}
	if err := b.lock(3).Switch(true); err != nil { // and killed in the middle of a pulse
		t.Fatal(err)
	}
	b.open("")
	before := b.pulses()
	for n := 8; n >= 1; n-- {
		b.lock(n)
	}
	if d, _ := b.sim.Wall.Door(3); d.Coil || b.pulses() != before {
		t.Errorf("coil 3 is on: %v; %d coils driven at the start", d.Coil, b.pulses()-before)
	}
}

func TestAChipLeftInAnotherModeIsSetRight(t *testing.T) {
	for name, iocon := range map[string]byte{"registers apart": 0x80, "no sequence": 0x20, "both": 0xA0} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, 8, true)
			chip := b.sim.Expanders.Chips[0]
			chip.Poke(ioconA, iocon)
			coil := b.lock(8)
			if err := coil.Check(); err != nil || b.pulses() != 0 {
				t.Fatalf("%v, %d coils driven", err, b.pulses())
			}
			if err := coil.Pulse(t.Context()); err != nil || b.pulses() != 1 {
				t.Errorf("%v, %d coils driven", err, b.pulses())
			}
		})
	}
}

func TestAResetChipIsNoticedHealedAndTold(t *testing.T) {
	b := newBank(t, 8, true)
	coil := b.lock(1)
	b.contact(2)
	told := b.watchChip(0)
	b.sim.Expanders.Chips[0].Reset()
	start := time.Now()
	if err := toldNext(t, told); !errors.Is(err, expander.ErrReset) || !strings.Contains(err.Error(), `expander "0"`) {
		t.Fatalf("told %v", err)
	}
	t.Logf("noticed after %v", time.Since(start).Round(time.Millisecond))
	if err := toldNext(t, told); err != nil {
		t.Fatalf("then told %v", err)
	}
	if err := coil.Check(); err != nil || b.pulses() != 0 {
		t.Errorf("after it healed: %v, %d coils driven", err, b.pulses())
	}
	if err := coil.Pulse(t.Context()); err != nil || b.pulses() != 1 {
		t.Errorf("a pulse: %v, %d coils driven", err, b.pulses())
	}
}

func TestAPulseOnAResetChipFailsAndTheNextWorks(t *testing.T) {
	b := newBank(t, 8, true)
	coil := b.lock(1)
	b.sim.Expanders.Chips[0].Reset()
	if err := coil.Pulse(t.Context()); !errors.Is(err, expander.ErrReset) || errors.Is(err, supply.ErrStuck) || b.pulses() != 0 {
		t.Errorf("got %v, %d coils driven", err, b.pulses())
	}
	if err := coil.Pulse(t.Context()); err != nil || b.pulses() != 1 {
		t.Errorf("the next: %v, %d coils driven", err, b.pulses())
	}
}

func TestALockOnAResetChipCanBeSwitchedOff(t *testing.T) {
	b := newBank(t, 8, true)
	coil := b.lock(1)
	if err := coil.Switch(true); err != nil {
		t.Fatal(err)
	}
	b.sim.Expanders.Chips[0].Reset()
	if err := coil.Release(); err != nil {
		t.Error(err)
	}
	if err := coil.Check(); err != nil {
		t.Error(err)
	}
	if err := toldNext(t, b.watchChip(0)); !errors.Is(err, expander.ErrReset) {
		t.Errorf("told %v", err)
	}
}

func TestAChipThatVanishesAndReturnsIsTold(t *testing.T) {
	b := newBank(t, 16, false)
	coil, other := b.lock(1), b.lock(9)
	changes := watch(t, b.contact(2))
	if c := <-changes; c.open || c.err != nil {
		t.Fatalf("at first %+v", c)
	}
	told := b.watchChip(0)
	b.sim.Expanders.Chips[0].SetAbsent(true)
	if err := toldNext(t, told); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("told %v", err)
	}
	if c := next(t, changes); c.err == nil {
		t.Errorf("its contact tells %+v", c)
	}
	if err := coil.Check(); err == nil {
		t.Error("its lock reads back")
	}
	if err := other.Pulse(t.Context()); err != nil {
		t.Errorf("the other chip: %v", err)
	}
	b.sim.Expanders.Chips[0].SetAbsent(false)
	if err := toldNext(t, told); err != nil {
		t.Fatalf("then told %v", err)
	}
	if c := next(t, changes); c.open || c.err != nil {
		t.Errorf("its contact tells %+v", c)
	}
	if err := coil.Pulse(t.Context()); err != nil {
		t.Errorf("its lock: %v", err)
	}
}

func TestAChipThatDoesNotHoldWhatIsWrittenDrivesNothing(t *testing.T) {
	b := newBank(t, 8, true)
	chip := b.sim.Expanders.Chips[0]
	_, line, _ := firmwaresim.ExpanderWire(1)
	chip.Stick(olatA, 1<<line, 0) // its latch says "on" whatever is written
	coil := b.lock(1)
	if err := coil.Check(); !errors.Is(err, expander.ErrAltered) || !strings.Contains(err.Error(), "OLAT") {
		t.Errorf("got %v", err)
	}
	if b.pulses() != 0 || chip.Register(iodirA) != 0xFF {
		t.Errorf("%d coils driven, IODIRA is %x", b.pulses(), chip.Register(iodirA))
	}
	chip.Stick(olatA, 0, 0)
	chip.Stick(iodirA, 0, 1<<line) // it stays an input
	if err := b.chips[0].Check(); !errors.Is(err, expander.ErrAltered) || !strings.Contains(err.Error(), "IODIR") {
		t.Errorf("got %v", err)
	}
	chip.Stick(iodirA, 0, 0)
	if err := coil.Pulse(t.Context()); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestACoilThatASparkSwitchedOnIsOffWithinASecond(t *testing.T) {
	b := newBank(t, 8, false)
	b.lock(5)
	told := b.watchChip(0)
	_, line, _ := firmwaresim.ExpanderWire(5)
	b.sim.Expanders.Chips[0].Poke(olatB, 1<<(line-8))
	if err := toldNext(t, told); !errors.Is(err, expander.ErrAltered) {
		t.Fatalf("told %v", err)
	}
	if err := toldNext(t, told); err != nil {
		t.Fatalf("then told %v", err)
	}
	if d, _ := b.sim.Wall.Door(5); d.Coil {
		t.Error("the coil is on")
	}
}

func TestContactsOnAnExpanderTellTheirDoors(t *testing.T) {
	for name, interrupt := range map[string]bool{"polled": false, "by interrupt": true} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, 8, false)
			if interrupt {
				b.open(firmwaresim.ExpanderInterrupt(t.Name(), 0))
			}
			changes := watch(t, b.contact(7))
			told := b.watchChip(0)
			if c := next(t, changes); c.open || c.err != nil {
				t.Fatalf("at first %+v", c)
			}
			for range 3 {
				if err := b.sim.Wall.Do(7, firmwaresim.Force); err != nil {
					t.Fatal(err)
				}
				if c := next(t, changes); !c.open || c.err != nil {
					t.Fatalf("forced: %+v", c)
				}
				if err := b.sim.Wall.Do(7, firmwaresim.Close); err != nil {
					t.Fatal(err)
				}
				if c := next(t, changes); c.open || c.err != nil {
					t.Fatalf("closed: %+v", c)
				}
			}
			if len(told) > 0 {
				t.Errorf("told %v", <-told)
			}
		})
	}
}

func TestABusThatHangsIsToldAndRecovers(t *testing.T) {
	b := newBank(t, 8, true)
	coil := b.lock(1)
	told := b.watchChip(0)
	b.sim.Expanders.Hang(20 * time.Millisecond)
	if err := toldNext(t, told); err == nil {
		t.Fatal("told that all is well")
	}
	b.sim.Expanders.Hang(0)
	if err := toldNext(t, told); err != nil {
		t.Fatalf("then told %v", err)
	}
	if err := coil.Pulse(t.Context()); err != nil || b.pulses() != 1 {
		t.Errorf("a pulse: %v, %d coils driven", err, b.pulses())
	}
}

func TestABusIsOpenedWhenItIsThere(t *testing.T) {
	name := t.Name()
	bus := expander.NewBus(name)
	chip, err := expander.Register(expander.Config{Name: "late", Bus: bus, Address: 0x20, Registry: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chip.Close() })
	if err := chip.Check(); err == nil || !strings.Contains(err.Error(), "no bus") {
		t.Errorf("got %v", err)
	}
	var once sync.Once
	opened := make(chan struct{})
	err = i2creg.Register(name, nil, -1, func() (i2c.BusCloser, error) {
		once.Do(func() { close(opened) })
		return nil, errors.New("no permission")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i2creg.Unregister(name) })
	if err := chip.Check(); err == nil || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("got %v", err)
	}
	<-opened
}

func TestABadChipOrUseIsRefused(t *testing.T) {
	bus := expander.NewBus("nowhere")
	for want, cfg := range map[string]expander.Config{
		"no bus":       {Name: "a", Address: 0x20, Registry: "x"},
		"outside 0x20": {Name: "a", Bus: bus, Address: 0x40, Registry: "x"},
		"no name":      {Name: "a", Bus: bus, Address: 0x20},
	} {
		if _, err := expander.Register(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	b := newBank(t, 8, false)
	line := func(n int) periph.PinIO { return gpioreg.ByName(expander.LineName(t.Name()+"/0", n)) }
	for _, n := range []int{7, 15} {
		if err := line(n).In(periph.PullUp, periph.BothEdges); !errors.Is(err, expander.ErrOutputOnly) {
			t.Errorf("line %d as an input: %v", n, err)
		}
	}
	if err := line(0).In(periph.PullDown, periph.BothEdges); err == nil {
		t.Error("a pull-down was accepted")
	}
	if err := line(0).In(periph.PullUp, periph.RisingEdge); err == nil {
		t.Error("one edge alone was accepted")
	}
	if b.sim.Expanders.Chips[0].Register(iodirB) != 0xFF || len(b.sim.Expanders.Chips[0].Written()) != 0 {
		t.Error("the chip was written to")
	}
}
