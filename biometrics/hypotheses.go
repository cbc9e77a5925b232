package biometrics

import (
	"cmp"
	"math"
	"slices"
)

// motion maps pixels of the candidate to pixels of the probe.
type motion struct {
	cos, sin, dx, dy float64
	angle            float64 // radians, clockwise on the picture
}

func (m motion) apply(x, y float64) (float64, float64) {
	return m.cos*x - m.sin*y + m.dx, m.sin*x + m.cos*y + m.dy
}

// pair names a minutia of the probe, one of the candidate, and how alike their
// surroundings are (0 to 1).
type pair struct {
	probe, candidate int
	similarity       float64
}

// moreSimilar orders pairs; those of the same similarity by their numbers, so that
// the order is always the same.
func moreSimilar(a, b pair) int {
	switch {
	case a.similarity > b.similarity:
		return -1
	case a.similarity < b.similarity:
		return 1
	case a.probe != b.probe:
		return a.probe - b.probe
	default:
		return a.candidate - b.candidate
	}
}

// contest is one comparison at work.
type contest struct {
	probe, candidate *Template
	similarity       []float32 // of each pair of minutiae: probe × candidate
	likely           []pair    // the most similar, best first
	places           []place   // of the likely pairs
	met              []meeting // used again by each pairing
	growth           *registration
}

// place is where the minutiae of a pair lie on their pictures, and the turn from
// the candidate's to the probe's.
type place struct{ probeX, probeY, candidateX, candidateY, turn float64 }

func (c *contest) placeOf(p pair) place {
	a, b := &c.probe.minutiae[p.probe], &c.candidate.minutiae[p.candidate]
	return place{float64(a.X), float64(a.Y), float64(b.X), float64(b.Y), normalAngle(a.Angle - b.Angle)}
}

const (
	// Pairs below are not worth a hypothesis.
	minSimilarity = 0.1

	// Where directions around two minutiae disagree this much, the minutiae
	// around need not be asked.
	minTexture = 0.15

	anchors  = 60  // most similar pairs, each tried as the one that fits
	advisors = 250 // pairs that vote for them

	// A finger is laid within ±126° of upright, or the sensor is wrong way up.
	maxTurn = 2.2

	// Pairs vote within this distance: some pixels for the anchor's own
	// error, and eight percent stretch.
	voteSlack   = 8.0
	voteStretch = 0.08
	voteTurn    = 0.3 // rad

	hypotheses = 3 // kept: more did not help

	// Where a print has this few minutiae, they do not know each other by their
	// neighbours: a small sensor. How the ridges run is asked, too.
	fewMinutiae = 20
	minFlowing  = 0.5 // likeness of the ridges around a pair
	alongFlows  = 20  // most alike pairs tried

	// Hypotheses nearer than this to a better one are the same.
	sameShift = 16.0 // px, at the candidate's middle
	sameTurn  = 0.15 // rad
)

func newContest(probe, candidate *Template) *contest {
	c := &contest{probe: probe, candidate: candidate}
	n := len(candidate.minutiae)
	c.similarity = make([]float32, len(probe.minutiae)*n)
	textures := len(probe.textures) > 0 && len(candidate.textures) > 0
	for i := range probe.minutiae {
		for j := range n {
			if math.Abs(normalAngle(probe.minutiae[i].Angle-candidate.minutiae[j].Angle)) > maxTurn+2*voteTurn {
				continue // neither hypothesis nor vote
			}
			s := 1.0
			if textures {
				if s = probe.textures[i].similarity(&candidate.textures[j]); s < minTexture {
					continue
				}
			}
			s *= probe.cylinders[i].similarity(&candidate.cylinders[j])
			c.similarity[i*n+j] = float32(s)
			if s > minSimilarity {
				c.likely = append(c.likely, pair{i, j, s})
			}
		}
	}
	slices.SortFunc(c.likely, moreSimilar)
	c.likely = c.likely[:min(len(c.likely), advisors)]
	c.places = make([]place, len(c.likely))
	for i, p := range c.likely {
		c.places[i] = c.placeOf(p)
	}
	return c
}

// hypothesis is a way the candidate could lie on the probe.
type hypothesis struct {
	motion motion
	anchor pair
	votes  float64
}

// hypothesise lays the candidate on the probe by each likely pair, lets the
// other likely pairs vote, and returns the best different ones. (Local matches
// consolidated by their agreement: Handbook of Fingerprint Recognition, 4.4.3.)
func (c *contest) hypothesise() []hypothesis {
	var all []hypothesis
	for _, anchor := range c.likely[:min(len(c.likely), anchors)] {
		if m := c.align(anchor); math.Abs(m.angle) <= maxTurn {
			all = append(all, hypothesis{m, anchor, c.votes(anchor, m)})
		}
	}
	slices.SortStableFunc(all, func(a, b hypothesis) int { return cmp.Compare(b.votes, a.votes) })
	var kept []hypothesis
	for _, h := range all {
		if len(kept) < hypotheses && !slices.ContainsFunc(kept, func(k hypothesis) bool { return c.same(h.motion, k.motion) }) {
			kept = append(kept, h)
		}
	}
	return kept
}

