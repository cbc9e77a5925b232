package locker

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/pin"
)

// place is where a document really is; a number above zero is a compartment.
type place int

const (
	withClerks  place = 0
	withCitizen place = -1
	stolen      place = -2
)

// tiny is a terminal of two compartments with the world around it, and the
// books of what must never happen. It is copied whole at each branch.
type tiny struct {
	term  *Terminal
	now   Now
	doors map[CompartmentID]*tinyDoor
	paper map[OrderID]place
	owed  []Action // not answered yet
	hand  OrderID  // whose document the clerks hold at an open door
	codes map[Generation]string

	restarts, forced, withdrawn int // each so often on one path

	spoil func(Input, []Event, []Action) ([]Event, []Action) // a terminal with a fault; nil: the real one

	book tinyBook
}

type tinyDoor struct {
	Open     bool
	Unlocked bool          // by a pulse, until it closes again
	Used     bool          // opened by others than two clerks since these last looked
	Since    time.Duration // that it is open
}

// tinyBook is kept from events and actions alone.
type tinyBook struct {
	Released   map[PulseID]CompartmentReleased // and not yet pulsed
	Charges    map[Generation][]AttemptID      // failed or unsettled
	Opened     map[AttemptID]Generation        // the seal opened
	Accepted   map[AttemptID]Generation        // and the factor is the right one
	Compares   map[AttemptID]int               // charged, not made
	Proved     map[Person]bool                 // card and number, since the start
	Round      *RoundOpened
	ByKey      bool // its clerks open doors with the key
	Ended      map[Generation]bool
	Unanswered map[Generation]bool // the question was left without an answer
}

var (
	tinyStart = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	tinyCards = map[string]Person{"c1": "p1", "c1b": "p1", "c2": "p2", "c3": "p3"}
)

