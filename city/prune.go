package city

import (
	"context"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// How long what is over stays in the record: by default, and at the least and
// most that may be asked for. A terminal keeps its own events for 90 days, and a
// captured order waits for its document for locker.KeyLife: the record keeps both
// for twice as long at least.
const (
	DefaultKeep = 3 * 365 * 24 * time.Hour
	LeastKeep   = 2 * locker.KeyLife
	MostKeep    = 30 * 366 * 24 * time.Hour
)

const pruneEvery = 24 * time.Hour

// prune removes what is older than its period, at the start and every day. What
// goes wrong is tried again the next day: it keeps no terminal waiting.
func (c *City) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		before := c.config.Now().Add(-c.config.Keep)
		n, err := c.record.Prune(ctx, before)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.config.Logger.Error("what is older than its period stays for now", "error", err)
		case n > 0:
			c.config.Logger.Info("pruned the record", "events", n, "before", before)
		}
		c.scrub(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
