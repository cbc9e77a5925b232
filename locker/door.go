package locker

import "time"

// pulses is how often a lock is tried for one release: once, and once more.
const pulses = 2

// watch holds the deadlines of one door.
type watch struct {
	tries    int
	opensBy  time.Duration // the contact must tell by then
	remindAt time.Duration
	alarmAt  time.Duration
	reminded bool
}

func (s *step) watch(n CompartmentID) *watch {
	w := s.session.doors[n]
	if w == nil {
		w = &watch{}
		s.session.doors[n] = w
	}
	return w
}

// release authorises and commands one pulse. Only a proved pickup and a round
// of two clerks come here. The lock is driven whatever the contact says: a cut
// cable says "open", and a document may lie behind a closed door.
func (s *step) release(n CompartmentID, p Purpose, g Generation) {
	s.watch(n).tries = 0
	s.pulse(CompartmentReleased{
		Compartment: n, Purpose: p, Generation: g,
		Attempt: s.session.visit.attempt, Round: s.session.round.id,
	})
}

func (s *step) pulse(r CompartmentReleased) {
	r.Pulse = s.ledger.Pulse + 1
	s.emit(r)
	w := s.watch(r.Compartment)
	w.tries++
	w.opensBy = s.in(s.rules().DoorOpens)
	if r.Purpose == ForExercise {
		s.session.round.measuring = r.Pulse
	}
	s.do(PulseLock{Pulse: r.Pulse, Compartment: r.Compartment, Measure: r.Purpose == ForExercise})
}

func (s *step) lockPulsed(in LockPulsed) {
	c := s.ledger.Doors[in.Compartment]
	if c != nil {
		s.measured(in) // also of a door that is shut again meanwhile
	}
	if c == nil || c.Release == nil || c.Release.Pulse != in.Pulse || c.Release.Opened {
		return
	}
	switch {
	case in.Err != "":
		s.notOpened(c, FaultLock, in.Err)
	case c.blind() || s.ledger.flaps(ObjectContact, c.Number):
		s.opened(c, true)
	}
}

// blind tells that the contact cannot show that the door opens: two clerks work
// without it, it is faulty, or it says "open" already.
func (c *compartment) blind() bool { return c.Waived || c.Fault == FaultContact || c.Open }

// byWord tells that the door was released and no contact has shown it open:
// people say when it is closed.
func (c *compartment) byWord() bool { return c.Release != nil && c.Release.Assumed }

// notOpened tries once more while somebody waits for it, and then takes the
// compartment out of service.
func (s *step) notOpened(c *compartment, f Fault, detail string) {
	w, r := s.watch(c.Number), c.Release.CompartmentReleased
	w.opensBy = 0
	if w.tries < pulses && s.awaited(c.Number) {
		s.pulse(r)
		return
	}
	s.fault(c.Number, f, detail)
}

// awaited tells whether the session waits for this door to open.
func (s *step) awaited(n CompartmentID) bool {
	switch ses := s.session; ses.mode {
	case visiting:
		return ses.visit.stage == opening && ses.visit.compartment == n
	case rounding:
		return ses.round.stage == taskOpening && ses.round.task.Compartment == n
	}
	return false
}

// fault takes a compartment out of service. Whoever waits for its door is told.
func (s *step) fault(n CompartmentID, f Fault, detail string) {
	c := s.ledger.Doors[n]
	if c == nil || f == FaultContact && (c.Waived || s.ledger.flaps(ObjectContact, n)) {
		return
	}
	pending := c.Release != nil && !c.Release.Opened
	if f.outranks(c.Fault) || pending {
		s.emit(CompartmentFaulted{Compartment: n, Fault: f, Detail: clip(detail)})
	}
	s.raise(Morning, AlarmFault, n, 0, string(f)+" "+detail)
	if !pending {
		return
	}
	s.watch(n).opensBy = 0
	awaited := s.awaited(n)
	returning := s.session.visit.returning
	if f == FaultContact || awaited && s.session.visit.again > 0 {
		s.doubt(c, "nobody knows whether the door opened, or what the last opening left inside")
	}
	switch {
	case !awaited:
	case s.session.mode == visiting && returning:
		s.visitEnds(ScreenDisputed)
	case s.session.mode == visiting:
		s.visitEnds(ScreenDefect)
	default:
		s.taskFaulted()
	}
}

func (s *step) restore(c *compartment) {
	if c.Fault != "" || c.Waived {
		s.emit(CompartmentRestored{Compartment: c.Number})
		s.clear(AlarmFault, c.Number)
	}
}

