package biometrics

import "math"

// law is how the share of strangers falls with a raw score: by a factor of ten
// every decade, from one at zero. Tails of maxima over many hypotheses fall so
// (Gumbel's law), so that two numbers do.
//
// The numbers are rounded, and cautious: they follow the worst of four sensors
// (upek, whose clean large prints agree most), and are three times too
// pessimistic for the others, whole or cut to 192 × 192 pixels. The overlap needs
// no term of its own: both raw scores are relative to it. docs/biometrics.md has
// the figures, and what each sensor gets from the law of the others.
type law struct{ zero, decade float64 }

var (
	minutiaeLaw = law{0.05, 0.14} // of contest.confirmed
	denseLaw    = law{0.14, 0.09} // of registered.likeness
)

// score returns the similarity in powers of ten, and the rate that it stands for.
func (l law) score(raw float64) Score {
	return scoreOf((raw - l.zero) / l.decade)
}

func scoreOf(similarity float64) Score {
	return Score{Similarity: similarity, FMR: math.Min(math.Pow(10, -similarity), 1)}
}

func (s Score) atMost(similarity float64) Score { return scoreOf(math.Min(s.Similarity, similarity)) }
