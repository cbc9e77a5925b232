// Package simulation runs a terminal for months in seconds, with all that goes
// wrong in them, and an oracle that knows what is true.
//
// One seed is one run. Whatever happens is an event of one heap in virtual
// time; no goroutine, no map's order and no clock of the machine decides
// anything, so that a run repeats exactly. The run drives the real state
// machine, the real loop ([controller.Controller.Handle]) and the real vault.
// Models stand for what is around them: the disk and its slots, the locks and
// contacts, the reporter's line with broker and city, cryptography and the
// comparison of fingers, and the people: citizens and clerks with their habits,
// thieves, vandals, a dishonest clerk, a child at the keys.
//
// Faults come by the seed's own mixture: power cuts between any two writes or
// actions, commits that are lost or ambiguous, torn slots, a full disk, brokers
// that lose, repeat and reorder, forged messages, wall clocks that jump, doors
// that jam, bounce, are forced and opened with the mechanical key (announced by
// two clerks, or not), contacts and readers that die, and whole boards: another
// one takes over the wall with an empty disk, and two clerks look into every
// compartment. In every third run the slots lie under a root key, and the disk
// keeps what was overwritten until that is replaced.
//
// The oracle's books are its own. It checks while the run goes on what must
// never happen, and at the end, when faults have ceased, that everything owed
// was done and that every citizen gets the document. See docs/architecture.md.
//
// The package leaves the wire formats of MQTT, bbolt and the drivers to the
// tests of those packages, and false matches to measurements on images.
package simulation

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Options are one run's.
type Options struct {
	Seed uint64
	Days int // until faults end; then come seven days without
	Bug  Bug
}

// Result is what came of a run.
type Result struct {
	Seed   uint64
	Hash   string // over all events; equal for equal options
	Events int
	Counts Counts
	Wrong  string // what the oracle found; empty: nothing
	At     time.Duration
	Trace  []string // the last events before it
}

// calmDays are those without faults, so that what is owed can be done.
const calmDays = 7

// Run is one run from its seed. It panics only if the simulation itself is at fault.
func Run(o Options) (result Result) {
	w := newWorld(o)
	defer func() {
		result.Seed, result.Events, result.Counts, result.At = o.Seed, w.oracle.events, w.oracle.counts, w.now
		result.Hash = hex.EncodeToString(w.hash.Sum(nil))
		switch r := recover().(type) {
		case nil:
		case wrong:
			result.Wrong, result.Trace = r.what, w.trace(40)
		default:
			panic(r)
		}
	}()
	w.after(0, w.start)
	w.daily()
	w.misfortune()
	days := time.Duration(o.Days) * 24 * time.Hour
	w.runUntil(days)
	w.settle(days)
	return result
}

// settle ends the faults and lets everything come to its end. Nobody starts the
// terminal: it must come back by itself.
func (w *world) settle(at time.Duration) {
	day := 24 * time.Hour
	w.heal()
	w.runUntil(at + (calmDays-2)*day)
	w.over = true
	w.runUntil(at + (calmDays-1)*day)
	for _, z := range w.street.people {
		z.visits = 0
		if z.code != "" && !z.done {
			w.after(w.chance.between(time.Minute, 10*time.Hour), z.goes)
		}
	}
	w.runUntil(at + calmDays*day)
	w.oracle.drained()
}

// trace is the last events, readable.
func (w *world) trace(n int) []string {
	var lines []string
	for _, stored := range w.store.log[max(0, len(w.store.log)-n):] {
		e := stored.event
		if _, mark := e.Fact.(locker.ClockMarked); !mark {
			lines = append(lines, fmt.Sprintf("%s %T%+v", e.Time.Format("02 15:04:05.000"), e.Fact, e.Fact))
		}
	}
	return lines
}
