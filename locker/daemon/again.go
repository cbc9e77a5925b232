package daemon

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/secretmem"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// errAgain ends the work of one assembly: the terminal is put together again,
// in this process.
var errAgain = errors.New("the terminal is put together again")

// rebuildStands is how long that may take before the watchdogs are not fed any more.
const rebuildStands = time.Minute

// outage is a time without a store.
type outage struct {
	since time.Time
	err   error
}

// withoutStore tells whether a terminal starts without its store after this
// error. The other errors stop the start: a wrong folder, a second daemon, a
// configuration that cannot work.
func withoutStore(err error) bool {
	return damaged(err) || passes(err)
}

// damaged tells what stays until a person has mended it.
func damaged(err error) bool {
	return is(err, journal.ErrCorrupt, journal.ErrRolledBack, journal.ErrVersion, vault.ErrOtherRoot)
}

// passes tells whether an error of the store can end by itself: a full disk, a
// medium that does not answer or is read-only for a while, a chip that does not
// answer, a commit that failed for one of these.
func passes(err error) bool {
	return !damaged(err) && !is(err, journal.ErrForeign, journal.ErrLocked, vault.ErrRooted) &&
		(journal.Passes(err) || is(err, errHardwareKey, controller.ErrCommit,
			syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.ENODEV, syscall.ENXIO))
}

func is(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// awaitStore tries the store again until it can be used, and then asks to be put
// together again. Damage is not tried: opening it again would not mend it.
func (d *Daemon) awaitStore(ctx context.Context) error {
	if !passes(d.broken) {
		return nil
	}
	every := d.options.StoreAgain
	if every == 0 {
		every = controller.StoreAgain
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	logged := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := d.tryStore()
		if err == nil || !passes(err) { // an assembly that finds damage says so
			return errAgain
		}
		if time.Since(logged) > time.Hour {
			logged = time.Now()
			d.options.Logger.Error("still no store", "since", d.missing.since, "error", err)
		}
	}
}

// tryStore opens the store, which writes and syncs, and closes it.
func (d *Daemon) tryStore() error {
	if errors.Is(d.broken, journal.ErrFull) { // a full disk is not written to for the sake of asking
		if free, _, err := space(d.config.State); err == nil && free < journal.ServiceRoom {
			return journal.ErrFull
		}
	}
	s, err := openStore(d.config, d.files, false)
	if err != nil {
		return err
	}
	return s.Close()
}

// again closes the assembly and opens another one in its place, at the same
// address.
func (d *Daemon) again(p *Daemon) (*Daemon, error) {
	config := d.config
	config.Kiosk.Listen = p.listener.Addr().String()
	if err := p.close(); err != nil {
		return nil, err
	}
	n := &Daemon{config: config, options: d.options, files: d.files, missing: p.missing, shown: &brokerSeen{}, alarms: newAlarmLog(d.options.Logger), cleaner: secretmem.NewCleaner()}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	if n.broken == nil && n.missing != nil {
		d.options.Logger.Info("the store can be used again", "without it since", n.missing.since)
		n.missing = nil
	}
	return n, nil
}

// lose begins a time without a store, or goes on with it. Every coil is switched
// off, which a relay board may have kept on since the last process.
func (d *Daemon) lose(err error) {
	d.broken = err
	for _, f := range d.parts.rest() {
		d.options.Logger.Error("part", "part", f.part, "compartment", int(f.compartment), "error", f.err)
	}
	if d.store != nil { // its lock would keep the next try out
		if failed := d.store.Close(); failed != nil {
			d.options.Logger.Error("close the store", "error", failed)
		}
		d.store = nil
	}
	if d.missing == nil || damaged(err) {
		d.options.Logger.Error("no store: every lock stays idle", "error", err, "tried again", passes(err))
	}
	if d.missing == nil {
		d.missing = &outage{since: time.Now(), err: err}
	}
}

// partStore is how a time without a store is told, once it is over.
const partStore = "store"

// tellOutage records the time without a store: the alarm is raised and ends.
func (d *Daemon) tellOutage() error {
	if d.missing == nil {
		return nil
	}
	detail := fmt.Sprintf("out of order without it for %v: %v", time.Since(d.missing.since).Round(time.Second), d.missing.err)
	err := d.control.Handle(d.options.Now(), locker.PartFailed{Part: partStore, Detail: detail})
	if err == nil {
		err = d.control.Handle(d.options.Now(), locker.PartHealed{Part: partStore})
	}
	return err
}
