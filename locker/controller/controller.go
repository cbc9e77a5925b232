// Package controller runs one terminal: it hands inputs to the state machine,
// commits the events that it decides, and only then carries out its actions.
//
// [Controller.Handle] does this for one input, synchronously and without a
// goroutine; a failed commit ends the controller, because nobody knows whether
// the events are durable. Whatever takes time (deriving a key, reading a
// finger, holding a coil) is a job in a [Lane]; its answer comes back as an
// input. [Controller.Run] gives the lanes their goroutines and the loop its
// clock; the simulator gives them an event heap instead.
//
// The package decides nothing and stores nothing.
package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// Journal makes events durable before Append returns. snapshot gives the
// ledger after them. Without events it tells whether it still works.
type Journal interface {
	Append(events []locker.Event, snapshot func() ([]byte, error)) (first uint64, err error)
}

// Locks energises the lock of a compartment once and returns when the coil is off.
type Locks interface {
	Pulse(ctx context.Context, n locker.CompartmentID) error
	// Measure is Pulse, and returns when the door has come to rest, with how.
	Measure(ctx context.Context, n locker.CompartmentID) (locker.Measurement, error)
}

// Fingers reads one image into the vault and says whether it will do. With
// lift it waits first until the last finger has left the reader.
type Fingers interface {
	Capture(ctx context.Context, attempt locker.AttemptID, lift bool) (locker.FingerAdvice, locker.Presentation, error)
}

// Vault keeps the secrets; see package vault for what each method promises.
type Vault interface {
	MakeKeys(first locker.KeyID, count int, expires time.Time) ([]locker.OfferedKey, error)
	EraseKey(key locker.KeyID) error
	EraseOrder(order locker.OrderID, key locker.KeyID) error
	Prepare(g locker.Generation, order locker.OrderID, at time.Time) (hash string, err error)
	Reissue(g, replaces locker.Generation, order locker.OrderID, at time.Time) (hash string, err error)
	// Commitment is to the generation's slot key; empty if there is none.
	Commitment(g locker.Generation) string
	EraseSlot(g locker.Generation, at time.Time) error
	// ReplaceRoot makes certain what was erased before.
	ReplaceRoot() error
	DeleteLetter(g locker.Generation) error
	Find(code pin.Code) (g locker.Generation, recipient int, ok bool)
	Try(attempt locker.AttemptID, g locker.Generation, recipient int, code pin.Code) (opened bool, err error)
	Compare(attempt locker.AttemptID, g locker.Generation, factor locker.FactorKind, finger int, number []byte, threshold float64) (accepted bool, similarity, fmr float64, err error)
	Forget()
	FindCard(card string) locker.Person
	// AskKey is what the holder's security keys are to sign; nil if they have none.
	AskKey(ask locker.FindCard) (*locker.KeyRequest, error)
	CheckKey(card string, assertion []byte) (person locker.Person, proved bool, err error)
	CheckClerk(card string, number []byte) (person locker.Person, proved bool, err error)
	// Receive opens, verifies and stores a message of the city.
	Receive(kind locker.MessageKind, raw []byte, at time.Time) locker.Input
	// Reconcile erases what the ledger does not name.
	Reconcile(living locker.Living) error
}

// Announcer is told that there is something new for the city. It never blocks.
type Announcer interface {
	AnnounceKeys()
	AnnounceLetter(g locker.Generation)
	// AnnounceAll sends the whole journal again, with state, keys and letters.
	AnnounceAll()
}

// Lane is a queue of jobs, done one after the other.
type Lane int

const (
	VaultLane  Lane = iota // one key derivation at a time
	LockLane               // one coil at a time
	ReaderLane             // one finger at a time
	lanes
	// MessageLane is for the city's messages, which anybody on the network may have
	// sent. The vault does them, one after the other, while VaultLane is empty: a
	// person's work never waits for more than the message in progress.
	MessageLane = lanes
)

// Job is a piece of work outside the loop; it returns the answering input, or nil.
type Job func(ctx context.Context) locker.Input

// Config is what a controller works with. All fields are needed but
// Diagnose, Committed, and Start, which Run provides.
type Config struct {
	Terminal  *locker.Terminal
	Journal   Journal
	Vault     Vault
	Locks     Locks
	Fingers   Fingers
	Announcer Announcer
	Now       func() locker.Now
	// Diagnose asks the parts how they are; nil: nothing is known of them.
	Diagnose func(ctx context.Context) map[string]string
	// Committed is told of each turn's events after they are durable. It must not
	// block; nil: nobody is told.
	Committed func([]locker.Event)
	// Start begins a job in its lane; for the simulator. Nil: Run's goroutines.
	Start func(lane Lane, job Job)
}

// ErrCommit tells that events could not be made durable, or that nobody knows.
// Nothing was carried out and nothing more will be: start again from the journal.
var ErrCommit = errors.New("commit failed")

// StoreAgain is how often a terminal whose store cannot be used tries it again,
// if the fault can end by itself (journal.Passes).
const StoreAgain = 15 * time.Second

