package locker

// wrongNumbers is how many personal numbers in a row may be wrong before a
// clerk is blocked; a new roster lifts it.
const wrongNumbers = 5

// signIn is the way of two clerks to a round: card and personal number each.
type signIn struct {
	stage  signInStage
	first  Person // admitted
	person Person // holder of the card that was shown last
	card   string
	check  uint64
}

type signInStage int

const (
	findingCard signInStage = iota + 1
	awaitingNumber
	checkingNumber
	awaitingSecond
)

// badge takes a clerk's card, wherever it is shown.
func (s *step) badge(card string) {
	ses := s.session
	switch {
	case ses.mode == idle, ses.mode == visiting && ses.visit.stage == ended:
		s.show(signingIn)
		s.findCard(card)
	case ses.mode == signingIn && ses.signin.stage == awaitingSecond:
		s.findCard(card)
	case ses.mode == rounding && ses.round.stage == confirming:
		ses.round.check = s.nextCheck()
		s.do(FindCard{Check: ses.round.check, Card: card})
	default:
		ses.hint = HintCardNotHere
	}
}

func (s *step) nextCheck() uint64 {
	s.session.check++
	return s.session.check
}

func (s *step) findCard(card string) {
	i := &s.session.signin
	i.stage, i.card, i.check = findingCard, card, s.nextCheck()
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
	s.do(FindCard{Check: i.check, Card: card})
}

func (s *step) cardFound(in CardFound) {
	ses := s.session
	if ses.mode == rounding && ses.round.stage == confirming && in.Check == ses.round.check {
		s.confirmedBy(in.Person)
		return
	}
	i := &ses.signin
	if ses.mode != signingIn || i.stage != findingCard || in.Check != i.check {
		return
	}
	ses.answers = 0
	if reason := s.mayNot(in.Person); reason != "" {
		s.noEntry(in.Person, reason)
		return
	}
	i.person, i.stage = in.Person, awaitingNumber
	s.wait(s.rules().Idle)
}

// mayNot is why a person cannot sign in now; empty if nothing speaks against it.
func (s *step) mayNot(p Person) RefusalReason {
	m := s.ledger.Members[p]
	switch {
	case p == "" || m == nil:
		return RefusedUnknown
	case m.Role != Clerk:
		return RefusedRole
	case !m.Leaves.IsZero() && !s.at.Before(m.Leaves):
		return RefusedLeft
	case m.Wrong >= wrongNumbers:
		return RefusedBlocked
	case p == s.session.signin.first:
		return RefusedSamePerson
	}
	return ""
}

// noEntry records a refused sign-in. The first clerk starts again; the second
// may show another card.
func (s *step) noEntry(p Person, reason RefusalReason) {
	s.emit(ClerkRefused{Person: p, Reason: reason})
	i := &s.session.signin
	hint := HintSignIn
	if reason == RefusedSamePerson {
		hint = HintSamePerson
	}
	i.person, i.card = "", ""
	if i.first != "" {
		i.stage = awaitingSecond
		s.session.hint = hint
		s.wait(s.rules().Idle)
		return
	}
	s.show(idle)
	s.session.hint = hint
	s.wait(s.rules().Notice)
}

func (s *step) clerkNumber(text string) {
	i := &s.session.signin
	if i.stage != awaitingNumber || !digits(text, 4, 12) {
		s.session.hint = HintDigits
		return
	}
	i.stage, i.check = checkingNumber, s.nextCheck()
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
	s.do(CheckClerk{Check: i.check, Card: i.card, Number: text})
}

func (s *step) clerkChecked(in ClerkChecked) {
	ses, i := s.session, &s.session.signin
	if ses.mode != signingIn || i.stage != checkingNumber || in.Check != i.check {
		return
	}
	ses.answers = 0
	switch {
	case in.Err != "":
		s.failed("roster", in.Err)
		s.noEntry(i.person, RefusedBroken)
	case s.mayNot(i.person) != "": // a new roster came in between
		s.noEntry(i.person, s.mayNot(i.person))
	case in.Proved && in.Person == i.person:
		s.admitted()
	default:
		s.emit(ClerkRefused{Person: i.person, Reason: RefusedNumber})
		if s.mayNot(i.person) == RefusedBlocked {
			s.noEntry(i.person, RefusedBlocked)
			return
		}
		i.stage = awaitingNumber
		ses.hint = HintWrongNumber
		s.wait(s.rules().Idle)
	}
}

func (s *step) admitted() {
	i := &s.session.signin
	s.emit(ClerkAdmitted{Person: i.person})
	if i.first == "" {
		*i = signIn{stage: awaitingSecond, first: i.person}
		s.wait(s.rules().Idle)
		return
	}
	if first := i.first; s.mayNotConfirm(first) {
		i.first, i.person, i.stage = i.person, "", awaitingSecond
		s.emit(ClerkRefused{Person: first, Reason: RefusedRole})
		s.wait(s.rules().Idle)
		return
	}
	clerks := [2]Person{i.first, i.person}
	id := s.ledger.Round + 1
	s.emit(RoundOpened{Round: id, Clerks: clerks})
	s.show(rounding)
	s.session.round = round{id: id, stage: menu, skipped: map[CompartmentID]bool{}}
	s.wait(s.rules().RoundIdle)
}

// signInEnds records that no second clerk came: one alone opens nothing.
func (s *step) signInEnds() {
	if i := s.session.signin; i.first != "" {
		s.emit(ClerkRefused{Person: i.first, Reason: RefusedAlone})
	}
	s.show(idle)
}
