package firmwaresim

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/physic"
)

// PerExpander is how many compartments hang on one chip.
const PerExpander = 8

// mostExpanders is how many addresses a bus has for them.
const mostExpanders = 8

// Expanders are the chips of a wall on one I²C bus, at 0x20 and on.
type Expanders struct {
	Chips []*Expander

	terminal string
	stops    []func()
	pins     []string // in gpioreg

	mu   sync.Mutex
	hung time.Duration // the bus hangs: this long until an exchange fails
}

// ExpanderBus is the bus's name in periph's registry.
func ExpanderBus(terminal string) string { return terminal + "/i2c" }

// ExpanderInterrupt is the name in gpioreg of a chip's interrupt line.
func ExpanderInterrupt(terminal string, chip int) string {
	return fmt.Sprintf("%s/INT%d", terminal, chip)
}

// ExpanderWire says where a compartment hangs: chip, and the lines of its lock
// and contact. Lines 7 and 15, which the data sheet allows as outputs only,
// have locks.
func ExpanderWire(compartment int) (chip, lock, contact int) {
	n := compartment - 1
	port, i := 8*(n%PerExpander/4), n%4
	return n / PerExpander, port + 4 + i, port + i
}

// RegisterExpanders puts the wall's chips on a bus in i2creg and their interrupt
// lines into gpioreg. A lock's line energises its coil while it is driven high,
// or low if activeLow; the boards' resistors keep it at rest while it is not
// driven. A contact's line is high while its door is open.
func (w *Wall) RegisterExpanders(terminal string, activeLow bool) (*Expanders, error) {
	x := &Expanders{terminal: terminal}
	count := (w.Compartments() + PerExpander - 1) / PerExpander
	if terminal == "" || count > mostExpanders {
		return nil, fmt.Errorf("register expanders: wants a terminal's id and at most %d compartments", mostExpanders*PerExpander)
	}
	for i := range count {
		pins := &wallPins{wall: w, chip: i, on: !activeLow}
		chip := newExpander(pins)
		line := &interruptLine{line: line{ExpanderInterrupt(terminal, i)}, chip: chip, wake: make(chan struct{}, 1)}
		for n := i*PerExpander + 1; n <= min((i+1)*PerExpander, w.Compartments()); n++ {
			stop, err := w.watchContact(n, line.edge)
			if err != nil {
				return nil, errors.Join(err, x.Close())
			}
			x.stops = append(x.stops, stop)
		}
		if err := gpioreg.Register(line); err != nil {
			return nil, errors.Join(err, x.Close())
		}
		x.Chips, x.pins = append(x.Chips, chip), append(x.pins, line.name)
	}
	open := func() (i2c.BusCloser, error) { return &expanderBus{x: x}, nil }
	if err := i2creg.Register(ExpanderBus(terminal), nil, -1, open); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	x.pins = append(x.pins, "")
	return x, nil
}

// Hang makes the bus hang: an exchange fails after this time; 0 frees it.
func (x *Expanders) Hang(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.hung = d
}

// Close takes everything out of the registries. Whoever holds the bus finds
// its chips gone.
func (x *Expanders) Close() error {
	var errs []error
	for _, stop := range x.stops {
		stop()
	}
	for _, name := range x.pins {
		if name == "" {
			errs = append(errs, i2creg.Unregister(ExpanderBus(x.terminal)))
			continue
		}
		errs = append(errs, gpioreg.Unregister(name))
	}
	for _, chip := range x.Chips {
		chip.SetAbsent(true)
	}
	x.stops, x.pins = nil, nil
	return errors.Join(errs...)
}

// expanderBus is the bus as periph knows one.
type expanderBus struct{ x *Expanders }

func (b *expanderBus) String() string                  { return ExpanderBus(b.x.terminal) }
func (b *expanderBus) SetSpeed(physic.Frequency) error { return nil }
func (b *expanderBus) Close() error                    { return nil }

func (b *expanderBus) Tx(address uint16, w, r []byte) error {
	b.x.mu.Lock()
	hung := b.x.hung
	b.x.mu.Unlock()
	if hung > 0 {
		time.Sleep(hung)
		return syscall.ETIMEDOUT
	}
	if i := int(address) - 0x20; i >= 0 && i < len(b.x.Chips) && b.x.Chips[i].transfer(w, r) {
		return nil
	}
	return syscall.ENXIO // nobody acknowledged the address
}

// wallPins connect a chip to its compartments.
type wallPins struct {
	wall *Wall
	chip int
	on   bool // the level that energises a coil
}

func (p *wallPins) drive(line int, driven, level bool) {
	for n := p.chip*PerExpander + 1; n <= min((p.chip+1)*PerExpander, p.wall.Compartments()); n++ {
		if _, lock, _ := ExpanderWire(n); lock == line {
			_ = p.wall.setCoil(n, driven && level == p.on) // there is such a compartment
		}
	}
}

// level is high without anything on the line only with a pull-up; a door
// contact pulls the line to ground while the door is closed.
func (p *wallPins) level(line int, pullUp bool) bool {
	for n := p.chip*PerExpander + 1; n <= min((p.chip+1)*PerExpander, p.wall.Compartments()); n++ {
		_, lock, contact := ExpanderWire(n)
		switch line {
		case contact:
			d, err := p.wall.Door(n)
			return err == nil && d.ContactOpen && pullUp
		case lock:
			return !p.on
		}
	}
	return pullUp
}

// interruptLine is low while its chip pulls it to ground.
type interruptLine struct {
	line
	chip *Expander
	wake chan struct{}
}

// edge is called with the wall locked.
func (l *interruptLine) edge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *interruptLine) Function() string              { return "IN" }
func (l *interruptLine) In(gpio.Pull, gpio.Edge) error { return nil }
func (l *interruptLine) Read() gpio.Level              { return gpio.Level(!l.chip.asserted()) }

func (l *interruptLine) Out(gpio.Level) error {
	return fmt.Errorf("%s: an interrupt line cannot be driven", l.name)
}

// WaitForEdge returns true when the chip begins to pull the line down.
func (l *interruptLine) WaitForEdge(timeout time.Duration) bool {
	timer := time.NewTimer(max(timeout, 0))
	defer timer.Stop()
	for {
		select {
		case <-l.wake:
			if l.chip.asserted() {
				return true
			}
		case <-timer.C:
			return false
		}
	}
}

var (
	_ i2c.BusCloser = (*expanderBus)(nil)
	_ gpio.PinIO    = (*interruptLine)(nil)
)
