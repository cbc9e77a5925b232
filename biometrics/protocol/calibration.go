package protocol

import (
	"math"
	"slices"
)

// Calibration is what a similarity stands for, as strangers have shown: they
// reach Zero at a rate of one, and at a tenth of the rate every Decade more. The
// engine's own is Zero 0, Decade 1.
type Calibration struct{ Zero, Decade float64 }

// Calibrate follows the similarities that a tenth and a hundredth of the
// impostor comparisons reach. It needs some hundred of them.
func Calibrate(rows []Row) Calibration {
	_, impostor := split(rows)
	if len(impostor) == 0 {
		return Calibration{math.NaN(), math.NaN()}
	}
	reached := func(share float64) float64 { return impostor[len(impostor)-1-int(share*float64(len(impostor)-1))] }
	tenth, hundredth := reached(0.1), reached(0.01)
	return Calibration{Zero: tenth - (hundredth - tenth), Decade: hundredth - tenth}
}

// Threshold is the similarity that stands for a false match rate.
func (c Calibration) Threshold(fmr float64) float64 { return c.Zero - c.Decade*math.Log10(fmr) }

// Fold is a database judged by a calibration that the others gave. Rates are
// shares, 0 to 1.
type Fold struct {
	Database            string
	Genuine, Impostor   int
	FMR100, FMR1000     float64 // strangers accepted where 1 and 0.1 % were meant to be
	FNMR1000, FNMR10000 float64 // owners refused where 0.1 and 0.01 % were meant to be
}

// CrossValidate judges each database by the most cautious of the calibrations
// of the others: what a sensor must expect that nobody has seen before.
func CrossValidate(rows []Row) []Fold {
	byDatabase := map[string][]Row{}
	var names []string
	for _, r := range rows {
		if byDatabase[r.Database] == nil {
			names = append(names, r.Database)
		}
		byDatabase[r.Database] = append(byDatabase[r.Database], r)
	}
	slices.Sort(names)
	var folds []Fold
	for _, left := range names {
		threshold := func(fmr float64) float64 {
			highest := math.Inf(-1)
			for _, name := range names {
				if name != left {
					highest = math.Max(highest, Calibrate(byDatabase[name]).Threshold(fmr))
				}
			}
			return highest
		}
		genuine, impostor := split(byDatabase[left])
		folds = append(folds, Fold{left, len(genuine), len(impostor),
			1 - below(impostor, threshold(0.01)), 1 - below(impostor, threshold(0.001)),
			below(genuine, threshold(0.001)), below(genuine, threshold(0.0001))})
	}
	return folds
}

// below is the share of sorted scores below a threshold.
func below(sorted []float64, threshold float64) float64 {
	i, _ := slices.BinarySearch(sorted, threshold)
	return float64(i) / float64(len(sorted))
}

// Visit is a person at a finger's enrolment: impressions 1 to 3 enrolled, and
// every later one of Probe's finger presented, one after the other.
type Visit struct {
	Database, Finger, Enrolled string
	Captures                   int
	FMR                        float64 // least one of all captures, as an enrolment counts it
}

// Visits gathers comparisons of impressions into visits, in the order of rows.
func Visits(rows []Row) []Visit {
	type key struct{ database, finger, enrolled string }
	index := map[key]int{}
	var visits []Visit
	for _, r := range Enrolled(rows) {
		k := key{r.Database, finger(r.Probe), finger(r.Candidate)}
		i, known := index[k]
		if !known {
			i = len(visits)
			index[k] = i
			visits = append(visits, Visit{Database: k.database, Finger: k.finger, Enrolled: k.enrolled, FMR: 1})
		}
		visits[i].Captures++
		visits[i].FMR = math.Min(visits[i].FMR, enrolledImpressions*r.Score.FMR)
	}
	return visits
}
