package locker

import (
	"fmt"
	"slices"
	"time"
)

// apply changes the ledger by one event. It is the only code that does, for
// Step as for Replay. An event that does not fit the ledger is an error and
// changes nothing that a later event would rely on.
func (l *ledger) apply(e Event) error {
	if err := l.fold(e); err != nil {
		return fmt.Errorf("apply %s: %w", e.Fact.Type(), err)
	}
	return nil
}

func (l *ledger) fold(e Event) error {
	switch f := e.Fact.(type) {
	case TerminalBooted:
		l.Boot = f.Boot
		l.Time = e.Time        // the time without power is nobody's retention
		l.overwrote()          // a start erases what no event names
		l.forgetNonces(e.Time) // no command of an earlier start names this one's challenge
		return nil
	case ClockSet:
		l.Time, l.Ahead = e.Time, f.Ahead // nor is a correction
		if e.Time.Before(f.Was) {
			l.setBack(e.Time)
		}
		return nil
	}
	l.elapse(e.Time)
	l.keepIncident(e.Fact)
	switch f := e.Fact.(type) {
	case ClockConfirmed:
		l.Ahead = 0
		return nil
	case ClockMarked, DeviceRekeyed, PINLetterConfirmed, MessageRefused, AttemptsSuppressed, RoundInterrupted, TerminalDiagnosed:
		if _, ok := f.(RoundInterrupted); ok {
			l.Open = nil
		}
		return nil
	case TerminalConfigured:
		l.switchTraining(f.Config.Training)
		rooted := l.Config.HardwareKey
		l.Config = f.Config
		if !rooted {
			l.overwrote() // before there was a root
		}
		for _, s := range f.Config.Compartments {
			l.door(s.Number)
		}
		return nil
	case TerminalAdopted, InventoryOrdered, CompartmentInspected, KeyOpeningAnnounced, KeyOpeningEnded:
		l.foldInventory(f)
		return nil
	case RootReplaced:
		_, l.Root.Receipts = l.covered(f.Upto)
		l.Root.Covered, l.Root.At = max(l.Root.Covered, f.Upto), e.Time
		return nil
	case AlarmRaised:
		l.Alarm = max(l.Alarm, f.Alarm)
		l.Alarms[f.Alarm] = &f
		return nil
	case AlarmCleared:
		delete(l.Alarms, f.Alarm)
		return nil
	case LockExercised:
		return nil
	case SensorTripped:
		return l.foldSensor(f.Sensor, true)
	case SensorRested:
		return l.foldSensor(f.Sensor, false)
	case FlappingStarted, FlappingEnded:
		return l.foldFlapping(f)
	case RosterAccepted, ClerkCharged, ClerkAdmitted, ClerkRefused, ClerkUnblocked, RoundOpened, RoundConfirmed:
		return l.foldPeople(f)
	case CommandFollowed, CommandRefused:
		return l.foldCommand(e.Time, f)
	case BurglaryDeclared:
		switch {
		case l.Locked == LockedStolen:
		case f.Sensor == "":
			l.Locked = LockedBurglary
		case l.Locked == "":
			l.Locked = LockedTamper // an admin's own lock stays theirs
		}
		return nil
	case KeysOffered, KeyLapsed, KeyErased, OrderAccepted, OrderWithdrawn, OrderErased:
		return l.foldOrder(e.Time, f)
	case CompartmentReleased, CompartmentOpened, CompartmentClosed, CompartmentCleared,
		CompartmentQuarantined, CompartmentFaulted, CompartmentRestored, SensorWaived:
		return l.foldDoor(f)
	case CodeRefused, CodeCharged, CodeFailed, CodeProved, FactorCharged, FactorCompared, PresentationRefused, FactorClosed:
		return l.foldVisit(e.Time, f)
	}
	return l.foldDeposit(e.Time, e.Fact)
}

