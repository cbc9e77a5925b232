package locker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func (s *site) wantMessageRefused(kind locker.MessageKind, about string) {
	s.t.Helper()
	r := has[locker.MessageRefused](s)
	if len(r) == 0 || r[len(r)-1].Message != kind || !strings.Contains(r[len(r)-1].Reason, about) {
		s.t.Fatalf("refused %v, want %s because of %q last", r, kind, about)
	}
}

func TestAnOrderIsAcceptedOnceAndNeverReplaced(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.order("ORDER-1", 1) // the city repeats
	count[locker.OrderAccepted](s, 1)
	count[locker.MessageRefused](s, 0)
	s.accept("ORDER-1", 2, func(o *locker.OrderTerms) { o.Version = 2 })
	s.wantMessageRefused(locker.MessageOrder, "another content")
	count[locker.OrderAccepted](s, 1)
	if n := s.term.Status().Waiting; n != 1 {
		t.Fatalf("%d orders wait, want 1", n)
	}
}

func TestAKeyServesOneOrder(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.order("ORDER-2", 1)
	s.wantMessageRefused(locker.MessageOrder, "key is used")
	s.order("ORDER-2", 77)
	s.wantMessageRefused(locker.MessageOrder, "never offered")
	count[locker.OrderAccepted](s, 1)
}

func TestAnOrderThatNobodyLoadsIsForgotten(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.pass(locker.KeyLife - day)
	count[locker.OrderWithdrawn](s, 0)
	s.pass(day)
	if w := has[locker.OrderWithdrawn](s); len(w) != 1 || w[0] != (locker.OrderWithdrawn{Order: "ORDER-1"}) {
		t.Fatalf("withdrawn %v", w)
	}
	count[locker.OrderErased](s, 1)
	if n := s.term.Status().Waiting; n != 0 {
		t.Errorf("%d orders wait", n)
	}
}

func TestALapsedKeyIsErasedAndOpensNothing(t *testing.T) {
	s := newSite(t)
	s.config.Rules.KeyLife = locker.Duration(time.Hour)
	s.boot()
	first := has[locker.KeysOffered](s)[0].Keys[0]
	s.config.Rules.KeysOffered = 200 // more than are there: made with the short life
	s.boot()
	keys := has[locker.KeysOffered](s)[1].Keys
	s.pass(61 * time.Minute)
	if n := len(has[locker.KeyLapsed](s)); n != len(keys) {
		t.Fatalf("%d of %d keys lapsed", n, len(keys))
	}
	count[locker.KeyErased](s, len(keys))
	s.order("ORDER-1", keys[0].Key)
	s.wantMessageRefused(locker.MessageOrder, "lapsed")
	s.order("ORDER-1", first.Key)
	count[locker.OrderAccepted](s, 1)
}

func TestKeysAreOfferedBeforeTheyRunOut(t *testing.T) {
	s := newSite(t)
	for i := range 20 {
		keys := s.term.UnusedKeys()
		if len(keys) < 4 {
			t.Fatalf("%d keys are left after %d orders", len(keys), i)
		}
		s.order(locker.OrderID(fmt.Sprintf("ORDER-%d", i)), keys[0].Key)
	}
	count[locker.MessageRefused](s, 0)
	seen := map[locker.KeyID]bool{}
	for _, f := range has[locker.KeysOffered](s) {
		for _, k := range f.Keys {
			if seen[k.Key] {
				t.Fatalf("key %d was offered twice", k.Key)
			}
			seen[k.Key] = true
		}
	}
}

func TestAWithdrawnOrderIsErased(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	for range 2 {
		s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
	}
	count[locker.OrderWithdrawn](s, 1)
	count[locker.OrderErased](s, 1)
	s.give(locker.WithdrawalReceived{Order: "NO-SUCH", Desk: "d1"})
	s.wantMessageRefused(locker.MessageWithdrawal, "no such order")
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintUnknownSlip {
		t.Fatalf("hint %q", h)
	}
}

func TestAFloodOfRefusedMessagesIsCounted(t *testing.T) {
	s := newSite(t)
	before := len(s.events)
	for range 10000 {
		s.give(locker.MessageRejected{Message: locker.MessageOrder, Order: locker.OrderID(strings.Repeat("x", 5000)), Reason: strings.Repeat("ä", 2000)})
	}
	if n := len(s.events) - before; n > 60 {
		t.Fatalf("%d events of a flood, want at most 60 an hour", n)
	}
	s.pass(time.Hour)
	s.give(locker.MessageRejected{Message: locker.MessageOrder, Reason: "signature"})
	r := has[locker.MessageRefused](s)
	if last := r[len(r)-1]; last.Suppressed != 10000-60 {
		t.Fatalf("%d suppressed, want %d", last.Suppressed, 10000-60)
	}
	for _, f := range r {
		if len(f.Reason) > 510 || len(f.Order) > 510 {
			t.Fatalf("a text of %d and %d bytes was recorded", len(f.Reason), len(f.Order))
		}
	}
}

