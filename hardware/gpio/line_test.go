package gpio_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/host/v3/bcm283x"

	hardware "github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

func TestALineBecomesAnOutputWithItsLevelAndNoOther(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		t.Run(fmt.Sprintf("active low %v", activeLow), func(t *testing.T) {
			b := newBoard()
			b.add("gpiochip0", "soc", "LOCK1")
			registerLine(t, b, "LOCK1")
			coil, err := hardware.OpenCoil(hardware.CoilConfig{Line: "LOCK1", ActiveLow: activeLow, Pulse: supply.MinPulse, Supply: supply.New()})
			if err != nil {
				t.Fatal(err)
			}
			if err := coil.Pulse(t.Context()); err != nil {
				t.Fatal(err)
			}
			rest, on := gpio.Level(activeLow).String(), gpio.Level(!activeLow).String()
			if want := "[LOCK1:out=" + rest + " LOCK1=" + on + " LOCK1=" + rest + "]"; b.record() != want {
				t.Errorf("on the wire %s, want %s", b.record(), want)
			}
		})
	}
}

func TestReadingAnOutputLeavesItOne(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "LOCK1")
	l := registerLine(t, b, "LOCK1")
	if err := l.Out(gpio.High); err != nil {
		t.Fatal(err)
	}
	if l.Read() != gpio.High || l.Function() != "OUT" || b.record() != "[LOCK1:out=High]" {
		t.Errorf("read %s, function %s, on the wire %s", l.Read(), l.Function(), b.record())
	}
	if _, err := registerLine(t, b, "LOCK2").ReadLevel(); err == nil {
		t.Error("a line that is neither input nor output was read")
	}
}

func TestALineThatAnotherHoldsNamesItAndIsTakenWhenItIsFree(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "LOCK1").lines[0].by = "zigbee"
	registerLine(t, b, "LOCK1")
	coil, err := hardware.OpenCoil(hardware.CoilConfig{Line: "LOCK1", ActiveLow: true, Supply: supply.New()})
	if err != nil {
		t.Fatalf("a line that is busy now made opening fail: %v", err)
	}
	err = coil.Check()
	if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), `"LOCK1"`) || !strings.Contains(err.Error(), `held by "zigbee"`) {
		t.Errorf("got %v", err)
	}
	if err := coil.Pulse(t.Context()); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("a pulse gave %v", err)
	}
	b.change(func() { b.line("LOCK1").by = "" })
	if err := coil.Check(); err != nil || b.record() != "[LOCK1:out=High]" {
		t.Errorf("after it was let go: %v, on the wire %s", err, b.record())
	}
}

func TestALineThatMayNotBeUsedSaysSo(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "LOCK1")
	b.forbidden = true
	l := registerLine(t, b, "LOCK1")
	err := l.Out(gpio.Low)
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), `"LOCK1"`) || !strings.Contains(err.Error(), "gpiochip0") {
		t.Errorf("got %v", err)
	}
}

func TestAChipThatVanishesIsToldAndTakenAgainAtRest(t *testing.T) {
	b := newBoard()
	b.add("gpiochip1", "relays", "LOCK1")
	registerLine(t, b, "LOCK1")
	coil, err := hardware.OpenCoil(hardware.CoilConfig{Line: "LOCK1", ActiveLow: true, Pulse: supply.MinPulse, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	if err := coil.Switch(true); err != nil {
		t.Fatal(err)
	}
	b.unbind("gpiochip1")
	for range 2 { // the held line, and then the search
		if err := coil.Switch(false); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("without its chip: %v", err)
		}
	}
	b.add("gpiochip0", "soc", "other")
	if err := coil.Check(); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("another chip: %v", err)
	}
	b.change(func() { b.wire = nil })
	b.add("gpiochip7", "relays", "LOCK1")
	if err := coil.Check(); err != nil || b.record() != "[LOCK1:out=High]" {
		t.Errorf("the chip is back: %v, on the wire %s", err, b.record())
	}
	if err := coil.Pulse(t.Context()); err != nil || b.record() != "[LOCK1:out=High LOCK1=Low LOCK1=High]" {
		t.Errorf("a pulse after that: %v, on the wire %s", err, b.record())
	}
}

func TestAChipThatIsBackBeforeAnybodyLookedBeginsAtRest(t *testing.T) {
	b := newBoard()
	b.add("gpiochip1", "relays", "LOCK1")
	l := registerLine(t, b, "LOCK1")
	for _, level := range []gpio.Level{gpio.Low, gpio.High} {
		if err := l.Out(level); err != nil {
			t.Fatal(err)
		}
	}
	b.unbind("gpiochip1")
	b.add("gpiochip1", "relays", "LOCK1")
	if err := l.Out(gpio.High); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("the loss was not told: %v", err)
	}
	b.change(func() { b.wire = nil })
	if err := l.Out(gpio.High); err != nil || b.record() != "[LOCK1:out=Low LOCK1=High]" {
		t.Errorf("%v, on the wire %s", err, b.record())
	}
}

