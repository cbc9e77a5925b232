package kiosk_test

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/securitykey"
	"github.com/nachtfach/nachtfach/pin"
)

// house is a terminal's real controller in front of a vault, locks and a
// reader that live in memory: what a browser test acts on. Its power can be
// cut, and its time passes faster if a test wants.
type house struct {
	t       testing.TB
	started time.Time
	config  locker.Config
	finger  chan locker.FingerAdvice // laid on the reader

	mu       sync.Mutex
	control  *controller.Controller
	stop     func()
	skipped  time.Duration
	events   []locker.Event
	codes    map[locker.Generation]pin.Code
	opened   []locker.CompartmentID
	jammed   map[locker.CompartmentID]bool
	stranger bool                   // the finger that is laid is another's
	keys     []envelope.SecurityKey // of the first clerk
	question securitykey.Question
	forget   bool // keep no events: a benchmark has no restart
}

// newHouse has few compartments, so that a round is short. The first orders of
// the scenes wait for their document, as many as there are compartments.
func newHouse(t testing.TB, compartments int, change ...func(*locker.Config)) *house {
	t.Helper()
	h := &house{
		t: t, started: time.Now(), finger: make(chan locker.FingerAdvice, 1),
		codes: map[locker.Generation]pin.Code{}, jammed: map[locker.CompartmentID]bool{},
		config: locker.Config{Terminal: "rathaus", Compartments: wall()[:compartments], Rules: locker.DefaultRules()},
	}
	h.config.Rules.AnswerAfter = locker.Duration(100 * time.Millisecond)
	h.config.Rules.KeysOffered = 8
	for _, f := range change {
		f(&h.config)
	}
	h.boot()
	t.Cleanup(h.powerCut)
	h.give(locker.RosterReceived{Version: 1, Hash: "r", People: []locker.Member{{Person: "clerk-07", Role: locker.Clerk}, {Person: "clerk-12", Role: locker.Clerk}, {Person: "desk-01", Role: locker.Desk}}})
	eventually(t, "keys from the vault", func() bool { return len(h.running().UnusedKeys()) >= compartments })
	for n := range compartments {
		h.give(locker.OrderReceived{Hash: "x", Terms: locker.OrderTerms{
			Order: order(n), Version: 1, Key: locker.KeyID(n + 1), Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Small, Desk: "desk-01", PINLetter: n == letterFirst,
			Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
		}})
	}
	return h
}

// letterFirst is the order whose recipient is asked for the eID PIN letter.
const letterFirst = 1

// eventually waits for what comes from another goroutine.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// boot starts a controller with what the journal holds.
func (h *house) boot() {
	h.t.Helper()
	term := locker.New()
	for _, e := range h.events {
		if err := term.Replay(e); err != nil {
			h.t.Fatal(err)
		}
	}
	k := controller.New(controller.Config{
		Terminal: term, Journal: h, Vault: (*safe)(h), Locks: h, Fingers: h, Announcer: h,
		Now: func() locker.Now { return locker.Now{Uptime: h.uptime(), Wall: h.started.Add(h.uptime())} },
	})
	doors := map[locker.CompartmentID]bool{}
	for _, c := range h.config.Compartments {
		doors[c.Number] = false
	}
	if err := k.Boot(locker.Booted{Config: h.config, Software: "test", Doors: doors, Reader: true}); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.control, h.stop = k, func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("run: %v", err)
		}
	}
}

// powerCut ends the controller in whatever it was doing.
func (h *house) powerCut() {
	h.mu.Lock()
	stop := h.stop
	h.stop = func() {}
	h.mu.Unlock()
	stop()
}

func (h *house) running() *controller.Controller {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.control
}

// Screen and Submit implement kiosk.Terminal.
func (h *house) Screen() (locker.Screen, <-chan struct{}) { return h.running().Screen() }

// Submit hands over an input.
func (h *house) Submit(ctx context.Context, in locker.Input) (locker.Screen, error) {
	return h.running().Submit(ctx, in)
}

func (h *house) uptime() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.started) + h.skipped
}