func TestNoMessageMovesADoor(t *testing.T) {
	s, _, g := loaded(t)
	pulses := len(s.pulses)
	for _, in := range []locker.Input{
		locker.OrderReceived{Terms: locker.OrderTerms{Order: "ORDER-9", Key: 5}}, locker.WithdrawalReceived{Order: "ORDER-1"},
		locker.ReissueReceived{Order: "ORDER-1", Generation: g, Key: 6, Expires: s.term.Now().Add(time.Hour)},
		locker.RosterReceived{Version: 9}, locker.PostedReceived{Generation: g}, locker.CityTime{Time: s.term.Now().Add(time.Hour)},
		locker.MessageRejected{Message: locker.MessageCommand}, locker.LockPulsed{Pulse: 1, Compartment: 1},
		locker.CodeTried{Attempt: 1, Generation: g, Opened: true}, locker.FactorTried{Attempt: 1, Generation: g, Accepted: true},
	} {
		s.give(in)
		if len(s.pulses) != pulses {
			t.Fatalf("%T drove a lock", in)
		}
	}
}

func TestAnObligationIsAskedForAgainUntilItIsAnswered(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	erase := held[locker.EraseOrder](t, s.hold(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"}))
	if again := s.hold(locker.Tick{}); len(again) != 0 {
		t.Fatalf("%v is asked for while it runs", again)
	}
	s.now.Uptime += 30 * time.Second // no answer
	held[locker.EraseOrder](t, s.hold(locker.Tick{}))
	s.hold(locker.OrderOverwritten{Order: erase.Order, Err: "disk full"})
	s.wantAlarm(locker.AlarmVault, locker.Morning)
	s.now.Uptime += 30 * time.Second
	held[locker.EraseOrder](t, s.hold(locker.Tick{}))
	s.boot() // a restart asks at once, and is answered
	count[locker.OrderErased](s, 1)
	s.wantAlarm(locker.AlarmVault, "")
	s.pass(time.Hour)
	count[locker.OrderErased](s, 1)
}

func TestAnErasureThatNobodyAskedForIsNotBelieved(t *testing.T) {
	s, _, g := loaded(t)
	s.order("ORDER-2", 2)
	s.give(locker.SlotOverwritten{Generation: g})
	s.give(locker.OrderOverwritten{Order: "ORDER-2"})
	s.give(locker.KeyOverwritten{Key: 3})
	count[locker.SlotErased](s, 0)
	count[locker.OrderErased](s, 1) // of the order that was loaded
	count[locker.KeyErased](s, 0)
}

func TestTenYearsLeaveNothingBehind(t *testing.T) {
	s := newSite(t)
	size := func() int {
		data, err := s.term.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return len(data)
	}
	s.signIn("c1", "c2")
	s.clear()
	s.finish()
	s.order("FIRST-01", s.term.UnusedKeys()[0].Key)
	begin := size()
	for i := range 240 {
		id := locker.OrderID(fmt.Sprintf("ORDER-%03d", i))
		s.order(id, s.term.UnusedKeys()[0].Key)
		s.signIn("c1", "c2")
		s.clear()
		n := s.load(id)
		s.finish()
		if i%3 == 0 { // withdrawn before the letter was posted
			s.give(locker.WithdrawalReceived{Order: id, Desk: "d1"})
		} else {
			g := s.at(n).Generation
			s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
			s.wrong(g)
			s.pass(time.Minute)
			s.give(locker.ReissueReceived{Order: id, Generation: g, Key: s.term.UnusedKeys()[0].Key, Admin: "a1", Expires: s.term.Now().Add(time.Minute)})
		}
		if i%3 == 1 {
			g := s.at(n).Generation
			s.finger[g] = true
			s.enter(g)
			s.door(n, false)
			s.choose(locker.ChoiceYes)
			s.pass(time.Minute)
		} else {
			s.give(locker.WithdrawalReceived{Order: id, Desk: "d1"})
			s.signIn("c1", "c2")
			s.choose(locker.ChoiceNext)
			s.wantScreen(locker.ScreenUnload)
			s.choose(locker.ChoiceRemoved)
			s.door(n, false)
			s.finish()
		}
		s.leap(15 * 24 * time.Hour)
		if grown := size() - begin; grown > 8000 {
			t.Fatalf("after %d documents the ledger has grown by %d bytes", i+1, grown)
		}
	}
	if g := s.term.Living().Generations; len(g) != 0 {
		t.Fatalf("generations %v live for ever", g)
	}
}

// leap lets a long time pass in one tick.
func (s *site) leap(d time.Duration) {
	s.t.Helper()
	s.now.Uptime, s.now.Wall = s.now.Uptime+d, s.now.Wall.Add(d)
	s.give(locker.Tick{})
}
