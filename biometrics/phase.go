package biometrics

import "math"

// patch is how two pieces of ridges compare: the mean of e^i(candidate's phase
// − probe's), its weight, and the wave it was measured on.
type patch struct {
	real, imag, weight float64
	samples            int
	nx, ny, omega      float64 // unit normal, and phase per pixel along it (rad)
	slope              float64 // change of the difference per pixel along it (rad)
}

func (r *registration) patch(i int) (p patch) {
	n := &r.nodes[i]
	cx, cy := r.cellOf(i)
	px := float64((cx+r.candidate.left)*cell + cell/2)
	py := float64((cy+r.candidate.top)*cell + cell/2)
	// Where the node lies on the probe, and what a cell to the right and a
	// cell down add.
	x0, y0 := r.motion.apply(px, py)
	x0 += n.dx - float64(r.probe.left*cell)
	y0 += n.dy - float64(r.probe.top*cell)
	rightX, rightY := cell*(r.motion.cos+n.dxx), cell*(r.motion.sin+n.dyx)
	downX, downY := cell*(n.dxy-r.motion.sin), cell*(n.dyy+r.motion.cos)
	limitX, limitY := float64(r.probe.w*cell), float64(r.probe.h*cell)

	var sum phaseSum
	for dy := max(-patchReach, -cy); dy <= min(patchReach, r.candidate.h-1-cy); dy++ {
		row := r.candidate.waves[(cy+dy)*r.candidate.w : (cy+dy+1)*r.candidate.w]
		for dx := max(-patchReach, -cx); dx <= min(patchReach, r.candidate.w-1-cx); dx++ {
			b := &row[cx+dx]
			x := x0 + float64(dx)*rightX + float64(dy)*downX
			y := y0 + float64(dx)*rightY + float64(dy)*downY
			if b.weight == 0 || !(x >= 0 && y >= 0 && x < limitX && y < limitY) {
				continue
			}
			ix, iy := int(x)/cell, int(y)/cell
			if a := &r.probe.waves[iy*r.probe.w+ix]; a.weight > 0 {
				sum.add(a, b, r.turn, float32(x)-float32(ix*cell+cell/2), float32(y)-float32(iy*cell+cell/2),
					float32(x-x0), float32(y-y0))
			}
		}
	}
	return sum.patch()
}

// phaseSum gathers the samples of a patch.
type phaseSum struct {
	real, imag, weight float32
	nx, ny, kx, ky     float32
	samples            int

	// First moments of the phase along the normal, and the second of place.
	momentReal, momentImag, spread float32
}

// add compares two waves; offsetX and offsetY lead from the probe's sample
// point to the place in question, over which its phase goes on as a plane wave;
// fromX and fromY lead there from the node.
func (s *phaseSum) add(a, b *wave, turn int32, offsetX, offsetY, fromX, fromY float32) {
	angle := (b.angle256 + turn - a.angle256) & 511
	phase := b.phase
	if angle > 128 && angle < 384 { // the normals point against each other
		phase = -phase
	}
	parallel := cosine[angle&255] // of the doubled angle
	weight := a.weight * b.weight
	s.weight += weight
	s.samples++
	if parallel < minParallel {
		return
	}
	phase -= a.phase + a.kx*offsetX + a.ky*offsetY
	turnPart := int(phase+4096.5) & 255
	real, imag := weight*cosine[turnPart], weight*cosine[(turnPart-64)&255]
	along := a.nx*fromX + a.ny*fromY
	s.real += real
	s.spread += weight * along * along
	s.momentImag += imag * along
	if s.nx*a.nx+s.ny*a.ny < 0 { // keep all normals to one side
		weight, imag, along = -weight, -imag, -along
	}
	s.imag += imag
	s.momentReal += real * along
	s.nx += weight * a.nx
	s.ny += weight * a.ny
	s.kx += weight * a.kx
	s.ky += weight * a.ky
}

// cosine holds a turn in 256 steps.
var cosine = func() (c [256]float32) {
	for i := range c {
		c[i] = float32(math.Cos(2 * math.Pi * float64(i) / 256))
	}
	return c
}()

func (s *phaseSum) patch() patch {
	p := patch{samples: s.samples, weight: float64(s.weight)}
	length := math.Hypot(float64(s.nx), float64(s.ny))
	if length < 1e-6 {
		return p
	}
	p.real, p.imag = float64(s.real)/p.weight, float64(s.imag)/p.weight
	p.nx, p.ny = float64(s.nx)/length, float64(s.ny)/length
	size := math.Hypot(float64(s.real), float64(s.imag)) * float64(s.spread)
	if size > 1e-6 {
		p.slope = float64(s.real*s.momentImag-s.imag*s.momentReal) / size
	}
	p.omega = math.Hypot(float64(s.kx), float64(s.ky)) / length * 2 * math.Pi / 256
	return p
}