// pass lets time pass at once.
func (h *house) pass(d time.Duration) {
	h.t.Helper()
	h.mu.Lock()
	h.skipped += d
	h.mu.Unlock()
	h.give(locker.Tick{})
}

func (h *house) clocked(c *kiosk.Config) { c.Uptime = h.uptime }

func (h *house) give(in locker.Input) {
	h.t.Helper()
	if _, err := h.Submit(context.Background(), in); err != nil {
		h.t.Fatal(err)
	}
}

// await waits for a screen without looking at the page.
func (h *house) await(name locker.ScreenName) locker.Screen {
	h.t.Helper()
	end := time.After(patience)
	for {
		screen, changed := h.Screen()
		if screen.Name == name {
			return screen
		}
		select {
		case <-changed:
		case <-end:
			h.t.Fatalf("the screen is %s, want %s", screen.Name, name)
		}
	}
}

func (h *house) choose(on locker.ScreenName, c locker.Choice) {
	h.t.Helper()
	h.give(locker.Chosen{Screen: h.await(on).Number, Choice: c})
}

// load is a whole round without a browser: every compartment is seen empty,
// and each order's document laid in and its letter posted.
func (h *house) load() {
	h.t.Helper()
	for i, then := range []locker.ScreenName{locker.ScreenSecond, locker.ScreenRound} {
		h.badge([]string{"c1", "c2"}[i])
		h.give(locker.Typed{Screen: h.await(locker.ScreenClerk).Number, Text: []byte("471108")})
		h.await(then)
	}
	for range h.config.Compartments {
		h.choose(locker.ScreenRound, locker.ChoiceNext)
		h.choose(locker.ScreenClear, locker.ChoiceEmpty)
		h.shut()
	}
	for n := range h.config.Compartments {
		h.await(locker.ScreenRound)
		h.scan(order(n))
		h.await(locker.ScreenLay)
		h.shut()
	}
	h.choose(locker.ScreenRound, locker.ChoiceFinish)
	h.await(locker.ScreenConfirm)
	h.badge("c1")
	h.give(locker.Typed{Screen: h.await(locker.ScreenClerk).Number, Text: []byte("471108")})
	eventually(h.t, "confirmation", func() bool {
		screen, _ := h.Screen()
		return len(screen.Round.Confirmed) == 1
	})
	h.badge("c2")
	h.give(locker.Typed{Screen: h.await(locker.ScreenClerk).Number, Text: []byte("471108")})
	h.choose(locker.ScreenRoundDone, locker.ChoiceCancel)
	for n := range h.config.Compartments {
		h.give(locker.PostedReceived{Generation: locker.Generation(n + 1), Day: "2026-11-20"})
	}
}

// Layout implements kiosk.Layouter.
func (h *house) Layout() []locker.CompartmentSpec { return h.config.Compartments }

// badge, scan and shut are what people do beside the screen.
func (h *house) badge(card string) {
	h.t.Helper()
	h.give(locker.Scanned{Source: locker.SourceBadge, Text: []byte(card)})
}

func (h *house) scan(id locker.OrderID) {
	h.t.Helper()
	h.give(locker.Scanned{Source: locker.SourceBarcode, Text: []byte(string(id))})
}

func (h *house) shut() {
	h.t.Helper()
	screen, _ := h.Screen()
	h.give(locker.DoorMoved{Compartment: screen.Compartment, Open: false})
}

// letter is what the letter of a generation says: the code.
func (h *house) letter(g locker.Generation) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	groups := h.codes[g].Groups()
	return groups[0] + groups[1] + groups[2]
}

// Append implements controller.Journal.
func (h *house) Append(events []locker.Event, _ func() ([]byte, error)) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.forget {
		h.events = append(h.events, events...)
	}
	return 0, nil
}

// Pulse implements controller.Locks: the door springs open, unless it is jammed.
func (h *house) Pulse(ctx context.Context, n locker.CompartmentID) error {
	h.mu.Lock()
	h.opened = append(h.opened, n)
	jammed := h.jammed[n]
	h.mu.Unlock()
	if !jammed {
		h.running().Deliver(ctx, locker.DoorMoved{Compartment: n, Open: true})
	}
	return nil
}

