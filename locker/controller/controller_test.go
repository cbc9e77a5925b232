package controller_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/pin"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// house is everything around a controller, in memory.
type house struct {
	mu       sync.Mutex
	done     []string // what was carried out, in its order
	commits  int
	failing  error
	panics   bool
	block    chan struct{} // Receive waits for it
	captures chan context.Context
	opened   time.Time
}

func (h *house) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, what)
}

func (h *house) noted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.done)
}

func (h *house) Append([]locker.Event, func() ([]byte, error)) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits++
	if h.failing != nil {
		return 0, h.failing
	}
	h.done = append(h.done, "commit")
	return 0, nil
}

func (h *house) Pulse(context.Context, locker.CompartmentID) error { h.note("pulse"); return nil }

func (h *house) Measure(context.Context, locker.CompartmentID) (locker.Measurement, error) {
	h.note("measure")
	return locker.Measurement{}, nil
}

func (h *house) Capture(ctx context.Context, _ locker.AttemptID, _ bool) (locker.FingerAdvice, locker.Presentation, error) {
	h.note("capture")
	h.captures <- ctx
	<-ctx.Done()
	return "", locker.Presentation{}, nil // an image that came too late
}

func (h *house) MakeKeys(first locker.KeyID, count int, expires time.Time) ([]locker.OfferedKey, error) {
	h.note("keys")
	var keys []locker.OfferedKey
	for i := range count {
		keys = append(keys, locker.OfferedKey{Key: first + locker.KeyID(i), Hash: "h", Expires: expires})
	}
	return keys, nil
}
func (h *house) EraseKey(locker.KeyID) error                            { return nil }
func (h *house) EraseOrder(locker.OrderID, locker.KeyID) error          { return nil }
func (h *house) EraseSlot(locker.Generation, time.Time) error           { return nil }
func (h *house) ReplaceRoot() error                                     { return nil }
func (h *house) Commitment(locker.Generation) string                    { return "c" }
func (h *house) DeleteLetter(locker.Generation) error                   { return nil }
func (h *house) Find(pin.Code) (locker.Generation, int, bool)           { h.note("find"); return 1, 0, true }
func (h *house) Forget()                                                { h.note("forget") }
func (h *house) Reconcile(locker.Living) error                          { h.note("reconcile"); return nil }
func (h *house) AnnounceKeys()                                          { h.note("announce keys") }
func (h *house) AnnounceAll()                                           { h.note("announce all") }
func (h *house) AnnounceLetter(locker.Generation)                       { h.note("announce letter") }
func (h *house) CheckClerk(string, []byte) (locker.Person, bool, error) { return "p1", true, nil }

func (h *house) Prepare(locker.Generation, locker.OrderID, time.Time) (string, error) {
	return "hash", nil
}

func (h *house) Reissue(_, _ locker.Generation, _ locker.OrderID, _ time.Time) (string, error) {
	return "hash", nil
}

func (h *house) Try(locker.AttemptID, locker.Generation, int, pin.Code) (bool, error) {
	h.note("try")
	return true, nil
}

func (h *house) Compare(locker.AttemptID, locker.Generation, locker.FactorKind, int, []byte, float64) (bool, float64, float64, error) {
	return true, 40, 1e-6, nil
}

func (h *house) AskKey(locker.FindCard) (*locker.KeyRequest, error)   { return nil, nil }
func (h *house) CheckKey(string, []byte) (locker.Person, bool, error) { return "", false, nil }
func (h *house) FindCard(string) locker.Person {
	h.note("card")
	if h.panics {
		panic("a card of strange make")
	}
	return "p1"
}

func (h *house) Receive(locker.MessageKind, []byte, time.Time) locker.Input {
	if h.block != nil {
		<-h.block
	}
	h.note("message")
	return locker.MessageRejected{Message: locker.MessageOrder, Reason: "signature"}
}

func (h *house) now() locker.Now {
	up := time.Since(h.opened)
	return locker.Now{Uptime: up, Wall: start.Add(up)}
}

func (h *house) config() locker.Config {
	c := locker.Config{Terminal: "rathaus", Rules: locker.DefaultRules(), Compartments: []locker.CompartmentSpec{{Number: 1, Size: locker.Small}}}
	c.Rules.AnswerAfter, c.Rules.KeysOffered = 0, 2
	return c
}

// deposited is a terminal with one collectable deposit, generation 1.
func deposited(t *testing.T) *locker.Terminal {
	t.Helper()
	term := locker.New()
	order := locker.OrderTerms{Order: "ORDER-1", Version: 1, Size: locker.Small, Recipients: []locker.Recipient{{Factor: locker.FactorFinger, Fingers: []int{2}}}}
	for _, f := range []locker.Fact{
		locker.RosterAccepted{Version: 1, People: []locker.Member{{Person: "p1", Role: locker.Clerk}}},
		locker.OrderAccepted{OrderTerms: order}, locker.CompartmentCleared{Compartment: 1},
		locker.DepositReserved{Generation: 1, Order: "ORDER-1", Compartment: 1}, locker.DepositPrepared{Generation: 1},
		locker.DocumentLaid{Generation: 1}, locker.DepositLoaded{Generation: 1}, locker.OrderErased{Order: "ORDER-1"},
		locker.LetterPosted{Generation: 1}, locker.LetterDeleted{Generation: 1},
	} {
		if err := term.Replay(locker.Event{Time: start, Fact: f}); err != nil {
			t.Fatal(err)
		}
	}
	return term
}

