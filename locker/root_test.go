package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// rooted is a terminal with a hardware key and one collectable deposit.
func rooted(t *testing.T) (s *site, n locker.CompartmentID, g locker.Generation) {
	s, n, g = loaded(t)
	s.config.HardwareKey = true
	s.boot()
	return s, n, g
}

func (s *site) collect(n locker.CompartmentID, g locker.Generation) {
	s.enter(g)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
}

func TestADeletionHasItsReceipt(t *testing.T) {
	s, n, g := loaded(t)
	s.collect(n, g)
	want := locker.SlotErased{Generation: g, Slot: "slot-1", Quality: locker.ErasedLogically}
	if got := has[locker.SlotErased](s); len(got) != 1 || got[0] != want {
		t.Errorf("receipts %+v, want %+v", got, want)
	}
	if prepared := has[locker.DepositPrepared](s)[0]; prepared.Slot != want.Slot {
		t.Errorf("the receipt is of %q, prepared was %q", want.Slot, prepared.Slot)
	}
	s.pass(3 * time.Hour)
	count[locker.RootReplaced](s, 0)
	if s.term.Status().HardwareKey {
		t.Error("the status tells of a hardware key that is not there")
	}
	s.signIn("c1", "c2")
	if !s.wantScreen(locker.ScreenRound).Round.Logical {
		t.Error("the clerks are not told that there is no hardware key")
	}
}

func TestARootIsReplacedOnceForAllThatWasErased(t *testing.T) {
	s, n, g := rooted(t)
	count[locker.RootReplaced](s, 1) // of the start
	s.collect(n, g)
	count[locker.SlotErased](s, 1)
	s.pass(30 * time.Minute)
	count[locker.RootReplaced](s, 1)
	s.pass(45 * time.Minute)
	count[locker.RootReplaced](s, 2)
	last := has[locker.RootReplaced](s)[1]
	if len(last.Slots) != 1 || last.Slots[0] != (locker.ErasedSlot{Generation: g, Slot: "slot-1"}) {
		t.Errorf("the root's replacement covers %+v", last.Slots)
	}
	s.pass(5 * time.Hour)
	count[locker.RootReplaced](s, 2) // nothing was erased since
	s.boot()
	count[locker.RootReplaced](s, 3) // a start erases what no event names
	if !s.term.Status().HardwareKey {
		t.Error("the status does not tell of the hardware key")
	}
}

func TestARootThatCannotBeReplacedIsAnAlarm(t *testing.T) {
	s, n, g := rooted(t)
	s.collect(n, g)
	s.give(locker.RootChanged{Upto: 1 << 40}) // more than there ever was
	count[locker.RootReplaced](s, 1)
	s.give(locker.RootChanged{Upto: 2, Err: "the chip does not answer"})
	s.wantAlarm(locker.AlarmVault, locker.Morning)
	s.pass(2 * time.Hour)
	s.wantAlarm(locker.AlarmVault, "")
	count[locker.RootReplaced](s, 2)
	s.give(locker.RootChanged{Upto: 1}) // a late answer
	count[locker.RootReplaced](s, 2)
}
