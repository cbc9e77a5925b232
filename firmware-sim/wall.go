package firmwaresim

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// How doors and locks behave.
const (
	latchTime  = 150 * time.Millisecond  // a coil on for less does not free the latch
	springTime = 100 * time.Millisecond  // from the free latch to the open door
	burnTime   = 1500 * time.Millisecond // a coil on for longer is the driver's fault
	bounceTime = 2 * time.Millisecond    // between two of a bouncing contact's changes
	bounces    = 6                       // changes before it comes to rest
)

// MaxCompartments bounds a wall.
const MaxCompartments = 1000

// maxFaults bounds the faults that are kept in words; all are counted.
const maxFaults = 100

// Errors of a person's deeds.
var (
	ErrNoCompartment = errors.New("no such compartment")
	ErrUnknownDeed   = errors.New("unknown deed")
	ErrRefused       = errors.New("the door does not allow it")
)

// Deed is what a person does to a door, or what happens to it.
type Deed string

// The deeds. Open is a pull at the door, which a lock withstands; Force breaks
// it open. Jam holds the door where it is, closed or open, until Heal. Bounce
// and Deaden change the contact: it bounces at each change, or stays as it is
// for ever, until Heal. Take and Lay move the document; the door must be open.
const (
	Open   Deed = "open"
	Close  Deed = "close"
	Force  Deed = "force"
	Jam    Deed = "jam"
	Heal   Deed = "heal"
	Bounce Deed = "bounce"
	Deaden Deed = "dead"
	Take   Deed = "take"
	Lay    Deed = "lay"
)

// Contact is how a door's contact behaves.
type Contact string

// A sound contact follows its door; a bouncing one comes to rest there; a dead
// one stays as it is.
const (
	Sound    Contact = "sound"
	Bouncing Contact = "bouncing"
	Dead     Contact = "dead"
)

// Door is the state of one compartment.
type Door struct {
	Number      int     `json:"number"` // from 1
	Open        bool    `json:"open"`
	ContactOpen bool    `json:"contact_open"` // what the contact shows
	Contact     Contact `json:"contact"`      // sound, bouncing or dead
	Coil        bool    `json:"coil"`         // the lock is energised
	Light       bool    `json:"light"`
	Jammed      bool    `json:"jammed"`
	Document    bool    `json:"document"`
	Pulses      int     `json:"pulses"`   // times that the coil was switched on
	Openings    int     `json:"openings"` // times that the door opened
}

// door is a compartment with what it waits for.
type door struct {
	Door
	cancel   []func()  // what was scheduled for this pulse
	settling int       // counts changes, so that a bounce ends with the next change
	watchers []*func() // told, with the wall locked, when the contact changes
}

// Wall is a wall of compartments. It may be used from several goroutines.
type Wall struct {
	clock Clock
	news  *news // told of every change

	mu       sync.Mutex
	fixtures fixtures
	doors    []*door
	faults   []string
	count    int
}

// NewWall returns a wall with all doors closed, locked and empty.
func NewWall(compartments int, clock Clock) (*Wall, error) {
	if compartments < 1 || compartments > MaxCompartments {
		return nil, fmt.Errorf("a wall of %d compartments: 1 to %d can be built", compartments, MaxCompartments)
	}
	w := &Wall{clock: clock, fixtures: newFixtures()}
	for n := range compartments {
		w.doors = append(w.doors, &door{Door: Door{Number: n + 1, Contact: Sound}})
	}
	return w, nil
}

// Compartments says how many there are; they are numbered from 1.
func (w *Wall) Compartments() int { return len(w.doors) }

// Doors returns the state of all doors.
func (w *Wall) Doors() []Door {
	w.mu.Lock()
	defer w.mu.Unlock()
	doors := make([]Door, len(w.doors))
	for i, d := range w.doors {
		doors[i] = d.Door
	}
	return doors
}

// Door returns the state of one door.
func (w *Wall) Door(n int) (Door, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, err := w.door(n)
	if err != nil {
		return Door{}, err
	}
	return d.Door, nil
}

// Faults returns what a driver did that it must not do, the first hundred in
// words, and how many there were. A test of a driver ends by asking for them.
func (w *Wall) Faults() (first []string, count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.faults...), w.count
}

func (w *Wall) door(n int) (*door, error) {
	if n < 1 || n > len(w.doors) {
		return nil, fmt.Errorf("compartment %d: %w: there are 1 to %d", n, ErrNoCompartment, len(w.doors))
	}
	return w.doors[n-1], nil
}

