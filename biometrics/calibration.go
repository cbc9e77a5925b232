package biometrics

import "math"

// law is how the share of strangers falls with a raw score: by a factor of ten
// every decade, from one at zero. Tails of maxima over many hypotheses fall so
// (Gumbel's law), so that two numbers do.
//
// The numbers are rounded, and cautious: they follow the worst of four sensors
// (upek, where whole large prints overlap and strangers agree most), and are
// three times too pessimistic for the others, and for 192 × 192 crops.
// docs/biometrics.md has the figures.
type law struct{ zero, decade float64 }

var (
	minutiaeLaw = law{0.10, 0.19}  // of contest.confirmed
	denseLaw    = law{0.14, 0.075} // of registered.likeness
)

// score returns the similarity in powers of ten, and the rate that it stands for.
func (l law) score(raw float64) Score {
	s := (raw - l.zero) / l.decade
	return Score{Similarity: s, FMR: math.Min(math.Pow(10, -s), 1)}
}

// raw is the raw score of a similarity.
func (l law) raw(similarity float64) float64 { return l.zero + similarity*l.decade }
