package biometrics

import "math"

// calibrateMinutiae says what the agreement of minutiae alone stands for.
func calibrateMinutiae(agreement float64) Score {
	return Score{Similarity: agreement, FMR: math.Min(1, math.Exp(-6*agreement))}
}