// elapse counts retention and forgets what was only kept against late copies.
func (l *ledger) elapse(to time.Time) {
	from := l.Time
	if !to.After(from) {
		return
	}
	l.Time = to
	var open time.Duration = -1
	for _, d := range l.Deposits {
		if !l.counts(d) {
			continue
		}
		if open < 0 {
			open = l.hours().between(from, to)
		}
		if d.State == depositUnconfirmed {
			d.Unanswered += Duration(open)
		} else {
			d.Held += Duration(open)
		}
	}
	l.forgetNonces(to.Add(-believable))
	for id, o := range l.Orders {
		if o.State == orderEnded && o.Erased && l.certain(to).Sub(o.Ended) > orderMemory {
			delete(l.Orders, id)
		}
	}
}

func (l *ledger) foldPeople(fact Fact) error {
	switch f := fact.(type) {
	case RosterAccepted:
		l.Roster = f.Version
		before := l.Members
		l.Members = make(map[Person]*member, len(f.People))
		for _, m := range f.People {
			l.Members[m.Person] = &member{Member: m}
			if was := before[m.Person]; was != nil && was.Role == m.Role {
				l.Members[m.Person] = &member{Member: m, Wrong: was.Wrong, Charged: was.Charged, Pardoned: was.Pardoned, Tries: was.Tries}
			}
		}
	case ClerkCharged:
		if m := l.Members[f.Person]; m != nil {
			if m.Charged { // a cut came before the answer
				m.Tries.add(l.Time)
			}
			m.Wrong, m.Charged = m.Wrong+1, true
		}
	case ClerkAdmitted:
		if m := l.Members[f.Person]; m != nil {
			m.Wrong, m.Charged = 0, false
		}
	case ClerkRefused:
		if m := l.Members[f.Person]; m != nil && (f.Reason == RefusedNumber || f.Reason == RefusedKey) {
			if !m.Charged { // as journals have it in which the refusal was the charge
				m.Wrong++
			}
			m.Charged = false
			m.Tries.add(l.Time)
		}
	case ClerkUnblocked:
		if m := l.Members[f.Person]; m != nil {
			m.Wrong, m.Charged, m.Pardoned, m.Tries = 0, false, time.Time{}, wrongTries{}
		}
	case RoundOpened:
		l.Round = max(l.Round, f.Round)
		l.Open = &openRound{Round: f.Round, Clerks: f.Clerks}
	case RoundConfirmed:
		l.Open = nil
		if l.Locked == LockedTamper && l.quiet() {
			l.Locked = ""
		}
	}
	return nil
}

func (l *ledger) foldOrder(at time.Time, fact Fact) error {
	switch f := fact.(type) {
	case KeysOffered:
		for _, k := range f.Keys {
			l.Key = max(l.Key, k.Key)
			l.Keys[k.Key] = &orderKey{OfferedKey: k}
		}
	case KeyLapsed:
		k := l.Keys[f.Key]
		if k == nil {
			return fmt.Errorf("no key %d", f.Key)
		}
		k.Lapsed = true
	case KeyErased:
		l.overwrote()
		delete(l.Keys, f.Key)
	case OrderAccepted:
		if l.Orders[f.Order] != nil {
			return fmt.Errorf("order %s is there already", f.Order)
		}
		l.Orders[f.Order] = &order{OrderTerms: f.OrderTerms, Hash: f.Hash, State: orderOpen, Since: at}
		if k := l.Keys[f.Key]; k != nil {
			k.Used = true
		}
	case OrderWithdrawn:
		return l.withdraw(f.Order, at)
	case OrderErased:
		o := l.Orders[f.Order]
		if o == nil {
			return fmt.Errorf("no order %s", f.Order)
		}
		l.overwrote()
		o.Erased = true
		delete(l.Keys, o.Key)
	}
	return nil
}

func (l *ledger) withdraw(id OrderID, at time.Time) error {
	o := l.Orders[id]
	if o == nil {
		return fmt.Errorf("no order %s", id)
	}
	if d := l.Deposits[o.Deposit]; d != nil && d.State != depositEnded {
		d.Revoked = true
		return nil
	}
	o.end(at)
	return nil
}

