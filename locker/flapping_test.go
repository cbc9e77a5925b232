package locker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// later lets time pass without the deadlines in between: the next input comes then.
func (s *site) later(d time.Duration) {
	s.now.Uptime += d
	s.now.Wall = s.now.Wall.Add(d)
}

// flapper changes one object's level; bad is the new one.
type flapper struct {
	name string
	turn func(bad bool) locker.Input
}

// flappers are objects of every kind: contacts of empty and of loaded
// compartments, contacts and locks that cannot be driven, sensors, parts.
func flappers() []flapper {
	part := func(name string, n locker.CompartmentID, board string) func(bool) locker.Input {
		return func(bad bool) locker.Input {
			if bad {
				return locker.PartFailed{Part: name, Compartment: n, Board: board, Detail: "no answer"}
			}
			return locker.PartHealed{Part: name, Compartment: n, Board: board}
		}
	}
	sensor := func(kind locker.Sensor) func(bool) locker.Input {
		return func(bad bool) locker.Input { return locker.SensorTold{Sensor: kind, Tripped: bad} }
	}
	list := []flapper{
		{"reader", part("reader", 0, "")}, {"scanner", part("scanner badge", 0, "")}, {"board", part("line board 3", 0, "")},
		{"lock", part(locker.PartLock, 4, "")}, {"unreadable contact", part("contact", 5, "")}, {"contact of the board", part("contact", 6, "line board 4")},
		{"tamper", sensor(locker.SensorTamper)}, {"mains", sensor(locker.SensorMains)}, {"enclosure", sensor(locker.SensorEnclosure)},
	}
	for n := range locker.CompartmentID(3) {
		list = append(list, flapper{fmt.Sprint("contact ", n+1), func(bad bool) locker.Input { return locker.DoorMoved{Compartment: n + 1, Open: bad} }})
	}
	return list
}

// flapped is how many events flappers wrote in days, each turning after the
// pause that next gives.
func flapped(t *testing.T, list []flapper, days, after int, next func(r *rand.Rand) time.Duration) (*site, int) {
	t.Helper()
	s, _, _ := loaded(t)
	s.config.Sensors = locker.Sensors()
	s.config.Rules.FlappingAfter = after
	s.boot()
	r := rand.New(rand.NewPCG(9, 27))
	at, bad := make([]time.Duration, len(list)), make([]bool, len(list))
	for i := range list {
		at[i] = s.now.Uptime + next(r)
	}
	end := s.now.Uptime + time.Duration(days)*24*time.Hour
	before := len(s.events)
	for {
		i := 0
		for j := range at {
			if at[j] < at[i] {
				i = j
			}
		}
		if at[i] > end {
			break
		}
		for d := s.term.Deadline(); d <= at[i] && d > s.now.Uptime; d = s.term.Deadline() {
			s.later(d - s.now.Uptime)
			s.give(locker.Tick{})
		}
		s.later(max(0, at[i]-s.now.Uptime))
		bad[i] = !bad[i]
		s.give(list[i].turn(bad[i]))
		at[i] += next(r)
	}
	n := 0
	for _, e := range s.events[before:] {
		if _, mark := e.Fact.(locker.ClockMarked); !mark {
			n++
		}
	}
	return s, n
}

// every is a pattern of one pause.
func every(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// Row 21: outsiders cause events without end. Here: whatever flaps, in whatever pattern.
func TestThreatFlappingFillsTheStore(t *testing.T) {
	all := flappers()
	bound := locker.DefaultRules().FlappingBound()
	if bound > 420 {
		t.Fatalf("the bound is %d events for an object and day", bound)
	}
	patterns := map[string]func(*rand.Rand) time.Duration{
		"ten a minute":       every(6 * time.Second),
		"one a minute":       every(time.Minute),
		"one in ten minutes": every(10 * time.Minute),
		"just rested":        every(30*time.Minute + time.Second),
		"now and then":       func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(5*time.Minute)) },
		"bursts and pauses": func(r *rand.Rand) time.Duration {
			if r.IntN(10) == 0 {
				return time.Duration(r.IntN(90)) * time.Minute
			}
			return time.Second
		},
	}
	const days = 2
	after := locker.DefaultRules().FlappingAfter
	for name, next := range patterns {
		t.Run(name, func(t *testing.T) {
			// Alone, and all together.
			s, n := flapped(t, all, days, after, next)
			most := bound*len(all)*days + 12 // what the first closing of the terminal and the first doubts write
			if n > most {
				t.Errorf("%d events in %d days, the bound is %d", n, days, most)
			}
			count[locker.BurglaryDeclared](s, 1)
		})
	}
	t.Run("one a second", func(t *testing.T) {
		if testing.Short() {
			t.Skip("four objects change 350,000 times")
		}
		few := []flapper{all[0], all[5], all[6], all[9]}
		if _, n := flapped(t, few, 1, after, every(time.Second)); n > 100 { // of 345,600 changes
			t.Errorf("%d events", n)
		}
	})
	t.Run("without the rule they are not", func(t *testing.T) {
		if _, n := flapped(t, all, 1, 1_000_000, every(20*time.Second)); n < 2*bound*len(all) {
			t.Errorf("only %d events in a day: the tests above prove nothing", n)
		}
	})
	t.Run("the terminal works on", func(t *testing.T) {
		s, _ := flapped(t, all, 1, after, every(7*time.Second))
		s.pass(time.Hour)
		if f := s.term.Status().Flapping; len(f) != 0 {
			t.Errorf("an hour after the last change %v still flaps", f)
		}
		s.wantAlarm(locker.AlarmFlapping, "")
	})
}

