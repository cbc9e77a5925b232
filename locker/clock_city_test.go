package locker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// firstStart is a site whose very first start saw this wall clock.
func firstStart(t *testing.T, wall time.Time) *site {
	s := &site{
		t: t, now: locker.Now{Wall: wall}, config: newSite(t).config,
		doors: map[locker.CompartmentID]bool{}, jammed: map[locker.CompartmentID]bool{},
		codes: map[locker.Generation]string{}, finger: map[locker.Generation]bool{}, image: locker.AdviceLay,
	}
	for _, c := range s.config.Compartments {
		s.doors[c.Number] = false
	}
	s.boot()
	return s
}

// hears lets time pass while the city says, each 10 minutes, a time that is off
// by this from the wall clock.
func (s *site) hears(d, off time.Duration) {
	s.t.Helper()
	for ; d > 0; d -= 10 * time.Minute {
		s.pass(10 * time.Minute)
		s.give(locker.CityTime{Time: s.now.Wall.Add(off)})
	}
}

// ahead is by how much trusted time is ahead of the wall clock.
func (s *site) ahead() time.Duration { return s.term.Now().Sub(s.now.Wall) }

func (s *site) wantAhead(want time.Duration) {
	s.t.Helper()
	if got := s.ahead(); (got - want).Abs() > 2*time.Minute {
		s.t.Fatalf("trusted time is %v ahead of the wall clock, want %v", got, want)
	}
}

// wantNothingExpired checks that no step of the clock cost a key, an order or a person.
func (s *site) wantNothingExpired() {
	s.t.Helper()
	count[locker.KeyLapsed](s, 0)
	count[locker.OrderWithdrawn](s, 0)
	count[locker.DepositExpired](s, 0)
	count[locker.CompartmentQuarantined](s, 0)
}

func TestAFirstStartWithAWrongClockIsNotForEver(t *testing.T) {
	for name, ahead := range map[string]time.Duration{
		"two hours ahead": 2 * time.Hour, "73 years ahead": 73 * 365 * day,
		"two hours behind": -2 * time.Hour, "1970": time.Unix(0, 0).Sub(start),
	} {
		for _, wallSet := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", the machine's clock is set right", false: ", the machine's clock stays wrong"}[wallSet], func(t *testing.T) {
				s := firstStart(t, start.Add(ahead))
				off := -ahead
				if wallSet {
					s.now.Wall, off = start, 0
				}
				s.hears(20*time.Minute, off)
				s.wantAhead(off)
				s.boot()
				s.wantAhead(off)
				// The terminal works: keys offered under the wrong clock live no longer
				// than those offered now, and an order is loaded.
				for _, k := range s.term.UnusedKeys() {
					if life := k.Expires.Sub(s.term.Now()); life > time.Duration(s.config.Rules.KeyLife) {
						t.Errorf("key %d lives for %v", k.Key, life)
					}
				}
				if len(s.term.UnusedKeys()) == 0 {
					t.Error("no keys are offered")
				}
			})
		}
	}
}

func TestAfterTheFirstDocumentTheCityAloneDoesNotSetTheClock(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Hour, 30 * day, 50 * 365 * day} {
		s, _, _ := loaded(t)
		s.give(locker.CityTime{Time: s.now.Wall.Add(off)})
		s.wantAhead(0)
		s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
		if text := s.alarmDetail(locker.AlarmClockHeld); !strings.Contains(text, "the city's clock is") || !strings.Contains(text, "ahead of") {
			t.Errorf("the alarm says %q, and not by how much", text)
		}
	}
}

func (s *site) alarmDetail(kind locker.AlarmKind) string {
	for _, a := range s.term.Status().Alarms {
		if a.Kind == kind {
			return a.Detail
		}
	}
	return ""
}

