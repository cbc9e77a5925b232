package locker

import "slices"

// A round's confirmation. Both clerks show their cards once more and, with
// Rules.ConfirmProof, prove their numbers or security keys again: a colleague's
// card that lies beside the terminal confirms nothing. Each try is charged and
// counted as at a sign-in.

// confirming tells whether the round waits for its two confirmations.
func (s *step) confirming() bool {
	return s.session.mode == rounding && s.session.round.stage == confirming
}

// findConfirming asks whose card it is, and with it for a question to the
// holder's security key.
func (s *step) findConfirming(card string) {
	r := &s.session.round
	r.check, r.card = s.nextCheck(), card
	find := FindCard{Check: r.check, Card: card}
	if s.rules().ConfirmProof {
		find.Purpose, find.Boot, find.Round = KeyForConfirm, s.ledger.Boot, r.id
	}
	s.do(find)
}

// confirmedBy takes a clerk's card at the end of the round.
func (s *step) confirmedBy(in CardFound) {
	r, open, p := &s.session.round, s.ledger.Open, in.Person
	switch {
	case open == nil || p == "" || !slices.Contains(open.Clerks[:], p):
		s.session.hint = HintOtherClerk
		return
	case s.mayNotConfirm(p), s.rules().ConfirmProof && s.blocked(p):
		s.session.hint = HintSignIn
		return
	}
	s.wait(s.rules().RoundIdle)
	s.session.hint = ""
	switch {
	case !s.rules().ConfirmProof || slices.Contains(r.confirmed, p):
		s.confirmed(p)
	case in.Err != "":
		s.failed("security key", in.Err)
		s.session.hint = HintSignIn
	default:
		i := &s.session.signin
		*i = signIn{person: p, card: r.card, key: in.Key, stage: awaitingNumber}
		if i.key != nil {
			i.stage = awaitingKey
		}
	}
}

// confirmChecked takes the vault's answer about number or key.
func (s *step) confirmChecked(in ClerkChecked) {
	i := &s.session.signin
	p := i.person
	s.wait(s.rules().RoundIdle)
	switch {
	case in.Err != "":
		s.failed("roster", in.Err)
		s.emit(ClerkRefused{Person: p, Reason: RefusedBroken})
		s.confirmAgain(HintSignIn)
	case s.mayNotConfirm(p):
		s.confirmAgain(HintSignIn)
	case in.Proved && in.Person == p:
		s.emit(ClerkAdmitted{Person: p, Round: s.session.round.id})
		s.confirmAgain("")
		s.confirmed(p)
	default:
		s.confirmNotProved()
	}
}

// confirmNotProved lets the clerk try again, as long as there is a try left.
func (s *step) confirmNotProved() {
	i := &s.session.signin
	reason, hint := RefusedNumber, HintWrongNumber
	if i.key != nil {
		reason, hint = RefusedKey, HintWrongKey
	}
	s.emit(ClerkRefused{Person: i.person, Reason: reason})
	s.tellTries(i.person)
	switch card := i.card; {
	case s.blocked(i.person):
		s.emit(ClerkRefused{Person: i.person, Reason: RefusedBlocked})
		s.confirmAgain(HintSignIn)
	case i.key != nil: // its last challenge is used up
		s.confirmAgain(hint)
		s.findConfirming(card)
	default:
		i.stage = awaitingNumber
		s.session.hint = hint
	}
}

// confirmAgain waits for a card.
func (s *step) confirmAgain(h Hint) {
	s.session.signin = signIn{}
	s.session.hint = h
}

// confirmed takes one clerk's confirmation; both make the deposits collectable.
func (s *step) confirmed(p Person) {
	r, open := &s.session.round, s.ledger.Open
	if !slices.Contains(r.confirmed, p) {
		r.confirmed = append(r.confirmed, p)
	}
	if len(r.confirmed) < len(open.Clerks) {
		return
	}
	laid, clerks := slices.Clone(open.Laid), open.Clerks
	s.emit(RoundConfirmed{Round: r.id, Clerks: clerks})
	for _, g := range laid {
		if d := s.ledger.Deposits[g]; d != nil && d.State == depositLaid {
			s.emit(DepositLoaded{Generation: g, Round: r.id})
		}
	}
	s.clearSensors()
	r.stage = roundDone
	s.wait(s.rules().Notice)
}
