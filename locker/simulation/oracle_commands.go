package simulation

import (
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// commandBook is what the oracle knows of commands and people.
type commandBook struct {
	issued   map[string]issued // by nonce: what admins did sign
	followed map[string]bool
	locked   bool
	tamper   bool // locked by a sensor alone, so that two clerks end it
	tripped  bool // that sensor, as the events say
	disabled map[locker.CompartmentID]bool
	roster   int
	charged  map[locker.Person]int // numbers charged and not settled
	wrong    map[locker.Person]int // in a row, wrong or unsettled
	pardon   map[locker.Person]bool
}

func newCommandBook() commandBook {
	return commandBook{
		issued: map[string]issued{}, followed: map[string]bool{}, disabled: map[locker.CompartmentID]bool{},
		charged: map[locker.Person]int{}, wrong: map[locker.Person]int{}, pardon: map[locker.Person]bool{},
	}
}

func (o *oracle) followCommand(e locker.Event) {
	switch f := e.Fact.(type) {
	case locker.CommandFollowed:
		o.counts.Commands++
		o.obeyed(e.Time, f)
	case locker.CommandRefused:
		o.counts.Disobeyed++
	case locker.MessageRefused:
		if f.Message == locker.MessageCommand || f.Message == locker.MessageRoster {
			o.counts.Disobeyed++
		}
	case locker.BurglaryDeclared:
		o.tamper = f.Sensor != "" && (!o.locked || o.tamper)
		o.locked = true
		o.listed(f)
	case locker.SensorTripped:
		o.tripped = true
	case locker.SensorRested:
		o.tripped = false
	case locker.RoundConfirmed:
		if o.tamper && !o.tripped {
			o.locked, o.tamper = false, false
		}
	case locker.RosterAccepted:
		if f.Version <= o.roster || f.Version > o.w.city.roster.Version {
			o.fail(9, "roster %d is in force after %d, and the admins signed up to %d", f.Version, o.roster, o.w.city.roster.Version)
		}
		o.roster = f.Version
	case locker.CompartmentReleased:
		if (f.Purpose == locker.ForPickup || f.Purpose == locker.ForReturn) && (o.locked || o.disabled[f.Compartment]) {
			o.fail(9, "compartment %d is released for a citizen, and the terminal is locked (%v) or it is disabled (%v)", f.Compartment, o.locked, o.disabled[f.Compartment])
		}
	case locker.DepositReserved:
		if f.Replaces == 0 && o.disabled[f.Compartment] {
			o.fail(9, "compartment %d is to be loaded, and it is disabled", f.Compartment)
		}
	case locker.ClerkCharged:
		o.charged[f.Person]++
		o.wrong[f.Person]++
	case locker.ClerkAdmitted:
		o.wrong[f.Person] = 0
	case locker.ClerkUnblocked:
		if !o.pardon[f.Person] || f.Beside == f.Person || f.Beside == "" {
			o.fail(9, "%s was unblocked beside %q, and an admin's command for it: %v", f.Person, f.Beside, o.pardon[f.Person])
		}
		if at, ok := o.proofs[f.Beside]; !ok || o.w.now-at > time.Hour {
			o.fail(9, "%s was unblocked beside %s, who never proved to be there", f.Person, f.Beside)
		}
		o.wrong[f.Person], o.pardon[f.Person] = 0, false
	}
}

// obeyed checks that a command was signed as it had to be, for this terminal
// and this start of it, and has its effect once.
func (o *oracle) obeyed(at time.Time, f locker.CommandFollowed) {
	i, ok := o.issued[f.Nonce]
	two := len(i.by) > 1 && slices.ContainsFunc(i.by, func(p string) bool { return p != i.by[0] })
	switch {
	case !ok || i.Command.Command != f.Command:
		o.fail(9, "command %s is followed, and no admin signed it", f.Kind)
	case o.followed[f.Nonce]:
		o.fail(9, "command %s is followed twice", f.Kind)
	case f.Kind.Grave() && !two:
		o.fail(9, "command %s is followed, and %v signed it", f.Kind, i.by)
	case at.After(i.Expires):
		o.fail(9, "command %s is followed %v after it expired", f.Kind, at.Sub(i.Expires))
	case o.w.process != nil && i.Challenge != o.w.process.vault.Challenge():
		o.fail(9, "command %s is followed, which was signed for another start", f.Kind)
	}
	o.followed[f.Nonce] = true
	switch f.Kind {
	case locker.CommandLock:
		o.locked, o.tamper = true, false
	case locker.CommandUnlock:
		o.locked, o.tamper = false, false
	case locker.CommandDisable:
		o.disabled[f.Compartment] = true
	case locker.CommandEnable:
		delete(o.disabled, f.Compartment)
	case locker.CommandUnblock:
		o.pardon[f.Person] = true
	case locker.CommandExtend:
		o.gens[f.Generation].extended += time.Duration(f.Days) * 24 * time.Hour
	case locker.CommandRevoke:
		o.revoked(f.Order)
	case locker.CommandDeclare:
		o.locked, o.tamper = true, false
		for _, id := range sorted(o.orders) {
			if o.orders[id].accepted {
				o.revoked(id)
			}
		}
	default:
	}
}

// revoked is the truth from here on: the citizen gets the document at the desk.
func (o *oracle) revoked(id locker.OrderID) {
	if f := o.orders[id].file; f.order == id && f.withdraw == nil && !f.closed {
		f.withdraw, f.withdrawn = []byte("by command"), true
	}
}

// listed checks that the list of a burglary names each document that lies in a
// compartment, as the events before it say, and none that does not.
func (o *oracle) listed(f locker.BurglaryDeclared) {
	o.counts.Burglaries++
	listed := map[locker.OrderID]locker.Inside{}
	for _, i := range f.Inside {
		b := o.orders[i.Order]
		if listed[i.Order].Order != "" || b == nil || b.gen != i.Generation || b.door != i.Compartment || b.holder == locker.CustodyCitizen {
			o.fail(9, "the list of a burglary names order %s in compartment %d, and the events say %+v", i.Order, i.Compartment, b)
		}
		listed[i.Order] = i
	}
	for _, id := range sorted(o.orders) {
		b := o.orders[id]
		if b.holder == locker.CustodyCompartment && listed[id].Order == "" {
			o.fail(9, "the list of a burglary lacks order %s in compartment %d", id, b.door)
		}
	}
}

// checks is told each personal number before it is tried.
func (o *oracle) checks(p locker.Person) {
	if p == "" {
		return
	}
	if o.charged[p] == 0 {
		o.fail(9, "the number of %s is tried, and no charge for it is durable", p)
	}
	o.charged[p]--
	if o.wrong[p] > 5 {
		o.fail(9, "the number of %s is tried after %d wrong ones", p, o.wrong[p]-1)
	}
}
