package biometrics

import "math"

const (
	// tensorSigma is the neighbourhood of the orientation estimate in pixels:
	// two thirds of a usual ridge period.
	tensorSigma = 6.0

	// Where ridges disagree, an estimate twice as wide takes over, trusted
	// somewhat less than its own length says.
	wideTrust = 0.7
)

// orientation is the direction of the ridges at each cell, as the cosine and
// sine of the doubled angle (so that 0 and π are the same), and their
// coherence: 0 no direction, 1 all parallel.
type orientation struct{ cos, sin, coherence plane }

// angle returns the ridge direction of a cell, 0 ≤ angle < π, y downwards.
func (o orientation) angle(i int) float64 {
	return halfAngle(float64(o.cos.v[i]), float64(o.sin.v[i]))
}

// angleAt is angle between cells, at a canvas pixel.
func (o orientation) angleAt(x, y int) float64 {
	gx, gy := (float64(x)-cell/2)/cell, (float64(y)-cell/2)/cell
	return halfAngle(float64(o.cos.at(gx, gy)), float64(o.sin.at(gx, gy)))
}

func halfAngle(c, s float64) float64 {
	a := math.Atan2(s, c) / 2
	if a < 0 {
		a += math.Pi
	}
	if a >= math.Pi { // rounding of a tiny negative angle
		a = 0
	}
	return a
}

// estimateOrientation averages the gradient's structure tensor: Kass and
// Witkin, "Analyzing oriented patterns" (1987); Bazen and Gerez, "Systematic
// methods for the computation of the directional fields" (PAMI 24(7), 2002).
// weight, by cell, may be empty.
func (c *canvas) estimateOrientation(pix plane, weight plane) orientation {
	w, h := c.cells()
	xx, xy, energy := newPlane(w, h), newPlane(w, h), newPlane(w, h)
	c.addGradients(smooth3(pix), xx, xy, energy)
	if weight.v != nil {
		for i, k := range weight.v {
			xx.v[i] *= k
			xy.v[i] *= k
			energy.v[i] *= k
		}
	}
	xx, xy, energy = xx.blur(tensorSigma/cell), xy.blur(tensorSigma/cell), energy.blur(tensorSigma/cell)
	o := orientation{newPlane(w, h), newPlane(w, h), newPlane(w, h)}
	for i, e := range energy.v {
		xx.v[i] /= e + 1e-6
		xy.v[i] /= e + 1e-6
	}
	wideX, wideY := xx.blur(2*tensorSigma/cell), xy.blur(2*tensorSigma/cell)
	for i := range energy.v {
		length := float32(math.Hypot(float64(xx.v[i]), float64(xy.v[i])))
		fine, wide := length*length, (1-length*length)*wideTrust
		c, s := xx.v[i]*fine+wideX.v[i]*wide, xy.v[i]*fine+wideY.v[i]*wide
		norm := float32(math.Hypot(float64(c), float64(s))) + 1e-9
		o.cos.v[i], o.sin.v[i], o.coherence.v[i] = c/norm, s/norm, min(length, 1)
	}
	return o
}

// addGradients sums the gradient products of each cell. The ridge is at right
// angles to the gradient: the doubled angle changes its sign. The picture's
// own border is no edge, and is left out.
func (c *canvas) addGradients(pix, xx, xy, energy plane) {
	w := pix.w
	for y := max(c.top+2, 1); y < min(c.bottom-2, pix.h-1); y++ {
		above, line, below := pix.v[(y-1)*w:y*w], pix.v[y*w:(y+1)*w], pix.v[(y+1)*w:(y+2)*w]
		row := y / cell * xx.w
		for x := max(c.left+2, 1); x < min(c.right-2, w-1); x++ {
			right := below[x+1] + above[x+1] + 2*line[x+1]
			left := below[x-1] + above[x-1] + 2*line[x-1]
			down := below[x-1] + below[x+1] + 2*below[x]
			up := above[x-1] + above[x+1] + 2*above[x]
			gx, gy := right-left, down-up
			i := row + x/cell
			xx.v[i] += gy*gy - gx*gx
			xy.v[i] -= 2 * gx * gy
			energy.v[i] += gx*gx + gy*gy
		}
	}
}

// smooth3 convolves with 1 2 1 in both directions; the outermost samples stay.
func smooth3(p plane) plane {
	w := p.w
	across, out := newPlane(w, p.h), newPlane(w, p.h)
	for y := range p.h {
		src, dst := p.v[y*w:(y+1)*w], across.v[y*w:(y+1)*w]
		copy(dst, src)
		for x := 1; x < w-1; x++ {
			dst[x] = (src[x-1] + 2*src[x] + src[x+1]) / 4
		}
	}
	copy(out.v, across.v)
	for y := 1; y < p.h-1; y++ {
		for x := y * w; x < (y+1)*w; x++ {
			out.v[x] = (across.v[x-w] + 2*across.v[x] + across.v[x+w]) / 4
		}
	}
	return out
}
