package locker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// rain is a hand-held emulator that shows cards nobody has, three a second.
type rain struct {
	s *site
	n int
}

func (r *rain) fall(d time.Duration) {
	r.s.t.Helper()
	for end := r.s.now.Uptime + d; r.s.now.Uptime < end; r.n++ {
		r.s.pass(333 * time.Millisecond)
		r.s.badge(fmt.Sprint("stranger ", r.n%5))
	}
}

// recorded counts the events since n that are not the clock's.
func (s *site) recorded(n int) int {
	k := 0
	for _, e := range s.events[n:] {
		if _, mark := e.Fact.(locker.ClockMarked); !mark {
			k++
		}
	}
	return k
}

// Row 21: outsiders cause events without end. Here: cards.
func TestThreatCardsWithoutEnd(t *testing.T) {
	night := func(t *testing.T, after int, long time.Duration) (*site, int) {
		s, _, _ := loaded(t)
		s.config.Rules.GuessingAfter = after
		s.boot()
		before := len(s.events)
		(&rain{s: s}).fall(long)
		return s, s.recorded(before)
	}
	s, n := night(t, 10, 3*time.Hour)
	if bound := locker.DefaultRules().CardsBound(); n > bound/8 || bound > 230 {
		t.Errorf("%d events in three hours, the bound is %d a day", n, bound)
	}
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
	told := 0
	for _, a := range has[locker.AttemptsSuppressed](s) {
		told += a.Suppressed
	}
	if told < 20_000 {
		t.Errorf("the city is told of %d cards", told)
	}
	s.pass(31 * time.Minute)
	s.wantAlarm(locker.AlarmGuessing, "")
	refused := len(has[locker.ClerkRefused](s))
	s.badge("stranger")
	count[locker.ClerkRefused](s, refused+1) // one by one again
	if _, n := night(t, 1_000_000, 10*time.Minute); n < 1_000 {
		t.Errorf("without the rule: %d events; the test above proves nothing", n)
	}
}

func TestWhileStrangersCardsRainPeopleCollectAndClerksSignIn(t *testing.T) {
	s, n, g := loaded(t)
	r := &rain{s: s}
	r.fall(20 * time.Second) // the hint about the last card that was told has faded
	screen := s.wantScreen(locker.ScreenWelcome)
	r.fall(10 * time.Second)
	if now := s.wantScreen(locker.ScreenWelcome); now.Number != screen.Number {
		t.Error("the screen became another: what was being typed is lost")
	}
	s.enter(g)
	r.fall(5 * time.Second)
	s.wantScreen(locker.ScreenTake)
	s.door(n, false)
	question := s.wantScreen(locker.ScreenQuestion)
	r.fall(5 * time.Second)
	if now := s.wantScreen(locker.ScreenQuestion); now.Number != question.Number {
		t.Error("the question became another screen")
	}
	s.choose(locker.ChoiceYes)
	r.fall(10 * time.Second)

	for _, card := range []string{"c1", "c2"} {
		s.badge(card)
		number := s.wantScreen(locker.ScreenClerk).Number
		r.fall(3 * time.Second)
		if now := s.wantScreen(locker.ScreenClerk); now.Number != number || now.Hint != "" {
			t.Errorf("the clerk's screen became %+v", now)
		}
		s.typeIn("471108")
		r.fall(3 * time.Second)
	}
	menu := s.wantScreen(locker.ScreenRound).Number
	r.fall(3 * time.Second)
	if now := s.wantScreen(locker.ScreenRound); now.Number != menu {
		t.Error("the round's menu became another screen")
	}
	s.clear()
	s.finish()
	r.fall(time.Second)
	count[locker.RoundConfirmed](s, 2)
}

func TestACardThatCannotBeLookedUpWaitsForTheLookupsBeforeIt(t *testing.T) {
	s := newSite(t)
	(&rain{s: s}).fall(10 * time.Second)
	var asked []locker.FindCard
	for i := range 100 { // the vault is slow
		for _, a := range s.hold(locker.Scanned{Source: locker.SourceBadge, Text: fmt.Append(nil, "stranger ", i)}) {
			asked = append(asked, a.(locker.FindCard))
		}
	}
	if len(asked) == 0 || len(asked) > 16 {
		t.Fatalf("%d lookups at once", len(asked))
	}
	for _, a := range asked {
		if a.Purpose != "" {
			t.Errorf("a stranger's card voids a clerk's challenge: %+v", a)
		}
		s.give(locker.CardFound{Check: a.Check})
	}
	s.signIn("c1", "c2")
}

func TestARestartKeepsCountingTheCards(t *testing.T) {
	s := newSite(t)
	(&rain{s: s}).fall(10 * time.Second)
	s.boot()
	before := len(s.events)
	(&rain{s: s}).fall(time.Minute)
	if n := s.recorded(before); n != 0 {
		t.Errorf("%d events", n)
	}
	s.pass(31 * time.Minute)
	s.wantAlarm(locker.AlarmGuessing, "")
}

// Row 21. Here: codes.
func TestThreatCodesWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("types codes for a day")
	}
	for name, type1 := range map[string]func(s *site){
		"random": func(s *site) { s.vandal(1) },
		"of a letter without its finger": func(s *site) {
			s.comeBack()
			s.image = locker.AdviceLay
			s.typeIn(code(1))
			s.choose(locker.ChoiceCancel)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := stocked(t, 2, func(r *locker.Rules) { r.AnswerAfter = 0 })
			before, from := len(s.events), s.now.Uptime
			for s.now.Uptime-from < 24*time.Hour {
				type1(s)
			}
			bound := locker.DefaultRules().CodesBound()
			if n := s.recorded(before); n > bound+10 { // the alarms
				t.Errorf("%d events in a day, the bound is %d", n, bound)
			}
			if name == "random" {
				s.wantAlarm(locker.AlarmGuessing, locker.Morning)
				s.pass(31 * time.Minute)
				s.wantAlarm(locker.AlarmGuessing, "")
			}
		})
	}
}

func TestFingersThatAreTriedInARowRaiseAnAlarm(t *testing.T) {
	s, _, g := loaded(t)
	s.finger[g] = false
	s.config.Rules.GuessingAfter = 4
	s.boot()
	s.enter(g)
	for range 5 {
		s.image = ""
		s.give(locker.FingerCaptured{Attempt: 1})
	}
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
}

// The allowance of a month is not used up by honest people.
func TestAFewSlipsADayRaiseNoAlarm(t *testing.T) {
	s, _, g := loaded(t)
	for range 30 {
		for range 4 {
			s.typeIn(wrongCode(9))
			s.pass(time.Minute)
			s.badge("stranger")
			s.pass(time.Hour)
		}
		s.pass(12 * time.Hour)
	}
	s.wantAlarm(locker.AlarmGuessing, "")
	_ = g
}
