package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
)

// wall is the hardware: doors with locks and contacts. What lies behind a door
// is the truth that the oracle holds the terminal's books against.
type wall struct {
	w     *world
	doors []*door // by number, from 1
}

type door struct {
	n       locker.CompartmentID
	open    bool
	inside  []*paper
	lock    lockState
	contact contactState
	told    uint64 // of the level that is on its way to the machine
}

type lockState int

const (
	lockFine     lockState = iota
	lockSluggish           // opens at the second pulse
	lockJammed             // does not open
	lockBroken             // the driver tells an error
)

type contactState int

const (
	contactFine  contactState = iota
	contactDead               // cannot be read, and the board says so
	contactStuck              // says closed, whatever the door does
	contactCut                // says open, whatever the door does: a cut cable
)

func newWall(w *world) *wall {
	a := &wall{w: w}
	for _, s := range w.config.Compartments {
		a.doors = append(a.doors, &door{n: s.Number})
	}
	return a
}

func (a *wall) door(n locker.CompartmentID) *door { return a.doors[n-1] }

// level is what the contact says.
func (d *door) level() bool { return d.open && d.contact != contactStuck || d.contact == contactCut }

func (a *wall) levels() map[locker.CompartmentID]bool {
	m := map[locker.CompartmentID]bool{}
	for _, d := range a.doors {
		if d.contact != contactDead {
			m[d.n] = d.level()
		}
	}
	return m
}

// pulse energises a lock. The door springs open a moment later.
func (a *wall) pulse(n locker.CompartmentID) error {
	d := a.door(n)
	switch d.lock {
	case lockBroken:
		return errors.New("lock: the driver reports an open load")
	case lockJammed:
		return nil
	case lockSluggish:
		d.lock = lockFine
		return nil
	default:
	}
	a.w.after(a.w.chance.between(80*time.Millisecond, 400*time.Millisecond), func() {
		if !d.open {
			a.w.oracle.opens(d, true)
			a.set(d, true)
		}
	})
	return nil
}

// set moves a door, for whoever does it.
func (a *wall) set(d *door, open bool) {
	if d.open == open {
		return
	}
	d.open = open
	a.w.oracle.moved(d)
	a.tell(d)
}

// tell brings the contact's level to the machine once it has settled. A bouncing
// contact takes longer; what bounces is the driver's to filter.
func (a *wall) tell(d *door) {
	p := a.w.process
	if p == nil {
		return
	}
	settle := 30 * time.Millisecond
	if a.w.fate.hits(a.w.faults.bounce) {
		settle = a.w.fate.between(settle, 250*time.Millisecond)
	}
	d.told++
	told := d.told
	p.after(settle, func() {
		if d.told != told || d.contact == contactDead {
			return
		}
		p.give(locker.DoorMoved{Compartment: d.n, Open: d.level()})
		if a.w.fate.hits(a.w.faults.bounce) { // a poll says it again
			p.give(locker.DoorMoved{Compartment: d.n, Open: d.level()})
		}
	})
}

// setContact breaks or mends a contact.
func (a *wall) setContact(d *door, c contactState) {
	was := d.contact
	d.contact = c
	p := a.w.process
	if p == nil || !p.ready {
		return
	}
	if c == contactDead && was != contactDead {
		p.give(locker.PartFailed{Part: "contact", Compartment: d.n, Detail: "no answer"})
	}
	if was == contactDead && c != contactDead && !p.dead {
		p.give(locker.PartHealed{Part: "contact", Compartment: d.n})
	}
	if c != contactDead {
		a.tell(d)
	}
}

// force breaks a door open.
func (a *wall) force(d *door) {
	if !d.open {
		a.w.oracle.opens(d, false)
		a.set(d, true)
	}
}

// reader is the finger reader.
type reader struct {
	w     *world
	works bool
	lying finger // person is empty: none
}

// waits is told that a job wants a finger. The ones before it in the lane are
// of people who have left: they end at once.
func (r *reader) waits(p *process) {
	l := &p.lanes[controller.ReaderLane]
	for len(l.jobs) > 1 && !l.busy {
		r.run(p)
	}
	if !r.works || r.lying.person != "" {
		p.work(controller.ReaderLane)
	}
}

func (r *reader) run(p *process) {
	job := p.lanes[controller.ReaderLane].jobs[0]
	p.lanes[controller.ReaderLane].jobs = p.lanes[controller.ReaderLane].jobs[1:]
	if in := job(context.Background()); in != nil {
		p.after(0, func() { p.give(in) })
	}
}

// lay puts a finger on the reader; it is lifted when it was read.
func (r *reader) lay(f finger) {
	r.lying = f
	if p := r.w.process; p != nil {
		p.work(controller.ReaderLane)
	}
}

// read takes the image of what lies there.
func (r *reader) read() finger {
	f := r.lying
	r.lying = finger{}
	return f
}

// set breaks or mends the reader, which is told without anybody asking it.
func (r *reader) set(works bool) {
	if r.works == works {
		return
	}
	r.works = works
	p := r.w.process
	if p == nil || !p.ready {
		return
	}
	if works {
		p.give(locker.PartHealed{Part: "reader"})
	} else {
		p.give(locker.PartFailed{Part: "reader", Detail: "no answer"})
		if !p.dead {
			p.work(controller.ReaderLane)
		}
	}
}
