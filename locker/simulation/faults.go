package simulation

import (
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
)

// faults is how often what goes wrong. Each run draws its own mixture, so that
// some runs meet one kind alone and often.
type faults struct {
	cutAtWrite, cutPerDay                                 float64
	commitLost, commitAmbiguous, slotFails                float64
	fullPerDay                                            float64
	slow                                                  float64 // a job of the vault takes longer than anybody waits
	drop, duplicate, reorder, outages, hostile            float64
	backup                                                float64 // the city loses its last events
	clockPerDay, liePerDay                                float64
	bounce                                                float64
	lockPerDay, contactPerDay, forcedPerDay, readerPerDay float64
	boardPerDay                                           float64
}

func drawFaults(d *dice) faults {
	some := func(most float64) float64 {
		if d.hits(0.35) {
			return 0
		}
		return most * d.r.Float64()
	}
	return faults{
		cutAtWrite: some(0.002), cutPerDay: some(0.5),
		commitLost: some(0.001), commitAmbiguous: some(0.001), slotFails: some(0.05),
		fullPerDay: some(0.1), slow: some(0.01),
		drop: some(0.05), duplicate: some(0.1), reorder: some(0.05), outages: some(0.5), hostile: some(3), backup: some(0.1),
		clockPerDay: some(0.3), liePerDay: some(0.4), bounce: some(0.2),
		lockPerDay: some(0.3), contactPerDay: some(0.3), forcedPerDay: some(0.2), readerPerDay: some(0.2),
		boardPerDay: some(0.12),
	}
}

// outage is how long the power is away: mostly a moment, sometimes a day.
func (f faults) outage(d *dice) time.Duration {
	switch n := d.upTo(20); {
	case n < 14:
		return d.between(time.Second, 2*time.Minute)
	case n < 19:
		return d.between(2*time.Minute, 3*time.Hour)
	}
	return d.between(3*time.Hour, 60*time.Hour)
}

// latency is how long a job takes until its effect, and then until its answer.
func (f faults) latency(w *world, n controller.Lane) (before, later time.Duration) {
	switch n {
	case controller.LockLane:
		return 5 * time.Millisecond, 200 * time.Millisecond
	case controller.ReaderLane:
		return w.chance.between(200*time.Millisecond, time.Second), 10 * time.Millisecond
	default:
	}
	if !w.calm && w.fate.hits(f.slow) {
		return w.fate.between(time.Second, 45*time.Second), w.fate.between(0, 10*time.Second)
	}
	return time.Millisecond, w.chance.between(time.Millisecond, 150*time.Millisecond)
}

// misfortune draws for each day what its faults are and when they come.
func (w *world) misfortune() {
	day := 24 * time.Hour
	d, f := w.fate, w.faults
	w.every(day, func() {
		often := func(rate float64, do func()) {
			for ; rate > 0; rate-- {
				if d.hits(min(rate, 1)) {
					w.after(d.between(0, day), func() {
						if !w.calm {
							do()
						}
					})
				}
			}
		}
		often(f.cutPerDay, w.cut)
		often(f.fullPerDay, func() {
			w.fillDisk(int64(d.upTo(reserve)))
			w.after(d.between(time.Minute, 2*time.Hour), w.emptyDisk)
		})
		often(f.outages, func() {
			w.broker.set(false)
			w.after(d.between(10*time.Second, 8*time.Hour), func() { w.broker.set(true) })
		})
		often(f.hostile, w.hostile)
		often(f.backup, func() { w.city.restored(d.upTo(60)) })
		often(f.clockPerDay, w.clockJumps)
		often(f.liePerDay, w.cityLies)
		often(f.lockPerDay, func() { w.lockBreaks(pick(d, w.wall.doors)) })
		often(f.contactPerDay, func() { w.contactBreaks(pick(d, w.wall.doors)) })
		often(f.forcedPerDay, func() { w.vandal(pick(d, w.wall.doors)) })
		often(f.forcedPerDay/2, func() {
			w.shake(true)
			w.after(d.between(time.Second, 3*time.Hour), func() { w.shake(false) })
		})
		often(f.forcedPerDay/2, func() { w.opensByKey(pick(d, w.wall.doors)) })
		often(f.boardPerDay, w.boardDies)
		often(f.readerPerDay, func() {
			w.reader.set(false)
			w.after(d.between(time.Minute, 10*time.Hour), func() { w.reader.set(true) })
		})
	})
}

// fillDisk takes all space but what the journal holds, and some of that: it was
// full before.
func (w *world) fillDisk(held int64) {
	if w.store.free == 0 {
		return
	}
	w.store.free, w.store.held = 0, held
	w.spaceChanged()
}

func (w *world) emptyDisk() {
	if w.store.free > 0 {
		return
	}
	w.store.free, w.store.held = roomy, reserve
	w.spaceChanged()
}

func (w *world) spaceChanged() {
	if p := w.process; p != nil && p.ready {
		w.protect(p.watchSpace)
	}
}

func (w *world) clockJumps() {
	d := w.fate
	switch d.upTo(6) {
	case 0:
		w.clock = 0
	case 4:
		w.clock = -w.time().Sub(time.Unix(0, 0)) // it lost its time
	case 5:
		w.clock = d.between(0, 100*366*24*time.Hour)
	case 1:
		w.clock = d.between(-20*time.Minute, 20*time.Minute)
	case 2:
		w.clock = d.between(-400*24*time.Hour, 0)
	default:
		w.clock = d.between(0, 400*24*time.Hour)
	}
}

