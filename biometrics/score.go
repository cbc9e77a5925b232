package biometrics

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
func Compare(probe, candidate *Template) Score {
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
		if flow := max(c.flow(m), 0); a.evidence()*flow*flow < worthRegistering {
			continue
		}
		if likeness, ok := c.register(h, m, pairs); ok {
			ridges, registered = max(ridges, likeness), true
		}
		if ridges > beyondDoubt {
			break
		}
	}
	switch {
	case registered:
		return denseLaw.score(ridges)
	case dense:
		return noMatch // whatever minutiae say, the ridges do not lie on each other
	default:
		return minutiaeLaw.score(minutiae)
	}
}

const (
	// Evidence of minutiae below which ridges are not registered: a few pairs that
	// meet by chance in a large overlap. It counts as far as the ridges between
	// run alike, for either print.
	worthRegistering = 0.1

	// A likeness that needs no better one: one stranger in a million has it.
	beyondDoubt = 0.6
)
