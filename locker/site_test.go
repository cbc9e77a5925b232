package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// alarm is the class of a standing alarm; empty if there is none of this kind.
func (s *site) alarm(kind locker.AlarmKind) locker.AlarmClass {
	for _, a := range s.term.Status().Alarms {
		if a.Kind == kind {
			return a.Class
		}
	}
	return ""
}

func (s *site) wantAlarm(kind locker.AlarmKind, class locker.AlarmClass) {
	s.t.Helper()
	if got := s.alarm(kind); got != class {
		s.t.Fatalf("alarm %s stands as %q, want %q", kind, got, class)
	}
}

func (s *site) at(n locker.CompartmentID) locker.CompartmentStatus {
	s.t.Helper()
	for _, c := range s.term.Status().Compartments {
		if c.Number == n {
			return c
		}
	}
	s.t.Fatalf("no compartment %d", n)
	return locker.CompartmentStatus{}
}

// finish confirms the round with both cards and waits for the welcome.
func (s *site) finish() {
	s.t.Helper()
	s.confirm()
	s.wantScreen(locker.ScreenWelcome)
}

// confirm ends the round with both cards.
func (s *site) confirm() {
	s.t.Helper()
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.wantScreen(locker.ScreenRoundDone)
	s.choose(locker.ChoiceCancel)
}

// load lays the order's document in; the round goes on.
func (s *site) load(id locker.OrderID) locker.CompartmentID {
	s.t.Helper()
	s.slip(id)
	n := s.wantScreen(locker.ScreenLay).Compartment
	s.door(n, false)
	s.wantScreen(locker.ScreenRound)
	return n
}

func (s *site) slip(id locker.OrderID) {
	s.give(locker.Scanned{Source: locker.SourceBarcode, Text: []byte(string(id))})
}

// accept brings in an order with other terms than most.
func (s *site) accept(id locker.OrderID, key locker.KeyID, change func(*locker.OrderTerms)) {
	s.t.Helper()
	terms := locker.OrderTerms{
		Order: id, Version: 1, Key: key, Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Small, Desk: "d1",
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
	}
	change(&terms)
	s.give(locker.OrderReceived{Hash: "x", Terms: terms})
}

// posted brings one order with these terms into a compartment and posts its letter.
func posted(t *testing.T, change func(*locker.OrderTerms)) (*site, locker.CompartmentID, locker.Generation) {
	t.Helper()
	s := newSite(t)
	s.accept("ORDER-1", 1, change)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.finish()
	g := s.at(n).Generation
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
	s.finger[g] = true
	return s, n, g
}

// enter types the code of a generation; the reader gives good images.
func (s *site) enter(g locker.Generation) {
	s.t.Helper()
	s.image = ""
	s.typeIn(code(int(g)))
}

// wrong types a code that fits the generation's selector and not its secret.
func (s *site) wrong(g locker.Generation) {
	s.t.Helper()
	s.typeIn(wrongCode(int(g)))
	s.pass(2 * time.Second)
	s.wantScreen(locker.ScreenRefused)
}

// hold gives one input and keeps what it asks for, unanswered.
func (s *site) hold(in locker.Input) []locker.Action {
	s.t.Helper()
	s.step(in)
	held := s.pending
	s.pending = nil
	return held
}

func held[A locker.Action](t *testing.T, actions []locker.Action) A {
	t.Helper()
	for _, a := range actions {
		if a, ok := a.(A); ok {
			return a
		}
	}
	var none A
	t.Fatalf("no %T among %v", none, actions)
	return none
}

func count[F locker.Fact](s *site, want int) {
	s.t.Helper()
	if got := has[F](s); len(got) != want {
		s.t.Fatalf("%d events %T, want %d: %v", len(got), *new(F), want, got)
	}
}

// wrongCode is a valid code with the generation's selector and another secret.
func wrongCode(g int) string {
	c, err := pin.New(g, uint32(5000+g))
	if err != nil {
		panic(err)
	}
	return c.QR()
}
