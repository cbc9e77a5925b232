package daemon

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nachtfach/nachtfach/locker"
)

// Connection is one part's wire: from the compartment to the terminal block that
// an installer screws it to.
type Connection struct {
	Compartment locker.CompartmentID // zero: of the cabinet
	Part        string               // lock, contact, light, sensor tamper …
	Device      string               // board, chip or the computer
	Where       string               // bus and address, serial line and unit id
	Line        string               // on the device, as it is printed there
	Block       string               // terminal block, by device: X1:A3 is output 3 of the first
	Note        string               // how it is wired
}

// device is what lines are on, in the order of the plan's blocks.
type device struct{ name, where string }

// Plan lists all connections that the configuration names, by compartment and
// then by part. Blocks are numbered by device: first the computer's own lines,
// then the expanders and the Modbus boards as they stand in the file; A is for
// outputs, E for inputs, counted from 1.
func (c Config) Plan() []Connection {
	var list []Connection
	add := func(n locker.CompartmentID, part string, at Wire, input bool, note string) {
		if at != (Wire{}) {
			list = append(list, c.connect(n, part, at, input, note))
		}
	}
	for _, k := range c.Compartments {
		add(k.Number, "lock", k.Lock, false, c.note(k.Lock, "energised"))
		note := "closed by the closed door"
		if c.openIsLow(k.Contact) {
			note = "closed by the open door"
		}
		add(k.Number, "contact", k.Contact, true, note)
		add(k.Number, "light", k.Light, false, c.note(k.Light, "on"))
	}
	for _, s := range c.Sensors {
		note := "tripped while high, or on"
		if s.IsLow {
			note = "tripped while low, or off"
		}
		add(0, sensorPart(s.Kind), s.Wire, true, note)
	}
	for _, x := range c.Expanders {
		if x.Interrupt != "" {
			add(0, fmt.Sprintf("interrupt of expander %s", x.Name), Wire{GPIO: x.Interrupt}, true, "INTA or INTB, mirrored")
		}
	}
	add(0, "heater", c.Heating.Heater, false, c.note(c.Heating.Heater, "on"))
	c.number(list)
	slices.SortStableFunc(list, func(a, b Connection) int {
		if (a.Compartment == 0) != (b.Compartment == 0) { // the cabinet's own last
			return cmp.Compare(b.Compartment, a.Compartment)
		}
		return cmp.Compare(a.Compartment, b.Compartment)
	})
	return list
}

// note says at which level an output does its work.
func (c Config) note(at Wire, what string) string {
	var low bool
	switch {
	case at.Expander != "":
		low = c.expander(at.Expander).ActiveLow
	case at.GPIO != "" && what == "on":
		low = c.GPIO.OutputLow
	case at.GPIO != "":
		low = c.GPIO.ActiveLow
	default:
		return what + " by the relay's contact"
	}
	if low {
		return what + " while low"
	}
	return what + " while high"
}

func (c Config) connect(n locker.CompartmentID, part string, at Wire, input bool, note string) Connection {
	k := Connection{Compartment: n, Part: part, Note: note}
	side := "A"
	if input {
		side = "E"
	}
	switch {
	case at.Expander != "":
		x := c.expander(at.Expander)
		k.Device, k.Where = "MCP23017 "+x.Name, fmt.Sprintf("%s, address %#02x", x.Bus, x.Address)
		k.Line = fmt.Sprintf("GP%c%d", 'A'+at.Line/8, at.Line%8)
		k.Block = fmt.Sprintf("%s%d", side, at.Line+1)
	case at.GPIO != "":
		k.Device, k.Where, k.Line = "computer", "GPIO", at.GPIO
	default:
		m := slices.IndexFunc(c.Modbus, func(m Modbus) bool { return m.Name == at.Modbus })
		k.Device, k.Line = fmt.Sprintf("Modbus board %d on %s", at.Board, at.Modbus), fmt.Sprintf("coil %d", at.Address)
		if input {
			k.Line = fmt.Sprintf("input %d", at.Address)
		}
		if m >= 0 {
			k.Where = fmt.Sprintf("%s, unit id %d", c.Modbus[m].Path, at.Board)
		}
		k.Block = fmt.Sprintf("%s%d", side, at.Address+1)
	}
	return k
}

// number names the terminal blocks.
func (c Config) number(list []Connection) {
	order := func(k Connection) int {
		switch {
		case k.Device == "computer":
			return -1
		case k.Device[0] == 'M' && k.Device[1] == 'C':
			return slices.IndexFunc(c.Expanders, func(x Expander) bool { return k.Device == "MCP23017 "+x.Name })
		}
		return len(c.Expanders)
	}
	var devices []device
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b Connection) int { return cmp.Compare(order(a), order(b)) })
	for _, k := range sorted {
		if d := (device{k.Device, k.Where}); !slices.Contains(devices, d) {
			devices = append(devices, d)
		}
	}
	lines := map[device]int{} // of the computer, which have names and no numbers
	for i, k := range list {
		d := device{k.Device, k.Where}
		if k.Block == "" {
			lines[d]++
			k.Block = fmt.Sprint(lines[d])
		}
		list[i].Block = fmt.Sprintf("X%d:%s", slices.Index(devices, d)+1, k.Block)
	}
}
