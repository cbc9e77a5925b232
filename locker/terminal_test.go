package locker_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// site is a terminal with people in front of it: it keeps the events, answers
// the vault's part from a table and lets time pass.
type site struct {
	holders   map[string]locker.Person // in place of cards
	asks      func(locker.FindCard) locker.CardFound
	challenge []byte // of a clerk's security key
	t         *testing.T
	term      *locker.Terminal
	config    locker.Config
	now       locker.Now
	events    []locker.Event
	pending   []locker.Action
	doors     map[locker.CompartmentID]bool
	jammed    map[locker.CompartmentID]bool
	codes     map[locker.Generation]string // what opens
	finger    map[locker.Generation]bool   // what the reader's finger is
	image     locker.FingerAdvice
	pulses    []locker.PulseLock
	boots     int
}

const ms = locker.Duration(time.Millisecond)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newSite(t *testing.T) *site {
	s := &site{
		t: t, now: locker.Now{Wall: start},
		doors: map[locker.CompartmentID]bool{}, jammed: map[locker.CompartmentID]bool{},
		codes: map[locker.Generation]string{}, finger: map[locker.Generation]bool{},
		image: locker.AdviceLay,
	}
	s.config = locker.Config{Terminal: "rathaus", Rules: locker.DefaultRules()}
	s.config.Rules.KeysOffered = 8
	for n := range 6 {
		s.config.Compartments = append(s.config.Compartments, locker.CompartmentSpec{
			Number: locker.CompartmentID(n + 1), Size: locker.Size(n/2 + 1), Height: 40 + 30*n, LowReach: n == 1 || n == 3,
		})
	}
	for _, c := range s.config.Compartments {
		s.doors[c.Number] = false
	}
	s.boot()
	s.give(locker.RosterReceived{Version: 1, Hash: "r", People: []locker.Member{
		{Person: "p1", Role: locker.Clerk}, {Person: "p2", Role: locker.Clerk}, {Person: "p3", Role: locker.Clerk},
		{Person: "a1", Role: locker.Admin}, {Person: "a2", Role: locker.Admin}, {Person: "d1", Role: locker.Desk},
		{Person: "gone", Role: locker.Clerk, Leaves: start.Add(-time.Hour)},
		{Person: "left", Role: locker.Admin, Leaves: start.Add(-time.Hour)},
	}})
	return s
}

func (s *site) boot() {
	if s.boots > 0 { // a new process: all that it has is the journal
		s.term = locker.New()
		for _, e := range s.events {
			if err := s.term.Replay(e); err != nil {
				s.t.Fatalf("replay: %v", err)
			}
		}
	} else {
		s.term = locker.New()
	}
	s.boots++
	s.pending = nil
	s.give(locker.Booted{Config: s.config, Software: "test", Doors: s.doors, Reader: true})
}

// give hands over one input and lets the vault answer until it has nothing left to do.
func (s *site) give(in locker.Input) {
	s.t.Helper()
	s.step(in)
	for len(s.pending) > 0 {
		a := s.pending[0]
		s.pending = s.pending[1:]
		for _, answer := range s.answer(a) {
			s.step(answer)
		}
	}
}

func (s *site) step(in locker.Input) {
	s.t.Helper()
	events, actions := s.term.Step(s.now, in)
	s.events = append(s.events, events...)
	s.pending = append(s.pending, actions...)
	if d := s.term.Defects(); len(d) > 0 {
		s.t.Fatalf("after %T: %v", in, d)
	}
}

