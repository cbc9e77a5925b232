package locker

import (
	"fmt"
	"time"
)

// refusalsPerHour bounds the refused messages that are recorded one by one.
const refusalsPerHour = 60

// message follows what the city sent and the vault verified. Nothing here
// moves a door.
func (s *step) message(in Input) {
	switch in := in.(type) {
	case OrderReceived:
		s.orderReceived(in)
	case WithdrawalReceived:
		s.withdrawalReceived(in)
	case ReissueReceived:
		s.reissueReceived(in)
	case CommandReceived:
		s.commandReceived(in)
	case RosterReceived:
		if in.Version <= s.ledger.Roster {
			if in.Version < s.ledger.Roster {
				s.refuse(MessageRejected{Message: MessageRoster, Version: in.Version, Reason: fmt.Sprintf("version %d is older than %d, which is in force", in.Version, s.ledger.Roster)})
			}
			return
		}
		s.emit(RosterAccepted(in))
		s.dismissed()
	case PostedReceived:
		s.postedReceived(in)
	case CityTime:
		s.cityTime(in.Time)
		s.clear(AlarmLogDisputed, 0) // it came with an acknowledgement that fits our log
	case LogDisputed:
		s.raise(Wake, AlarmLogDisputed, 0, 0, in.Reason)
	case MessageRejected:
		s.refuse(in)
	}
}

func (s *step) orderReceived(in OrderReceived) {
	if o := s.ledger.Orders[in.Terms.Order]; o != nil {
		if o.Version == in.Terms.Version && o.Hash == in.Hash {
			return // the city repeats until an event answers
		}
		// A live order is never replaced; what the vault stored is an orphan that
		// Reconcile would find, and the first order keeps its record.
		s.refuse(MessageRejected{Message: MessageOrder, Order: in.Terms.Order, Version: in.Terms.Version, Reason: "this order is known with another content; withdraw it and send a new one"})
		return
	}
	if k := s.ledger.Keys[in.Terms.Key]; k == nil || k.Used || k.Lapsed {
		if k == nil || k.Lapsed { // nobody's else: what the vault stored of it goes
			s.do(EraseOrder{Order: in.Terms.Order, Key: in.Terms.Key})
		}
		s.refuse(MessageRejected{Message: MessageOrder, Order: in.Terms.Order, Version: in.Terms.Version, Reason: "its key is used, lapsed or was never offered"})
		return
	}
	if reason := s.ledger.misplaced(in.Terms); reason != "" {
		s.emit(KeyLapsed{Key: in.Terms.Key}) // one-time, also for what is refused
		s.do(EraseOrder{Order: in.Terms.Order, Key: in.Terms.Key})
		s.refuse(MessageRejected{Message: MessageOrder, Order: in.Terms.Order, Version: in.Terms.Version, Reason: reason})
		return
	}
	s.emit(OrderAccepted{OrderTerms: in.Terms, Hash: in.Hash})
}

func (s *step) withdrawalReceived(in WithdrawalReceived) {
	o := s.ledger.Orders[in.Order]
	switch {
	case o == nil:
		s.refuse(MessageRejected{Message: MessageWithdrawal, Order: in.Order, Reason: "no such order"})
		return
	case o.State == orderEnded:
		return
	}
	if d := s.ledger.Deposits[o.Deposit]; d != nil && d.Revoked {
		return
	}
	s.emit(OrderWithdrawn(in))
}

func (s *step) reissueReceived(in ReissueReceived) {
	reject := func(reason string) {
		s.refuse(MessageRejected{Message: MessageCommand, Order: in.Order, Nonce: in.Nonce, Reason: reason})
	}
	o := s.ledger.Orders[in.Order]
	if o == nil {
		reject("no such order")
		return
	}
	d := s.ledger.Deposits[o.Deposit]
	switch {
	case s.at.After(in.Expires):
		reject("the command has expired")
	case d == nil || d.Generation != in.Generation:
		reject(fmt.Sprintf("generation %d is not the order's deposit", in.Generation))
	case d.State != depositLoaded || d.Revoked:
		reject("the deposit is not in a state in which its code can be made anew")
	case s.session.full:
		reject("the terminal's disk is full; send the command again when there is space")
	case s.spent(in.Key):
		reject("the key of its share is used, lapsed or was never offered")
	case s.session.mode == visiting && s.session.visit.generation == d.Generation, s.replacing(d.Generation):
		reject("the deposit is in use just now; send the command again")
	default:
		g := s.ledger.Generation + 1
		s.emit(DepositReserved{Generation: g, Order: in.Order, Compartment: d.Compartment, Replaces: d.Generation, Admin: in.Admin, Key: in.Key})
		s.session.reissues[g] = s.now.Uptime + reissuePatience
		s.do(ReissueDeposit{Generation: g, Replaces: d.Generation, Order: in.Order, At: s.at})
	}
}

