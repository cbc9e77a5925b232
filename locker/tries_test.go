package locker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// guess tries so many wrong numbers of p2 and goes away.
func (s *site) guess(times int) (tried int) {
	s.t.Helper()
	for range times {
		s.badge("c2")
		if s.term.Screen().Name != locker.ScreenClerk {
			break
		}
		s.typeIn("999999")
		tried++
		if s.term.Screen().Name == locker.ScreenClerk {
			s.choose(locker.ChoiceCancel)
		}
		s.pass(time.Minute)
	}
	return tried
}

// Row 22: a colleague's number is tried a few times before each of her sign-ins.
func TestThreatAColleaguesNumberIsGuessed(t *testing.T) {
	days := func(s *site) (tried int) {
		for range 200 {
			tried += s.guess(4)
			s.badge("c2")
			if s.term.Screen().Name == locker.ScreenClerk {
				s.typeIn("471108") // her own sign-in
			}
			s.pass(20 * time.Hour)
		}
		return tried
	}
	s, _, _ := loaded(t)
	if n := days(s); n != 10 {
		t.Errorf("%d tries in 200 days", n)
	}
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
	if b := s.term.Status().Blocked; !slices.Equal(b, []locker.Person{"p2"}) {
		t.Errorf("blocked: %v", b)
	}
	s.command(locker.Command{Kind: locker.CommandUnblock, Person: "p2"}, "a1")
	s.signIn("c1", "c2")
	s.wantScreen(locker.ScreenRound)
	s.pass(time.Second)
	s.wantAlarm(locker.AlarmGuessing, "")

	s, _, _ = loaded(t)
	s.config.Rules.NumberTries = 100_000
	s.boot()
	if n := days(s); n != 800 {
		t.Errorf("without the rule: %d tries; the test above proves nothing", n)
	}
}

func TestAClerkIsToldOfTheTriesWithHerCard(t *testing.T) {
	s, _, _ := loaded(t)
	since := s.term.Now()
	s.guess(3)
	s.boot() // the count outlives a restart
	s.signIn("c1")
	if w := s.wantScreen(locker.ScreenSecond).Wrong; len(w) != 0 {
		t.Errorf("the first, with whose card nothing was tried, is told %+v", w)
	}
	s.badge("c2")
	s.typeIn("999999") // her own slip, just now, is no news
	s.typeIn("471108")
	told := s.wantScreen(locker.ScreenRound).Wrong
	if len(told) != 1 || told[0].Person != "p2" || told[0].Count != 3 || told[0].Since.Sub(since).Abs() > time.Minute {
		t.Fatalf("told %+v", told)
	}
	a := has[locker.ClerkAdmitted](s)
	if last := a[len(a)-1]; last.WrongTries != 3 || !last.WrongSince.Equal(told[0].Since) {
		t.Errorf("the city is told %+v", last)
	}
	s.choose(locker.ChoiceFinish)
	s.choose(locker.ChoiceBack)
	if w := s.wantScreen(locker.ScreenRound).Wrong; len(w) != 0 {
		t.Errorf("told again at the work: %+v", w)
	}
	s.finish()
	s.signIn("c2") // as the first
	if w := s.wantScreen(locker.ScreenSecond).Wrong; len(w) != 1 || w[0].Count != 4 {
		t.Errorf("as the first she is told %+v", w)
	}
}

func TestAQuietWeekForgetsTheWrongNumbers(t *testing.T) {
	s, _, _ := loaded(t)
	for range 8 {
		if n := s.guess(4); n != 4 {
			t.Fatalf("%d tries", n)
		}
		s.signIn("c2")
		s.pass(8 * 24 * time.Hour)
		s.signIn("c2")
		if w := s.wantScreen(locker.ScreenSecond).Wrong; len(w) != 0 {
			t.Fatalf("after a quiet week: %+v", w)
		}
		s.pass(time.Hour)
	}
	s.wantAlarm(locker.AlarmGuessing, "")
}

func TestTheAlarmOfANumberNamesItAndEndsAfterAQuietWeek(t *testing.T) {
	s, _, _ := loaded(t)
	s.guess(4)
	s.signIn("c2")
	s.pass(time.Minute)
	s.wantAlarm(locker.AlarmGuessing, "")
	s.guess(1)
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
	for _, a := range s.term.Status().Alarms {
		if a.Kind == locker.AlarmGuessing && !strings.HasSuffix(a.Detail, " p2") {
			t.Errorf("detail %q", a.Detail)
		}
	}
	s.boot()
	s.pass(6 * 24 * time.Hour)
	s.wantAlarm(locker.AlarmGuessing, locker.Morning)
	s.pass(2 * 24 * time.Hour)
	s.wantAlarm(locker.AlarmGuessing, "")
}
