package finger

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The Poincaré index tells a core (half a turn) from a delta (minus half).
func TestOrientationTurnsAroundCoresAndDeltas(t *testing.T) {
	for seed := range uint64(60) {
		f := newField(rand.New(rand.NewPCG(seed, 0)))
		for _, c := range f.cores {
			if got := index(f, c.x, c.y); got != 1 {
				t.Errorf("%v %d: index of a core %+d/2", f.pattern, seed, got)
			}
		}
		for _, d := range f.deltas {
			if got := index(f, d.x, d.y); got != -1 {
				t.Errorf("%v %d: index of a delta %+d/2", f.pattern, seed, got)
			}
		}
		if len(f.cores) != len(f.deltas) {
			t.Errorf("%v %d: %d cores, %d deltas", f.pattern, seed, len(f.cores), len(f.deltas))
		}
	}
}

// index is the number of half turns of the orientation along a small circle.
func index(f *field, x, y float64) int {
	const steps = 360
	var sum float64
	at := func(i int) float64 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i%steps) / steps)
		return f.orientation(x+4*cos, y+4*sin)
	}
	for i := range steps {
		d := math.Remainder(at(i+1)-at(i), math.Pi)
		sum += d
	}
	return int(math.Round(sum / math.Pi))
}

func TestPatternsComeAsOftenAsInPeople(t *testing.T) {
	const n = 2000
	var seen [TentedArch + 1]int
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		seen[draw(rng)]++
	}
	for p, want := range map[Pattern]float64{LeftLoop: 0.338, RightLoop: 0.317, Whorl: 0.279, Arch: 0.037, TentedArch: 0.029} {
		if got := float64(seen[p]) / n; math.Abs(got-want) > 0.04 {
			t.Errorf("%v: %.3f of all, want %.3f", p, got, want)
		}
	}
}

func TestSkinInTheMiddleDoesNotSlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		contact := ellipse{0, 0, 110, 130}
		s := newSlip(rng, contact)
		if x, y := s.move(s.held.x+10, s.held.y-10); x != s.held.x+10 || y != s.held.y-10 {
			t.Fatalf("the held middle moved to %f, %f", x, y)
		}
		x, y := s.move(100, 0)
		if d := math.Hypot(x-100, y); d > 30 {
			t.Fatalf("skin at the edge moved by %.0f pixels", d)
		}
	}
}
