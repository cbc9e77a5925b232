package biometrics

import "math"

const (
	// Seeds are paired minutiae whose surroundings are alike and whose place
	// relative to at least two, and half, of the pairs nearby fits.
	seedSimilarity = 0.1
	minSeeds       = 3

	// The surroundings of an anchor, in pixels and rad: where skin is stiff.
	anchorReach   = 90.0
	anchorSigma   = 50.0
	anchorSlack   = 6.0
	anchorStretch = 0.10
	anchorTurn    = 0.4
)

// densePair is how far minutiae may lie apart once the ridges are registered:
// about a ridge period.
var densePair = tolerance{11, 0.5}

// registered is a comparison of ridges that went through.
type registered struct {
	agreement
	coherence float64
}

const (
	// More is not better: it keeps Fisher's transformation finite, and ridges
	// without a minutia between them from opening a door.
	mostCoherent = 0.95

	// Ridges that lie on each other are worth something where no minutiae do: one
	// poor pair.
	ridgeEvidence = 0.02
)

// likeness is the score of a registration: how well the ridges agree, times the
// evidence of the minutiae under it.
//
// The ridges count by Fisher's transformation of a correlation, whose spread is
// the same everywhere: strangers' coherence seldom passes 0.7, and it is a longer
// way from 0.8 to 0.9 than from 0.3 to 0.4. The evidence counts by a root, because
// minutiae are far from independent of the ridges and of each other: what counts
// is that both agree. (Any root from 0.37 to 0.43, and any ridgeEvidence from
// 0.02 to 0.05, gives the same within a pair or two of genuine ones.)
func (d registered) likeness() float64 {
	return math.Atanh(min(d.coherence, mostCoherent)) * math.Pow(d.evidence()+ridgeEvidence, 0.4)
}

// register lays the candidate's ridges over the probe's, from all paired
// minutiae that confirm each other; if they are few, or wrong, from the
// surroundings of the anchor alone. It returns the likeness; ok is false if
// neither got far.
func (c *contest) register(h hypothesis, m motion, pairs []pair, g gates) (likeness float64, ok bool) {
	if seeds := c.seeds(m, pairs); len(seeds) >= minSeeds {
		if likeness, ok = c.growFrom(m, seeds, g); ok {
			return likeness, true
		}
	}
	return c.growFromAnchor(h, c.fit(c.nearAnchor(h), h.motion), g)
}

// growFromAnchor registers under a motion from a hypothesis' anchor on.
func (c *contest) growFromAnchor(h hypothesis, m motion, g gates) (likeness float64, ok bool) {
	b := c.candidate.minutiae[h.anchor.candidate]
	return c.growFrom(m, []seed{{x: float64(b.X), y: float64(b.Y)}}, g)
}

// growFrom registers from seeds, and pairs the minutiae anew under what it found.
func (c *contest) growFrom(m motion, seeds []seed, g gates) (likeness float64, ok bool) {
	r := newRegistration(c.probe.ridges, c.candidate.ridges, m, c.growth)
	c.growth = r
	if !r.grow(seeds) {
		return 0, false
	}
	likeness = c.judge(r)
	for _, least := range g.relaxing {
		if likeness < least || likeness > g.enough {
			break
		}
		r.relax()
		likeness = c.judge(r)
	}
	return likeness, true
}

// flow is how parallel the ridges of both prints run under a motion, from 0 to 1:
// the mean of the cosine of the doubled angle between them, weighted by quality,
// at one in nine cells; and the area in mm² on which they lie on each other.
func (c *contest) flow(m motion) (parallel, area float64) {
	probe, candidate := c.probe.ridges, c.candidate.ridges
	turn := int32(math.Round(m.angle / math.Pi * 256))
	var sum, weight float32
	cells := 0
	for y := nodePitch / 2; y < candidate.h; y += nodePitch {
		for x := nodePitch / 2; x < candidate.w; x += nodePitch {
			b := &candidate.waves[y*candidate.w+x]
			if b.weight == 0 {
				continue
			}
			px, py := m.apply(float64((x+candidate.left)*cell+cell/2), float64((y+candidate.top)*cell+cell/2))
			if a := probe.at(int(math.Floor(px/cell)), int(math.Floor(py/cell))); a != nil {
				both := a.weight * b.weight
				sum += both * turns[uint8(b.angle+turn-a.angle)][0]
				weight += both
				cells++
			}
		}
	}
	if weight == 0 {
		return 0, 0
	}
	return max(float64(sum/weight), 0), float64(cells) * nodePitch * nodePitch / cellsPerSquareMillimetre
}

// judge pairs the minutiae anew under a registration.
func (c *contest) judge(r *registration) float64 {
	pairs := c.pairUnder(r, r.motion.angle, densePair)
	return registered{c.agree(pairs, r, backward{r}), r.coherence()}.likeness()
}

// nearAnchor returns the likely pairs around a hypothesis' anchor that fit it,
// near ones counting more.
func (c *contest) nearAnchor(h hypothesis) []pair {
	centre := c.probe.minutiae[h.anchor.probe]
	var near []pair
	for _, p := range c.likely {
		a, b := c.probe.minutiae[p.probe], c.candidate.minutiae[p.candidate]
		distance := math.Hypot(float64(a.X-centre.X), float64(a.Y-centre.Y))
		x, y := h.motion.apply(float64(b.X), float64(b.Y))
		miss := math.Hypot(float64(a.X)-x, float64(a.Y)-y)
		turn := math.Abs(normalAngle(a.Angle - b.Angle - h.motion.angle))
		if distance > anchorReach || miss > anchorSlack+anchorStretch*distance || turn > anchorTurn {
			continue
		}
		p.similarity *= math.Exp(-distance * distance / (2 * anchorSigma * anchorSigma))
		near = append(near, p)
	}
	return near
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
			nearby, fits := c.consistent(m, p, q)
			if nearby {
				near++
			}
			if fits {
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
