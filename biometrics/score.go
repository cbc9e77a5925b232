package biometrics

// Score is the outcome of a comparison.
type Score struct {
	// Similarity grows with likeness. It has no unit; FMR says what it means.
	Similarity float64

	// FMR is the estimated share of comparisons of different fingers that reach
	// this similarity: 0.0001 is one in ten thousand.
	FMR float64
}

// Compare compares two templates. With the dense part on both sides it compares
// minutiae first, and the ridges themselves where that can matter; else it
// compares minutiae alone. A template that is nil matches nothing.
func Compare(probe, candidate *Template) Score {
	if probe == nil || candidate == nil {
		return noMatch
	}
	c := newContest(probe, candidate)
	var best, dense float64
	for _, h := range c.hypothesise() {
		m, bend, pairs := c.pairElastically(h)
		a := c.agree(pairs, bend, m.inverse())
		best = max(best, a.sum*a.ratio)
		if probe.ridges != nil && candidate.ridges != nil {
			if d, ok := c.register(m, pairs); ok {
				dense = max(dense, d.likeness())
			}
		}
	}
	if probe.ridges != nil && candidate.ridges != nil {
		return calibrateMinutiae(dense)
	}
	return calibrateMinutiae(best)
}

var noMatch = Score{FMR: 1}
