package finger

import (
	"math"
	"math/rand/v2"
)

// Pattern is the class of a ridge pattern, after Henry.
type Pattern int

// The classes, in the order of the table of frequencies in newField.
const (
	LeftLoop Pattern = iota
	RightLoop
	Whorl
	Arch
	TentedArch
)

func (p Pattern) String() string {
	switch p {
	case LeftLoop:
		return "left loop"
	case RightLoop:
		return "right loop"
	case Whorl:
		return "whorl"
	case Arch:
		return "arch"
	case TentedArch:
		return "tented arch"
	}
	return "unknown pattern"
}

// field says how the ridges run at each point of a finger. Points are in
// pixels at DPI, relative to the middle of the pad, x to the right and y
// towards the fingertip.
type field struct {
	pattern       Pattern
	cores, deltas []singularity
	arc           float64 // how much the ridges follow the fingertip, radians at its edge
	bump          bump    // of a plain arch, which has no singularity
	period        float64 // mean ridge period, pixels
	periodNoise   *noise
	bend          *noise
}

// singularity is a core or a delta. Around it the orientation turns by half a
// turn; correct bends the turning, as the angle to it varies.
type singularity struct {
	x, y    float64
	correct [8]float64 // radians at each eighth of a turn
}

// bump is the hill in the middle of a plain arch.
type bump struct {
	height, width, y, reach float64
}

func newField(rng *rand.Rand) *field {
	f := &field{
		pattern:     draw(rng),
		arc:         between(rng, 0.45, 0.75),
		period:      between(rng, 8.3, 10.2),
		periodNoise: newNoise(rng, 50),
		bend:        newNoise(rng, 110),
	}
	x, y := between(rng, -10, 10), between(rng, 10, 40)
	at := func(x, y float64) singularity { return newSingularity(rng, x, y) }
	switch f.pattern {
	case LeftLoop, RightLoop:
		side := 1.0
		if f.pattern == RightLoop {
			side = -1
		}
		f.cores = []singularity{at(x, y)}
		f.deltas = []singularity{at(side*between(rng, 75, 110), y-between(rng, 85, 125))}
	case Whorl:
		apart := between(rng, 12, 38)
		f.cores = []singularity{at(x-between(rng, -8, 8), y+apart), at(x, y-apart)}
		f.deltas = []singularity{
			at(-between(rng, 85, 120), y-between(rng, 75, 120)),
			at(between(rng, 85, 120), y-between(rng, 75, 120)),
		}
	case TentedArch:
		f.cores = []singularity{at(x, y-10)}
		f.deltas = []singularity{at(x+between(rng, -8, 8), y-between(rng, 80, 110))}
	case Arch:
		f.bump = bump{between(rng, 0.7, 1.2), between(rng, 40, 60), y - 40, between(rng, 70, 90)}
	}
	return f
}

// draw draws a class with the frequencies found in people (Wilson, Candela and
// Watson 1994).
func draw(rng *rand.Rand) Pattern {
	p := rng.Float64()
	for i, share := range []float64{0.338, 0.317, 0.279, 0.037} {
		if p < share {
			return Pattern(i)
		}
		p -= share
	}
	return TentedArch
}

func newSingularity(rng *rand.Rand, x, y float64) singularity {
	s := singularity{x: x, y: y}
	for i := range s.correct {
		s.correct[i] = between(rng, -0.22, 0.22)
	}
	return s
}

// turn is the corrected angle from the singularity to (x, y).
func (s singularity) turn(x, y float64) float64 {
	a := math.Atan2(y-s.y, x-s.x)
	at := (a + math.Pi) / (2 * math.Pi) * float64(len(s.correct))
	i := math.Floor(at)
	t := at - i
	n := len(s.correct)
	from, to := s.correct[int(i)%n], s.correct[(int(i)+1)%n]
	return a + from*(1-t) + to*t
}

// orientation of the ridges at (x, y), in radians modulo π, anticlockwise from
// the x axis.
func (f *field) orientation(x, y float64) float64 {
	var turn float64
	for _, c := range f.cores {
		turn += c.turn(x, y)
	}
	for _, d := range f.deltas {
		turn -= d.turn(x, y)
	}
	o := turn / 2
	o -= f.arc * x / 150 * smoothstep((y+80)/220)
	if b := f.bump; b.height > 0 {
		u, v := x/b.width, (y-b.y)/b.reach
		o -= math.Atan(b.height * u * math.Exp((1-u*u-v*v)/2))
	}
	return o + 0.12*f.bend.at(x, y)
}

// ridgePeriod is the distance from ridge to ridge at (x, y), in pixels. Ridges
// are finer around the core and coarser towards the joint, as on real fingers.
func (f *field) ridgePeriod(x, y float64) float64 {
	t := 1 + 0.14*f.periodNoise.at(x, y) + 0.10*smoothstep((-y-30)/120)
	for _, c := range f.cores {
		dx, dy := x-c.x, y-c.y
		t -= 0.06 * math.Exp(-(dx*dx+dy*dy)/(2*35*35))
	}
	return f.period * t
}

// between draws evenly from low to high.
func between(rng *rand.Rand, low, high float64) float64 {
	return low + (high-low)*rng.Float64()
}

// smoothstep rises smoothly from 0 at 0 to 1 at 1.
func smoothstep(t float64) float64 {
	t = min(max(t, 0), 1)
	return t * t * (3 - 2*t)
}