// newHouse is a booted controller; run starts its loop.
func newHouse(t *testing.T) (*house, *controller.Controller) {
	t.Helper()
	h := &house{opened: time.Now(), captures: make(chan context.Context, 4)}
	k := controller.New(controller.Config{Terminal: deposited(t), Journal: h, Vault: h, Locks: h, Fingers: h, Announcer: h, Now: h.now})
	if err := k.Boot(locker.Booted{Config: h.config(), Doors: map[locker.CompartmentID]bool{1: false}, Reader: true}); err != nil {
		t.Fatal(err)
	}
	return h, k
}

func run(t *testing.T, k *controller.Controller) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, done := make(chan error, 1), make(chan struct{})
	go func() { defer close(done); ended <- k.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return ended
}

// until waits for a condition that a working controller brings about soon.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 12000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func (h *house) code(t *testing.T) string {
	t.Helper()
	c, err := pin.New(1, 78)
	if err != nil {
		t.Fatal(err)
	}
	return c.QR()
}

func TestTheVaultIsReconciledBeforeTheStartIsRecorded(t *testing.T) {
	h, _ := newHouse(t)
	if d := h.noted(); len(d) < 2 || d[0] != "reconcile" || d[1] != "commit" {
		t.Fatalf("carried out %v", d)
	}
}

func TestAFailedCommitCarriesOutNothingAndBreaksForGood(t *testing.T) {
	var jobs []controller.Job
	h := &house{opened: time.Now(), captures: make(chan context.Context, 4)}
	k := controller.New(controller.Config{
		Terminal: deposited(t), Journal: h, Vault: h, Locks: h, Fingers: h, Announcer: h, Now: h.now,
		Start: func(_ controller.Lane, job controller.Job) { jobs = append(jobs, job) },
	})
	if err := k.Boot(locker.Booted{Config: h.config(), Doors: map[locker.CompartmentID]bool{1: false}, Reader: true}); err != nil {
		t.Fatal(err)
	}
	screen, _ := k.Screen()
	if err := k.Handle(h.now(), locker.Typed{Screen: screen.Number, Text: []byte(h.code(t))}); err != nil {
		t.Fatal(err)
	}
	lost := errors.New("no space left on device")
	h.failing = lost
	started, announced, commits := len(jobs), len(h.noted()), h.commits
	err := k.Handle(h.now(), locker.DepositFound{Attempt: 1, Generation: 1}) // decides a charge and a try
	if !errors.Is(err, controller.ErrCommit) || !errors.Is(err, lost) {
		t.Fatalf("error %v, want the commit's and its cause", err)
	}
	if h.commits != commits+1 || len(jobs) != started || len(h.noted()) != announced {
		t.Fatalf("%d commits, %d jobs, %v: something was carried out", h.commits-commits, len(jobs)-started, h.noted()[announced:])
	}
	h.failing = nil
	if again := k.Handle(h.now(), locker.Tick{}); again == nil || again.Error() != err.Error() || h.commits != commits+1 || len(jobs) != started {
		t.Fatalf("afterwards: error %v, %d commits, %d jobs; want the same error and nothing done", again, h.commits-commits, len(jobs)-started)
	}
}

func TestAFailedCommitEndsTheLoopAndWhoeverWaits(t *testing.T) {
	h, k := newHouse(t)
	ended := run(t, k)
	until(t, "the keys", func() bool { return slices.Contains(h.noted(), "announce keys") })
	h.mu.Lock()
	h.failing = errors.New("input/output error")
	h.mu.Unlock()
	if _, err := k.Submit(context.Background(), locker.PartFailed{Part: "scanner"}); !errors.Is(err, controller.ErrStopped) {
		t.Fatalf("submitting: %v, want that the loop has stopped", err)
	}
	if err := <-ended; !errors.Is(err, controller.ErrCommit) {
		t.Fatalf("the loop ended with %v", err)
	}
	if _, err := k.Submit(context.Background(), locker.Tick{}); !errors.Is(err, controller.ErrStopped) {
		t.Fatalf("submitting afterwards: %v", err)
	}
}

func TestAJobThatPanicsIsAPartThatFailed(t *testing.T) {
	h, k := newHouse(t)
	h.panics = true
	run(t, k)
	if _, err := k.Submit(context.Background(), locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")}); err != nil {
		t.Fatal(err)
	}
	until(t, "the alarm", func() bool {
		return slices.ContainsFunc(k.Status().Alarms, func(a locker.AlarmRaised) bool { return a.Kind == locker.AlarmPart })
	})
	if _, err := k.Submit(context.Background(), locker.Tick{}); err != nil {
		t.Fatalf("the loop has ended: %v", err)
	}
}

