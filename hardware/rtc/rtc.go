// Package rtc reads the board's real-time clock, which keeps the time while the
// power is away.
//
// It promises to tell a clock that is not there, one that lost its time (its own
// word, where the chip has a flag for it, or a time before this program was
// built), and one that does not advance. It never sets a clock: the machine's
// time service does.
//
// It leaves to others what time to believe.
package rtc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Default is the first clock.
const Default = "rtc0"

// Errors that say what to do about the clock.
var (
	ErrMissing = errors.New("there is no such real-time clock: is its overlay loaded, its chip there?")
	ErrLost    = errors.New("the real-time clock lost its time: is its battery empty?")
	ErrStopped = errors.New("the real-time clock does not keep time")
)

// drift is how far clock and machine may be apart over one look, beside the
// second that the clock's reading is coarse; a poor crystal is off by 0.1 ‰.
const drift = 2 * time.Second

// Config names a clock.
type Config struct {
	Name  string    // as the kernel names it; "" means Default
	Built time.Time // no clock that works is before it
	Sysfs string    // "" means /sys/class/rtc
	Dev   string    // "" means /dev
}

// Clock is a real-time clock.
type Clock struct {
	cfg  Config
	name string

	last time.Time // what it said
	at   time.Time // when, by the machine's monotonic clock
}

// New prepares a clock. It need not be there.
func New(cfg Config) *Clock {
	if cfg.Name == "" {
		cfg.Name = Default
	}
	if cfg.Sysfs == "" {
		cfg.Sysfs = "/sys/class/rtc"
	}
	if cfg.Dev == "" {
		cfg.Dev = "/dev"
	}
	return &Clock{cfg: cfg, name: fmt.Sprintf("real-time clock %q", cfg.Name)}
}

// Name says which part this is, for errors.
func (c *Clock) Name() string { return c.name }

// Read is the clock's time, in whole seconds.
func (c *Clock) Read() (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(c.cfg.Sysfs, c.cfg.Name, "since_epoch"))
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, fmt.Errorf("%s: %w", c.name, ErrMissing)
	}
	if err != nil { // the kernel answers "invalid argument" for a time that is none
		return time.Time{}, fmt.Errorf("%s: %w: %w", c.name, ErrLost, err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q is no time: %w", c.name, text, ErrLost)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// Look reads the clock and says what is wrong with it. From the second look on,
// which should come at least some seconds after the first, it also tells a clock
// that stands still or runs away. It is for one goroutine.
func (c *Clock) Look() (time.Time, error) {
	t, err := c.Read()
	if err != nil {
		c.last = time.Time{}
		return t, err
	}
	now, before, at := time.Now(), c.last, c.at
	c.last, c.at = t, now
	if lost, err := c.lostPower(); err == nil && lost { // many chips have no such flag, and not everybody may ask
		return t, fmt.Errorf("%s: its chip says that the supply was too low: %w", c.name, ErrLost)
	}
	if t.Before(c.cfg.Built) {
		return t, fmt.Errorf("%s: says %s, before this program was built (%s): %w", c.name, t.Format(time.DateTime), c.cfg.Built.Format(time.DateOnly), ErrLost)
	}
	if before.IsZero() {
		return t, nil
	}
	went, should := t.Sub(before), now.Sub(at)
	if off := (went - should).Abs(); off > drift+should/1000 {
		return t, fmt.Errorf("%s: went %v in %v: %w", c.name, went, should.Round(time.Second), ErrStopped)
	}
	return t, nil
}
