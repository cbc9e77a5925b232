package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestTheSmallestCompartmentThatFitsIsGiven(t *testing.T) {
	// Sizes 1 1 2 2 3 3; compartments 2 and 4 are low.
	for _, c := range []struct {
		size locker.Size
		low  bool
		want locker.CompartmentID
	}{
		{locker.Small, false, 1}, {locker.Medium, false, 3}, {locker.Large, false, 5},
		{locker.Small, true, 2}, {locker.Medium, true, 4},
	} {
		s := newSite(t)
		s.accept("ORDER-1", 1, func(o *locker.OrderTerms) { o.Size, o.LowReach = c.size, c.low })
		s.signIn("c1", "c2")
		s.clear()
		if n := s.load("ORDER-1"); n != c.want {
			t.Errorf("size %d, low %v: compartment %d, want %d", c.size, c.low, n, c.want)
		}
	}
}

func TestReachIsAHardConstraintAndLowOnesAreKeptToTheLast(t *testing.T) {
	s := newSite(t)
	low := func(o *locker.OrderTerms) { o.LowReach = true }
	s.accept("LOW-0001", 1, func(o *locker.OrderTerms) { low(o); o.Size = locker.Large })
	for i, id := range []locker.OrderID{"ORDER-1", "ORDER-2", "ORDER-3", "ORDER-4", "ORDER-5", "ORDER-6", "ORDER-7"} {
		s.order(id, locker.KeyID(i+2))
	}
	s.signIn("c1", "c2")
	s.clear()
	s.slip("LOW-0001")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintNoFit {
		t.Fatalf("hint %q: no low compartment is large", h)
	}
	want := []locker.CompartmentID{1, 3, 5, 6, 2, 4}
	for i, n := range want {
		if got := s.load(locker.OrderID("ORDER-" + string(rune('1'+i)))); got != n {
			t.Fatalf("document %d went into %d, want %d", i+1, got, n)
		}
	}
	s.slip("ORDER-7")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintNoSpace {
		t.Fatalf("hint %q: all are full", h)
	}
}

func TestSlipsThatFindNothingToLoad(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("NO-SUCH-ORDER")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintUnknownSlip {
		t.Fatalf("hint %q", h)
	}
	s.load("ORDER-1")
	s.slip("ORDER-1")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintLoaded {
		t.Fatalf("hint %q", h)
	}
}

func TestUnloadingComesFirstThenInspectionThenClearing(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.order("ORDER-2", 2)
	s.signIn("c1", "c2")
	for range 4 { // 5 and 6 stay unseen
		s.choose(locker.ChoiceNext)
		n := s.wantScreen(locker.ScreenClear).Compartment
		s.choose(locker.ChoiceEmpty)
		s.door(n, false)
	}
	first, second := s.load("ORDER-1"), s.load("ORDER-2")
	s.finish()
	s.give(locker.WithdrawalReceived{Order: "ORDER-2", Desk: "d1"})
	s.door(first, true)
	s.door(first, false)
	s.signIn("c1", "c2")
	tasks := s.wantScreen(locker.ScreenRound).Round.Tasks
	want := []locker.Task{
		{Kind: locker.TaskUnload, Compartment: second, Order: "ORDER-2"},
		{Kind: locker.TaskInspect, Compartment: first, Order: "ORDER-1"},
		{Kind: locker.TaskClear, Compartment: 5}, {Kind: locker.TaskClear, Compartment: 6},
	}
	if len(tasks) != len(want) {
		t.Fatalf("tasks %v, want %v", tasks, want)
	}
	for i := range want {
		if tasks[i] != want[i] {
			t.Fatalf("task %d is %+v, want %+v", i, tasks[i], want[i])
		}
	}
}

func TestNothingIsCollectableBeforeBothConfirm(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.choose(locker.ChoiceFinish)
	for _, card := range []string{"c1", "c1b", "c1"} { // one person, whatever the card
		s.badge(card)
		s.wantScreen(locker.ScreenConfirm)
	}
	s.badge("c3")
	if h := s.wantScreen(locker.ScreenConfirm).Hint; h != locker.HintOtherClerk {
		t.Fatalf("hint %q for a third person's card", h)
	}
	count[locker.DepositLoaded](s, 0)
	if len(s.term.Letters()) != 0 {
		t.Fatal("a letter was released before both confirmed")
	}
	s.badge("c2")
	s.wantScreen(locker.ScreenRoundDone)
	if l := s.term.Letters(); len(l) != 1 || l[0] != s.at(n).Generation {
		t.Fatalf("letters %v", l)
	}
	count[locker.OrderErased](s, 1)
}

