package locker_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// laidIn is a round whose document lies in, and that waits for its confirmations.
func laidIn(t *testing.T, rules func(*locker.Rules)) *site {
	s := newSite(t)
	rules(&s.config.Rules)
	s.boot()
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	s.door(s.wantScreen(locker.ScreenLay).Compartment, false)
	s.choose(locker.ChoiceFinish)
	return s
}

func TestTwoCardsAloneConfirmNoRound(t *testing.T) {
	s := laidIn(t, func(*locker.Rules) {})
	s.show("c1")
	if sc := s.wantScreen(locker.ScreenClerk); sc.Expects != locker.ExpectsNumber || len(sc.Round.Clerks) != 2 {
		t.Fatalf("screen %+v", sc)
	}
	s.typeIn("471108")
	s.wantScreen(locker.ScreenConfirm)
	s.show("c2")
	s.typeIn("999999")
	if h := s.wantScreen(locker.ScreenClerk).Hint; h != locker.HintWrongNumber {
		t.Errorf("hint %q", h)
	}
	count[locker.RoundConfirmed](s, 0)
	s.choose(locker.ChoiceBack) // to the cards
	s.wantScreen(locker.ScreenConfirm)
	s.show("c2")
	s.typeIn("471108")
	s.wantScreen(locker.ScreenRoundDone)
	count[locker.DepositLoaded](s, 1)
	count[locker.ClerkCharged](s, 5) // two to sign in, one wrong, two to confirm
	a := has[locker.ClerkAdmitted](s)
	if a[0].Round != 0 || a[3].Round != has[locker.RoundConfirmed](s)[0].Round {
		t.Errorf("admitted: %+v", a)
	}
}

func TestFiveWrongNumbersAtTheConfirmationBlockTheClerk(t *testing.T) {
	s := laidIn(t, func(*locker.Rules) {})
	s.show("c2")
	for range 5 {
		s.typeIn("999999")
	}
	if h := s.wantScreen(locker.ScreenConfirm).Hint; h != locker.HintSignIn {
		t.Errorf("hint %q", h)
	}
	s.show("c2")
	s.wantScreen(locker.ScreenConfirm)
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
	count[locker.RoundConfirmed](s, 0)
}

func TestAConfirmationAsksForTheSecurityKey(t *testing.T) {
	s := laidIn(t, func(*locker.Rules) {})
	keyed(s)
	s.show("c1")
	before := s.wantScreen(locker.ScreenKey)
	s.assert([]byte("wrong"))
	if after := s.wantScreen(locker.ScreenKey); after.Number == before.Number {
		t.Error("the same question is asked twice")
	}
	s.assert(s.challenge)
	s.show("c2")
	s.typeIn("471108")
	s.wantScreen(locker.ScreenRoundDone)
}

func TestARuleLetsCardsAloneConfirm(t *testing.T) {
	s := laidIn(t, func(r *locker.Rules) { r.ConfirmProof = false })
	s.show("c1")
	s.wantScreen(locker.ScreenConfirm)
	s.show("c2")
	s.wantScreen(locker.ScreenRoundDone)
	count[locker.ClerkCharged](s, 2)
}

func TestAVaultThatDoesNotAnswerEndsNoConfirmation(t *testing.T) {
	s := laidIn(t, func(*locker.Rules) {})
	s.show("c1")
	s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte("471108")})
	s.wantScreen(locker.ScreenChecking)
	s.pass(31e9)
	if h := s.wantScreen(locker.ScreenConfirm).Hint; h != locker.HintSignIn {
		t.Errorf("hint %q", h)
	}
	s.show("c1")
	s.typeIn("471108")
	s.show("c2")
	s.typeIn("471108")
	s.wantScreen(locker.ScreenRoundDone)
}
