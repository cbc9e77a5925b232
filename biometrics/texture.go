package biometrics

import (
	"math"
	"math/bits"
)

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
	known [2]uint64 // a bit a point
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
				all[k].known[i/64] |= 1 << (i % 64)
			}
		}
	}
	return all
}

// likenesses turns a difference of directions, in 1/256 of π, into a similarity:
// it falls to 1/e at 12°, the usual bend of a print between two impressions.
var likenesses = func() (t [256]uint32) {
	for d := range t {
		degrees := float64(min(d, 256-d)) * 180 / 256
		t[d] = uint32(likenessOne*math.Exp(-degrees/12) + 0.5)
	}
	return t
}()

const likenessOne = 1 << 16 // whole numbers: their sums are quicker, and exact

// similarity is the mean likeness over the points both know: 0 to 1.
func (a *texture) similarity(b *texture) float64 {
	both := [2]uint64{a.known[0] & b.known[0], a.known[1] & b.known[1]}
	n := bits.OnesCount64(both[0]) + bits.OnesCount64(both[1])
	if n < minCommonPoints {
		return 0
	}
	var sum uint32
	if n == texturePoints {
		for i, angle := range a.angle {
			sum += likenesses[angle-b.angle[i]]
		}
	} else {
		for w, word := range both {
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				sum += likenesses[a.angle[i]-b.angle[i]]
			}
		}
	}
	return float64(sum) / float64(n*likenessOne)
}
