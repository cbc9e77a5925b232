package simulation

import (
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// carriesOut is told each action that a process begins. One that had begun may
// still end after a commit has failed: what allowed it was durable.
func (o *oracle) carriesOut(p *process) {
	if p.failed || p.disk.end != nil {
		o.fail(8, "start %d carries out an action after a failed commit", o.w.starts)
	}
}

func (o *oracle) booted(p *process) {
	o.ready = o.w.now
	for _, b := range o.doors {
		b.released = nil // no pulse of an earlier start may come any more
	}
	o.whole()
	p.after(6*time.Second, o.doorsKnown)
}

// energised is told each pulse before the coil is driven.
func (o *oracle) energised(p *process, n locker.CompartmentID) {
	b := o.door(n)
	if len(b.released) == 0 {
		o.fail(1, "the lock of compartment %d is energised without a committed release of this start", n)
	}
	a := b.released[0]
	b.released = b.released[1:]
	if a.boot != o.w.starts {
		o.fail(1, "the lock of compartment %d is energised by a release of start %d, this is start %d", n, a.boot, o.w.starts)
	}
	b.seenEmpty = false
	since := o.w.now
	p.after(15*time.Second, func() {
		if b.told < since {
			o.fail(6, "compartment %d was told to open at %v, and no event says what became of it", n, since)
		}
	})
}

// authorised checks a release when it becomes durable.
func (o *oracle) authorised(f locker.CompartmentReleased) {
	if o.pulses[f.Pulse] {
		o.fail(1, "pulse %d was released twice", f.Pulse)
	}
	o.pulses[f.Pulse] = true
	if f.Purpose == locker.ForPickup || f.Purpose == locker.ForReturn {
		o.pickup(f)
	} else {
		o.byRound(f)
	}
	if f.Purpose == locker.ForExercise {
		o.exercised(f.Compartment)
	}
}

// exercised is told a lock that is driven for the sake of measuring it, at its
// release and at its pulse.
func (o *oracle) exercised(n locker.CompartmentID) {
	for _, g := range sorted(o.gens) {
		if d := o.gens[g]; d.compartment == n && !d.ended {
			o.fail(1, "the lock of compartment %d is exercised, and generation %d is there", n, g)
		}
	}
}

func (o *oracle) pickup(f locker.CompartmentReleased) {
	d := o.gens[f.Generation]
	a := o.attempt(f.Attempt)
	switch {
	case d == nil || d.ended || !d.loaded || o.orders[d.order].gen != f.Generation:
		o.fail(1, "compartment %d is released for generation %d, which does not live", f.Compartment, f.Generation)
	case d.compartment != f.Compartment:
		o.fail(1, "compartment %d is released for generation %d, which lies in %d", f.Compartment, f.Generation, d.compartment)
	case a.g != f.Generation || !a.proved || !a.opened:
		o.fail(1, "compartment %d is released for attempt %d, whose code was not proved for generation %d", f.Compartment, f.Attempt, f.Generation)
	case !a.accepted || !a.matched:
		o.fail(1, "compartment %d is released for attempt %d, whose factor was not proved", f.Compartment, f.Attempt)
	}
}

func (o *oracle) byRound(f locker.CompartmentReleased) {
	r := o.round
	if !r.open || r.id != f.Round {
		o.fail(1, "compartment %d is released for round %d, which is not open", f.Compartment, f.Round)
	}
	if r.clerks[0] == r.clerks[1] {
		o.fail(1, "round %d is of one clerk", f.Round)
	}
	for _, p := range r.clerks {
		if at, ok := o.proofs[p]; !ok || o.w.now-at > time.Hour {
			o.fail(1, "compartment %d is released for a round of %s, who never proved to be there", f.Compartment, p)
		}
	}
}

// proves is told that a person typed their own number after showing their card.
func (o *oracle) proves(p locker.Person) { o.proofs[p] = o.w.now }

// looks is told that two clerks look into a compartment.
func (o *oracle) looks(d *door, a, b locker.Person) {
	if a != b {
		o.door(d.n).looked, o.door(d.n).saw = o.w.now, len(d.inside) > 0
	}
}

// tries is told a code before it is tried on a seal.
func (o *oracle) tries(id locker.AttemptID, g locker.Generation, code pin.Code) {
	if g == 0 {
		return
	}
	a, d := o.attempt(id), o.gens[g]
	switch {
	case !a.charged || a.g != g:
		o.fail(2, "attempt %d is tried on generation %d, and no charge for it is durable", id, g)
	case a.tried:
		o.fail(2, "attempt %d is tried twice for one charge", id)
	case d.ended:
		o.fail(4, "attempt %d is tried on generation %d, which has ended", id, g)
	case !d.code.IsZero() && d.code.Selector() != code.Selector():
		o.fail(2, "attempt %d is charged to generation %d, and its code names another", id, g)
	}
	a.tried = true
	open := 0
	for _, c := range d.charges {
		if b := o.attempts[c]; b.tried && !b.proved {
			open++
		}
	}
	if open > 5 {
		o.fail(2, "generation %d is tried with %d failed or unsettled charges", g, open)
	}
}

func (o *oracle) tried(id locker.AttemptID, g locker.Generation, opened bool, err error) {
	if g == 0 {
		if opened {
			o.fail(2, "attempt %d opened nothing, and was called right", id)
		}
		return
	}
	a := o.attempt(id)
	a.opened, a.err = opened, err
}

func (o *oracle) captured(id locker.AttemptID, f finger) { o.attempt(id).finger = f }

// compares is told a comparison before it is made.
func (o *oracle) compares(id locker.AttemptID, g locker.Generation, position int) {
	a, d := o.attempt(id), o.gens[g]
	switch {
	case a.compares == 0:
		o.fail(2, "attempt %d compares finger %d of generation %d, and no charge for it is durable", id, position, g)
	case position != 0 && o.w.config.Detection && a.finger.person == thiefs:
		o.fail(2, "attempt %d compares a finger that the reader took for a fake", id)
	case d.failures[position] > o.w.config.Rules.FactorTries:
		o.fail(2, "finger %d of generation %d is compared once more after %d failures", position, g, d.failures[position]-1)
	}
	a.compares--
}

func (o *oracle) compared(id locker.AttemptID, g locker.Generation, position int, number string, accepted bool) {
	a := o.attempt(id)
	file := o.orders[o.gens[g].order].file
	if position == 0 {
		a.matched = file.number != "" && file.number == number
	} else {
		a.matched = a.finger.person == file.citizen.name && a.finger.position == position
	}
	if accepted && !a.matched {
		o.fail(1, "attempt %d: the factor of generation %d was accepted from somebody else", id, g)
	}
}

func (o *oracle) followVisit(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.CodeRefused:
		o.counts.Refused++
	case locker.CodeCharged:
		a := o.attempt(f.Attempt)
		if a.charged {
			o.fail(2, "attempt %d was charged twice", f.Attempt)
		}
		a.charged, a.g = true, f.Generation
		d := o.gens[f.Generation]
		d.charges = append(d.charges, f.Attempt)
	case locker.CodeFailed:
		o.counts.Refused++
		if a := o.attempt(f.Attempt); a.g != f.Generation || !a.tried || a.opened || a.err != nil {
			o.fail(2, "attempt %d is settled as failed on generation %d, and it was not tried there and wrong", f.Attempt, f.Generation)
		}
	case locker.CodeProved:
		a := o.attempt(f.Attempt)
		if a.g != f.Generation || !a.tried || !a.opened {
			o.fail(2, "attempt %d is settled as proved on generation %d, and the seal did not open", f.Attempt, f.Generation)
		}
		a.proved = true
	case locker.FactorCharged:
		o.attempt(f.Attempt).compares++
		d := o.gens[f.Generation]
		if d.closed[f.Finger] {
			o.fail(2, "finger %d of generation %d is closed, and was charged", f.Finger, f.Generation)
		}
		d.failures[f.Finger]++
	case locker.FactorCompared:
		a := o.attempt(f.Attempt)
		if f.Accepted && !a.matched {
			o.fail(1, "attempt %d is said to have proved the factor of generation %d", f.Attempt, f.Generation)
		}
		a.accepted = f.Accepted
		if f.Accepted {
			o.gens[f.Generation].failures[f.Finger] = 0
		}
	case locker.PresentationRefused:
		o.attempt(f.Attempt).compares-- // its charge is settled, and it stays a failure
	case locker.FactorClosed:
		o.gens[f.Generation].closed[f.Finger] = true
	}
}

