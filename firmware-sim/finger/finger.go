// Package finger makes synthetic fingers and the pictures that a fingerprint
// reader takes of them, for the simulator, the demonstration and the tests: no
// picture of a real finger is needed, and none belongs in this project.
//
// A finger is a ridge pattern on the skin. Its orientation field comes from
// cores and deltas (Sherlock and Monro 1993, with the piecewise linear
// correction of Vizcaya and Gerhardt 1996), its ridges grow from random spots
// under filters tuned to orientation and period, so that endings and
// bifurcations arise where the growing patches meet (Cappelli, "SFinGe", in:
// Handbook of Fingerprint Recognition, 2009, chapter 6). An impression is what
// one touch leaves: displaced, turned, distorted as skin distorts (Cappelli,
// Maio and Maltoni 2001), pressed more or less hard, with dry patches,
// scratches and noise.
//
// The same seed gives the same finger and the same impressions, to the byte on
// one processor architecture; between architectures a grey value may differ by
// the rounding of floating point. Synthetic prints are no measure of an
// engine's accuracy on people: they are easier than bad real ones.
package finger

import (
	"hash/fnv"
	"image"
	"math/rand/v2"
)

// Width and Height of an impression in pixels, at DPI pixels an inch: the
// format of the common capacitive readers.
const (
	Width  = 256
	Height = 288
	DPI    = 500
)

// Finger is one synthetic finger. It doesn't change after New and may be used
// by several goroutines.
type Finger struct {
	seed    uint64
	pattern Pattern
	ridges  *ridges
	dryness float64 // how dry this skin tends to be, 0 to 1
}

// New grows the finger that belongs to the seed. It takes a tenth of a second
// or so; keep the Finger rather than making it again.
func New(seed uint64) *Finger {
	rng := rand.New(rand.NewPCG(seed, 0x66696e676572))
	field := newField(rng)
	return &Finger{
		seed:    seed,
		pattern: field.pattern,
		ridges:  grow(rng, field),
		dryness: 0.6 * rng.Float64(),
	}
}

// Named is the finger of that name: the same name, the same finger.
func Named(name string) *Finger {
	h := fnv.New64a()
	h.Write([]byte(name))
	return New(h.Sum64())
}

// Pattern is the class of the finger's ridge pattern.
func (f *Finger) Pattern() Pattern { return f.pattern }

// Impression is the n-th picture of the finger, Width × Height, 8-bit grey,
// ridges dark on a light ground. Each n is another touch; the same n is the
// same picture.
func (f *Finger) Impression(n int) *image.Gray {
	rng := rand.New(rand.NewPCG(f.seed, uint64(n)*0x9e3779b97f4a7c15+1))
	return newTouch(rng, f.dryness).picture(rng, f.ridges)
}
