package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// A withdrawal that arrives while the finger lies on the reader stops the
// comparison before it is charged.
func TestAWithdrawnDocumentCostsNoComparison(t *testing.T) {
	s, _, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
	s.hold(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenWithdrawn)
	count[locker.FactorCharged](s, 0)
}

// The answer to a code that was tried for somebody who has left opens nothing
// for the next in the queue.
func TestALateAnswerToAnotherVisitsCodeProvesNothing(t *testing.T) {
	s, _, g := loaded(t)
	s.image = locker.AdviceLay
	first := held[locker.FindDeposit](t, s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte(code(int(g)))}))
	s.hold(locker.DepositFound{Attempt: first.Attempt, Generation: g})
	s.pass(time.Minute) // the vault does not answer, and the citizen leaves
	second := held[locker.FindDeposit](t, s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte(wrongCode(int(g)))}))
	s.hold(locker.DepositFound{Attempt: second.Attempt, Generation: g})
	s.wantScreen(locker.ScreenChecking)
	s.give(locker.CodeTried{Attempt: first.Attempt, Generation: g, Opened: true})
	s.wantScreen(locker.ScreenChecking)
}

// A withdrawn document's secrets end in every state in which it may lie inside.
func TestAWithdrawalErasesTheSlotInEachState(t *testing.T) {
	for name, before := range map[string]func(s *site, n locker.CompartmentID, g locker.Generation){
		"loaded":  func(*site, locker.CompartmentID, locker.Generation) {},
		"doubted": func(s *site, n locker.CompartmentID, _ locker.Generation) { s.door(n, true); s.door(n, false) },
		"disputed": func(s *site, n locker.CompartmentID, g locker.Generation) {
			s.enter(g)
			s.door(n, false)
			s.choose(locker.ChoiceEmpty)
		},
		"unconfirmed": func(s *site, n locker.CompartmentID, g locker.Generation) {
			s.enter(g)
			s.door(n, false)
			s.pass(2 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, g := loaded(t)
			before(s, n, g)
			if got := s.at(n).Deposit; got != name {
				t.Fatalf("the deposit is %s", got)
			}
			s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
			count[locker.SlotErased](s, 1)
			if s.codes[g] != "" {
				t.Fatal("the slot lives")
			}
			s.pass(3 * time.Minute)
			s.signIn("c1", "c2")
			s.choose(locker.ChoiceNext) // and two clerks take it out
			if got := s.term.Screen().Compartment; got != n {
				t.Fatalf("the round opens %d, want %d", got, n)
			}
		})
	}
}

// A compartment that stands open is not given to a document, whatever its record
// says.
func TestACompartmentThatStandsOpenIsNotLoaded(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.finish()
	open := s.at(1).Number
	s.events = append(s.events, locker.Event{Time: s.term.Now(), Quality: locker.TimeConfirmed, Fact: locker.CompartmentOpened{Compartment: open}})
	s.doors[open] = true
	s.boot()
	if c := s.at(open); c.Use != "empty" || !c.Open {
		t.Fatalf("compartment %+v", c)
	}
	s.signIn("c1", "c2")
	s.slip("ORDER-1")
	if n := s.wantScreen(locker.ScreenLay).Compartment; n == open {
		t.Fatalf("compartment %d stands open, and is loaded", n)
	}
}

// A lock that was driven for an exercise may have opened its door unseen: two
// clerks look before a document goes in.
func TestAnExerciseWhoseDoorWasNotSeenToOpenLeavesTheCompartmentUnseen(t *testing.T) {
	s, _, _ := loaded(t)
	s.jammed[6] = true
	s.give(locker.ExerciseAsked{Compartments: []locker.CompartmentID{6}})
	s.signIn("c1", "c2")
	if got := s.at(6).Use; got != "empty" {
		t.Fatalf("before the exercise it is %s", got)
	}
	s.choose(locker.ChoiceNext)
	s.pass(time.Minute)
	if got := s.at(6).Use; got != "vacated" {
		t.Fatalf("after the exercise it is %s", got)
	}
}

// Two clerks who find the document end the doubt about it: a later doubt is the
// first again, and the code works once more.
func TestAnInventoryThatFindsTheDocumentEndsItsDoubts(t *testing.T) {
	s, n, g := loaded(t)
	s.door(n, true)
	s.door(n, false)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceInventory)
	for s.at(n).Deposit != "loaded" {
		s.choose(locker.ChoiceNext)
		at := s.wantScreen(locker.ScreenInspect).Compartment
		found := locker.ChoiceNothing
		if at == n {
			found = locker.ChoicePresent
		}
		s.choose(found)
		s.door(at, false)
	}
	s.finish()
	s.door(n, true)
	s.door(n, false)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}
