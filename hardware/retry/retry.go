// Package retry is the one policy for repeating an exchange with a part: a single
// failed exchange is noise on a wire, and repeated failure is a failed part.
//
// It is for exchanges that may happen twice: a question, a picture, switching a
// coil off. A lock pulse is never repeated by it; the terminal decides that, with
// an event for each pulse.
package retry

import (
	"context"
	"time"
)

// The policy.
const (
	// Attempts is how often an exchange is made before its part has failed.
	Attempts = 3
	// Restarts is how often a helper program, or another part whose single
	// exchange takes seconds, is asked before it has failed.
	Restarts = 2
	// FirstPause is the time before the second attempt. It doubles with each
	// further attempt.
	FirstPause = 20 * time.Millisecond
)

// Do calls exchange until it succeeds, fails with an error that is not transient,
// has been called the given number of times, or ctx ends. It returns the last
// error of exchange. The first call is made whatever the state of ctx.
func Do(ctx context.Context, attempts int, transient func(error) bool, exchange func() error) error {
	pause := FirstPause
	for attempt := 1; ; attempt++ {
		err := exchange()
		if err == nil || attempt >= attempts || !transient(err) || !Wait(ctx, pause) {
			return err
		}
		pause *= 2
	}
}

// Wait pauses and says whether ctx has not ended meanwhile.
func Wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Always says that every error is transient.
func Always(error) bool { return true }