func (s *step) doorMoved(in DoorMoved) {
	c := s.ledger.Doors[in.Compartment]
	if c != nil && c.Waived && in.Open && c.Release != nil {
		s.restore(c) // it tells of a released door what it did not before: it works
	}
	switch {
	case c == nil || c.Waived:
	case in.Open && c.byWord() && !c.Open: // late, but it confirms what was assumed
		s.restore(c)
		s.emit(CompartmentOpened{Compartment: c.Number, Commanded: true})
	case in.Open == c.Open:
	case !in.Open:
		s.closed(c)
	case c.Release != nil && !c.Release.Opened:
		s.opened(c, false)
	default:
		s.forced(c)
	}
}

// opened follows a door that was told to open. Assumed is for a door whose lock
// was driven and whose contact cannot tell.
func (s *step) opened(c *compartment, assumed bool) {
	if c.Fault != "" && !assumed {
		s.restore(c)
	}
	awaited := s.awaited(c.Number)
	s.emit(CompartmentOpened{Compartment: c.Number, Commanded: true, Assumed: assumed})
	s.watchOpen(c.Number)
	switch {
	case !awaited:
	case s.session.mode == visiting:
		s.visitOpened()
	default:
		s.taskOpened()
	}
}

func (s *step) watchOpen(n CompartmentID) {
	r, w := s.rules(), s.watch(n)
	*w = watch{remindAt: s.in(r.DoorReminder), alarmAt: s.in(r.DoorAlarm)}
	if s.session.mode == rounding {
		w.alarmAt = s.in(r.RoundIdle)
	}
}

func (s *step) closed(c *compartment) {
	if c.Release == nil || c.Release.Opened {
		delete(s.session.doors, c.Number)
	}
	s.emit(CompartmentClosed{Compartment: c.Number})
	s.afterClosing(c)
}

// saidClosed takes the word of whoever stands there that a door is closed whose
// contact cannot tell. If the contact says "open", it is faulty.
func (s *step) saidClosed(c *compartment) {
	if c.Open && !c.Waived {
		s.contactStuck(c)
	}
	delete(s.session.doors, c.Number)
	s.emit(CompartmentClosed{Compartment: c.Number, Assumed: true})
	s.afterClosing(c)
}

// contactStuck reports a contact that says "open" whatever the door does.
func (s *step) contactStuck(c *compartment) {
	s.fault(c.Number, FaultContact, "says open before and after the lock was driven")
}

func (s *step) afterClosing(c *compartment) {
	s.clear(AlarmEmptyOpen, c.Number)
	switch ses := s.session; {
	case ses.mode == visiting && ses.visit.stage == taking && ses.visit.compartment == c.Number:
		s.visitClosed()
	case ses.mode == rounding && ses.round.task.Compartment == c.Number:
		s.taskClosed()
	}
}

// forced follows a door that nobody told to open.
func (s *step) forced(c *compartment) {
	if s.ledger.byKey() {
		s.openedByKey(c)
		return
	}
	s.emit(CompartmentOpened{Compartment: c.Number, Incident: s.incident(c.Number, true)}) // the alarm's
	s.raise(Wake, AlarmForced, c.Number, c.Deposit, "")
	s.doubt(c, "the door opened uncommanded")
	switch ses := s.session; {
	case ses.mode == visiting && ses.visit.compartment == c.Number:
		s.visitEnds(ScreenDesk)
	case ses.mode == rounding && ses.round.task.Compartment == c.Number:
		s.taskFaulted()
	}
}

// doubt takes a compartment out of use until two clerks look; a document that
// was on its way there, or lay there, is nobody's knowledge any more.
func (s *step) doubt(c *compartment, reason string) {
	d := s.ledger.Deposits[c.Deposit]
	switch {
	case d == nil || d.State == depositDisputed: // the citizen's word stands until two clerks look
	case d.State == depositReserved || d.State == depositPrepared:
		s.emit(DepositAbandoned{Generation: d.Generation, Reason: reason})
	case d.State != depositDoubted && d.State != depositEnded:
		s.emit(CustodyDoubted{Generation: d.Generation, Reason: reason})
		s.raise(Wake, AlarmCustody, c.Number, d.Generation, reason)
		return
	}
	if c.Use != useDoubt || c.Release != nil {
		s.emit(CompartmentQuarantined{Compartment: c.Number, Reason: reason})
	}
}

// watchDoors acts on the doors' deadlines.
func (s *step) watchDoors() {
	for _, n := range sorted(s.session.doors) {
		w, c, now := s.session.doors[n], s.ledger.door(n), s.now.Uptime
		switch {
		case w.opensBy > 0 && now >= w.opensBy:
			w.opensBy = 0
			if c.Release != nil && !c.Release.Opened {
				s.notOpened(c, FaultNotOpened, "lock driven, the door did not open")
			}
		case w.alarmAt > 0 && now >= w.alarmAt:
			w.alarmAt, w.remindAt = 0, 0
			s.leftOpen(c)
		case w.remindAt > 0 && now >= w.remindAt:
			w.remindAt, w.reminded = 0, true
		}
	}
}

