package supply_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/supply"
)

// coil records what it is told; its fields are the hardware.
type coil struct {
	name  string
	group *atomic.Int32 // coils on at the moment

	mu       sync.Mutex
	on       bool
	pulses   int
	offs     int
	since    time.Time
	lasted   time.Duration
	failOn   error
	failOff  int // how many writes of "off" fail
	panicOn  bool
	together bool
	started  chan struct{}
	slow     time.Duration // before a write of "on" arrives
}

func (c *coil) Name() string { return c.name }

func (c *coil) Switch(on bool) error {
	if on {
		time.Sleep(c.slow)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		if c.failOn != nil {
			return c.failOn
		}
		c.on, c.since = true, time.Now()
		c.pulses++
		if c.group != nil && c.group.Add(1) > 1 {
			c.together = true
		}
		if c.started != nil {
			close(c.started)
		}
		if c.panicOn {
			panic("broken driver")
		}
		return nil
	}
	c.offs++
	if c.failOff > 0 {
		c.failOff--
		return errors.New("wire cut")
	}
	if c.on {
		c.lasted = time.Since(c.since)
		if c.group != nil {
			c.group.Add(-1)
		}
	}
	c.on = false
	return nil
}

func TestAPulseLastsAsLongAsAsked(t *testing.T) {
	c := &coil{name: "lock 1"}
	if err := supply.New().Pulse(t.Context(), c, supply.MinPulse); err != nil {
		t.Fatal(err)
	}
	if c.on || c.pulses != 1 || c.lasted < supply.MinPulse {
		t.Errorf("after the pulse: on %v, %d pulses, %v long", c.on, c.pulses, c.lasted)
	}
}

func TestABusyLineDoesNotShortenAPulse(t *testing.T) {
	c := &coil{name: "lock 1", slow: supply.MinPulse}
	if err := supply.New().Pulse(t.Context(), c, supply.MinPulse); err != nil || c.lasted < supply.MinPulse {
		t.Errorf("got %v, %v long", err, c.lasted)
	}
}

func TestAPulseOutsideTheLimitsIsRefused(t *testing.T) {
	for _, length := range []time.Duration{-1, 0, supply.MinPulse - 1, supply.MaxPulse + 1, time.Hour} {
		c := &coil{name: "lock 1"}
		if err := supply.New().Pulse(t.Context(), c, length); err == nil || c.pulses > 0 {
			t.Errorf("pulse of %v: %v, %d pulses", length, err, c.pulses)
		}
	}
}

func TestOneCoilAtATime(t *testing.T) {
	s := supply.New()
	var group atomic.Int32
	coils := []*coil{{name: "a", group: &group}, {name: "b", group: &group}, {name: "c", group: &group}}
	var all sync.WaitGroup
	for _, c := range coils {
		all.Go(func() {
			if err := s.Pulse(t.Context(), c, supply.MinPulse); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range coils {
		if c.together || c.pulses != 1 || c.on {
			t.Errorf("coil %s: together with another %v, %d pulses, on %v", c.name, c.together, c.pulses, c.on)
		}
	}
}

func TestTheEndOfTheContextCutsAPulseShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &coil{name: "lock 1", started: make(chan struct{})}
	go func() {
		<-c.started
		cancel()
	}()
	start := time.Now()
	err := supply.New().Pulse(ctx, c, supply.MaxPulse)
	if !errors.Is(err, context.Canceled) || c.on {
		t.Errorf("got %v, coil on %v", err, c.on)
	}
	if took := time.Since(start); took >= supply.MaxPulse {
		t.Errorf("the pulse was not cut short: %v", took)
	}
}

func TestACancelledWaitNeverDrivesTheCoil(t *testing.T) {
	s := supply.New()
	first := &coil{name: "first", started: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- s.Pulse(context.Background(), first, supply.MinPulse) }()
	<-first.started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := &coil{name: "second"}
	if err := s.Pulse(ctx, second, supply.MinPulse); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if second.pulses != 0 {
		t.Error("the second coil was driven")
	}
}

func TestACoilThatFailsToSwitchOnIsSwitchedOff(t *testing.T) {
	c := &coil{name: "lock 7", failOn: errors.New("no answer")}
	err := supply.New().Pulse(t.Context(), c, supply.MinPulse)
	if err == nil || !strings.Contains(err.Error(), "lock 7: switch on: no answer") {
		t.Errorf("got %v", err)
	}
	if c.offs != 1 {
		t.Errorf("switched off %d times: the write may have arrived", c.offs)
	}
}

func TestAPanicOfTheDriverSwitchesOff(t *testing.T) {
	c := &coil{name: "lock 7", panicOn: true}
	err := supply.New().Pulse(t.Context(), c, supply.MinPulse)
	if err == nil || !strings.Contains(err.Error(), "panicked: broken driver") || c.on {
		t.Errorf("got %v, coil on %v", err, c.on)
	}
}

func TestSwitchingOffIsTriedAgain(t *testing.T) {
	c := &coil{name: "lock 1", failOff: 3}
	if err := supply.New().Pulse(t.Context(), c, supply.MinPulse); err != nil || c.on {
		t.Errorf("got %v, coil on %v", err, c.on)
	}
}

func TestNoOtherCoilIsDrivenWhileOneIsStuck(t *testing.T) {
	s := supply.New()
	bad := &coil{name: "bad", failOff: 10}
	if err := s.Pulse(t.Context(), bad, supply.MinPulse); !errors.Is(err, supply.ErrStuck) {
		t.Fatalf("got %v", err)
	}
	good := &coil{name: "good"}
	err := s.Pulse(t.Context(), good, supply.MinPulse)
	if !errors.Is(err, supply.ErrStuck) || !strings.Contains(err.Error(), "good: not driven: bad: switch off") {
		t.Errorf("got %v", err)
	}
	if good.pulses != 0 {
		t.Error("a second coil was driven")
	}
	// The wire is mended: ten failures are used up.
	if err := s.Pulse(t.Context(), good, supply.MinPulse); err != nil || good.pulses != 1 || bad.on {
		t.Errorf("after mending: %v, %d pulses, the bad one on %v", err, good.pulses, bad.on)
	}
}

func TestABoardWithoutPowerDoesNotHoldUpTheOthers(t *testing.T) {
	s := supply.New()
	dead := &coil{name: "dead", failOn: errors.New("no answer"), failOff: 1000}
	if err := s.Pulse(t.Context(), dead, supply.MinPulse); !errors.Is(err, supply.ErrStuck) || !strings.Contains(err.Error(), "dead: switch on: no answer; and dead: switch off") {
		t.Fatalf("got %v", err)
	}
	good := &coil{name: "good"}
	if err := s.Pulse(t.Context(), good, supply.MinPulse); err != nil || good.pulses != 1 {
		t.Errorf("the other lock: %v, %d pulses", err, good.pulses)
	}
}
