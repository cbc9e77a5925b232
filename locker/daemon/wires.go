package daemon

import (
	"errors"
	"time"

	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// wires are what locks and inputs hang on.
type wires struct {
	config Config
	power  *supply.Supply
	kernel []*gpio.Line // the kernel's, in the registry by us
	coils  []*gpio.Coil
	buses  map[string]*expander.Bus
	chips  []*expander.Chip
	lines  []*modbus.Line
	modbus map[string]*modbus.Line
}

func openWires(c Config) (*wires, error) {
	w := &wires{config: c, power: supply.New(), buses: map[string]*expander.Bus{}, modbus: map[string]*modbus.Line{}}
	for _, x := range c.Expanders {
		if err := w.openExpander(x); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	for _, m := range c.Modbus {
		line, err := modbus.Open(modbus.Config{Name: m.Name, Path: m.Path, Baud: m.Baud, Parity: modbus.Parity(m.Parity), Supply: w.power})
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.lines, w.modbus[m.Name] = append(w.lines, line), line
	}
	return w, nil
}

func (w *wires) openExpander(x Expander) error {
	bus := w.buses[x.Bus]
	if bus == nil {
		bus = expander.NewBus(x.Bus)
		w.buses[x.Bus] = bus
	}
	if x.Interrupt != "" {
		if err := w.register(x.Interrupt); err != nil {
			return err
		}
	}
	chip, err := expander.Register(expander.Config{Name: x.Name, Bus: bus, Address: x.Address, Registry: w.registry(x.Name), Interrupt: x.Interrupt})
	if err != nil {
		return err
	}
	w.chips = append(w.chips, chip)
	return nil
}

// registry is what the names of an expander's lines begin with.
func (w *wires) registry(name string) string { return w.config.Terminal + "/" + name }

// expander is the one of this name; Validate saw to it that there is one.
func (c Config) expander(name string) Expander {
	for _, x := range c.Expanders {
		if x.Name == name {
			return x
		}
	}
	return Expander{}
}

// lock opens a lock.
func (w *wires) lock(at Wire) (lock, error) {
	switch {
	case at.Expander != "":
		x := w.config.expander(at.Expander)
		return w.coil(gpio.CoilConfig{Line: expander.LineName(w.registry(x.Name), at.Line), ActiveLow: x.ActiveLow, Pulse: time.Duration(x.Pulse)})
	case at.GPIO != "":
		if err := w.register(at.GPIO); err != nil {
			return nil, err
		}
		return w.coil(gpio.CoilConfig{Line: at.GPIO, ActiveLow: w.config.GPIO.ActiveLow, Pulse: time.Duration(w.config.GPIO.Pulse)})
	}
	var pulse time.Duration
	var timed modbus.Timed
	for _, m := range w.config.Modbus {
		if m.Name == at.Modbus {
			pulse, timed = time.Duration(m.Pulse), m.Timed
		}
	}
	l, err := w.modbus[at.Modbus].Lock(modbus.LockConfig{Board: uint8(at.Board), Coil: uint16(at.Address), Pulse: pulse, Timed: timed}) // bounded by Validate
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (w *wires) coil(cfg gpio.CoilConfig) (lock, error) {
	cfg.Supply = w.power
	coil, err := gpio.OpenCoil(cfg)
	if err != nil {
		return nil, err
	}
	w.coils = append(w.coils, coil)
	return coil, nil
}

// input opens a contact: of a door, or of a sensor, whose "open" is that it is
// tripped. isLow says that the line is low, or the input off, while it is.
func (w *wires) input(at Wire, isLow bool) (contact, error) {
	g := w.config.GPIO
	switch {
	case at.Expander != "":
		return openContact(gpio.ContactConfig{Line: expander.LineName(w.registry(at.Expander), at.Line), OpenIsLow: isLow, Pull: periph.PullUp, Debounce: time.Duration(g.Debounce)})
	case at.GPIO != "":
		if err := w.register(at.GPIO); err != nil {
			return nil, err
		}
		return openContact(gpio.ContactConfig{Line: at.GPIO, OpenIsLow: isLow, Pull: g.Pull.pull(), Debounce: time.Duration(g.Debounce)})
	}
	o, err := w.modbus[at.Modbus].Contact(modbus.ContactConfig{Board: uint8(at.Board), Input: uint16(at.Address), OpenIsOff: isLow}) // bounded by Validate
	if err != nil {
		return nil, err
	}
	return o, nil
}

func openContact(cfg gpio.ContactConfig) (contact, error) {
	o, err := gpio.OpenContact(cfg)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// register puts a line of the kernel into the registry. One that a simulator
// has put there is left to it.
func (w *wires) register(name string) error {
	if line := gpioreg.ByName(name); line != nil && gpio.RefusePeriph(line) == nil {
		return nil
	}
	line, err := gpio.RegisterLine(gpio.LineConfig{Name: name, Consumer: "nachtfach " + w.config.Terminal})
	if err != nil {
		return err
	}
	w.kernel = append(w.kernel, line)
	return nil
}

// Close lets go of everything; the coils are off afterwards.
func (w *wires) Close() error {
	var errs []error
	for _, c := range w.coils {
		errs = append(errs, c.Close())
	}
	for _, c := range w.chips {
		errs = append(errs, c.Close())
	}
	for _, b := range w.buses {
		errs = append(errs, b.Close())
	}
	for _, l := range w.kernel {
		errs = append(errs, l.Close())
	}
	for _, l := range w.lines {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// openIsLow tells how a contact on this wire shows an open door.
func (c Config) openIsLow(w Wire) bool {
	if w.GPIO != "" {
		return c.GPIO.OpenIsLow
	}
	if w.Expander != "" {
		return c.expander(w.Expander).OpenIsLow
	}
	off := false
	for _, m := range c.Modbus {
		off = off || m.Name == w.Modbus && m.OpenIsOff
	}
	return off
}