// newTiny is a terminal that has just started, with three clerks, two orders,
// and every compartment unseen.
func newTiny() (*tiny, error) {
	w := &tiny{
		term: New(), now: Now{Wall: tinyStart}, doors: map[CompartmentID]*tinyDoor{1: {Used: true}, 2: {Used: true}},
		paper: map[OrderID]place{"A": withClerks, "B": withClerks}, codes: map[Generation]string{},
		book: tinyBook{
			Released: map[PulseID]CompartmentReleased{}, Charges: map[Generation][]AttemptID{}, Opened: map[AttemptID]Generation{},
			Accepted: map[AttemptID]Generation{}, Compares: map[AttemptID]int{}, Proved: map[Person]bool{}, Ended: map[Generation]bool{}, Unanswered: map[Generation]bool{},
		},
	}
	inputs := []Input{w.booted(), RosterReceived{Version: 1, Hash: "r", People: []Member{
		{Person: "p1", Role: Clerk}, {Person: "p2", Role: Clerk}, {Person: "p3", Role: Clerk}, {Person: "d1", Role: Desk},
	}}}
	for i, id := range []OrderID{"A", "B"} {
		inputs = append(inputs, OrderReceived{Hash: string(id), Terms: OrderTerms{
			Order: id, Version: 1, Key: KeyID(i + 1), Documents: []DocumentKind{IdentityCard}, Size: Small, Desk: "d1",
			Recipients: []Recipient{{Kind: Applicant, Factor: FactorFinger, Fingers: []int{2}}},
		}})
	}
	for _, in := range inputs {
		if err := w.give(in); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *tiny) booted() Booted {
	c := Config{Terminal: "tiny", Rules: DefaultRules()}
	c.Rules.KeysOffered = 2
	levels := map[CompartmentID]bool{}
	for _, n := range []CompartmentID{1, 2} {
		c.Compartments = append(c.Compartments, CompartmentSpec{Number: n, Size: Small, Height: 100})
		levels[n] = w.doors[n].Open
	}
	return Booted{Config: c, Software: "test", Doors: levels, Reader: true}
}

// restart is a power cut: what is not in the ledger is gone.
func (w *tiny) restart() error {
	ledger, err := w.term.Snapshot()
	if err != nil {
		return err
	}
	w.term = New()
	if err := w.term.Restore(ledger); err != nil {
		return err
	}
	w.owed, w.hand = nil, ""
	w.now.Uptime += time.Second
	clear(w.book.Released) // no pulse is made up for after a start
	clear(w.book.Opened)
	clear(w.book.Accepted)
	clear(w.book.Compares)
	clear(w.book.Proved)
	w.book.Round, w.book.ByKey = nil, false
	for _, d := range w.doors {
		d.Unlocked = d.Open
	}
	return w.give(w.booted())
}

// give hands over an input, keeps the books, and lets the vault do at once what
// nobody can see it do.
func (w *tiny) give(in Input) error {
	queue := []Input{in}
	for len(queue) > 0 {
		events, actions := w.term.Step(w.now, queue[0])
		if w.spoil != nil {
			events, actions = w.spoil(queue[0], events, actions)
		}
		if d := w.term.Defects(); len(d) > 0 {
			return fmt.Errorf("the ledger refused an event: %w", d[0])
		}
		for _, e := range events {
			if err := w.follow(e.Fact); err != nil {
				return err
			}
		}
		if err := w.judge(queue[0], events, actions); err != nil {
			return err
		}
		queue = queue[1:]
		for _, a := range actions {
			if answer := w.atOnce(a); answer != nil {
				queue = append(queue, answer)
			} else if visible(a) {
				w.owed = append(w.owed, a)
			}
		}
	}
	return nil
}

// visible tells the actions whose answers are branches of their own.
func visible(a Action) bool {
	switch a.(type) {
	case PulseLock, TryCode, CompareFactor, PrepareDeposit, CheckClerk, CheckKey, CaptureFinger:
		return true
	}
	return false
}

func (w *tiny) atOnce(a Action) Input {
	switch a := a.(type) {
	case MakeKeys:
		var keys []OfferedKey
		for i := range a.Count {
			keys = append(keys, OfferedKey{Key: a.First + KeyID(i), Hash: "k", Expires: a.Expires})
		}
		return KeysMade{Keys: keys}
	case EraseKey:
		return KeyOverwritten{Key: a.Key}
	case EraseOrder:
		return OrderOverwritten{Order: a.Order}
	case EraseSlot:
		delete(w.codes, a.Generation)
		return SlotOverwritten{Generation: a.Generation}
	case DeleteLetter:
		return LetterRemoved{Generation: a.Generation}
	case ReplaceRoot:
		return RootChanged{Upto: a.Upto}
	case FindCard:
		return CardFound{Check: a.Check, Person: tinyCards[a.Card]}
	case FindDeposit:
		found := DepositFound{Attempt: a.Attempt}
		for _, g := range slices.Sorted(maps.Keys(w.codes)) {
			if p, _ := pin.Parse(w.codes[g]); p.Selector() == a.Code.Selector() {
				found.Generation = g
			}
		}
		return found
	}
	return nil
}

func tinyCode(g Generation, secret uint32) string {
	c, err := pin.New(int(g), secret+uint32(g))
	if err != nil {
		panic(err)
	}
	return c.QR()
}

// follow keeps the books from what is durable.
func (w *tiny) follow(f Fact) error {
	b := &w.book
	switch f := f.(type) {
	case CompartmentReleased:
		b.Released[f.Pulse] = f
	case CodeCharged:
		if b.Charges[f.Generation] = append(b.Charges[f.Generation], f.Attempt); len(b.Charges[f.Generation]) > 5 {
			return fmt.Errorf("invariant 2: %d failed or unsettled charges of generation %d", len(b.Charges[f.Generation]), f.Generation)
		}
	case CodeProved:
		if b.Opened[f.Attempt] != f.Generation {
			return fmt.Errorf("invariant 2: attempt %d is proved, and no seal of generation %d opened", f.Attempt, f.Generation)
		}
		b.Charges[f.Generation] = slices.DeleteFunc(b.Charges[f.Generation], func(a AttemptID) bool { return a == f.Attempt })
	case FactorCharged:
		b.Compares[f.Attempt]++
	case FactorCompared:
		if f.Accepted && b.Accepted[f.Attempt] != f.Generation {
			return fmt.Errorf("invariant 1: attempt %d is accepted, and no comparison for generation %d was", f.Attempt, f.Generation)
		}
	case RoundOpened:
		if f.Clerks[0] == f.Clerks[1] || !b.Proved[f.Clerks[0]] || !b.Proved[f.Clerks[1]] {
			return fmt.Errorf("invariant 1: a round of %v, proved are %v", f.Clerks, b.Proved)
		}
		b.Round = &f
	case RoundConfirmed, RoundInterrupted:
		b.Round, b.ByKey = nil, false
	case KeyOpeningAnnounced:
		b.ByKey = b.Round != nil && b.Round.Clerks == f.Clerks
	case KeyOpeningEnded:
		b.ByKey = false
		clear(b.Proved)
	case DepositReserved:
		if f.Replaces == 0 {
			if err := w.reservable(f.Compartment); err != nil {
				return err
			}
		}
	case DocumentUnconfirmed:
		b.Unanswered[f.Generation] = true
	case DocumentTaken:
		if !f.Confirmed && !b.Unanswered[f.Generation] {
			return fmt.Errorf("invariant 7: generation %d is called taken, and nobody was asked", f.Generation)
		}
		b.Ended[f.Generation] = true
	case DocumentUnloaded:
		b.Ended[f.Generation] = true
	case DocumentMissing:
		b.Ended[f.Generation] = true
	case DepositAbandoned:
		b.Ended[f.Generation] = true
	case DocumentLaid:
		w.hand = ""
	}
	return nil
}

// reservable is invariant 3, held against where the documents really are.
func (w *tiny) reservable(n CompartmentID) error {
	if w.doors[n].Used {
		return fmt.Errorf("invariant 3: compartment %d is assigned, and two clerks have not seen it since it was used", n)
	}
	for id, p := range w.paper {
		if p == place(n) {
			return fmt.Errorf("invariant 3: compartment %d is assigned, and the document of %s lies there", n, id)
		}
	}
	return nil
}

// judge holds the actions against the books.
func (w *tiny) judge(in Input, events []Event, actions []Action) error {
	for _, a := range actions {
		switch a := a.(type) {
		case PulseLock:
			if err := w.authority(in, a); err != nil {
				return err
			}
		case TryCode:
			if a.Generation != 0 && !slices.Contains(w.book.Charges[a.Generation], a.Attempt) {
				return fmt.Errorf("invariant 2: attempt %d tries generation %d uncharged", a.Attempt, a.Generation)
			}
			if w.book.Ended[a.Generation] {
				return fmt.Errorf("invariant 4: generation %d has ended and is tried", a.Generation)
			}
		case CompareFactor:
			if w.book.Compares[a.Attempt]--; w.book.Compares[a.Attempt] < 0 {
				return fmt.Errorf("invariant 2: attempt %d compares uncharged", a.Attempt)
			}
		}
	}
	for _, e := range events {
		if f, ok := e.Fact.(DocumentTaken); ok && f.Confirmed {
			if c, said := in.(Chosen); !said || c.Choice != ChoiceYes {
				return fmt.Errorf("invariant 7: %T makes generation %d taken and confirmed", in, f.Generation)
			}
		}
	}
	if m, ok := in.(DoorMoved); ok && m.Open {
		return w.opening(m.Compartment, events)
	}
	return nil
}

// authority is invariant 1.
func (w *tiny) authority(in Input, a PulseLock) error {
	switch in.(type) {
	case OrderReceived, WithdrawalReceived, ReissueReceived, RosterReceived, PostedReceived, CityTime, LogDisputed, MessageRejected:
		return fmt.Errorf("invariant 1: %T drives lock %d", in, a.Compartment)
	}
	r, ok := w.book.Released[a.Pulse]
	if !ok || r.Compartment != a.Compartment {
		return fmt.Errorf("invariant 1: pulse %d of lock %d, released is %+v", a.Pulse, a.Compartment, r)
	}
	delete(w.book.Released, a.Pulse)
	switch {
	case r.Round != 0 && r.Attempt == 0:
		if w.book.Round == nil || w.book.Round.Round != r.Round {
			return fmt.Errorf("invariant 1: pulse %d in the name of round %d, which is not open", a.Pulse, r.Round)
		}
	case r.Attempt != 0 && r.Round == 0:
		if w.book.Opened[r.Attempt] != r.Generation || w.book.Accepted[r.Attempt] != r.Generation {
			return fmt.Errorf("invariant 1: pulse %d for attempt %d, which proved neither code nor factor of generation %d", a.Pulse, r.Attempt, r.Generation)
		}
	default:
		return fmt.Errorf("invariant 1: pulse %d has not one authority: %+v", a.Pulse, r)
	}
	return nil
}

// opening is the first half of invariant 6: a door that nobody released is told.
func (w *tiny) opening(n CompartmentID, events []Event) error {
	if w.doors[n].Unlocked || w.pulsing(n) {
		return nil
	}
	told := slices.ContainsFunc(events, func(e Event) bool {
		f, ok := e.Fact.(CompartmentOpened)
		return ok && f.Compartment == n && !f.Commanded
	})
	woken := slices.ContainsFunc(w.term.Status().Alarms, func(a AlarmRaised) bool {
		return a.Compartment == n && a.Kind == AlarmForced && a.Class == Wake
	})
	if !told || !woken && !w.book.ByKey {
		return fmt.Errorf("invariant 6: door %d was forced; told %v, alarm %v", n, told, woken)
	}
	return nil
}

// pulsing tells that the lock may be energised at this moment: nobody can tell
// a door that is forced just then from one that opens as it was told.
func (w *tiny) pulsing(n CompartmentID) bool {
	return slices.ContainsFunc(w.owed, func(a Action) bool {
		p, ok := a.(PulseLock)
		return ok && p.Compartment == n
	})
}

// truth is what must hold between two steps: invariant 7, and the second half
// of 6.
func (w *tiny) truth() error {
	st := w.term.Status()
	alarmed := func(n CompartmentID) bool {
		return slices.ContainsFunc(st.Alarms, func(a AlarmRaised) bool { return a.Compartment == n })
	}
	believed := map[OrderID]CompartmentStatus{}
	for _, c := range st.Compartments {
		if c.Order != "" {
			if other, ok := believed[c.Order]; ok {
				return fmt.Errorf("invariant 7: the document of %s is believed in %d and in %d", c.Order, other.Number, c.Number)
			}
			believed[c.Order] = c
		}
		d := w.doors[c.Number]
		if d.Open && w.now.Uptime-d.Since > 10*time.Minute && !alarmed(c.Number) {
			return fmt.Errorf("invariant 6: door %d stands open for %v, and nobody is told", c.Number, w.now.Uptime-d.Since)
		}
	}
	for id, p := range w.paper {
		c, here := believed[id]
		switch {
		case p > 0 && c.Number != CompartmentID(p) && !w.inWork(CompartmentID(p)):
			return fmt.Errorf("invariant 7: the document of %s lies in %d, believed is %+v", id, p, c)
		case p == stolen && here && c.Custody == CustodyCompartment && !alarmed(c.Number):
			return fmt.Errorf("invariant 7: the document of %s was stolen from %d, and nobody is told", id, c.Number)
		}
	}
	return nil
}

// inWork tells that somebody stands at the open door, whose doing is not over;
// or that what lies there was left by a citizen who said to have it.
func (w *tiny) inWork(n CompartmentID) bool {
	use := ""
	for _, c := range w.term.Status().Compartments {
		if c.Number == n {
			use = c.Use
		}
	}
	return w.doors[n].Open || use == string(useVacated) || use == string(useDoubt)
}
