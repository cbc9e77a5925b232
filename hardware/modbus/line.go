// Package modbus drives locks and reads door contacts on relay and input
// boards that speak Modbus RTU, several of them on one serial line (RS-485).
//
// It promises that a Lock's coil is written on, and off again after its pulse,
// the writing off being tried again when it fails; that it is never on
// together with another coil of the same supply; that a coil is read back after
// it was written off, and that [Line.Guard] finds one that is on by itself; that
// contacts are read about ten times a second, those of a board in one request;
// and that one silent board neither blocks the others nor lengthens a pulse by
// more than one request's time limit. After every failed exchange the line is
// closed, left quiet and opened again, because the protocol has no sequence
// numbers and a late answer would be taken for the next one; a board that was
// too late is asked something else first, whose answer cannot be mistaken, before
// its inputs are believed again.
//
// A relay board holds a coil when its master dies in the middle of a pulse. On a
// board with a timed pulse of its own ([Timed]) the board ends it; on others
// nothing does until somebody calls Release, as the daemon does at its start.
//
// It leaves to others what an open door means.
package modbus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.bug.st/serial"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// Parity of the serial line.
type Parity uint

// The parities.
const (
	ParityNone Parity = iota
	ParityEven
	ParityOdd
)

// mode is the parity and the number of stop bits: a character always has 11 bits.
func (p Parity) mode() (serial.Parity, serial.StopBits) {
	switch p {
	case ParityEven:
		return serial.EvenParity, serial.OneStopBit
	case ParityOdd:
		return serial.OddParity, serial.OneStopBit
	}
	return serial.NoParity, serial.TwoStopBits
}

// Defaults and limits of a Line.
const (
	DefaultBaud    = 19200 // MODBUS over Serial Line V1.02, 2.5.1
	DefaultTimeout = 250 * time.Millisecond
	DefaultPoll    = 100 * time.Millisecond
	MaxTimeout     = 300 * time.Millisecond // so that a pulse ends in time beside a silent board
)

// minSettle bounds from below how long the line is left quiet after a failed
// exchange, half a time limit, so that a late answer is over before the next
// question.
const minSettle = 50 * time.Millisecond

// ErrClosed is returned by everything on a closed Line.
var ErrClosed = errors.New("the line is closed")

// Config describes a serial line.
type Config struct {
	Name    string         // for errors, for example "locks"
	Path    string         // the serial device
	Baud    int            // 0 means DefaultBaud
	Parity  Parity         // with ParityNone, two stop bits are sent, as the standard has it
	Timeout time.Duration  // of one request; 0 means DefaultTimeout
	Poll    time.Duration  // age at which a reading of inputs is renewed; 0 means DefaultPoll
	Supply  *supply.Supply // shared by all locks on one power supply
}

// Line is a serial line with its boards. This process is its only master.
type Line struct {
	name   string
	poll   time.Duration
	settle time.Duration
	supply *supply.Supply
	client *rtu.Client

	mu      sync.Mutex // one exchange at a time; guards what follows
	open    bool
	closed  bool
	boards  map[uint8]*board
	relays  map[uint8]*relays
	late    map[uint8]lateness
	outputs map[outputAt]bool

	driven driven
}

// Open checks the configuration and prepares the line. It does not need the
// device to be there: each exchange opens it if it must, so that an adapter
// that is plugged in later is found. Check says whether it is there.
func Open(cfg Config) (*Line, error) {
	if cfg.Baud == 0 {
		cfg.Baud = DefaultBaud
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Poll <= 0 {
		cfg.Poll = DefaultPoll
	}
	name := fmt.Sprintf("modbus line %q (%s)", cfg.Name, cfg.Path)
	switch {
	case cfg.Path == "":
		return nil, fmt.Errorf("modbus line %q: no serial device named", cfg.Name)
	case cfg.Baud < 1200 || cfg.Baud > 1_000_000:
		return nil, fmt.Errorf("%s: %d baud is outside 1200 to 1000000", name, cfg.Baud)
	case cfg.Parity > ParityOdd:
		return nil, fmt.Errorf("%s: unknown parity %d", name, cfg.Parity)
	case cfg.Timeout < 10*time.Millisecond || cfg.Timeout > MaxTimeout:
		return nil, fmt.Errorf("%s: time limit %v is outside 10ms to %v", name, cfg.Timeout, MaxTimeout)
	case cfg.Supply == nil:
		return nil, fmt.Errorf("%s: no supply named: one coil at a time cannot be promised", name)
	}
	parity, stop := cfg.Parity.mode()
	return &Line{
		name:    name,
		poll:    cfg.Poll,
		settle:  max(minSettle, cfg.Timeout/2),
		supply:  cfg.Supply,
		client:  rtu.New(rtu.Config{Path: cfg.Path, Baud: cfg.Baud, Parity: parity, Stop: stop, Timeout: cfg.Timeout}),
		boards:  make(map[uint8]*board),
		relays:  make(map[uint8]*relays),
		late:    make(map[uint8]lateness),
		outputs: make(map[outputAt]bool),
	}, nil
}

// Close closes the serial device. Locks should be at rest by then: a coil that
// is on stays on.
func (l *Line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if !l.open {
		return nil
	}
	l.open = false
	if err := l.client.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", l.name, err)
	}
	return nil
}