func TestAnInterruptedRoundLeavesWhatWasLaidToTheNextClerks(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.pass(4 * time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	s.wantAlarm(locker.AlarmRoundBroken, locker.Morning)
	g := s.at(n).Generation
	s.enter(g)
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	s.pass(time.Minute)
	s.signIn("c1", "c3")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	s.choose(locker.ChoicePresent)
	s.door(n, false)
	s.choose(locker.ChoiceFinish)
	s.badge("c3")
	s.badge("c1")
	s.wantScreen(locker.ScreenRoundDone)
	count[locker.DepositLoaded](s, 1)
	s.wantAlarm(locker.AlarmRoundBroken, "")
}

func TestARestartInEachPhaseOfLoading(t *testing.T) {
	for name, stop := range map[string]func(*site){
		"while the vault prepares": func(s *site) {
			s.hold(locker.Scanned{Source: locker.SourceBarcode, Text: []byte("ORDER-1")})
		},
		"with the lock driven": func(s *site) { s.jammed[1] = true; s.slip("ORDER-1"); s.jammed[1] = false },
		"with the door open":   func(s *site) { s.slip("ORDER-1") },
		"with the document laid": func(s *site) {
			s.slip("ORDER-1")
			s.door(1, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.order("ORDER-1", 1)
			s.signIn("c1", "c2")
			s.clear()
			stop(s)
			pulses := len(s.pulses)
			s.boot()
			if len(s.pulses) != pulses {
				t.Fatal("the start drove a lock")
			}
			count[locker.RoundInterrupted](s, 1)
			count[locker.DepositLoaded](s, 0)
			if s.doors[1] {
				s.door(1, false)
			}
			s.signIn("c2", "c3")
			if s.wantScreen(locker.ScreenRound); len(s.term.Screen().Round.Tasks) > 0 {
				s.choose(locker.ChoiceNext)
				s.wantScreen(locker.ScreenInspect)
				s.choose(locker.ChoiceRemoved)
				s.door(1, false)
			}
			count[locker.DepositAbandoned](s, 1)
			s.load("ORDER-1") // the order is open again
			s.choose(locker.ChoiceFinish)
			s.badge("c2")
			s.badge("c3")
			count[locker.DepositLoaded](s, 1)
		})
	}
}

func TestWhatComesIntoDoubtInARoundIsNotConfirmedWithIt(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.door(n, true) // forced
	s.door(n, false)
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.wantScreen(locker.ScreenRoundDone)
	count[locker.DepositLoaded](s, 0)
	if s.at(n).Custody != locker.CustodyUnknown {
		t.Fatal("nobody has looked since the door was forced")
	}
}

func TestAnInspectionCutShortPutsTheDocumentInDoubt(t *testing.T) {
	s, n, g := loaded(t)
	s.jammed[n] = true
	s.enter(g)
	s.pass(time.Minute)
	s.jammed[n] = false
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	s.door(n, false)
	s.boot() // before the clerks said what they did
	if s.at(n).Custody != locker.CustodyUnknown {
		t.Fatalf("custody %q, and perhaps the clerks have the document", s.at(n).Custody)
	}
}

func TestAnInspectionThatFindsTheDocumentKeepsItCollectable(t *testing.T) {
	s, n, g := loaded(t)
	s.jammed[n] = true
	s.enter(g)
	s.pass(time.Minute)
	s.jammed[n] = false
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.choose(locker.ChoicePresent)
	s.door(n, false)
	s.finish()
	s.wantAlarm(locker.AlarmFault, "")
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}

func TestADocumentThatTwoClerksMissWakesSomebody(t *testing.T) {
	s, n, g := loaded(t)
	s.door(n, true)
	s.door(n, false)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	s.choose(locker.ChoiceNothing)
	s.door(n, false)
	if m := has[locker.DocumentMissing](s); len(m) != 1 || m[0].Generation != g {
		t.Fatalf("missing %v", m)
	}
	s.wantAlarm(locker.AlarmMissing, locker.Wake)
	count[locker.SlotErased](s, 1)
}

func TestACompartmentThatIsNotEmptyIsQuarantined(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.choose(locker.ChoiceNotEmpty)
	s.door(1, false)
	s.clear()
	if n := s.load("ORDER-1"); n == 1 {
		t.Fatal("a compartment that is not empty was given")
	}
	if s.at(1).Use != "doubt" {
		t.Fatal("want it in quarantine")
	}
}

func TestADocumentThatDoesNotGoInStaysWithTheClerks(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	s.choose(locker.ChoiceNotLaid)
	s.door(1, false)
	count[locker.DocumentLaid](s, 0)
	count[locker.SlotErased](s, 1)
	if s.at(1).Use != "vacated" {
		t.Fatal("two clerks confirm it empty before it is given again")
	}
	if s.term.Status().Waiting != 1 {
		t.Fatal("the order should wait on")
	}
}

func TestAVaultThatDoesNotPrepareOpensNoDoor(t *testing.T) {
	for name, answer := range map[string]func(*site, locker.PrepareDeposit){
		"an error": func(s *site, p locker.PrepareDeposit) {
			s.give(locker.DepositReady{Generation: p.Generation, Err: "disk full"})
		},
		"no answer": func(s *site, _ locker.PrepareDeposit) { s.pass(31 * time.Second) },
		"withdrawn": func(s *site, p locker.PrepareDeposit) {
			s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
			s.give(locker.DepositReady{Generation: p.Generation, Hash: "h"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.order("ORDER-1", 1)
			s.signIn("c1", "c2")
			s.clear()
			pulses := len(s.pulses)
			p := held[locker.PrepareDeposit](t, s.hold(locker.Scanned{Source: locker.SourceBarcode, Text: []byte("ORDER-1")}))
			s.wantScreen(locker.ScreenPreparing)
			answer(s, p)
			s.wantScreen(locker.ScreenRound)
			count[locker.DepositAbandoned](s, 1)
			s.give(locker.DepositReady{Generation: p.Generation, Hash: "late"})
			if len(s.pulses) != pulses || s.at(1).Use != "empty" {
				t.Fatalf("%d pulses, compartment %+v", len(s.pulses)-pulses, s.at(1))
			}
		})
	}
}

func TestADocumentLaidInADoorThatDoesNotOpenIsTriedElsewhere(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.jammed[1] = true
	s.slip("ORDER-1")
	s.pass(7 * time.Second)
	s.wantScreen(locker.ScreenRound)
	if n := s.load("ORDER-1"); n == 1 {
		t.Fatal("the compartment that does not open was given again")
	}
}

func TestClerksWhoTakeTheirTimeLeaveNoAlarmBehind(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	s.pass(2 * time.Minute)
	s.choose(locker.ChoiceMoreTime)
	s.pass(2 * time.Minute)
	s.wantAlarm(locker.AlarmLeftOpen, "")
	s.choose(locker.ChoiceNotLaid) // and then the door stays open
	s.pass(2 * time.Minute)
	s.wantAlarm(locker.AlarmLeftOpen, locker.Wake)
	s.door(1, false)
	s.wantScreen(locker.ScreenRound)
	s.wantAlarm(locker.AlarmLeftOpen, "")
}

func TestASlipScannedTooSoonOpensNothing(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.order("ORDER-2", 2)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	n := s.wantScreen(locker.ScreenLay).Compartment
	pulses := len(s.pulses)
	s.slip("ORDER-2")
	if h := s.wantScreen(locker.ScreenLay).Hint; h != locker.HintDoorFirst {
		t.Errorf("with the door open the hint is %q", h)
	}
	s.door(n, false)
	if h := s.wantScreen(locker.ScreenRound).Hint; h != "" {
		t.Errorf("with the door closed the hint is still %q", h)
	}
	s.choose(locker.ChoiceFinish)
	s.slip("ORDER-2")
	if h := s.wantScreen(locker.ScreenConfirm).Hint; h != locker.HintAnswerFirst {
		t.Errorf("while confirming the hint is %q", h)
	}
	if len(s.pulses) != pulses {
		t.Error("a door was opened")
	}
}

func TestTheNextClerksAreToldOfARoundThatWasNotFinished(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.load("ORDER-1")
	s.pass(time.Hour)
	s.wantScreen(locker.ScreenWelcome)
	s.signIn("c2", "c3")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintRoundBroken {
		t.Errorf("the hint is %q", h)
	}
}

func TestADocumentGoneBeforeItWasConfirmedIsMissed(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.door(n, true) // forced
	s.door(n, false)
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	s.choose(locker.ChoiceNothing)
	s.door(n, false)
	count[locker.DocumentMissing](s, 1)
	s.wantAlarm(locker.AlarmMissing, locker.Wake)
}

func TestAnInspectionOfAnUnconfirmedDocumentCutShortDoubtsIt(t *testing.T) {
	for name, cut := range map[string]func(*site){
		"nobody went on": func(s *site) { s.pass(4 * time.Minute) },
		"restart":        (*site).boot,
	} {
		s, n := unconfirmed(t)
		s.choose(locker.ChoiceNext)
		s.wantScreen(locker.ScreenInspect)
		s.door(n, false)
		cut(s)
		s.wantScreen(locker.ScreenWelcome)
		if c := s.at(n).Custody; c != locker.CustodyUnknown {
			t.Errorf("%s: custody %q, and perhaps the clerks have the document", name, c)
		}
	}
}

func TestAnUnconfirmedDocumentBehindADoorThatDoesNotOpenStaysUnconfirmed(t *testing.T) {
	s, n := unconfirmed(t)
	s.jammed[n] = true
	s.choose(locker.ChoiceNext)
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenTaskDefect)
	s.choose(locker.ChoiceSkip)
	s.finish()
	count[locker.DepositLoaded](s, 0)
	if c := s.at(n); c.Deposit != "laid" || c.Custody != locker.CustodyCompartment {
		t.Fatalf("deposit %s, custody %s: nobody opened it", c.Deposit, c.Custody)
	}
}

// unconfirmed is a round of two clerks after one that was broken off: it laid a
// document in, and never confirmed it.
func unconfirmed(t *testing.T) (*site, locker.CompartmentID) {
	t.Helper()
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.pass(4 * time.Minute)
	s.signIn("c1", "c2")
	return s, n
}
