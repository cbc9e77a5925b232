package locker

import "time"

// A colleague's number. Whoever holds a clerk's card could try four numbers
// before each of her own sign-ins, for ever, if her right number made all forget
// them. So wrong tries are also counted since her last quiet week, whatever she
// enters in between. She is told at her next sign-in, the city with it, an alarm
// is raised at toldTries, and at Rules.NumberTries she is blocked until an admin
// and a colleague lift it.

const (
	// quietWeek without a wrong try sets the count to zero.
	quietWeek = 7 * 24 * time.Hour
	// toldTries is how many wrong tries since the last quiet week raise an alarm.
	toldTries = 5
)

// wrongTries counts a clerk's wrong numbers, or answers of a security key.
type wrongTries struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"` // of the first
	Last  time.Time `json:"last"`
}

// at is the count as it stands at a time.
func (w wrongTries) at(now time.Time) wrongTries {
	if now.Sub(w.Last) >= quietWeek {
		return wrongTries{}
	}
	return w
}

// add counts one more.
func (w *wrongTries) add(now time.Time) {
	*w = w.at(now)
	if w.Count == 0 {
		w.Since = now
	}
	w.Count, w.Last = w.Count+1, now
}

// WrongTries is what a clerk is told of wrong tries with their card.
type WrongTries struct {
	Person Person    `json:"person"`
	Count  int       `json:"count"`
	Since  time.Time `json:"since"`
}

func sameTries(a, b WrongTries) bool {
	return a.Person == b.Person && a.Count == b.Count && a.Since.Equal(b.Since)
}

// usedUp tells whether a clerk is blocked: too many wrong tries in a row, or since
// the last quiet week. No time lifts it.
func (l *ledger) usedUp(m *member) bool {
	return m != nil && (m.Wrong >= wrongNumbers || m.Tries.Count >= l.Config.Rules.NumberTries)
}

// numberOf is the detail of the alarm about a clerk's number.
func numberOf(p Person) string { return "number of " + string(p) }

// tellTries raises the alarm about a clerk's number.
func (s *step) tellTries(p Person) {
	m := s.ledger.Members[p]
	if m == nil || m.Tries.Count < toldTries {
		return
	}
	for _, a := range s.ledger.Alarms {
		if a.Kind == AlarmGuessing && a.Detail == numberOf(p) {
			return
		}
	}
	s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: Morning, Kind: AlarmGuessing, Detail: numberOf(p)})
}

// lapseTries ends the alarms about numbers after a quiet week, unless the clerk
// is blocked.
func (s *step) lapseTries() {
	for _, id := range sorted(s.ledger.Alarms) {
		a := s.ledger.Alarms[id]
		if a.Kind != AlarmGuessing || GuessKind(a.Detail).known() {
			continue
		}
		about := func(m *member) bool { return numberOf(m.Person) == a.Detail }
		stands := false
		for _, p := range sortedIf(s.ledger.Members, about) {
			m := s.ledger.Members[p]
			stands = m.Tries.at(s.at).Count > 0 || s.ledger.usedUp(m)
		}
		if !stands {
			s.emit(AlarmCleared{Alarm: id})
		}
	}
}
