package biometrics

import (
	"math"
	"slices"
)

// Contrast is judged over a Gaussian of this many pixels: one ridge period to
// either side, so that it sees ridge and valley, and little more.
const contrastSigma = 9.0

const (
	// Below this standard deviation, in grey levels at the best places, the
	// picture is paper: the noise of a sensor is 1 to 3.
	minContrast = 5.0

	// Foreground is what has this share of the best contrast. Deliberately low:
	// what is no ridge is found out by the filter's fit (enhance.go).
	foregroundShare = 0.18

	// Where contrast is below this share, normalisation stops amplifying.
	contrastFloor = 0.12

	// Normalised samples are cut here, in standard deviations, against dirt.
	maxDeviation = 2.5

	// margin is the empty frame around the canvas, in pixels: no filter
	// reaches further, so that no loop looks for the border.
	margin = 20

	// maxCanvas bounds the area that is worked on, in pixels a side. At 500
	// per inch that is two inches; no finger is longer.
	maxCanvas = 1000
)

// canvas is the part of the picture that holds the finger, with contrast
// evened out: mean 0, ridges positive. All later stages speak in its pixels
// and cells; originX and originY lead back to the picture.
type canvas struct {
	pix              plane
	originX, originY int // picture coordinates of the canvas' pixel 0,0; multiples of cell
	left, top        int // the picture's own rectangle, in canvas pixels
	right, bottom    int
	foreground       mask        // by cell
	mean, deviation  plane       // of the whole picture's grey levels, by cell
	field            orientation // as estimated before enhancement
}

func (c *canvas) cells() (w, h int) { return c.pix.w / cell, c.pix.h / cell }

// segment finds the finger and evens out its contrast. Local mean and variance
// normalisation follows Hong, Wan and Jain, "Fingerprint image enhancement"
// (PAMI 20(8), 1998), with Gaussian neighbourhoods instead of the whole image.
func segment(img Image) (*canvas, error) {
	mean, deviation := localContrast(img)
	best := percentile(deviation.v, 0.95)
	if best < minContrast {
		return nil, ErrNoFinger
	}
	found := newMask(deviation.w, deviation.h)
	for i, d := range deviation.v {
		found.on[i] = d > foregroundShare*best
	}
	x0, y0, x1, y1, ok := boundingBox(found)
	if !ok {
		return nil, ErrNoFinger
	}
	c := &canvas{originX: x0*cell - margin, originY: y0*cell - margin, mean: mean, deviation: deviation}
	c.pix = newPlane((x1-x0)*cell+2*margin, (y1-y0)*cell+2*margin)
	c.left, c.top = -c.originX, -c.originY
	c.right, c.bottom = img.Width-c.originX, img.Height-c.originY
	w, h := c.cells()
	c.foreground = newMask(w, h)
	for y := range h {
		for x := range w {
			cx, cy := x+c.originX/cell, y+c.originY/cell
			inside := cx >= x0 && cy >= y0 && cx < x1 && cy < y1
			c.foreground.on[y*w+x] = inside && found.at(cx, cy)
		}
	}
	c.normalise(img, mean, deviation, contrastFloor*best)
	return c, nil
}

// localContrast returns mean and standard deviation of the grey levels around
// each cell of the picture.
func localContrast(img Image) (mean, deviation plane) {
	w, h := (img.Width+cell-1)/cell, (img.Height+cell-1)/cell
	mean, deviation = newPlane(w, h), newPlane(w, h)
	for y := range h {
		for x := range w {
			var sum, square, n int
			for py := y * cell; py < min((y+1)*cell, img.Height); py++ {
				for _, v := range img.Pix[py*img.Width+x*cell : py*img.Width+min((x+1)*cell, img.Width)] {
					d := int(v) - 128 // keeps the squares small, and float32 exact
					sum += d
					square += d * d
					n++
				}
			}
			mean.v[y*w+x] = float32(sum) / float32(n)
			deviation.v[y*w+x] = float32(square) / float32(n)
		}
	}
	mean, deviation = mean.blur(contrastSigma/cell), deviation.blur(contrastSigma/cell)
	for i, m := range mean.v {
		deviation.v[i] = float32(math.Sqrt(float64(max(deviation.v[i]-m*m, 0))))
		mean.v[i] = m + 128
	}
	return mean, deviation
}

// normalise fills the canvas from the picture.
func (c *canvas) normalise(img Image, mean, deviation plane, floor float32) {
	const centre = (cell - 1) / 2.0
	for y := max(c.top, 0); y < min(c.bottom, c.pix.h); y++ {
		for x := max(c.left, 0); x < min(c.right, c.pix.w); x++ {
			px, py := x+c.originX, y+c.originY
			gx, gy := (float64(px)-centre)/cell, (float64(py)-centre)/cell
			v := (mean.at(gx, gy) - float32(img.Pix[py*img.Width+px])) / (deviation.at(gx, gy) + floor)
			c.pix.v[y*c.pix.w+x] = min(max(v, -maxDeviation), maxDeviation)
		}
	}
}

// boundingBox returns the cells that hold the foreground without its specks,
// at most maxCanvas wide and high, around its centre of mass.
func boundingBox(found mask) (x0, y0, x1, y1 int, ok bool) {
	core := found.erode(2).dilate(2)
	x0, y0 = found.w, found.h
	var sumX, sumY, n int
	for y := range core.h {
		for x := range core.w {
			if core.on[y*core.w+x] {
				x0, y0 = min(x0, x), min(y0, y)
				x1, y1 = max(x1, x+1), max(y1, y+1)
				sumX, sumY, n = sumX+x, sumY+y, n+1
			}
		}
	}
	if n == 0 {
		return 0, 0, 0, 0, false
	}
	x0, x1 = narrow(x0, x1, sumX/n)
	y0, y1 = narrow(y0, y1, sumY/n)
	return x0, y0, x1, y1, true
}

func narrow(from, to, middle int) (int, int) {
	const most = maxCanvas / cell
	if to-from <= most {
		return from, to
	}
	from = min(max(middle-most/2, from), to-most)
	return from, from + most
}

func percentile(values []float32, share float64) float32 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[int(share*float64(len(sorted)-1))]
}
