package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

const day = 24 * time.Hour

// unposted brings one order into a compartment; its letter is not posted yet.
func unposted(t *testing.T) (*site, locker.CompartmentID, locker.Generation) {
	t.Helper()
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.finish()
	return s, n, s.at(n).Generation
}

func TestRetentionStartsWithTheLettersPosting(t *testing.T) {
	s, n, g := unposted(t)
	s.pass(5 * day)
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-07"})
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-08"}) // once is enough
	count[locker.LetterPosted](s, 1)
	count[locker.LetterDeleted](s, 1)
	s.pass(7*day - time.Minute)
	count[locker.DepositExpired](s, 0)
	s.pass(2 * time.Minute)
	count[locker.DepositExpired](s, 1)
	s.pass(day)
	count[locker.DepositExpired](s, 1)
	s.finger[g] = true
	s.enter(g) // collectable until two clerks take it out
	s.wantScreen(locker.ScreenExpired)
	s.choose(locker.ChoiceGoOn)
	if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
		t.Fatalf("opened %d", sc.Compartment)
	}
}

func TestAnExpiredDocumentIsTakenOutByTwoClerks(t *testing.T) {
	s, n, g := loaded(t)
	s.pass(8 * day)
	s.signIn("c1", "c2")
	if task := s.wantScreen(locker.ScreenRound).Round.Tasks[0]; task.Kind != locker.TaskUnload || task.Compartment != n {
		t.Fatalf("task %+v, want to unload %d", task, n)
	}
	s.choose(locker.ChoiceNext)
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	count[locker.DocumentUnloaded](s, 1)
	if s.codes[g] != "" || s.at(n).Use != "empty" {
		t.Fatalf("the slot should be gone and the compartment seen empty: %+v", s.at(n))
	}
}

func TestRetentionStandsStillWhileNobodyCanCollect(t *testing.T) {
	for name, c := range map[string]struct {
		stop, resume func(*site, locker.CompartmentID)
	}{
		"the door is out of order": {
			func(s *site, n locker.CompartmentID) {
				s.give(locker.PartFailed{Part: "contact", Compartment: n, Detail: "no answer"})
			},
			func(s *site, n locker.CompartmentID) {
				s.give(locker.PartHealed{Part: "contact", Compartment: n})
			},
		},
		"the reader is out of order": {
			func(s *site, _ locker.CompartmentID) {
				s.give(locker.PartFailed{Part: "reader", Detail: "unplugged"})
			},
			func(s *site, _ locker.CompartmentID) { s.give(locker.PartHealed{Part: "reader"}) },
		},
		"there is no power": {
			func(*site, locker.CompartmentID) {},
			func(s *site, _ locker.CompartmentID) {
				s.boot()
				s.give(locker.CityTime{Time: s.now.Wall})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, _ := loaded(t)
			s.pass(3 * day)
			c.stop(s, n)
			if name == "there is no power" {
				s.now.Wall = s.now.Wall.Add(10 * day)
			} else {
				s.pass(10 * day)
			}
			c.resume(s, n)
			s.pass(4*day - time.Hour)
			count[locker.DepositExpired](s, 0)
			s.pass(2 * time.Hour)
			count[locker.DepositExpired](s, 1)
		})
	}
}

func TestABrokenReaderStopsNoRetentionOfANumber(t *testing.T) {
	s, _, _ := posted(t, byNumber)
	s.give(locker.PartFailed{Part: "reader", Detail: "unplugged"})
	s.pass(7*day + time.Minute)
	count[locker.DepositExpired](s, 1)
}

func TestRetentionStandsStillBehindClosedGates(t *testing.T) {
	s, _, _ := loaded(t)
	s.config.Hours = locker.Hours{}
	for d := time.Sunday; d <= time.Saturday; d++ {
		s.config.Hours.Windows = append(s.config.Hours.Windows, locker.Window{Day: d, From: 6 * 60, To: 18 * 60})
	}
	s.boot()
	s.pass(13 * day) // half of each
	count[locker.DepositExpired](s, 0)
	s.pass(36 * time.Hour)
	count[locker.DepositExpired](s, 1)
}

func TestALetterThatIsNotPostedIsAnAlarmAndATask(t *testing.T) {
	s, n, g := unposted(t)
	if l := s.term.Letters(); len(l) != 1 || l[0] != g {
		t.Fatalf("letters %v", l)
	}
	s.pass(14*day + time.Hour)
	s.wantAlarm(locker.AlarmNotPosted, locker.Morning)
	s.signIn("c1", "c2")
	if task := s.wantScreen(locker.ScreenRound).Round.Tasks[0]; task.Kind != locker.TaskUnload || task.Compartment != n {
		t.Fatalf("task %+v", task)
	}
	s.choose(locker.ChoiceFinish)
	s.choose(locker.ChoiceBack)
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-17"})
	s.wantAlarm(locker.AlarmNotPosted, "")
}

func TestALetterIsSentAgainUntilItIsPosted(t *testing.T) {
	s, _, g := unposted(t)
	s.now.Uptime += 10 * time.Minute
	if l := held[locker.PublishLetter](t, s.hold(locker.Tick{})); l.Generation != g {
		t.Fatalf("letter of %d", l.Generation)
	}
	s.give(locker.PostedReceived{Generation: 99})
	count[locker.LetterPosted](s, 0)
	s.give(locker.PostedReceived{Generation: g, Day: "2026-03-02"})
	s.now.Uptime += time.Hour
	for _, a := range s.hold(locker.Tick{}) {
		if _, ok := a.(locker.PublishLetter); ok {
			t.Fatal("a posted letter is sent again")
		}
	}
}

func TestALetterIsNotPostedBeforeItIsReleased(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	n := s.load("ORDER-1")
	s.give(locker.PostedReceived{Generation: s.at(n).Generation, Day: "2026-03-02"})
	count[locker.LetterPosted](s, 0)
	s.wantMessageRefused(locker.MessagePosted, "not released")
}

func TestRetentionStandsStillWhileACompartmentIsToBeLookedInto(t *testing.T) {
	s, n, _ := loaded(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceInventory)
	s.pass(time.Hour)
	s.wantScreen(locker.ScreenWelcome)
	s.pass(8 * 24 * time.Hour)
	if s.at(n).Expired {
		t.Fatal("expired while nobody could collect it")
	}
}
