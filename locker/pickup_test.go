package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestAVacatedCompartmentIsNotGivenAgainUnseen(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.order("ORDER-2", 2)
	s.badge("c1")
	s.typeIn("471108")
	s.signIn("c2")
	s.slip("ORDER-2")
	if got := s.wantScreen(locker.ScreenLay).Compartment; got == n {
		t.Fatalf("compartment %d was given before two clerks saw it empty", n)
	}
}

func TestTheDoorIsOpenedAgainThreeTimes(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	for range 3 {
		s.door(n, false)
		s.wantScreen(locker.ScreenQuestion)
		s.choose(locker.ChoiceAgain)
	}
	s.door(n, false)
	if sc := s.wantScreen(locker.ScreenQuestion); slices.Contains(sc.Choices, locker.ChoiceAgain) {
		t.Fatal("a fourth time is offered")
	}
}

func TestTheLetterWithTheEIDPINIsConfirmedBeforeTheDoorOpens(t *testing.T) {
	s, n, g := posted(t, func(o *locker.OrderTerms) { o.PINLetter = true })
	pulses := len(s.pulses)
	s.enter(g)
	s.wantScreen(locker.ScreenPINLetter)
	s.choose(locker.ChoiceCancel)
	s.wantScreen(locker.ScreenWelcome)
	if len(s.pulses) != pulses {
		t.Fatal("the door was released without the declaration")
	}
	s.enter(g)
	s.choose(locker.ChoiceConfirm)
	s.wantScreen(locker.ScreenTake)
	count[locker.PINLetterConfirmed](s, 1)
	s.door(n, false)
	s.choose(locker.ChoiceAgain)
	s.wantScreen(locker.ScreenTake)
	count[locker.PINLetterConfirmed](s, 1)
}

func byNumber(o *locker.OrderTerms) {
	o.Recipients = []locker.Recipient{{Kind: locker.Proxy, Factor: locker.FactorNumber}}
}

func TestANumberStandsInForAFinger(t *testing.T) {
	s, n, g := posted(t, byNumber)
	s.give(locker.PartFailed{Part: "reader", Detail: "unplugged"}) // nobody needs it here
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenNumber)
	for _, text := range []string{"", "123", "12a456", "１２３４"} {
		s.typeIn(text)
		if h := s.wantScreen(locker.ScreenNumber).Hint; h != locker.HintDigits {
			t.Fatalf("%q: hint %q, want digits", text, h)
		}
	}
	count[locker.FactorCharged](s, 0)
	s.typeIn("123456")
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	if c := has[locker.FactorCompared](s); len(c) != 1 || c[0].Factor != locker.FactorNumber || c[0].Finger != 0 {
		t.Fatalf("compared %v", c)
	}
}

func TestFiveWrongNumbersCloseTheNumber(t *testing.T) {
	s, _, g := posted(t, byNumber)
	s.finger[g] = false
	s.typeIn(code(int(g)))
	for range 5 {
		s.wantScreen(locker.ScreenNumber)
		s.typeIn("999999")
	}
	s.wantScreen(locker.ScreenClosed)
	s.pass(time.Minute)
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenClosed)
	count[locker.FactorCharged](s, 5)
}

func TestAdviceOfTheReaderCostsNoComparison(t *testing.T) {
	s, _, g := loaded(t)
	s.typeIn(code(int(g)))
	attempt := has[locker.CodeProved](s)[0].Attempt
	again := held[locker.CaptureFinger](t, s.hold(locker.FingerCaptured{Attempt: attempt, Advice: locker.AdviceDry}))
	if sc := s.wantScreen(locker.ScreenFinger); sc.Advice != locker.AdviceDry || !again.Lift {
		t.Fatalf("advice %q, lift %v", sc.Advice, again.Lift)
	}
	count[locker.FactorCharged](s, 0)
}

