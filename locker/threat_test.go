package locker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// forgetful starts the terminal from a snapshot that lacks what commands it has
// followed, as a ledger without that memory would.
func (s *site) forgetful() {
	s.t.Helper()
	data, err := s.term.Snapshot()
	if err != nil {
		s.t.Fatal(err)
	}
	var ledger map[string]json.RawMessage
	if err := json.Unmarshal(data, &ledger); err != nil {
		s.t.Fatal(err)
	}
	if _, ok := ledger["nonces"]; !ok {
		s.t.Fatal("the snapshot holds no nonces: this proves nothing")
	}
	delete(ledger, "nonces")
	if data, err = json.Marshal(ledger); err != nil {
		s.t.Fatal(err)
	}
	if err := s.term.Restore(data); err != nil {
		s.t.Fatal(err)
	}
}

// TestThreatReplayedCommand replays and reorders what two admins did sign.
func TestThreatReplayedCommand(t *testing.T) {
	s := newSite(t)
	lock := s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	unlock := s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.command(locker.Command{Kind: locker.CommandBurglary}, "a1")
	for range 2 { // the thief has recorded both, and wants the terminal open
		s.give(unlock)
		s.give(lock)
		s.give(unlock)
	}
	s.wantScreen(locker.ScreenLocked)
	s.wantFollowed(locker.CommandLock, locker.CommandUnlock, locker.CommandBurglary)
	refused := has[locker.MessageRefused](s)
	if len(refused) != 6 || refused[0].Nonce != unlock.Nonce || !strings.Contains(refused[0].Reason, "counts once") {
		t.Fatalf("in the journal: %v", refused)
	}
	// Without the memory of nonces the same replay opens the terminal.
	s.forgetful()
	s.give(unlock)
	s.wantScreen(locker.ScreenWelcome)
}

// TestThreatOneDishonestClerk is one person with two cards, and with a
// colleague's card but not their number.
func TestThreatOneDishonestClerk(t *testing.T) {
	attack := func(s *site) {
		s.signIn("c1")
		for _, card := range []string{"c1", "c1b"} { // the same card, another one of the same person
			s.badge(card)
			if s.term.Screen().Name == locker.ScreenClerk {
				s.typeIn("471108")
			}
		}
		if s.term.Screen().Name == locker.ScreenSecond {
			s.badge("c2")
			for range 6 {
				if s.term.Screen().Name == locker.ScreenClerk {
					s.typeIn("081547")
				}
			}
		}
	}
	s := newSite(t)
	attack(s)
	count[locker.RoundOpened](s, 0)
	if len(s.pulses) > 0 {
		t.Fatal("a door opened")
	}
	// Cards that say two people where there is one: the defence is taken out.
	s = newSite(t)
	s.holders = map[string]locker.Person{"c1": "p1", "c1b": "p3"}
	attack(s)
	count[locker.RoundOpened](s, 1)
}
