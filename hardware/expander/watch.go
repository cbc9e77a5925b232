package expander

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
)

// Check sets the chip up if it must, and reads every register back.
func (c *Chip) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.alive(); err != nil {
		return err
	}
	return c.verify()
}

// Watch reads the inputs at each poll or interrupt and all registers every
// second, until ctx ends; it returns ctx's error. It tells trouble with the
// chip when it begins, also trouble that somebody else met, and nil when the
// chip is set up again, with its outputs at rest. tell is called from one
// goroutine.
func (c *Chip) Watch(ctx context.Context, tell func(error)) error {
	bad := "" // what was last told; empty: it is well
	wire := interrupt{name: c.cfg.Interrupt}
	var verified time.Time
	for ctx.Err() == nil {
		deaf := wire.listen()
		if time.Since(verified) >= Verify {
			verified = time.Now()
			_ = c.Check() // what it meets is among the trouble
		} else {
			c.pollIfReady()
		}
		err := c.trouble()
		switch {
		case err != nil:
			if err.Error() != bad {
				bad = err.Error()
				tell(err)
			}
			c.back()
		case deaf != nil && bad == "":
			bad = deaf.Error()
			tell(fmt.Errorf("%s: %w; the inputs are polled", c.name, deaf))
		case deaf == nil && bad != "" && c.well():
			bad = ""
			tell(nil)
		}
		pause := c.cfg.Poll
		if wire.pin != nil {
			pause = Verify
		}
		wire.wait(ctx, pause)
	}
	return ctx.Err()
}

func (c *Chip) pollIfReady() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready {
		_ = c.poll() // what it meets is among the trouble
	}
}

// trouble returns what was met since it was last called.
func (c *Chip) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.untold
	c.untold = nil
	return err
}

// back tries at once to set the chip up again: one that was reset is there, and
// that another is not was just told.
func (c *Chip) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive() != nil {
		c.untold = nil
	}
}

func (c *Chip) well() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready && c.untold == nil
}

// interrupt is the line that a chip pulls to ground when an input changed.
type interrupt struct {
	name string
	pin  gpio.PinIO // nil: not listened to
}

// levelReader is what a line has whose reading can fail and say so.
type levelReader interface {
	ReadLevel() (gpio.Level, error)
}

// listen makes the line an input, if there is one and it is none yet.
func (i *interrupt) listen() error {
	if i.name == "" {
		return nil
	}
	if i.pin != nil {
		if line, ok := i.pin.(levelReader); ok {
			if _, err := line.ReadLevel(); err != nil {
				i.pin = nil
				return fmt.Errorf("interrupt line: %w", err)
			}
		}
		return nil
	}
	pin := gpioreg.ByName(i.name)
	if pin == nil {
		return fmt.Errorf("interrupt line %q is not there", i.name)
	}
	if err := pin.In(gpio.PullUp, gpio.FallingEdge); err != nil {
		return fmt.Errorf("interrupt line: %w", err)
	}
	i.pin = pin
	return nil
}

// wait returns after an interrupt, or when the time is over or ctx has ended.
func (i *interrupt) wait(ctx context.Context, atMost time.Duration) {
	const slice = 100 * time.Millisecond // WaitForEdge knows no context
	deadline := time.Now().Add(atMost)
	for ctx.Err() == nil {
		left := min(time.Until(deadline), slice)
		if left <= 0 {
			return
		}
		if i.pin != nil {
			start := time.Now()
			if i.pin.WaitForEdge(left) {
				return
			}
			left -= time.Since(start)
		}
		if left > time.Millisecond {
			timer := time.NewTimer(left)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}
}
