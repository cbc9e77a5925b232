package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// find gives a code and answers FindDeposit with a generation; what Step
// decides on that is returned.
func (s *site) find(text string, g locker.Generation) ([]locker.Event, []locker.Action) {
	s.t.Helper()
	ask := held[locker.FindDeposit](s.t, s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte(text)}))
	events, actions := s.term.Step(s.now, locker.DepositFound{Attempt: ask.Attempt, Generation: g})
	s.events = append(s.events, events...)
	return events, actions
}

func TestATryIsChargedInTheStepThatAsksForIt(t *testing.T) {
	s, _, g := loaded(t)
	events, actions := s.find(code(int(g)), g)
	try := held[locker.TryCode](t, actions)
	charged := slices.ContainsFunc(events, func(e locker.Event) bool {
		return e.Fact == locker.CodeCharged{Attempt: try.Attempt, Generation: g}
	})
	if !charged || try.Generation != g {
		t.Fatalf("try %d of %d comes with events %v: the charge is missing", try.Attempt, try.Generation, events)
	}
}

func TestAComparisonIsChargedInTheStepThatAsksForIt(t *testing.T) {
	s, _, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	attempt := has[locker.CodeProved](s)[0].Attempt
	events, actions := s.term.Step(s.now, locker.FingerCaptured{Attempt: attempt})
	if c := held[locker.CompareFactor](t, actions); c.Generation != g || c.Finger != 2 || c.Threshold != s.config.Rules.Threshold {
		t.Fatalf("comparison %+v", c)
	}
	want := locker.FactorCharged{Attempt: attempt, Generation: g, Factor: locker.FactorFinger, Finger: 2}
	if len(events) != 1 || events[0].Fact != want {
		t.Fatalf("events %v, want %+v", events, want)
	}
}

func TestUnknownWrongAndExhaustedCodesLookAlike(t *testing.T) {
	s, _, g := loaded(t)
	refused := func(text string) (locker.Screen, time.Duration) {
		t.Helper()
		from := s.now.Uptime
		s.typeIn(text)
		for s.term.Screen().Name == locker.ScreenChecking {
			s.pass(100 * time.Millisecond)
		}
		sc := s.wantScreen(locker.ScreenRefused)
		sc.Number, sc.Incident = 0, ""
		sc.Until -= s.now.Uptime
		return sc, s.now.Uptime - from
	}
	unknown, at := refused(code(99))
	for range 6 { // the sixth is exhausted
		wrong, after := refused(wrongCode(int(g)))
		if after != at || wrong.Name != unknown.Name || wrong.Hint != unknown.Hint || wrong.Until != unknown.Until || wrong.Compartment != unknown.Compartment || !slices.Equal(wrong.Choices, unknown.Choices) {
			t.Fatalf("%+v after %v, want %+v after %v", wrong, after, unknown, at)
		}
	}
	if at != time.Duration(s.config.Rules.AnswerAfter) {
		t.Fatalf("answered after %v, want the fixed time", at)
	}
	count[locker.CodeFailed](s, 5)
	r := has[locker.CodeRefused](s)
	if len(r) != 2 || r[0].Reason != locker.RefusedUnknown || r[1].Reason != locker.RefusedExhausted {
		t.Fatalf("refusals %v, want one unknown and one exhausted", r)
	}
	s.wantAlarm(locker.AlarmExhausted, locker.Statistics)
}

func TestTheSameWorkIsDoneForAnUnknownCode(t *testing.T) {
	s, _, _ := loaded(t)
	_, actions := s.find(code(99), 0)
	if try := held[locker.TryCode](t, actions); try.Generation != 0 || try.Code.IsZero() {
		t.Fatalf("%+v, want a try in vain of the code that was typed", try)
	}
}

