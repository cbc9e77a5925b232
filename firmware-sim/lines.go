package firmwaresim

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
)

// edgeBuffer is how many edges a line keeps for WaitForEdge. As with the
// kernel's, the rest of a burst is lost.
const edgeBuffer = 16

// LockLine returns the registered name of a lock's line, for example
// "berlin-1/LOCK7".
func LockLine(terminal string, n int) string { return fmt.Sprintf("%s/LOCK%d", terminal, n) }

// DoorLine returns the registered name of a door contact's line, for example
// "berlin-1/DOOR7".
func DoorLine(terminal string, n int) string { return fmt.Sprintf("%s/DOOR%d", terminal, n) }

// LightLine returns the registered name of a compartment's light, for example
// "berlin-1/LIGHT7".
func LightLine(terminal string, n int) string { return fmt.Sprintf("%s/LIGHT%d", terminal, n) }

// SensorLine returns the registered name of a sensor's line, for example
// "berlin-1/TAMPER".
func SensorLine(terminal string, sensor CabinetSensor) string {
	return terminal + "/" + strings.ToUpper(string(sensor))
}

// HeaterLine returns the registered name of the heater's line.
func HeaterLine(terminal string) string { return terminal + "/HEATER" }

// Lines are the lines of a wall in periph's registry.
type Lines struct {
	names  []string
	inputs []*inLine
}

// RegisterLines puts three lines for each compartment into gpioreg, and those of
// sensors and heater, named by the terminal's id. A lock's line energises its coil when driven high, or low if
// activeLow; it is at rest until it is driven. A contact's line is high while
// its door is open, a sensor's while it is tripped. It fails, and leaves nothing behind, if a name is taken.
func (w *Wall) RegisterLines(terminal string, activeLow bool) (*Lines, error) {
	if terminal == "" {
		return nil, errors.New("register lines: the terminal has no id")
	}
	l := &Lines{}
	if err := l.addFixtures(w, terminal, activeLow); err != nil {
		return nil, errors.Join(fmt.Errorf("register the cabinet's lines: %w", err), l.Close())
	}
	for n := 1; n <= w.Compartments(); n++ {
		if err := l.add(w, terminal, n, activeLow); err != nil {
			return nil, errors.Join(fmt.Errorf("register lines of compartment %d: %w", n, err), l.Close())
		}
	}
	return l, nil
}

func (l *Lines) add(w *Wall, terminal string, n int, activeLow bool) error {
	on := gpio.Level(!activeLow)
	if err := l.register(&outLine{
		line: line{LockLine(terminal, n)}, on: on,
		set: func(on bool) error { return w.setCoil(n, on) },
		get: func() (bool, error) { return w.coil(n) },
	}); err != nil {
		return err
	}
	if err := l.register(&outLine{
		line: line{LightLine(terminal, n)}, on: on,
		set: func(on bool) error { return w.setLight(n, on) },
		get: func() (bool, error) { d, err := w.Door(n); return d.Light, err },
	}); err != nil {
		return err
	}
	door := newInLine(DoorLine(terminal, n), func() (bool, error) { d, err := w.Door(n); return d.ContactOpen, err })
	stop, err := w.watchContact(n, door.edge)
	if err != nil {
		return err
	}
	return l.registerInput(door, stop)
}

func (l *Lines) addFixtures(w *Wall, terminal string, activeLow bool) error {
	for _, sensor := range CabinetSensors() {
		in := newInLine(SensorLine(terminal, sensor), func() (bool, error) { return w.Tripped(sensor), nil })
		if err := l.registerInput(in, w.watchSensor(sensor, in.edge)); err != nil {
			return err
		}
	}
	return l.register(&outLine{
		line: line{HeaterLine(terminal)}, on: gpio.Level(!activeLow), set: w.setHeater,
		get: func() (bool, error) { return w.Heater(), nil },
	})
}

func (l *Lines) registerInput(in *inLine, stop func()) error {
	in.stop = stop
	l.inputs = append(l.inputs, in)
	return l.register(in)
}

