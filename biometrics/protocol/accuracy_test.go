package protocol_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

// someOfTheContests finds every third finger and every other impression of the
// contests' images, which take a few seconds.
func someOfTheContests(t *testing.T) []protocol.Database {
	t.Helper()
	databases := calibrated(t)
	databases = slices.DeleteFunc(databases, func(d protocol.Database) bool { return !strings.HasPrefix(d.Name, "fvc") })
	for i, d := range databases {
		databases[i].Images = slices.DeleteFunc(d.Images, func(i protocol.Image) bool {
			return !strings.Contains("101 104 107 110", i.Finger) || !strings.Contains("1357", i.Name[len(i.Name)-1:])
		})
	}
	return databases
}

// calibrated finds the images that the engine is calibrated on.
func calibrated(t *testing.T) []protocol.Database {
	t.Helper()
	databases, err := protocol.Find(fingerprints(t))
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Only(databases, "fvc2002", "fvc2004", "upek")
}

// measure runs the protocol on the contests' images: on all of them if required,
// or as a run of "lockerctl fingerprint score" has left its scores; else on some.
func measure(t *testing.T, scores string, opts protocol.Options) []protocol.Row {
	t.Helper()
	if os.Getenv(scores) != "" || whole() {
		rows := slices.Clone(everySensor(t, scores, opts))
		return slices.DeleteFunc(rows, func(r protocol.Row) bool { return !strings.HasPrefix(r.Database, "fvc") })
	}
	if testing.Short() {
		t.Skip("compares some hundred to some thousand pairs of images")
	}
	rows, err := protocol.Run(context.Background(), someOfTheContests(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// complete fails if not every image of the three databases took part.
func complete(t *testing.T, r protocol.Report) {
	t.Helper()
	t.Logf("%+v", r)
	if whole() && (r.Genuine != 756 || r.Impostor != 6976) {
		t.Errorf("%d genuine and %d impostor comparisons, want 756 and 6976", r.Genuine, r.Impostor)
	}
}

func atMost(t *testing.T, what string, rate, most float64) {
	t.Helper()
	if !(rate <= most) {
		t.Errorf("%s %.2f %%, want at most %.2f %%", what, 100*rate, 100*most)
	}
}

func TestAccuracy(t *testing.T) {
	rows := measure(t, "NACHTFACH_SCORES", protocol.Options{})
	report := protocol.Evaluate(rows)
	complete(t, report)
	if !whole() {
		atMost(t, "EER", report.EER, 0.05) // 72 genuine pairs: each is more than a percent
		atMost(t, "FNMR at 0.1 %", report.FNMR1000, 0.08)
	} else {
		atMost(t, "EER", report.EER, 0.01)
		atMost(t, "FNMR at 0.1 %", report.FNMR1000, 0.018)
		atMost(t, "FNMR at 0.01 %", report.FNMR10000, 0.03)
		enrolled := protocol.Evaluate(protocol.Enrolled(rows))
		t.Logf("three enrolled: %+v", enrolled)
		if enrolled.Genuine != 135 {
			t.Errorf("%d comparisons with three enrolled, want 135", enrolled.Genuine)
		}
		atMost(t, "three enrolled, FNMR at 0.1 %", enrolled.FNMR1000, 0.008)
	}
	accepted := 0
	for _, r := range rows {
		if !r.Genuine() && r.Score.FMR < 0.01 {
			accepted++
		}
	}
	// The estimate must hold, with room for luck.
	if most := 3 + report.Impostor*2/100; accepted > most {
		t.Errorf("%d of %d strangers at an estimated false match rate of 1 %%", accepted, report.Impostor)
	}
}

func TestAccuracyOfASmallSensor(t *testing.T) {
	report := protocol.Evaluate(measure(t, "NACHTFACH_SCORES_CROPPED", protocol.Options{Crop: 192}))
	complete(t, report)
	if !whole() {
		atMost(t, "EER", report.EER, 0.15)
		return
	}
	atMost(t, "FNMR at 0.1 %", report.FNMR1000, 0.08)
}

func TestAccuracyOfMinutiaeAlone(t *testing.T) {
	report := protocol.Evaluate(measure(t, "NACHTFACH_SCORES_PLAIN", protocol.Options{Plain: true}))
	complete(t, report)
	if !whole() {
		atMost(t, "EER", report.EER, 0.08)
		return
	}
	atMost(t, "FNMR at 0.1 %", report.FNMR1000, 0.06)
}

// What scores are written and read again, what three enrolled amount to and
// how curves look needs no image.

func scored(probe, candidate string, similarity float64) protocol.Row {
	r := protocol.Row{Database: "db", Probe: probe, Candidate: candidate}
	r.Score.Similarity, r.Score.FMR = similarity, 1
	return r
}

func TestScoresAreReadAsWritten(t *testing.T) {
	want := []protocol.Row{scored("1_1", "1_2", -0.25), scored("1_1", "2_1", -2)}
	var out strings.Builder
	if err := protocol.Write(&out, want); err != nil {
		t.Fatal(err)
	}
	got, err := protocol.Read(strings.NewReader(out.String()))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := protocol.Read(strings.NewReader("db,1_1,1_2,4\n")); err != nil || got[0].Score.FMR != 1e-4 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"db,1_1,1_2\n", "db,1_1,1_2,high\n", "db,1_1,1_2,NaN\n"} {
		if _, err := protocol.Read(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "read scores") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBestOfThreeEnrolledCounts(t *testing.T) {
	got := protocol.Enrolled([]protocol.Row{
		scored("1_1", "1_4", 1), scored("1_2", "1_4", 3), scored("1_4", "1_3", 2),
		scored("1_1", "2_4", -1), scored("1_2", "2_4", -2), scored("1_3", "2_4", 0),
		scored("1_1", "1_5", 1), scored("1_1", "1_2", 9), // two enrolled impressions short; none
	})
	want := []protocol.Row{scored("1_4", "1_0", 3), scored("2_4", "1_0", 0)}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if !got[0].Genuine() || got[1].Genuine() {
		t.Error("owner and stranger mistaken for each other")
	}
}

func TestCurvesFallFromStrangersToOwners(t *testing.T) {
	rows := []protocol.Row{scored("1_1", "1_2", 3), scored("2_1", "2_2", 0.5),
		scored("1_1", "2_1", 1), scored("1_1", "2_2", 0), scored("1_2", "2_2", -1)}
	var out strings.Builder
	if err := protocol.DrawDET(&out, []protocol.Curve{{Name: "a < b", Rows: rows}}); err != nil {
		t.Fatal(err)
	}
	// No stranger above 1, where half of the owners are refused; a third above 0,
	// where none is, which the axis has at 0.1 %.
	if svg := out.String(); !strings.Contains(svg, `d="M70.0 58.1L554.4 400.0`) || !strings.Contains(svg, "a &lt; b") {
		t.Errorf("%s", svg)
	}
	if err := protocol.DrawDET(&out, []protocol.Curve{{Name: "none"}}); err == nil {
		t.Error("drew nothing")
	}
}
