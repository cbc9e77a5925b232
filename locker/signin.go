package locker

import (
	"slices"
	"time"
)

const (
	// wrongNumbers is how many personal numbers, or answers of a security key, in a
	// row may be wrong, or charged and never settled, before a clerk is blocked. An admin's command and a
	// colleague at the terminal lift it together; a new roster does not.
	wrongNumbers = 5
	// pardon is how long that command waits for the two to come.
	pardon = 24 * time.Hour
)

// signIn is the way of two clerks to a round: card and personal number each, or
// card and security key.
type signIn struct {
	stage  signInStage
	first  Person // admitted
	person Person // holder of the card that was shown last
	card   string
	key    *KeyRequest  // of the person, if they have a security key
	before wrongTries   // of the person, before this sign-in
	told   []WrongTries // to the first
	check  uint64
}

type signInStage int

const (
	findingCard signInStage = iota + 1
	awaitingNumber
	awaitingKey
	checkingNumber // or what the key answered
	awaitingSecond
)

// A card that is read more often than this, each time this soon after the last,
// was not shown again: it lies on the reader.
const (
	cardReads = 3
	cardSoon  = 2 * time.Second
)

// badge takes a clerk's card, wherever it is shown. One that is left on the
// reader begins nothing anew: the screen is the citizens' as well.
func (s *step) badge(card string) {
	ses := s.session
	if card != ses.card || s.now.Uptime-ses.cardAt >= cardSoon {
		ses.cardRead = 0
	}
	ses.card, ses.cardAt, ses.cardRead = card, s.now.Uptime, min(ses.cardRead+1, cardReads+1)
	if ses.cardRead > cardReads && !s.confirmsByCard() {
		return // it lies there
	}
	if !s.awaitsCard() {
		if (ses.mode == signingIn || s.confirming()) && card == ses.signin.card {
			return // a card that is held up for a moment longer is read twice
		}
		if s.guessed(GuessCards) {
			ses.hint = HintCardNotHere
		}
		return
	}
	if ses.flooded() {
		s.lookUp(card)
		return
	}
	s.takeCard(card)
}

// awaitsCard tells whether a card has a meaning here.
func (s *step) awaitsCard() bool {
	ses := s.session
	return ses.mode == idle || ses.mode == visiting && ses.visit.stage == ended ||
		ses.mode == signingIn && ses.signin.stage == awaitingSecond || s.confirmsByCard()
}

func (s *step) confirmsByCard() bool {
	return s.confirming() && s.session.signin.stage == 0
}

// takeCard follows a card that was shown where it has a meaning.
func (s *step) takeCard(card string) {
	ses := s.session
	switch {
	case !s.awaitsCard(): // meanwhile it has none
	case s.confirmsByCard():
		s.findConfirming(card)
	case ses.mode == signingIn:
		s.findCard(card)
	default:
		s.show(signingIn)
		s.findCard(card)
	}
}

func (s *step) nextCheck() uint64 {
	s.session.check++
	return s.session.check
}

func (s *step) findCard(card string) {
	i := &s.session.signin
	i.stage, i.card, i.key, i.check = findingCard, card, nil, s.nextCheck()
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
	s.do(FindCard{Check: i.check, Card: card, Purpose: KeyForSignIn, Boot: s.ledger.Boot, Round: s.ledger.Round + 1})
}

func (s *step) cardFound(in CardFound) {
	if s.lookedUp(in) {
		return
	}
	ses := s.session
	if s.confirmsByCard() && in.Check == ses.round.check {
		s.confirmedBy(in)
		return
	}
	i := &ses.signin
	if ses.mode != signingIn || i.stage != findingCard || in.Check != i.check {
		return
	}
	ses.answers = 0
	if reason := s.mayNot(in.Person); reason != "" {
		s.cardRefused(in.Person, reason)
		return
	}
	if in.Err != "" {
		s.failed("security key", in.Err)
		s.cardRefused(in.Person, RefusedBroken)
		return
	}
	again := i.person == in.Person // a key that is asked once more
	if s.blocked(in.Person) {
		s.emit(ClerkUnblocked{Person: in.Person, Beside: i.first})
	}
	i.person, i.stage, i.key = in.Person, awaitingNumber, in.Key
	if !again {
		i.before = s.ledger.Members[in.Person].Tries.at(s.at)
	}
	if i.key != nil {
		i.stage = awaitingKey
	}
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
	case !m.Leaves.IsZero() && !s.certain().Before(m.Leaves):
		return RefusedLeft
	case p == s.session.signin.first:
		return RefusedSamePerson
	case s.ledger.usedUp(m) && !s.pardoned(p):
		return RefusedBlocked
	}
	return ""
}

