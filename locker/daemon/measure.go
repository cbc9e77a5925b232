package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Times of a measurement.
const (
	sampling = 2 * time.Millisecond   // between two looks at the contact; a board on a serial line is asked at its own pace
	rests    = 250 * time.Millisecond // without a change: the door has come to rest
	follows  = 3 * time.Second        // for a door that does not follow
)

// Measure implements the controller's Locks: one pulse like any other, while
// the contact is looked at. A contact that cannot be read measures nothing, and
// is told by whoever watches it.
func (p *parts) Measure(ctx context.Context, n locker.CompartmentID) (locker.Measurement, error) {
	look, stop := context.WithCancel(ctx)
	defer stop()
	start := time.Now()
	seen := &movement{start: start}
	var wg sync.WaitGroup
	if c := p.contacts[n]; c != nil {
		if open, err := c.Open(); err == nil {
			seen.was = open // a contact that says "open" before the pulse has not shown an opening
		}
		wg.Go(func() { seen.follow(look, c.Open) })
	}
	err := p.Pulse(ctx, n)
	off := time.Since(start)
	if err != nil {
		stop()
	}
	wg.Wait()
	m := locker.Measurement{Pulse: locker.Duration(off.Round(time.Millisecond)), Bounces: seen.bounces}
	m.Opened, m.Settled = locker.Duration(seen.opened.Round(time.Millisecond)), locker.Duration(seen.settled.Round(time.Millisecond))
	return m, err
}

// movement is what a contact showed since the start.
type movement struct {
	start           time.Time
	was             bool // the level before the pulse
	opened, settled time.Duration
	bounces         int
}

// follow looks at a contact until its door has opened and come to rest, its time
// is over, or ctx ends.
func (m *movement) follow(ctx context.Context, open func() (bool, error)) {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	was := m.was
	for {
		is, err := open()
		at := time.Since(m.start)
		if err == nil && is != was {
			was, m.settled = is, max(at, time.Millisecond)
			if m.opened == 0 {
				m.opened = m.settled
			} else {
				m.bounces++
			}
		}
		if m.opened > 0 && at-m.settled >= rests || at >= follows {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