func (o *oracle) followDoor(fact locker.Fact) {
	about := func(n locker.CompartmentID) *doorBook {
		b := o.door(n)
		b.told = o.w.now
		return b
	}
	switch f := fact.(type) {
	case locker.CompartmentReleased:
		o.authorised(f)
		b := o.door(f.Compartment)
		b.released = append(b.released, authority{f, o.w.starts})
	case locker.CompartmentOpened:
		b := about(f.Compartment)
		b.seenEmpty = false
		if !f.Assumed || b.waived {
			b.believed = true
		}
		if b.keyed = !f.Commanded && o.announced; b.keyed {
			o.unseen[f.Compartment] = true
			o.counts.Keyed++
		} else if !f.Commanded {
			o.counts.Forced++
			b.forced = !o.standing(locker.AlarmForced, f.Compartment) // one that stands wakes already
		}
	case locker.CompartmentClosed:
		if b := about(f.Compartment); !f.Assumed || b.waived {
			b.believed = false
		}
	case locker.CompartmentCleared:
		o.cleared(f)
	case locker.CompartmentQuarantined:
		about(f.Compartment).seenEmpty = false
	case locker.CompartmentFaulted:
		b := about(f.Compartment)
		b.faulted, b.released = true, nil
	case locker.CompartmentRestored:
		b := about(f.Compartment)
		b.faulted, b.waived = false, false
	case locker.SensorWaived:
		about(f.Compartment).waived = true
	case locker.DocumentDisputed:
		o.door(o.gens[f.Generation].compartment).seenEmpty = false
	}
}

// cleared checks that two clerks have really seen the compartment empty.
func (o *oracle) cleared(f locker.CompartmentCleared) {
	b := o.door(f.Compartment)
	d := o.w.wall.door(f.Compartment)
	switch {
	case !o.round.open || o.round.id != f.Round:
		o.fail(3, "compartment %d is said to be seen empty in round %d, which is not open", f.Compartment, f.Round)
	case b.looked < b.opened || b.opened == 0:
		o.fail(3, "compartment %d is said to be seen empty, and nobody looked since it opened", f.Compartment)
	case len(d.inside) > 0:
		o.fail(3, "compartment %d is said to be seen empty, and a document lies there", f.Compartment)
	}
	b.seenEmpty, b.told = true, o.w.now
}
