package simulation

import (
	"bytes"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// whole checks at a start that nothing is missing of what must still open.
func (o *oracle) whole() {
	for _, g := range sorted(o.gens) {
		d := o.gens[g]
		if b := o.orders[d.order]; d.loaded && !d.ended && b.file.withdraw == nil && !o.openable(func(x box) bool { return x.generation == g }) {
			o.w.fail("after start %d nothing opens generation %d any more", o.w.starts, g)
		}
	}
	for _, id := range sorted(o.orders) {
		b := o.orders[id]
		if b.accepted && !b.loaded && !b.missed && !b.erased && b.file.withdraw == nil && !o.openable(func(x box) bool { return x.hpke && x.order == id }) {
			o.w.fail("after start %d nothing opens order %s any more", o.w.starts, id)
		}
	}
}

// openable tells whether a secret of such a box lies in a slot.
func (o *oracle) openable(of func(box) bool) bool {
	for _, x := range o.w.crypto.boxes {
		if !of(x) {
			continue
		}
		for _, block := range o.w.store.slots {
			if bytes.Contains(block, x.secret) {
				return true
			}
		}
	}
	return false
}

// opens is told that a door is about to open, and whether its lock did it.
func (o *oracle) opens(d *door, commanded bool) {
	o.door(d.n).opened = o.w.now
	p := o.w.process
	if commanded || p == nil || !p.ready || d.contact != contactFine {
		return
	}
	before := o.door(d.n).told
	p.after(time.Second, func() {
		b := o.door(d.n)
		if b.told <= before && !b.believed && !b.waived && d.contact == contactFine && d.open {
			o.fail(6, "the door of compartment %d sprang open, and no event says so", d.n)
		}
	})
}

// robbed is told what was taken out of a door that no lock opened. If the terminal was dark or blind just
// then, it cannot know.
func (o *oracle) robbed(d *door, papers []*paper) {
	for _, p := range papers {
		p.taken = true
	}
	if p := o.w.process; p != nil && p.ready && d.contact == contactFine && !o.door(d.n).waived {
		p.after(time.Second, func() {
			for _, p := range papers {
				p.taken = false
			}
		})
	}
}

func (o *oracle) moved(d *door) { o.door(d.n).moved = o.w.now }

// known tells whether the machine can and must know the level of a door.
func (o *oracle) known(d *door) bool {
	b := o.door(d.n)
	p := o.w.process
	return p != nil && p.ready && d.contact == contactFine && !b.waived &&
		o.w.now-o.ready > 5*time.Second && o.w.now-b.moved > 5*time.Second
}

// doorsKnown checks that the events agree with the doors.
func (o *oracle) doorsKnown() {
	for _, d := range o.w.wall.doors {
		b := o.door(d.n)
		if o.known(d) && b.believed != d.open {
			o.fail(6, "the door of compartment %d is open: %v, and the events say %v", d.n, d.open, b.believed)
		}
		if b.forced && !o.standing(locker.AlarmForced, d.n) {
			o.fail(6, "the door of compartment %d was forced, and nobody is woken", d.n)
		}
		if b.owes != "" && !o.standing(b.owes, d.n) {
			o.fail(7, "two clerks found in compartment %d what the record does not say, and no alarm %s tells it", d.n, b.owes)
		}
	}
}

// leftOpen checks that a door that stays open has its alarm.
func (o *oracle) leftOpen() {
	const long = 12 * time.Minute
	for _, d := range o.w.wall.doors {
		if d.open && o.known(d) && o.w.now-o.door(d.n).moved > long && o.w.now-o.ready > long && !o.alarmed(d.n) {
			o.fail(6, "the door of compartment %d stands open since %v, and no alarm says so", d.n, o.door(d.n).moved)
		}
	}
}

// alarmed tells whether an alarm about a compartment stands.
func (o *oracle) alarmed(n locker.CompartmentID) bool {
	for _, a := range o.alarms {
		if a.Compartment == n {
			return true
		}
	}
	return false
}

// alarmedBut tells whether an alarm of another kind stands.
func (o *oracle) alarmedBut(n locker.CompartmentID, kind locker.AlarmKind) bool {
	for _, a := range o.alarms {
		if a.Compartment == n && a.Kind != kind {
			return true
		}
	}
	return false
}

// standing tells whether an alarm of this kind stands.
func (o *oracle) standing(kind locker.AlarmKind, n locker.CompartmentID) bool {
	for _, a := range o.alarms {
		if a.Kind == kind && a.Compartment == n {
			return true
		}
	}
	return false
}

// inspect looks at everything while nobody is there.
func (o *oracle) inspect() {
	o.doorsKnown()
	o.leftOpen()
	p := o.w.process
	if p == nil || !p.ready || o.w.now-o.ready < 10*time.Minute || !o.w.street.idle() {
		return
	}
	for _, d := range o.w.wall.doors {
		if d.open || o.w.now-o.door(d.n).moved < 10*time.Minute {
			return // a handover may be under way
		}
	}
	for _, id := range sorted(o.orders) {
		if b := o.orders[id]; b.file.order == id {
			o.custody(id, b)
		}
	}
}

// custody compares where a document is said to be with where it is.
func (o *oracle) custody(id locker.OrderID, b *filed) {
	truth := b.file.paper
	if truth.taken || b.lost {
		return
	}
	wrong := func() {
		o.fail(7, "the document of order %s is said to be with %s (compartment %d), and is in place %d (compartment %d), without an alarm", id, b.holder, b.door, truth.place, truth.door)
	}
	switch b.holder {
	case locker.CustodyCompartment:
		if (truth.place != behindDoor || truth.door != b.door) && !o.alarmed(b.door) {
			wrong()
		}
	case locker.CustodyCitizen:
		if truth.place != withCitizen && !truth.left && truth.place != atDesk && truth.place != stolen {
			wrong()
		}
	case locker.CustodyClerks:
		if truth.place == behindDoor && !o.alarmed(truth.door) {
			wrong()
		}
	case locker.CustodyUnknown:
		// No deposit: two clerks found that it was never laid in. On the inventory: a
		// key opening that was announced wakes nobody.
		d := o.gens[b.gen]
		if truth.place == behindDoor && truth.door != b.door || d != nil && !d.ended && !o.unseen[b.door] && !o.alarmed(b.door) {
			wrong()
		}
	default:
		o.fail(7, "custody of the document of order %s is %q", id, b.holder)
	}
}

// visited is told how a citizen's visit ended. Once faults have ended, the right
// code and the right finger must bring the document in one visit.
func (o *oracle) visited(z *citizen) {
	if !o.w.calm || z.done {
		return
	}
	if o.w.now < o.w.calmSince+6*time.Hour && (o.locked || len(o.disabled) > 0) {
		return // the admins have not taken back yet what they ordered
	}
	d := o.gens[z.letter]
	if d == nil || d.ended {
		return // replaced, or taken out by clerks, while the letter was on its way
	}
	last, office := z.visit.last, o.w.city.office
	if o.unseen[d.compartment] || last == locker.ScreenLocked && office.locked || last == locker.ScreenShut && office.hours {
		return // two clerks have yet to look, or admins to take a command back
	}
	b := o.orders[d.order]
	unanswered := b.holder == locker.CustodyUnknown && d.unanswered != 0 && o.standing(locker.AlarmUnconfirmed, d.compartment)
	if b.holder != locker.CustodyCompartment && !unanswered || b.file.paper.place != behindDoor || b.file.withdraw != nil || o.alarmedBut(d.compartment, locker.AlarmUnconfirmed) {
		return
	}
	open := 0
	for _, c := range d.charges {
		if !o.attempts[c].proved {
			open++
		}
	}
	if open >= o.w.config.Rules.CodeTries || len(d.closed) > 0 {
		return
	}
	o.w.fail("liveness: %s came with the right code and finger for generation %d and went without the document: last screen %s, %d charges open", z.name, z.letter, z.visit.last, open)
}

// rounded is told what two clerks carry back to the desk. Once faults have
// ended, nothing that waits stays there while a compartment is free.
func (o *oracle) rounded(papers []*paper) {
	if !o.w.calm || o.w.now < o.w.calmSince+48*time.Hour {
		return
	}
	for _, d := range o.w.wall.doors {
		if len(d.inside) > 0 || o.door(d.n).faulted {
			continue
		}
		for _, p := range papers {
			f := p.file
			if b := o.orders[f.order]; b.accepted && b.gen == 0 && !f.closed && f.withdraw == nil && f.terms.Size == locker.Small && !f.terms.LowReach {
				o.w.fail("liveness: the document of order %s came back from a round, and compartment %d is empty", f.order, d.n)
			}
		}
	}
}

// patience checks that nobody waits longer than a minute for others' mischief.
func (o *oracle) patience(z *citizen) {
	if v := z.visit; v.paced > 64*time.Second && !v.dark && v.forgot == 0 && v.entered < 2 {
		o.w.fail("liveness: %s waited %v for somebody else's wrong codes", z.name, z.visit.paced)
	}
}

// drained checks that nothing is left to do.
func (o *oracle) drained() {
	w := o.w
	p := w.process
	switch {
	case p == nil || !p.ready:
		w.fail("liveness: the terminal does not run")
	case len(w.city.held) != len(w.store.log):
		w.fail("liveness: the city has %d events of %d", len(w.city.held), len(w.store.log))
	case w.city.root(len(w.city.held)) != w.store.root(len(w.store.log)):
		w.fail("invariant 5: the city's record is another one")
	case len(p.controller.Letters()) > 0:
		w.fail("liveness: letters of generations %v wait", p.controller.Letters())
	case o.last.Sub(w.time()).Abs() > 25*time.Minute || o.ahead != 0:
		w.fail("liveness: the last event says %v, %v of it provisional, and it is %v", o.last, o.ahead, w.time())
	case len(o.unseen) > 0:
		w.fail("liveness: %d compartments of an inventory were never looked into", len(o.unseen))
	}
	for _, id := range sorted(o.orders) {
		b := o.orders[id]
		if b.file.order == id && b.file.message != nil && b.file.arrived && b.file.withdraw == nil && !b.file.accepted && !b.file.closed {
			w.fail("liveness: order %s was never accepted", id)
		}
	}
	o.nothingLeft()
	for _, n := range sorted(o.doors) {
		if o.doors[n].faulted {
			w.fail("liveness: compartment %d is out of order, and nothing ails it", n)
		}
	}
	for _, g := range sorted(o.gens) {
		if d := o.gens[g]; d.ended && !d.slotErased {
			w.fail("liveness: generation %d has ended, and its slot was never erased", g)
		}
	}
	o.certain()
	o.foundAll()
	for _, x := range w.crypto.boxes {
		if x.hpke && o.orders[x.order].erased {
			w.fail("invariant 4: order %s was erased, and opened once more", x.order)
		}
	}
}

// nothingLeft checks that the disk holds what lives, and nothing else.
func (o *oracle) nothingLeft() {
	w := o.w
	living := 0
	for _, d := range o.gens {
		if d.loaded && !d.slotErased {
			living++
		}
	}
	waiting := 0
	for _, id := range sorted(o.orders) {
		b := o.orders[id]
		switch {
		case b.accepted && !b.erased && (b.loaded || b.missed):
			w.fail("liveness: order %s is over, and its key was never erased", id)
		case b.accepted && !b.erased:
			waiting++
		}
	}
	slots := 0
	for _, block := range w.store.slots {
		if len(block) > 0 && block[0] == 'd' {
			slots++
		}
	}
	switch {
	case slots != living:
		w.fail("invariant 4: %d deposits live, and %d slots hold a deposit's key", living, slots)
	case len(w.store.records["deposits"]) != living:
		w.fail("liveness: %d deposits live, and %d have a record", living, len(w.store.records["deposits"]))
	case len(w.store.records["orders"]) != waiting:
		w.fail("liveness: %d orders wait, and %d are kept", waiting, len(w.store.records["orders"]))
	case len(w.store.records["letters"]) > 0:
		w.fail("liveness: all letters were posted, and %d are kept", len(w.store.records["letters"]))
	}
}
