package locker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestStatusSaysWhatLiesWhere(t *testing.T) {
	s, n, g := loaded(t)
	st := s.term.Status()
	if st.Terminal != "rathaus" || st.Boot != 1 || !st.Open || st.Busy || st.Waiting != 0 || st.Roster != 1 || st.Software != "test" || st.Quality != locker.TimeClock {
		t.Fatalf("status %+v", st)
	}
	if st.Keys != len(s.term.UnusedKeys()) || len(st.Compartments) != 6 || len(st.Alarms) != 0 {
		t.Fatalf("status %+v", st)
	}
	c := s.at(n)
	if c.Use != "occupied" || c.Deposit != "loaded" || c.Generation != g || c.Order != "ORDER-1" || c.Custody != locker.CustodyCompartment || c.Loaded.IsZero() || c.Posted.IsZero() {
		t.Fatalf("compartment %+v", c)
	}
	s.enter(g)
	if st := s.term.Status(); !st.Busy || s.at(n).Custody != locker.CustodyCitizen || !s.at(n).Open {
		t.Fatalf("with the door open: %+v", s.at(n))
	}
}

func TestNoCodeLeavesTheSession(t *testing.T) {
	s, n, g := loaded(t)
	s.wrong(g)
	s.enter(g)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	snapshot, err := s.term.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	seen := string(snapshot)
	for _, v := range []any{s.term.Screen(), s.term.Status(), s.events} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		seen += string(data)
	}
	for _, secret := range []string{code(int(g)), wrongCode(int(g)), code(int(g))[4:11], "471108"} {
		if strings.Contains(seen, secret) {
			t.Fatalf("%s is in the ledger, the events, the status or the screen", secret)
		}
	}
}

func TestEveryDoorIsComparedWithItsLevelAtTheStart(t *testing.T) {
	t.Run("an empty one found open", func(t *testing.T) {
		s := newSite(t)
		s.doors[2] = true
		s.boot()
		s.wantAlarm(locker.AlarmForced, locker.Wake)
		if !s.at(2).Open || s.at(2).Use != "doubt" {
			t.Fatalf("compartment %+v", s.at(2))
		}
	})
	t.Run("an occupied one found open", func(t *testing.T) {
		s, n, _ := loaded(t)
		s.doors[n] = true
		s.boot()
		s.wantAlarm(locker.AlarmForced, locker.Wake)
		if s.at(n).Custody != locker.CustodyUnknown {
			t.Fatalf("compartment %+v", s.at(n))
		}
		s.pass(2 * time.Minute)
		s.wantAlarm(locker.AlarmLeftOpen, locker.Wake)
	})
	t.Run("one that closed without power", func(t *testing.T) {
		s, n, g := loaded(t)
		s.enter(g)
		s.doors[n] = false
		s.boot()
		s.wantScreen(locker.ScreenQuestion)
		s.choose(locker.ChoiceYes)
		count[locker.DocumentTaken](s, 1)
	})
	t.Run("one whose contact does not answer, and answers later", func(t *testing.T) {
		s, n, _ := loaded(t)
		delete(s.doors, n)
		s.boot()
		if s.at(n).Fault != locker.FaultContact {
			t.Fatalf("compartment %+v", s.at(n))
		}
		s.doors[n] = false
		s.boot()
		if s.at(n).Fault != "" {
			t.Fatalf("compartment %+v", s.at(n))
		}
	})
	t.Run("one that clerks had open", func(t *testing.T) {
		s, n, _ := loaded(t)
		s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
		s.signIn("c1", "c2")
		s.choose(locker.ChoiceNext)
		s.wantScreen(locker.ScreenUnload)
		s.boot()
		s.wantAlarm(locker.AlarmCustody, locker.Wake)
		if s.at(n).Custody != locker.CustodyUnknown {
			t.Fatalf("compartment %+v", s.at(n))
		}
	})
	t.Run("one whose deposit ended and whose door stands open", func(t *testing.T) {
		s := newSite(t)
		s.signIn("c1", "c2")
		s.choose(locker.ChoiceNext)
		s.boot()
		s.pass(2 * time.Minute)
		s.wantAlarm(locker.AlarmEmptyOpen, locker.Morning)
		s.door(1, false)
		s.wantAlarm(locker.AlarmEmptyOpen, "")
	})
}
