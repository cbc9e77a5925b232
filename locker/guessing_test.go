package locker_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// stocked is a wall with so many collectable deposits.
func stocked(t *testing.T, deposits int, rules func(*locker.Rules)) *site {
	t.Helper()
	s := newSite(t)
	s.config.Compartments = nil
	for n := range deposits {
		s.config.Compartments = append(s.config.Compartments, locker.CompartmentSpec{Number: locker.CompartmentID(n + 1), Size: locker.Small})
		s.doors[locker.CompartmentID(n+1)] = false
	}
	rules(&s.config.Rules)
	s.boot()
	s.signIn("c1", "c2")
	s.clear()
	for n := range deposits {
		id := locker.OrderID(fmt.Sprintf("ORDER-%d", n))
		s.order(id, locker.KeyID(n+1))
		s.load(id)
	}
	s.finish()
	return s
}

// vandal types random codes as fast as the terminal takes them, and counts the
// deposits whose tries are used up.
func (s *site) vandal(tries int) (locked int) {
	s.t.Helper()
	r := rand.New(rand.NewPCG(4, 4))
	for range tries {
		s.comeBack()
		c, err := pin.New(r.IntN(pin.Selectors), uint32(r.IntN(pin.Secrets)))
		if err != nil {
			s.t.Fatal(err)
		}
		s.typeIn(c.QR())
	}
	for _, c := range s.term.Status().Compartments {
		if c.Charges >= s.config.Rules.CodeTries {
			locked++
		}
	}
	return locked
}

// comeBack waits, or cancels, until the next code can be typed.
func (s *site) comeBack() {
	s.t.Helper()
	for s.term.Screen().Name != locker.ScreenWelcome {
		wait := max(s.term.Deadline()-s.now.Uptime, time.Millisecond)
		s.now.Uptime += wait
		s.now.Wall = s.now.Wall.Add(wait)
		s.give(locker.Tick{})
		if sc := s.term.Screen(); slices.Contains(sc.Choices, locker.ChoiceCancel) {
			s.choose(locker.ChoiceCancel)
		}
	}
}

// Row 4: a vandal locks people out.
func TestThreatAVandalLocksPeopleOut(t *testing.T) {
	if testing.Short() {
		t.Skip("types forty thousand codes")
	}
	const deposits = 100
	t.Run("seven days of random codes lock less than one in a hundred", func(t *testing.T) {
		s := stocked(t, deposits, func(r *locker.Rules) { r.AnswerAfter = 0 })
		from := s.now.Uptime
		s.vandal(7 * 24 * 60)
		if days := (s.now.Uptime - from).Hours() / 24; days < 6.9 {
			t.Fatalf("the tries took %.1f days: they were not paced", days)
		}
		if locked := s.vandal(1); locked*100 >= deposits {
			t.Errorf("%d of %d deposits are locked", locked, deposits)
		}
		s.pass(time.Minute) // the owner waits at most that long
		g := locker.Generation(deposits)
		s.finger[g] = true
		if sc := s.term.Screen(); sc.Name != locker.ScreenWelcome {
			t.Fatalf("after a minute the owner sees %s", sc.Name)
		}
		s.enter(g)
		if sc := s.term.Screen(); sc.Name != locker.ScreenTake {
			t.Errorf("the owner sees %s", sc.Name)
		}
	})
	t.Run("a code without its factor buys no tries", func(t *testing.T) {
		s := stocked(t, 2, func(r *locker.Rules) { r.AnswerAfter = 0 })
		from := s.now.Uptime
		for range 10 {
			s.vandal(9)
			s.comeBack()
			s.image = locker.AdviceLay // nobody lays a finger
			s.typeIn(code(1))          // of a letter that the vandal holds
			s.wantScreen(locker.ScreenFinger)
			s.choose(locker.ChoiceCancel)
		}
		if minutes := (s.now.Uptime - from).Minutes(); minutes < 75 {
			t.Errorf("ninety tries took %.0f minutes: they were not paced", minutes)
		}
	})
	t.Run("without the pace they do", func(t *testing.T) {
		s := stocked(t, deposits, func(r *locker.Rules) {
			r.AnswerAfter, r.PaceAfter, r.Pace = 0, 100, locker.Duration(time.Second)
		})
		if locked := s.vandal(30000); locked*100 < deposits {
			t.Errorf("only %d of %d: the test above proves nothing", locked, deposits)
		}
	})
}

// film is what the screen shows every 100 ms for three seconds after a code,
// but for the numbers that count everything.
func (s *site) film(text string, found locker.Generation, opened bool, vault time.Duration) string {
	s.t.Helper()
	ask := held[locker.FindDeposit](s.t, s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte(text)}))
	try := held[locker.TryCode](s.t, s.hold(locker.DepositFound{Attempt: ask.Attempt, Generation: found}))
	var film string
	began := s.now.Uptime
	answered := false
	for s.now.Uptime-began < 3*time.Second {
		if !answered && s.now.Uptime-began >= vault {
			answered = true
			s.give(locker.CodeTried{Attempt: try.Attempt, Generation: try.Generation, Opened: opened})
		}
		sc := s.term.Screen()
		sc.Number, sc.Incident, sc.Until = 0, "", max(0, sc.Until-began)
		frame, err := json.Marshal(sc)
		if err != nil {
			s.t.Fatal(err)
		}
		film += string(frame) + "\n"
		s.pass(100 * time.Millisecond)
	}
	return film
}

// Row 5: enumeration and timing.
func TestThreatAnAnswerTellsWhyItIsNo(t *testing.T) {
	films := func(t *testing.T, answerAfter time.Duration) map[string]string {
		shown := map[string]string{}
		for why, vault := range map[string]time.Duration{
			"unknown": 300 * time.Millisecond, "wrong": 500 * time.Millisecond, "locked": 700 * time.Millisecond, "replaced": 400 * time.Millisecond,
		} {
			s, _, g := loaded(t)
			s.config.Rules.AnswerAfter = locker.Duration(answerAfter)
			s.config.Rules.PaceAfter = 100
			s.boot()
			text, found := wrongCode(int(g)), g
			switch why {
			case "unknown":
				found = 0
			case "locked":
				for range s.config.Rules.CodeTries {
					s.typeIn(wrongCode(int(g)))
					s.pass(time.Minute)
				}
				text = code(int(g))
			case "replaced":
				s.give(s.reissue(g))
				s.pass(time.Second)
				text, found = code(int(g)), g
			}
			shown[why] = s.film(text, found, false, vault)
		}
		return shown
	}
	same := func(f map[string]string) bool {
		return f["unknown"] == f["wrong"] && f["wrong"] == f["locked"] && f["locked"] == f["replaced"]
	}
	if f := films(t, 2*time.Second); !same(f) {
		t.Errorf("the answers differ:\n%s\n%s\n%s\n%s", f["unknown"], f["wrong"], f["locked"], f["replaced"])
	}
	if same(films(t, 0)) {
		t.Error("without the fixed time they are the same, too: the test above proves nothing")
	}
}
