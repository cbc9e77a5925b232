package locker

// Inside is an order whose document lies in the terminal, or may.
type Inside struct {
	Compartment CompartmentID `json:"compartment"`
	Order       OrderID       `json:"order"`
	Generation  Generation    `json:"generation"`
	Custody     Custody       `json:"custody"`
}

// burglary ends the visits, closes the terminal to citizens, and puts into the
// journal what lies inside: under the next checkpoint's signature it is the
// list that the town works from, however late it gets it. Clerks still come in,
// two at a time, and take out what is left.
//
// Two admins end it. What a sensor began two clerks end as well, who looked at
// the cabinet and confirmed their round with the sensors at rest.
func (s *step) burglary(cause string, sensor Sensor) {
	if l := s.ledger.Locked; l == LockedBurglary || l == LockedStolen || sensor != "" && l == LockedTamper {
		return
	}
	s.endVisit()
	s.emit(BurglaryDeclared{Cause: clip(cause), Sensor: sensor, Inside: s.ledger.inside()})
	s.raise(Wake, AlarmBurglary, 0, 0, cause)
}

// inside lists the documents behind the doors, by compartment.
func (l *ledger) inside() []Inside {
	list := []Inside{}
	for _, n := range sorted(l.Doors) {
		d := l.Deposits[l.Doors[n].Deposit]
		if d == nil {
			continue
		}
		switch d.State {
		case depositReserved, depositPrepared, depositLaying, depositEnded:
			continue // the clerks still have it, or nobody has
		default:
			list = append(list, Inside{Compartment: n, Order: d.Order, Generation: d.Generation, Custody: d.custody()})
		}
	}
	return list
}

// endVisit sends a citizen away. Where the door has been released already,
// nobody can say who has the document.
func (s *step) endVisit() {
	ses := s.session
	if ses.mode != visiting {
		return
	}
	v := ses.visit
	switch v.stage {
	case opening, taking, questioning:
		s.doubt(s.ledger.door(v.compartment), "the terminal was locked during the handover")
	case checking, fingering, numbering, comparing, declaring, ended:
	}
	s.show(idle)
}