func (s *step) leftOpen(c *compartment) {
	if s.ledger.byKey() { // two clerks stand there; not for ever
		s.watchOpen(c.Number)
		return
	}
	if c.Deposit == 0 {
		s.raise(Morning, AlarmEmptyOpen, c.Number, 0, "")
		if c.Use == useEmpty {
			s.emit(CompartmentQuarantined{Compartment: c.Number, Reason: "the door was left open"})
		}
		return
	}
	if c.byWord() && c.Open && !c.Waived {
		s.contactStuck(c) // it may be the contact that is left open
	}
	s.raise(Wake, AlarmLeftOpen, c.Number, c.Deposit, "")
	if s.session.mode == visiting && s.session.visit.compartment == c.Number {
		s.visitEnds(ScreenLeftOpen)
	}
	if s.session.mode != rounding || s.session.round.task.Compartment != c.Number {
		s.doubt(c, "the door was left open")
	}
}

// reconcile compares what the ledger remembers of each door with its level at
// the start. No lock is driven for it.
func (s *step) reconcile(levels map[CompartmentID]bool) {
	l := s.ledger
	for _, g := range sorted(l.Deposits) {
		if d := l.Deposits[g]; d.State == depositReserved || d.State == depositPrepared {
			s.emit(DepositAbandoned{Generation: g, Reason: "restart"})
		}
	}
	for _, n := range sorted(l.Doors) {
		c := l.Doors[n]
		if !l.built(n) {
			s.unbuilt(c)
			continue
		}
		s.clear(AlarmUnknownLayout, n)
		level, read := levels[n]
		switch {
		case c.Waived || s.ledger.flaps(ObjectContact, n):
			if read {
				s.steadily(DoorMoved{Compartment: n, Open: level})
			}
			level = c.Open
		case !read:
			s.fault(n, FaultContact, "no level at the start")
			level = c.Open
		case c.Fault == FaultContact && !level: // one that says "open" may be stuck there
			s.restore(c)
		}
		s.reconcileDoor(c, level)
	}
	s.resumeVisit()
}

// unbuilt tells a deposit behind a door that the configuration has no more.
// Nothing opens it until the configuration has it again.
func (s *step) unbuilt(c *compartment) {
	d := s.ledger.Deposits[c.Deposit]
	if d == nil {
		return
	}
	s.raise(Morning, AlarmUnknownLayout, c.Number, c.Deposit, "the configuration has no such compartment")
	switch d.State {
	case depositLaying, depositReleased, depositOpened, depositClosed, depositUnloading:
		s.doubt(c, "the configuration lost the compartment while its door was in use")
	}
}

func (s *step) reconcileDoor(c *compartment, open bool) {
	d := s.ledger.Deposits[c.Deposit]
	pickup := d != nil && (d.State == depositReleased || d.State == depositOpened)
	switch {
	case pickup && d.State == depositReleased && !open:
		s.doubt(c, "released before a restart, and found closed")
	case pickup && d.State == depositReleased && c.Open:
		s.doubt(c, "released before a restart, and the contact said open before and after")
	case pickup && !open && !c.Open: // assumed open before, and the contact works again
		s.emit(CompartmentClosed{Compartment: c.Number})
	case pickup && open:
		if !c.Open {
			s.emit(CompartmentOpened{Compartment: c.Number, Commanded: true})
		}
		s.watchOpen(c.Number)
	case c.Release != nil && !pickup, d.unfinished():
		s.follow(c, open)
		s.doubt(c, "a round was interrupted at this door")
	case open && !c.Open:
		s.forced(c)
	default:
		s.follow(c, open)
	}
	if open && c.Release == nil {
		s.watch(c.Number).alarmAt = s.in(s.rules().DoorAlarm)
	}
}

// follow records a level that changed while nobody looked.
func (s *step) follow(c *compartment, open bool) {
	switch {
	case open && !c.Open:
		s.emit(CompartmentOpened{Compartment: c.Number, Commanded: c.Release != nil})
	case !open && c.Open:
		s.emit(CompartmentClosed{Compartment: c.Number})
		s.clear(AlarmEmptyOpen, c.Number)
	}
}

// unfinished tells that clerks were about to lay or to take out the document.
func (d *deposit) unfinished() bool {
	return d != nil && (d.State == depositLaying || d.State == depositUnloading)
}