func TestAReaderUnpluggedInMidImageEndsTheVisitAndTellsTheDesk(t *testing.T) {
	s, n, g := loaded(t)
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt, Err: "no answer"})
	s.wantScreen(locker.ScreenDefect)
	s.wantAlarm(locker.AlarmPart, locker.Morning)
	if s.at(n).Charges != 0 {
		t.Fatal("a broken reader burns no code")
	}
	s.pass(time.Minute)
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenDefect)
	s.give(locker.PartHealed{Part: "reader"})
	s.pass(time.Minute)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}

func TestAnUnansweredComparisonEndsTheVisit(t *testing.T) {
	s, _, g := loaded(t)
	s.typeIn(code(int(g)))
	s.hold(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenComparing)
	s.pass(30 * time.Second)
	s.wantScreen(locker.ScreenDefect)
	pulses := len(s.pulses)
	s.give(locker.FactorTried{Attempt: has[locker.CodeProved](s)[0].Attempt, Generation: g, Accepted: true})
	if len(s.pulses) != pulses {
		t.Fatal("a result that came too late opened a door")
	}
}

func TestAWithdrawnDepositIsNotHandedOut(t *testing.T) {
	s, n, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
	s.image = ""
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenWithdrawn)
	count[locker.SlotErased](s, 1)
	s.pass(time.Minute)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.wantScreen(locker.ScreenUnload)
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	if l := s.term.Living(); len(l.Generations) != 0 || len(l.Orders) != 0 || len(l.Letters) != 0 {
		t.Fatalf("the ledger still names %+v", l)
	}
}

func TestTwoRestartsInOneHandover(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.boot()
	s.door(n, false)
	s.boot()
	sc := s.wantScreen(locker.ScreenQuestion)
	if slices.Contains(sc.Choices, locker.ChoiceAgain) {
		t.Fatal("nobody knows who stands there: the door stays closed")
	}
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	if s.at(n).Custody != locker.CustodyUnknown {
		t.Fatal("nobody answered, and perhaps nobody was there: custody is unknown")
	}
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.jammed[n] = true
	s.door(n, false)
	s.choose(locker.ChoiceAgain)
	s.boot()
	s.enter(g)
	s.wantScreen(locker.ScreenDesk) // in doubt for the second time
}

func TestAnExpiredDocumentIsStillHere(t *testing.T) {
	late := func(t *testing.T) (*site, locker.CompartmentID, locker.Generation) {
		s, n, g := posted(t, genuine)
		s.pass(8 * day)
		count[locker.DepositExpired](s, 1)
		return s, n, g
	}
	t.Run("and is collected by who goes on", func(t *testing.T) {
		s, n, g := late(t)
		s.enter(g)
		s.wantScreen(locker.ScreenExpired)
		s.choose(locker.ChoiceGoOn)
		if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
			t.Fatalf("opened %d", sc.Compartment)
		}
	})
	t.Run("and stays for who does not", func(t *testing.T) {
		s, _, g := late(t)
		s.enter(g)
		s.wantScreen(locker.ScreenExpired)
		s.pass(time.Minute)
		s.wantScreen(locker.ScreenWelcome)
		count[locker.FactorCharged](s, 0)
	})
	t.Run("which nobody is told whose finger is closed", func(t *testing.T) {
		s, _, g := late(t)
		s.finger[g] = false
		for range 2 * s.config.Rules.FactorTries { // two fingers
			s.enter(g)
			s.choose(locker.ChoiceGoOn)
			s.pass(time.Minute)
		}
		s.enter(g)
		s.wantScreen(locker.ScreenClosed)
	})
	t.Run("unless the order was withdrawn meanwhile", func(t *testing.T) {
		s, _, g := late(t)
		s.enter(g)
		s.wantScreen(locker.ScreenExpired)
		s.give(locker.WithdrawalReceived{Order: "ORDER-1", Desk: "d1"})
		s.choose(locker.ChoiceGoOn)
		s.wantScreen(locker.ScreenWithdrawn)
	})
}
