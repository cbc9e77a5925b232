package locker

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// move is one thing that may happen next.
type move struct {
	name string
	do   func(*tiny) error
}

// moves are all of them: people who tell the truth, answers good and bad, time,
// the city, force, and a power cut.
func (w *tiny) moves() []move {
	all := append(w.answers(), w.presses()...)
	all = append(all, w.texts()...)
	all = append(all, w.doorways()...)
	all = append(all, move{"time passes", func(w *tiny) error {
		to := max(w.term.Deadline(), w.now.Uptime+time.Millisecond)
		w.now.Wall, w.now.Uptime = w.now.Wall.Add(to-w.now.Uptime), to
		return w.give(Tick{})
	}})
	for _, c := range w.term.Status().Compartments {
		if c.Generation != 0 && c.Posted.IsZero() && !c.Loaded.IsZero() {
			all = append(all, given("letter posted", PostedReceived{Generation: c.Generation, Day: "2026-03-02"}))
		}
	}
	if w.withdrawn == 0 {
		all = append(all, move{"A withdrawn", func(w *tiny) error {
			w.withdrawn++
			return w.give(WithdrawalReceived{Order: "A", Desk: "d1"})
		}})
	}
	if w.restarts == 0 {
		all = append(all, move{"power cut", func(w *tiny) error {
			w.restarts++
			return w.restart()
		}})
	}
	return all
}

func given(name string, in Input) move {
	return move{name, func(w *tiny) error { return w.give(in) }}
}

// answers are those to the first action of each lane that waits.
func (w *tiny) answers() (all []move) {
	lanes := map[string]bool{}
	for i, a := range w.owed {
		lane := "vault"
		switch a.(type) {
		case PulseLock:
			lane = "locks"
		case CaptureFinger:
			lane = "reader"
		}
		if lanes[lane] {
			continue
		}
		lanes[lane] = true
		answer := func(name string, in Input, before func(*tiny)) {
			all = append(all, move{name, func(w *tiny) error {
				w.owed = slices.Delete(w.owed, i, i+1)
				if before != nil {
					before(w)
				}
				return w.give(in)
			}})
		}
		switch a := a.(type) {
		case PulseLock:
			answer("lock pulsed", LockPulsed{Pulse: a.Pulse, Compartment: a.Compartment}, func(w *tiny) { w.doors[a.Compartment].Unlocked = true })
			answer("lock fails", LockPulsed{Pulse: a.Pulse, Compartment: a.Compartment, Err: "no current"}, nil)
		case TryCode:
			opens := a.Generation != 0 && w.codes[a.Generation] == a.Code.QR()
			answer("code tried", CodeTried{Attempt: a.Attempt, Generation: a.Generation, Opened: opens}, func(w *tiny) {
				if opens {
					w.book.Opened[a.Attempt] = a.Generation
				}
			})
			answer("record unreadable", CodeTried{Attempt: a.Attempt, Generation: a.Generation, Err: "unreadable"}, nil)
		case CompareFactor:
			answer("finger matches", FactorTried{Attempt: a.Attempt, Generation: a.Generation, Accepted: true}, func(w *tiny) { w.book.Accepted[a.Attempt] = a.Generation })
			answer("another's finger", FactorTried{Attempt: a.Attempt, Generation: a.Generation}, nil)
		case CaptureFinger:
			answer("finger laid", FingerCaptured{Attempt: a.Attempt}, nil)
			answer("finger dry", FingerCaptured{Attempt: a.Attempt, Advice: AdviceDry}, nil)
		case PrepareDeposit:
			answer("deposit ready", DepositReady{Generation: a.Generation, Hash: "h", Slot: "s"}, func(w *tiny) { w.codes[a.Generation] = tinyCode(a.Generation, 77) })
			answer("vault fails", DepositReady{Generation: a.Generation, Err: "disk full"}, func(w *tiny) { w.hand = "" })
		case CheckClerk:
			person := tinyCards[a.Card]
			answer("number checked", ClerkChecked{Check: a.Check, Person: person, Proved: string(a.Number) == "471108"}, func(w *tiny) {
				if string(a.Number) == "471108" {
					w.book.Proved[person] = true
				}
			})
		}
	}
	return all
}

