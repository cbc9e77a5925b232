package modbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/simonvetter/modbus"
)

// GuardPeriod is how often Guard reads the coils of every board back.
const GuardPeriod = time.Second

// ErrHeld means that a board keeps a coil on that is to be off.
var ErrHeld = errors.New("the board keeps the coil on")

// relays are the coils of one board that locks hang on.
type relays struct {
	first, last uint16 // addresses
	locks       map[uint16]*Lock
	blind       bool // the board cannot tell its coils: function 01 is not known to it
}

// hang adds a lock to its board's relays; needs mu.
func (l *Line) hang(k *Lock) error {
	r := l.relays[k.cfg.Board]
	if r == nil {
		r = &relays{first: k.cfg.Coil, last: k.cfg.Coil, locks: map[uint16]*Lock{}}
		l.relays[k.cfg.Board] = r
	}
	first, last := min(r.first, k.cfg.Coil), max(r.last, k.cfg.Coil)
	if int(last)-int(first) >= maxInputs {
		return fmt.Errorf("coils %d and %d are too far apart for one request (%d)", first, last, maxInputs)
	}
	r.first, r.last, r.locks[k.cfg.Coil] = first, last, k
	return nil
}

// confirmOff reads the coil back: an acknowledged write is not yet a coil that
// is off.
func (k *Lock) confirmOff() error {
	on, err := k.line.readCoils(k.cfg.Board, k.cfg.Coil, k.cfg.Coil)
	switch {
	case err != nil:
		return err
	case len(on) > 0 && on[0]:
		return fmt.Errorf("board %d: coil %d: written off: %w", k.cfg.Board, k.cfg.Coil, ErrHeld)
	}
	return nil
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
	err = l.exchange(unit, part, func(c *modbus.ModbusClient) (err error) {
		on, err = c.ReadCoils(first, last-first+1)
		return err
	})
	if errors.Is(err, modbus.ErrIllegalFunction) || errors.Is(err, modbus.ErrIllegalDataAddress) {
		l.mu.Lock()
		r.blind = true
		l.mu.Unlock()
		return nil, nil
	}
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
