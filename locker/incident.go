package locker

import (
	"encoding/json"
	"fmt"
	"slices"
)

// An incident number names one matter: a visit, or a compartment about which
// something is wrong. The kiosk prints it, people read it out on the telephone,
// and every event about the matter has it, so that it finds all of them.
//
// A visit's number is TERMINAL-ATTEMPT. What begins without a visit (a forced
// door, a fault) is TERMINAL-aN. A compartment keeps its number until the matter
// is over: a second visit for the same document, the alarms about it and two
// clerks who look into it do not begin a new one.

// VisitIncident is the number of a citizen's visit; empty for attempt zero.
func VisitIncident(terminal string, a AttemptID) string {
	if a == 0 {
		return ""
	}
	return fmt.Sprintf("%s-%d", terminal, a)
}

func (l *ledger) visitIncident(a AttemptID) string { return VisitIncident(l.Config.Terminal, a) }

// nextIncident is the number of the next matter that begins without a visit.
func (l *ledger) nextIncident() string {
	return fmt.Sprintf("%s-a%d", l.Config.Terminal, l.Incidents+1)
}

// Incidents are the numbers under which a terminal's event is found: of its
// matter and, if it belongs to a visit, of the visit.
func Incidents(terminal string, f Fact) (numbers []string) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	var named struct {
		Incident string    `json:"incident"`
		Attempt  AttemptID `json:"attempt"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return nil
	}
	for _, n := range []string{named.Incident, VisitIncident(terminal, named.Attempt)} {
		if n != "" && !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// incidentAt is the number of the matter that is open at a compartment; empty
// for none.
func (l *ledger) incidentAt(n CompartmentID) string {
	c := l.Doors[n]
	if c == nil || c.Incident == "" {
		return ""
	}
	if c.Use == useDoubt || c.Fault != "" {
		return c.Incident
	}
	if d := l.Deposits[c.Deposit]; d != nil && (d.State == depositDoubted || d.State == depositDisputed || !d.Unconfirmed.IsZero() || len(d.Closed) > 0) {
		return c.Incident
	}
	for _, a := range l.Alarms {
		if a.Compartment == n {
			return c.Incident
		}
	}
	return ""
}

// incident is the number for an event about a compartment: of the matter that
// is open there, of the visit or of the task that is going on there. If there is
// none and the event begins a matter, it is the next one.
func (s *step) incident(n CompartmentID, begins bool) string {
	if open := s.ledger.incidentAt(n); open != "" {
		return open
	}
	ses := s.session
	switch d := s.ledger.Deposits[ses.visit.generation]; {
	case ses.mode == visiting && ses.visit.attempt != 0 && (ses.visit.compartment == n || d != nil && d.Compartment == n):
		return s.ledger.visitIncident(ses.visit.attempt)
	case ses.mode == rounding && ses.round.task.Compartment == n && ses.round.incident != "":
		return ses.round.incident
	case begins:
		return s.ledger.nextIncident()
	}
	return ""
}

// incidentOf is the same for an event about a deposit.
func (s *step) incidentOf(g Generation, begins bool) string {
	if d := s.ledger.Deposits[g]; d != nil {
		return s.incident(d.Compartment, begins)
	}
	return ""
}

// visitOf is the number for an event of a visit whose code is proved.
func (s *step) visitOf(g Generation, a AttemptID) string {
	if d := s.ledger.Deposits[g]; d != nil {
		if open := s.ledger.incidentAt(d.Compartment); open != "" {
			return open
		}
	}
	return s.ledger.visitIncident(a)
}

// numbered gives a fact its incident number, unless it has one. The other facts
// of a visit are found by its attempt: a code that is not proved yet has its own
// visit's number, and the screen that refuses it tells nothing of the deposit.
func (s *step) numbered(f Fact) Fact {
	set := func(number *string, to string) {
		if *number == "" {
			*number = to
		}
	}
	switch f := f.(type) {
	case CodeProved:
		set(&f.Incident, s.visitOf(f.Generation, f.Attempt))
		return f
	case FactorClosed:
		set(&f.Incident, s.incidentOf(f.Generation, true))
		return f
	case CustodyDoubted:
		set(&f.Incident, s.incidentOf(f.Generation, true))
		return f
	case DocumentUnconfirmed:
		set(&f.Incident, s.incidentOf(f.Generation, true))
		return f
	case DocumentDisputed:
		set(&f.Incident, s.incidentOf(f.Generation, true))
		return f
	case DepositLoaded:
		set(&f.Incident, s.incidentOf(f.Generation, false))
		return f
	case DocumentTaken:
		set(&f.Incident, s.incidentOf(f.Generation, false))
		return f
	case DocumentUnloaded:
		set(&f.Incident, s.incidentOf(f.Generation, false))
		return f
	case DocumentMissing:
		set(&f.Incident, s.incidentOf(f.Generation, true))
		return f
	}
	return s.numberedAt(f, set)
}

// numberedAt is numbered for facts about a compartment.
func (s *step) numberedAt(f Fact, set func(*string, string)) Fact {
	switch f := f.(type) {
	case CompartmentReleased:
		set(&f.Incident, s.incident(f.Compartment, false))
		return f
	case CompartmentOpened:
		set(&f.Incident, s.incident(f.Compartment, false))
		return f
	case CompartmentClosed:
		set(&f.Incident, s.incident(f.Compartment, false))
		return f
	case CompartmentCleared:
		set(&f.Incident, s.incident(f.Compartment, false))
		return f
	case CompartmentQuarantined:
		set(&f.Incident, s.incident(f.Compartment, true))
		return f
	case CompartmentFaulted:
		set(&f.Incident, s.incident(f.Compartment, true))
		return f
	case AlarmRaised:
		if f.Compartment != 0 {
			set(&f.Incident, s.incident(f.Compartment, true))
		} else if s.session.mode == visiting { // the reader failed under somebody's finger
			set(&f.Incident, s.visitOf(s.session.visit.generation, s.session.visit.attempt))
		}
		return f
	case AlarmCleared:
		if a := s.ledger.Alarms[f.Alarm]; a != nil {
			set(&f.Incident, a.Incident)
		}
		return f
	}
	return f
}

// begins is the compartment and the number of a fact that begins a matter or
// goes on with it.
func (l *ledger) begins(f Fact) (CompartmentID, string) {
	of := func(g Generation) CompartmentID {
		if d := l.Deposits[g]; d != nil {
			return d.Compartment
		}
		return 0
	}
	switch f := f.(type) {
	case FactorClosed:
		return of(f.Generation), f.Incident
	case CustodyDoubted:
		return of(f.Generation), f.Incident
	case DocumentUnconfirmed:
		return of(f.Generation), f.Incident
	case DocumentDisputed:
		return of(f.Generation), f.Incident
	case DocumentMissing:
		return of(f.Generation), f.Incident
	case CompartmentQuarantined:
		return f.Compartment, f.Incident
	case CompartmentFaulted:
		return f.Compartment, f.Incident
	case AlarmRaised:
		return f.Compartment, f.Incident
	}
	return 0, ""
}

// keepIncident remembers the number of the matter that a fact is about, before
// the fact itself is applied.
func (l *ledger) keepIncident(f Fact) {
	n, number := l.begins(f)
	if n == 0 || number == "" {
		return
	}
	if number == l.nextIncident() {
		l.Incidents++
	}
	l.door(n).Incident = number
}
