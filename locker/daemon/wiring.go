package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/heating"
	"github.com/nachtfach/nachtfach/hardware/supply"
	"github.com/nachtfach/nachtfach/locker"
)

// wiring is what wires can hang on, and what hangs there already.
type wiring struct {
	modbus    map[string]bool
	expanders map[string]bool
	used      map[Wire]string
}

// validateWires says which part of the wiring makes no sense.
func (c Config) validateWires(bad func(table string, index int, key, format string, a ...any) error) error {
	w := wiring{modbus: map[string]bool{}, expanders: map[string]bool{}, used: map[Wire]string{}}
	for i, m := range c.Modbus {
		if m.Name == "" || m.Path == "" || w.modbus[m.Name] {
			return bad("modbus", i, "name", "wants a name of its own and a path")
		}
		for _, other := range c.Modbus[:i] {
			if other.Path == m.Path {
				return bad("modbus", i, "path", "%s is line %q already: all its boards belong to one line, which has one master", m.Path, other.Name)
			}
		}
		if err := m.Timed.Validate(); err != nil {
			return bad("modbus", i, "timed_pulse", "%s", err)
		}
		w.modbus[m.Name] = true
	}
	for i, x := range c.Expanders {
		if key, want := x.validate(c.Expanders[:i], &w); want != "" {
			return bad("expander", i, key, "%s", want)
		}
		w.expanders[x.Name] = true
	}
	for i, k := range c.Compartments {
		if want := w.add(k.Lock, fmt.Sprintf("the lock of compartment %d", k.Number), false); want != "" {
			return bad("compartment", i, "lock", "%s", want)
		}
		if want := w.add(k.Contact, fmt.Sprintf("the contact of compartment %d", k.Number), true); want != "" {
			return bad("compartment", i, "contact", "%s", want)
		}
	}
	for i, k := range c.Compartments {
		if k.Light == (Wire{}) {
			continue
		}
		if want := w.add(k.Light, fmt.Sprintf("the light of compartment %d", k.Number), false); want != "" {
			return bad("compartment", i, "light", "%s", want)
		}
	}
	if c.Heating != (Heating{}) {
		if key, want := c.Heating.validate(&w); want != "" {
			return bad("heating", 0, key, "%s", want)
		}
	}
	for i, s := range c.Sensors {
		upTo := locker.Config{Sensors: c.Ledger().Sensors[:i+1]}
		if err := upTo.ValidateSensors(); err != nil {
			return bad("sensor", i, "kind", "%s", err)
		}
		if want := w.add(s.Wire, sensorPart(s.Kind), true); want != "" {
			return bad("sensor", i, "wire", "%s", want)
		}
	}
	return nil
}

// validate says which key is wrong, and what would be right.
func (h Heating) validate(w *wiring) (key, want string) {
	if !strings.HasPrefix(h.Thermometer, "/") {
		return "thermometer", "wants a file with thousandths of a degree, like /sys/class/thermal/thermal_zone0/temp"
	}
	if want := w.add(h.Heater, "the heater", false); want != "" {
		return "heater", want
	}
	if _, err := heating.New(h.thermostat(nil)); err != nil {
		return "on_below", err.Error()
	}
	return "", ""
}

// validate says which key is wrong, and what would be right.
func (x Expander) validate(before []Expander, w *wiring) (key, want string) {
	if x.Name == "" || w.expanders[x.Name] {
		return "name", "wants a name of its own"
	}
	if x.Bus == "" {
		return "bus", "wants the bus's file, like /dev/i2c-1"
	}
	if x.Address < 0x20 || x.Address > 0x27 {
		return "address", fmt.Sprintf("%#x, wants 0x20 to 0x27 as its pins A0 to A2 say", x.Address)
	}
	for _, other := range before {
		if other.Bus == x.Bus && other.Address == x.Address {
			return "address", fmt.Sprintf("%#x on %s is expander %q already", x.Address, x.Bus, other.Name)
		}
	}
	if err := supply.CheckPulse(time.Duration(x.Pulse)); x.Pulse != 0 && err != nil {
		return "pulse", err.Error()
	}
	if x.Interrupt != "" {
		return "interrupt", w.add(Wire{GPIO: x.Interrupt}, fmt.Sprintf("the interrupt of expander %q", x.Name), true)
	}
	return "", ""
}

// add says what is wrong with a wire of a part, if anything is.
func (w *wiring) add(at Wire, part string, input bool) (want string) {
	switch {
	case at.GPIO != "" && at == Wire{GPIO: at.GPIO}:
	case at.Expander != "" && at == Wire{Expander: at.Expander, Line: at.Line}:
		switch {
		case !w.expanders[at.Expander]:
			return fmt.Sprintf("there is no [[expander]] %q", at.Expander)
		case at.Line < 0 || at.Line >= expander.Lines:
			return fmt.Sprintf("line %d, wants 0 to 15: GPA0 to GPA7, GPB0 to GPB7", at.Line)
		case input && !expander.CanBeInput(at.Line):
			return fmt.Sprintf("line %d is for locks: %v", at.Line, expander.ErrOutputOnly)
		}
	case at.Modbus != "" && at == Wire{Modbus: at.Modbus, Board: at.Board, Address: at.Address}:
		switch {
		case !w.modbus[at.Modbus]:
			return fmt.Sprintf("there is no [[modbus]] line %q", at.Modbus)
		case at.Board < 1 || at.Board > 247 || at.Address < 0 || at.Address > 65535:
			return fmt.Sprintf("board %d, address %d: wants a board from 1 to 247 and an address from 0 to 65535", at.Board, at.Address)
		}
	default:
		return `wants { gpio = "LINE" }, { expander = "NAME", line = 0 } or { modbus = "NAME", board = 1, address = 0 }`
	}
	return w.taken(at, part, input)
}

// taken says whether something else hangs there. A Modbus board's coils and
// inputs are numbered apart.
func (w *wiring) taken(at Wire, part string, input bool) string {
	if at.Modbus != "" && input {
		at.Modbus += " inputs"
	}
	if other := w.used[at]; other != "" {
		return "the wire is that of " + other + " already"
	}
	w.used[at] = part
	return ""
}