// Name says which part this is, for errors.
func (l *Line) Name() string { return l.name }

// Check opens the serial device if it is not open.
func (l *Line) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connect()
}

// connect needs mu.
func (l *Line) connect() error {
	if l.closed {
		return fmt.Errorf("%s: %w", l.name, ErrClosed)
	}
	if l.open {
		return nil
	}
	if err := l.client.Open(); err != nil {
		return fmt.Errorf("%s: open: %w", l.name, err)
	}
	l.open = true
	return nil
}

// lateness is what is known of a board whose last answer did not come in time.
type lateness int

const (
	inStep     lateness = iota
	mayBeLate           // an answer to an earlier question may still come
	unanswered          // nor did one come to the probe
)

// question is an exchange whose answer could be mistaken for a late one to the
// question before: a board that did not answer in time is probed first.
func (l *Line) question(unit uint8, part string, ask func(*rtu.Client) error) error {
	if l.lateness(unit) == mayBeLate {
		err := l.exchange(unit, part+": first a probe", func(c *rtu.Client) error {
			_, err := c.ReadCoils(unit, 0, 1) // that it refuses is as good: the answer is to this question
			return err
		})
		if err != nil && !isException(err) {
			return err
		}
	}
	return l.exchange(unit, part, ask)
}

func (l *Line) lateness(unit uint8) lateness {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.late[unit]
}

// exchange runs one request to a board, named by part in errors.
func (l *Line) exchange(unit uint8, part string, ask func(*rtu.Client) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.connect(); err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	err := ask(l.client)
	switch {
	case err == nil:
		delete(l.late, unit)
		return nil
	case isException(err):
		delete(l.late, unit)
	case errors.Is(err, rtu.ErrTimeout) && l.late[unit] == mayBeLate:
		// Some boards do not answer what they do not know. Its inputs are asked
		// for next, and then the probe again.
		l.late[unit] = unanswered
		l.reset()
	default:
		l.late[unit] = mayBeLate
		l.reset()
	}
	return fmt.Errorf("%s: %w", part, explain(err))
}

// reset needs mu.
func (l *Line) reset() {
	// The exchange's own error is what the caller needs; the next connect
	// says if the device is gone.
	_ = l.client.Close()
	l.open = false
	time.Sleep(l.settle)
}

// isException tells answers of a board that works from failures of the line.
func isException(err error) bool {
	var refused rtu.ExceptionError
	return errors.As(err, &refused)
}

// explain adds what an installer can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, rtu.ErrTimeout):
		return fmt.Errorf("no answer (power, cable, unit id, baud rate?): %w", err)
	case errors.Is(err, rtu.ErrUnit):
		return fmt.Errorf("another board answered (two boards with one unit id, or a late answer?): %w", err)
	case errors.Is(err, rtu.ErrDamaged):
		return fmt.Errorf("the answer is damaged (termination, parity, baud rate, two masters?): %w", err)
	case errors.Is(err, rtu.ErrIllegalAddress):
		return fmt.Errorf("the board has no such coil or input: %w", err)
	case errors.Is(err, rtu.ErrIllegalFunction):
		return fmt.Errorf("the board does not know this function: %w", err)
	case errors.Is(err, rtu.ErrDeviceFailure):
		return fmt.Errorf("the board reports a failure of its own: %w", err)
	}
	return err
}