func (l *Lines) register(pin gpio.PinIO) error {
	if err := gpioreg.Register(pin); err != nil {
		return err
	}
	l.names = append(l.names, pin.Name())
	return nil
}

// Close takes the lines out of the registry. Whoever holds one finds it dead.
func (l *Lines) Close() error {
	var errs []error
	for _, name := range l.names {
		errs = append(errs, gpioreg.Unregister(name))
	}
	for _, in := range l.inputs {
		in.close()
	}
	l.names, l.inputs = nil, nil
	return errors.Join(errs...)
}

// line is what both kinds of lines have in common.
type line struct{ name string }

func (l line) String() string                        { return l.name }
func (l line) Name() string                          { return l.name }
func (l line) Number() int                           { return -1 }
func (l line) Halt() error                           { return nil }
func (l line) Pull() gpio.Pull                       { return gpio.PullNoChange }
func (l line) DefaultPull() gpio.Pull                { return gpio.PullNoChange }
func (l line) PWM(gpio.Duty, physic.Frequency) error { return fmt.Errorf("%s: no PWM", l.name) }

// outLine is an output to a lock, a light or the heater.
type outLine struct {
	line
	on  gpio.Level
	set func(on bool) error
	get func() (on bool, err error)
}

func (l *outLine) Function() string { return "OUT" }

// In lets go of the line: the coil goes off.
func (l *outLine) In(gpio.Pull, gpio.Edge) error { return l.set(false) }

func (l *outLine) Out(level gpio.Level) error { return l.set(level == l.on) }

func (l *outLine) Read() gpio.Level {
	if on, err := l.get(); err == nil && on {
		return l.on
	}
	return !l.on
}

func (l *outLine) WaitForEdge(timeout time.Duration) bool {
	time.Sleep(max(timeout, 0)) // an output has none
	return false
}

// inLine is an input from a door's contact or a sensor: high while it is open, or
// tripped.
type inLine struct {
	line
	read  func() (high bool, err error)
	edges chan struct{}
	stop  func()
	once  sync.Once
	gone  chan struct{}
}

func newInLine(name string, read func() (bool, error)) *inLine {
	return &inLine{line: line{name}, read: read, edges: make(chan struct{}, edgeBuffer), gone: make(chan struct{})}
}

func (l *inLine) Function() string { return "IN" }

func (l *inLine) In(_ gpio.Pull, edge gpio.Edge) error {
	select {
	case <-l.gone:
		return fmt.Errorf("%s: the line is gone", l.name)
	default:
	}
	if edge == gpio.RisingEdge || edge == gpio.FallingEdge {
		return fmt.Errorf("%s: only both edges can be detected", l.name)
	}
	for {
		select {
		case <-l.edges:
		default:
			return nil
		}
	}
}

func (l *inLine) Out(gpio.Level) error {
	return fmt.Errorf("%s: an input cannot be driven", l.name)
}

func (l *inLine) Read() gpio.Level {
	level, _ := l.ReadLevel()
	return level
}

// ReadLevel reads the line as Read does, but says so if it cannot.
func (l *inLine) ReadLevel() (gpio.Level, error) {
	select {
	case <-l.gone:
		return gpio.Low, errors.New("the line is gone")
	default:
	}
	high, err := l.read()
	return gpio.Level(high), err
}

// WaitForEdge waits for ever if timeout is negative, as periph describes it.
func (l *inLine) WaitForEdge(timeout time.Duration) bool {
	var over <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-l.edges:
		return true
	case <-over:
	case <-l.gone:
	}
	return false
}

// edge is called with the wall locked.
func (l *inLine) edge() {
	select {
	case l.edges <- struct{}{}:
	default:
	}
}

func (l *inLine) close() {
	l.once.Do(func() {
		l.stop()
		close(l.gone)
	})
}

var (
	_ gpio.PinIO = (*outLine)(nil)
	_ gpio.PinIO = (*inLine)(nil)
)
