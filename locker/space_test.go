package locker_test

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

const mebi = 1 << 20

// disk tells the terminal of an 8-GiB disk with so many MiB free, and as many
// of room in the store.
func (s *site) disk(free, room int64) {
	s.give(locker.SpaceTold{Folder: "/var/lib/nachtfach", Free: free * mebi, Size: 8 << 30, Room: room * mebi})
}

// spaceAlarm is the standing one; empty if there is none.
func (s *site) spaceAlarm() string {
	for _, a := range s.term.Status().Alarms {
		if a.Kind == locker.AlarmSpace {
			return a.Detail
		}
	}
	return ""
}

func TestTheAlarmForSpaceIsRaisedBeforeTheDiskIsFullAndNamesTheFolder(t *testing.T) {
	s := newSite(t)
	s.disk(4000, 4012)
	if a := s.spaceAlarm(); a != "" {
		t.Fatalf("alarm %q", a)
	}
	s.disk(500, 512)
	if a := s.spaceAlarm(); a != "/var/lib/nachtfach: 500 MiB of 8192 MiB free" {
		t.Fatalf("alarm %q", a)
	}
	for range 100 { // at the limit it is told once
		s.disk(511, 523)
		s.disk(513, 525)
	}
	count[locker.AlarmRaised](s, 1)
	s.disk(700, 712)
	if a := s.spaceAlarm(); a != "" {
		t.Errorf("alarm %q", a)
	}
}

func TestOnAFullDiskASlipIsRefusedAndToldAndNothingIsBegun(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.disk(0, 9)
	if a := s.spaceAlarm(); !strings.Contains(a, "full: no order and no document is taken") {
		t.Fatalf("alarm %q", a)
	}
	s.signIn("c1", "c2")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintStoreFull {
		t.Errorf("before the first slip: hint %q", h)
	}
	s.clear() // what ends something goes on
	for range 30 {
		s.slip("ORDER-1")
		if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintStoreFull {
			t.Fatalf("hint %q", h)
		}
	}
	count[locker.DepositReserved](s, 0)
	count[locker.AlarmRaised](s, 1)
	s.disk(0, 10) // at the limit it stays
	s.slip("ORDER-1")
	count[locker.DepositReserved](s, 0)
	s.disk(2000, 2012)
	s.load("ORDER-1")
	if a := s.spaceAlarm(); a != "" {
		t.Errorf("alarm %q", a)
	}
}

func TestOnAFullDiskAReissueIsRefusedAndTheOldCodeStays(t *testing.T) {
	s, _, g := loaded(t)
	s.disk(0, 9)
	s.give(locker.ReissueReceived{Order: "ORDER-1", Generation: g, Admin: "a1", Nonce: "n", Key: 9, Expires: start.AddDate(1, 0, 0)})
	refused := has[locker.MessageRefused](s)
	if len(refused) != 1 || !strings.Contains(refused[0].Reason, "disk is full") {
		t.Errorf("refused: %+v", refused)
	}
	count[locker.DepositReserved](s, 1) // the first one alone
}
