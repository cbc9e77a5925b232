package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// unanswered is a site whose citizen closed the door and gave no answer.
func unanswered(t *testing.T) (*site, locker.CompartmentID, locker.Generation) {
	t.Helper()
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.wantScreen(locker.ScreenQuestion)
	s.pass(s.question())
	s.wantScreen(locker.ScreenUnconfirmed)
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	return s, n, g
}

func (s *site) question() time.Duration {
	return time.Duration(s.config.Rules.Question) + time.Millisecond
}

func TestSilenceIsNoYes(t *testing.T) {
	s, n, g := unanswered(t)
	count[locker.DocumentTaken](s, 0)
	count[locker.DocumentUnconfirmed](s, 1)
	if s.codes[g] == "" {
		t.Fatal("the slot was erased")
	}
	s.wantAlarm(locker.AlarmUnconfirmed, locker.Morning)
	if c := s.at(n); c.Deposit != "unconfirmed" || c.Custody != locker.CustodyUnknown || c.Unconfirmed.IsZero() || c.Incident == "" {
		t.Fatalf("the status says %+v", c)
	}
}

func TestWhoDidNotAnswerOpensTheSameDoorAgain(t *testing.T) {
	s, n, g := unanswered(t)
	s.pass(23 * time.Hour)
	s.enter(g)
	if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
		t.Fatalf("opened %d, want %d", sc.Compartment, n)
	}
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
	if d := has[locker.DocumentTaken](s); len(d) != 1 || !d[0].Confirmed {
		t.Fatalf("taken: %+v", d)
	}
	s.wantAlarm(locker.AlarmUnconfirmed, "")
	if s.codes[g] != "" {
		t.Fatal("the slot lives after the yes")
	}
}

func TestAnUnansweredHandoverEndsAfterItsTime(t *testing.T) {
	s, n, g := unanswered(t)
	s.pass(22 * time.Hour)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.pass(2 * time.Minute) // again without an answer: the time begins again
	count[locker.DocumentUnconfirmed](s, 2)
	s.pass(23 * time.Hour)
	count[locker.DocumentTaken](s, 0)
	s.boot()
	s.pass(2 * time.Hour)
	if d := has[locker.DocumentTaken](s); len(d) != 1 || d[0].Confirmed {
		t.Fatalf("taken: %+v, want once and not confirmed", d)
	}
	if c := s.at(n); c.Use != "vacated" || c.Generation != 0 {
		t.Fatalf("compartment %+v, want it vacated, not empty", c)
	}
	if s.codes[g] != "" {
		t.Fatal("the slot should be gone")
	}
	s.wantAlarm(locker.AlarmUnconfirmed, locker.Morning) // until two clerks have looked
	s.signIn("c1", "c2")
	s.clear()
	s.wantAlarm(locker.AlarmUnconfirmed, "")
}

func TestAnUnansweredHandoverDoesNotEndWhileNobodyCanComeBack(t *testing.T) {
	s, _, _ := unanswered(t)
	s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	s.pass(3 * 24 * time.Hour)
	count[locker.DocumentTaken](s, 0)
}