func (o *order) end(at time.Time) { o.State, o.Ended = orderEnded, at }

func (l *ledger) foldDoor(fact Fact) error {
	switch f := fact.(type) {
	case CompartmentReleased:
		c := l.door(f.Compartment)
		l.Pulse = max(l.Pulse, f.Pulse)
		c.Release = &release{CompartmentReleased: f}
		if f.Purpose == ForExercise {
			c.Use = useVacated // until the clerks who open it have seen it empty again
		}
		if d := l.Deposits[f.Generation]; d != nil {
			d.released(f.Purpose)
			d.Attempt = max(d.Attempt, f.Attempt)
		}
	case CompartmentOpened:
		c := l.door(f.Compartment)
		if !f.Assumed || c.Waived {
			c.Open = true
		}
		if !f.Commanded && l.byKey() {
			var order OrderID
			if d := l.Deposits[c.Deposit]; d != nil {
				order = d.Order
			}
			l.look(f.Compartment, order)
		}
		if f.Commanded && c.Release != nil && c.Use == useEmpty && c.Release.Generation == 0 {
			c.Use = useVacated // to look into it again; until two clerks say what they saw, nobody knows
		}
		if f.Commanded && c.Release != nil {
			c.Release.Opened, c.Release.Assumed = true, f.Assumed
			if d := l.Deposits[c.Release.Generation]; d != nil && d.State == depositReleased {
				d.State = depositOpened
			}
		}
	case CompartmentClosed:
		c := l.door(f.Compartment)
		if !f.Assumed || c.Waived {
			c.Open = false
		}
		if c.Release != nil && c.Release.Opened {
			if d := l.Deposits[c.Release.Generation]; d != nil && d.State == depositOpened {
				d.State = depositClosed
			}
			c.Release = nil
		}
	case CompartmentCleared:
		c := l.door(f.Compartment)
		c.Use, c.Deposit = useEmpty, 0
	case CompartmentQuarantined:
		c := l.door(f.Compartment)
		c.Use, c.Release = useDoubt, nil
	case CompartmentFaulted:
		c := l.door(f.Compartment)
		c.Fault = f.Fault
		if c.Release != nil && !c.Release.Opened {
			if d := l.Deposits[c.Release.Generation]; d != nil && (d.State == depositReleased || d.State == depositUnloading) {
				d.State = depositLoaded
				switch {
				case c.Use == useDoubt:
					d.State = depositDoubted
				case d.Loaded.IsZero():
					d.State = depositLaid
				case !d.Unconfirmed.IsZero():
					d.State = depositUnconfirmed
				}
			}
			c.Release = nil
		}
	case CompartmentRestored:
		c := l.door(f.Compartment)
		c.Fault, c.Waived = "", false
	case SensorWaived:
		l.door(f.Compartment).Waived = true
	}
	return nil
}

// released is what a release says of the deposit that it names.
func (d *deposit) released(p Purpose) {
	switch p {
	case ForPickup:
		d.State = depositReleased
	case ForLoading:
		d.State = depositLaying
	case ForUnload:
		d.State = depositUnloading
	case ForInspect:
		if d.State == depositLoaded || d.State == depositLaid || d.State == depositUnconfirmed {
			d.State = depositUnloading // until the clerks say that it stays
		}
	}
}

