package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

var berlin = locker.Zone{Offset: 60, Summer: true}

func TestSummerTimeAgreesWithTheDatabase(t *testing.T) {
	where, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zone database: %v", err)
	}
	for at := time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC); at.Year() < 2037; at = at.Add(time.Hour) {
		if got, want := berlin.Local(at).Format(time.DateTime), at.In(where).Format(time.DateTime); got != want {
			t.Fatalf("%v is %s, want %s", at, got, want)
		}
	}
}

func TestGatesFollowTheWallsClockInSummerAndWinter(t *testing.T) {
	h := locker.Hours{Zone: berlin, Windows: []locker.Window{{Day: time.Monday, From: 7 * 60, To: 19*60 + 30}}}
	for at, want := range map[string]bool{
		"2026-03-23T05:59:59Z": false, "2026-03-23T06:00:00Z": true, "2026-03-23T18:29:59Z": true, "2026-03-23T18:30:00Z": false,
		"2026-03-30T04:59:59Z": false, "2026-03-30T05:00:00Z": true, "2026-03-30T17:30:00Z": false, "2026-03-31T12:00:00Z": false,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if h.Open(when) != want {
			t.Errorf("%s: open is %v", at, !want)
		}
	}
}

func TestNextIsTheMinuteAtWhichOpenChanges(t *testing.T) {
	for _, h := range []locker.Hours{
		{Zone: berlin, Windows: []locker.Window{{Day: time.Monday, From: 7 * 60, To: 19 * 60}, {Day: time.Sunday, From: 90, To: 150}, {Day: time.Saturday, From: 1380, To: 1440}}},
		{Zone: locker.Zone{Offset: -210}, Windows: []locker.Window{{Day: time.Tuesday, From: 0, To: 1440}, {Day: time.Wednesday, From: 0, To: 1}}},
	} {
		for _, from := range []string{"2026-03-26T22:11:07Z", "2026-03-29T00:30:00Z", "2026-10-24T20:00:30Z", "2026-10-25T00:45:00Z", "2026-12-31T23:59:59Z"} {
			at, err := time.Parse(time.RFC3339, from)
			if err != nil {
				t.Fatal(err)
			}
			want := at.Truncate(time.Minute).Add(time.Minute)
			for h.Open(want) == h.Open(at) {
				want = want.Add(time.Minute)
			}
			if got := h.Next(at); !got.Equal(want) {
				t.Errorf("after %s: %v, want %v", from, got.UTC(), want)
			}
		}
	}
}

func TestHoursThatNeverChangeHaveNoNext(t *testing.T) {
	always := locker.Hours{}
	for d := time.Sunday; d <= time.Saturday; d++ {
		always.Windows = append(always.Windows, locker.Window{Day: d, From: 0, To: 1440})
	}
	for _, h := range []locker.Hours{{}, always} {
		if !h.Open(start) || !h.Next(start).IsZero() {
			t.Errorf("%+v: open %v, next %v", h, h.Open(start), h.Next(start))
		}
	}
}

func TestOutsideTheHoursNoCodeIsTakenAndClerksMayWork(t *testing.T) {
	s, n, g := loaded(t)
	s.config.Hours = locker.Hours{Zone: berlin, Windows: []locker.Window{{Day: time.Tuesday, From: 8 * 60, To: 9 * 60}}}
	s.boot()
	sc := s.wantScreen(locker.ScreenShut)
	opens := time.Date(2026, 3, 3, 7, 0, 0, 0, time.UTC)
	if !sc.Opens.Equal(opens) || sc.Expects != "" {
		t.Fatalf("opens %v and expects %q", sc.Opens, sc.Expects)
	}
	attempts := len(s.events)
	s.enter(g)
	s.give(locker.Scanned{Source: locker.SourceCitizen, Text: []byte(code(int(g)))})
	if len(s.events) != attempts {
		t.Fatal("a code was tried behind closed gates")
	}
	s.signIn("c1", "c2")
	s.wantScreen(locker.ScreenRound)
	s.finishShut()
	for s.now.Wall.Before(opens) {
		s.pass(min(time.Hour, opens.Sub(s.now.Wall)))
	}
	s.wantScreen(locker.ScreenWelcome)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.pass(50 * time.Second)
	s.door(n, false)
	s.choose(locker.ChoiceYes)
	s.wantScreen(locker.ScreenDone)
}

// finishShut ends a round behind closed gates.
func (s *site) finishShut() {
	s.t.Helper()
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.choose(locker.ChoiceCancel)
	s.wantScreen(locker.ScreenShut)
}

func TestTheGatesWakeTheTerminalToTheMinute(t *testing.T) {
	s := newSite(t)
	s.config.Rules.Mark = locker.Duration(10 * time.Minute)
	s.config.Hours = locker.Hours{Windows: []locker.Window{{Day: time.Monday, From: 8*60 + 3, To: 9 * 60}}}
	s.boot()
	if at := s.term.Deadline(); at != 3*time.Minute {
		t.Fatalf("the next tick is wanted at %v, want 3m", at)
	}
}
