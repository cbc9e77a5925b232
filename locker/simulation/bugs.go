package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
)

// Bug is a fault that is put into the terminal on purpose, to prove that the
// oracle sees it. Each wraps what surrounds the machine; none is in its code.
type Bug int

// The bugs.
const (
	None               Bug = iota
	TryBeforeCharge        // a charge is durable only after the try
	OneClerkTwice          // a second card makes a second person
	SlotKept               // a deposit's slot is not overwritten
	ReusedInDoubt          // a start takes a compartment that was released for untouched
	ActBeforeCommit        // events are durable only after the actions
	WallClockTrusted       // the board's clock is believed as the city's word is
	StaleResult            // a try's result is given to the next deposit's
	PulseRepeated          // a restart repeats an unanswered pulse
	OrderKeyKept           // a one-time key is not overwritten
	ChargesForgotten       // a start has no memory of charged tries
	MarkWithRecordOnly     // the trusted time's mark is kept with records alone
	UnsignedCommands       // whatever says that it is a command is one
	UnsignedRosters        // whatever says that it is a roster is one
	NumberBeforeCharge     // a personal number is charged only after the try
	AdoptedUnseen          // a new board believes what the city's record calls empty
	RootKept               // the root key in hardware is not replaced
	WishDrivesLock         // a wish over the socket drives locks by itself
	StoreGivenUp           // a store that cannot be used is never tried again
)

// tardy is a journal that answers before the events are durable.
type tardy struct {
	*disk
	late  func(locker.Event) bool
	queue []func() error
}

// Append makes late events durable with a delay, in their order.
func (t *tardy) Append(events []locker.Event, snapshot func() ([]byte, error)) (uint64, error) {
	delay := len(t.queue) > 0
	for _, e := range events {
		delay = delay || t.late(e)
	}
	if !delay {
		return t.disk.Append(events, snapshot)
	}
	t.queue = append(t.queue, func() error {
		_, err := t.disk.Append(events, func() ([]byte, error) { return nil, nil })
		return err
	})
	t.p.after(500*time.Millisecond, func() {
		next := t.queue[0]
		t.queue = t.queue[1:]
		if err := next(); err != nil {
			t.p.crash(controller.ErrCommit)
		}
	})
	return 0, nil
}

func (b Bug) journal(p *process) controller.Journal {
	switch b {
	case TryBeforeCharge:
		return &tardy{disk: p.disk, late: func(e locker.Event) bool { _, ok := e.Fact.(locker.CodeCharged); return ok }}
	case NumberBeforeCharge:
		return &tardy{disk: p.disk, late: func(e locker.Event) bool { _, ok := e.Fact.(locker.ClerkCharged); return ok }}
	case ActBeforeCommit:
		return &tardy{disk: p.disk, late: func(e locker.Event) bool { _, ok := e.Fact.(locker.CompartmentReleased); return ok }}
	default:
		return p.disk
	}
}

// faulty is a vault with a bug.
type faulty struct {
	*keeper
	bug  Bug
	last bool // result of the last try
}

func (b Bug) vault(p *process) controller.Vault {
	switch b {
	case OneClerkTwice, SlotKept, StaleResult, UnsignedCommands, UnsignedRosters:
		return &faulty{keeper: p.keeper, bug: b}
	default:
		return p.keeper
	}
}

// person makes a colleague of whoever shows a second card.
func (f *faulty) person(card string, p locker.Person) locker.Person {
	if f.bug == OneClerkTwice && strings.HasSuffix(card, "-2") {
		return clerks[1].person
	}
	return p
}

// FindCard has the bug OneClerkTwice.
func (f *faulty) FindCard(card string) locker.Person {
	return f.person(card, f.keeper.FindCard(card))
}

// CheckClerk has the bug OneClerkTwice.
func (f *faulty) CheckClerk(card string, number []byte) (locker.Person, bool, error) {
	if f.bug != OneClerkTwice {
		return f.keeper.CheckClerk(card, number)
	}
	p, proved, err := f.Vault.CheckClerk(card, number) // whose number was charged is not this bug's matter
	return f.person(card, p), proved, err
}