func (l *ledger) foldVisit(at time.Time, fact Fact) error {
	refused := func(a AttemptID) {
		l.Attempt = max(l.Attempt, a)
		l.Refusals, l.RefusedAt = l.Refusals+1, at
	}
	var g Generation
	switch f := fact.(type) {
	case CodeRefused:
		refused(f.Attempt)
		return nil
	case CodeCharged:
		g = f.Generation
	case CodeFailed:
		g = f.Generation
	case CodeProved:
		g = f.Generation
	case FactorCharged:
		g = f.Generation
	case FactorCompared:
		g = f.Generation
	case PresentationRefused:
		g = f.Generation
	case FactorClosed:
		g = f.Generation
	}
	d := l.Deposits[g]
	if d == nil {
		return fmt.Errorf("no deposit of generation %d", g)
	}
	switch f := fact.(type) {
	case CodeCharged:
		l.Attempt = max(l.Attempt, f.Attempt)
		d.Charges++
		d.Pending = append(d.Pending, f.Attempt)
	case CodeFailed:
		d.settle(f.Attempt)
		refused(f.Attempt)
	case CodeProved:
		if d.settle(f.Attempt) {
			d.Charges--
		}
		l.Refusals, l.RefusedAt = l.Refusals+1, at // until the factor is proved: a letter alone is paced, too
	case FactorCharged:
		d.Factors[f.Finger]++
		d.Comparing[f.Attempt] = f.Finger
	case FactorCompared:
		delete(d.Comparing, f.Attempt)
		if f.Accepted {
			d.Factors[f.Finger] = 0
			l.Refusals = 0 // not before: a letter alone would buy a vandal ten tries each time
		}
	case PresentationRefused:
		delete(d.Comparing, f.Attempt)
	case FactorClosed:
		d.Closed[f.Finger] = true
	}
	return nil
}

// settle takes the attempt off the unsettled ones and tells whether it was there.
func (d *deposit) settle(a AttemptID) bool {
	i := slices.Index(d.Pending, a)
	if i < 0 {
		return false
	}
	d.Pending = slices.Delete(d.Pending, i, i+1)
	return true
}

func (l *ledger) foldDeposit(at time.Time, fact Fact) error {
	if f, ok := fact.(DepositReserved); ok {
		return l.foldReserved(f)
	}
	g := generationOf(fact)
	d := l.Deposits[g]
	if d == nil {
		return fmt.Errorf("no deposit of generation %d", g)
	}
	c := l.door(d.Compartment)
	switch f := fact.(type) {
	case DepositPrepared:
		d.State, d.Hash, d.Commitment = depositPrepared, f.Hash, f.Slot
	case DepositAbandoned:
		l.abandon(d, c)
	case DocumentLaid:
		d.State, d.Laid, l.Laid = depositLaid, true, true
		c.Use = useOccupied
		if l.Open != nil && l.Open.Round == f.Round && !slices.Contains(l.Open.Laid, g) {
			l.Open.Laid = append(l.Open.Laid, g)
		}
	case DepositLoaded:
		d.State, d.Doubts, d.Unconfirmed = depositLoaded, 0, time.Time{} // two clerks know where it is
		if d.Loaded.IsZero() {
			d.Loaded = at
		}
		l.unlay(d)
		if o := l.Orders[d.Order]; o != nil {
			o.State = orderDeposited
		}
	case DepositReissued:
		l.replace(d, l.Deposits[f.Replaces], c, at)
	case LetterPosted:
		if d.Posted.IsZero() {
			d.Posted = at
		}
	case LetterDeleted:
		d.Letter = false
		l.forget(d)
	case DepositExpired:
		d.Expired = true
	case DocumentTaken:
		l.finish(d, c, at, useVacated)
	case DocumentUnloaded, DocumentMissing:
		l.finish(d, c, at, useVacated)
	case DocumentUnconfirmed:
		d.State, d.Unconfirmed, d.Unanswered = depositUnconfirmed, at, 0
	case DocumentDisputed:
		d.State, d.Unconfirmed = depositDisputed, time.Time{}
		c.Use = useDoubt
	case CustodyDoubted:
		d.State, d.Unconfirmed = depositDoubted, time.Time{}
		d.Doubts++
		l.unlay(d)
		c.Use, c.Release = useDoubt, nil
	case SlotErased:
		l.overwrote(ErasedSlot{Generation: f.Generation, Slot: f.Slot})
		d.Slot = false
		l.forget(d)
	default:
		return fmt.Errorf("no rule for %T", fact)
	}
	return nil
}

