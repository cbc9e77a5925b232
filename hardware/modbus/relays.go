package modbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
)

// GuardPeriod is how often Guard reads the coils of every board back.
const GuardPeriod = time.Second

// ErrHeld means that a board keeps a coil on that is to be off.
var ErrHeld = errors.New("the board keeps the coil on")

// relays are the coils of one board that locks hang on.
type relays struct {
	first, last uint16 // addresses
	locks       map[uint16]*Lock
	timed       Timed
	tells       bool // the board has told its coils before
	blind       bool // the board cannot tell its coils: it refuses to, or is silent
}

// hang adds a lock to its board's relays; needs mu.
func (l *Line) hang(k *Lock) error {
	r := l.relays[k.cfg.Board]
	if r == nil {
		r = &relays{first: k.cfg.Coil, last: k.cfg.Coil, locks: map[uint16]*Lock{}, timed: k.cfg.Timed}
		l.relays[k.cfg.Board] = r
	}
	if r.timed != k.cfg.Timed {
		return fmt.Errorf("timed pulse %q, and %q of another lock on this board", k.cfg.Timed, r.timed)
	}
	first, last := min(r.first, k.cfg.Coil), max(r.last, k.cfg.Coil)
	if int(last)-int(first) >= k.cfg.Timed.maxSpan() {
		return fmt.Errorf("coils %d and %d are too far apart for one request (%d)", first, last, maxInputs)
	}
	r.first, r.last, r.locks[k.cfg.Coil] = first, last, k
	return nil
}

// confirmOff reads the coil back: an acknowledged write is not yet a coil that
// is off.
func (k *Lock) confirmOff() error {
	on, err := k.line.readCoils(k.cfg.Board, k.cfg.Coil, k.cfg.Coil)
	if errors.Is(err, rtu.ErrTimeout) {
		on, err = k.askSilent(err)
	}
	switch {
	case err != nil:
		return err
	case len(on) > 0 && on[0]:
		return fmt.Errorf("board %d: coil %d: written off: %w", k.cfg.Board, k.cfg.Coil, ErrHeld)
	}
	return nil
}

// askSilent finds out whether a board that acknowledged a write, and then did not
// tell its coils, is one that never does: it acknowledges the write again and is
// silent again. Such a board is not asked any more, so that its silence delays no
// further lock. A board that has told its coils before is not such a one.
func (k *Lock) askSilent(silence error) (on []bool, err error) {
	k.line.mu.Lock()
	r := k.line.relays[k.cfg.Board]
	tells := r.tells
	k.line.mu.Unlock()
	if tells {
		return nil, silence
	}
	part := fmt.Sprintf("board %d: write coil %d off again", k.cfg.Board, k.cfg.Coil)
	err = k.line.exchange(k.cfg.Board, part, func(c *rtu.Client) error {
		return k.cfg.Timed.write(c, k.cfg.Board, k.cfg.Coil, false, k.pulse)
	})
	if err != nil {
		return nil, err
	}
	if on, err = k.line.readCoils(k.cfg.Board, k.cfg.Coil, k.cfg.Coil); !errors.Is(err, rtu.ErrTimeout) {
		return on, err
	}
	k.line.mu.Lock()
	defer k.line.mu.Unlock()
	r.blind = true
	delete(k.line.late, k.cfg.Board) // no answer is due
	return nil, nil
}

// readCoils reads a board's coils, or none from a board that cannot tell them.
func (l *Line) readCoils(unit uint8, first, last uint16) (on []bool, err error) {
	l.mu.Lock()
	r := l.relays[unit]
	blind := r == nil || r.blind
	l.mu.Unlock()
	if blind {
		return nil, nil
	}
	part := fmt.Sprintf("board %d: read coils %d to %d back", unit, first, last)
	err = l.exchange(unit, part, func(c *rtu.Client) (err error) {
		on, err = r.timed.read(c, unit, first, last-first+1)
		return err
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, rtu.ErrIllegalFunction) || errors.Is(err, rtu.ErrIllegalAddress) {
		r.blind = true
		return nil, nil
	}
	r.tells = r.tells || err == nil
	return on, err
}

// Blind are the boards that cannot tell their coils, as far as has been seen.
func (l *Line) Blind() []uint8 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var blind []uint8
	for _, unit := range slices.Sorted(maps.Keys(l.relays)) {
		if l.relays[unit].blind {
			blind = append(blind, unit)
		}
	}
	return blind
}

