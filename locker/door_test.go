package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestAForcedDoorWakesSomebodyAndPutsTheDocumentInDoubt(t *testing.T) {
	s, n, g := loaded(t)
	s.door(n, true)
	s.wantAlarm(locker.AlarmForced, locker.Wake)
	s.wantAlarm(locker.AlarmCustody, locker.Wake)
	if o := has[locker.CompartmentOpened](s); o[len(o)-1].Commanded {
		t.Fatal("nobody released this door")
	}
	if c := s.at(n); c.Custody != locker.CustodyUnknown || c.Generation != g {
		t.Fatalf("compartment %+v, want custody unknown", c)
	}
}

func TestAForcedEmptyDoorIsQuarantined(t *testing.T) {
	s, _, _ := loaded(t)
	s.door(3, true)
	s.wantAlarm(locker.AlarmForced, locker.Wake)
	if s.alarm(locker.AlarmCustody) != "" || s.at(3).Use != "doubt" {
		t.Fatal("an empty compartment is doubted, and no document")
	}
}

func TestALockIsDrivenTwiceAndThenOutOfOrder(t *testing.T) {
	s, n, g := loaded(t)
	s.jammed[n] = true
	before := len(s.pulses)
	s.enter(g)
	s.wantScreen(locker.ScreenOpening)
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenOpening)
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenDefect)
	if got := len(s.pulses) - before; got != 2 {
		t.Fatalf("%d pulses, want 2", got)
	}
	s.wantAlarm(locker.AlarmFault, locker.Morning)
	if c := s.at(n); c.Fault != locker.FaultNotOpened || c.Custody != locker.CustodyCompartment {
		t.Fatalf("compartment %+v, want its document inside and the fault", c)
	}
	s.pass(time.Minute)
	s.enter(g)
	s.wantScreen(locker.ScreenDefect)
	s.pass(time.Minute)
	if got := len(s.pulses) - before; got != 2 {
		t.Fatal("a lock out of order was driven again")
	}
}

func TestALockThatFailsSaysSo(t *testing.T) {
	s, n, g := loaded(t)
	s.image = ""
	s.jammed[n] = true
	s.typeIn(code(int(g)))
	p := s.pulses[len(s.pulses)-1]
	again := held[locker.PulseLock](t, s.hold(locker.LockPulsed{Pulse: p.Pulse, Compartment: n, Err: "the coil draws no current"}))
	s.give(locker.LockPulsed{Pulse: p.Pulse, Compartment: n, Err: "late"}) // of the first pulse: stale
	s.wantScreen(locker.ScreenOpening)
	s.give(locker.LockPulsed{Pulse: again.Pulse, Compartment: n, Err: "the coil draws no current"})
	s.wantScreen(locker.ScreenDefect)
	if f := s.at(n).Fault; f != locker.FaultLock {
		t.Fatalf("fault %q, want the lock's", f)
	}
}

func TestADoorIsRemindedOfAndThenLeftToTheAlarm(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	if s.wantScreen(locker.ScreenTake).Reminder {
		t.Fatal("reminded at once")
	}
	s.pass(20 * time.Second)
	if !s.wantScreen(locker.ScreenTake).Reminder {
		t.Fatal("want a reminder after 20 s")
	}
	s.pass(40 * time.Second)
	s.wantScreen(locker.ScreenLeftOpen)
	s.wantAlarm(locker.AlarmLeftOpen, locker.Wake)
	if s.at(n).Custody != locker.CustodyUnknown {
		t.Fatal("behind an open door custody is unknown")
	}
}

func TestTheClosingOfADoorGivenUpAsksNobody(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenLeftOpen)
	s.door(n, false)
	s.wantScreen(locker.ScreenLeftOpen)
	s.pass(time.Minute)
	count[locker.DocumentTaken](s, 0)
}

