package gpio

import (
	"context"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/nachtfach/nachtfach/hardware/supply"
)

// CoilConfig describes a lock on an output line.
type CoilConfig struct {
	Line      string         // name in gpioreg, for example "berlin-1/LOCK7"
	ActiveLow bool           // a low level energises the coil, as on most relay boards
	Pulse     time.Duration  // 200 to 1000 ms; 0 means supply.DefaultPulse
	Supply    *supply.Supply // shared by all locks on one power supply
}

// Coil is a lock that opens when its line is driven for a moment.
type Coil struct {
	name    string
	pin     gpio.PinIO
	onLevel gpio.Level
	pulse   time.Duration
	supply  *supply.Supply

	mu     sync.Mutex
	closed bool
	on     bool // what was last asked for
}

// OpenCoil finds the line and drives it to the level at which the lock is at
// rest; that this fails now is told by Check. It refuses a line of a driver
// that would move locks by itself; see RefusePeriph.
func OpenCoil(cfg CoilConfig) (*Coil, error) {
	if cfg.Pulse == 0 {
		cfg.Pulse = supply.DefaultPulse
	}
	if err := supply.CheckPulse(cfg.Pulse); err != nil {
		return nil, fmt.Errorf("lock line %q: %w", cfg.Line, err)
	}
	if cfg.Supply == nil {
		return nil, fmt.Errorf("lock line %q: no supply named: one coil at a time cannot be promised", cfg.Line)
	}
	pin, err := find(cfg.Line)
	if err != nil {
		return nil, fmt.Errorf("lock line %q: %w", cfg.Line, err)
	}
	if err := RefusePeriph(pin); err != nil {
		return nil, fmt.Errorf("lock line %q: %w", cfg.Line, err)
	}
	c := &Coil{
		name:    fmt.Sprintf("lock line %q", cfg.Line),
		pin:     pin,
		onLevel: gpio.Level(!cfg.ActiveLow),
		pulse:   cfg.Pulse,
		supply:  cfg.Supply,
	}
	_ = c.Release()
	return c, nil
}

// Pulse energises the coil for the configured time. It says nothing about the
// door: the contact does. Errors are those of supply.Supply.Pulse.
func (c *Coil) Pulse(ctx context.Context) error {
	return c.supply.Pulse(ctx, c, c.pulse)
}

// Release switches the coil off. It is safe at any time; during a pulse it
// cuts the pulse short.
func (c *Coil) Release() error {
	if err := c.write(false); err != nil {
		return fmt.Errorf("%s: release: %w", c.name, err)
	}
	return nil
}

// Check reads the line back. A line that could not be driven so far, or whose
// chip went away and came back, is driven to rest by it. A line at which the
// lock is on although it was switched off is an error with supply.ErrStuck in
// it.
func (c *Coil) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("%s: %w", c.name, errClosed)
	}
	level, err := read(c.pin)
	if err != nil {
		return fmt.Errorf("%s: read back: %w", c.name, err)
	}
	switch on := level == c.onLevel; {
	case on && !c.on:
		return fmt.Errorf("%s: %w: driven %s, reads %s", c.name, supply.ErrStuck, !c.onLevel, level)
	case !on && c.on:
		return fmt.Errorf("%s: driven %s, reads %s (a short circuit?)", c.name, c.onLevel, level)
	}
	return nil
}

// Close switches the coil off for good: later pulses fail. It leaves the line
// in the registry. That the line is somebody else's, or gone, is no error: the
// lock is not at our hands.
func (c *Coil) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	if err := c.Release(); err != nil && !refusal(err) {
		return err
	}
	return nil
}

// Name says which part this is, for errors.
func (c *Coil) Name() string { return c.name }

// Switch drives the line. It is for the Supply; everybody else uses Pulse,
// which bounds the time.
func (c *Coil) Switch(on bool) error { return c.write(on) }

func (c *Coil) write(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on && c.closed {
		return errClosed
	}
	level := !c.onLevel
	if on {
		level = c.onLevel
	}
	c.on = on
	if err := c.pin.Out(level); err != nil {
		return fmt.Errorf("write %s: %w", level, err)
	}
	return nil
}

var _ supply.Coil = (*Coil)(nil)