func TestClerksSettleAnUnansweredHandover(t *testing.T) {
	look := func(t *testing.T, found locker.Choice) (*site, locker.CompartmentID, locker.Generation) {
		s, n, g := unanswered(t)
		s.signIn("c1", "c2")
		s.choose(locker.ChoiceNext)
		if sc := s.wantScreen(locker.ScreenInspect); sc.Compartment != n {
			t.Fatalf("inspects %d", sc.Compartment)
		}
		s.choose(found)
		s.door(n, false)
		s.wantAlarm(locker.AlarmUnconfirmed, "")
		s.finish()
		return s, n, g
	}
	t.Run("it lies there and stays", func(t *testing.T) {
		s, n, g := look(t, locker.ChoicePresent)
		if c := s.at(n); c.Deposit != "loaded" {
			t.Fatalf("compartment %+v", c)
		}
		s.pass(48 * time.Hour)
		s.enter(g)
		s.wantScreen(locker.ScreenTake)
	})
	t.Run("it is taken out", func(t *testing.T) {
		s, _, g := look(t, locker.ChoiceRemoved)
		count[locker.DocumentUnloaded](s, 1)
		if s.codes[g] != "" {
			t.Fatal("the slot lives")
		}
	})
	t.Run("it is gone, as expected, and nobody is woken", func(t *testing.T) {
		s, n, _ := look(t, locker.ChoiceNothing)
		if d := has[locker.DocumentTaken](s); len(d) != 1 || d[0].Confirmed || d[0].Round == 0 {
			t.Fatalf("taken: %+v", d)
		}
		s.wantAlarm(locker.AlarmMissing, "")
		if s.at(n).Use != "empty" {
			t.Fatal("two clerks saw it empty")
		}
	})
}

func TestARoundThatBreaksOffAtAnUnansweredHandoverLeavesDoubt(t *testing.T) {
	s, n, _ := unanswered(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.door(n, false)
	s.pass(10 * time.Minute)
	if c := s.at(n); c.Deposit != "doubted" {
		t.Fatalf("compartment %+v: the clerks had it open and said nothing", c)
	}
}

func TestALockThatFailsLeavesAnUnansweredHandoverUnanswered(t *testing.T) {
	s, n, g := unanswered(t)
	s.jammed[n] = true
	s.enter(g)
	s.pass(time.Minute)
	if c := s.at(n); c.Deposit != "unconfirmed" {
		t.Fatalf("compartment %+v", c)
	}
}

func TestNotMineOpensTheDoorToPutTheDocumentBack(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	pulses := len(s.pulses)
	s.choose(locker.ChoiceNotMine)
	sc := s.wantScreen(locker.ScreenPutBack)
	if sc.Compartment != n || sc.Order != "" || len(s.pulses) != pulses+1 {
		t.Fatalf("screen %+v, %d pulses", sc, len(s.pulses)-pulses)
	}
	if r := has[locker.CompartmentReleased](s); r[len(r)-1].Purpose != locker.ForReturn || r[len(r)-1].Attempt == 0 {
		t.Fatalf("released %+v", r[len(r)-1])
	}
	s.door(n, false)
	if sc := s.wantScreen(locker.ScreenDisputed); sc.Incident == "" {
		t.Fatal("want an incident to name at the desk")
	}
	s.wantAlarm(locker.AlarmDisputed, locker.Wake)
	if d := has[locker.DocumentDisputed](s); len(d) != 1 || d[0].Reason != locker.DisputedNotMine {
		t.Fatalf("disputed %+v", d)
	}
	s.settleDispute(n, g)
}

func TestEmptyIsQuarantineAndWakesSomebody(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	pulses := len(s.pulses)
	s.choose(locker.ChoiceEmpty)
	if sc := s.wantScreen(locker.ScreenFoundEmpty); sc.Incident == "" || len(s.pulses) != pulses {
		t.Fatalf("screen %+v, %d pulses", sc, len(s.pulses)-pulses)
	}
	s.wantAlarm(locker.AlarmDisputed, locker.Wake)
	if d := has[locker.DocumentDisputed](s); len(d) != 1 || d[0].Reason != locker.DisputedEmpty {
		t.Fatalf("disputed %+v", d)
	}
	s.settleDispute(n, g)
}

// settleDispute sees that a disputed compartment opens for two clerks alone.
func (s *site) settleDispute(n locker.CompartmentID, g locker.Generation) {
	s.t.Helper()
	if c := s.at(n); c.Use != "doubt" || c.Custody != locker.CustodyUnknown {
		s.t.Fatalf("compartment %+v, want it in quarantine", c)
	}
	s.pass(time.Minute)
	s.enter(g)
	s.wantScreen(locker.ScreenDesk)
	s.pass(time.Minute)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	count[locker.DocumentUnloaded](s, 1)
	count[locker.SlotErased](s, 1)
	s.wantAlarm(locker.AlarmDisputed, "")
	if s.at(n).Use != "empty" {
		s.t.Fatal("two clerks saw it empty")
	}
}

func TestAStrangersDocumentIsNotAskedBackByADoorThatMustStayClosed(t *testing.T) {
	for name, c := range map[string]struct {
		before func(s *site, n locker.CompartmentID)
		ends   locker.ScreenName
	}{
		"after a restart": {func(s *site, _ locker.CompartmentID) { s.boot() }, locker.ScreenDisputed},
		"disabled": {func(s *site, n locker.CompartmentID) {
			s.command(locker.Command{Kind: locker.CommandDisable, Compartment: n}, "a1")
		}, locker.ScreenDisputed},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, g := loaded(t)
			s.enter(g)
			s.door(n, false)
			c.before(s, n)
			pulses := len(s.pulses)
			s.choose(locker.ChoiceNotMine)
			s.wantScreen(c.ends)
			if len(s.pulses) != pulses {
				t.Fatal("the door opened")
			}
			s.wantAlarm(locker.AlarmDisputed, locker.Wake)
		})
	}
}

