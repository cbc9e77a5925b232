package zfm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// AwaitLift waits until no finger lies on the reader. When ctx ends before
// that, its error is returned.
func (r *Reader) AwaitLift(ctx context.Context) error {
	return retry.Do(ctx, retry.Attempts, transient, func() error { return r.use(ctx, r.lifted) })
}

func (r *Reader) lifted() error {
	for {
		switch err := r.command(GenImg); {
		case errors.Is(err, ErrNoFinger):
			return nil
		case err != nil && !errors.Is(err, ErrMessy):
			return err
		}
		pause := time.NewTimer(fingerPause)
		select {
		case <-pause.C:
		case <-r.ctx.Done():
			pause.Stop()
			return fmt.Errorf("wait for the finger to be lifted: %w", r.ctx.Err())
		}
	}
}
