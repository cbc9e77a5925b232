package biometrics_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

func TestMinutiaeAreFoundWhereTheyWereDrawn(t *testing.T) {
	finger, p := newDrawing(1), plain(1)
	template := extract(t, finger.print(p))
	drawn, found := 0, 0
	for _, s := range finger.spirals {
		if s.x*s.x/(7*7)+s.y*s.y/(8.5*8.5) > 1 {
			continue // at the edge of the print, where minutiae are not trusted
		}
		drawn++
		x, y := p.toPixel(s.x, s.y)
		for _, m := range template.Minutiae() {
			if math.Hypot(float64(m.X)-x, float64(m.Y)-y) < 8 {
				found++
				break
			}
		}
	}
	if found*10 < drawn*9 {
		t.Errorf("found %d of %d minutiae", found, drawn)
	}
	if n := len(template.Minutiae()); n > drawn+drawn/2+5 {
		t.Errorf("found %d minutiae where %d were drawn", n, drawn)
	}
}

func TestMinutiaPointsAlongTheRidgeItEnds(t *testing.T) {
	// One ridge, and below it a fork, in a straight grating: at the right of
	// x = 0 there is one ridge more than at the left.
	finger := drawing{period: 0.46, centreY: 1e4, flat: 0, spirals: []spiral{{0, 0, 1}}}
	p := plain(3)
	found := extract(t, finger.print(p)).Minutiae()
	x, y := p.toPixel(0, 0)
	for _, m := range found {
		if math.Hypot(float64(m.X)-x, float64(m.Y)-y) > 8 {
			continue
		}
		// Ridges: dark where the phase is near 0. Count them left and right.
		left, right := 0, 0
		for v := -3.0; v < 3; v += 0.01 {
			if math.Cos(finger.wave(-3, v)) > 0 && math.Cos(finger.wave(-3, v+0.01)) <= 0 {
				left++
			}
			if math.Cos(finger.wave(3, v)) > 0 && math.Cos(finger.wave(3, v+0.01)) <= 0 {
				right++
			}
		}
		// Towards the side with more ridges lies the ending ridge, or the
		// valley that the fork encloses.
		if more := right > left; math.Abs(m.Angle) < math.Pi/2 != more {
			t.Errorf("angle %.2f with %d ridges left, %d right", m.Angle, left, right)
		}
		return
	}
	t.Errorf("no minutia at %.0f, %.0f in %v", x, y, found)
}

func TestSameImageGivesSameTemplate(t *testing.T) {
	img := newDrawing(2).print(plain(2))
	want, err := extract(t, img).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			template, err := biometrics.Extract(img)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := template.MarshalBinary(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("another template (error %v)", err)
			}
		})
	}
	group.Wait()
}

func TestTemplatesAreSmall(t *testing.T) {
	template := extract(t, newDrawing(3).print(plain(3)))
	whole, _ := template.MarshalBinary()
	if len(whole) > 24<<10 {
		t.Errorf("%d bytes with dense part", len(whole))
	}
	if plain, _ := template.Plain().MarshalBinary(); len(plain) > 2<<10 {
		t.Errorf("%d bytes without", len(plain))
	}
}

func TestExtractionBoundsMemory(t *testing.T) {
	// The largest picture, all of it texture.
	img := biometrics.Image{Pix: make([]byte, 2000*2000), Width: 2000, Height: 2000, DPI: 500}
	for i := range img.Pix {
		img.Pix[i] = byte(128 + 100*math.Sin(float64(i%2000)*2*math.Pi/9+float64(i/2000)/40))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := biometrics.Extract(img)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, biometrics.ErrSeveralFingers) {
		t.Fatalf("a picture full of ridges: %v", err)
	}
	// In all; at any one time it is less.
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 128 {
		t.Errorf("allocated %d MiB", n)
	}
}

// picture makes an image of a function of the pixel.
func picture(width, height int, grey func(x, y int) byte) biometrics.Image {
	img := biometrics.Image{Width: width, Height: height, DPI: 500, Pix: make([]byte, width*height)}
	for i := range img.Pix {
		img.Pix[i] = grey(i%width, i/width)
	}
	return img
}

