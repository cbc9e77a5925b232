package daemon

import (
	"cmp"
	"context"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// DefaultKeep is how long bodies of acknowledged events are kept where the
// configuration does not say.
const DefaultKeep = locker.Duration(90 * 24 * time.Hour)

const (
	leastKeep  = 24 * time.Hour
	mostKeep   = 10 * 366 * 24 * time.Hour
	pruneEvery = time.Hour
)

// prune removes the bodies of events whose period is over, by trusted time, at
// the start and every hour.
func (d *Daemon) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		n, err := d.store.journal.Prune(d.control.Status().Time.Add(-time.Duration(cmp.Or(d.config.Journal.Keep, DefaultKeep))))
		if err != nil {
			return err // a failed commit: the process must end
		}
		if n > 0 {
			d.options.Logger.Info("pruned the journal", "events", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