// Controller owns a terminal. Handle, Boot and Run belong to one goroutine;
// the other methods are safe for all.
type Controller struct {
	Config
	broken   error
	inbox    chan delivery
	queues   [lanes]*queue
	screen   atomic.Pointer[locker.Screen]
	status   atomic.Pointer[locker.Status]
	lit      atomic.Int64
	waiting  atomic.Int64 // bytes of the city's messages that wait for the vault
	messages atomic.Int64 // how many there are
	living   atomic.Pointer[announcements]
	beats    atomic.Uint64
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when the screen changes
	capture  context.CancelFunc
	stopped  chan struct{} // closed when Run returns
}

// announcements is what the reporter publishes from the ledger.
type announcements struct {
	keys    []locker.OfferedKey
	letters []locker.Generation
}

type delivery struct {
	input locker.Input
	done  chan<- locker.Screen // nil: nobody waits
}

// New is a controller at rest; Boot, then Run.
func New(c Config) *Controller {
	k := &Controller{Config: c, inbox: make(chan delivery, 64), changed: make(chan struct{}), stopped: make(chan struct{})}
	for i := range k.queues {
		k.queues[i] = newQueue()
	}
	if k.Start == nil {
		k.Start = func(lane Lane, job Job) {
			if lane == MessageLane {
				k.queues[VaultLane].pushLater(job)
				return
			}
			k.queues[lane].push(job)
		}
	}
	k.publish(true)
	return k
}

// Boot erases what the ledger does not name and starts the terminal with the
// levels of its doors.
func (k *Controller) Boot(in locker.Booted) error {
	if err := k.Vault.Reconcile(k.Terminal.Living()); err != nil {
		return fmt.Errorf("boot: reconcile the vault: %w", err)
	}
	return k.Handle(k.Now(), in)
}

// Handle is one turn: decide, commit, carry out. After an error it does
// nothing any more and returns the same error.
func (k *Controller) Handle(now locker.Now, in locker.Input) error {
	if k.broken != nil {
		return k.broken
	}
	defer forgetInput(in)
	events, actions := k.Terminal.Step(now, in)
	// Also without events: a store that broke under one of the vault's records
	// ends this turn before its actions.
	if _, err := k.Journal.Append(events, k.Terminal.Snapshot); err != nil {
		k.broken = fmt.Errorf("%w: %w", ErrCommit, err)
		return k.broken
	}
	for _, a := range actions {
		k.carryOut(a)
	}
	if k.Committed != nil && len(events) > 0 {
		k.Committed(events)
	}
	k.beats.Add(1)
	k.publish(len(events) > 0)
	return nil
}

// forgetInput clears what somebody typed or scanned: Step keeps nothing of it.
func forgetInput(in locker.Input) {
	switch in := in.(type) {
	case locker.Typed:
		clear(in.Text)
	case locker.Scanned:
		clear(in.Text)
	}
}

// publish shows the new state to the goroutines that only look. What is to be
// announced lies in the ledger, which events alone change.
func (k *Controller) publish(events bool) {
	screen, status := k.Terminal.Screen(), k.Terminal.Status()
	if events {
		k.living.Store(&announcements{keys: k.Terminal.UnusedKeys(), letters: k.Terminal.Letters()})
	}
	k.status.Store(&status)
	k.lit.Store(int64(k.Terminal.Lit()))
	old := k.screen.Swap(&screen)
	if old == nil || old.Number != screen.Number || old.Until != screen.Until {
		k.mu.Lock()
		close(k.changed)
		k.changed = make(chan struct{})
		k.mu.Unlock()
	}
}

// Screen is what is shown now, and a channel that closes when that changes.
func (k *Controller) Screen() (locker.Screen, <-chan struct{}) {
	k.mu.Lock()
	changed := k.changed
	k.mu.Unlock()
	return *k.screen.Load(), changed
}

// Status is the terminal's state after the last turn.
func (k *Controller) Status() locker.Status { return *k.status.Load() }

// Lit is the compartment whose light is to be on after the last turn.
func (k *Controller) Lit() locker.CompartmentID { return locker.CompartmentID(k.lit.Load()) }

// UnusedKeys and Letters are what the city should have been offered.
func (k *Controller) UnusedKeys() []locker.OfferedKey { return k.living.Load().keys }

// Letters are the generations whose letter waits to be posted.
func (k *Controller) Letters() []locker.Generation { return k.living.Load().letters }

// Beats counts the turns; a watchdog sees that the loop advances.
func (k *Controller) Beats() uint64 { return k.beats.Load() }

// Receive takes a message of the city; the vault verifies it beside the loop.
// It never blocks; a message that comes while the lane is full is dropped, and
// the city repeats it.
func (k *Controller) Receive(kind locker.MessageKind, raw []byte) {
	at, size := k.Status().Time, int64(len(raw))
	if k.messages.Load() >= maxWaiting || k.waiting.Load() > maxWaitingBytes-size {
		return
	}
	k.messages.Add(1)
	k.waiting.Add(size)
	k.Start(MessageLane, func(context.Context) locker.Input {
		defer k.messages.Add(-1)
		defer k.waiting.Add(-size)
		return k.Vault.Receive(kind, raw, at)
	})
}

// Bounds of the city's messages that wait for the vault. Anybody may have sent
// them: twenty orders fit, and no flood of large ones.
const (
	maxWaiting      = 256
	maxWaitingBytes = 4 << 20
)