// spent tells whether a key can open nothing any more.
func (s *step) spent(id KeyID) bool {
	k := s.ledger.Keys[id]
	return k == nil || k.Used || k.Lapsed
}

// reissuePatience is how long the vault may take for a new code: its lane may
// be full of the city's messages.
const reissuePatience = 10 * time.Minute

// lapseReissues gives up on new codes whose answer never came.
func (s *step) lapseReissues() {
	for _, g := range sorted(s.session.reissues) {
		d := s.ledger.Deposits[g]
		waits := d != nil && d.State == depositReserved
		if waits && s.now.Uptime < s.session.reissues[g] {
			continue
		}
		delete(s.session.reissues, g)
		if waits {
			s.emit(DepositAbandoned{Generation: g, Reason: "the vault did not answer"})
		}
	}
}

// replacing tells whether a re-issue of this generation is on its way.
func (s *step) replacing(g Generation) bool {
	for _, id := range sorted(s.ledger.Deposits) {
		if d := s.ledger.Deposits[id]; d.Replaces == g && (d.State == depositReserved || d.State == depositPrepared) {
			return true
		}
	}
	return false
}

func (s *step) postedReceived(in PostedReceived) {
	d := s.ledger.Deposits[in.Generation]
	if d == nil || !d.Posted.IsZero() || d.State == depositEnded {
		return // an answer to a letter that is no longer waited for
	}
	if d.Loaded.IsZero() {
		s.refuse(MessageRejected{Message: MessagePosted, Order: d.Order, Reason: "this letter was not released yet"})
		return
	}
	s.emit(LetterPosted(in))
	s.clear(AlarmNotPosted, d.Compartment)
}

// refuse records a message that is not followed; a flood is counted.
func (s *step) refuse(in MessageRejected) {
	w := &s.session.refused
	if s.now.Uptime-w.from >= time.Hour || w.count == 0 {
		*w = window{from: s.now.Uptime, suppressed: w.suppressed}
	}
	if w.count++; w.count > refusalsPerHour {
		w.suppressed++
		return
	}
	s.emit(MessageRefused{Message: in.Message, Order: OrderID(clip(string(in.Order))), Version: in.Version, Nonce: clip(in.Nonce), Reason: clip(in.Reason), Suppressed: w.suppressed})
	w.suppressed = 0
}

// lapseLedger acts on what the calendar decides: expiry, unposted letters, keys.
func (s *step) lapseLedger() {
	l := s.ledger
	for _, g := range sorted(l.Deposits) {
		d := l.Deposits[g]
		if left, running := s.retention(d); running && left <= 0 {
			s.ranOut(d)
		}
		if d.State == depositLoaded && d.Posted.IsZero() && s.certain().Sub(d.Loaded) >= time.Duration(s.rules().PostingOverdue) {
			s.raise(Morning, AlarmNotPosted, d.Compartment, g, "the letter was not posted in time")
		}
	}
	for _, id := range sortedIf(l.Keys, func(k *orderKey) bool { return !k.Used && !k.Lapsed && !s.certain().Before(k.Expires) }) {
		s.emit(KeyLapsed{Key: id})
	}
	// A template is not kept for a document that never comes.
	for _, id := range sortedIf(l.Orders, func(o *order) bool { return o.State == orderOpen && s.stale(o) }) {
		s.emit(OrderWithdrawn{Order: id})
	}
}

// ranOut ends the retention, or the time in which an unconfirmed deposit could
// still be answered for. Its alarm stands until two clerks have looked.
func (s *step) ranOut(d *deposit) {
	if d.State == depositUnconfirmed {
		s.emit(DocumentTaken{Generation: d.Generation})
		return
	}
	s.emit(DepositExpired{Generation: d.Generation})
}

func (s *step) stale(o *order) bool {
	if k := s.ledger.Keys[o.Key]; o.Since.IsZero() && k != nil {
		return !s.certain().Before(k.Expires)
	}
	return s.certain().Sub(o.Since) >= time.Duration(s.rules().KeyLife)
}
