package simulation_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker/simulation"
)

func TestARunRepeatsExactly(t *testing.T) {
	hashes := map[string]uint64{}
	for seed := range uint64(4) {
		o := simulation.Options{Seed: 100 + seed, Days: 5}
		first, second := simulation.Run(o), simulation.Run(o)
		if first.Hash != second.Hash || first.Events != second.Events || first.Wrong != second.Wrong {
			t.Errorf("seed %d: %d events with hash %.16s, and then %d with %.16s", o.Seed, first.Events, first.Hash, second.Events, second.Hash)
		}
		if other, ok := hashes[first.Hash]; ok {
			t.Errorf("seeds %d and %d are one run", other, o.Seed)
		}
		hashes[first.Hash] = o.Seed
	}
}

// BenchmarkYears tells how many years of one terminal a minute holds.
func BenchmarkYears(b *testing.B) {
	const days = 30
	simulated := 0
	for b.Loop() {
		r := simulation.Run(simulation.Options{Seed: uint64(simulated + 1), Days: days})
		if r.Wrong != "" {
			b.Fatalf("seed %d: %s", r.Seed, r.Wrong)
		}
		simulated++
	}
	years := float64(simulated) * r30 / 365
	b.ReportMetric(years/b.Elapsed().Minutes(), "years/min")
}

// r30 is how long a run of 30 days is with the days in which it settles.
const r30 = 37