func TestFiveFailuresCloseTheCodeForItsOwnerToo(t *testing.T) {
	s, _, g := loaded(t)
	for range 5 {
		s.wrong(g)
	}
	s.enter(g)
	s.pass(2 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	count[locker.CodeProved](s, 0)
}

func TestARightCodeRefundsItsChargeAlone(t *testing.T) {
	s, n, g := loaded(t)
	for range 4 {
		s.wrong(g)
	}
	s.image = locker.AdviceLay
	for range 3 {
		s.typeIn(code(int(g)))
		s.wantScreen(locker.ScreenFinger)
		s.choose(locker.ChoiceCancel)
	}
	if c := s.at(n).Charges; c != 4 {
		t.Fatalf("%d charges, want the four failures", c)
	}
}

func TestASlipOfADigitCostsNothing(t *testing.T) {
	s, _, g := loaded(t)
	right := code(int(g))
	slip := []byte(right)
	slip[len(slip)-1] = '0' + (slip[len(slip)-1]-'0'+1)%10
	for text, hint := range map[string]locker.Hint{string(slip): locker.HintSlip, right[:len(right)-2]: locker.HintLength} {
		before := len(s.events)
		s.typeIn(text)
		if sc := s.wantScreen(locker.ScreenWelcome); sc.Hint != hint || len(s.events) != before {
			t.Fatalf("%q: hint %q and %d events, want %q and none", text, sc.Hint, len(s.events)-before, hint)
		}
	}
	s.pass(2 * time.Minute)
	if h := s.wantScreen(locker.ScreenWelcome).Hint; h != "" {
		t.Fatalf("the next one still reads %q", h)
	}
}

func TestALateResultSettlesItsOwnGenerationAlone(t *testing.T) {
	s, n, g := loaded(t)
	_, actions := s.find(code(int(g)), g)
	try := held[locker.TryCode](t, actions)
	s.pass(31 * time.Second) // the vault is slow; the visit is given up
	if c := s.at(n).Charges; c != 1 {
		t.Fatalf("%d charges while nobody knows, want 1", c)
	}
	s.pass(time.Minute)
	s.give(locker.ReissueReceived{Order: "ORDER-1", Generation: g, Key: 3, Admin: "a1", Expires: s.term.Now().Add(time.Minute)})
	next := s.at(n).Generation
	s.wrong(next)
	before := len(s.events)
	s.give(locker.CodeTried{Attempt: try.Attempt, Generation: next, Opened: true}) // not what was charged
	if len(s.events) != before || s.at(n).Charges != 1 {
		t.Fatal("a result of another generation's attempt was believed")
	}
	s.wantNoVisit()
}

func TestALateRightResultRefundsAndOpensNothing(t *testing.T) {
	s, n, g := loaded(t)
	_, actions := s.find(code(int(g)), g)
	try := held[locker.TryCode](t, actions)
	s.pass(2 * time.Minute)
	pulses := len(s.pulses)
	s.give(locker.CodeTried{Attempt: try.Attempt, Generation: g, Opened: true})
	s.give(locker.CodeTried{Attempt: try.Attempt, Generation: g, Opened: true})
	if c := s.at(n).Charges; c != 0 || len(s.pulses) != pulses {
		t.Fatalf("%d charges and %d pulses, want the refund once and no door", c, len(s.pulses)-pulses)
	}
	count[locker.CodeProved](s, 1)
	s.wantNoVisit()
}

func (s *site) wantNoVisit() {
	s.t.Helper()
	if n := s.term.Screen().Name; n == locker.ScreenFinger || n == locker.ScreenOpening || n == locker.ScreenTake {
		s.t.Fatalf("screen %s: a visit goes on", n)
	}
}

func TestATryThatFailsToRunStaysCharged(t *testing.T) {
	s, n, g := loaded(t)
	_, actions := s.find(code(int(g)), g)
	try := held[locker.TryCode](t, actions)
	s.give(locker.CodeTried{Attempt: try.Attempt, Generation: g, Err: "record unreadable"})
	s.pass(2 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	if s.at(n).Charges != 1 {
		t.Fatal("nobody knows whether it was tried: the charge stays")
	}
	s.wantAlarm(locker.AlarmVault, locker.Morning)
}

func TestChargesOutliveARestart(t *testing.T) {
	s, n, g := loaded(t)
	s.find(code(int(g)), g)
	s.boot()
	if c := s.at(n).Charges; c != 1 {
		t.Fatalf("%d charges after a power cut in the try, want 1", c)
	}
	for range 4 {
		s.wrong(g)
	}
	s.enter(g)
	s.pass(2 * time.Second)
	s.wantScreen(locker.ScreenRefused)
}

func TestAfterTenRefusalsOneTryAMinuteAlsoAfterARestart(t *testing.T) {
	s, _, g := loaded(t)
	for i := range 10 {
		s.typeIn(code(100 + i))
		s.pass(2 * time.Second)
	}
	attempts := len(has[locker.CodeRefused](s))
	s.enter(g)
	s.pass(50 * time.Second)
	if n := len(has[locker.CodeRefused](s)); n != attempts || len(has[locker.CodeCharged](s)) != 0 {
		t.Fatal("a code was tried before its minute")
	}
	s.boot()
	sc := s.wantScreen(locker.ScreenPaced)
	if sc.Until <= s.now.Uptime || s.term.Deadline() > sc.Until {
		t.Fatalf("paced until %v, next tick at %v", sc.Until, s.term.Deadline())
	}
	s.pass(10 * time.Second)
	s.wantScreen(locker.ScreenWelcome)
	s.typeIn(code(111))
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	s.pass(55 * time.Second)
	s.wantScreen(locker.ScreenPaced)
	s.pass(10 * time.Second)
	s.enter(g) // accepted: the pace is over
	s.wantScreen(locker.ScreenTake)
}

func TestWrongFingersCloseTheFingerAndNotTheCode(t *testing.T) {
	s, n, g := loaded(t)
	s.finger[g] = false
	s.image = ""
	s.typeIn(code(int(g)))
	for range 4 {
		s.wantScreen(locker.ScreenFinger)
		s.image = ""
		s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	}
	closed := has[locker.FactorClosed](s)
	if len(closed) != 1 || closed[0].Finger != 2 {
		t.Fatalf("closed %v, want finger 2 once after five failures", closed)
	}
	if f := s.wantScreen(locker.ScreenFinger).Finger; f != 7 {
		t.Fatalf("asks for finger %d, want the other one", f)
	}
	if c := s.at(n).Charges; c != 0 {
		t.Fatalf("%d charges: a wrong finger burns no code", c)
	}
}

func TestEachComparisonIsRecordedWithItsEvidence(t *testing.T) {
	s, _, g := loaded(t)
	s.finger[g] = false
	s.image = ""
	s.typeIn(code(int(g)))
	s.finger[g], s.image = true, ""
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	compared := has[locker.FactorCompared](s)
	if len(compared) != 2 || compared[0].Accepted || !compared[1].Accepted {
		t.Fatalf("%+v, want one refused and one accepted", compared)
	}
	for _, c := range compared {
		if c.Similarity != 40 || c.FMR != 1e-6 || c.Threshold != s.config.Rules.Threshold {
			t.Errorf("%+v lacks the similarity, the rate that it stands for, or the rate asked for", c)
		}
	}
}

func TestComparisonsCutShortCountAndCloseTheFinger(t *testing.T) {
	s, _, g := loaded(t)
	for range 5 {
		s.image = locker.AdviceLay
		s.typeIn(code(int(g)))
		s.wantScreen(locker.ScreenFinger)
		proved := has[locker.CodeProved](s)
		held[locker.CompareFactor](t, s.hold(locker.FingerCaptured{Attempt: proved[len(proved)-1].Attempt}))
		s.boot() // the power goes before the result
	}
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	if f := s.wantScreen(locker.ScreenFinger).Finger; f != 7 {
		t.Fatalf("asks for finger %d after five comparisons that nobody saw end, want 7", f)
	}
}

func TestAnswersOfAnotherAttemptAreIgnored(t *testing.T) {
	s, _, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	before, screen := len(s.events), s.term.Screen()
	for _, in := range []locker.Input{
		locker.DepositFound{Attempt: 99, Generation: g}, locker.CodeTried{Attempt: 99, Generation: g, Opened: true},
		locker.FingerCaptured{Attempt: 99}, locker.FactorTried{Attempt: 99, Generation: g, Accepted: true},
		locker.LockPulsed{Pulse: 99, Compartment: 1}, locker.CardFound{Check: 99, Person: "p1"},
		locker.ClerkChecked{Check: 99, Person: "p1", Proved: true}, locker.DepositReady{Generation: g, Hash: "z"},
		locker.SlotOverwritten{Generation: 99}, locker.KeyOverwritten{Key: 99}, locker.OrderOverwritten{Order: "NO-SUCH"}, locker.LetterRemoved{Generation: 99},
	} {
		s.give(in)
		if len(s.events) != before || s.term.Screen().Number != screen.Number {
			t.Fatalf("%T of nothing that runs changed something", in)
		}
	}
}
