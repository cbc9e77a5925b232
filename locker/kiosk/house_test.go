package kiosk_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/pin"
)

// house is a terminal's real controller in front of a vault, locks and a
// reader that live in memory: what a browser test acts on.
type house struct {
	*controller.Controller
	t       *testing.T
	started time.Time
	finger  chan locker.FingerAdvice // laid on the reader

	mu     sync.Mutex
	gen    locker.Generation
	code   pin.Code
	opened []locker.CompartmentID
}

// The house has four compartments, so that a round is short.
const compartments = 4

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, started: time.Now(), finger: make(chan locker.FingerAdvice, 1)}
	config := locker.Config{Terminal: "rathaus", Compartments: wall()[:compartments], Rules: locker.DefaultRules()}
	config.Rules.AnswerAfter = locker.Duration(100 * time.Millisecond)
	config.Rules.Notice = locker.Duration(time.Second)
	config.Rules.KeysOffered = 4
	h.Controller = controller.New(controller.Config{
		Terminal: locker.New(), Journal: h, Vault: (*safe)(h), Locks: h, Fingers: h, Announcer: h,
		Now: func() locker.Now { return locker.Now{Uptime: h.uptime(), Wall: time.Now()} },
	})
	doors := map[locker.CompartmentID]bool{}
	for _, c := range config.Compartments {
		doors[c.Number] = false
	}
	if err := h.Boot(locker.Booted{Config: config, Software: "test", Doors: doors, Reader: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	h.give(locker.RosterReceived{Version: 1, Hash: "r", People: []locker.Member{{Person: "clerk-07", Role: locker.Clerk}, {Person: "clerk-12", Role: locker.Clerk}, {Person: "desk-01", Role: locker.Desk}}})
	for range 200 { // its keys come from the vault's lane
		if len(h.UnusedKeys()) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.give(locker.OrderReceived{Hash: "x", Terms: locker.OrderTerms{
		Order: order(0), Version: 1, Key: 1, Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Small, Desk: "desk-01",
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
	}})
	return h
}

func (h *house) uptime() time.Duration { return time.Since(h.started) }

func (h *house) clocked(c *kiosk.Config) { c.Uptime = h.uptime }

func (h *house) give(in locker.Input) {
	h.t.Helper()
	if _, err := h.Submit(h.t.Context(), in); err != nil {
		h.t.Fatal(err)
	}
}

// Layout implements kiosk.Layouter.
func (h *house) Layout() []locker.CompartmentSpec { return wall()[:compartments] }

// badge, scan and shut are what people do beside the screen.
func (h *house) badge(card string) { h.give(locker.Scanned{Source: locker.SourceBadge, Text: card}) }

func (h *house) scan(id locker.OrderID) {
	h.give(locker.Scanned{Source: locker.SourceBarcode, Text: string(id)})
}

func (h *house) shut() {
	screen, _ := h.Screen()
	h.give(locker.DoorMoved{Compartment: screen.Compartment, Open: false})
}

// letter is what the letter says: the code, once it was made.
func (h *house) letter() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	groups := h.code.Groups()
	return groups[0] + groups[1] + groups[2]
}

// Append implements controller.Journal.
func (h *house) Append([]locker.Event, func() ([]byte, error)) (uint64, error) { return 0, nil }

// Pulse implements controller.Locks: the door springs open.
func (h *house) Pulse(ctx context.Context, n locker.CompartmentID) error {
	h.mu.Lock()
	h.opened = append(h.opened, n)
	h.mu.Unlock()
	h.Deliver(ctx, locker.DoorMoved{Compartment: n, Open: true})
	return nil
}

func (h *house) openings() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.opened)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	code, err := pin.New(4711, 815_422)
	s.gen, s.code = g, code
	return "h", err
}

func (s *safe) Find(code pin.Code) (locker.Generation, int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code.IsZero() || code.Selector() != s.code.Selector() {
		return 0, 0, false
	}
	return s.gen, 0, true
}

func (s *safe) Try(_ locker.AttemptID, g locker.Generation, _ int, code pin.Code) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g == s.gen && g != 0 && code.QR() == s.code.QR(), nil
}

func (s *safe) Compare(locker.AttemptID, locker.Generation, locker.FactorKind, int, string, float64) (bool, float64, float64, error) {
	return true, 40, 1e-6, nil
}

func (s *safe) FindCard(card string) locker.Person {
	return map[string]locker.Person{"c1": "clerk-07", "c2": "clerk-12"}[card]
}

func (s *safe) CheckClerk(card, number string) (locker.Person, bool, error) {
	return s.FindCard(card), number == "4711", nil
}

func (s *safe) EraseSlot(locker.Generation, time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = pin.Code{}
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
