package kiosk_test

import (
	"context"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
)

// stage shows what it is told to and keeps what is pressed.
type stage struct {
	mu      sync.Mutex
	screen  locker.Screen
	changed chan struct{}
	inputs  []locker.Input
	answer  func(locker.Screen, locker.Input) locker.Screen // nil: nothing changes
	err     error
	layout  []locker.CompartmentSpec
}

func newStage() *stage {
	return &stage{changed: make(chan struct{}), screen: scenes()[1].screen, layout: wall()}
}

func (s *stage) Layout() []locker.CompartmentSpec { return s.layout }

func (s *stage) Screen() (locker.Screen, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen, s.changed
}

func (s *stage) Submit(_ context.Context, in locker.Input) (locker.Screen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return locker.Screen{}, s.err
	}
	s.inputs = append(s.inputs, in)
	if s.answer != nil {
		s.put(s.answer(s.screen, in))
	}
	return s.screen, nil
}

func (s *stage) set(screen locker.Screen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(screen)
}

func (s *stage) put(screen locker.Screen) {
	s.screen = screen
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stage) given() []locker.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]locker.Input(nil), s.inputs...)
}

// origin is where the browser's page came from.
func origin(t testing.TB, ctx context.Context) string {
	t.Helper()
	var at string
	do(t, ctx, chromedp.Location(&at))
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
