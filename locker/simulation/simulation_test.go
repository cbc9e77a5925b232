package simulation_test

import (
	"os"
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
	days := number(t, "NACHTFACH_DAYS", 10)
	if only := os.Getenv("NACHTFACH_SEED"); only != "" {
		seed := number(t, "NACHTFACH_SEED", 1)
		report(t, simulation.Run(simulation.Options{Seed: uint64(seed), Days: days}), days)
		return
	}
	seeds := number(t, "NACHTFACH_SEEDS", 12)
	var wg sync.WaitGroup
	next := make(chan uint64)
	for range 2 {
		wg.Go(func() {
			for seed := range next {
				report(t, simulation.Run(simulation.Options{Seed: seed, Days: days}), days)
			}
		})
	}
	for seed := range seeds {
		next <- uint64(seed + 1)
	}
	close(next)
	wg.Wait()
}

func report(t testing.TB, r simulation.Result, days int) {
	t.Logf("seed %d: %d events, %+v", r.Seed, r.Events, r.Counts)
	if r.Wrong == "" {
		return
	}
	t.Errorf("seed %d, after %v: %s\nrepeat with NACHTFACH_SEED=%d NACHTFACH_DAYS=%d go test -run TestSeeds ./locker/simulation\n%s",
		r.Seed, r.At, r.Wrong, r.Seed, days, strings.Join(r.Trace, "\n"))
}