// presses are the screen's choices, of people who say what is so.
func (w *tiny) presses() (all []move) {
	sc := w.term.Screen()
	n := sc.Compartment
	var inside OrderID
	for id, p := range w.paper {
		if n != 0 && p == place(n) {
			inside = id
		}
	}
	for _, c := range sc.Choices {
		so, before := true, func(*tiny) {}
		switch c {
		case ChoiceMoreTime:
			so = false // time passes, or it does not
		case ChoiceRemoved:
			so = inside != "" && w.doors[n].Open
			before = func(w *tiny) { w.paper[inside], w.doors[n].Used = withClerks, false }
		case ChoiceNothing, ChoiceEmpty:
			so = inside == ""
			before = func(w *tiny) { w.doors[n].Used = false } // they looked
		case ChoicePresent, ChoiceNotEmpty:
			so = inside != ""
		case ChoiceNotLaid:
			so = inside == ""
		case ChoiceByHand:
			so = w.doors[n].Open
		case ChoiceDoorClosed:
			so = !w.doors[n].Open
		}
		if !so {
			continue
		}
		all = append(all, move{"press " + string(c), func(w *tiny) error {
			before(w)
			return w.give(Chosen{Screen: sc.Number, Choice: c})
		}})
	}
	return all
}

// texts are what may be typed and held up here.
func (w *tiny) texts() (all []move) {
	sc := w.term.Screen()
	typed := func(name, text string) { all = append(all, given(name, Typed{Screen: sc.Number, Text: []byte(text)})) }
	switch {
	case sc.Expects == ExpectsCode:
		for _, g := range slices.Sorted(maps.Keys(w.codes)) {
			typed(fmt.Sprintf("the code of generation %d", g), w.codes[g])
			typed(fmt.Sprintf("a wrong code of generation %d", g), tinyCode(g, 5000))
		}
		typed("an unknown code", tinyCode(9000, 1))
	case sc.Name == ScreenClerk:
		typed("the right number", "471108")
		typed("a wrong number", "081547")
	}
	badges := []string{}
	switch sc.Name {
	case ScreenWelcome:
		badges = []string{"c1"}
	case ScreenSecond:
		badges = []string{"c1b", "c2", "c3"}
	case ScreenConfirm:
		badges = []string{"c1", "c2", "c3"}
	}
	for _, card := range badges {
		all = append(all, given("card "+card, Scanned{Source: SourceBadge, Text: []byte(card)}))
	}
	if sc.Name == ScreenRound {
		for id, p := range w.paper {
			if p != withClerks {
				continue
			}
			all = append(all, move{"slip " + string(id), func(w *tiny) error {
				w.hand = id
				return w.give(Scanned{Source: SourceBarcode, Text: []byte(string(id))})
			}})
		}
	}
	slices.SortFunc(all, func(a, b move) int { return strings.Compare(a.name, b.name) })
	return all
}

// doorways are what may happen at the doors.
func (w *tiny) doorways() (all []move) {
	for n := CompartmentID(1); n <= 2; n++ {
		d := w.doors[n]
		moved := func(name string, open bool, also func(*tiny)) {
			all = append(all, move{fmt.Sprintf("door %d %s", n, name), func(w *tiny) error {
				w.doors[n].Open = open
				if also != nil {
					also(w)
				}
				err := w.give(DoorMoved{Compartment: n, Open: open})
				if !open {
					w.doors[n].Unlocked = false
				}
				return err
			}})
		}
		inside := w.inside(n)
		switch {
		case !d.Open && d.Unlocked:
			moved("opens", true, func(w *tiny) { w.opened(n, w.term.session.mode == rounding) })
		case !d.Open && w.forced == 0:
			moved("is forced", true, func(w *tiny) { w.forced++; w.opened(n, false) })
			if inside != "" && !w.pulsing(n) {
				moved("is forced and robbed", true, func(w *tiny) { w.forced++; w.opened(n, false); w.paper[inside] = stolen })
			}
		case d.Open:
			moved("closes", false, nil)
			if sc := w.term.Screen(); sc.Name == ScreenLay && sc.Compartment == n && w.hand != "" && w.paper[w.hand] == withClerks {
				moved("closes on the document", false, func(w *tiny) { w.paper[w.hand] = place(n) })
			}
			if w.term.session.mode == visiting && inside != "" {
				moved("closes, the document taken", false, func(w *tiny) { w.paper[inside] = withCitizen })
			}
		}
	}
	return all
}