// alongFlow is for prints with few minutiae: of the pairs whose surroundings run
// most alike, whatever minutiae are near, it returns the one under which the
// prints do as a whole. Votes are how sure that is: Fisher's transformation of a
// correlation times the root of what it was measured on, here mm².
func (c *contest) alongFlow() (best hypothesis, ok bool) {
	if min(len(c.probe.minutiae), len(c.candidate.minutiae)) > fewMinutiae {
		return best, false
	}
	var alike []pair
	for i, a := range c.probe.minutiae {
		for j, b := range c.candidate.minutiae {
			if math.Abs(normalAngle(a.Angle-b.Angle)) > maxTurn {
				continue
			}
			if s := c.probe.textures[i].similarity(&c.candidate.textures[j]); s > minFlowing {
				alike = append(alike, pair{i, j, s})
			}
		}
	}
	slices.SortFunc(alike, moreSimilar)
	for _, anchor := range alike[:min(len(alike), alongFlows)] {
		m := c.align(anchor)
		flow, area := c.flow(m)
		if sure := math.Atanh(min(flow, 0.999)) * math.Sqrt(area); sure > best.votes {
			best, ok = hypothesis{m, anchor, sure}, true
		}
	}
	return best, ok
}

// align is the motion that lays the pair's minutiae on each other.
func (c *contest) align(p pair) motion {
	at := c.placeOf(p)
	m := motion{angle: at.turn}
	m.sin, m.cos = math.Sincos(m.angle)
	x, y := m.apply(at.candidateX, at.candidateY)
	m.dx, m.dy = at.probeX-x, at.probeY-y
	return m
}

func (c *contest) votes(anchor pair, m motion) float64 {
	centre := c.placeOf(anchor)
	var sum float64
	for k := range c.places {
		p := &c.places[k]
		turn := normalAngle(p.turn - m.angle)
		if math.Abs(turn) > 2*voteTurn {
			continue
		}
		x, y := m.apply(p.candidateX, p.candidateY)
		dx, dy := x-p.probeX, y-p.probeY
		leverX, leverY := centre.probeX-p.probeX, centre.probeY-p.probeY
		slack := voteSlack + voteStretch*math.Sqrt(leverX*leverX+leverY*leverY)
		if miss := (dx*dx + dy*dy) / (slack * slack); miss <= 4 {
			sum += c.likely[k].similarity * math.Exp(-miss/2-turn*turn/(2*voteTurn*voteTurn))
		}
	}
	return sum
}

func (c *contest) same(a, b motion) bool {
	x, y := float64(c.candidate.width)/2, float64(c.candidate.height)/2
	ax, ay := a.apply(x, y)
	bx, by := b.apply(x, y)
	return math.Hypot(ax-bx, ay-by) < sameShift && math.Abs(normalAngle(a.angle-b.angle)) < sameTurn
}

// fit returns the rigid motion that brings the pairs together with least
// weighted squares (Umeyama, PAMI 13(4), 1991), or the one given if there are
// fewer than two. Directions count as points at a lever of 30 px: a minutia's
// direction is as sure as its place seen from there.
func (c *contest) fit(pairs []pair, otherwise motion) motion {
	if len(pairs) < 2 {
		return otherwise
	}
	var ax, ay, bx, by, weight float64
	for _, p := range pairs {
		a, b := c.probe.minutiae[p.probe], c.candidate.minutiae[p.candidate]
		ax, ay = ax+p.similarity*float64(a.X), ay+p.similarity*float64(a.Y)
		bx, by = bx+p.similarity*float64(b.X), by+p.similarity*float64(b.Y)
		weight += p.similarity
	}
	if weight == 0 {
		return otherwise
	}
	ax, ay, bx, by = ax/weight, ay/weight, bx/weight, by/weight
	const lever = 30.0
	var along, across float64
	for _, p := range pairs {
		a, b := c.probe.minutiae[p.probe], c.candidate.minutiae[p.candidate]
		px, py := float64(a.X)-ax, float64(a.Y)-ay
		qx, qy := float64(b.X)-bx, float64(b.Y)-by
		sin, cos := math.Sincos(a.Angle - b.Angle)
		along += p.similarity * (qx*px + qy*py + lever*lever*cos)
		across += p.similarity * (qx*py - qy*px + lever*lever*sin)
	}
	m := motion{angle: math.Atan2(across, along)}
	m.sin, m.cos = math.Sincos(m.angle)
	x, y := m.apply(bx, by)
	m.dx, m.dy = ax-x, ay-y
	return m
}
