package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// maxInputs is how many inputs one request may ask for
// (MODBUS Application Protocol V1.1b3, 6.2).
const maxInputs = rtu.MaxBits

// silentPause is how long a watched board that did not answer is left alone,
// so that the others have the line.
const silentPause = time.Second

// driven is the lock whose coil is on, nil if there is none. Only its board is
// polled meanwhile: switching off then waits for at most one request.
type driven struct {
	lock  atomic.Pointer[Lock]
	count atomic.Uint64 // of the times that a coil was to go on
}

func (d *driven) elsewhere(unit uint8) bool {
	on := d.lock.Load()
	return on != nil && on.cfg.Board != unit
}

// LockConfig names a coil.
type LockConfig struct {
	Board uint8         // unit id, 1 to 247
	Coil  uint16        // address, from 0
	Pulse time.Duration // 200 to 1000 ms; 0 means supply.DefaultPulse
	Timed Timed         // the board's own timed pulse; the same for all locks of a board
}

// Lock is a lock on a board's relay.
type Lock struct {
	line  *Line
	cfg   LockConfig
	name  string
	pulse time.Duration
}

// Lock returns the lock on a coil. Nothing is sent: call Release at start.
func (l *Line) Lock(cfg LockConfig) (*Lock, error) {
	name := fmt.Sprintf("%s: board %d: coil %d", l.name, cfg.Board, cfg.Coil)
	if err := checkUnit(cfg.Board); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := cfg.Timed.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if cfg.Pulse == 0 {
		cfg.Pulse = supply.DefaultPulse
	}
	if err := supply.CheckPulse(cfg.Pulse); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	k := &Lock{line: l, cfg: cfg, name: name, pulse: cfg.Pulse}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outputs[outputAt{cfg.Board, cfg.Coil}] {
		return nil, fmt.Errorf("%s: a light or heater hangs on this coil", name)
	}
	if err := l.hang(k); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

func checkUnit(unit uint8) error {
	if unit < 1 || unit > 247 {
		return errors.New("a unit id is 1 to 247") // MODBUS over Serial Line V1.02, 2.2
	}
	return nil
}

// Pulse energises the coil for the configured time. It says nothing about the
// door: the contact does. Errors are those of supply.Supply.Pulse.
func (k *Lock) Pulse(ctx context.Context) error {
	defer k.line.driven.lock.CompareAndSwap(k, nil)
	return k.line.supply.Pulse(ctx, k, k.pulse)
}

// Release writes the coil off. A relay board without a timed pulse holds a coil
// that a killed process left on, so this is called for every lock at start.
func (k *Lock) Release() error {
	return k.Switch(false)
}

// Name says which part this is, for errors.
func (k *Lock) Name() string { return k.name }

// Switch writes the coil, and reads it back when it is to be off. It is for the
// Supply; everybody else uses Pulse, which bounds the time.
func (k *Lock) Switch(on bool) error {
	if on {
		k.line.driven.count.Add(1)
		k.line.driven.lock.Store(k)
	}
	part := fmt.Sprintf("board %d: write coil %d %s", k.cfg.Board, k.cfg.Coil, onOff(on))
	err := k.line.exchange(k.cfg.Board, part, func(c *rtu.Client) error {
		return k.cfg.Timed.write(c, k.cfg.Board, k.cfg.Coil, on, k.pulse)
	})
	if err != nil || on {
		return err
	}
	return k.confirmOff()
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// board holds the last reading of one board's inputs, shared by its contacts.
type board struct {
	line *Line
	unit uint8

	mu     sync.Mutex // held while reading: contacts share one request
	first  uint16     // the inputs in use: first to last
	last   uint16
	inputs []bool
	at     time.Time
	err    error
	serial uint64 // counts readings
}

// reading is one answer of a board. serial tells two readings apart.
type reading struct {
	value  bool
	serial uint64
	err    error
}

// board returns the board with this unit id and makes sure that it reads the
// input.
func (l *Line) board(unit uint8, input uint16) (*board, error) {
	l.mu.Lock()
	b := l.boards[unit]
	if b == nil {
		b = &board{line: l, unit: unit, first: input, last: input}
		l.boards[unit] = b
	}
	l.mu.Unlock()

	b.mu.Lock()
	defer b.mu.Unlock()
	first, last := min(b.first, input), max(b.last, input)
	if int(last)-int(first) >= maxInputs {
		return nil, fmt.Errorf("inputs %d and %d are too far apart for one request (%d)", first, last, maxInputs)
	}
	if first != b.first || last != b.last {
		b.first, b.last, b.at = first, last, time.Time{}
	}
	return b, nil
}

// read returns one input, from a reading that is at most maxAge old, or one
// that failed at most maxSilence ago. While another board's coil is on it
// returns the last reading, whatever its age.
func (b *board) read(input uint16, maxAge, maxSilence time.Duration) reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	allowed := maxAge
	if b.err != nil {
		allowed = maxSilence
	}
	stale := b.at.IsZero() || time.Since(b.at) >= allowed
	if stale && (b.at.IsZero() || !b.line.driven.elsewhere(b.unit)) {
		b.renew()
	}
	r := reading{serial: b.serial, err: b.err}
	if b.err == nil {
		r.value = b.inputs[input-b.first]
	}
	return r
}

// renew needs mu.
func (b *board) renew() {
	count := b.last - b.first + 1
	part := fmt.Sprintf("board %d: read inputs %d to %d", b.unit, b.first, b.last)
	b.err = b.line.question(b.unit, part, func(c *rtu.Client) (err error) {
		b.inputs, err = c.ReadInputs(b.unit, b.first, count)
		return err
	})
	b.at = time.Now()
	b.serial++
}

// ContactConfig names a discrete input.
type ContactConfig struct {
	Board     uint8  // unit id, 1 to 247
	Input     uint16 // address, from 0
	OpenIsOff bool   // the input is off when the door is open
}

// Contact is a door contact on a board's input.
type Contact struct {
	cfg   ContactConfig
	name  string
	board *board
}

// Contact returns the contact on an input. All contacts of a board are read
// together, so they should be close to each other.
func (l *Line) Contact(cfg ContactConfig) (*Contact, error) {
	name := fmt.Sprintf("%s: board %d: input %d", l.name, cfg.Board, cfg.Input)
	if err := checkUnit(cfg.Board); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b, err := l.board(cfg.Board, cfg.Input)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Contact{cfg: cfg, name: name, board: b}, nil
}

// Name says which part this is, for errors.
func (c *Contact) Name() string { return c.name }

// Board names the board that this contact shares with others, as [Line.BoardName] does.
func (c *Contact) Board() string { return c.board.line.BoardName(c.cfg.Board) }

// BoardName names a board of the line, for alarms.
func (l *Line) BoardName(unit uint8) string { return fmt.Sprintf("%s board %d", l.name, unit) }

// Open reads whether the door is open, from a reading that is at most one
// poll old.
func (c *Contact) Open() (bool, error) {
	poll := c.board.line.poll
	return c.meaning(c.board.read(c.cfg.Input, poll, poll))
}

func (c *Contact) meaning(r reading) (bool, error) {
	if r.err != nil {
		return false, fmt.Errorf("%s: %w", c.name, r.err)
	}
	return r.value != c.cfg.OpenIsOff, nil
}

// Watch calls changed with the state of the door at once and then at each
// change, until ctx ends; it returns ctx's error. Both a change and a failure
// count when two readings agree, so that a bouncing contact or a disturbance
// on the line is not told. A failure is told once by err, and again as a state
// when it is over. changed is called from one goroutine, and should return
// soon.
func (c *Contact) Watch(ctx context.Context, changed func(open bool, err error)) error {
	poll := c.board.line.poll
	ticker := time.NewTicker(poll)
	defer ticker.Stop()

	var told, open, failed bool // what was last told
	var before reading
	for ctx.Err() == nil {
		r := c.board.read(c.cfg.Input, poll, silentPause)
		if before.serial != 0 && before.serial != r.serial {
			now, err := c.meaning(r)
			switch {
			case err != nil:
				if before.err != nil && !failed {
					failed, told = true, false
					changed(false, err)
				}
			case before.err == nil && before.value == r.value && (!told || now != open):
				told, open, failed = true, now, false
				changed(now, nil)
			}
		}
		before = r
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

var _ supply.Coil = (*Lock)(nil)
