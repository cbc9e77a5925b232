package simulation

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// began is the true time at which each run starts: a Monday in March, so that
// 30 days cross the change to summer time.
var began = time.Date(2026, time.March, 2, 7, 0, 0, 0, time.UTC)

// world is one run. Everything that happens is an event of its heap; nothing
// else moves its time.
type world struct {
	now    time.Duration // true time since began
	heap   heap
	count  uint64 // of events put into the heap
	chance *dice  // of people and city
	fate   *dice  // of faults
	faults faults
	calm   bool // faults have ended
	over   bool // nothing new begins
	dark   bool // the power is away

	calmSince time.Duration
	bug       Bug

	config  locker.Config
	store   *store
	board   int              // how many have died
	adopted *locker.Adoption // by the one that runs; nil: the first
	crypto  *crypto
	wall    *wall
	reader  *reader
	shaken  bool          // the cabinet's sensor speaks up
	clock   time.Duration // by which the board's clock is wrong
	lie     time.Duration // by which the city's clock is wrong
	process *process      // nil: no power, or between two starts
	city    *city
	broker  *broker
	street  *street
	oracle  *oracle
	hash    hash.Hash
	starts  int
}

// wrong ends a run with what the oracle has found.
type wrong struct{ what string }

// blackout ends what was happening when the power went.
type blackout struct{}

func newWorld(o Options) *world {
	w := &world{
		chance: newDice(o.Seed, 1), fate: newDice(o.Seed, 2), bug: o.Bug,
		config: layout(), store: newStore(), hash: sha256.New(),
	}
	var seed [32]byte
	copy(seed[:], digest(fmt.Append(nil, "secrets", o.Seed)))
	w.crypto = &crypto{rand: rand.NewChaCha8(seed), numbers: map[string]locker.OrderID{}}
	if o.Seed%2 == 0 { // a reader that looks for fakes allows more comparisons
		w.config.Detection, w.config.Rules.FactorTries = true, 10
	}
	w.config.HardwareKey = o.Seed%3 == 0 || w.bug == RootKept
	w.wall = newWall(w)
	w.reader = &reader{w: w, works: true}
	w.oracle = newOracle(w)
	w.broker = &broker{w: w, up: true}
	w.city = newCity(w)
	w.street = newStreet(w)
	w.faults = drawFaults(w.fate)
	if w.bug == ReusedInDoubt { // needs a cut within the seconds of laying in
		w.faults.cutAtWrite = 0.01
	}
	if w.bug == StoreGivenUp {
		w.faults.fullPerDay = 1
	}
	if w.bug == AdoptedUnseen {
		w.faults.boardPerDay = 0.3
	}
	return w
}

// layout is a small terminal with all that the rules tell apart.
func layout() locker.Config {
	c := locker.Config{Terminal: "rathaus", Rules: locker.DefaultRules()}
	c.Sensors = []locker.Sensor{locker.SensorTamper}
	for n, size := range []locker.Size{1, 1, 1, 1, 1, 2, 2, 3} {
		c.Compartments = append(c.Compartments, locker.CompartmentSpec{
			Number: locker.CompartmentID(n + 1), Size: size, Height: 30 + 20*n, Row: n/4 + 1, Column: n%4 + 1, LowReach: n == 3 || n == 6,
		})
	}
	return c
}

// time is the true time.
func (w *world) time() time.Time { return began.Add(w.now) }

// cityTime is what the city's clock shows.
func (w *world) cityTime() time.Time { return w.time().Add(w.lie) }

// at puts what shall happen into the heap; never before now.
func (w *world) at(t time.Duration, do func()) {
	w.count++
	w.heap.push(event{max(t, w.now), w.count, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now+d, do) }

// every repeats until the run ends.
func (w *world) every(d time.Duration, do func()) {
	w.after(d, func() {
		w.every(d, do)
		do()
	})
}

// runUntil lets time pass.
func (w *world) runUntil(end time.Duration) {
	for len(w.heap) > 0 && w.heap[0].at <= end {
		e := w.heap.pop()
		w.now = e.at
		w.protect(e.do)
	}
	w.now = end
}

// protect lets the power go in the middle of anything.
func (w *world) protect(do func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(blackout); !ok {
				panic(r)
			}
		}
	}()
	do()
}

// cut takes the power away, here and now.
func (w *world) cut() {
	if p := w.process; p != nil {
		p.end()
		w.dark = true
		w.after(w.faults.outage(w.fate), w.power)
	}
	panic(blackout{})
}

// power is the end of an outage.
func (w *world) power() {
	if w.dark {
		w.dark = false
		w.start()
	}
}

func (w *world) cutsNow() bool {
	return w.process != nil && !w.calm && w.fate.hits(w.faults.cutAtWrite)
}

// mayCut is called wherever a power cut makes a difference.
func (w *world) mayCut() {
	if w.cutsNow() {
		w.cut()
	}
}

func (w *world) fail(format string, args ...any) {
	panic(wrong{fmt.Sprintf(format, args...)})
}

// dice is a source of chance that repeats for a seed.
type dice struct{ r *rand.Rand }

func newDice(seed, stream uint64) *dice { return &dice{rand.New(rand.NewPCG(seed, stream))} }

// hits comes true with probability p. Zero costs nothing and draws nothing.
func (d *dice) hits(p float64) bool { return p > 0 && d.r.Float64() < p }

// upTo draws from 0 to n-1.
func (d *dice) upTo(n int) int { return d.r.IntN(n) }

// between draws a duration.
func (d *dice) between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.r.Int64N(int64(to-from)+1))
}

func pick[T any](d *dice, list []T) T { return list[d.upTo(len(list))] }

// event is something that will happen; those of one time happen in the order in
// which they were put in.
type event struct {
	at    time.Duration
	count uint64
	do    func()
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.count < f.count }

type heap []event

func (h *heap) push(e event) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *heap) pop() event {
	s := *h
	top := s[0]
	s[0] = s[len(s)-1]
	s[len(s)-1] = event{}
	s = s[:len(s)-1]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
			if s[c].before(s[least]) {
				least = c
			}
		}
		if least == i {
			break
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
	*h = s
	return top
}
