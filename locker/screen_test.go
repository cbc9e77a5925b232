package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestAnInputForAnotherScreenIsIgnored(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	question := s.wantScreen(locker.ScreenQuestion).Number
	for _, number := range []uint64{0, question - 1, question + 1} {
		s.give(locker.Chosen{Screen: number, Choice: locker.ChoiceYes})
		s.give(locker.Typed{Screen: number, Text: []byte(code(int(g)))})
	}
	s.wantScreen(locker.ScreenQuestion)
	s.give(locker.Chosen{Screen: question, Choice: locker.ChoiceAgain})
	s.give(locker.Chosen{Screen: question, Choice: locker.ChoiceAgain}) // pressed twice
	s.wantScreen(locker.ScreenTake)
	s.boot()
	if now := s.term.Screen().Number; now <= question {
		t.Fatalf("screen %d after a restart: a page of before would fit", now)
	}
}

func TestAPressThatIsNotOfferedIsIgnored(t *testing.T) {
	s, _, g := loaded(t)
	s.typeIn(code(int(g)))
	sc := s.wantScreen(locker.ScreenFinger)
	before := len(s.events)
	for _, c := range []locker.Choice{locker.ChoiceYes, locker.ChoiceAgain, locker.ChoiceConfirm, locker.ChoiceByHand, locker.ChoiceRemoved, "nonsense"} {
		s.give(locker.Chosen{Screen: sc.Number, Choice: c})
	}
	if len(s.events) != before || s.term.Screen().Number != sc.Number {
		t.Fatal("a choice that the screen does not offer did something")
	}
}

func TestWhatIsValidAtOneScannerIsNothingAtAnother(t *testing.T) {
	s, _, g := loaded(t)
	before := len(s.events)
	for _, in := range []locker.Scanned{
		{Source: locker.SourceCitizen, Text: []byte("c1")}, {Source: locker.SourceCitizen, Text: []byte("ORDER-1")},
		{Source: locker.SourceBarcode, Text: []byte("c1")}, {Source: locker.SourceBarcode, Text: []byte(code(int(g)))}, {Source: "usb", Text: []byte(code(int(g)))},
	} {
		s.give(in)
	}
	s.wantScreen(locker.ScreenWelcome)
	if len(s.events) != before {
		t.Fatalf("recorded %v", s.events[before:])
	}
	s.give(locker.Scanned{Source: locker.SourceCitizen, Text: []byte(code(int(g)))})
	s.wantScreen(locker.ScreenFinger)
	s.give(locker.Scanned{Source: locker.SourceCitizen, Text: []byte(wrongCode(int(g)))}) // a QR held in front meanwhile
	s.wantScreen(locker.ScreenFinger)
}

func TestAnIdleVisitEndsAndCanBeExtendedThreeTimes(t *testing.T) {
	s, _, g := loaded(t)
	s.typeIn(code(int(g)))
	for range 3 {
		s.pass(44 * time.Second)
		s.choose(locker.ChoiceMoreTime)
	}
	if sc := s.wantScreen(locker.ScreenFinger); slices.Contains(sc.Choices, locker.ChoiceMoreTime) {
		t.Fatal("a fourth extension is offered")
	}
	s.pass(45 * time.Second)
	s.wantScreen(locker.ScreenWelcome)
}

func TestTheOpenDoorHasExtensionsOfItsOwn(t *testing.T) {
	s, n, g := loaded(t)
	s.typeIn(code(int(g)))
	for range 3 {
		s.choose(locker.ChoiceMoreTime)
	}
	s.image = ""
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenTake)
	s.pass(50 * time.Second)
	s.choose(locker.ChoiceMoreTime)
	s.pass(50 * time.Second)
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.wantScreen(locker.ScreenQuestion)
	s.pass(40 * time.Second)
	s.choose(locker.ChoiceMoreTime)
	s.pass(40 * time.Second)
	s.wantScreen(locker.ScreenQuestion)
}

func TestTheNextInTheQueueNeedNotWait(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
	s.typeIn(code(99))
	if sc := s.wantScreen(locker.ScreenChecking); sc.Compartment != 0 {
		t.Fatalf("the next one reads of compartment %d", sc.Compartment)
	}
}

func TestClosingWordsFade(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	if u := s.wantScreen(locker.ScreenDone).Until; u != s.now.Uptime+8*time.Second || s.term.Deadline() > u {
		t.Fatalf("fades at %v, next tick at %v", u, s.term.Deadline())
	}
	s.pass(8 * time.Second)
	s.wantScreen(locker.ScreenWelcome)
}

func TestBeforeTheStartNothingIsDecided(t *testing.T) {
	term := locker.New()
	if n := term.Screen().Name; n != locker.ScreenStarting || term.Deadline() != 0 {
		t.Fatalf("screen %s, deadline %v", n, term.Deadline())
	}
	events, actions := term.Step(locker.Now{Wall: start}, locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")})
	if len(events) != 0 || len(actions) != 0 {
		t.Fatalf("decided %v %v", events, actions)
	}
}

func TestBothClerksSeeTheShortNumberOfWhatTheyHandle(t *testing.T) {
	s := newSite(t)
	s.order("K3V7QXTRW2M5A3F0", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.hold(locker.Scanned{Source: locker.SourceBarcode, Text: []byte("K3V7QXTRW2M5A3F0")})
	if sc := s.wantScreen(locker.ScreenPreparing); sc.Order != "M5A 3F0" {
		t.Errorf("while preparing the screen names %q", sc.Order)
	}
	s.give(locker.DepositReady{Generation: 1, Hash: "h"})
	sc := s.wantScreen(locker.ScreenLay)
	if sc.Order != "M5A 3F0" {
		t.Errorf("while laying the screen names %q", sc.Order)
	}
	s.door(sc.Compartment, false)
	if sc := s.wantScreen(locker.ScreenRound); sc.Order != "" {
		t.Errorf("after it the screen still names %q", sc.Order)
	}
}

func TestShortNumbers(t *testing.T) {
	for id, want := range map[locker.OrderID]string{
		"k3v7qxtrw2m5a3f0": "M5A 3F0", "ABCDEF": "ABC DEF", "AB-1": "AB-1", "": "",
	} {
		if got := id.Short(); got != want {
			t.Errorf("%q is short %q, want %q", id, got, want)
		}
	}
}
