package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Times of a Contact where its configuration gives none.
const (
	DefaultDebounce = 30 * time.Millisecond
	DefaultReread   = time.Second
)

// unsettledAfter is how many debounce times a contact may chatter before that
// is an error of its own.
const unsettledAfter = 20

// ErrChatter means that a contact keeps changing and no state can be read.
var ErrChatter = errors.New("the contact does not come to rest")

// ContactConfig describes a door contact on an input line.
type ContactConfig struct {
	Line      string        // name in gpioreg, for example "berlin-1/DOOR7"
	OpenIsLow bool          // the usual contact is closed, to ground, by the closed door: open is high
	Pull      gpio.Pull     // as the board needs it; gpio.PullUp suits the usual contact without a resistor of its own
	Debounce  time.Duration // 0 means DefaultDebounce
	Reread    time.Duration // how often the level is read without an edge; 0 means DefaultReread
}

// levelReader is what a line has whose reading can fail and say so.
// gpio.PinIO has no error there.
type levelReader interface {
	ReadLevel() (gpio.Level, error)
}

func read(pin gpio.PinIO) (gpio.Level, error) {
	if line, ok := pin.(levelReader); ok {
		return line.ReadLevel()
	}
	return pin.Read(), nil
}

// debouncer is what a line has whose driver can debounce it.
type debouncer interface {
	InDebounced(pull gpio.Pull, edge gpio.Edge, debounce time.Duration) error
	Settles() time.Duration
}

// kernelShare is the part of the debounce time that the driver is asked to
// wait. It takes out the bounces, which come within a few milliseconds, before
// they fill buffers; a contact that keeps changing is still seen to.
const kernelShare = 4

// Contact is a door contact.
type Contact struct {
	name     string
	pin      gpio.PinIO
	open     gpio.Level // the level of an open door
	debounce time.Duration
	reread   time.Duration
	pull     gpio.Pull

	mu      sync.Mutex
	listens bool // the line is an input

	watch sync.Mutex // one Watch at a time: they would take each other's edges
}

// OpenContact finds the line and makes it an input with edge detection; that
// this fails now is told by reading.
func OpenContact(cfg ContactConfig) (*Contact, error) {
	c := &Contact{
		name:     fmt.Sprintf("contact line %q", cfg.Line),
		open:     gpio.Level(!cfg.OpenIsLow),
		debounce: cfg.Debounce,
		reread:   cfg.Reread,
	}
	if c.debounce <= 0 {
		c.debounce = DefaultDebounce
	}
	if c.reread <= 0 {
		c.reread = DefaultReread
	}
	pin, err := find(cfg.Line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	c.pin, c.pull = pin, cfg.Pull
	_ = c.listen()
	return c, nil
}

// listen makes the line an input, once.
func (c *Contact) listen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listens {
		return nil
	}
	in := func() error { return c.pin.In(c.pull, gpio.BothEdges) }
	if line, ok := c.pin.(debouncer); ok {
		in = func() error { return line.InDebounced(c.pull, gpio.BothEdges, c.debounce/kernelShare) }
	}
	if err := in(); err != nil {
		return fmt.Errorf("%s: make it an input: %w", c.name, err)
	}
	c.listens = true
	return nil
}

// rest is what is left of the debounce time after the driver's share.
func (c *Contact) rest() time.Duration {
	if line, ok := c.pin.(debouncer); ok {
		return max(c.debounce-line.Settles(), c.debounce/kernelShare)
	}
	return c.debounce
}

// Name says which part this is, for errors.
func (c *Contact) Name() string { return c.name }

// Open reads whether the door is open now, without debouncing.
func (c *Contact) Open() (bool, error) {
	level, err := c.level()
	if err != nil {
		return false, err
	}
	return level == c.open, nil
}

func (c *Contact) level() (gpio.Level, error) {
	if err := c.listen(); err != nil {
		return gpio.Low, err
	}
	level, err := read(c.pin)
	if err != nil {
		return gpio.Low, fmt.Errorf("%s: read: %w", c.name, err)
	}
	return level, nil
}

// Watch calls changed with the state of the door at once and then at each
// change, until ctx ends; it returns ctx's error. A contact that cannot be
// read, or does not come to rest, is told once by err, and told again as a
// state when it recovers. changed is called from one goroutine, and should
// return soon.
func (c *Contact) Watch(ctx context.Context, changed func(open bool, err error)) error {
	if !c.watch.TryLock() {
		return fmt.Errorf("%s: is watched already", c.name)
	}
	defer c.watch.Unlock()

	last := report{tell: changed}
	for ctx.Err() == nil {
		last.update(c.settled(ctx))
		c.wait(ctx, c.reread)
	}
	return ctx.Err()
}

// report passes on only what is new.
type report struct {
	tell   func(bool, error)
	told   bool
	open   bool
	failed string
}

func (r *report) update(open bool, err error) {
	switch {
	case err != nil && errors.Is(err, context.Canceled), err != nil && errors.Is(err, context.DeadlineExceeded):
		return
	case err != nil:
		if r.failed != err.Error() {
			r.failed = err.Error()
			r.tell(false, err)
		}
		r.told = false
	case !r.told || r.open != open:
		r.told, r.open, r.failed = true, open, ""
		r.tell(open, nil)
	}
}

// settled reads the contact until it has shown one level for the debounce
// time.
func (c *Contact) settled(ctx context.Context) (bool, error) {
	before, err := c.level()
	if err != nil {
		return false, err
	}
	limit := time.Now().Add(unsettledAfter * c.debounce)
	for time.Now().Before(limit) {
		edge := c.wait(ctx, c.rest())
		if err := ctx.Err(); err != nil {
			return false, err
		}
		now, err := c.level()
		if err != nil {
			return false, err
		}
		if !edge && now == before {
			return now == c.open, nil
		}
		before = now
		sleep(ctx, c.debounce/8) // a line that always has an edge ready must not make this spin
	}
	return false, fmt.Errorf("%s: %w: still changing after %v", c.name, ErrChatter, unsettledAfter*c.debounce)
}

// slice bounds one call of WaitForEdge, which knows no context.
const slice = 100 * time.Millisecond

// wait returns true after an edge and false when the time is over or ctx has
// ended. It never spins: a line whose WaitForEdge returns at once without an
// edge, as some drivers' do, is polled instead.
func (c *Contact) wait(ctx context.Context, atMost time.Duration) bool {
	deadline := time.Now().Add(atMost)
	for ctx.Err() == nil {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		part := min(left, slice)
		start := time.Now()
		if c.pin.WaitForEdge(part) {
			return true
		}
		if early := part - time.Since(start); early > time.Millisecond {
			sleep(ctx, early)
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