func TestTheCodeAloneEndsNothingWhenAnOpenDoorCloses(t *testing.T) {
	s, n, g := loaded(t)
	s.door(n, true) // forced
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.door(n, false)
	s.wantScreen(locker.ScreenFinger)
	s.pass(time.Minute)
	count[locker.DocumentTaken](s, 0)
	if s.codes[g] == "" {
		t.Fatal("the slot should live")
	}
}

func TestAContactThatFailsDuringTheReleaseEndsTheVisit(t *testing.T) {
	s, n, g := loaded(t)
	s.jammed[n] = true
	s.enter(g)
	s.wantScreen(locker.ScreenOpening)
	s.give(locker.PartFailed{Part: "contact", Compartment: n, Detail: "no answer"})
	s.wantScreen(locker.ScreenDefect)
	if c := s.at(n); c.Custody != locker.CustodyUnknown || c.Fault != locker.FaultContact {
		t.Fatalf("compartment %+v: nobody knows whether the door opened", c)
	}
}

func TestAContactThatFailsDuringATaskEndsTheTask(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.jammed[1] = true
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenTaskOpens)
	s.give(locker.PartFailed{Part: "contact", Compartment: 1, Detail: "no answer"})
	s.wantScreen(locker.ScreenTaskDefect)
	s.choose(locker.ChoiceSkip)
	if sc := s.wantScreen(locker.ScreenRound); sc.Round.Tasks[0].Compartment == 1 {
		t.Fatal("a skipped compartment should not come again in this round")
	}
}

func TestAReopeningThatFailsPutsTheDocumentInDoubt(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.jammed[n] = true
	s.choose(locker.ChoiceAgain)
	s.pass(6 * time.Second)
	s.wantScreen(locker.ScreenDefect)
	if c := s.at(n); c.Custody != locker.CustodyUnknown {
		t.Fatalf("custody %q: the citizen had the door open before", c.Custody)
	}
}

func TestAnEmptyDoorLeftOpenIsForTheMorning(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	n := s.wantScreen(locker.ScreenClear).Compartment
	s.pass(3 * time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	s.wantAlarm(locker.AlarmEmptyOpen, locker.Morning)
	if s.alarm(locker.AlarmLeftOpen) != "" {
		t.Fatal("no document lies there")
	}
	s.door(n, false)
	s.wantAlarm(locker.AlarmEmptyOpen, "")
}

func TestNoPulseFollowsARoundThatHasEnded(t *testing.T) {
	s := newSite(t)
	s.config.Rules.RoundIdle = locker.Duration(time.Second)
	s.boot()
	s.signIn("c1", "c2")
	s.jammed[1] = true
	s.choose(locker.ChoiceNext)
	before := len(s.pulses)
	s.pass(10 * time.Second)
	count[locker.RoundInterrupted](s, 1)
	if len(s.pulses) != before {
		t.Fatal("the lock was driven again, and nobody stands there")
	}
	if s.at(1).Fault != locker.FaultNotOpened {
		t.Fatal("the defect should be recorded all the same")
	}
}

func TestABouncingContactMakesNoEvents(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	before := len(s.events)
	for range 5 {
		s.door(n, true)
	}
	if len(s.events) != before {
		t.Fatal("a level that is known is no news")
	}
	s.give(locker.DoorMoved{Compartment: 77, Open: true})
	if len(s.events) != before {
		t.Fatal("a door that was never built moved")
	}
}

func TestPartsRaiseOneAlarmUntilTheyHealOrTheStartTellsAnew(t *testing.T) {
	s := newSite(t)
	for range 3 {
		s.give(locker.PartFailed{Part: "scanner", Detail: "unplugged"})
	}
	count[locker.AlarmRaised](s, 1)
	s.wantAlarm(locker.AlarmPart, locker.Morning)
	s.give(locker.PartHealed{Part: "reader"})
	s.wantAlarm(locker.AlarmPart, locker.Morning)
	s.give(locker.PartHealed{Part: "scanner"})
	s.wantAlarm(locker.AlarmPart, "")
	s.give(locker.PartFailed{Part: "scanner", Detail: "unplugged"})
	s.boot()
	s.wantAlarm(locker.AlarmPart, "")
}
