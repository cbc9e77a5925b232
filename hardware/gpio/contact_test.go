package gpio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	hardware "github.com/nachtfach/nachtfach/hardware/gpio"
)

type change struct {
	open bool
	err  error
}

// watch returns what a contact tells.
func watch(t *testing.T, cfg hardware.ContactConfig) <-chan change {
	t.Helper()
	c, err := hardware.OpenContact(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	changes, done := make(chan change, 100), make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(open bool, err error) { changes <- change{open, err} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	})
	return changes
}

func next(t *testing.T, changes <-chan change) change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		return change{}
	}
}

func TestALostEdgeIsFoundByReadingAgain(t *testing.T) {
	p := &pin{name: t.Name()} // its WaitForEdge never reports an edge
	changes := watch(t, hardware.ContactConfig{Line: register(t, p), Debounce: time.Millisecond, Reread: 20 * time.Millisecond})
	if c := next(t, changes); c.open || c.err != nil {
		t.Fatalf("at first: %+v", c)
	}
	p.set(gpio.High)
	if c := next(t, changes); !c.open || c.err != nil {
		t.Errorf("after the change: %+v", c)
	}
}

func TestALineThatReturnsAtOnceIsPolledAndNotSpunOn(t *testing.T) {
	p := &pin{name: t.Name(), wait: func(time.Duration) bool { return false }}
	changes := watch(t, hardware.ContactConfig{Line: register(t, p), Debounce: 5 * time.Millisecond, Reread: 20 * time.Millisecond})
	next(t, changes)
	time.Sleep(200 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits > 200 {
		t.Errorf("%d waits in 200 ms", p.waits)
	}
}

func TestAContactThatNeverRestsIsToldOnce(t *testing.T) {
	p := &pin{name: t.Name(), wait: func(time.Duration) bool { return true }}
	changes := watch(t, hardware.ContactConfig{Line: register(t, p), Debounce: 2 * time.Millisecond, Reread: 5 * time.Millisecond})
	if c := next(t, changes); !errors.Is(c.err, hardware.ErrChatter) {
		t.Fatalf("got %+v", c)
	}
	time.Sleep(150 * time.Millisecond)
	if n := len(changes); n > 0 {
		t.Errorf("told %d times more", n)
	}
}

func TestALineThatCannotBeReadIsToldAndRecovers(t *testing.T) {
	p := &failing{pin: &pin{name: t.Name()}, err: errors.New("no such device")}
	changes := watch(t, hardware.ContactConfig{Line: register(t, p), OpenIsLow: true, Debounce: time.Millisecond, Reread: 10 * time.Millisecond})
	if c := next(t, changes); c.err == nil {
		t.Fatalf("got %+v", c)
	}
	p.setErr(nil)
	if c := next(t, changes); c.err != nil || !c.open {
		t.Errorf("after recovery: %+v", c)
	}
}

func TestAContactHasOneWatcher(t *testing.T) {
	c, err := hardware.OpenContact(hardware.ContactConfig{Line: register(t, &pin{name: t.Name()})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(bool, error) { told <- struct{}{} }) }()
	<-told
	if err := c.Watch(ctx, func(bool, error) {}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the second watcher got %v", err)
	}
	cancel()
	<-done
}