func TestALineThatDoesNotFollowIsTold(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "LOCK1")
	registerLine(t, b, "LOCK1")
	coil, err := hardware.OpenCoil(hardware.CoilConfig{Line: "LOCK1", Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	b.change(func() { b.line("LOCK1").level, b.line("LOCK1").stuck = gpio.High, true })
	if err := coil.Check(); !errors.Is(err, supply.ErrStuck) || !strings.Contains(err.Error(), "driven Low, reads High") {
		t.Errorf("a line that stays on: %v", err)
	}
	b.change(func() { b.line("LOCK1").level = gpio.Low })
	if err := coil.Switch(true); err != nil {
		t.Fatal(err)
	}
	if err := coil.Check(); err == nil || errors.Is(err, supply.ErrStuck) {
		t.Errorf("a line that does not go on: %v", err)
	}
}

func TestAnUnnamedLineIsFoundByItsChipsLabel(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "a", "b")
	b.add("gpiochip3", "relays", "", "", "")
	l := registerLine(t, b, "relays:2")
	if err := l.Out(gpio.High); err != nil || b.chips["gpiochip3"].lines[2].level != gpio.High {
		t.Errorf("%v, on the wire %s", err, b.record())
	}
	for _, name := range []string{"relays:3", "relays:-1", "relays:x", "soc:", ":1", "gone:1"} {
		if err := registerLine(t, b, name).Out(gpio.High); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestANameOfTwoLinesIsRefused(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "LOCK1")
	b.add("gpiochip1", "relays", "LOCK1")
	err := registerLine(t, b, "LOCK1").Out(gpio.Low)
	if err == nil || !strings.Contains(err.Error(), "2 lines (gpiochip0 line 0 and gpiochip1 line 0)") || b.record() != "[]" {
		t.Errorf("%v, on the wire %s", err, b.record())
	}
	b.chips["gpiochip1"].name = "gpiochip0" // the second file leads to the same chip
	if err := registerLine(t, b, "soc:0").Out(gpio.Low); err != nil {
		t.Error(err)
	}
}

func TestAnInputHasItsEdgesAndForgetsThoseBeforeIt(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "DOOR1")
	l := registerLine(t, b, "DOOR1")
	if err := l.In(gpio.PullUp, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	b.drive("DOOR1", gpio.High)
	b.drive("DOOR1", gpio.Low)
	if !l.WaitForEdge(-1) || l.WaitForEdge(0) {
		t.Error("two edges at once are not told as one")
	}
	b.drive("DOOR1", gpio.High)
	if err := l.In(gpio.PullUp, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	if l.WaitForEdge(0) || l.Read() != gpio.High {
		t.Error("an edge from before was told")
	}
	waiting := make(chan bool)
	go func() { waiting <- l.WaitForEdge(-1) }()
	for done := false; !done; { // whoever waits is sent away when the line's use changes
		select {
		case edge := <-waiting:
			done = true
			if edge {
				t.Error("an edge that did not happen")
			}
		case <-time.After(time.Millisecond):
			if err := l.In(gpio.PullUp, gpio.NoEdge); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDebouncingIsTheKernelsWhereItCan(t *testing.T) {
	b := newBoard()
	b.add("gpiochip0", "soc", "DOOR1")
	l := registerLine(t, b, "DOOR1")
	if err := l.InDebounced(gpio.PullUp, gpio.BothEdges, 8*time.Millisecond); err != nil || l.Settles() != 8*time.Millisecond {
		t.Errorf("%v, settles in %v", err, l.Settles())
	}
	b.noDebounce = true
	if err := l.InDebounced(gpio.PullUp, gpio.BothEdges, 8*time.Millisecond); err != nil || l.Settles() != 0 {
		t.Errorf("an old kernel: %v, settles in %v", err, l.Settles())
	}
}

func TestAContactFollowsItsChip(t *testing.T) {
	b := newBoard()
	registerLine(t, b, "DOOR1")
	changes := watch(t, hardware.ContactConfig{Line: "DOOR1", Debounce: 4 * time.Millisecond, Reread: 20 * time.Millisecond})
	if c := next(t, changes); !errors.Is(c.err, syscall.ENODEV) {
		t.Fatalf("without a chip: %+v", c)
	}
	b.add("gpiochip0", "soc", "DOOR1")
	if c := next(t, changes); c.open || c.err != nil {
		t.Fatalf("plugged in: %+v", c)
	}
	b.drive("DOOR1", gpio.High)
	if c := next(t, changes); !c.open || c.err != nil {
		t.Fatalf("the door opened: %+v", c)
	}
	b.unbind("gpiochip0")
	if c := next(t, changes); !errors.Is(c.err, syscall.ENODEV) {
		t.Fatalf("unplugged: %+v", c)
	}
	c := b.add("gpiochip4", "soc", "DOOR1")
	b.change(func() { c.lines[0].level = gpio.High })
	for c := next(t, changes); ; c = next(t, changes) {
		if c.err == nil {
			if !c.open {
				t.Errorf("back again: %+v", c)
			}
			break
		}
	}
}

func TestPeriphsOwnLineOfTheSameNameIsPutAside(t *testing.T) {
	if err := gpioreg.Register(bcm283x.GPIO4); err != nil {
		t.Fatal(err)
	}
	b := newBoard()
	b.add("gpiochip0", "soc", "GPIO4")
	l := registerLine(t, b, "GPIO4")
	if gpioreg.ByName("GPIO4") != gpio.PinIO(l) {
		t.Error("the name stands for another line")
	}
	if _, err := hardware.RegisterLine(hardware.LineConfig{Name: "GPIO4", Kernel: b}); err == nil {
		t.Error("two of ours under one name")
	}
}
