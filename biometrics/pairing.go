package biometrics

import (
	"math"
	"slices"
)

// warp says where a pixel of the candidate lies on the probe.
type warp interface {
	apply(x, y float64) (float64, float64)
}

// tolerance is how far paired minutiae may lie apart.
type tolerance struct {
	distance float64 // px
	angle    float64 // rad
}

// First generous, for the skin is elastic; tighter as the motion and then the
// bend become known.
var (
	rigidFirst  = tolerance{22, 0.6}
	rigidNext   = tolerance{20, 0.55}
	elasticPair = tolerance{16, 0.5}
)

// meeting is a pair that could be, and how much speaks for it.
type meeting struct {
	pair
	value float64
}

// pairUnder pairs minutiae that meet under a warp, each at most once, the most
// similar and nearest first. turn is the warp's rotation.
func (c *contest) pairUnder(w warp, turn float64, tol tolerance) []pair {
	met := c.met[:0]
	for j := range c.candidate.minutiae {
		b := &c.candidate.minutiae[j]
		x, y := w.apply(float64(b.X), float64(b.Y))
		whole, reach := int(x), int(tol.distance)+1
		for i := range c.probe.minutiae {
			a := &c.probe.minutiae[i]
			if a.X < whole-reach || a.X > whole+reach {
				continue
			}
			dx, dy := float64(a.X)-x, float64(a.Y)-y
			square := dx*dx + dy*dy
			if square > tol.distance*tol.distance {
				continue
			}
			angle := math.Abs(normalAngle(a.Angle - b.Angle - turn))
			if angle > tol.angle {
				continue
			}
			near := (1 - 0.5*math.Sqrt(square)/tol.distance) * (1 - 0.5*angle/tol.angle)
			s := float64(c.similarity[i*len(c.candidate.minutiae)+j])
			// The offsets let place decide where surroundings are unknown.
			met = append(met, meeting{pair{i, j, near * (0.05 + s)}, near * (0.1 + s)})
		}
	}
	c.met = met
	slices.SortFunc(met, func(a, b meeting) int {
		switch {
		case a.value > b.value:
			return -1
		case a.value < b.value:
			return 1
		default:
			return moreSimilar(a.pair, b.pair)
		}
	})
	usedA, usedB := make([]bool, len(c.probe.minutiae)), make([]bool, len(c.candidate.minutiae))
	pairs := make([]pair, 0, min(len(met), len(usedA), len(usedB)))
	for _, m := range met {
		if !usedA[m.probe] && !usedB[m.candidate] {
			usedA[m.probe], usedB[m.candidate] = true, true
			pairs = append(pairs, m.pair)
		}
	}
	return pairs
}

// bend is a motion followed by a smooth displacement, known at some points of
// the probe and blended between them by Gaussian weights.
type bend struct {
	motion motion
	knots  []knot
}

type knot struct{ x, y, dx, dy, weight float64 }

const (
	bendSigma = 50.0 // px: skin bends over five ridges and more
	bendPrior = 0.3  // weight of no displacement: one poor pair
)

func (b *bend) apply(x, y float64) (float64, float64) {
	x, y = b.motion.apply(x, y)
	dx, dy := b.displacement(x, y, -1)
	return x + dx, y + dy
}

// displacement blends the knots around a pixel of the probe, all but one.
func (b *bend) displacement(x, y float64, but int) (dx, dy float64) {
	sum := bendPrior
	for i, k := range b.knots {
		d := ((x-k.x)*(x-k.x) + (y-k.y)*(y-k.y)) / (2 * bendSigma * bendSigma)
		if d > 8 || i == but {
			continue
		}
		g := k.weight * math.Exp(-d)
		dx, dy, sum = dx+g*k.dx, dy+g*k.dy, sum+g
	}
	return dx / sum, dy / sum
}

// pairElastically refines a hypothesis: a rigid motion from its pairs, then the
// bend that the pairs show, each thrice.
func (c *contest) pairElastically(h hypothesis) (motion, *bend, []pair) {
	m := h.motion
	pairs := c.pairUnder(m, m.angle, rigidFirst)
	for range 3 {
		m = c.fit(pairs, m)
		pairs = c.pairUnder(m, m.angle, rigidNext)
	}
	b := &bend{motion: m}
	for range 3 {
		b = c.bendOf(m, pairs)
		pairs = c.pairUnder(b, m.angle, elasticPair)
	}
	return m, b, pairs
}

