package watchdog

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"
)

// Limits of a Device's period. A new process has to be there and feeding
// within it, or every restart would be a reset.
const (
	MinPeriod = 15 * time.Second
	MaxPeriod = 10 * time.Minute
)

// CheckPeriod says whether a device's period is within the limits.
func CheckPeriod(period time.Duration) error {
	if period < MinPeriod || period > MaxPeriod {
		return fmt.Errorf("period of %v is outside %v to %v", period, MinPeriod, MaxPeriod)
	}
	return nil
}

// Card is a hardware watchdog that counts; see the kernel's
// Documentation/watchdog/watchdog-api.rst.
type Card interface {
	SetTimeout(seconds int) error // WDIOC_SETTIMEOUT
	Timeout() (seconds int, err error)
	KeepAlive() error // WDIOC_KEEPALIVE
	Write(p []byte) (int, error)
	Close() error
}

// magic, written right before closing, calls the watchdog off.
const magic = "V"

// Device is the hardware's watchdog.
type Device struct {
	path   string
	card   Card
	period time.Duration
}

// Open opens the device file, which starts the watchdog, and sets its period.
func Open(path string, period time.Duration) (*Device, error) {
	if err := CheckPeriod(period); err != nil {
		return nil, fmt.Errorf("watchdog %s: %w", path, err)
	}
	card, err := openCard(path)
	if errors.Is(err, syscall.EBUSY) {
		return nil, fmt.Errorf("watchdog %s: somebody else feeds it (RuntimeWatchdogSec of systemd?): %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	return Start(path, card, period)
}

// Start sets the period of a card that was just opened, under the name path. A
// card that cannot be set keeps its own.
func Start(path string, card Card, period time.Duration) (*Device, error) {
	d := &Device{path: path, card: card}
	set := card.SetTimeout(int(math.Ceil(period.Seconds())))
	seconds, err := card.Timeout()
	switch {
	case err == nil && seconds > 0:
		d.period = time.Duration(seconds) * time.Second
	case set == nil:
		d.period = period
	default:
		return nil, errors.Join(fmt.Errorf("watchdog %s: set its period: %w", path, set), d.CallOff())
	}
	return d, nil
}

// Name says which part this is, for errors.
func (d *Device) Name() string { return "watchdog " + d.path }

// Period is how long it counts without being fed.
func (d *Device) Period() time.Duration { return d.period }

// Feed has it count from the beginning.
func (d *Device) Feed() error { return d.card.KeepAlive() }

// CallOff stops the watchdog and closes it. One that the kernel was told never
// to stop (nowayout) counts on.
func (d *Device) CallOff() error {
	_, err := d.card.Write([]byte(magic))
	if err = errors.Join(err, d.card.Close()); err != nil {
		return fmt.Errorf("watchdog %s: call it off: %w", d.path, err)
	}
	return nil
}

// Leave closes it and lets it count: whoever comes feeds it, or the machine is
// reset.
func (d *Device) Leave() error {
	if err := d.card.Close(); err != nil {
		return fmt.Errorf("watchdog %s: %w", d.path, err)
	}
	return nil
}

var (
	_ Dog = (*Device)(nil)
	_ Dog = (*Service)(nil)
)
