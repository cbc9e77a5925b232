package biometrics_test

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

// sure is the false match rate that a door asks for.
const sure = 1e-4

func TestImpressionsOfOneFingerMatch(t *testing.T) {
	finger := newDrawing(1)
	first := extract(t, finger.print(plain(1)))
	again := map[string]impression{
		"as before": {dpi: 500, width: 18, height: 20, noise: 12, seed: 2},
		"shifted":   {dpi: 500, width: 18, height: 20, noise: 12, seed: 3, x: 3, y: -4},
		"turned":    {dpi: 500, width: 20, height: 20, noise: 12, seed: 4, turn: 0.6},
		"stretched": {dpi: 500, width: 20, height: 20, noise: 12, seed: 5, stretch: 0.08},
		"1000 dpi":  {dpi: 1000, width: 18, height: 20, noise: 12, seed: 6},
		"noisy":     {dpi: 500, width: 18, height: 20, noise: 60, seed: 7},
		"small":     {dpi: 500, width: 10, height: 10, noise: 12, seed: 8},
	}
	for name, p := range again {
		second := extract(t, finger.print(p))
		if s := biometrics.Compare(first, second); s.FMR > sure {
			t.Errorf("%s: %+v", name, s)
		}
		if s := biometrics.Compare(second, first); s.FMR > sure {
			t.Errorf("%s, the other way round: %+v", name, s)
		}
		if s := biometrics.Compare(first.Plain(), second.Plain()); name != "small" && s.FMR > sure {
			t.Errorf("%s, minutiae alone: %+v", name, s)
		}
	}
}

func TestDifferentFingersDoNotMatch(t *testing.T) {
	var templates []*biometrics.Template
	for seed := range uint64(8) {
		templates = append(templates, extract(t, newDrawing(seed).print(plain(seed))))
	}
	for i, a := range templates {
		for _, b := range templates[:i] {
			if s := biometrics.Compare(a, b); s.FMR < 0.001 {
				t.Errorf("%+v", s)
			}
			if s := biometrics.Compare(a.Plain(), b.Plain()); s.FMR < 0.001 {
				t.Errorf("minutiae alone: %+v", s)
			}
		}
	}
}

// On a small sensor there may be hardly a minutia in common; how the ridges run
// then says where to lay them on each other. But a scrap opens nothing.
func TestFewMinutiaeMatchByTheirRidges(t *testing.T) {
	for seed := range uint64(8) {
		finger := newDrawing(seed)
		finger.spirals = finger.spirals[:15+2*seed]
		p := impression{dpi: 500, width: 9, height: 9, noise: 12, seed: 1, x: 1, y: 1}
		q := impression{dpi: 500, width: 9, height: 9, noise: 12, seed: 2, x: -1, y: 0, turn: 0.2}
		a, b := extract(t, finger.print(p)), extract(t, finger.print(q))
		few := min(len(a.Minutiae()), len(b.Minutiae()))
		s := biometrics.Compare(a, b)
		if most := math.Pow(10, -1.5-float64(few)/2); s.FMR < 0.99*most || s.FMR > max(most, 1e-3) {
			t.Errorf("finger %d, %d minutiae: %+v", seed, few, s)
		}
	}
}

func TestNothingMatchesNothing(t *testing.T) {
	template := extract(t, newDrawing(1).print(plain(1)))
	for _, pair := range [][2]*biometrics.Template{{nil, nil}, {template, nil}, {nil, template}} {
		if s := biometrics.Compare(pair[0], pair[1]); s.FMR != 1 {
			t.Errorf("%+v", s)
		}
	}
}

func TestComparingIsRepeatableAndConcurrent(t *testing.T) {
	finger := newDrawing(2)
	a, b := extract(t, finger.print(plain(1))), extract(t, finger.print(plain(2)))
	want := biometrics.Compare(a, b)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := biometrics.Compare(a, b); got != want {
				t.Errorf("%+v, then %+v", want, got)
			}
		})
	}
	group.Wait()
}

func TestEnrolmentTakesThreeAlike(t *testing.T) {
	finger := newDrawing(5)
	var impressions []*biometrics.Template
	for i := range biometrics.Impressions {
		p := plain(uint64(10 + i))
		p.x, p.turn = float64(i)-1, 0.1*float64(i)
		impressions = append(impressions, extract(t, finger.print(p)))
	}
	enrolled, err := biometrics.Enrol(impressions...)
	if err != nil {
		t.Fatal(err)
	}
	record, err := enrolled.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := biometrics.ParseEnrolment(record)
	if err != nil {
		t.Fatal(err)
	}
	if again.Impressions() != biometrics.Impressions {
		t.Errorf("%d impressions after a journey", again.Impressions())
	}
	probe, other := extract(t, finger.print(plain(20))), extract(t, newDrawing(6).print(plain(20)))
	if s := again.Compare(probe); s.FMR > sure {
		t.Errorf("own finger: %+v", s)
	}
	if s := enrolled.Compare(probe); s != again.Compare(probe) {
		t.Errorf("%+v before a journey, %+v after", s, again.Compare(probe))
	}
	if s := again.Compare(other); s.FMR < 0.001 {
		t.Errorf("another finger: %+v", s)
	}
	if s := again.Compare(nil); s.FMR != 1 {
		t.Errorf("no finger: %+v", s)
	}
}

func TestEnrolmentRefusesWhatWouldNotMatch(t *testing.T) {
	finger := newDrawing(5)
	good := func(seed uint64) *biometrics.Template { return extract(t, finger.print(plain(seed))) }
	tiny := plain(1)
	tiny.width, tiny.height = 4, 4
	refused := func(name string, number int, why error, impressions ...*biometrics.Template) {
		_, err := biometrics.Enrol(impressions...)
		var which *biometrics.ImpressionError
		if !errors.As(err, &which) || which.Impression != number || !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another finger", 3, biometrics.ErrNotAlike, good(1), good(2), extract(t, newDrawing(6).print(plain(3))))
	refused("too little", 2, biometrics.ErrPoorImpression, good(1), extract(t, finger.print(tiny)), good(3))
	refused("none", 1, biometrics.ErrPoorImpression, nil, good(2), good(3))
	if _, err := biometrics.Enrol(); err == nil {
		t.Error("enrolled nothing")
	}
	if _, err := biometrics.Enrol(make([]*biometrics.Template, 11)...); err == nil {
		t.Error("enrolled eleven")
	}
}

func BenchmarkCompare(b *testing.B) {
	finger := newDrawing(1)
	first := extract(b, finger.print(plain(1)))
	second := extract(b, finger.print(plain(2)))
	stranger := extract(b, newDrawing(2).print(plain(3)))
	b.Run("genuine", func(b *testing.B) {
		for b.Loop() {
			biometrics.Compare(first, second)
		}
	})
	b.Run("stranger", func(b *testing.B) {
		for b.Loop() {
			biometrics.Compare(first, stranger)
		}
	})
}
