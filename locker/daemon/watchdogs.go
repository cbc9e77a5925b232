package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// openWatchdogs opens what is to be fed. A device that cannot be had is a part
// that failed; the terminal works on without it.
func (d *Daemon) openWatchdogs() (dogs []watchdog.Dog, device *watchdog.Device, err error) {
	if d.options.Service.Watches() {
		dogs = append(dogs, d.options.Service)
	}
	c := d.config.Watchdog
	if c.Device == "" {
		return dogs, nil, nil
	}
	if device, err = watchdog.Open(c.Device, c.period()); err != nil {
		return dogs, nil, err
	}
	return append(dogs, device), device, nil
}

// tend feeds the watchdogs until ctx ends, and tells the service manager how
// it stands.
func (d *Daemon) tend(ctx context.Context, dogs []watchdog.Dog, failed error) error {
	tell := func(err error) {
		if err != nil {
			d.options.Logger.Error("watchdog", "error", err)
			d.deliver(ctx, locker.PartFailed{Part: "watchdog", Detail: err.Error()})
			return
		}
		d.deliver(ctx, locker.PartHealed{Part: "watchdog"})
	}
	if failed != nil {
		tell(failed)
	}
	status := "at work"
	if d.broken != nil {
		status = "no store: every lock stays idle"
	}
	if err := d.options.Service.Ready(status); err != nil {
		d.options.Logger.Error("watchdog", "error", err)
	}
	watchdog.Keep(ctx, d.alive(), tell, dogs...)
	<-ctx.Done()
	return d.options.Service.Stopping()
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
