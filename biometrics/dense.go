package biometrics

import "math"

const (
	// Seeds are paired minutiae whose surroundings are alike and whose place
	// relative to at least two, and half, of the pairs nearby fits.
	seedSimilarity = 0.1
	seedReach      = 100.0 // px: how far is nearby
	seedSlack      = 4.0   // px, and
	seedStretch    = 0.15  // of the distance
	minSeeds       = 3
)

// densePair is how far minutiae may lie apart once the ridges are registered:
// about a ridge period.
var densePair = tolerance{11, 0.5}

// registered is a comparison of ridges that went through.
type registered struct {
	agreement
	coherence float64
}

// likeness is the score of a registration: how well the ridges agree, times
// how much evidence of minutiae there is. The evidence of independent pairs
// adds up in the square, hence the root.
func (d registered) likeness() float64 { return d.coherence * math.Sqrt(d.sum) }

// register grows the candidate over the probe from paired minutiae, and pairs
// them anew under what it found. ok is false if it did not get far.
func (c *contest) register(m motion, pairs []pair) (d registered, ok bool) {
	seeds := c.seeds(m, pairs)
	if len(seeds) < minSeeds {
		return d, false
	}
	r := newRegistration(c.probe.ridges, c.candidate.ridges, m)
	if !r.grow(seeds) {
		return d, false
	}
	pairs = c.pairUnder(r, m.angle, densePair)
	return registered{c.agree(pairs, r, backward{r}), r.coherence()}, true
}

// seeds returns the pairs that their neighbours confirm.
func (c *contest) seeds(m motion, pairs []pair) []seed {
	var seeds []seed
	for k, p := range pairs {
		if p.similarity < seedSimilarity {
			continue
		}
		near, fitting := 0, 0
		for l, q := range pairs {
			if l == k || q.similarity < seedSimilarity {
				continue
			}
			distance, miss := c.relativeMiss(m, p, q)
			if distance > seedReach {
				continue
			}
			near++
			if miss < seedSlack+seedStretch*distance {
				fitting++
			}
		}
		if fitting >= 2 && 2*fitting >= near {
			a, b := c.probe.minutiae[p.probe], c.candidate.minutiae[p.candidate]
			x, y := m.apply(float64(b.X), float64(b.Y))
			seeds = append(seeds, seed{float64(b.X), float64(b.Y), float64(a.X) - x, float64(a.Y) - y})
		}
	}
	return seeds
}

// relativeMiss is how far two pairs are apart on the candidate, and how much
// their vector differs from the one on the probe.
func (c *contest) relativeMiss(m motion, p, q pair) (distance, miss float64) {
	a, b := c.probe.minutiae[p.probe], c.probe.minutiae[q.probe]
	d, e := c.candidate.minutiae[p.candidate], c.candidate.minutiae[q.candidate]
	dx, dy := float64(d.X-e.X), float64(d.Y-e.Y)
	px, py := float64(a.X-b.X), float64(a.Y-b.Y)
	return math.Hypot(dx, dy), math.Hypot(px-(m.cos*dx-m.sin*dy), py-(m.sin*dx+m.cos*dy))
}
