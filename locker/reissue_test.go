package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// reissue asks for a new code with a key that is on offer.
func (s *site) reissue(g locker.Generation) locker.Input {
	return locker.ReissueReceived{Order: "ORDER-1", Generation: g, Key: s.term.UnusedKeys()[0].Key, Admin: "a1", Expires: s.term.Now().Add(5 * time.Minute)}
}

func TestANewCodeReplacesTheOldOneWithoutADoor(t *testing.T) {
	s, n, g := loaded(t)
	for range 5 {
		s.wrong(g)
	}
	s.pass(6 * day)
	pulses, spent := len(s.pulses), s.term.UnusedKeys()[0].Key
	s.give(s.reissue(g))
	next := s.at(n).Generation
	if next == g || len(s.pulses) != pulses {
		t.Fatalf("generation %d, %d pulses", next, len(s.pulses)-pulses)
	}
	count[locker.DepositReissued](s, 1)
	if s.codes[g] != "" || s.codes[next] == "" {
		t.Fatal("the old slot should be gone and the new one there")
	}
	s.wantAlarm(locker.AlarmExhausted, "")
	if e := has[locker.KeyErased](s); len(e) != 1 || e[0].Key != spent {
		t.Fatalf("keys erased %v, want %d", e, spent)
	}
	s.enter(g)
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	s.pass(5 * day) // retention starts anew, with the new letter
	s.give(locker.PostedReceived{Generation: next, Day: "2026-03-13"})
	s.pass(6 * day)
	count[locker.DepositExpired](s, 0)
	s.finger[next] = true
	s.enter(next)
	s.wantScreen(locker.ScreenTake)
}

func TestClosedFingersStayClosedUnderANewCode(t *testing.T) {
	s, n, g := loaded(t)
	s.finger[g] = false
	s.image = ""
	s.typeIn(code(int(g)))
	for range 4 {
		s.image = ""
		s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	}
	count[locker.FactorClosed](s, 1)
	s.choose(locker.ChoiceCancel)
	s.give(s.reissue(g))
	s.image = locker.AdviceLay
	s.typeIn(code(int(s.at(n).Generation)))
	if f := s.wantScreen(locker.ScreenFinger).Finger; f != 7 {
		t.Fatalf("asks for finger %d, and it was closed", f)
	}
}

func TestReissuesThatAreRefused(t *testing.T) {
	for about, change := range map[string]func(*site, *locker.ReissueReceived){
		"no such order":           func(_ *site, r *locker.ReissueReceived) { r.Order = "NO-SUCH" },
		"expired":                 func(s *site, r *locker.ReissueReceived) { r.Expires = s.term.Now().Add(-time.Second) },
		"not the order's deposit": func(_ *site, r *locker.ReissueReceived) { r.Generation++ },
		"key of its share":        func(_ *site, r *locker.ReissueReceived) { r.Key = 1 },
		"not in a state": func(s *site, r *locker.ReissueReceived) {
			s.give(locker.WithdrawalReceived{Order: r.Order, Desk: "d1"})
		},
		"in use just now": func(s *site, r *locker.ReissueReceived) { s.typeIn(code(int(r.Generation))) },
	} {
		s, _, g := loaded(t)
		r := s.reissue(g).(locker.ReissueReceived)
		change(s, &r)
		s.give(r)
		s.wantMessageRefused(locker.MessageCommand, about)
		count[locker.DepositReissued](s, 0)
	}
}

func TestOneReissueAtATime(t *testing.T) {
	s, _, g := loaded(t)
	held[locker.ReissueDeposit](t, s.hold(s.reissue(g)))
	s.give(s.reissue(g))
	s.wantMessageRefused(locker.MessageCommand, "in use just now")
}

func TestAReissueThatTheVaultFailsLeavesTheOldCode(t *testing.T) {
	for name, fail := range map[string]func(*site, locker.Generation){
		"an error": func(s *site, g locker.Generation) {
			s.give(locker.DepositReady{Generation: g, Err: "share unreadable"})
		},
		"no answer": func(s *site, _ locker.Generation) { s.pass(11 * time.Minute) },
		"a restart": func(s *site, _ locker.Generation) { s.boot() },
		"a pick-up": func(s *site, g locker.Generation) {
			s.typeIn(code(1))
			s.wantScreen(locker.ScreenFinger)
			s.give(locker.DepositReady{Generation: g, Hash: "h"})
			s.choose(locker.ChoiceCancel)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, g := loaded(t)
			next := held[locker.ReissueDeposit](t, s.hold(s.reissue(g))).Generation
			fail(s, next)
			count[locker.DepositAbandoned](s, 1)
			count[locker.DepositReissued](s, 0)
			s.give(locker.DepositReady{Generation: next, Hash: "late"})
			if s.at(n).Generation != g {
				t.Fatalf("generation %d lies there, want %d", s.at(n).Generation, g)
			}
			s.enter(g)
			s.wantScreen(locker.ScreenTake)
			if l := s.term.Living().Generations; len(l) != 1 {
				t.Fatalf("living %v, want the old one alone", l)
			}
		})
	}
}