func generationOf(fact Fact) Generation {
	switch f := fact.(type) {
	case DepositPrepared:
		return f.Generation
	case DepositAbandoned:
		return f.Generation
	case DocumentLaid:
		return f.Generation
	case DepositLoaded:
		return f.Generation
	case DepositReissued:
		return f.Generation
	case LetterPosted:
		return f.Generation
	case LetterDeleted:
		return f.Generation
	case DepositExpired:
		return f.Generation
	case DocumentTaken:
		return f.Generation
	case DocumentUnconfirmed:
		return f.Generation
	case DocumentDisputed:
		return f.Generation
	case DocumentUnloaded:
		return f.Generation
	case DocumentMissing:
		return f.Generation
	case CustodyDoubted:
		return f.Generation
	case SlotErased:
		return f.Generation
	}
	return 0
}

func (l *ledger) foldReserved(f DepositReserved) error {
	o := l.Orders[f.Order]
	if o == nil {
		return fmt.Errorf("no order %s", f.Order)
	}
	l.Generation = max(l.Generation, f.Generation)
	d := &deposit{
		Generation: f.Generation, Order: f.Order, Compartment: f.Compartment,
		State: depositReserved, Replaces: f.Replaces, Slot: true, Letter: true,
		Factors: map[int]int{}, Comparing: map[AttemptID]int{}, Closed: map[int]bool{},
	}
	l.Deposits[f.Generation] = d
	if k := l.Keys[f.Key]; k != nil {
		k.Lapsed = true // one-time, also for a share; EraseKey follows
	}
	if f.Replaces != 0 {
		return nil // the old one holds order and compartment until the new one is ready
	}
	o.State, o.Deposit = orderReserved, f.Generation
	c := l.door(f.Compartment)
	c.Use, c.Deposit = useReserved, f.Generation
	return nil
}

// abandon ends a deposit that holds no document. Its compartment is still
// empty if the door was never released for it.
func (l *ledger) abandon(d *deposit, c *compartment) {
	if d.Replaces == 0 {
		if o := l.Orders[d.Order]; o != nil && o.Deposit == d.Generation {
			o.State, o.Deposit = orderOpen, 0
			if d.Revoked {
				o.end(l.Time)
			}
		}
		if c.Deposit == d.Generation {
			switch d.State {
			case depositReserved, depositPrepared:
				c.Use = useEmpty
			case depositDoubted:
				c.Use = useDoubt
			default:
				c.Use = useVacated
			}
			c.Deposit = 0
		}
	}
	l.unlay(d)
	d.State = depositEnded
}

func (l *ledger) unlay(d *deposit) {
	if l.Open != nil {
		l.Open.Laid = slices.DeleteFunc(l.Open.Laid, func(g Generation) bool { return g == d.Generation })
	}
}

// replace lets the new generation take the old one's place and its closed
// factors; the retention starts anew with the new letter.
func (l *ledger) replace(d, old *deposit, c *compartment, at time.Time) {
	d.State, d.Loaded = depositLoaded, at
	c.Deposit = d.Generation
	if old == nil {
		return
	}
	d.Closed, d.Factors = old.Closed, old.Factors
	d.Revoked = old.Revoked
	old.Closed, old.Factors = map[int]bool{}, map[int]int{}
	old.State = depositEnded
	if o := l.Orders[d.Order]; o != nil {
		o.Deposit = d.Generation
	}
}

// finish ends a deposit whose document has left.
func (l *ledger) finish(d *deposit, c *compartment, at time.Time, u use) {
	d.State = depositEnded
	l.unlay(d)
	if o := l.Orders[d.Order]; o != nil && o.Deposit == d.Generation {
		o.end(at)
	}
	if c.Deposit == d.Generation {
		c.Use, c.Deposit = u, 0
	}
	l.forget(d)
}

// forget drops an ended deposit once nothing of it is left anywhere.
func (l *ledger) forget(d *deposit) {
	if d.State == depositEnded && !d.Slot && !d.Letter {
		delete(l.Deposits, d.Generation)
	}
}
