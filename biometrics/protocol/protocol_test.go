package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

// fingerprints returns the folder of real images beside the repository, or
// skips: they are pictures of people's fingers and are never part of it.
func fingerprints(t *testing.T) string {
	t.Helper()
	root := os.Getenv("NACHTFACH_FINGERPRINTS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fingerprints")
	}
	if _, err := os.Stat(root); err != nil {
		if whole() {
			t.Fatalf("fingerprints are required: %v", err)
		}
		t.Skipf("no images of fingers: %v", err)
	}
	return root
}

// whole tells to measure all images instead of some.
func whole() bool {
	return slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "fingerprints")
}

func writeImage(t *testing.T, path string, period float64) {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 200, 200))
	for i := range img.Pix {
		x, y := float64(i%200-100), float64(i/200-100)
		img.Pix[i] = byte(128 + 100*math.Sin(math.Hypot(x, y+50)*2*math.Pi/period+math.Atan2(y, x)))
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFoldersAreDatabases(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a/1_1.png", "a/1_2.png", "a/2_1.png", "b/c/anna_left_1.png", "b/c/anna_left_2.png"} {
		writeImage(t, filepath.Join(root, name), 9)
	}
	if err := os.WriteFile(filepath.Join(root, "a", "notes.txt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	writeImage(t, filepath.Join(root, "a", "cover.png"), 9) // no impression: not ours
	databases, err := protocol.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(databases) != 2 || databases[0].Name != "a" || databases[1].Name != "b/c" || len(databases[0].Images) != 3 {
		t.Fatalf("%+v", databases)
	}
	done := 0
	rows, err := protocol.Run(context.Background(), databases, protocol.Options{Progress: func(n, total int) {
		if done++; n != done || total != 5+4 {
			t.Errorf("progress %d of %d after %d", n, total, done-1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := protocol.Write(&out, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "a,1_1,1_2,") || !strings.HasPrefix(lines[3], "b/c,anna_left_1,anna_left_2,") {
		t.Errorf("%q", lines)
	}
	if !rows[0].Genuine() || rows[1].Genuine() || !rows[3].Genuine() {
		t.Errorf("%+v", rows)
	}
}

func TestFolderItselfIsADatabase(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mine")
	writeImage(t, filepath.Join(root, "1_1.png"), 9)
	databases, err := protocol.Find(root)
	if err != nil || len(databases) != 1 || databases[0].Name != "mine" {
		t.Errorf("%+v, %v", databases, err)
	}
}

func TestDatabasesOfTheSameNameAreToldApart(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"x/a/1_1.png", "y/a/1_1.png", "y/b/1_1.png"} {
		writeImage(t, filepath.Join(root, name), 9)
	}
	databases, err := protocol.Find(filepath.Join(root, "x"), filepath.Join(root, "y"))
	if err != nil || len(databases) != 3 ||
		databases[0].Name != "b" || databases[1].Name != "x/a" || databases[2].Name != "y/a" {
		t.Errorf("%+v, %v", databases, err)
	}
	if _, err := protocol.Find(root, filepath.Join(root, "y")); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("the same folder twice: %v", err)
	}
}

func TestNothingToMeasureIsAnError(t *testing.T) {
	if _, err := protocol.Find(t.TempDir()); err == nil {
		t.Error("an empty folder has databases")
	}
	if _, err := protocol.Find(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestRunStopsAtABadImage(t *testing.T) {
	root := t.TempDir()
	bad := filepath.Join(root, "1_1.png")
	if err := os.WriteFile(bad, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	databases, err := protocol.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = protocol.Run(context.Background(), databases, protocol.Options{})
	if !errors.Is(err, biometrics.ErrImageFormat) || !strings.Contains(err.Error(), bad) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := protocol.Run(ctx, databases, protocol.Options{}); err == nil {
		t.Error("went on after the end")
	}
}

func TestReportCountsErrors(t *testing.T) {
	row := func(probe, candidate string, score float64) protocol.Row {
		return protocol.Row{Probe: probe, Candidate: candidate, Score: biometrics.Score{Similarity: score}}
	}
	rows := []protocol.Row{row("1_1", "1_2", 5), row("1_1", "1_3", 4), row("2_1", "2_2", 3), row("2_1", "2_3", 0.5)}
	for i := range 100 {
		rows = append(rows, row("1_1", "2_1", float64(i)/100))
	}
	got := protocol.Evaluate(rows)
	// The best two impostors have 0.99 and 0.98; a quarter of the genuine stay below.
	if got.Genuine != 4 || got.Impostor != 100 || got.FNMR100 != 0.25 || got.FNMR1000 != 0.25 {
		t.Errorf("%+v", got)
	}
	if got.EER < 0 || got.EER > 0.25 {
		t.Errorf("EER %v", got.EER)
	}
	if none := protocol.Evaluate(nil); !math.IsNaN(none.FNMR100) {
		t.Errorf("no comparison: %+v", none)
	}
}
