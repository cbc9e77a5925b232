package firmwaresim

import (
	"errors"
	"fmt"
	"slices"
)

// CabinetSensor is an input that watches the cabinet itself.
type CabinetSensor string

// The sensors, in the order of their inputs on the last board: the cabinet is
// tilted or drilled, the mains voltage is away, the electronics' door is open.
const (
	Tamper    CabinetSensor = "tamper"
	Mains     CabinetSensor = "mains"
	Enclosure CabinetSensor = "enclosure"
)

// CabinetSensors are all of them.
func CabinetSensors() []CabinetSensor { return []CabinetSensor{Tamper, Mains, Enclosure} }

// ErrNoSensor means that a sensor was named that there is not.
var ErrNoSensor = errors.New("no such sensor")

// heaterCoil is the heater's coil on the last board.
const heaterCoil = 0

// fixtures are what a cabinet has besides its doors.
type fixtures struct {
	tripped  map[CabinetSensor]bool
	heater   bool
	watchers map[CabinetSensor][]*func() // told, with the wall locked, when it changes
}

func newFixtures() fixtures {
	return fixtures{tripped: map[CabinetSensor]bool{}, watchers: map[CabinetSensor][]*func(){}}
}

// Trip has a sensor speak up, or come to rest.
func (w *Wall) Trip(sensor CabinetSensor, tripped bool) error {
	if !slices.Contains(CabinetSensors(), sensor) {
		return fmt.Errorf("sensor %q: %w: there are tamper, mains and enclosure", sensor, ErrNoSensor)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fixtures.tripped[sensor] == tripped {
		return nil
	}
	w.fixtures.tripped[sensor] = tripped
	for _, changed := range w.fixtures.watchers[sensor] {
		(*changed)()
	}
	w.news.ring()
	return nil
}

// Tripped tells whether a sensor speaks up.
func (w *Wall) Tripped(sensor CabinetSensor) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fixtures.tripped[sensor]
}

// Heater tells whether the reader's heater is on.
func (w *Wall) Heater() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fixtures.heater
}

func (w *Wall) setHeater(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fixtures.heater = on
	w.news.ring()
	return nil
}

// setLight lights a compartment, or ends that. The wires call it.
func (w *Wall) setLight(n int, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, err := w.door(n)
	if err != nil || d.Light == on {
		return err
	}
	d.Light = on
	w.news.ring()
	return nil
}

// watchSensor has changed called, with the wall locked, at every change of the
// sensor, until stop is called.
func (w *Wall) watchSensor(sensor CabinetSensor, changed func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fixtures.watchers[sensor] = append(w.fixtures.watchers[sensor], &changed)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fixtures.watchers[sensor] = slices.DeleteFunc(w.fixtures.watchers[sensor], func(told *func()) bool { return told == &changed })
	}
}

// SensorBoard is the unit id of the board behind those of the compartments: its
// inputs 0 to 2 are the sensors, its coil 0 is the heater.
func (b *Boards) SensorBoard() byte { return byte(b.Count() + 1) }

// LightAddress returns the unit id, and the coil on it, of a compartment's light:
// behind the coils of its board's locks.
func (b *Boards) LightAddress(compartment int) (unit byte, coil uint16) {
	unit, address := b.Address(compartment)
	return unit, uint16(b.perBoard) + address
}

// bit is an input, or a coil, of a board.
func (b *Boards) bit(unit, function byte, address int) (on bool, refused exception) {
	if unit == b.SensorBoard() {
		switch {
		case function == readInputs && address < len(CabinetSensors()):
			return b.wall.Tripped(CabinetSensors()[address]), 0
		case function == readCoils && address == heaterCoil:
			return b.wall.Heater(), 0
		}
		return false, illegalAddress
	}
	light := function == readCoils && address >= b.perBoard
	if light {
		address -= b.perBoard
	}
	n, ok := b.compartment(unit, address)
	if !ok {
		return false, illegalAddress
	}
	door, err := b.wall.Door(n)
	switch {
	case err != nil:
		return false, illegalAddress
	case light:
		return door.Light, 0
	case function == readCoils:
		return door.Coil, 0
	}
	return door.ContactOpen, 0
}

// setBit switches a coil of a board.
func (b *Boards) setBit(unit byte, address int, on bool) exception {
	var err error
	switch {
	case unit == b.SensorBoard() && address == heaterCoil:
		err = b.wall.setHeater(on)
	case unit == b.SensorBoard():
		return illegalAddress
	default:
		light := address >= b.perBoard
		if light {
			address -= b.perBoard
		}
		n, ok := b.compartment(unit, address)
		if !ok {
			return illegalAddress
		}
		if light {
			err = b.wall.setLight(n, on)
		} else {
			err = b.wall.setCoil(n, on)
		}
	}
	if err != nil {
		return deviceFailure
	}
	return 0
}