// Receive has the bugs UnsignedCommands and UnsignedRosters.
func (f *faulty) Receive(kind locker.MessageKind, raw []byte, at time.Time) locker.Input {
	switch {
	case f.bug == UnsignedCommands && kind == locker.MessageCommand:
		if c, err := envelope.ParseCommand(envelope.Body(raw)); err == nil && c.Kind != locker.CommandReissue {
			return locker.CommandReceived{Command: c.Command, Admins: []locker.Person{"a1", "a2"}, Nonce: c.Nonce, Expires: c.Expires}
		}
	case f.bug == UnsignedRosters && kind == locker.MessageRoster:
		if text, err := envelope.UnsealRoster(f.Crypto, f.TerminalKey, raw); err == nil {
			if r, err := envelope.ParseRoster(envelope.Body(text)); err == nil {
				return locker.RosterReceived{Version: r.Version, Hash: envelope.Hash(text), People: r.Members()}
			}
		}
	}
	return f.keeper.Receive(kind, raw, at)
}

// EraseSlot has the bug SlotKept.
func (f *faulty) EraseSlot(g locker.Generation, at time.Time) error {
	if f.bug == SlotKept {
		return nil
	}
	return f.keeper.EraseSlot(g, at)
}

// Try has the bug StaleResult.
func (f *faulty) Try(a locker.AttemptID, g locker.Generation, recipient int, code pin.Code) (bool, error) {
	opened, err := f.keeper.Try(a, g, recipient, code)
	if f.bug == StaleResult && g != 0 {
		opened, f.last = f.last, opened
	}
	return opened, err
}

// replayed is what a start makes of an event.
func (b Bug) replayed(e locker.Event) []locker.Event {
	switch f := e.Fact.(type) {
	case locker.CompartmentReleased:
		if b == ReusedInDoubt && f.Purpose == locker.ForLoading {
			fact := func(f locker.Fact) locker.Event { return locker.Event{Time: e.Time, Quality: e.Quality, Fact: f} }
			f.Generation = 0
			return []locker.Event{
				fact(f), fact(locker.CompartmentOpened{Compartment: f.Compartment, Commanded: true}),
				fact(locker.CompartmentClosed{Compartment: f.Compartment}),
			}
		}
	case locker.CodeCharged:
		if b == ChargesForgotten {
			return nil
		}
	case locker.TerminalAdopted:
		if b == AdoptedUnseen {
			return unseen(e, f)
		}
	case locker.ClockMarked:
		if b == MarkWithRecordOnly {
			return nil
		}
	}
	return []locker.Event{e}
}

// unseen takes the compartments without a document on record for empty.
func unseen(e locker.Event, f locker.TerminalAdopted) []locker.Event {
	events := []locker.Event{e}
	for _, c := range layout().Compartments {
		if slices.ContainsFunc(f.Held, func(h locker.HeldDocument) bool { return h.Compartment == c.Number }) {
			continue
		}
		for _, fact := range []locker.Fact{locker.CompartmentInspected{Compartment: c.Number}, locker.CompartmentCleared{Compartment: c.Number}} {
			events = append(events, locker.Event{Time: e.Time, Quality: e.Quality, Fact: fact})
		}
	}
	return events
}

// booted is what a start does by itself.
func (b Bug) booted(p *process) {
	switch b {
	case PulseRepeated:
		log := p.w.store.log
		for i := len(log) - 1; i >= 0 && i > len(log)-40; i-- {
			if f, ok := log[i].event.Fact.(locker.CompartmentReleased); ok {
				p.begin(controller.LockLane, pulseAgain(p, f))
				return
			}
		}
	case WallClockTrusted:
		b.followWall(p)
	case AdoptedUnseen:
		if p.w.adopted != nil && len(p.w.store.log) < 30 { // starts once more, with what it has read
			p.after(time.Minute, func() {
				p.end()
				p.w.after(time.Second, p.w.start)
			})
		}
	default:
	}
}

func (b Bug) followWall(p *process) {
	p.after(time.Hour, func() {
		b.followWall(p)
		p.give(locker.CityTime{Time: p.now().Wall})
	})
}