func TestADisputeStandsWhateverBecomesOfTheDoor(t *testing.T) {
	for name, then := range map[string]func(s *site, n locker.CompartmentID){
		"left open":          func(s *site, _ locker.CompartmentID) { s.pass(5 * time.Minute) },
		"a restart":          func(s *site, _ locker.CompartmentID) { s.boot() },
		"closed in the dark": func(s *site, n locker.CompartmentID) { s.doors[n] = false; s.boot() },
		"forced later": func(s *site, n locker.CompartmentID) {
			s.door(n, false)
			s.pass(time.Minute)
			s.door(n, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, g := loaded(t)
			s.enter(g)
			s.door(n, false)
			s.choose(locker.ChoiceNotMine)
			then(s, n)
			s.pass(2 * time.Minute)
			s.doors[n] = false
			s.door(n, false)
			s.pass(time.Minute)
			if c := s.at(n); c.Deposit != "disputed" || c.Use != "doubt" {
				t.Fatalf("compartment %+v", c)
			}
			s.enter(g)
			s.wantScreen(locker.ScreenDesk)
			s.wantAlarm(locker.AlarmDisputed, locker.Wake)
		})
	}
}

func TestALockThatFailsToOpenForAStrangersDocumentSendsToTheDesk(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.jammed[n] = true
	s.choose(locker.ChoiceNotMine)
	s.pass(7 * time.Second)
	s.wantScreen(locker.ScreenDisputed)
}

