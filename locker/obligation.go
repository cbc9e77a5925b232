package locker

import (
	"fmt"
	"strconv"
	"time"
)

const (
	// again is when an obligation whose answer was an error, or never came, is
	// tried once more.
	again = 30 * time.Second
	// announceAgain is how often an unanswered letter is sent anew.
	announceAgain = 10 * time.Minute
)

// obligation is work in the ledger that nobody has answered yet.
type obligation struct {
	name   string
	action Action
	retry  time.Duration
}

// owed derives the obligations from the ledger, in a fixed order.
func (t *Terminal) owed(at time.Time) []obligation {
	l := t.ledger
	var list []obligation
	add := func(name string, id any, retry time.Duration, a Action) {
		list = append(list, obligation{name + " " + fmt.Sprint(id), a, retry})
	}
	for _, id := range sortedIf(l.Keys, func(k *orderKey) bool { return k.Lapsed }) {
		add("key", id, again, EraseKey{Key: id})
	}
	offered := 0
	for _, k := range l.Keys {
		if !k.Lapsed && !k.Used {
			offered++
		}
	}
	// A key offered by a clock that lost its time would have expired when it was set.
	if want := l.Config.Rules.KeysOffered; offered < (want+1)/2 && l.Locked != LockedStolen && at.After(oldest) {
		add("keys", l.Key, again, MakeKeys{First: l.Key + 1, Count: want - offered, Expires: at.Add(time.Duration(l.Config.Rules.KeyLife))})
	}
	done := func(o *order) bool { return !o.Erased && (o.State == orderDeposited || o.State == orderEnded) }
	for _, id := range sortedIf(l.Orders, done) {
		add("order", id, again, EraseOrder{Order: id, Key: l.Orders[id].Key})
	}
	for _, g := range sorted(l.Deposits) {
		d := l.Deposits[g]
		ended := d.State == depositEnded || d.Revoked && (d.State == depositLoaded || d.State == depositDoubted || d.State == depositDisputed || d.State == depositUnconfirmed)
		if ended && d.Slot {
			add("slot", g, again, EraseSlot{Generation: g, At: at})
		}
		switch {
		case !d.Letter:
		case ended || !d.Posted.IsZero():
			add("letter away", g, again, DeleteLetter{Generation: g})
		case !d.Loaded.IsZero():
			add("letter", g, announceAgain, PublishLetter{Generation: g})
		}
	}
	// Last: what this turn overwrites is covered as well, where all is at rest.
	if r := l.Root; l.Config.HardwareKey && r.Overwritten > r.Covered && t.rootDue(at) {
		add("root", "", again, ReplaceRoot{Upto: r.Overwritten})
	}
	return list
}

// rootDue tells whether the chip may be written again.
func (t *Terminal) rootDue(at time.Time) bool {
	r := t.ledger.Root
	return r.At.IsZero() || at.Sub(r.At) >= time.Duration(t.ledger.Config.Rules.RootEvery)
}

// oblige returns the action of each obligation that is not under way.
func (s *step) oblige() {
	flight := make(map[string]time.Duration, len(s.session.flight))
	for _, o := range s.owed(s.at) {
		due, under := s.session.flight[o.name]
		if under && s.now.Uptime < due {
			flight[o.name] = due
			continue
		}
		flight[o.name] = s.now.Uptime + o.retry
		s.do(o.action)
	}
	s.session.flight = flight
}

// settled records the answer to an obligation. An error leaves it owed; it is
// tried again at its time.
func (s *step) settled(in Input) {
	l := s.ledger
	switch in := in.(type) {
	case KeysMade:
		if l.Locked == LockedStolen || s.failed("keys", in.Err) || len(in.Keys) == 0 || in.Keys[0].Key <= l.Key {
			return
		}
		s.emit(KeysOffered{Keys: in.Keys})
		s.do(PublishKeys{})
	case KeyOverwritten:
		if k := l.Keys[in.Key]; k != nil && k.Lapsed && !s.failed("key "+strconv.FormatUint(uint64(in.Key), 10), in.Err) {
			s.emit(KeyErased{Key: in.Key})
		}
	case OrderOverwritten:
		if o := l.Orders[in.Order]; o != nil && !o.Erased && (o.State == orderDeposited || o.State == orderEnded) && !s.failed("order "+string(in.Order), in.Err) {
			s.emit(OrderErased{Order: in.Order})
		}
	case SlotOverwritten:
		if d := l.Deposits[in.Generation]; d != nil && d.Slot && d.over() && !s.failed(fmt.Sprint("slot ", in.Generation), in.Err) {
			s.emit(SlotErased{Generation: in.Generation, Slot: d.Commitment, Quality: ErasedLogically})
		}
	case RootChanged:
		if in.Upto > l.Root.Covered && in.Upto <= l.Root.Overwritten && !s.failed("root key", in.Err) {
			slots, _ := l.covered(in.Upto)
			s.emit(RootReplaced{Upto: in.Upto, Slots: slots})
		}
	case LetterRemoved:
		if d := l.Deposits[in.Generation]; d != nil && d.Letter && (d.over() || !d.Posted.IsZero()) && !s.failed(fmt.Sprint("letter ", in.Generation), in.Err) {
			s.emit(LetterDeleted{Generation: in.Generation})
		}
	}
}

// over tells that no code opens the deposit any more.
func (d *deposit) over() bool { return d.State == depositEnded || d.Revoked }

// failed tells whether the vault could not do it, and then raises or else clears its alarm.
func (s *step) failed(what, err string) bool {
	a := s.ledger.alarmed(AlarmVault, 0, 0)
	if err != "" {
		if a == nil {
			s.raise(Morning, AlarmVault, 0, 0, what+": "+err)
		}
		return true
	}
	if a != nil {
		s.emit(AlarmCleared{Alarm: a.Alarm})
	}
	return false
}