func TestAContactThatFlapsIsToldOnceAndAgainWhenItRests(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.clear()
	s.finish()
	s.pass(time.Minute)
	before := len(s.events)
	for i := range 7200 { // two hours at 1 Hz
		s.later(time.Second)
		s.give(locker.DoorMoved{Compartment: 3, Open: i%2 == 0})
	}
	count[locker.FlappingStarted](s, 1)
	if f := has[locker.FlappingStarted](s)[0]; f.Kind != locker.ObjectContact || f.Compartment != 3 {
		t.Errorf("started: %+v", f)
	}
	s.wantAlarm(locker.AlarmFlapping, locker.Morning)
	s.wantAlarm(locker.AlarmForced, locker.Wake) // the first opening, which may have been a burglar's
	count[locker.CompartmentQuarantined](s, 1)
	if n := len(s.events) - before; n > 60 { // with the clock's marks
		t.Errorf("%d events", n)
	}
	s.pass(31 * time.Minute)
	ended := has[locker.FlappingEnded](s)
	if len(ended) != 1 || ended[0].Suppressed < 7000 {
		t.Fatalf("ended: %+v", ended)
	}
	s.wantAlarm(locker.AlarmFlapping, "")
	s.wantAlarm(locker.AlarmForced, locker.Wake)
	count[locker.CompartmentQuarantined](s, 1)
}

func TestADoorThatIsForcedAfterItsContactFlappedIsTold(t *testing.T) {
	s := newSite(t)
	for i := range 100 {
		s.later(time.Second)
		s.give(locker.DoorMoved{Compartment: 3, Open: i%2 == 0})
	}
	forced := func() int {
		n := 0
		for _, o := range has[locker.CompartmentOpened](s) {
			if !o.Commanded {
				n++
			}
		}
		return n
	}
	before := forced()
	s.give(locker.DoorMoved{Compartment: 2, Open: true}) // another one, meanwhile
	if forced() != before+1 {
		t.Error("another door was forced while one flapped, and nothing says so")
	}
	s.pass(31 * time.Minute)
	s.give(locker.DoorMoved{Compartment: 3, Open: true})
	if forced() != before+2 {
		t.Error("the door was forced after its contact had rested, and nothing says so")
	}
	s.boot() // which forgets the alarm of nobody
	s.wantAlarm(locker.AlarmForced, locker.Wake)
}

func TestAFlappingContactThatStaysOpenWakesSomebody(t *testing.T) {
	s := newSite(t)
	for i := range 100 {
		s.later(time.Second)
		s.give(locker.DoorMoved{Compartment: 3, Open: i%2 == 0})
	}
	s.signIn("c1", "c2")
	for s.at(3).Use == "doubt" { // two clerks look, and the alarm of the first openings ends
		s.choose(locker.ChoiceNext)
		n := s.term.Screen().Compartment
		s.choose(locker.ChoiceEmpty)
		if s.term.Screen().Name != locker.ScreenRound {
			s.door(n, false)
		}
		if sc := s.term.Screen(); sc.Name != locker.ScreenRound {
			s.choose(locker.ChoiceDoorClosed)
		}
	}
	s.finish()
	s.wantAlarm(locker.AlarmForced, "")
	s.give(locker.DoorMoved{Compartment: 3, Open: false})
	s.give(locker.DoorMoved{Compartment: 3, Open: true})
	s.pass(2 * time.Minute)
	s.wantAlarm(locker.AlarmForced, locker.Wake)
}

func TestADocumentBehindAFlappingContactIsCollectable(t *testing.T) {
	s, n, g := loaded(t)
	flap := func() {
		for i := range 101 {
			s.later(100 * time.Millisecond)
			s.give(locker.DoorMoved{Compartment: n, Open: i%2 == 0})
		}
	}
	flap()
	s.jammed[n] = true // no contact tells that it opens
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	if p := s.pulses[len(s.pulses)-1]; p.Compartment != n {
		t.Fatalf("the lock of %d was driven last", p.Compartment)
	}
	flap()
	s.wantScreen(locker.ScreenTake) // its contact means nothing
	s.choose(locker.ChoiceDoorClosed)
	s.choose(locker.ChoiceYes)
	count[locker.DocumentTaken](s, 1)
}

