package protocol

import (
	"math"
	"slices"
	"strconv"
	"strings"
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
	genuine, impostor := split(rows)
	return Report{len(genuine), len(impostor), eer(genuine, impostor),
		fnmr(genuine, impostor, 0.01), fnmr(genuine, impostor, 0.001), fnmr(genuine, impostor, 0.0001)}
}

// split returns the similarities of genuine and of impostor pairs, sorted.
func split(rows []Row) (genuine, impostor []float64) {
	for _, r := range rows {
		if r.Genuine() {
			genuine = append(genuine, r.Score.Similarity)
		} else {
			impostor = append(impostor, r.Score.Similarity)
		}
	}
	slices.Sort(genuine)
	slices.Sort(impostor)
	return genuine, impostor
}

const enrolledImpressions = 3

// Enrolled turns comparisons of impressions into comparisons with fingers of
// which impressions 1 to 3 are enrolled: the best of three similarities counts,
// for each impression from the fourth on. Row.Candidate is FINGER_0.
// Impressions that were compared with fewer than three are left out.
func Enrolled(rows []Row) []Row {
	type try struct{ database, probe, candidate string }
	best, count := map[try]Row{}, map[try]int{}
	var order []try
	add := func(r Row, probe, candidate string) {
		n, err := strconv.Atoi(impression(candidate))
		m, wrong := strconv.Atoi(impression(probe))
		if err != nil || wrong != nil || n < 1 || n > enrolledImpressions || m <= enrolledImpressions {
			return
		}
		key := try{r.Database, probe, finger(candidate) + "_0"}
		if count[key]++; count[key] == 1 {
			order = append(order, key)
		}
		if old, ok := best[key]; !ok || r.Score.Similarity > old.Score.Similarity {
			best[key] = Row{r.Database, probe, key.candidate, r.Score}
		}
	}
	for _, r := range rows {
		add(r, r.Probe, r.Candidate)
		add(r, r.Candidate, r.Probe)
	}
	var all []Row
	for _, key := range order {
		if count[key] == enrolledImpressions {
			all = append(all, best[key])
		}
	}
	return all
}

func impression(name string) string { return name[strings.LastIndexByte(name, '_')+1:] }

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
