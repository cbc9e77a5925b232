package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// cutCable is a loaded compartment whose contact says "open" whatever its door does.
func cutCable(t *testing.T) (*site, locker.CompartmentID, locker.Generation) {
	t.Helper()
	s, n, g := loaded(t)
	s.door(n, true)
	s.jammed[n] = true // the contact does not change
	return s, n, g
}

func TestAContactThatLiesOpenKeepsNobodyFromTheirDocument(t *testing.T) {
	s, n, g := cutCable(t)
	before := len(s.pulses)
	s.enter(g)
	if got := len(s.pulses) - before; got != 1 {
		t.Fatalf("the screen says %q, and the lock was driven %d times", s.term.Screen().Name, got)
	}
	if sc := s.wantScreen(locker.ScreenTake); !slices.Contains(sc.Choices, locker.ChoiceDoorClosed) {
		t.Fatalf("choices %v: the contact cannot tell that the door is closed", sc.Choices)
	}
	if o := has[locker.CompartmentOpened](s); !o[len(o)-1].Assumed {
		t.Error("the machine claims to have seen the door open")
	}
	s.choose(locker.ChoiceDoorClosed)
	s.wantScreen(locker.ScreenQuestion)
	s.wantAlarm(locker.AlarmFault, locker.Morning)
	if s.at(n).Fault != locker.FaultContact {
		t.Errorf("fault %q, want the contact's", s.at(n).Fault)
	}
	count[locker.DocumentTaken](s, 0)
	s.choose(locker.ChoiceAgain)
	if got := len(s.pulses) - before; got != 2 {
		t.Fatalf("opened again, and the lock was driven %d times", got)
	}
	s.choose(locker.ChoiceDoorClosed)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
	count[locker.DocumentTaken](s, 1)
}

func TestAContactReportedFaultyTrapsNoDocument(t *testing.T) {
	s, n, g := cutCable(t)
	s.enter(g)
	s.pass(2 * time.Minute) // the citizen goes away, with the document or without
	s.wantAlarm(locker.AlarmLeftOpen, locker.Wake)
	s.wantAlarm(locker.AlarmFault, locker.Morning)
	if c := s.at(n); c.Custody != locker.CustodyUnknown || c.Fault != locker.FaultContact {
		t.Fatalf("compartment %+v", c)
	}
	forced := 0
	for range 2 {
		s.boot()
		if c := s.at(n); c.Fault != locker.FaultContact {
			t.Fatalf("a restart forgot the faulty contact: %+v", c)
		}
		if f := len(has[locker.CompartmentOpened](s)); forced != 0 && f != forced {
			t.Fatal("a restart takes the cut cable for a door that opened")
		}
		forced = len(has[locker.CompartmentOpened](s))
	}
}

func TestADoorThatReallyStandsOpenIsClosedByWhoCollects(t *testing.T) {
	s, n, g := loaded(t)
	s.door(n, true)
	before := len(s.pulses)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	if len(s.pulses) != before+1 {
		t.Fatal("the lock was not driven")
	}
	s.door(n, false)
	s.wantScreen(locker.ScreenQuestion)
	s.choose(locker.ChoiceYes)
	if c := s.at(n); c.Fault != "" || c.Open {
		t.Fatalf("compartment %+v: its contact works", c)
	}
}

func TestADocumentBehindAContactThatCannotBeReadIsCollected(t *testing.T) {
	s, n, g := loaded(t)
	s.give(locker.PartFailed{Part: "contact", Compartment: n, Detail: "no answer"})
	s.jammed[n] = true
	before := len(s.pulses)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	if len(s.pulses) != before+1 {
		t.Fatal("the lock was not driven")
	}
	t.Run("by word", func(t *testing.T) {
		s.choose(locker.ChoiceDoorClosed)
		s.wantScreen(locker.ScreenQuestion)
		s.choose(locker.ChoiceAgain)
	})
	t.Run("while the contact comes back", func(t *testing.T) {
		s.give(locker.PartHealed{Part: "contact", Compartment: n})
		s.door(n, true)
		s.wantScreen(locker.ScreenTake)
		s.wantAlarm(locker.AlarmForced, "")
		s.door(n, false)
		s.wantScreen(locker.ScreenQuestion)
		s.choose(locker.ChoiceYes)
		count[locker.DocumentTaken](s, 1)
	})
}

func TestAFaultyContactThatReadsClosedAfterARestartEndsTheHandoversWait(t *testing.T) {
	s, n, g := loaded(t)
	s.give(locker.PartFailed{Part: "contact", Compartment: n, Detail: "no answer"})
	s.jammed[n] = true
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.boot()
	s.wantScreen(locker.ScreenQuestion)
}

func TestAReleaseBeforeARestartIsNotBelievedToAContactThatSaidOpenBefore(t *testing.T) {
	s, n, g := cutCable(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.hold(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.hold(locker.FactorTried{Attempt: has[locker.CodeProved](s)[0].Attempt, Generation: g, Accepted: true})
	s.wantScreen(locker.ScreenOpening)
	s.boot()
	s.wantScreen(locker.ScreenWelcome)
	if c := s.at(n); c.Custody != locker.CustodyUnknown {
		t.Fatalf("compartment %+v: nobody knows whether the lock was driven", c)
	}
}

func TestClerksWhoAnswerFirstAreNotKeptByAContactThatLiesOpen(t *testing.T) {
	s, n, _ := cutCable(t)
	s.signIn("c1", "c2")
	before := len(s.pulses)
	s.choose(locker.ChoiceNext)
	if len(s.pulses) != before+1 {
		t.Fatal("the lock was not driven")
	}
	s.choose(locker.ChoiceRemoved)
	s.choose(locker.ChoiceDoorClosed)
	s.wantScreen(locker.ScreenRound)
	count[locker.DocumentUnloaded](s, 1)
	if len(s.pulses) != before+1 {
		t.Fatal("they had looked: the lock is not driven again")
	}
	s.wantAlarm(locker.AlarmFault, locker.Morning)
	if !s.at(n).Waived {
		t.Fatal("two clerks work the door without its contact")
	}
}

func TestAnExerciseDrivesTheLockOfADoorWhoseContactSaysOpen(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	n := s.wantScreen(locker.ScreenClear).Compartment
	s.pass(4 * time.Minute) // the clerks are gone, and the contact says open since
	s.jammed[n] = true
	s.give(locker.ExerciseAsked{Compartments: []locker.CompartmentID{n}})
	s.signIn("c1", "c2")
	if got := s.exerciseTasks(); !slices.Equal(got, []locker.CompartmentID{n}) {
		t.Fatalf("the round offers to exercise %v", got)
	}
	before := 0
	for at := locker.CompartmentID(0); at != n; {
		before = len(s.pulses)
		s.choose(locker.ChoiceNext)
		if at = s.wantScreen(locker.ScreenClear).Compartment; at != n { // the vacated ones come first
			s.choose(locker.ChoiceEmpty)
			s.door(at, false)
		}
	}
	if len(s.pulses) != before+1 {
		t.Fatal("the lock was not driven")
	}
	count[locker.LockExercised](s, 1)
	s.choose(locker.ChoiceEmpty)
	s.choose(locker.ChoiceDoorClosed)
	s.wantScreen(locker.ScreenRound)
	s.wantAlarm(locker.AlarmFault, locker.Morning)
}
