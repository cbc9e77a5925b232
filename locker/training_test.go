package locker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// train starts the terminal anew with training switched on or off.
func (s *site) train(on bool) {
	s.config.Training = on
	s.boot()
}

func dummy(o *locker.OrderTerms) { o.Training = true }

func genuine(*locker.OrderTerms) {}

func TestATerminalInTrainingIsUsedLikeAnyOtherAndMarked(t *testing.T) {
	s := newSite(t)
	s.train(true)
	from := len(s.events)
	s.accept("ORDER-1", 1, dummy)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.finish()
	g := s.at(n).Generation
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
	s.finger[g] = true
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	if sc := s.wantScreen(locker.ScreenDone); !sc.Training {
		t.Error("the screen is not marked")
	}
	if !s.term.Status().Training {
		t.Error("the status is not marked")
	}
	for _, e := range s.events[from:] {
		if !e.Training {
			t.Errorf("%s is not marked", e.Fact.Type())
		}
	}
	for _, e := range s.events[:from-2] { // all before that start and its configuration
		if e.Training {
			t.Errorf("%s is marked, and was before training", e.Fact.Type())
		}
	}
}

func TestTrainingIsOutsideTheStatistics(t *testing.T) {
	s := newSite(t)
	s.train(true)
	s.accept("ORDER-1", 1, dummy)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.finish()
	for range s.config.Rules.CodeTries {
		s.wrong(s.at(n).Generation)
	}
	s.wantAlarm(locker.AlarmExhausted, "")
}

func TestTrainingTakesDummiesAloneAndServiceTakesNone(t *testing.T) {
	s := newSite(t)
	s.accept("ORDER-1", 1, dummy)
	count[locker.OrderAccepted](s, 0)
	count[locker.MessageRefused](s, 1)
	count[locker.KeyErased](s, 1) // what was sealed to it opens for nobody
	s.accept("ORDER-2", 2, genuine)
	s.train(true)
	s.accept("ORDER-3", 3, genuine)
	count[locker.OrderAccepted](s, 1)
	count[locker.MessageRefused](s, 2)
	s.accept("ORDER-4", 4, dummy)
	count[locker.OrderAccepted](s, 2)
	s.signIn("c1", "c2")
	if r := s.wantScreen(locker.ScreenRound).Round; r.Waiting != 1 {
		t.Errorf("%d orders wait, want the dummy alone", r.Waiting)
	}
	s.clear()
	s.slip("ORDER-2") // came before training began, and waits until it is over
	if sc := s.wantScreen(locker.ScreenRound); sc.Hint != locker.HintTraining {
		t.Errorf("the slip of a document is answered with %q", sc.Hint)
	}
	s.load("ORDER-4")
}

func TestTrainingDoesNotBeginWhereADocumentLies(t *testing.T) {
	s, n, g := posted(t, genuine)
	s.train(true)
	if s.term.Status().Training || s.term.Screen().Training {
		t.Fatal("training began over a document")
	}
	s.wantAlarm(locker.AlarmTraining, locker.Morning)
	s.enter(g) // and it is collected as if nothing had been asked for
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.pass(time.Minute)

	s.boot() // gone, but a thin card may have stayed behind
	if s.term.Status().Training {
		t.Fatal("training began over a compartment that nobody has looked into")
	}
	s.signIn("c1", "c2")
	s.clear()
	s.finish()
	s.boot()
	if !s.term.Status().Training {
		t.Fatal("training did not begin over an empty wall")
	}
	s.wantAlarm(locker.AlarmTraining, "")
	if use := s.at(n).Use; use != "vacated" {
		t.Errorf("compartment %d is %s; those who practise have not seen it", n, use)
	}
}

func TestTrainingDoesNotEndWhereADummyLies(t *testing.T) {
	s := newSite(t)
	s.train(true)
	s.accept("ORDER-1", 1, dummy)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.finish()
	s.train(false)
	if !s.term.Status().Training {
		t.Fatal("training ended over a dummy")
	}
	s.wantAlarm(locker.AlarmTraining, locker.Morning)
	s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenUnload)
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	s.finish()
	s.train(false)
	if s.term.Status().Training {
		t.Fatal("training did not end over an empty wall")
	}
	s.wantAlarm(locker.AlarmTraining, "")
	s.accept("ORDER-2", 2, genuine)
	s.signIn("c1", "c2")
	s.slip("ORDER-2")
	if sc := s.wantScreen(locker.ScreenRound); sc.Hint != locker.HintNoSpace {
		t.Errorf("a document was laid where only those who practised have looked: %+v", sc)
	}
}

func TestTrainingDoesNotBeginWhereClerksFoundSomething(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	n := s.wantScreen(locker.ScreenClear).Compartment
	s.choose(locker.ChoiceNotEmpty)
	s.door(n, false)
	s.finish()
	s.train(true)
	if s.term.Status().Training {
		t.Fatal("training began over a compartment with something in it")
	}
}

// A town decides which kinds of documents its terminal hands out. Orders of other
// kinds are refused and the city is told; what lies inside stays collectable.
func TestOnlyTheConfiguredKindsOfDocumentsAreTaken(t *testing.T) {
	s := newSite(t)
	permit := func(o *locker.OrderTerms) { o.Documents = []locker.DocumentKind{locker.ResidencePermit} }
	s.accept("INSIDE", 1, permit)
	s.accept("WAITING", 2, permit)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("INSIDE")
	s.finish()
	g := s.at(n).Generation
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})

	s.config.Documents = []locker.DocumentKind{locker.IdentityCard, locker.Passport}
	s.boot()
	from := len(s.events)
	s.accept("LATER", 3, permit)
	var reason string
	for _, e := range s.events[from:] {
		if f, ok := e.Fact.(locker.MessageRefused); ok && f.Order == "LATER" {
			reason = f.Reason
		}
	}
	if !strings.Contains(reason, "residence_permit") {
		t.Errorf("an order of another kind is refused with %q", reason)
	}
	s.signIn("c1", "c2")
	s.slip("WAITING")
	if sc := s.wantScreen(locker.ScreenRound); sc.Hint != locker.HintKind {
		t.Errorf("the slip of an earlier order: hint %q", sc.Hint)
	}
	s.finish()
	s.finger[g] = true
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}
