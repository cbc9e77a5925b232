package firmwaresim_test

import (
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// BenchmarkSwitchOnExpander is a coil switched on or off, the latch written and
// all registers read back, on a bus that takes no time.
func BenchmarkSwitchOnExpander(b *testing.B) {
	wall, err := firmwaresim.NewWall(firmwaresim.PerExpander, newStepClock())
	if err != nil {
		b.Fatal(err)
	}
	sim, err := wall.RegisterExpanders(b.Name(), true)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sim.Close() })
	bus := expander.NewBus(firmwaresim.ExpanderBus(b.Name()))
	chip, err := expander.Register(expander.Config{Name: "a", Bus: bus, Address: 0x20, Registry: b.Name()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = chip.Close() })
	_, lock, _ := firmwaresim.ExpanderWire(1)
	coil, err := gpio.OpenCoil(gpio.CoilConfig{Line: expander.LineName(b.Name(), lock), ActiveLow: true, Supply: supply.New()})
	if err != nil {
		b.Fatal(err)
	}
	on := false
	for b.Loop() {
		on = !on
		if err := coil.Switch(on); err != nil {
			b.Fatal(err)
		}
	}
}
