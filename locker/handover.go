package locker

// The handover is the end of a visit: the door, the document, and the question
// whether the person has it.

func (s *step) openForCitizen() {
	v := &s.session.visit
	v.stage = opening
	s.session.hint, s.session.until = "", 0
	s.release(v.compartment, ForPickup, v.generation)
}

func (s *step) visitOpened() {
	s.session.visit.stage = taking
	s.session.until, s.session.more = 0, 0
}

func (s *step) visitClosed() {
	if s.session.visit.returning {
		s.visitEnds(ScreenDisputed)
		return
	}
	s.session.visit.stage = questioning
	s.session.hint = ""
	s.wait(s.rules().Question)
}

// resumeVisit goes on where the doors say that a handover was interrupted.
func (s *step) resumeVisit() {
	for _, g := range sorted(s.ledger.Deposits) {
		d := s.ledger.Deposits[g]
		if d.State != depositOpened && d.State != depositClosed {
			continue
		}
		if s.session.mode == visiting {
			s.doubt(s.ledger.door(d.Compartment), "two handovers were interrupted")
			continue
		}
		s.session.mode = visiting
		s.session.visit = visit{attempt: d.Attempt, generation: g, compartment: d.Compartment, resumed: true, stage: taking}
		if d.State == depositClosed {
			s.visitClosed()
		}
	}
}

func (s *step) chosenInVisit(c Choice) {
	v := &s.session.visit
	d := s.ledger.Deposits[v.generation]
	switch c {
	case ChoiceCancel:
		s.show(idle)
	case ChoiceGoOn:
		s.proved()
	case ChoiceOtherFinger:
		s.session.hint = ""
		v.advice = ""
		s.askFinger(v.finger, true)
	case ChoiceConfirm:
		s.emit(PINLetterConfirmed{Attempt: v.attempt, Generation: v.generation, Version: s.ledger.Config.Declaration})
		s.accepted(d)
	case ChoiceDoorClosed:
		s.saidClosed(s.ledger.door(v.compartment))
	case ChoiceYes:
		s.taken()
	case ChoiceAgain:
		v.again++
		s.openForCitizen()
	case ChoiceNotMine:
		s.notMine()
	case ChoiceEmpty:
		s.disputed(DisputedEmpty)
		s.visitEnds(ScreenFoundEmpty)
	}
}

func (s *step) taken() {
	v := &s.session.visit
	s.emit(DocumentTaken{Generation: v.generation, Confirmed: true})
	s.clearInside(v.compartment)
	s.visitEnds(ScreenDone)
}

// disputed takes the compartment out of use and wakes somebody: a document is
// not where the record says.
func (s *step) disputed(why Dispute) {
	v := &s.session.visit
	s.emit(DocumentDisputed{Generation: v.generation, Reason: why})
	s.clear(AlarmUnconfirmed, v.compartment)
	s.raise(Wake, AlarmDisputed, v.compartment, v.generation, string(why))
}

// notMine opens the door once more, so that another's document goes back where
// nobody can take it. Where the door must stay closed the desk takes it.
func (s *step) notMine() {
	v := &s.session.visit
	s.disputed(DisputedNotMine)
	if !s.mayReopen() {
		s.visitEnds(ScreenDisputed)
		return
	}
	v.returning, v.stage = true, opening
	s.session.hint, s.session.until = "", 0
	s.release(v.compartment, ForReturn, v.generation)
}

// mayReopen tells whether the door may open again in this visit.
func (t *Terminal) mayReopen() bool {
	v := t.session.visit
	return !v.resumed && t.ledger.Locked == "" && !t.ledger.door(v.compartment).Disabled
}

// unconfirmed ends a visit whose question nobody answered. Silence is no yes:
// the code stays good.
func (s *step) unconfirmed() {
	v := &s.session.visit
	s.emit(DocumentUnconfirmed{Generation: v.generation})
	s.raise(Morning, AlarmUnconfirmed, v.compartment, v.generation, "")
	s.visitEnds(ScreenUnconfirmed)
}
