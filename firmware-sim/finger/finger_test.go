package finger_test

import (
	"bytes"
	"image"
	"math"
	"testing"

	"github.com/nachtfach/nachtfach/firmware-sim/finger"
)

func TestSameSeedSameImpression(t *testing.T) {
	a, b := finger.New(7).Impression(3), finger.New(7).Impression(3)
	if !bytes.Equal(a.Pix, b.Pix) {
		t.Error("two fingers of one seed left different impressions")
	}
	if got := finger.Named("anna").Impression(0); !bytes.Equal(got.Pix, finger.Named("anna").Impression(0).Pix) {
		t.Error("two fingers of one name left different impressions")
	}
}

func TestImpressionsOfOneFingerDiffer(t *testing.T) {
	f := finger.Named("bernd")
	a, b := f.Impression(0), f.Impression(1)
	if share := differing(a, b); share < 0.2 {
		t.Errorf("two touches differ in %.0f %% of the pixels: no displacement", 100*share)
	}
}

func TestAnImpressionIsDarkRidgesOnLightGround(t *testing.T) {
	for seed := range uint64(4) {
		img := finger.New(seed).Impression(int(seed))
		if got := img.Bounds(); got != image.Rect(0, 0, finger.Width, finger.Height) {
			t.Fatalf("bounds %v", got)
		}
		dark, middle := 0, image.Rect(96, 108, 160, 180)
		for y := middle.Min.Y; y < middle.Max.Y; y++ {
			for x := middle.Min.X; x < middle.Max.X; x++ {
				if img.GrayAt(x, y).Y < 128 {
					dark++
				}
			}
		}
		share := float64(dark) / float64(middle.Dx()*middle.Dy())
		if share < 0.2 || share > 0.8 {
			t.Errorf("finger %d: %.0f %% of the middle is ridge", seed, 100*share)
		}
		if corner := img.GrayAt(1, finger.Height-2).Y; corner < 180 {
			t.Errorf("finger %d: the ground is %d, not light", seed, corner)
		}
	}
}

// Adult ridges lie 0.35 to 0.6 mm apart: 7 to 12 pixels at 500 an inch.
func TestRidgesHaveThePeriodOfFingers(t *testing.T) {
	for seed := range uint64(4) {
		if p := period(finger.New(seed).Impression(0)); p < 7 || p > 12 {
			t.Errorf("finger %d: ridge period %.1f pixels", seed, p)
		}
	}
}

// period is the wavelength of the strongest ring of the spectrum of the
// picture's middle, 96 × 96 pixels.
func period(img *image.Gray) float64 {
	const n, top = 96, 20
	var sin, cos [n]float64
	for i := range n {
		sin[i], cos[i] = math.Sincos(2 * math.Pi * float64(i) / n)
	}
	var ring [2 * top]float64
	for v := -top; v <= top; v++ {
		for u := 0; u <= top; u++ {
			var re, im float64
			for y := range n {
				row := img.Pix[(y+finger.Height/2-n/2)*img.Stride+finger.Width/2-n/2:]
				for x := range n {
					at := ((u*x+v*y)%n + n) % n
					re += float64(row[x]) * cos[at]
					im += float64(row[x]) * sin[at]
				}
			}
			ring[int(math.Hypot(float64(u), float64(v))+0.5)] += re*re + im*im
		}
	}
	best := 4
	for r := best; r <= top; r++ {
		if ring[r] > ring[best] {
			best = r
		}
	}
	return n / float64(best)
}

func differing(a, b *image.Gray) float64 {
	n := 0
	for i := range a.Pix {
		if d := int(a.Pix[i]) - int(b.Pix[i]); d > 64 || d < -64 {
			n++
		}
	}
	return float64(n) / float64(len(a.Pix))
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		finger.New(1)
	}
}

func BenchmarkImpression(b *testing.B) {
	f := finger.New(1)
	for b.Loop() {
		f.Impression(1)
	}
}