func TestAServerThatBootsTwoHoursAheadIsForgottenAfterSixSeconds(t *testing.T) {
	for name, wall := range map[string]func(s *site){
		"with a good clock here":      func(*site) {},
		"with a dead clock here":      func(s *site) { s.now.Wall = time.Unix(0, 0) },
		"with a clock years ahead":    func(s *site) { s.now.Wall = s.now.Wall.AddDate(8, 0, 0) },
		"with the same mistake here":  func(s *site) { s.now.Wall = s.now.Wall.Add(2 * time.Hour) },
		"with a clock three days off": func(s *site) { s.now.Wall = s.now.Wall.Add(-3 * day) },
	} {
		for _, off := range []time.Duration{2 * time.Hour, 12 * time.Hour, 20 * day, 20 * 365 * day} {
			t.Run(name+" "+off.String(), func(t *testing.T) {
				s, _, _ := loaded(t)
				s.order("WAITING01", 2)
				truth := s.now
				wall(s)
				for range 6 {
					s.now.Uptime += time.Second
					s.now.Wall = s.now.Wall.Add(time.Second)
					s.give(locker.CityTime{Time: truth.Wall.Add(off)})
				}
				if name == "with the same mistake here" {
					s.now.Wall = s.now.Wall.Add(-2 * time.Hour)
				}
				right := truth.Wall.Add(s.now.Uptime - truth.Uptime).Sub(s.now.Wall)
				s.hears(30*time.Minute, right)
				s.wantAhead(right)
				s.wantNothingExpired()
				s.command(locker.Command{Kind: locker.CommandLock}, "a1")
				s.wantFollowed(locker.CommandLock)
			})
		}
	}
}

func TestTheCityIsFollowedAgainstTheMachinesClockAfterHoursOfAgreement(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour, 30 * day} {
		s, _, _ := loaded(t)
		s.hears(5*time.Hour+50*time.Minute, off)
		s.wantAhead(0)
		s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
		s.hears(20*time.Minute, off)
		s.wantAhead(off)
		if off > 0 {
			s.hears(7*day, off) // provisional for as long as the machine's clock speaks against it
			if got := s.term.Status().Ahead; time.Duration(got) < off-time.Hour {
				t.Errorf("of %v, %v are provisional", off, got)
			}
			s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
		}
		s.hears(time.Hour, 0)
		s.wantAhead(0)
		s.wantAlarm(locker.AlarmClockHeld, "")
	}
}

func TestNoNumberOfStepsOfTheCitysLeadsFarFromTheLastCertainTime(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"32 days at once":             {32 * day},
		"a year at once":              {365 * day},
		"30 days, then 50 years":      {30 * day, 50 * 365 * day},
		"30 days again and again":     {30 * day, 60 * day, 90 * day, 120 * day},
		"ten minutes again and again": {10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 50 * 365 * day},
		"back 30 days, then a year":   {-30 * day, -60 * day, -365 * day},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := loaded(t)
			s.order("WAITING01", 2)
			for _, off := range steps {
				s.hears(13*time.Hour, off)
			}
			if got := s.ahead().Abs(); got > 31*day+time.Hour {
				t.Errorf("the city moved the clock by %v", got)
			}
			if got := s.term.Certain().Sub(s.now.Wall); got > time.Hour {
				t.Errorf("certain time is %v ahead", got)
			}
			s.wantNothingExpired()
		})
	}
}

func TestTheCityWalksTheClockNowhereInSmallSteps(t *testing.T) {
	s, _, _ := loaded(t)
	for range 2000 {
		s.now.Uptime += time.Second
		s.now.Wall = s.now.Wall.Add(time.Second)
		s.give(locker.CityTime{Time: s.term.Now().Add(9 * time.Minute)})
	}
	if got := s.ahead(); got > 16*time.Minute {
		t.Fatalf("small steps moved the clock by %v", got)
	}
	s.give(locker.CityTime{Time: s.term.Now().AddDate(50, 0, 0)})
	if got := s.ahead(); got > 16*time.Minute {
		t.Fatalf("and a large one after them by %v", got)
	}
}

func TestAnOutageIsMadeUpForAtOnceAndExpiresNothingForHours(t *testing.T) {
	s, _, _ := loaded(t)
	s.order("WAITING01", 2)
	s.now.Wall, s.now.Uptime = s.now.Wall.Add(300*day), 0
	s.boot()
	s.give(locker.CityTime{Time: s.now.Wall})
	s.wantAhead(0)
	s.hears(5*time.Hour, 0)
	s.wantNothingExpired()
	s.hears(90*time.Minute, 0)
	s.pass(time.Minute)
	if len(has[locker.ClockConfirmed](s)) != 1 || s.term.Status().Ahead != 0 {
		t.Fatalf("confirmed %d times, %v are provisional", len(has[locker.ClockConfirmed](s)), s.term.Status().Ahead)
	}
	if len(has[locker.KeyLapsed](s)) == 0 || len(has[locker.OrderWithdrawn](s)) != 1 {
		t.Error("after the confirmation, old keys and orders do not expire")
	}
}