func TestAFingerThatNobodyWaitsForIsDropped(t *testing.T) {
	h, k := newHouse(t)
	run(t, k)
	screen, _ := k.Screen()
	if _, err := k.Submit(context.Background(), locker.Typed{Screen: screen.Number, Text: []byte(h.code(t))}); err != nil {
		t.Fatal(err)
	}
	reading := <-h.captures
	asked := func() bool { screen, _ = k.Screen(); return screen.Name == locker.ScreenFinger } // the reader may be quicker than the screen
	until(t, "the finger to be asked for", asked)
	after, err := k.Submit(context.Background(), locker.Chosen{Screen: screen.Number, Choice: locker.ChoiceCancel})
	if err != nil || after.Name != locker.ScreenWelcome {
		t.Fatalf("screen %s: %v", after.Name, err)
	}
	<-reading.Done()
	until(t, "the vault to forget", func() bool { return slices.Contains(h.noted(), "forget") })
	screen, _ = k.Screen()
	if _, err := k.Submit(context.Background(), locker.Typed{Screen: screen.Number, Text: []byte(h.code(t))}); err != nil {
		t.Fatal(err)
	}
	<-h.captures // the reader is free for the next one
	until(t, "the next finger to be asked for: the dropped image acts on no visit", asked)
}

func TestAFloodOfMessagesIsDroppedAndTheLoopGoesOn(t *testing.T) {
	h, k := newHouse(t)
	h.block = make(chan struct{})
	run(t, k)
	until(t, "the keys", func() bool { return slices.Contains(h.noted(), "announce keys") })
	for range 5000 {
		k.Receive(locker.MessageOrder, []byte("?"))
	}
	if _, err := k.Submit(context.Background(), locker.Tick{}); err != nil {
		t.Fatalf("the loop stands still: %v", err)
	}
	close(h.block)
	card := func() bool { return slices.Contains(h.noted(), "card") }
	if _, err := k.Submit(context.Background(), locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")}); err != nil {
		t.Fatal(err)
	}
	until(t, "the card behind the flood", card)
	messages := 0
	for _, d := range h.noted() {
		if d == "message" {
			messages++
		}
	}
	if messages > 300 {
		t.Fatalf("%d of 5000 messages waited, want a bound", messages)
	}
}

// A citizen's code waits behind what a hostile broker sends, and memory holds it.
func TestFewLargeMessagesWait(t *testing.T) {
	h, k := newHouse(t)
	h.block = make(chan struct{})
	run(t, k)
	until(t, "the keys", func() bool { return slices.Contains(h.noted(), "announce keys") })
	messages := func() (n int) {
		for _, d := range h.noted() {
			if d == "message" {
				n++
			}
		}
		return n
	}
	large := make([]byte, 1<<20)
	for range 100 {
		k.Receive(locker.MessageOrder, large)
	}
	close(h.block)
	if _, err := k.Submit(context.Background(), locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")}); err != nil {
		t.Fatal(err)
	}
	until(t, "the card behind them", func() bool { return slices.Contains(h.noted(), "card") })
	if n := messages(); n < 1 || n > 4 {
		t.Fatalf("%d of 100 messages of 1 MiB waited", n)
	}
	before := messages()
	until(t, "the next one", func() bool { k.Receive(locker.MessageOrder, large); return messages() > before })
}

func TestTheScreenTellsThatItChanged(t *testing.T) {
	h, k := newHouse(t)
	run(t, k)
	screen, changed := k.Screen()
	if _, err := k.Submit(context.Background(), locker.Typed{Screen: screen.Number, Text: []byte(h.code(t))}); err != nil {
		t.Fatal(err)
	}
	<-changed
	if now, _ := k.Screen(); now.Number == screen.Number {
		t.Fatal("the channel closed and the screen is the same")
	}
}

func TestAPersonsWorkGoesBeforeTheCitysMessages(t *testing.T) {
	h, k := newHouse(t)
	h.block = make(chan struct{})
	run(t, k)
	until(t, "the keys", func() bool { return slices.Contains(h.noted(), "announce keys") })
	for range 20 {
		k.Receive(locker.MessageOrder, []byte("?"))
	}
	h.block <- struct{}{} // the first is being looked at
	if _, err := k.Submit(context.Background(), locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")}); err != nil {
		t.Fatal(err)
	}
	close(h.block)
	until(t, "all messages", func() bool {
		return len(slices.DeleteFunc(h.noted(), func(what string) bool { return what != "message" })) == 20
	})
	done := h.noted()
	before := 0
	for _, what := range done[:slices.Index(done, "card")] {
		if what == "message" {
			before++
		}
	}
	if before > 2 { // the first, and the one in progress
		t.Errorf("the card comes after %d messages: %v", before, done)
	}
}
