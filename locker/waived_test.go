package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// waived is a site whose two clerks have worked compartment 1 by hand: its
// contact tells nothing.
func waived(t *testing.T) *site {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.jammed[1] = true
	s.choose(locker.ChoiceNext)
	s.pass(3*time.Second + time.Millisecond)
	s.pass(3*time.Second + time.Millisecond)
	s.wantScreen(locker.ScreenTaskDefect)
	s.choose(locker.ChoiceByHand)
	s.wantScreen(locker.ScreenClear)
	s.choose(locker.ChoiceEmpty)
	s.choose(locker.ChoiceDoorClosed)
	s.wantScreen(locker.ScreenRound)
	return s
}

func TestADoorWithoutItsContactIsSeenOnceARound(t *testing.T) {
	s := waived(t)
	s.clear()
	if n := len(has[locker.CompartmentCleared](s)); n != len(s.config.Compartments) {
		t.Fatalf("%d compartments cleared, want each of %d once", n, len(s.config.Compartments))
	}
}

func TestAContactThatWorksAgainIsBelieved(t *testing.T) {
	s := waived(t)
	s.clear()
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.pass(10 * time.Second)
	s.jammed[1] = false // it was the contact, and it is mended
	s.signIn("c1", "c2")
	s.clear()
	if len(has[locker.CompartmentRestored](s)) != 1 {
		t.Fatal("a contact that tells of a released door should count again")
	}
	i := slices.IndexFunc(s.term.Status().Compartments, func(c locker.CompartmentStatus) bool { return c.Number == 1 })
	if c := s.term.Status().Compartments[i]; c.Fault != "" || c.Waived || c.Open || c.Use != "empty" {
		t.Fatalf("compartment 1 is %+v, want it fit for use", c)
	}
}

func TestAContactThatAlwaysSaysOpenTrapsNoDocument(t *testing.T) {
	s, n, _ := loaded(t)
	s.door(n, true) // its wire broke; the door is closed
	s.signIn("c1", "c2")
	s.jammed[n] = true // it tells nothing any more
	pulses := len(s.pulses)
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenInspect)
	if len(s.pulses) != pulses+1 {
		t.Fatalf("%d pulses, want one whatever the contact says", len(s.pulses)-pulses)
	}
	s.choose(locker.ChoiceDoorClosed) // before they have looked: the lock did not open it
	s.wantScreen(locker.ScreenInspect)
	if len(s.pulses) != pulses+2 {
		t.Fatalf("%d pulses, want one more: two clerks found the door closed", len(s.pulses)-pulses)
	}
	s.wantAlarm(locker.AlarmFault, locker.Morning)
	s.choose(locker.ChoiceRemoved)
	s.choose(locker.ChoiceDoorClosed)
	s.wantScreen(locker.ScreenRound)
	count[locker.DocumentUnloaded](s, 1)
	if c := s.at(n); c.Fault != locker.FaultContact || c.Open {
		t.Fatalf("compartment is %+v, want it closed and out of service", c)
	}
	s.finish()
	s.door(n, false) // mended
	s.jammed[n] = false
	s.signIn("c1", "c2")
	s.clear()
	if c := s.at(n); c.Fault != "" || c.Waived || c.Use != "empty" {
		t.Fatalf("compartment is %+v, want it fit for use", c)
	}
}

func TestADoorThatStandsOpenIsClosedByItsContact(t *testing.T) {
	s, n, _ := loaded(t)
	s.door(n, true)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	s.wantScreen(locker.ScreenRound)
	if c := s.at(n); c.Fault != "" || c.Waived {
		t.Fatalf("compartment is %+v", c)
	}
}
