package biometrics_test

import (
	"errors"
	"math"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

func TestInspectionShowsTheRidgesThatWereDrawn(t *testing.T) {
	finger, p := newDrawing(1), plain(1)
	img := finger.print(p)
	seen, err := biometrics.Inspect(img)
	if err != nil {
		t.Fatal(err)
	}
	if seen.Width != img.Width || seen.Height != img.Height || len(seen.Grey) != len(img.Pix) {
		t.Fatalf("%d × %d for %d × %d", seen.Width, seen.Height, img.Width, img.Height)
	}
	used, right, outside := 0, 0, 0
	for i, fit := range seen.Fit {
		x, y := p.toFinger(float64(i%img.Width), float64(i/img.Width))
		if fit == 0 {
			if seen.Ridges[i] != 128 {
				t.Fatalf("a ridge at %d, where none is believed", i)
			}
			continue
		}
		used++
		if x*x/(8*8)+y*y/(9.5*9.5) > 1.2 {
			outside++
		}
		if math.Cos(finger.wave(x, y)) > 0 == (seen.Ridges[i] < 128) {
			right++
		}
	}
	if drawn := math.Pi * 8 * 9.5 * 19.7 * 19.7; float64(used) < 0.8*drawn || outside*20 > used {
		t.Errorf("%d pixels used, %d of them outside, %.0f drawn", used, outside, drawn)
	}
	if right*10 < used*9 {
		t.Errorf("%d of %d pixels on the right side of a ridge", right, used)
	}
}

func TestInspectionSeesWhatExtractionSees(t *testing.T) {
	p := plain(2)
	p.dpi = 1000
	img := newDrawing(2).print(p)
	seen, err := biometrics.Inspect(img)
	if err != nil {
		t.Fatal(err)
	}
	if seen.Width > img.Width/2+1 {
		t.Errorf("%d pixels of %d at twice the resolution", seen.Width, img.Width)
	}
	a, b := seen.Template.Minutiae(), extract(t, img).Minutiae()
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("%d minutiae, and %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("minutia %d: %+v, %+v", i, a[i], b[i])
		}
	}
	if _, err := biometrics.Inspect(picture(300, 400, func(x, y int) byte { return 255 })); !errors.Is(err, biometrics.ErrNoFinger) {
		t.Errorf("white: %v", err)
	}
}
