package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// screenPart names the touch screen in alarms.
const screenPart = "screen"

// Limits for the touch screen's page. The unit that runs the browser starts it
// again after some 15 s without a page; an alarm tells that this did not help.
const (
	pageLate = time.Minute     // without a page that was shown before
	pageNone = 3 * time.Minute // without any since the start: a small board's browser takes long
)

// watchPage raises an alarm while no browser shows the kiosk's page.
func (d *Daemon) watchPage(ctx context.Context) error {
	watchPage(ctx, d.kiosk.Shown, func(err error) {
		if err != nil {
			d.options.Logger.Error("part", "part", screenPart, "error", err)
			d.deliver(ctx, locker.PartFailed{Part: screenPart, Detail: err.Error()})
			return
		}
		d.options.Logger.Info("part works", "part", screenPart)
		d.deliver(ctx, locker.PartHealed{Part: screenPart})
	})
	return nil
}

// watchPage tells each change until ctx ends: an error when no page is shown,
// nil when one is again.
func watchPage(ctx context.Context, shown func() (ago time.Duration, ever bool), tell func(error)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ago, ever := shown()
		limit := pageLate
		if !ever {
			limit = pageNone
		}
		if missing := ago > limit; missing != failed {
			failed = missing
			if failed {
				tell(fmt.Errorf("no browser has shown the page for %v: see journalctl -u nachtfach-kiosk", limit))
			} else {
				tell(nil)
			}
		}
	}
}
