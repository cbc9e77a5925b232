package biometrics

import "math"

const (
	// directions of the filter bank: 5.6° apart, a quarter of a filter's width.
	directions = 32

	// The filter's Gaussian is this many periods wide: about one ridge and its
	// valleys. Wider filters (0.8 periods) draw nicer lines and invent them: a
	// minutia is just where the wave is not periodic.
	envelope = 0.40

	// Filters end here, in standard deviations.
	filterCut = 2.2

	// The fit is averaged over this many pixels.
	fitSigma = 6.0

	// Ridges are believed where at least this share of the energy fits. Loose on
	// purpose: later stages weigh by the fit, and can weigh little; what is cut
	// here is lost.
	minFit = 0.15

	// Regions smaller than this share of the largest are dirt.
	minRegion = 0.15
)

// ridges is a finger after filtering.
type ridges struct {
	even   plane       // by pixel: the wave's cosine, 1 on a ridge, -1 in a valley
	odd    []float32   // by cell, at its sample point: the wave's sine, even's partner
	step   []uint8     // by cell: period, as a step of the scale
	angle  []uint8     // by cell: direction of the ridges, π/anglesPerTurn each
	fit    plane       // by cell: share of the energy that the wave explains, 0 to 1
	field  orientation // by cell
	period plane       // by cell, px
	where  mask        // by cell: where all this means something
}

// anglesPerPi is the resolution of a stored ridge direction.
const anglesPerPi = 128

// enhance filters twice: the second time along directions estimated again on
// the first result, which mends what noise had bent.
func (c *canvas) enhance() *ridges {
	bank := newFilterBank()
	energy := c.energy()
	c.field = c.estimateOrientation(c.pix, plane{})
	r := c.filter(bank, c.field, energy, c.foreground)

	weight := newPlane(r.fit.w, r.fit.h)
	for i, fit := range r.fit.v {
		weight.v[i] = fit * fit
	}
	field := c.estimateOrientation(r.even, weight)
	return c.filter(bank, field, energy, r.where.dilate(1))
}

// energy is the mean square of the normalised picture around each cell.
func (c *canvas) energy() plane {
	w, h := c.cells()
	e := newPlane(w, h)
	for i, v := range c.pix.v {
		x, y := i%c.pix.w/cell, i/c.pix.w/cell
		e.v[y*w+x] += v * v / (cell * cell)
	}
	return e.blur(fitSigma / cell)
}

// filter applies to each cell the filter of its direction and period.
func (c *canvas) filter(bank *filterBank, field orientation, energy plane, where mask) *ridges {
	w, h := c.cells()
	r := &ridges{even: newPlane(c.pix.w, c.pix.h), odd: make([]float32, w*h), step: make([]uint8, w*h),
		angle: make([]uint8, w*h), fit: newPlane(w, h), field: field, period: c.estimatePeriod(field, where)}
	const edge = margin / cell
	for y := edge; y < h-edge; y++ {
		for x := edge; x < w-edge; x++ {
			if i := y*w + x; where.on[i] {
				r.filterCell(c, bank, x, y, i)
			}
		}
	}
	r.fit = r.fit.blur(fitSigma / cell)
	for i, power := range r.fit.v {
		// A wave of amplitude 1 has a mean square of one half. The constant
		// keeps empty places from dividing noise by nothing.
		r.fit.v[i] = min(power/(2*energy.v[i]+0.02), 1)
	}
	r.where = c.trust(r.fit, where)
	return r
}

// filterCell filters the pixels of one cell; fit receives the wave's power.
func (r *ridges) filterCell(c *canvas, bank *filterBank, x, y, i int) {
	angle := int(r.field.angle(i)/math.Pi*anglesPerPi+0.5) % anglesPerPi
	r.angle[i] = uint8(angle)
	r.step[i] = uint8(periodStep(float64(r.period.v[i])))
	var even, odd [cell * cell]float32
	turned := bank.apply(angle, int(r.step[i]), c.pix, x*cell, y*cell, &even, &odd)
	var power float32
	for k := range even {
		p := even[k]*even[k] + odd[k]*odd[k]
		power += p
		// The offset fades the wave out where there is none, for the sake of
		// the second orientation estimate; its sign is what the rest needs.
		r.even.v[(y*cell+k/cell)*r.even.w+x*cell+k%cell] = even[k] / (float32(math.Sqrt(float64(p))) + 0.1)
	}
	r.fit.v[i] = power / (cell * cell)
	const sample = cell/2*cell + cell/2
	e, o := even[sample], odd[sample]
	if turned {
		o = -o
	}
	r.odd[i] = o / (float32(math.Sqrt(float64(e*e+o*o))) + 0.1)
}

