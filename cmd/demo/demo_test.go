package main

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
)

// leftovers are the demo's temporary folders.
func leftovers(t *testing.T) []string {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "nachtfach-") {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestTourHoldsAndLeavesNothingBehind(t *testing.T) { tourHolds(t, "-tour") }

func TestTourHoldsOnPortExpanders(t *testing.T) {
	if os.Getenv("NACHTFACH_REQUIRE") == "" {
		t.Skip("the same story a second time: CI plays it, and so does NACHTFACH_REQUIRE=expanders")
	}
	tourHolds(t, "-tour", "-expanders")
}

func tourHolds(t *testing.T, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	//nolint:usetesting // the test's own folder is too long for a socket in it
	short, err := os.MkdirTemp("", "nf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	t.Setenv("TMPDIR", short)
	var out bytes.Buffer
	err = run(t.Context(), args, &out, &out)
	t.Logf("the tour:\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestTroublesPassAndTheTerminalGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	var logged bytes.Buffer
	rules := func(r *locker.Rules) {
		hurried(r)
		r.Retention = locker.DefaultRules().Retention
	}
	town, err := build(t.Context(), rules, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := town.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	err = tour.PlayTroubles(t.Context(), town.site(), &out)
	t.Logf("troubles:\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
}