// Untimed are the boards with locks and without a timed pulse, by configuration: a
// coil of theirs stays on when this process dies in its pulse.
func (l *Line) Untimed() []uint8 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var untimed []uint8
	for _, unit := range slices.Sorted(maps.Keys(l.relays)) {
		if l.relays[unit].timed == Untimed {
			untimed = append(untimed, unit)
		}
	}
	return untimed
}

// Guard is told what a line's relays do by themselves.
type Guard struct {
	// Held tells a coil that was on while nobody drove it: the board's own
	// start, a second master, a key on the board. It has been written off; err
	// says whether it is. Told once, until the coil has been seen off.
	Held func(k *Lock, err error)
	// Board tells, once, a board whose coils cannot be read, and with nil that
	// they can again.
	Board func(unit uint8, err error)
}

// Guard reads the coils of all locks back, every GuardPeriod while none is
// driven, and switches off what nobody switched on. Boards without a way to
// tell their coils are left out. It returns ctx's error when ctx ends.
func (l *Line) Guard(ctx context.Context, g Guard) error {
	ticker := time.NewTicker(GuardPeriod)
	defer ticker.Stop()
	held := map[*Lock]bool{}
	failed := map[uint8]int{} // times in a row
	for ctx.Err() == nil {
		for _, unit := range l.relayBoards() {
			if ctx.Err() == nil {
				l.guardBoard(unit, g, held, failed)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// oneOf is a lock of a board.
func (l *Line) oneOf(unit uint8) *Lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.relays[unit]
	return r.locks[r.first]
}

func (l *Line) relayBoards() []uint8 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.relays))
}

// toldAfter is how often in a row a board must fail, so that one disturbance on
// the line is not told.
const toldAfter = 2

func (l *Line) guardBoard(unit uint8, g Guard, held map[*Lock]bool, failed map[uint8]int) {
	l.mu.Lock()
	first, last := l.relays[unit].first, l.relays[unit].last
	outOfStep := l.boards[unit] != nil && l.late[unit] != inStep
	l.mu.Unlock()
	if outOfStep {
		return // whoever reads its inputs tells, and finds the way back
	}
	before := l.driven.count.Load()
	if l.driven.lock.Load() != nil {
		return // its own driver watches over that pulse
	}
	on, err := l.readCoils(unit, first, last)
	if errors.Is(err, rtu.ErrTimeout) {
		if l.oneOf(unit).Release() == nil { // it may be a board that never tells
			on, err = l.readCoils(unit, first, last)
		}
	}
	if err != nil {
		if failed[unit]++; failed[unit] == toldAfter {
			g.Board(unit, fmt.Errorf("%s: %w", l.name, err))
		}
		return
	}
	if failed[unit] >= toldAfter {
		g.Board(unit, nil)
	}
	failed[unit] = 0
	for i, on := range on {
		l.mu.Lock()
		k := l.relays[unit].locks[first+uint16(i)] // the index is below maxInputs
		l.mu.Unlock()
		switch {
		case k == nil:
		case !on:
			delete(held, k)
		case l.driven.count.Load() == before: // no pulse began meanwhile that this may be
			err := fmt.Errorf("%s: on, and nobody drives it: %w", k.name, ErrHeld)
			if off := k.Release(); off != nil {
				err = fmt.Errorf("%w; and switching it off: %w", err, off)
			}
			if !held[k] {
				held[k] = true
				g.Held(k, err)
			}
		}
	}
}