// noFingers are pictures that a sensor, or a mistake, could deliver.
func noFingers() map[string]biometrics.Image {
	r := rand.New(rand.NewPCG(5, 5))
	return map[string]biometrics.Image{
		"white":    picture(300, 400, func(x, y int) byte { return 255 }),
		"black":    picture(300, 400, func(x, y int) byte { return 0 }),
		"faint":    picture(300, 400, func(x, y int) byte { return byte(200 + r.IntN(5)) }),
		"noise":    picture(300, 400, func(x, y int) byte { return byte(r.IntN(256)) }),
		"gradient": picture(300, 400, func(x, y int) byte { return byte(x * 255 / 300) }),
		"edge": picture(300, 400, func(x, y int) byte {
			if x < 150 {
				return 0
			}
			return 255
		}),
		"spot": picture(300, 400, func(x, y int) byte {
			return byte(min(255, (x-150)*(x-150)/16+(y-200)*(y-200)/16))
		}),
		"grating": picture(300, 400, func(x, y int) byte { return byte(128 + 100*math.Sin(float64(x)*2*math.Pi/9)) }),
		"rings": picture(300, 400, func(x, y int) byte {
			return byte(128 + 100*math.Sin(math.Hypot(float64(x-150), float64(y-200))*2*math.Pi/9))
		}),
		"checkers": picture(300, 400, func(x, y int) byte { return byte(255 * ((x/5 + y/5) & 1)) }),
		"text": picture(300, 400, func(x, y int) byte {
			letter := uint32(x/9*131+y/14*31337) * 2654435761
			if x%9 < 7 && y%14 < 10 && letter>>(8+uint(x%9/2)+4*uint(y%14/3))&1 == 1 {
				return 20
			}
			return 240
		}),
	}
}

func TestWhatIsNoFingerMatchesNoFinger(t *testing.T) {
	var fingers []*biometrics.Template
	for seed := range uint64(4) {
		fingers = append(fingers, extract(t, newDrawing(seed).print(plain(seed))))
	}
	for name, img := range noFingers() {
		template, err := biometrics.Extract(img)
		if err != nil {
			if !errors.Is(err, biometrics.ErrNoFinger) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for i, finger := range fingers {
			if s := biometrics.Compare(template, finger); s.FMR < 0.001 {
				t.Errorf("%s is like finger %d: %+v", name, i, s)
			}
			if s := biometrics.Compare(finger.Plain(), template.Plain()); s.FMR < 0.001 {
				t.Errorf("%s is like finger %d by minutiae: %+v", name, i, s)
			}
		}
	}
}

func TestEmptyPicturesHaveNoFinger(t *testing.T) {
	images := noFingers()
	for _, name := range []string{"white", "black", "faint", "noise", "gradient"} {
		template, err := biometrics.Extract(images[name])
		if err == nil && template.Quality().Score > 20 {
			t.Errorf("%s has quality %v", name, template.Quality())
		}
		if err != nil && !errors.Is(err, biometrics.ErrNoFinger) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImpossibleImagesAreRefused(t *testing.T) {
	good := newDrawing(1).print(plain(1))
	refuse := func(name string, want error, change func(img *biometrics.Image)) {
		img := good
		change(&img)
		if _, err := biometrics.Extract(img); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuse("one pixel", biometrics.ErrImageSize, func(i *biometrics.Image) { i.Width, i.Height, i.Pix = 1, 1, []byte{0} })
	refuse("huge", biometrics.ErrImageSize, func(i *biometrics.Image) { i.Width, i.Height = 10000, 10000 })
	refuse("negative", biometrics.ErrImageSize, func(i *biometrics.Image) { i.Width = -i.Width })
	refuse("too few pixels", biometrics.ErrImageSize, func(i *biometrics.Image) { i.Pix = i.Pix[1:] })
	refuse("no pixels", biometrics.ErrImageSize, func(i *biometrics.Image) { i.Pix = nil })
	refuse("no resolution", biometrics.ErrImageResolution, func(i *biometrics.Image) { i.DPI = 0 })
	refuse("not a number", biometrics.ErrImageResolution, func(i *biometrics.Image) { i.DPI = math.NaN() })
	refuse("screen resolution", biometrics.ErrImageResolution, func(i *biometrics.Image) { i.DPI = 72 })
}

func TestQualityTellsWhy(t *testing.T) {
	finger := newDrawing(4)
	if q := extract(t, finger.print(plain(4))).Quality(); q.Score < 70 || q.Reason != biometrics.Good {
		t.Errorf("good print: %v", q)
	}
	small := plain(4)
	small.width, small.height = 6, 6
	if q := extract(t, finger.print(small)).Quality(); q.Score > 50 || q.Reason != biometrics.TooSmall {
		t.Errorf("6 × 6 mm: %v", q)
	}
	beside := plain(4)
	beside.x, beside.y = 11, -8
	if q := extract(t, finger.print(beside)).Quality(); q.Score > 50 || q.Reason != biometrics.OffCentre {
		t.Errorf("off centre: %v", q)
	}
}

func BenchmarkExtract(b *testing.B) {
	p := plain(1)
	p.width, p.height = 388/500.0*25.4, 374/500.0*25.4
	img := newDrawing(1).print(p)
	b.ReportAllocs()
	for b.Loop() {
		extract(b, img)
	}
}