func (s *site) answer(a locker.Action) []locker.Input {
	switch a := a.(type) {
	case locker.MakeKeys:
		var keys []locker.OfferedKey
		for i := range a.Count {
			keys = append(keys, locker.OfferedKey{Key: a.First + locker.KeyID(i), Hash: fmt.Sprint(i), Expires: a.Expires})
		}
		return []locker.Input{locker.KeysMade{Keys: keys}}
	case locker.EraseKey:
		return []locker.Input{locker.KeyOverwritten{Key: a.Key}}
	case locker.EraseOrder:
		return []locker.Input{locker.OrderOverwritten{Order: a.Order}}
	case locker.PrepareDeposit:
		s.codes[a.Generation] = code(int(a.Generation))
		return []locker.Input{locker.DepositReady{Generation: a.Generation, Hash: "h", Slot: fmt.Sprint("slot-", a.Generation)}}
	case locker.ReplaceRoot:
		return []locker.Input{locker.RootChanged{Upto: a.Upto}}
	case locker.ReissueDeposit:
		s.codes[a.Generation] = code(int(a.Generation))
		return []locker.Input{locker.DepositReady{Generation: a.Generation, Hash: "h"}}
	case locker.EraseSlot:
		delete(s.codes, a.Generation)
		return []locker.Input{locker.SlotOverwritten{Generation: a.Generation}}
	case locker.DeleteLetter:
		return []locker.Input{locker.LetterRemoved{Generation: a.Generation}}
	case locker.PulseLock:
		s.pulses = append(s.pulses, a)
		pulsed := locker.LockPulsed{Pulse: a.Pulse, Compartment: a.Compartment}
		if a.Measure {
			pulsed.Measured = locker.Measurement{Pulse: 500 * ms, Opened: 210 * ms, Settled: 222 * ms, Bounces: 3}
		}
		in := []locker.Input{pulsed}
		if !s.jammed[a.Compartment] {
			s.doors[a.Compartment] = true
			in = append(in, locker.DoorMoved{Compartment: a.Compartment, Open: true})
		}
		return in
	case locker.FindDeposit:
		for g, c := range s.codes {
			if p, _ := pin.Parse(c); p.Selector() == a.Code.Selector() {
				return []locker.Input{locker.DepositFound{Attempt: a.Attempt, Generation: g}}
			}
		}
		return []locker.Input{locker.DepositFound{Attempt: a.Attempt}}
	case locker.TryCode:
		p, _ := pin.Parse(s.codes[a.Generation])
		return []locker.Input{locker.CodeTried{Attempt: a.Attempt, Generation: a.Generation, Opened: a.Generation != 0 && p.QR() == a.Code.QR()}}
	case locker.CaptureFinger:
		if s.image == locker.AdviceLay {
			return nil // nobody lays a finger
		}
		return []locker.Input{locker.FingerCaptured{Attempt: a.Attempt, Advice: s.image}}
	case locker.CompareFactor:
		ok := s.finger[a.Generation]
		if !ok {
			s.image = locker.AdviceLay // lifted
		}
		return []locker.Input{locker.FactorTried{Attempt: a.Attempt, Generation: a.Generation, Accepted: ok, Similarity: 40, FMR: 1e-6}}
	case locker.FindCard:
		if s.asks != nil {
			return []locker.Input{s.asks(a)}
		}
		return []locker.Input{locker.CardFound{Check: a.Check, Person: s.holder(a.Card)}}
	case locker.CheckKey:
		return []locker.Input{locker.ClerkChecked{Check: a.Check, Person: s.holder(a.Card), Proved: bytes.Equal(a.Assertion, s.challenge)}}
	case locker.CheckClerk:
		return []locker.Input{locker.ClerkChecked{Check: a.Check, Person: s.holder(a.Card), Proved: string(a.Number) == "471108"}}
	}
	return nil
}

// holder is whose card this is; holders tells it otherwise than the roster.
func (s *site) holder(card string) locker.Person {
	if p, ok := s.holders[card]; ok {
		return p
	}
	return cards[card]
}

var cards = map[string]locker.Person{"c1": "p1", "c1b": "p1", "c2": "p2", "c3": "p3", "ca": "a1", "cg": "gone"}

// code is a valid code for a generation: selector g, secret 77+g.
func code(g int) string {
	c, err := pin.New(g, uint32(77+g))
	if err != nil {
		panic(err)
	}
	return c.QR()
}

func (s *site) pass(d time.Duration) {
	s.t.Helper()
	end := s.now.Uptime + d
	for range 100000 {
		next := s.term.Deadline()
		if next > end {
			break
		}
		if next > s.now.Uptime {
			s.now.Wall = s.now.Wall.Add(next - s.now.Uptime)
			s.now.Uptime = next
		}
		s.give(locker.Tick{})
	}
	s.now.Wall = s.now.Wall.Add(end - s.now.Uptime)
	s.now.Uptime = end
	s.give(locker.Tick{})
}

func (s *site) choose(c locker.Choice) {
	s.t.Helper()
	sc := s.term.Screen()
	if !slices.Contains(sc.Choices, c) {
		s.t.Fatalf("screen %s offers %v, not %s", sc.Name, sc.Choices, c)
	}
	s.give(locker.Chosen{Screen: sc.Number, Choice: c})
}

func (s *site) typeIn(text string) {
	s.t.Helper()
	s.give(locker.Typed{Screen: s.term.Screen().Number, Text: []byte(text)})
}

func (s *site) badge(card string) {
	s.t.Helper()
	s.show(card)
	if sc := s.term.Screen(); sc.Name == locker.ScreenClerk && sc.Round != nil && len(sc.Round.Clerks) == 2 {
		s.typeIn("471108") // the round's confirmation
	}
}