// Measure implements controller.Locks.
func (h *house) Measure(ctx context.Context, n locker.CompartmentID) (locker.Measurement, error) {
	ms := func(n int) locker.Duration { return locker.Duration(n) * locker.Duration(time.Millisecond) }
	return locker.Measurement{Pulse: ms(503), Opened: ms(212), Settled: ms(224), Bounces: 4}, h.Pulse(ctx, n)
}

func (h *house) openings() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.opened)
}

func (h *house) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// Capture implements controller.Fingers.
func (h *house) Capture(ctx context.Context, _ locker.AttemptID, _ bool) (locker.FingerAdvice, locker.Presentation, error) {
	select {
	case advice := <-h.finger:
		return advice, locker.Presentation{}, nil
	case <-ctx.Done():
		return "", locker.Presentation{}, ctx.Err()
	}
}

func (h *house) AnnounceKeys()                    {}
func (h *house) AnnounceAll()                     {}
func (h *house) AnnounceLetter(locker.Generation) {}

// safe is the house as the controller's vault.
type safe house

func (s *safe) MakeKeys(first locker.KeyID, count int, expires time.Time) ([]locker.OfferedKey, error) {
	var keys []locker.OfferedKey
	for i := range count {
		keys = append(keys, locker.OfferedKey{Key: first + locker.KeyID(i), Hash: "k", Expires: expires})
	}
	return keys, nil
}

func (s *safe) ReplaceRoot() error                  { return nil }
func (s *safe) Commitment(locker.Generation) string { return "" }

func (s *safe) Prepare(g locker.Generation, _ locker.OrderID, _ time.Time) (string, error) {
	code, err := pin.New(4710+int(g), 815_422)
	(*house)(s).set(func() { s.codes[g] = code })
	return "h", err
}

func (s *safe) Find(code pin.Code) (locker.Generation, int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g, c := range s.codes {
		if code.Selector() == c.Selector() {
			return g, 0, true
		}
	}
	return 0, 0, false
}

func (s *safe) Try(_ locker.AttemptID, g locker.Generation, _ int, code pin.Code) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.codes[g].IsZero() && code.QR() == s.codes[g].QR(), nil
}

func (s *safe) Compare(locker.AttemptID, locker.Generation, locker.FactorKind, int, []byte, float64) (bool, float64, float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stranger, 40, 1e-6, nil
}

func (s *safe) FindCard(card string) locker.Person {
	return map[string]locker.Person{"c1": "clerk-07", "c2": "clerk-12"}[card]
}

func (s *safe) CheckClerk(card string, number []byte) (locker.Person, bool, error) {
	return s.FindCard(card), string(number) == "471108", nil
}

func (s *safe) AskKey(ask locker.FindCard) (*locker.KeyRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 || ask.Card != "c1" || ask.Purpose == "" {
		return nil, nil
	}
	s.question.Challenge = make([]byte, 32)
	_, _ = rand.Read(s.question.Challenge) // never fails
	return &locker.KeyRequest{Challenge: s.question.Challenge, RPID: s.question.RPID, Credentials: [][]byte{s.keys[0].ID}}, nil
}

func (s *safe) CheckKey(card string, assertion []byte) (locker.Person, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.FindCard(card), securitykey.Verify(s.question, s.keys, assertion) == nil, nil
}

func (s *safe) EraseSlot(g locker.Generation, _ time.Time) error {
	(*house)(s).set(func() { delete(s.codes, g) })
	return nil
}

func (s *safe) Reissue(locker.Generation, locker.Generation, locker.OrderID, time.Time) (string, error) {
	return "h", nil
}
func (s *safe) EraseKey(locker.KeyID) error                                { return nil }
func (s *safe) EraseOrder(locker.OrderID, locker.KeyID) error              { return nil }
func (s *safe) DeleteLetter(locker.Generation) error                       { return nil }
func (s *safe) Forget()                                                    {}
func (s *safe) Receive(locker.MessageKind, []byte, time.Time) locker.Input { return nil }
func (s *safe) Reconcile(locker.Living) error                              { return nil }
