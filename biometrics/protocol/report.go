package protocol

import (
	"math"
	"slices"
)

// Report is what a run amounts to. Rates are shares, 0 to 1.
type Report struct {
	Genuine, Impostor int     // comparisons
	EER               float64 // where both error rates are equal
	FNMR100           float64 // false non-match rate at a false match rate of 1 %
	FNMR1000          float64 // at 0.1 %
	FNMR10000         float64 // at 0.01 %
}

// Evaluate pools rows. Rates without a comparison are NaN.
func Evaluate(rows []Row) Report {
	var genuine, impostor []float64
	for _, r := range rows {
		if r.Genuine() {
			genuine = append(genuine, r.Score.Similarity)
		} else {
			impostor = append(impostor, r.Score.Similarity)
		}
	}
	slices.Sort(genuine)
	slices.Sort(impostor)
	return Report{len(genuine), len(impostor), eer(genuine, impostor),
		fnmr(genuine, impostor, 0.01), fnmr(genuine, impostor, 0.001), fnmr(genuine, impostor, 0.0001)}
}

// fnmr is the share of genuine scores at or below the lowest threshold whose
// false match rate is at most fmr. Both are sorted.
func fnmr(genuine, impostor []float64, fmr float64) float64 {
	if len(genuine) == 0 || len(impostor) == 0 {
		return math.NaN()
	}
	n := len(impostor)
	threshold := impostor[n-1-min(int(float64(n)*fmr+1e-9), n-1)]
	return float64(countUpTo(genuine, threshold)) / float64(len(genuine))
}

// eer is the mean of the two error rates where they are nearest.
func eer(genuine, impostor []float64) float64 {
	rate, nearest := math.NaN(), math.Inf(1)
	for _, threshold := range genuine {
		below, _ := slices.BinarySearch(genuine, threshold)
		refused := float64(below) / float64(len(genuine))
		below, _ = slices.BinarySearch(impostor, threshold)
		accepted := 1 - float64(below)/float64(len(impostor))
		if d := math.Abs(refused - accepted); d < nearest {
			nearest, rate = d, (refused+accepted)/2
		}
	}
	return rate
}

func countUpTo(sorted []float64, v float64) int {
	i, _ := slices.BinarySearchFunc(sorted, v, func(a, v float64) int {
		if a <= v {
			return -1
		}
		return 1
	})
	return i
}
