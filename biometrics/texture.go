package biometrics

import "math"

// A texture describes the ridge directions on circles around a minutia: Tico
// and Kuosmanen, "Fingerprint matching using an orientation-based minutia
// descriptor" (PAMI 25(8), 2003). It needs no other minutia, and fails where
// the cylinder does not.
const texturePoints = 80

var textureCircles = [...]struct {
	radius float64 // px
	points int
}{{20, 8}, {35, 12}, {50, 16}, {65, 20}, {80, 24}}

// Fewer points in common say nothing.
const minCommonPoints = 20

// texture holds the directions relative to the minutia, in 1/256 of π.
type texture struct {
	angle [texturePoints]uint8
	known [texturePoints]bool
}

func makeTextures(minutiae []Minutia, m *ridgeMap) []texture {
	var points [texturePoints][2]float64
	k := 0
	for _, circle := range textureCircles {
		for i := range circle.points {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(circle.points))
			points[k] = [2]float64{circle.radius * cos, circle.radius * sin}
			k++
		}
	}
	all := make([]texture, len(minutiae))
	for k, minutia := range minutiae {
		sin, cos := math.Sincos(minutia.Angle)
		for i, p := range points {
			x := float64(minutia.X) + p[0]*cos - p[1]*sin
			y := float64(minutia.Y) + p[0]*sin + p[1]*cos
			if w := m.at(int(math.Floor(x/cell)), int(math.Floor(y/cell))); w != nil {
				relative := float64(w.angle) - minutia.Angle*256/math.Pi
				all[k].angle[i] = uint8(int(math.Floor(relative)) & 255)
				all[k].known[i] = true
			}
		}
	}
	return all
}

// textureLikeness turns a difference of directions into a similarity: it falls
// to 1/e at 12°, the usual bend of a print between two impressions.
type textureLikeness [256]float32

func newTextureLikeness() *textureLikeness {
	t := new(textureLikeness)
	for d := range t {
		degrees := float64(min(d, 256-d)) * 180 / 256
		t[d] = float32(math.Exp(-degrees / 12))
	}
	return t
}

// similarity is the mean likeness over the points both know: 0 to 1.
func (a *texture) similarity(b *texture, likeness *textureLikeness) float64 {
	var sum float32
	n := 0
	for i, known := range a.known {
		if known && b.known[i] {
			sum += likeness[a.angle[i]-b.angle[i]]
			n++
		}
	}
	if n < minCommonPoints {
		return 0
	}
	return float64(sum) / float64(n)
}