func TestAProvisionalTimeOutlivesARestart(t *testing.T) {
	s, _, _ := loaded(t)
	s.order("WAITING01", 2)
	s.now.Wall = time.Unix(0, 0)
	right := s.term.Now().Sub(s.now.Wall)
	s.give(locker.CityTime{Time: s.term.Now().AddDate(50, 0, 0)})
	s.boot()
	if got := time.Duration(s.term.Status().Ahead); got < 49*365*day {
		t.Fatalf("after the restart %v are provisional", got)
	}
	s.wantNothingExpired()
	s.hears(30*time.Minute, right)
	s.wantAhead(right)
	s.wantNothingExpired()
}

func TestWhoLeavesNextMonthSignsInWhileTheClockIsYearsAhead(t *testing.T) {
	s, _, _ := loaded(t)
	people := []locker.Member{
		{Person: "p1", Role: locker.Clerk, Leaves: s.term.Now().AddDate(0, 1, 0)}, {Person: "p2", Role: locker.Clerk},
		{Person: "a1", Role: locker.Admin, Leaves: s.term.Now().AddDate(0, 1, 0)}, {Person: "a2", Role: locker.Admin},
	}
	s.give(locker.RosterReceived{Version: 2, Hash: "two", People: people})
	s.now.Wall = time.Unix(0, 0)
	s.give(locker.CityTime{Time: s.term.Now().AddDate(5, 0, 0)})
	if s.term.Status().Ahead == 0 {
		t.Fatal("no step is provisional")
	}
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceFinish)
	s.command(locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(-5 * 365 * day)}, "a1", "a2")
	s.wantFollowed(locker.CommandClock)
}

func TestTwoAdminsSetTheClock(t *testing.T) {
	for _, by := range []time.Duration{-2 * time.Hour, -20 * day, 3 * time.Hour, 400 * day} {
		s, _, _ := loaded(t)
		was := s.term.Now()
		shift := locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(by)}
		if by < 0 {
			s.now.Wall = was.Add(by)
		}
		s.command(shift, "a1")
		s.wantCommandRefused("wants two different admins")
		s.command(shift, "a1", "a2")
		s.wantFollowed(locker.CommandClock)
		if got := s.term.Now().Sub(was); got != by {
			t.Fatalf("the clock moved by %v, want %v", got, by)
		}
		set := has[locker.ClockSet](s)
		if last := set[len(set)-1]; last.By != locker.ClockAdmins || !last.Was.Equal(was) || last.Ahead != 0 {
			t.Errorf("recorded as %+v", last)
		}
		s.boot()
		if got := s.term.Now().Sub(was); got < by-time.Minute || got > by+16*time.Minute {
			t.Errorf("after a restart it moved by %v, want %v", got, by)
		}
	}
	s := newSite(t)
	s.command(locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(-30 * 365 * day)}, "a1", "a2")
	s.wantCommandRefused("would be set to 1996")
}

func TestACommandIsNotFollowedAgainAfterTheClockWasSetBack(t *testing.T) {
	s := newSite(t)
	lock := s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.pass(2 * time.Hour)
	s.command(locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(-2 * time.Hour)}, "a1", "a2")
	s.give(lock)
	s.wantFollowed(locker.CommandLock, locker.CommandUnlock, locker.CommandClock)
	s.wantScreen(locker.ScreenWelcome)
}

func TestOldAcknowledgementsDoNotSetTheClockBack(t *testing.T) {
	s, _, _ := loaded(t)
	old := s.now.Wall
	s.pass(3 * time.Hour)
	for range 200 { // a broker repeats what it retained
		s.give(locker.CityTime{Time: old})
		s.pass(time.Minute)
	}
	s.wantAhead(0)
	s.wantAlarm(locker.AlarmClockHeld, "")
}

func TestRetentionRunsOnAfterTheClockWasSetBack(t *testing.T) {
	s, _, g := loaded(t)
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
	s.pass(3 * day)
	s.now.Wall = s.now.Wall.Add(-2 * day)
	s.command(locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(-2 * day)}, "a1", "a2")
	s.pass(3 * day)
	count[locker.DepositExpired](s, 0)
	s.pass(2 * day)
	count[locker.DepositExpired](s, 1)
}
