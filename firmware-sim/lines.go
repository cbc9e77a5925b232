package firmwaresim

import (
	"errors"
	"fmt"
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

// Lines are the lines of a wall in periph's registry.
type Lines struct {
	names []string
	doors []*doorLine
}

// RegisterLines puts two lines for each compartment into gpioreg, named by the
// terminal's id. A lock's line energises its coil when driven high, or low if
// activeLow; it is at rest until it is driven. A contact's line is high while
// its door is open. It fails, and leaves nothing behind, if a name is taken.
func (w *Wall) RegisterLines(terminal string, activeLow bool) (*Lines, error) {
	if terminal == "" {
		return nil, errors.New("register lines: the terminal has no id")
	}
	l := &Lines{}
	for n := 1; n <= w.Compartments(); n++ {
		if err := l.add(w, terminal, n, activeLow); err != nil {
			return nil, errors.Join(fmt.Errorf("register lines of compartment %d: %w", n, err), l.Close())
		}
	}
	return l, nil
}

func (l *Lines) add(w *Wall, terminal string, n int, activeLow bool) error {
	lock := &lockLine{line: line{LockLine(terminal, n)}, wall: w, n: n, on: gpio.Level(!activeLow)}
	if err := gpioreg.Register(lock); err != nil {
		return err
	}
	l.names = append(l.names, lock.name)

	door := &doorLine{line: line{DoorLine(terminal, n)}, wall: w, n: n,
		edges: make(chan struct{}, edgeBuffer), gone: make(chan struct{})}
	stop, err := w.watchContact(n, door.edge)
	if err != nil {
		return err
	}
	door.stop = stop
	l.doors = append(l.doors, door)
	if err := gpioreg.Register(door); err != nil {
		return err
	}
	l.names = append(l.names, door.name)
	return nil
}

// Close takes the lines out of the registry. Whoever holds one finds it dead.
func (l *Lines) Close() error {
	var errs []error
	for _, name := range l.names {
		errs = append(errs, gpioreg.Unregister(name))
	}
	for _, d := range l.doors {
		d.close()
	}
	l.names, l.doors = nil, nil
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

// lockLine is an output to a lock.
type lockLine struct {
	line
	wall *Wall
	n    int
	on   gpio.Level
}

func (l *lockLine) Function() string { return "OUT" }

// In lets go of the line: the coil goes off.
func (l *lockLine) In(gpio.Pull, gpio.Edge) error { return l.wall.setCoil(l.n, false) }

func (l *lockLine) Out(level gpio.Level) error { return l.wall.setCoil(l.n, level == l.on) }

func (l *lockLine) Read() gpio.Level {
	if on, err := l.wall.coil(l.n); err == nil && on {
		return l.on
	}
	return !l.on
}

func (l *lockLine) WaitForEdge(timeout time.Duration) bool {
	time.Sleep(max(timeout, 0)) // an output has none
	return false
}

// doorLine is an input from a door contact.
type doorLine struct {
	line
	wall  *Wall
	n     int
	edges chan struct{}
	stop  func()
	once  sync.Once
	gone  chan struct{}
}

func (l *doorLine) Function() string { return "IN" }

func (l *doorLine) In(_ gpio.Pull, edge gpio.Edge) error {
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

func (l *doorLine) Out(gpio.Level) error {
	return fmt.Errorf("%s: a door contact cannot be driven", l.name)
}

func (l *doorLine) Read() gpio.Level {
	level, _ := l.ReadLevel()
	return level
}

// ReadLevel reads the line as Read does, but says so if it cannot.
func (l *doorLine) ReadLevel() (gpio.Level, error) {
	select {
	case <-l.gone:
		return gpio.Low, errors.New("the line is gone")
	default:
	}
	d, err := l.wall.Door(l.n)
	return gpio.Level(d.ContactOpen), err
}

// WaitForEdge waits for ever if timeout is negative, as periph describes it.
func (l *doorLine) WaitForEdge(timeout time.Duration) bool {
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
func (l *doorLine) edge() {
	select {
	case l.edges <- struct{}{}:
	default:
	}
}

func (l *doorLine) close() {
	l.once.Do(func() {
		l.stop()
		close(l.gone)
	})
}

var (
	_ gpio.PinIO = (*lockLine)(nil)
	_ gpio.PinIO = (*doorLine)(nil)
)
