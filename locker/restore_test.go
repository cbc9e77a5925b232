package locker_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// restored is the same site after a start from a snapshot alone.
func (s *site) restored() {
	s.t.Helper()
	snapshot, err := s.term.Snapshot()
	if err != nil {
		s.t.Fatal(err)
	}
	s.term = locker.New()
	if err := s.term.Restore(snapshot); err != nil {
		s.t.Fatal(err)
	}
	s.pending = nil
	s.give(locker.Booted{Config: s.config, Software: "test", Doors: s.doors, Reader: true})
}

func TestSnapshotCarriesADepositThroughToItsPickup(t *testing.T) {
	s, n, g := loaded(t)
	s.restored()
	s.image = ""
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
}