// numbers are the incident numbers of the alarms and of what is known of the deposit.
func (s *site) numbers() (list []string) {
	add := func(n string) {
		if n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	for _, e := range s.events {
		switch f := e.Fact.(type) {
		case locker.AlarmRaised:
			add(f.Incident)
		case locker.DocumentUnconfirmed:
			add(f.Incident)
		case locker.DocumentDisputed:
			add(f.Incident)
		case locker.CustodyDoubted:
			add(f.Incident)
		case locker.DocumentTaken:
			add(f.Incident)
		case locker.DocumentUnloaded:
			add(f.Incident)
		case locker.DocumentMissing:
			add(f.Incident)
		case locker.CompartmentCleared:
			add(f.Incident)
		case locker.AlarmCleared:
			add(f.Incident)
		}
	}
	return list
}

func TestOneMatterHasOneIncidentNumber(t *testing.T) {
	t.Run("a dispute, looked at twice", func(t *testing.T) {
		s, n, g := loaded(t)
		s.enter(g)
		s.door(n, false)
		s.choose(locker.ChoiceEmpty)
		number := s.wantScreen(locker.ScreenFoundEmpty).Incident
		s.pass(time.Minute)
		s.enter(g)
		if again := s.wantScreen(locker.ScreenDesk).Incident; again != number {
			t.Fatalf("the same matter is %s, and at the second look %s", number, again)
		}
		s.boot()
		s.enter(g)
		if again := s.wantScreen(locker.ScreenDesk).Incident; again != number {
			t.Fatalf("the same matter is %s, and after a restart %s", number, again)
		}
		s.pass(time.Minute)
		s.signIn("c1", "c2")
		s.choose(locker.ChoiceNext)
		s.choose(locker.ChoiceNothing)
		s.door(n, false)
		s.wantAlarm(locker.AlarmMissing, locker.Wake)
		if got := s.numbers(); !slices.Equal(got, []string{number}) {
			t.Fatalf("numbers %v, want %s alone", got, number)
		}
	})
	t.Run("an unanswered question, until the yes", func(t *testing.T) {
		s, n, g := unanswered(t)
		number := s.at(n).Incident
		s.enter(g)
		s.door(n, false)
		s.choose(locker.ChoiceYes)
		if got := s.numbers(); !slices.Equal(got, []string{number}) {
			t.Fatalf("numbers %v, want %s alone", got, number)
		}
		if p := has[locker.CodeProved](s); p[len(p)-1].Incident != number {
			t.Fatalf("the second visit is proved under %q, want %s", p[len(p)-1].Incident, number)
		}
	})
	t.Run("a forced door without a visit", func(t *testing.T) {
		s, n, g := loaded(t)
		s.door(n, true)
		number := s.at(n).Incident
		s.door(n, false)
		s.give(locker.PartFailed{Part: locker.PartLock, Compartment: n, Detail: "no current"})
		s.enter(g)
		if got := s.wantScreen(locker.ScreenDefect).Incident; got != number {
			t.Fatalf("the kiosk prints %s, the alarm has %s", got, number)
		}
		if got := s.numbers(); !slices.Equal(got, []string{number}) || number == "" {
			t.Fatalf("numbers %v, want %q alone", got, number)
		}
		if o := has[locker.CompartmentOpened](s); o[len(o)-1].Incident != number {
			t.Fatalf("the opening has %q", o[len(o)-1].Incident)
		}
	})
	t.Run("two doors are two matters", func(t *testing.T) {
		s, n, _ := loaded(t)
		s.door(n, true)
		s.door(6, true)
		if a, b := s.at(n).Incident, s.at(6).Incident; a == b || a == "" || b == "" {
			t.Fatalf("%q and %q", a, b)
		}
	})
	t.Run("a matter that is over gives its number to no other", func(t *testing.T) {
		s, _, _ := loaded(t)
		s.door(6, true)
		first := s.at(6).Incident
		s.door(6, false)
		s.signIn("c1", "c2")
		s.workOff()
		if got := s.at(6).Incident; got != "" {
			t.Fatalf("two clerks have looked, and %s is open", got)
		}
		s.finish()
		s.door(6, true)
		if got := s.at(6).Incident; got == first || got == "" {
			t.Fatalf("the second matter is %q, the first was %q", got, first)
		}
	})
	t.Run("a refusal tells nothing of the deposit", func(t *testing.T) {
		s, n, g := unanswered(t)
		s.typeIn(wrongCode(int(g)))
		s.pass(2 * time.Second)
		if got := s.wantScreen(locker.ScreenRefused).Incident; got == s.at(n).Incident {
			t.Fatalf("a wrong code is answered with the deposit's number %s", got)
		}
	})
}

// workOff does what the round asks for, and finds nothing anywhere.
func (s *site) workOff() {
	s.t.Helper()
	for len(s.wantScreen(locker.ScreenRound).Round.Tasks) > 0 {
		s.choose(locker.ChoiceNext)
		sc := s.term.Screen()
		if !slices.Contains(sc.Choices, locker.ChoiceEmpty) {
			s.t.Fatalf("screen %s offers %v", sc.Name, sc.Choices)
		}
		s.choose(locker.ChoiceEmpty)
		s.door(sc.Compartment, false)
	}
}
