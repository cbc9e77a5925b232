package biometrics

import "math"

// law is how the share of strangers falls with a raw score: by a factor of ten
// every decade, from one at zero. Tails of maxima over many hypotheses fall so
// (Gumbel's law), which makes two numbers do. They were set by eye, on the
// cautious side of the tails of the public contest images of four sensors,
// whole prints and 192 × 192 crops; docs/biometrics.md shows how well they hold.
type law struct{ zero, decade float64 }

var (
	minutiaeLaw = law{1.00, 0.70}
	denseLaw    = law{0.13, 0.07}
)

// score returns the similarity in powers of ten, and the rate that it stands for.
func (l law) score(raw float64) Score {
	s := (raw - l.zero) / l.decade
	return Score{Similarity: s, FMR: math.Min(math.Pow(10, -s), 1)}
}
