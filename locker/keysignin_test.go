package locker_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// keyed makes the holder of c1 one with a security key, whose right answer is
// the challenge.
func keyed(s *site) {
	s.asks = func(a locker.FindCard) locker.CardFound {
		f := locker.CardFound{Check: a.Check, Person: s.holder(a.Card)}
		if a.Card == "c1" && a.Purpose != "" {
			f.Key = &locker.KeyRequest{Challenge: []byte{byte(a.Check), byte(a.Round)}, RPID: "musterstadt.example", Credentials: [][]byte{{1}}}
			s.challenge = f.Key.Challenge
		}
		return f
	}
}

func (s *site) assert(answer []byte) {
	s.t.Helper()
	s.give(locker.Asserted{Screen: s.term.Screen().Number, Assertion: answer})
}

func TestASecurityKeyTakesTheNumbersPlace(t *testing.T) {
	s := newSite(t)
	keyed(s)
	s.badge("c1")
	v := s.wantScreen(locker.ScreenKey)
	if v.Key == nil || !bytes.Equal(v.Key.Challenge, s.challenge) || v.Expects != "" {
		t.Fatalf("screen: %+v", v)
	}
	s.give(locker.Typed{Screen: v.Number, Text: []byte("471108")}) // no number is asked
	s.wantScreen(locker.ScreenKey)
	count[locker.ClerkCharged](s, 0)
	s.assert(s.challenge)
	count[locker.ClerkCharged](s, 1)
	s.wantScreen(locker.ScreenSecond)
	s.signIn("c2")
	s.wantScreen(locker.ScreenRound)
}

func TestAWrongAnswerOfAKeyIsChargedAndAskedAnew(t *testing.T) {
	s := newSite(t)
	keyed(s)
	s.badge("c1")
	for range 4 {
		before := s.wantScreen(locker.ScreenKey)
		s.assert([]byte("wrong"))
		after := s.wantScreen(locker.ScreenKey)
		if after.Hint != locker.HintWrongKey || bytes.Equal(before.Key.Challenge, after.Key.Challenge) || before.Number == after.Number {
			t.Fatalf("after a wrong answer: %+v", after)
		}
		s.wantRefused("p1", locker.RefusedKey)
		s.give(locker.Asserted{Screen: before.Number, Assertion: s.challenge}) // from a page of before
		s.wantScreen(locker.ScreenKey)
	}
	s.boot() // the count outlives a restart
	s.badge("c1")
	s.assert([]byte("wrong"))
	s.wantRefused("p1", locker.RefusedBlocked)
	count[locker.ClerkCharged](s, 5)
}

func TestAKeyThatCannotBeAskedLetsNobodyInByNumber(t *testing.T) {
	s := newSite(t)
	s.asks = func(a locker.FindCard) locker.CardFound {
		return locker.CardFound{Check: a.Check, Person: s.holder(a.Card), Err: "no HTTPS name"}
	}
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBroken)
	s.wantScreen(locker.ScreenWelcome)
}

func TestAKeyThatIsNotTouchedEndsTheSignIn(t *testing.T) {
	s := newSite(t)
	keyed(s)
	s.badge("c1")
	v := s.wantScreen(locker.ScreenKey)
	s.pass(5 * time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	s.give(locker.Asserted{Screen: v.Number, Assertion: s.challenge})
	s.assert(s.challenge)
	s.wantScreen(locker.ScreenWelcome)
	count[locker.ClerkCharged](s, 0)
}
