package biometrics

import "math"

// Score is the outcome of a comparison.
type Score struct {
	// Similarity grows with likeness: of strangers, about one pair in
	// 10^Similarity gets as far. Below 0, down to -2, is what most strangers have.
	Similarity float64

	// FMR is the same as a rate: the estimated share of comparisons of
	// different fingers that reach this similarity, 0 to 1.
	FMR float64
}

// noMatch is the score of what cannot be compared.
var noMatch = Score{Similarity: -2, FMR: 1}

// Compare compares two templates. With the dense part on both sides it compares
// minutiae first, and the ridges themselves where that can matter; else it
// compares minutiae alone. A template that is nil matches nothing.
func Compare(probe, candidate *Template) Score { return compare(probe, candidate, usual) }

// gates save work where it cannot change what a door does: they cost no genuine
// pair that a door would open for. The tests compare with and without.
type gates struct {
	// Evidence of minutiae below which ridges are not registered, where the prints
	// overlap by halfAPrint: a few pairs that meet by chance, which become more,
	// and their sum wider, with the root of the area. Evidence counts as far as
	// the ridges between run alike, for either print.
	registering float64

	// Votes of a hypothesis along the flow of few minutiae's prints below which it
	// is not registered: what every other stranger reaches on a small sensor.
	flowing float64

	// Likeness below which a growth is a stranger's, before each relaxation, which
	// costs as much as growing: what most strangers reach, one in five, one in fifty.
	relaxing [3]float64

	// A likeness that needs no better one: one stranger in a million has it.
	enough float64
}

// halfAPrint is a usual overlap of two flat prints, in mm².
const halfAPrint = 60

var usual = gates{registering: 0.1, flowing: 12, relaxing: [3]float64{0.13, 0.19, 0.29}, enough: 0.7}

func compare(probe, candidate *Template, g gates) Score {
	if probe == nil || candidate == nil {
		return noMatch
	}
	c := newContest(probe, candidate)
	dense := probe.ridges != nil && candidate.ridges != nil
	var minutiae, ridges float64
	registered := false
	for _, h := range c.hypothesise() {
		m, bend, pairs := c.pairElastically(h)
		a := c.agree(pairs, bend, m.inverse())
		if !dense {
			minutiae = max(minutiae, c.confirmed(m, pairs, a.ratio))
			continue
		}
		if flow, area := c.flow(m); a.evidence()*flow*flow <= g.registering*math.Sqrt(area/halfAPrint) {
			continue
		}
		if likeness, ok := c.register(h, m, pairs, g); ok {
			ridges, registered = max(ridges, likeness), true
		}
		if ridges > g.enough {
			break
		}
	}
	if dense && ridges <= g.enough {
		if h, ok := c.alongFlow(); ok && h.votes > g.flowing {
			if likeness, ok := c.growFromAnchor(h, h.motion, g); ok {
				ridges, registered = max(ridges, likeness), true
			}
		}
	}
	switch {
	case registered:
		return denseLaw.score(ridges).atMost(c.worth())
	case dense:
		return noMatch // whatever minutiae say, the ridges do not lie on each other
	default:
		return minutiaeLaw.score(minutiae).atMost(c.worth())
	}
}

// worth is the most that a comparison can say, in powers of ten. A scrap of a few
// square millimetres fits many fingers, ridges and all, and the laws were not made
// on scraps: each minutia that the poorer print has is worth half a power, and the
// ridges one and a half. So a print of four opens nothing at one in 10,000.
func (c *contest) worth() float64 {
	return 1.5 + 0.5*float64(min(len(c.probe.minutiae), len(c.candidate.minutiae)))
}