func (s *step) blocked(p Person) bool {
	return s.ledger.usedUp(s.ledger.Members[p])
}

// pardoned tells whether an admin's command waits for this clerk, and a
// colleague who has just proved to be one stands beside them.
func (s *step) pardoned(p Person) bool {
	first := s.session.signin.first
	return first != "" && first != p && s.at.Before(s.ledger.Members[p].Pardoned)
}

// cardRefused turns away a card before any number was tried: whoever stands
// there can do this without end, so it is recorded as far as the allowance goes.
func (s *step) cardRefused(p Person, reason RefusalReason) {
	if s.guessed(GuessCards) {
		s.emit(ClerkRefused{Person: p, Reason: reason})
	}
	s.turnAway(reason)
}

// noEntry records a refused sign-in.
func (s *step) noEntry(p Person, reason RefusalReason) {
	s.emit(ClerkRefused{Person: p, Reason: reason})
	s.turnAway(reason)
}

// turnAway ends a sign-in. The first clerk starts again; the second may show
// another card.
func (s *step) turnAway(reason RefusalReason) {
	i := &s.session.signin
	hint := HintSignIn
	if reason == RefusedSamePerson {
		hint = HintSamePerson
	}
	i.person, i.card, i.key = "", "", nil
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

func (s *step) clerkNumber(text []byte) {
	i := &s.session.signin
	if i.stage != awaitingNumber || !ValidNumber(text) {
		s.session.hint = HintDigits
		return
	}
	s.charge()
	s.do(CheckClerk{Check: i.check, Card: i.card, Number: slices.Clone(text)})
}

// asserted takes what a security key answered.
func (s *step) asserted(assertion []byte) {
	i := &s.session.signin
	if s.session.mode != signingIn && !s.confirming() || i.stage != awaitingKey {
		return
	}
	s.charge()
	s.do(CheckKey{Check: i.check, Card: i.card, Assertion: assertion})
}

// charge counts a try before it is made: a cut gives none back.
func (s *step) charge() {
	i := &s.session.signin
	i.stage, i.check = checkingNumber, s.nextCheck()
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
	s.emit(ClerkCharged{Person: i.person})
}

func (s *step) clerkChecked(in ClerkChecked) {
	ses, i := s.session, &s.session.signin
	if ses.mode != signingIn && !s.confirming() || i.stage != checkingNumber || in.Check != i.check {
		return
	}
	ses.answers = 0
	if s.confirming() {
		s.confirmChecked(in)
		return
	}
	switch reason := s.mayNot(i.person); {
	case in.Err != "":
		s.failed("roster", in.Err)
		s.noEntry(i.person, RefusedBroken)
	case reason != "" && reason != RefusedBlocked: // a new roster came in between
		s.noEntry(i.person, reason)
	case in.Proved && in.Person == i.person:
		s.admitted()
	default:
		s.notProved()
	}
}

// notProved lets the clerk try again, as long as there is a try left. A key is
// asked anew: its last challenge is used up.
func (s *step) notProved() {
	i := &s.session.signin
	reason := RefusedNumber
	if i.key != nil {
		reason = RefusedKey
	}
	s.emit(ClerkRefused{Person: i.person, Reason: reason})
	s.tellTries(i.person)
	if s.blocked(i.person) {
		s.noEntry(i.person, RefusedBlocked)
		return
	}
	if i.key != nil {
		s.findCard(i.card)
		s.session.hint = HintWrongKey
		return
	}
	i.stage = awaitingNumber
	s.session.hint = HintWrongNumber
	s.wait(s.rules().Idle)
}

func (s *step) admitted() {
	i := &s.session.signin
	s.emit(ClerkAdmitted{Person: i.person, WrongTries: i.before.Count, WrongSince: i.before.Since})
	told := i.told
	if i.before.Count > 0 {
		told = append(told, WrongTries{Person: i.person, Count: i.before.Count, Since: i.before.Since})
	}
	if i.first == "" {
		*i = signIn{stage: awaitingSecond, first: i.person, told: told}
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
	s.session.round = round{id: id, stage: menu, skipped: map[CompartmentID]bool{}, told: told}
	for _, a := range s.ledger.Alarms {
		if a.Kind == AlarmRoundBroken {
			s.session.hint = HintRoundBroken
		}
	}
	if s.session.full { // told before anybody scans a slip
		s.session.hint = HintStoreFull
	}
	s.wait(s.rules().RoundIdle)
}

// signInEnds records that no second clerk came: one alone opens nothing.
func (s *step) signInEnds() {
	if i := s.session.signin; i.first != "" {
		s.emit(ClerkRefused{Person: i.first, Reason: RefusedAlone})
	}
	s.show(idle)
}
