package locker

import "time"

// Guessing. Whoever stands at the terminal can hold up cards, type codes and lay
// fingers as long as they like. Wrong codes are paced, fingers and numbers are
// closed after a few tries, but a hand-held emulator shows three cards a second.
// So refused tries of each kind have an allowance: Rules.GuessingAfter in quick
// succession, and one in each Rules.GuessingRest afterwards. One more raises an
// alarm, which ends when there was none for Rules.GuessingRest.
//
// While it stands, refused cards are counted, not recorded: one event tells the
// count each hour, and one at the end. Cards are then looked up in the
// background, so that the screen stays with whoever uses it, and a clerk's card
// works as ever.
//
// The bound: refused cards write at most GuessingAfter + 24h/GuessingRest events
// of their own a day, 3 * 24h/GuessingRest for alarms and counts, and one an hour:
// 226 with the default rules. Codes are paced (Rules.Pace): at most two events a
// minute. Every code counts for the pace until somebody proves code and factor.

// GuessKind says what is guessed.
type GuessKind string

const (
	GuessCards   GuessKind = "cards"   // that nobody has, or that cannot sign in
	GuessCodes   GuessKind = "codes"   // pickup codes
	GuessFactors GuessKind = "factors" // fingers and numbers of recipients
)

func (k GuessKind) known() bool {
	return k == GuessCards || k == GuessCodes || k == GuessFactors
}

// guessing is what the session knows of one kind.
type guessing struct {
	tries      allowance
	active     bool // its alarm stands
	last       time.Duration
	tellAt     time.Duration // uptime at which the count is told
	suppressed int
}

// tellGuesses is how often the count of refused cards is told.
const tellGuesses = time.Hour

// guessed notes a refused try, and reports whether it is recorded by itself.
func (s *step) guessed(kind GuessKind) bool {
	g := s.session.guessing(kind)
	g.last = s.now.Uptime
	switch {
	case g.active:
	case g.tries.take(s.now.Uptime, s.rules().GuessingAfter, s.rules().GuessingRest):
		return true
	default:
		g.active, g.tellAt = true, s.now.Uptime+tellGuesses
		s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: Morning, Kind: AlarmGuessing, Detail: string(kind)})
	}
	if kind != GuessCards {
		return true // these are paced or closed, and each changes the ledger
	}
	g.suppressed++
	return false
}

func (s *session) guessing(kind GuessKind) *guessing {
	g := s.guesses[kind]
	if g == nil {
		g = &guessing{}
		s.guesses[kind] = g
	}
	return g
}

// flooded tells whether so many cards are refused that they are looked up in
// the background.
func (s *session) flooded() bool { return s.guesses[GuessCards] != nil && s.guesses[GuessCards].active }

// resumeGuessing goes on after a restart with the alarms that stand.
func (s *step) resumeGuessing() {
	for _, id := range sorted(s.ledger.Alarms) {
		if a := s.ledger.Alarms[id]; a.Kind == AlarmGuessing && GuessKind(a.Detail).known() {
			g := s.session.guessing(GuessKind(a.Detail))
			g.active, g.last, g.tellAt = true, s.now.Uptime, s.now.Uptime+tellGuesses
		}
	}
}

// lapseGuessing tells the counts, and ends the alarms of what has rested.
func (s *step) lapseGuessing() {
	for _, kind := range sorted(s.session.guesses) {
		g := s.session.guesses[kind]
		if !g.active {
			continue
		}
		rested := s.now.Uptime >= g.last+time.Duration(s.rules().GuessingRest)
		if rested || s.now.Uptime >= g.tellAt {
			if g.suppressed > 0 {
				s.emit(AttemptsSuppressed{Kind: kind, Suppressed: g.suppressed})
			}
			g.suppressed, g.tellAt = 0, s.now.Uptime+tellGuesses
		}
		if rested {
			g.active = false
			s.clearDetail(AlarmGuessing, string(kind))
		}
	}
}

// clearDetail ends the alarm of a kind with this detail.
func (s *step) clearDetail(kind AlarmKind, detail string) {
	for _, id := range sorted(s.ledger.Alarms) {
		if a := s.ledger.Alarms[id]; a.Kind == kind && a.Detail == detail {
			s.emit(AlarmCleared{Alarm: id})
		}
	}
}

// nextGuessing is the uptime at which lapseGuessing has something to do; zero for never.
func (t *Terminal) nextGuessing() time.Duration {
	var next time.Duration
	for _, g := range t.session.guesses {
		if !g.active {
			continue
		}
		at := min(g.tellAt, g.last+time.Duration(t.ledger.Config.Rules.GuessingRest))
		if next == 0 || at < next {
			next = at
		}
	}
	return next
}

// lookup is a card that is looked up in the background.
type lookup struct {
	check uint64
	card  string
	until time.Duration // uptime at which its answer is given up
}

// maxLookups bounds the cards that are looked up at once: more are refused unseen.
const maxLookups = 16

// lookUp asks whose card it is, and leaves the screen as it is.
func (s *step) lookUp(card string) {
	ses := s.session
	for len(ses.lookups) > 0 && s.now.Uptime >= ses.lookups[0].until {
		ses.lookups = ses.lookups[1:]
	}
	if len(ses.lookups) >= maxLookups {
		s.guessed(GuessCards)
		return
	}
	l := lookup{check: s.nextCheck(), card: card, until: s.now.Uptime + patience}
	ses.lookups = append(ses.lookups, l)
	s.do(FindCard{Check: l.check, Card: card})
}

// lookedUp takes the answer, and reports whether it was to a lookup. The card
// of somebody who can sign in is then taken as if it had just been shown.
func (s *step) lookedUp(in CardFound) bool {
	ses := s.session
	for i, l := range ses.lookups {
		if l.check != in.Check {
			continue
		}
		ses.lookups = append(ses.lookups[:i:i], ses.lookups[i+1:]...)
		switch why := s.mayNot(in.Person); {
		case why == "" || s.confirms(in.Person):
			s.takeCard(l.card)
		case why == RefusedSamePerson:
			ses.hint = HintSamePerson
			fallthrough
		default:
			s.guessed(GuessCards)
		}
		return true
	}
	return false
}

// confirms tells whether this person's card confirms the round that waits for it.
func (s *step) confirms(p Person) bool {
	open := s.ledger.Open
	return p != "" && open != nil && s.session.mode == rounding && (p == open.Clerks[0] || p == open.Clerks[1])
}
