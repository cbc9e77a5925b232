package protocol_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

// everySensor returns the comparisons of all four sensors: those that a run of
// "lockerctl fingerprint score" on all images has left, or where all images are
// required, measured ones, which the other tests then use again.
func everySensor(t *testing.T, scores string, opts protocol.Options) []protocol.Row {
	t.Helper()
	if path := os.Getenv(scores); path != "" {
		return readRows(t, path)
	}
	if !whole() || testing.Short() {
		t.Skip("wants all images, or scores of them in " + scores)
	}
	if measured[scores] == nil {
		var err error
		if measured[scores], err = protocol.Run(context.Background(), calibrated(t), opts); err != nil {
			t.Fatal(err)
		}
	}
	return measured[scores]
}

var measured = map[string][]protocol.Row{}

func readRows(t *testing.T, path string) []protocol.Row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := protocol.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The numbers of a calibration are set on images. A calibration of some sensors
// must hold for one that it has not seen, but for a factor of four in strangers:
// so far apart are sensors, and so much caution the engine's own one wants.
func TestCalibrationHoldsForTheSensorLeftOut(t *testing.T) {
	for _, kind := range []struct {
		name, scores string
		opts         protocol.Options
		fnmr         float64
	}{
		{"whole prints", "NACHTFACH_SCORES", protocol.Options{}, 0.10},
		{"crops of 192", "NACHTFACH_SCORES_CROPPED", protocol.Options{Crop: 192}, 0.25},
		{"minutiae alone", "NACHTFACH_SCORES_PLAIN", protocol.Options{Plain: true}, 0.25},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for _, f := range protocol.CrossValidate(everySensor(t, kind.scores, kind.opts)) {
				t.Logf("%-14s FMR %.2f %% where 1 %% was meant, %.3f %% where 0.1 %%; FNMR there %.2f %%, at 0.01 %% %.2f %%",
					f.Database, 100*f.FMR100, 100*f.FMR1000, 100*f.FNMR1000, 100*f.FNMR10000)
				if f.FMR100 > 0.04 || f.FMR1000 > 0.004+2/float64(f.Impostor) {
					t.Errorf("%s: more strangers than the others let expect: %+v", f.Database, f)
				}
				if f.FNMR1000 > kind.fnmr {
					t.Errorf("%s: %.1f %% of owners refused by the others' calibration", f.Database, 100*f.FNMR1000)
				}
			}
		})
	}
}

// Of each sensor, whole or cropped, and with minutiae alone: no more strangers
// than the estimate says, with room for luck of three standard deviations.
func TestEstimatedRateOfStrangersHolds(t *testing.T) {
	for scores, opts := range map[string]protocol.Options{
		"NACHTFACH_SCORES": {}, "NACHTFACH_SCORES_CROPPED": {Crop: 192}, "NACHTFACH_SCORES_PLAIN": {Plain: true},
	} {
		t.Run(scores, func(t *testing.T) {
			accepted, all := map[string]map[float64]int{}, map[string]int{}
			for _, r := range everySensor(t, scores, opts) {
				if r.Genuine() {
					continue
				}
				if all[r.Database]++; accepted[r.Database] == nil {
					accepted[r.Database] = map[float64]int{}
				}
				for _, fmr := range []float64{0.1, 0.01, 0.001, 0.0001} {
					if r.Score.FMR <= fmr {
						accepted[r.Database][fmr]++
					}
				}
			}
			for database, n := range all {
				for fmr, count := range accepted[database] {
					expected := fmr * float64(n)
					t.Logf("%-14s %6.4f %%, estimated %6.4f %%", database, 100*float64(count)/float64(n), 100*fmr)
					if float64(count) > expected+3*math.Sqrt(expected)+1 {
						t.Errorf("%s: %d of %d strangers at an estimated rate of %g", database, count, n, fmr)
					}
				}
			}
		})
	}
}

// Who stands at the terminal has several tries, at several impressions. A
// stranger's whole visit may succeed as often as its captures together.
func TestThreatAStrangersWholeVisit(t *testing.T) {
	for _, scores := range []string{"NACHTFACH_SCORES", "NACHTFACH_SCORES_CROPPED"} {
		t.Run(scores, func(t *testing.T) {
			opts := protocol.Options{}
			if scores == "NACHTFACH_SCORES_CROPPED" {
				opts.Crop = 192
			}
			visits := protocol.Visits(everySensor(t, scores, opts))
			for _, threshold := range []float64{1e-2, 1e-3, 1e-4} {
				strangers, opened, captures, owners, refused := 0, 0, 0, 0, 0
				for _, v := range visits {
					switch {
					case v.Finger == v.Enrolled && v.FMR > threshold:
						refused++
						fallthrough
					case v.Finger == v.Enrolled:
						owners++
					default:
						strangers++
						captures += v.Captures
						if v.FMR <= threshold {
							opened++
						}
					}
				}
				expected := threshold * float64(captures)
				t.Logf("at %g a comparison: %d of %d strangers' visits opened, %.1f expected at most; %d of %d owners' refused",
					threshold, opened, strangers, expected, refused, owners)
				if float64(opened) > expected+3*math.Sqrt(expected)+1 {
					t.Errorf("%d of %d visits of strangers opened at %g a comparison", opened, strangers, threshold)
				}
			}
		})
	}
}

// What follows needs no image.

func TestCalibrationFollowsStrangers(t *testing.T) {
	var rows []protocol.Row
	for i := range 1000 { // the share 10^-s reaches s
		rows = append(rows, scored(fmt.Sprintf("%d_1", i), "x_1", 2-math.Log10(float64(i+1))+1))
	}
	got := protocol.Calibrate(rows)
	if math.Abs(got.Decade-1) > 0.01 || math.Abs(got.Zero) > 0.01 || math.Abs(got.Threshold(1e-3)-3) > 0.03 {
		t.Errorf("%+v", got)
	}
	other := slices.Clone(rows)
	for i := range other {
		other[i].Database, other[i].Score.Similarity = "other", other[i].Score.Similarity+1
	}
	folds := protocol.CrossValidate(append(rows, other...))
	if len(folds) != 2 || math.Abs(folds[0].FMR100-0.001) > 0.0005 || math.Abs(folds[1].FMR100-0.1) > 0.005 {
		t.Errorf("%+v", folds)
	}
}

func TestVisitIsTheBestOfItsCaptures(t *testing.T) {
	row := func(probe, candidate string, fmr float64) protocol.Row {
		r := scored(probe, candidate, -math.Log10(fmr))
		r.Score.FMR = fmr
		return r
	}
	got := protocol.Visits([]protocol.Row{
		row("1_1", "2_4", 0.1), row("1_2", "2_4", 0.01), row("1_3", "2_4", 0.2),
		row("1_1", "2_5", 0.3), row("1_2", "2_5", 0.3), row("1_3", "2_5", 0.05),
	})
	want := []protocol.Visit{{Database: "db", Finger: "2", Enrolled: "1", Captures: 2, FMR: 0.03}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