// show holds a card up, and leaves the rest to whoever calls.
func (s *site) show(card string) {
	s.give(locker.Scanned{Source: locker.SourceBadge, Text: []byte(card)})
}

func (s *site) door(n locker.CompartmentID, open bool) {
	s.doors[n] = open
	s.give(locker.DoorMoved{Compartment: n, Open: open})
}

func (s *site) wantScreen(name locker.ScreenName) locker.Screen {
	s.t.Helper()
	sc := s.term.Screen()
	if sc.Name != name {
		s.t.Fatalf("screen is %s (hint %q), want %s", sc.Name, sc.Hint, name)
	}
	return sc
}

func has[F locker.Fact](s *site) []F {
	var list []F
	for _, e := range s.events {
		if f, ok := e.Fact.(F); ok {
			list = append(list, f)
		}
	}
	return list
}

func (s *site) signIn(cards ...string) {
	s.t.Helper()
	for _, c := range cards {
		s.badge(c)
		s.wantScreen(locker.ScreenClerk)
		s.typeIn("471108")
	}
}

// clear opens and confirms every vacated compartment.
func (s *site) clear() {
	s.t.Helper()
	for {
		sc := s.wantScreen(locker.ScreenRound)
		if len(sc.Round.Tasks) == 0 {
			return
		}
		s.choose(locker.ChoiceNext)
		n := s.wantScreen(locker.ScreenClear).Compartment
		s.choose(locker.ChoiceEmpty)
		s.door(n, false)
	}
}

func (s *site) order(id locker.OrderID, key locker.KeyID) {
	s.t.Helper()
	s.give(locker.OrderReceived{Hash: "x", Terms: locker.OrderTerms{
		Order: id, Version: 1, Key: key, Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Small, Desk: "d1",
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
	}})
}

// loaded brings one order into a compartment and posts its letter.
func loaded(t *testing.T) (*site, locker.CompartmentID, locker.Generation) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.give(locker.Scanned{Source: locker.SourceBarcode, Text: []byte("ORDER-1")})
	n := s.wantScreen(locker.ScreenLay).Compartment
	s.door(n, false)
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.wantScreen(locker.ScreenRoundDone)
	s.pass(10 * time.Second)
	g := has[locker.DepositLoaded](s)[0].Generation
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
	s.finger[g] = true
	return s, n, g
}

func TestFromOrderToHandover(t *testing.T) {
	s, n, g := loaded(t)
	s.image = ""
	s.typeIn(code(int(g)))
	sc := s.wantScreen(locker.ScreenTake)
	if sc.Compartment != n {
		t.Fatalf("opened %d, want %d", sc.Compartment, n)
	}
	s.door(n, false)
	s.wantScreen(locker.ScreenQuestion)
	s.choose(locker.ChoiceAgain)
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
	if len(has[locker.DocumentTaken](s)) != 1 || len(has[locker.SlotErased](s)) != 1 || len(has[locker.OrderErased](s)) != 1 {
		t.Fatal("the handover, the slot's end and the order's end should be recorded once each")
	}
	if s.codes[g] != "" {
		t.Fatal("the slot should be erased")
	}
	s.typeIn(code(int(g)))
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenRefused)
}

func TestReplayRebuildsTheLedger(t *testing.T) {
	s, _, _ := loaded(t)
	want, err := s.term.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again := locker.New()
	for _, e := range s.events {
		if err := again.Replay(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := again.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("replayed ledger differs:\n%s\n%s", got, want)
	}
}

func TestRestartWithTheDoorOpenGoesOnWithTheVisit(t *testing.T) {
	s, n, g := loaded(t)
	s.image = ""
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenTake)
	pulses := len(s.pulses)
	s.boot()
	if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
		t.Fatalf("goes on at %d, want %d", sc.Compartment, n)
	}
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	if len(s.pulses) != pulses {
		t.Fatal("the restart drove a lock")
	}
}

func TestRestartBetweenReleaseAndDoorDoubtsCustodyAndTheCodeWorksOnceMore(t *testing.T) {
	s, n, g := loaded(t)
	s.image = ""
	s.jammed[n] = true
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenOpening)
	s.jammed[n] = false
	pulses := len(s.pulses)
	s.boot()
	s.wantScreen(locker.ScreenWelcome)
	if len(s.pulses) != pulses {
		t.Fatal("the restart drove a lock")
	}
	if d := has[locker.CustodyDoubted](s); len(d) != 1 || d[0].Generation != g {
		t.Fatalf("custody doubted: %v", d)
	}
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	if len(has[locker.DocumentTaken](s)) != 1 {
		t.Fatal("the same code should work once more")
	}
}