func (w *Wall) fault(format string, args ...any) {
	defer w.news.ring()
	w.count++
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

// setCoil energises a lock, or ends that. The wires call it.
func (w *Wall) setCoil(n int, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, err := w.door(n)
	if err != nil || d.Coil == on {
		return err
	}
	d.Coil = on
	defer w.news.ring()
	for _, cancel := range d.cancel {
		cancel()
	}
	d.cancel = nil
	if !on {
		return nil
	}
	d.Pulses++
	for _, other := range w.doors {
		if other != d && other.Coil {
			w.fault("locks of compartments %d and %d are energised together", other.Number, n)
		}
	}
	pulse := d.Pulses
	d.cancel = append(d.cancel,
		w.clock.AfterFunc(latchTime, func() { w.unlatch(d, pulse) }),
		w.clock.AfterFunc(burnTime, func() { w.burn(d, pulse) }))
	return nil
}

// coil says whether a lock is energised.
func (w *Wall) coil(n int) (bool, error) {
	d, err := w.Door(n)
	return d.Coil, err
}

// unlatch is what a pulse of sufficient length does.
func (w *Wall) unlatch(d *door, pulse int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.Coil && d.Pulses == pulse {
		w.clock.AfterFunc(springTime, func() { w.spring(d) })
	}
}

func (w *Wall) spring(d *door) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !d.Jammed {
		w.move(d, true)
	}
}

func (w *Wall) burn(d *door, pulse int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.Coil && d.Pulses == pulse {
		w.fault("lock of compartment %d is energised for more than %v", d.Number, burnTime)
	}
}

// Do does a deed to door n.
func (w *Wall) Do(n int, deed Deed) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, err := w.door(n)
	if err != nil {
		return err
	}
	defer w.news.ring()
	if err := w.do(d, deed); err != nil {
		return fmt.Errorf("compartment %d: %s: %w", n, deed, err)
	}
	return nil
}

func (w *Wall) do(d *door, deed Deed) error {
	switch deed {
	case Open:
		if !d.Open {
			return fmt.Errorf("%w: it is locked", ErrRefused)
		}
	case Close:
		if d.Open && d.Jammed {
			return fmt.Errorf("%w: it is stuck open", ErrRefused)
		}
		w.move(d, false)
	case Force:
		w.move(d, true)
	case Jam:
		d.Jammed = true
	case Heal:
		d.Jammed = false
		d.Contact = Sound
		d.settling++
		w.show(d, d.Open)
	case Bounce:
		d.Contact = Bouncing
	case Deaden:
		d.Contact = Dead
		d.settling++
	case Take, Lay:
		return d.carry(deed == Lay)
	default:
		return ErrUnknownDeed
	}
	return nil
}

// carry takes the document out of an open compartment, or lays one in.
func (d *door) carry(in bool) error {
	switch {
	case !d.Open:
		return fmt.Errorf("%w: it is closed", ErrRefused)
	case in && d.Document:
		return fmt.Errorf("%w: a document lies there", ErrRefused)
	case !in && !d.Document:
		return fmt.Errorf("%w: no document lies there", ErrRefused)
	}
	d.Document = in
	return nil
}

// move opens or closes the door; its contact follows in its way.
func (w *Wall) move(d *door, open bool) {
	if d.Open == open {
		return
	}
	d.Open = open
	w.news.ring()
	if open {
		d.Openings++
	}
	d.settling++
	switch d.Contact {
	case Sound:
		w.show(d, open)
	case Bouncing:
		w.bounce(d, d.settling, bounces)
	case Dead: // it tells nothing
	}
}

// bounce shows the wrong and the right state in turn, the right one last.
func (w *Wall) bounce(d *door, settling, left int) {
	w.show(d, d.Open == (left%2 == 0))
	if left == 0 {
		return
	}
	w.clock.AfterFunc(bounceTime, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if d.settling == settling {
			w.bounce(d, settling, left-1)
		}
	})
}

func (w *Wall) show(d *door, open bool) {
	if d.ContactOpen == open {
		return
	}
	d.ContactOpen = open
	w.news.ring()
	for _, told := range d.watchers {
		(*told)()
	}
}

// watchContact has changed called, with the wall locked, at every change of
// door n's contact, until stop is called.
func (w *Wall) watchContact(n int, changed func()) (stop func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, err := w.door(n)
	if err != nil {
		return nil, err
	}
	d.watchers = append(d.watchers, &changed)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, told := range d.watchers {
			if told == &changed {
				d.watchers = append(d.watchers[:i:i], d.watchers[i+1:]...)
				return
			}
		}
	}, nil
}
