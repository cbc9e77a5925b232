package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// adopted is a new board on a wall of which the record names two documents.
func adopted(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.term, s.events, s.boots = locker.New(), nil, 0
	s.config.Rules.KeysOffered = 4
	s.give(locker.Booted{Config: s.config, Software: "test", Doors: s.doors, Reader: true, Adopted: &locker.Adoption{
		Size: 4711, Root: "cm9vdA==", Generation: 41, Key: 77,
		Held: []locker.HeldDocument{{Compartment: 1, Order: "ORDER-A1"}, {Compartment: 2, Order: "ORDER-B2"}},
	}})
	s.give(locker.RosterReceived{Version: 3, Hash: "r", People: []locker.Member{{Person: "p1", Role: locker.Clerk}, {Person: "p2", Role: locker.Clerk}}})
	return s
}

// found answers the next compartment's question and closes its door.
func (s *site) found(c locker.Choice) locker.CompartmentID {
	s.t.Helper()
	s.choose(locker.ChoiceNext)
	n := s.wantScreen(locker.ScreenInspect).Compartment
	s.choose(c)
	s.door(n, false)
	return n
}

func TestANewBoardLooksIntoEveryCompartment(t *testing.T) {
	s := adopted(t)
	s.wantAlarm(locker.AlarmInventory, locker.Morning)
	if keys := has[locker.KeysOffered](s); len(keys) == 0 || keys[0].Keys[0].Key != 78 {
		t.Errorf("keys %+v, want them from 78 on", keys)
	}
	s.signIn("c1", "c2")
	tasks := s.wantScreen(locker.ScreenRound).Round.Tasks
	if len(tasks) != len(s.config.Compartments) || tasks[0].Kind != locker.TaskInspect || tasks[0].Order != "ORDER-A1" || tasks[2].Order != "" {
		t.Fatalf("tasks %+v", tasks)
	}
	s.found(locker.ChoiceRemoved) // as recorded
	s.found(locker.ChoiceNothing) // a document is missing
	s.wantAlarm(locker.AlarmMissing, locker.Wake)
	s.found(locker.ChoiceRemoved) // one that nobody knows
	s.wantAlarm(locker.AlarmUnexpected, locker.Morning)
	s.wantAlarm(locker.AlarmInventory, locker.Morning)
	for range len(s.config.Compartments) - 3 {
		s.found(locker.ChoiceNothing)
	}
	s.wantAlarm(locker.AlarmInventory, "")
	got := has[locker.CompartmentInspected](s)
	want := []locker.CompartmentInspected{
		{Compartment: 1, Order: "ORDER-A1", Found: true, Round: 1}, {Compartment: 2, Order: "ORDER-B2", Round: 1}, {Compartment: 3, Found: true, Round: 1},
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("inspection %d is %+v, want %+v", i, got[i], w)
		}
	}
	for _, c := range s.term.Status().Compartments {
		if c.Use != "empty" {
			t.Errorf("compartment %d is %s", c.Number, c.Use)
		}
	}
	s.finish()
	s.boot()
	count[locker.TerminalAdopted](s, 1)
}

func TestAnAdoptionIsTakenOnce(t *testing.T) {
	s := adopted(t)
	s.give(locker.Booted{Config: s.config, Software: "test", Doors: s.doors, Adopted: &locker.Adoption{Size: 1}})
	count[locker.TerminalAdopted](s, 1)
}

func TestNothingIsLoadedBeforeItsCompartmentWasSeen(t *testing.T) {
	s, n, g := loaded(t)
	s.order("ORDER-2", 2)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceInventory)
	if sc := s.wantScreen(locker.ScreenRound); len(sc.Round.Tasks) != len(s.config.Compartments) {
		t.Fatalf("%d tasks", len(sc.Round.Tasks))
	}
	s.give(locker.Scanned{Source: locker.SourceBarcode, Text: []byte("ORDER-2")})
	if sc := s.wantScreen(locker.ScreenRound); sc.Hint != locker.HintNoSpace {
		t.Fatalf("the hint is %s", sc.Hint)
	}
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.pass(10 * time.Second)
	s.enter(g) // the right code, while nobody has looked
	s.wantScreen(locker.ScreenDesk)
	s.pass(time.Minute)
	s.signIn("c1", "c2")
	for range s.config.Compartments {
		s.choose(locker.ChoiceNext)
		c := s.wantScreen(locker.ScreenInspect)
		if c.Compartment == n {
			s.choose(locker.ChoicePresent)
		} else {
			s.choose(locker.ChoiceNothing)
		}
		s.door(c.Compartment, false)
	}
	s.wantAlarm(locker.AlarmInventory, "")
	s.finish()
	s.collect(n, g)
	count[locker.DocumentTaken](s, 1)
}

func TestAnAnnouncedKeyIsNoAlarm(t *testing.T) {
	s, n, g := loaded(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceByKey)
	s.wantScreen(locker.ScreenKeyOpening)
	s.door(n, true)
	s.pass(2 * time.Minute) // longer than an alarm waits
	s.door(n, false)
	for _, kind := range []locker.AlarmKind{locker.AlarmForced, locker.AlarmCustody, locker.AlarmLeftOpen} {
		s.wantAlarm(kind, "")
	}
	if s.at(n).Custody != locker.CustodyUnknown {
		t.Errorf("custody is %s", s.at(n).Custody)
	}
	s.choose(locker.ChoiceBack)
	s.found(locker.ChoicePresent)
	s.finish()
	s.collect(n, g)
	count[locker.DocumentTaken](s, 1)
	count[locker.KeyOpeningEnded](s, 1)

	s.pass(time.Minute)
	s.door(n, true) // nobody announced this one
	s.wantAlarm(locker.AlarmForced, locker.Wake)
}

func TestAKeyForgetsNothingOfWhatTheRecordNames(t *testing.T) {
	s := adopted(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceByKey) // the new board's lock does not move
	s.door(1, true)
	s.door(1, false)
	s.choose(locker.ChoiceBack)
	s.found(locker.ChoiceNothing)
	s.wantAlarm(locker.AlarmMissing, locker.Wake)
	if got := has[locker.CompartmentInspected](s); len(got) != 1 || got[0].Order != "ORDER-A1" {
		t.Errorf("inspected %+v", got)
	}
}

func TestAnAnnouncementEndsWithItsRound(t *testing.T) {
	s, n, _ := loaded(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceByKey)
	s.pass(10 * time.Minute)
	s.door(n, true)
	s.wantAlarm(locker.AlarmForced, locker.Wake)
}

func TestAnAnnouncementDoesNotOutliveARestart(t *testing.T) {
	s, n, _ := loaded(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceByKey)
	s.boot()
	s.door(n, true)
	s.wantAlarm(locker.AlarmForced, locker.Wake)
}

func TestAnInventoryEndsWithoutACompartmentThatIsGone(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.clear()
	s.choose(locker.ChoiceInventory)
	s.pass(time.Hour)
	s.config.Compartments = s.config.Compartments[:5]
	s.boot()
	s.signIn("c1", "c2")
	for len(s.wantScreen(locker.ScreenRound).Round.Tasks) > 0 {
		s.choose(locker.ChoiceNext)
		n := s.wantScreen(locker.ScreenInspect).Compartment
		s.choose(locker.ChoiceNothing)
		s.door(n, false)
	}
	s.wantAlarm(locker.AlarmInventory, "")
}