func (c *contest) bendOf(m motion, pairs []pair) *bend {
	b := &bend{motion: m, knots: make([]knot, 0, len(pairs))}
	for _, p := range pairs {
		probe, candidate := c.probe.minutiae[p.probe], c.candidate.minutiae[p.candidate]
		x, y := m.apply(float64(candidate.X), float64(candidate.Y))
		b.knots = append(b.knots, knot{x, y, float64(probe.X) - x, float64(probe.Y) - y, p.similarity})
	}
	return b
}

// agreement is what a pairing amounts to.
type agreement struct {
	sum   float64 // of the pairs' similarities
	ratio float64 // paired quality over the quality that lies in the overlap
}

// evidence is what minutiae say where the ridges are registered: how much agrees, relative to what could.
// (Without the ratio, large overlaps of strangers gain too much.)
func (a agreement) evidence() float64 { return a.sum * a.ratio }

// agree judges pairs under a warp.
func (c *contest) agree(pairs []pair, w warp, back warp) (a agreement) {
	var paired float64
	for _, p := range pairs {
		a.sum += p.similarity
		paired += math.Sqrt(c.probe.minutiae[p.probe].weight() * c.candidate.minutiae[p.candidate].weight())
	}
	var ofProbe, ofCandidate float64
	for _, m := range c.candidate.minutiae {
		if c.probe.cover.has(w.apply(float64(m.X), float64(m.Y))) {
			ofCandidate += m.weight()
		}
	}
	for _, m := range c.probe.minutiae {
		if c.candidate.cover.has(back.apply(float64(m.X), float64(m.Y))) {
			ofProbe += m.weight()
		}
	}
	// Two whole minutiae more keep a tiny overlap from being a perfect one.
	a.ratio = paired / (math.Sqrt(ofProbe*ofCandidate) + 2)
	return a
}

// confirmed is what minutiae say where nothing else is known. Each pair counts
// as much as the pairs nearby agree with it, squared: strangers' pairs meet one
// by one, those of one finger move together. It counts less the further it lies
// from where the others' bend has it, without its own knot: a bend that knows the
// pair brings strangers' minutiae together too. The ratio counts twice, once for
// either print.
func (c *contest) confirmed(m motion, pairs []pair, ratio float64) float64 {
	var sum float64
	b := c.bendOf(m, pairs)
	for k, p := range pairs {
		var near, fitting float64
		for l, q := range pairs {
			if l == k {
				continue
			}
			nearby, fits := c.consistent(m, p, q)
			if nearby {
				near += q.similarity
			}
			if fits {
				fitting += q.similarity
			}
		}
		if near > 0 {
			share := fitting / near
			at := b.knots[k]
			dx, dy := b.displacement(at.x, at.y, k)
			miss := (at.dx-dx)*(at.dx-dx) + (at.dy-dy)*(at.dy-dy)
			sum += p.similarity * share * share * math.Exp(-miss/(2*missSigma*missSigma))
		}
	}
	return sum * ratio * ratio
}

const (
	missSigma = 7.0 // px: three quarters of a ridge period; other makers tell places no better

	nearbyReach   = 100.0 // px: pairs further apart tell little of each other
	nearbySlack   = 4.0   // px that two pairs may differ in their vector, and
	nearbyStretch = 0.15  // of its length
)

// consistent tells whether two pairs are near each other on the candidate, and
// if so, whether they are in the same way to each other on the probe.
func (c *contest) consistent(m motion, p, q pair) (nearby, fits bool) {
	a, b := c.probe.minutiae[p.probe], c.probe.minutiae[q.probe]
	d, e := c.candidate.minutiae[p.candidate], c.candidate.minutiae[q.candidate]
	dx, dy := float64(d.X-e.X), float64(d.Y-e.Y)
	square := dx*dx + dy*dy
	if square > nearbyReach*nearbyReach {
		return false, false
	}
	missX := float64(a.X-b.X) - (m.cos*dx - m.sin*dy)
	missY := float64(a.Y-b.Y) - (m.sin*dx + m.cos*dy)
	slack := nearbySlack + nearbyStretch*math.Sqrt(square)
	return true, missX*missX+missY*missY < slack*slack
}

func (m Minutia) weight() float64 { return float64(m.Quality) / 100 }

// inverse maps pixels of the probe to the candidate.
func (m motion) inverse() motion {
	inv := motion{cos: m.cos, sin: -m.sin, angle: -m.angle}
	inv.dx = -(m.cos*m.dx + m.sin*m.dy)
	inv.dy = m.sin*m.dx - m.cos*m.dy
	return inv
}
