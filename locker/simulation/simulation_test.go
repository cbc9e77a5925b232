package simulation_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/locker/simulation"
)

// number reads a setting of the environment.
func number(t testing.TB, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: wants a number above zero", name, text)
	}
	return n
}

// TestSeeds runs months of terminals. NACHTFACH_SEEDS and NACHTFACH_DAYS make it
// more, NACHTFACH_SEED repeats one run.
func TestSeeds(t *testing.T) {
	days, seeds := 12, 12
	if testing.Short() { // under the race detector
		days, seeds = 4, 3
	}
	days, seeds = number(t, "NACHTFACH_DAYS", days), number(t, "NACHTFACH_SEEDS", seeds)
	if os.Getenv("NACHTFACH_SEED") != "" {
		seed := number(t, "NACHTFACH_SEED", 1)
		report(t, simulation.Run(simulation.Options{Seed: uint64(seed), Days: days}), days)
		return
	}
	// Much is thrown away quickly and little kept: collecting it less often
	// saves a quarter of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var runs sync.WaitGroup
	next, results := make(chan uint64), make(chan simulation.Result)
	for range runtime.GOMAXPROCS(0) {
		runs.Go(func() {
			for seed := range next {
				results <- simulation.Run(simulation.Options{Seed: seed, Days: days})
			}
		})
	}
	go func() {
		for seed := range seeds {
			next <- uint64(seed + 1)
		}
		close(next)
		runs.Wait()
		close(results)
	}()
	var seen simulation.Counts
	for r := range results {
		report(t, r, days)
		seen.Add(r.Counts)
	}
	t.Logf("together: %+v", seen)
	if seeds >= 12 && seen.Blind() {
		t.Errorf("the people did not do all that they should: %+v", seen)
	}
}

func report(t testing.TB, r simulation.Result, days int) {
	t.Logf("seed %d: %d events, %+v", r.Seed, r.Events, r.Counts)
	if r.Wrong == "" {
		return
	}
	t.Errorf("seed %d, after %v: %s\nrepeat with NACHTFACH_SEED=%d NACHTFACH_DAYS=%d go test -run TestSeeds ./locker/simulation\n%s",
		r.Seed, r.At, r.Wrong, r.Seed, days, strings.Join(r.Trace, "\n"))
}