// trust returns the cells whose ridges are believed: those that fit, with small
// holes closed and thin or small parts removed.
func (c *canvas) trust(fit plane, where mask) mask {
	good := newMask(fit.w, fit.h)
	for i, v := range fit.v {
		good.on[i] = where.on[i] && c.foreground.on[i] && v > minFit
	}
	good = good.dilate(2).erode(4) // holes up to 16 px close, necks up to 16 px break
	good.dropSmall(minRegion)
	good = good.dilate(2)
	for i := range good.on {
		good.on[i] = good.on[i] && where.on[i]
	}
	return good
}

// filterBank makes Gabor filters on demand: Daugman, "Uncertainty relation for
// resolution in space, spatial frequency, and orientation" (JOSA A 2(7), 1985).
// With a round Gaussian the filter is a product of a row and a column, both
// complex, so that a cell of 4 × 4 pixels shares its rows.
type filterBank struct {
	filters [directions][periodSteps]*filter
}

type filter struct {
	reach      int
	rowC, rowS []float32 // along x, -reach to reach
	colC, colS []float32 // along y
}

func newFilterBank() *filterBank { return new(filterBank) }

func (b *filterBank) get(direction, step int) *filter {
	if b.filters[direction][step] == nil {
		b.filters[direction][step] = newFilter(math.Pi*float64(direction)/directions, periodOf(float64(step)))
	}
	return b.filters[direction][step]
}

// newFilter makes the filter whose answer to cos(ω·u + φ), u along the normal
// of the ridges, is cos φ and sin φ.
func newFilter(angle, period float64) *filter {
	sigma := envelope * period
	f := &filter{reach: int(math.Ceil(filterCut * sigma))}
	sin, cos := math.Sincos(angle)
	wx, wy := -sin*2*math.Pi/period, cos*2*math.Pi/period
	var sum float64
	for k := -f.reach; k <= f.reach; k++ {
		g := math.Exp(-float64(k*k) / (2 * sigma * sigma))
		sum += g
		s, c := math.Sincos(wx * float64(k))
		f.rowC, f.rowS = append(f.rowC, float32(g*c)), append(f.rowS, float32(-g*s))
		s, c = math.Sincos(wy * float64(k))
		f.colC, f.colS = append(f.colC, float32(g*c)), append(f.colS, float32(-g*s))
	}
	for k := range f.rowC { // a cosine answers with half of the Gaussian's sum
		f.rowC[k] *= float32(2 / (sum * sum))
		f.rowS[k] *= float32(2 / (sum * sum))
	}
	return f
}

// apply filters the cell whose first pixel is x, y. turned tells that the
// filter taken points the other way than the angle (at the seam between π and
// 0), so that odd has the other sign.
func (b *filterBank) apply(angle, step int, pix plane, x, y int, even, odd *[cell * cell]float32) (turned bool) {
	const perDirection = anglesPerPi / directions
	direction := (angle + perDirection/2) / perDirection
	if direction == directions {
		direction, turned = 0, true
	}
	f := b.get(direction, step)
	var rowC, rowS [cell + 2*margin][cell]float32
	n := 2*f.reach + 1
	for k := range n + cell - 1 {
		start := (y-f.reach+k)*pix.w + x - f.reach
		rowC[k], rowS[k] = f.alongRow(pix.v[start : start+n+cell-1])
	}
	for py := range cell {
		var e, o [cell]float32
		for k := range n {
			c, s := f.colC[k], f.colS[k]
			re, im := &rowC[py+k], &rowS[py+k]
			for px := range cell {
				e[px] += c*re[px] - s*im[px]
				o[px] += c*im[px] + s*re[px]
			}
		}
		copy(even[py*cell:], e[:])
		copy(odd[py*cell:], o[:])
	}
	return turned
}

// alongRow filters four neighbouring pixels in x; line has 2·reach+4 samples.
func (f *filter) alongRow(line []float32) (re, im [cell]float32) {
	rowS := f.rowS[:len(f.rowC)]
	line = line[:len(f.rowC)+cell-1]
	var c0, c1, c2, c3, s0, s1, s2, s3 float32
	for k, c := range f.rowC {
		s := rowS[k]
		v0, v1, v2, v3 := line[k], line[k+1], line[k+2], line[k+3]
		c0 += c * v0
		c1 += c * v1
		c2 += c * v2
		c3 += c * v3
		s0 += s * v0
		s1 += s * v1
		s2 += s * v2
		s3 += s * v3
	}
	return [cell]float32{c0, c1, c2, c3}, [cell]float32{s0, s1, s2, s3}
}
