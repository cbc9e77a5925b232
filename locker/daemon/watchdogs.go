package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker"
)

// Limits by which the watchdogs are not fed any more.
const (
	loopStands = 15 * time.Second // without a turn; one is due every 5 s
	linesBlind = time.Minute      // without reading the lines back; a bus that hangs takes its time
)

// alive returns what tells why the watchdogs are not to be fed, if so: a loop
// that stands, which a turn whose commit failed makes it do, or a line that
// does not read back as driven. Without a store there is no loop: that was
// tried at the start, and to begin again would not help.
func (d *Daemon) alive() func() error {
	var beats uint64
	at := time.Now()
	d.parts.driven.set(nil)
	return func() error {
		if d.broken == nil {
			if now := d.control.Beats(); now != beats {
				beats, at = now, time.Now()
			}
			if time.Since(at) > loopStands {
				return fmt.Errorf("the loop made no turn for %v", loopStands)
			}
		}
		return d.parts.driven.get(linesBlind)
	}
}

// watchdogs are fed over the whole of Run, also while the terminal is put
// together again.
type watchdogs struct {
	dogs    []watchdog.Dog
	device  *watchdog.Device // nil: none
	failed  error            // why there is no device, though one is configured
	service *watchdog.Service

	mu      sync.Mutex
	alive   func() error
	told    error // as the dogs were last fed
	changed chan struct{}
}

// openWatchdogs opens what is to be fed. A device that cannot be had is a part
// that failed; the terminal works on without it.
func (d *Daemon) openWatchdogs() *watchdogs {
	w := &watchdogs{service: d.options.Service, changed: make(chan struct{}, 1)}
	if d.options.Service.Watches() {
		w.dogs = append(w.dogs, d.options.Service)
	}
	c := d.config.Watchdog
	if c.Device == "" {
		return w
	}
	if w.device, w.failed = watchdog.Open(c.Device, c.period()); w.failed == nil {
		w.dogs = append(w.dogs, w.device)
	}
	return w
}

// ask changes what tells whether the dogs are to be fed.
func (w *watchdogs) ask(alive func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive = alive
}

// within is well for so long, from now on.
func within(d time.Duration) func() error {
	began := time.Now()
	return func() error {
		if time.Since(began) > d {
			return fmt.Errorf("the terminal is not put together after %v", d)
		}
		return nil
	}
}

// tend feeds the dogs until ctx ends or stop is called, which says whether the
// end was ordered and then calls the device off.
func (w *watchdogs) tend(ctx context.Context, o Options) (stop func(ordered bool) error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchdog.Keep(ctx, func() error {
			w.mu.Lock()
			alive := w.alive
			w.mu.Unlock()
			if alive == nil {
				return nil
			}
			return alive()
		}, func(err error) {
			if err != nil {
				o.Logger.Error("watchdog", "error", err)
			}
			w.mu.Lock()
			w.told = err
			w.mu.Unlock()
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}, w.dogs...)
	}()
	return func(ordered bool) error {
		cancel()
		<-done
		return errors.Join(w.service.Stopping(), endWatchdog(w.device, ordered))
	}
}

// attend tells the service manager how an assembly stands, and the assembly how
// its watchdogs are, until ctx ends.
func (w *watchdogs) attend(ctx context.Context, d *Daemon) error {
	if w.failed != nil {
		d.options.Logger.Error("watchdog", "error", w.failed)
		d.deliver(ctx, locker.PartFailed{Part: "watchdog", Detail: w.failed.Error()})
	}
	status := "at work"
	if d.broken != nil {
		status = "no store: every lock stays idle"
	}
	if err := w.service.Ready(status); err != nil {
		d.options.Logger.Error("watchdog", "error", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		}
		w.mu.Lock()
		err := w.told
		w.mu.Unlock()
		if err != nil {
			d.deliver(ctx, locker.PartFailed{Part: "watchdog", Detail: err.Error()})
		} else {
			d.deliver(ctx, locker.PartHealed{Part: "watchdog"})
		}
	}
}

// deliver hands an input to the loop, if there is one.
func (d *Daemon) deliver(ctx context.Context, in locker.Input) {
	if d.broken == nil {
		d.control.Deliver(ctx, in)
	}
}

// endWatchdog calls the device off if the end was ordered. Otherwise it counts
// on, and resets the machine if no new process comes.
func endWatchdog(device *watchdog.Device, ordered bool) error {
	switch {
	case device == nil:
		return nil
	case ordered:
		return device.CallOff()
	}
	return device.Leave()
}

// period is how long the hardware's watchdog counts.
func (w Watchdog) period() time.Duration {
	if w.Period == 0 {
		return time.Minute
	}
	return time.Duration(w.Period)
}

// watchdog looks whether there is one, and does not open it: that starts it.
func (k *check) watchdog() {
	device := k.config.Watchdog.Device
	if device == "" {
		k.missing(kindWatchdog, "watchdog", "a board that hangs stays so")
		return
	}
	info, err := os.Stat(device)
	if err == nil && info.Mode()&os.ModeCharDevice == 0 {
		err = errors.New(device + " is no device")
	}
	k.found(kindWatchdog, "watchdog", fmt.Sprintf("is there; not started by this check; %v", k.config.Watchdog.period()), err, "is its driver loaded?")
}