func (w *tiny) inside(n CompartmentID) OrderID {
	for _, id := range []OrderID{"A", "B"} {
		if w.paper[id] == place(n) {
			return id
		}
	}
	return ""
}

func (w *tiny) opened(n CompartmentID, byClerks bool) {
	w.doors[n].Since, w.doors[n].Used = w.now.Uptime, !byClerks
}

// visited is a state on the frontier, and how it was reached.
type reached struct {
	world *tiny
	path  *trail
}

type trail struct {
	before *trail
	name   string
}

func (s *trail) String() string {
	var names []string
	for ; s != nil; s = s.before {
		names = append(names, s.name)
	}
	slices.Reverse(names)
	return strings.Join(names, " → ")
}

// then follows moves by their names.
func (w *tiny) then(names ...string) error {
	for _, name := range names {
		i := slices.IndexFunc(w.moves(), func(m move) bool { return m.name == name })
		if i < 0 {
			var can []string
			for _, m := range w.moves() {
				can = append(can, m.name)
			}
			return fmt.Errorf("%q cannot happen at %s; %q can", name, w.term.Screen().Name, can)
		}
		if err := w.moves()[i].do(w); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

var (
	signingInBoth = []string{
		"card c1", "the right number", "number checked", "card c2", "the right number", "number checked",
	}
	clearingBoth = []string{
		"press next", "lock pulsed", "door 1 opens", "press empty", "door 1 closes",
		"press next", "lock pulsed", "door 2 opens", "press empty", "door 2 closes",
	}
	loadingA = []string{"slip A", "deposit ready", "lock pulsed", "door 1 opens", "door 1 closes on the document"}
	ending   = []string{"press finish", "card c1", "the right number", "number checked", "card c2", "the right number", "number checked"}
	entering = []string{"the code of generation 1", "code tried"}
)

// TestEveryStateOfATinyTerminalKeepsTheInvariants explores, breadth first, what
// two compartments, three clerks, two orders, a citizen, a thief, a withdrawal
// and one power cut can do to the real Step, from seven points of a document's
// life, to a depth that NACHTFACH_DEPTH sets. States that differ in counters and
// in the time of day alone are one.
func TestEveryStateOfATinyTerminalKeepsTheInvariants(t *testing.T) {
	depth := 4
	if text := os.Getenv("NACHTFACH_DEPTH"); text != "" {
		var err error
		if depth, err = strconv.Atoi(text); err != nil || depth < 1 {
			t.Fatalf("NACHTFACH_DEPTH is %q, wants a number of moves", text)
		}
	}
	points := [][]string{nil}
	for _, more := range [][]string{
		signingInBoth, clearingBoth, loadingA, ending, append([]string{"press cancel", "letter posted"}, entering...),
		{"finger laid", "finger matches", "lock pulsed", "door 1 opens"},
	} {
		points = append(points, slices.Concat(points[len(points)-1], more))
	}
	for _, point := range points {
		name := "start"
		if len(point) > 0 {
			name = point[len(point)-1]
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			w, err := newTiny()
			if err == nil {
				err = w.then(point...)
			}
			if err != nil {
				t.Fatal(err)
			}
			states, moves, err := explore(w, depth)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d states, %d moves to depth %d", states, moves, depth)
			if states < 10*depth {
				t.Errorf("only %d states: the exploration sees nothing", states)
			}
		})
	}
}

// explore visits every state within so many moves, and says what broke and how.
func explore(start *tiny, depth int) (states, tried int, err error) {
	seen := map[fingerprint]bool{start.portrait(): true}
	frontier := []reached{{world: start}}
	for range depth {
		var next []reached
		for _, at := range frontier {
			for _, m := range at.world.moves() {
				tried++
				w := deepCopy(at.world)
				path := &trail{at.path, m.name}
				if err := m.do(w); err != nil {
					return len(seen), tried, fmt.Errorf("after %v: %w", path, err)
				}
				if err := w.truth(); err != nil {
					return len(seen), tried, fmt.Errorf("after %v: %w", path, err)
				}
				if p := w.portrait(); !seen[p] {
					seen[p] = true
					next = append(next, reached{w, path})
				}
			}
		}
		frontier = next
	}
	return len(seen), tried, nil
}

func (w *tiny) portrait() fingerprint {
	return portraitOf(w.now.Uptime, w.term, &w.doors, &w.paper, &w.owed, &w.hand, &w.codes, &w.restarts, &w.forced, &w.withdrawn, &w.book)
}

// A terminal with a fault is found out: what is above can fail.
func TestTheExplorationFindsABrokenTerminal(t *testing.T) {
	without := func(drop func(Fact) bool) func(Input, []Event, []Action) ([]Event, []Action) {
		return func(_ Input, e []Event, a []Action) ([]Event, []Action) {
			return slices.DeleteFunc(e, func(e Event) bool { return drop(e.Fact) }), a
		}
	}
	for name, c := range map[string]struct {
		point []string
		depth int
		spoil func(Input, []Event, []Action) ([]Event, []Action)
	}{
		"a try that nobody charged": {slices.Concat(signingInBoth, clearingBoth, loadingA, ending, []string{"press cancel"}), 2,
			without(func(f Fact) bool { _, ok := f.(CodeCharged); return ok })},
		"a comparison that nobody charged": {slices.Concat(signingInBoth, clearingBoth, loadingA, ending, []string{"press cancel"}, entering), 2,
			without(func(f Fact) bool { _, ok := f.(FactorCharged); return ok })},
		"a lock driven without a release": {signingInBoth, 2,
			without(func(f Fact) bool { _, ok := f.(CompartmentReleased); return ok })},
		"one clerk who is both": {signingInBoth[:5], 1, func(_ Input, e []Event, a []Action) ([]Event, []Action) {
			return append(e, Event{Fact: RoundOpened{Round: 1, Clerks: [2]Person{"p1", "p1"}}}), a
		}},
		"a message that opens a door": {slices.Concat(signingInBoth, clearingBoth, loadingA, ending), 2, func(in Input, e []Event, a []Action) ([]Event, []Action) {
			if _, ok := in.(WithdrawalReceived); ok {
				a = append(a, PulseLock{Pulse: 99, Compartment: 1})
			}
			return e, a
		}},
		"a forced door that nobody tells": {signingInBoth, 2,
			without(func(f Fact) bool { _, ok := f.(CompartmentOpened); return ok })},
		"a compartment that nobody has seen": {signingInBoth, 2, func(_ Input, e []Event, a []Action) ([]Event, []Action) {
			return append(e, Event{Fact: DepositReserved{Generation: 7, Order: "A", Compartment: 2, Round: 1}}), a
		}},
		"a pulse made up for after a start": {slices.Concat(signingInBoth, clearingBoth, loadingA, ending, []string{"press cancel"}, entering, []string{"finger laid", "finger matches"}), 2,
			func(in Input, e []Event, a []Action) ([]Event, []Action) {
				if _, ok := in.(Booted); ok {
					a = append(a, PulseLock{Pulse: 4, Compartment: 1})
				}
				return e, a
			}},
	} {
		w, err := newTiny()
		if err == nil {
			err = w.then(c.point...)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.spoil = c.spoil
		if _, _, err := explore(w, c.depth); err == nil || !strings.Contains(err.Error(), "invariant") {
			t.Errorf("%s: the exploration says %v", name, err)
		}
	}
}
