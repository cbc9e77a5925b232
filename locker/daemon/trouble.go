package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
	"github.com/nachtfach/nachtfach/locker"
)

// partContact names a compartment's contact, as locker.PartLock its lock.
const partContact = "contact"

// trouble remembers which parts of a compartment fail, so that one that heals
// does not speak for the other.
type trouble struct {
	deliver func(context.Context, locker.Input)
	boards  map[place]string // that a part shares with others; not changed once the parts are watched

	mu sync.Mutex
	of map[place]error
}

// place is one part of one compartment.
type place struct {
	compartment locker.CompartmentID
	part        string
}

// newTrouble begins with what failed at the start, which has been told.
func newTrouble(faults []partFault, deliver func(context.Context, locker.Input)) *trouble {
	t := &trouble{deliver: deliver, of: map[place]error{}}
	for _, f := range faults {
		if f.compartment != 0 {
			t.of[place{f.compartment, f.part}] = f.err
		}
	}
	return t
}

// failed tells it once for each text.
func (t *trouble) failed(ctx context.Context, at place, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before := t.of[at]; before != nil && before.Error() == err.Error() {
		return
	}
	t.of[at] = err
	t.deliver(ctx, locker.PartFailed{Part: at.part, Compartment: at.compartment, Board: t.boards[at], Detail: err.Error()})
}

// healed tells it if the part had failed, and repeats what else fails there. A
// lock that was on by itself is not healed by being off: clerks look first.
func (t *trouble) healed(ctx context.Context, at place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.of[at]
	if err == nil || errors.Is(err, supply.ErrStuck) {
		return
	}
	delete(t.of, at)
	t.deliver(ctx, locker.PartHealed{Part: at.part, Compartment: at.compartment, Board: t.boards[at]})
	for _, part := range []string{locker.PartLock, partContact} {
		if also := (place{at.compartment, part}); t.of[also] != nil {
			t.deliver(ctx, locker.PartFailed{Part: part, Compartment: at.compartment, Board: t.boards[also], Detail: t.of[also].Error()})
		}
	}
}

// readBack is a lock whose line is read back.
type readBack interface {
	lock
	Check() error
}

// lockCheck is how often locks are read back.
const lockCheck = time.Second

// watchLocks reads every lock's line back until ctx ends. A lock that is on
// without having been told is switched off and taken out of service.
func (p *parts) watchLocks(ctx context.Context, t *trouble) {
	tick := time.NewTicker(lockCheck)
	defer tick.Stop()
	fromTheStart := map[locker.CompartmentID]bool{} // on already when this process began
	for first := true; ; first = false {
		var wrong error
		for _, n := range numbers(p.locks) {
			l, ok := p.locks[n].(readBack)
			if !ok {
				continue
			}
			err := l.Check()
			if errors.Is(err, supply.ErrStuck) {
				_ = l.Release() // the next Check tells whether it helped
				fromTheStart[n] = fromTheStart[n] || first
				if !fromTheStart[n] {
					wrong = err
				}
			}
			if err != nil {
				t.failed(ctx, place{n, locker.PartLock}, err)
			} else {
				t.healed(ctx, place{n, locker.PartLock})
			}
		}
		p.driven.set(wrong)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// verdict is whether the lines read back as driven, for the watchdog. A lock
// that was on when the process began does not count: to begin again did not
// help it.
type verdict struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

func (v *verdict) set(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at, v.err = time.Now(), err
}

// get fails also if nobody has looked for as long.
func (v *verdict) get(within time.Duration) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil && time.Since(v.at) > within {
		return fmt.Errorf("no line was read back for %v", within)
	}
	return v.err
}

var _ readBack = (*gpio.Coil)(nil)