// firstClock is what the clock of a new board shows: perhaps local time, or what
// an empty battery left. Somebody sets it right later, or nobody does.
func (w *world) firstClock() {
	d := w.fate
	w.clock = 0
	if w.calm || !d.hits(0.5) {
		return
	}
	w.clock = pick(d, []time.Duration{2 * time.Hour, -2 * time.Hour, 73 * 365 * 24 * time.Hour, -w.time().Sub(time.Unix(0, 0))})
	if d.hits(0.5) {
		w.after(d.between(time.Minute, time.Hour), func() { w.clock = 0 })
	}
}

// cityLies is a city whose clock is wrong for seconds or hours: by the hours of a
// time zone, by days, or by decades. A lie of six hours is followed, see package
// locker; none is that long. Until a document is laid in, any is followed.
func (w *world) cityLies() {
	d := w.fate
	if !w.oracle.laid {
		return
	}
	switch d.upTo(4) {
	case 0:
		w.lie = d.between(-30*time.Minute, 30*time.Minute)
	case 1:
		w.lie = d.between(-14*time.Hour, 14*time.Hour)
	case 2:
		w.lie = d.between(-60*24*time.Hour, 60*24*time.Hour)
	default:
		w.lie = d.between(-50*366*24*time.Hour, 100*366*24*time.Hour)
	}
	lasts := d.between(time.Second, time.Minute)
	if d.hits(0.6) {
		lasts = d.between(time.Minute, 5*time.Hour)
	}
	w.after(lasts, func() { w.lie = 0 })
}

func (w *world) lockBreaks(d *door) {
	d.lock = pick(w.fate, []lockState{lockSluggish, lockJammed, lockBroken})
	w.after(w.fate.between(time.Hour, 30*time.Hour), func() { d.lock = lockFine })
}

func (w *world) contactBreaks(d *door) {
	w.wall.setContact(d, pick(w.fate, []contactState{contactDead, contactStuck, contactCut}))
	w.after(w.fate.between(time.Hour, 30*time.Hour), func() { w.wall.setContact(d, contactFine) })
}

// vandal breaks a door open, perhaps takes what lies there, and perhaps closes it.
func (w *world) vandal(d *door) {
	w.wall.force(d)
	if w.fate.hits(0.4) {
		w.oracle.robbed(d, w.wall.take(d, stolen))
	}
	closes := w.fate.between(time.Second, 30*time.Second)
	if w.fate.hits(0.4) {
		closes = w.fate.between(10*time.Minute, 5*time.Hour) // somebody comes by
	}
	w.after(closes, func() { w.wall.set(d, false) })
}

// opensByKey is somebody with the mechanical key who has announced nothing, and
// takes nothing.
func (w *world) opensByKey(d *door) {
	w.wall.force(d)
	w.after(w.fate.between(10*time.Second, 5*time.Minute), func() { w.wall.set(d, false) })
}

// shake is somebody at the cabinet, or their leaving.
func (w *world) shake(yes bool) {
	if w.shaken == yes {
		return
	}
	w.shaken = yes
	if p := w.process; p != nil && p.ready {
		p.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: yes})
	}
}

// hostile is whoever can write to the broker.
func (w *world) hostile() {
	d, c := w.fate, w.city
	kinds := []locker.MessageKind{locker.MessageOrder, locker.MessageRoster, locker.MessageCommand, locker.MessagePosted}
	switch d.upTo(6) {
	case 4, 5:
		w.rogue()
	case 0: // an acknowledgement that the city never gave
		a := ack{size: d.upTo(len(w.store.log) + 50), time: w.time().Add(1000 * time.Hour), mac: []byte("forged")}
		w.broker.toTerminal(func(p *process) { p.line.acknowledged(a) })
	case 1:
		c.send(pick(d, kinds), []byte("rubbish"))
	case 2: // an old message once more, also on the wrong topic
		if len(c.files) > 0 {
			if m := pick(d, c.files).message; m != nil {
				c.send(pick(d, kinds), m)
			}
		}
	default: // an event that the terminal never had
		at := len(c.held) + len(c.waiting)
		w.broker.pass(func() {
			c.receive(parcel{board: w.board, from: at, bodies: [][]byte{[]byte(`{"type":"de.nachtfach.clock.marked.v1"}`)}})
		})
	}
}

// heal ends all faults: the power is back and stays, the clock is right,
// everything is repaired, and nobody means harm. An outage may last for days, and
// nobody can collect a document from a terminal without power.
func (w *world) heal() {
	w.calm, w.calmSince = true, w.now
	w.faults = faults{}
	w.clock, w.lie, w.broker.up = 0, 0, true
	w.emptyDisk()
	for _, z := range w.street.people {
		z.habits = habits{pace: time.Second}
	}
	for _, g := range slices.Sorted(maps.Keys(w.city.letters)) {
		if l := w.city.letters[g]; l.posted == "" {
			w.after(w.chance.between(time.Hour, 30*time.Hour), func() { w.city.post(g, l) })
		}
	}
	for _, d := range w.wall.doors {
		d.lock = lockFine
		w.protect(func() { w.wall.setContact(d, contactFine) })
		w.protect(func() { w.wall.set(d, false) })
	}
	w.after(0, w.power)
	w.protect(func() { w.reader.set(true) })
	w.protect(func() { w.shake(false) })
}
