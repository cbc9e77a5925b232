package biometrics

import "math"

// CompareUngated is Compare without what saves work.
func CompareUngated(probe, candidate *Template) Score {
	return compare(probe, candidate, gates{
		registering: math.Inf(-1), flowing: math.Inf(-1), relaxing: [3]float64{-1, -1, -1}, enough: math.Inf(1)})
}
