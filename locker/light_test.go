package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func (s *site) wantLit(n locker.CompartmentID) {
	s.t.Helper()
	if got := s.term.Lit(); got != n {
		s.t.Fatalf("compartment %d is lit, want %d", got, n)
	}
}

func TestTheCompartmentIsLitWhileItsDoorIsToBeUsed(t *testing.T) {
	s, n, g := loaded(t)
	s.wantLit(0)
	s.image = ""
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.wantLit(n)
	s.door(n, false)
	s.wantLit(0)
	s.choose(locker.ChoiceAgain)
	s.wantLit(n)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.pass(time.Minute)
	s.signIn("c1", "c2")
	s.wantLit(0)
	s.choose(locker.ChoiceNext)
	s.wantLit(s.wantScreen(locker.ScreenClear).Compartment)
	s.choose(locker.ChoiceEmpty)
	s.door(n, false)
	s.wantLit(0)
}