func TestACompartmentWithAFlappingContactIsNotLoaded(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.clear()
	for i := range 101 {
		s.later(100 * time.Millisecond)
		if i%2 == 0 {
			s.give(locker.PartFailed{Part: "contact", Compartment: 1, Detail: "no answer"})
		} else {
			s.give(locker.PartHealed{Part: "contact", Compartment: 1})
		}
	}
	s.give(locker.PartHealed{Part: "contact", Compartment: 1})
	s.order("ORDER-1", 1)
	s.slip("ORDER-1")
	if n := s.wantScreen(locker.ScreenLay).Compartment; n == 1 {
		t.Error("it was given")
	}
}

func TestADisturbedLineIsOneObject(t *testing.T) {
	s := newSite(t)
	before := len(s.events)
	r := rand.New(rand.NewPCG(27, 27))
	down := map[locker.CompartmentID]bool{}
	for range 450 { // 45 s
		s.later(100 * time.Millisecond)
		n := locker.CompartmentID(r.IntN(6) + 1)
		if down[n] = !down[n]; down[n] {
			s.give(locker.PartFailed{Part: "contact", Compartment: n, Board: "line board 3", Detail: "the answer is damaged"})
		} else {
			s.give(locker.PartHealed{Part: "contact", Compartment: n, Board: "line board 3"})
		}
	}
	count[locker.FlappingStarted](s, 1)
	f := has[locker.FlappingStarted](s)[0]
	if f.Kind != locker.ObjectPart || f.Name != "line board 3" || len(f.Compartments) == 0 || !slices.IsSorted(f.Compartments) {
		t.Errorf("started: %+v", f)
	}
	if n := len(s.events) - before; n > 60 {
		t.Errorf("%d events in 45 s", n)
	}
	for n := range locker.CompartmentID(6) {
		s.give(locker.PartHealed{Part: "contact", Compartment: n + 1, Board: "line board 3"})
	}
	s.pass(31 * time.Minute)
	for n := range locker.CompartmentID(6) {
		if fault := s.at(n + 1).Fault; fault != "" {
			t.Errorf("compartment %d: %s after the line had rested", n+1, fault)
		}
	}
}

func TestALineThatFailsOnceDoesNotFlap(t *testing.T) {
	s := newSite(t)
	for n := range locker.CompartmentID(6) {
		s.give(locker.PartFailed{Part: "contact", Compartment: n + 1, Board: "line board 3", Detail: "no answer"})
		s.give(locker.PartFailed{Part: locker.PartLock, Compartment: n + 1, Board: "line board 3", Detail: "no answer"})
	}
	s.give(locker.PartFailed{Part: "line board 3", Detail: "no answer"})
	count[locker.FlappingStarted](s, 0)
	for n := range locker.CompartmentID(6) {
		if s.at(n+1).Fault == "" {
			t.Errorf("compartment %d is not out of service", n+1)
		}
	}
}

func TestTwoPartsThatFailInTurnAreNotToldInTurn(t *testing.T) {
	s := newSite(t)
	for i := range 100 {
		s.give(locker.PartFailed{Part: "contact", Compartment: 3, Detail: fmt.Sprint("no answer ", i)})
		s.give(locker.PartFailed{Part: locker.PartLock, Compartment: 3, Detail: fmt.Sprint("no answer ", i)})
	}
	if f := has[locker.CompartmentFaulted](s); len(f) != 2 {
		t.Errorf("%d faults", len(f))
	}
}

func TestARestartEndsNoFlapping(t *testing.T) {
	s := newSite(t)
	for i := range 100 {
		s.later(time.Second)
		s.give(locker.PartFailed{Part: "scanner badge", Detail: "unplugged"})
		if i < 99 {
			s.give(locker.PartHealed{Part: "scanner badge"})
		}
	}
	count[locker.FlappingStarted](s, 1)
	s.boot()
	s.wantAlarm(locker.AlarmFlapping, locker.Morning)
	for range 5 {
		s.give(locker.PartFailed{Part: "scanner badge", Detail: "unplugged"})
		s.give(locker.PartHealed{Part: "scanner badge"})
	}
	count[locker.FlappingStarted](s, 1)
	s.give(locker.PartFailed{Part: "scanner badge", Detail: "unplugged"})
	s.wantAlarm(locker.AlarmPart, "")
	s.pass(31 * time.Minute)
	count[locker.FlappingEnded](s, 1)
	s.wantAlarm(locker.AlarmPart, locker.Morning) // it is unplugged now
}

func TestTheReaderIsAskedWhileItFlapsIfItWorks(t *testing.T) {
	s, _, g := loaded(t)
	for range 100 {
		s.later(time.Second)
		s.give(locker.PartFailed{Part: "reader", Detail: "no answer"})
		s.give(locker.PartHealed{Part: "reader"})
	}
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}
