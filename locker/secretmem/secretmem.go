// Package secretmem keeps secrets out of a process's memory once the work on
// them is done, and out of its dumps.
//
// Whoever holds a secret clears it: bytes, never strings. That leaves what no
// program can reach: registers, stacks, and what libraries allocate. [Do] runs
// work so that this is erased, too, where the program was built with
// GOEXPERIMENT=runtimesecret for amd64 or arm64, as the Debian packages are;
// elsewhere it runs the work as it is. The heap is erased when the collector has
// found that nothing points there: [Scrub] has it look at once.
//
// [Protect] keeps other processes of the same user from reading this one's
// memory. Root reads it all the same, at any time.
package secretmem

import (
	"context"
	"runtime/debug"
	"time"
)

// Scrub collects what is free, which erases what work in [Do] has left, and gives
// free memory back to the system.
func Scrub() { debug.FreeOSMemory() }

// pause is the shortest time between two rounds of a Cleaner: messages that come
// without end must not keep the collector busy.
const pause = time.Second

// Cleaner scrubs after work that nobody waits for.
type Cleaner struct{ due chan struct{} }

// NewCleaner returns a cleaner, which begins with Run.
func NewCleaner() *Cleaner { return &Cleaner{make(chan struct{}, 1)} }

// Ask has the cleaner scrub soon. It never blocks.
func (c *Cleaner) Ask() {
	select {
	case c.due <- struct{}{}:
	default: // it will
	}
}

// Run scrubs when it is asked, until ctx ends. It returns nil.
func (c *Cleaner) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.due:
		}
		Scrub()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
