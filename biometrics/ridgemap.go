package biometrics

import "math"

// ridgeMap is the dense part of a template: the wave at each cell of the grid.
// It is what registration.go compares. Values are the codes that are stored, so
// that a template compares the same before and after a journey.
type ridgeMap struct {
	left, top int // cell of the picture that is the map's first
	w, h      int // cells
	codes     []waveCode
	waves     []wave
}

// waveCode is a cell in 21 bits. fit 0: no ridge here.
type waveCode struct {
	phase uint8 // 6 bits: of a turn
	angle uint8 // 7 bits: of π
	step  uint8 // 4 bits: period scale
	fit   uint8 // 4 bits: 1 to 15
}

const (
	phaseSteps = 64
	fitSteps   = 15
	maxMapSide = 512 // cells; bounds what a record can make us allocate
)

// wave is a code made ready for comparing. Phases are in 1/256 turns.
type wave struct {
	weight float32 // square root of fit; 0 without ridge
	phase  float32
	nx, ny float32 // unit normal, the way the phase grows
	rate   float32 // phase gained per cell along it
	angle  int32   // ridge direction, 1/256 of π
}

// storeRidges makes the map of the trusted cells.
func (r *ridges) storeRidges(c *canvas) *ridgeMap {
	x0, y0, x1, y1 := r.where.w, r.where.h, 0, 0
	for i, on := range r.where.on {
		if on {
			x, y := i%r.where.w, i/r.where.w
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), max(y1, y+1)
		}
	}
	if x1 == 0 {
		return nil
	}
	m := &ridgeMap{left: x0 + c.originX/cell, top: y0 + c.originY/cell, w: x1 - x0, h: y1 - y0}
	m.codes = make([]waveCode, m.w*m.h)
	for y := range m.h {
		for x := range m.w {
			if i := (y+y0)*r.where.w + x + x0; r.where.on[i] {
				m.codes[y*m.w+x] = r.code(i)
			}
		}
	}
	m.prepare()
	return m
}

func (r *ridges) code(i int) waveCode {
	x, y := i%r.where.w*cell+cell/2, i/r.where.w*cell+cell/2
	phase := math.Atan2(float64(r.odd[i]), float64(r.even.v[y*r.even.w+x]))
	fit := int(r.fit.v[i]*fitSteps + 0.5)
	return waveCode{
		phase: uint8(int(math.Round(phase/(2*math.Pi)*phaseSteps)) & (phaseSteps - 1)),
		angle: r.angle[i],
		step:  r.step[i],
		fit:   uint8(min(max(fit, 1), fitSteps)),
	}
}

// prepare computes the waves from the codes.
func (m *ridgeMap) prepare() {
	var normals [anglesPerPi][2]float32
	for a := range normals {
		sin, cos := math.Sincos(math.Pi * float64(a) / anglesPerPi)
		normals[a] = [2]float32{float32(-sin), float32(cos)}
	}
	var rate [periodSteps]float32
	for s := range rate {
		rate[s] = float32(256 * cell / periodOf(float64(s)))
	}
	m.waves = make([]wave, len(m.codes))
	for i, c := range m.codes {
		if c.fit == 0 {
			continue
		}
		n := normals[c.angle]
		m.waves[i] = wave{
			weight: float32(math.Sqrt(float64(c.fit) / fitSteps)),
			phase:  float32(c.phase) * 256 / phaseSteps,
			nx:     n[0],
			ny:     n[1],
			rate:   rate[c.step],
			angle:  int32(c.angle) * 256 / anglesPerPi,
		}
	}
}

// at returns the wave at cell x, y of the picture, or nil.
func (m *ridgeMap) at(x, y int) *wave {
	x, y = x-m.left, y-m.top
	if x < 0 || y < 0 || x >= m.w || y >= m.h {
		return nil
	}
	if w := &m.waves[y*m.w+x]; w.weight > 0 {
		return w
	}
	return nil
}
