package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func (s *site) quality() locker.TimeQuality {
	s.t.Helper()
	s.now.Uptime += 10 * time.Minute
	s.now.Wall = s.now.Wall.Add(10 * time.Minute)
	s.give(locker.Tick{})
	return s.events[len(s.events)-1].Quality
}

func TestTheMarkIsKeptAlsoWhenNothingHappens(t *testing.T) {
	s := newSite(t)
	before := len(s.events)
	s.pass(24 * time.Hour)
	marks := s.events[before:]
	if len(marks) != 144 {
		t.Fatalf("%d events in an idle day, want a mark each 10 min", len(marks))
	}
	for _, e := range marks {
		if _, ok := e.Fact.(locker.ClockMarked); !ok {
			t.Fatalf("an idle terminal recorded %+v", e.Fact)
		}
	}
}

func TestAWallClockThatJumpsIsNotBelieved(t *testing.T) {
	for _, jump := range []time.Duration{72 * time.Hour, -72 * time.Hour, 50 * 365 * day} {
		s, _, _ := loaded(t)
		was := s.term.Now()
		s.now.Wall = s.now.Wall.Add(jump)
		s.give(locker.Tick{})
		if got := s.term.Now().Sub(was); got < 0 || got > time.Minute {
			t.Fatalf("a jump of %v moved the time by %v", jump, got)
		}
		if q := s.quality(); q != locker.TimeHeld {
			t.Fatalf("quality %q, want held", q)
		}
		s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
		count[locker.DepositExpired](s, 0)
		s.now.Wall = s.term.Now() // set right
		s.give(locker.Tick{})
		s.wantAlarm(locker.AlarmClockHeld, "")
	}
}

func TestSmallStepsOfTheWallClockAreRationed(t *testing.T) {
	s := newSite(t)
	was := s.term.Now()
	for range 1000 {
		s.now.Wall = s.now.Wall.Add(14 * time.Minute)
		s.give(locker.Tick{})
	}
	if got := s.term.Now().Sub(was); got > 15*time.Minute {
		t.Fatalf("small steps moved the time by %v without an hour's passing", got)
	}
}

func TestARestartWithAClockThatIsBehindDoesNotSetTheTimeBack(t *testing.T) {
	s := newSite(t)
	s.pass(time.Hour)
	at := s.term.Now()
	s.now.Wall = start.Add(-100 * day)
	s.now.Uptime = 0
	s.boot()
	if s.term.Now().Before(at) {
		t.Fatalf("after the start it is %v, and it was %v", s.term.Now(), at)
	}
	last := time.Time{}
	for _, e := range s.events {
		if e.Time.Before(last) {
			t.Fatalf("%T at %v comes after %v", e.Fact, e.Time, last)
		}
		last = e.Time
	}
}

func TestASingleOldAcknowledgementDoesNotMoveTheTime(t *testing.T) {
	s := newSite(t)
	at := s.term.Now()
	s.give(locker.CityTime{Time: at.Add(-48 * time.Hour)})
	if !s.term.Now().Equal(at) {
		t.Fatal("an old acknowledgement moved the time")
	}
	if q := s.quality(); q != locker.TimeClock {
		t.Fatalf("quality %q after an old acknowledgement, want the clock's", q)
	}
	at = s.term.Now()
	s.give(locker.CityTime{Time: at.Add(time.Minute)})
	count[locker.ClockSet](s, 0) // small: a side record
	s.give(locker.CityTime{Time: at.Add(3 * time.Hour)})
	if set := has[locker.ClockSet](s); len(set) != 1 || !s.term.Now().Equal(at.Add(3*time.Hour)) {
		t.Fatalf("set %v, now %v", set, s.term.Now())
	}
	if q := s.quality(); q != locker.TimeConfirmed {
		t.Fatalf("quality %q, want confirmed", q)
	}
	s.now.Wall = s.term.Now().Add(-time.Hour)
	for range 150 {
		s.quality()
	}
	if q := s.quality(); q != locker.TimeHeld {
		t.Fatalf("quality %q a day later, want held: the wall clock disagrees", q)
	}
}

func TestACityWhoseClockIsYearsAheadIsNotFollowed(t *testing.T) {
	s := newSite(t)
	at := s.term.Now()
	s.give(locker.CityTime{Time: at.AddDate(10, 0, 0)})
	if !s.term.Now().Equal(at) {
		t.Fatalf("it is %v now", s.term.Now())
	}
	s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
	count[locker.KeyLapsed](s, 0)
	s.give(locker.CityTime{Time: at.Add(time.Minute)})
	s.wantAlarm(locker.AlarmClockHeld, "")

	s.now.Wall = time.Unix(0, 0) // a board that has lost its time believes the city
	s.give(locker.CityTime{Time: at.AddDate(10, 0, 0)})
	if want := at.AddDate(10, 0, 0); !s.term.Now().Equal(want) {
		t.Fatalf("it is %v, the city says %v", s.term.Now(), want)
	}
}

func TestACorrectionIsNobodysRetention(t *testing.T) {
	s, _, _ := loaded(t)
	s.give(locker.CityTime{Time: s.term.Now().Add(30 * day)})
	s.pass(6 * day)
	count[locker.DepositExpired](s, 0)
}

func TestALongOutageHoldsTheTimeUntilTheCityTells(t *testing.T) {
	s := newSite(t)
	at := s.term.Now()
	s.now.Wall, s.now.Uptime = s.now.Wall.Add(5*day), 0
	s.boot()
	if got := s.term.Now().Sub(at); got > time.Minute {
		t.Fatalf("the wall clock moved the time by %v", got)
	}
	s.wantAlarm(locker.AlarmClockHeld, locker.Morning)
	s.give(locker.CityTime{Time: s.now.Wall})
	s.wantAlarm(locker.AlarmClockHeld, "")
	if !s.term.Now().Equal(s.now.Wall) {
		t.Fatalf("it is %v, want the city's %v", s.term.Now(), s.now.Wall)
	}
}

func TestAnotherHistoryAtTheCityWakesSomeoneUntilTheyAgree(t *testing.T) {
	s := newSite(t)
	s.give(locker.LogDisputed{Reason: "the city has more events than this journal: 900, we have 870"})
	s.give(locker.LogDisputed{Reason: "the city has more events than this journal: 900, we have 871"})
	s.wantAlarm(locker.AlarmLogDisputed, locker.Wake)
	n := 0
	for _, e := range s.events {
		if a, ok := e.Fact.(locker.AlarmRaised); ok && a.Kind == locker.AlarmLogDisputed {
			n++
		}
	}
	if n != 1 {
		t.Errorf("told %d times", n)
	}
	s.give(locker.CityTime{Time: s.term.Now()})
	s.wantAlarm(locker.AlarmLogDisputed, "")
}
