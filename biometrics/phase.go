package biometrics

import "math"

// patch is how two pieces of ridges compare: the mean of e^i(candidate's phase
// − probe's), its weight, and the wave it was measured on.
type patch struct {
	real, imag    float32
	weight        float32 // mean over the whole patch, 0 to 1
	samples       int32
	nx, ny, omega float32 // unit normal, and phase per pixel along it (rad)
	slope         float32 // change of the difference per pixel along it (rad)
}

func (r *registration) patch(i int) patch {
	n := &r.nodes[i]
	cx, cy := r.cellOf(i)
	// Where the node lies on the probe's map, in cells, and what a cell to the
	// right and a cell down add.
	px, py := r.motion.apply(float64((cx+r.candidate.left)*cell+cell/2), float64((cy+r.candidate.top)*cell+cell/2))
	x0 := (float32(px)+n.dx)/cell - float32(r.probe.left)
	y0 := (float32(py)+n.dy)/cell - float32(r.probe.top)
	cos, sin := float32(r.motion.cos), float32(r.motion.sin)
	rightX, rightY, downX, downY := cos+n.dxx, sin+n.dyx, n.dxy-sin, n.dyy+cos

	probe, width, height := r.probe.waves, uint32(r.probe.w), uint32(r.probe.h)
	left, right := max(-patchReach, -cx), min(patchReach, r.candidate.w-1-cx)
	// Locals, which the compiler keeps in registers: most of the time of a
	// comparison is spent in this loop.
	var samples int32
	var all, parallel, real, imag, nx, ny, rate, momentReal, momentImag, spread float32
	for dy := max(-patchReach, -cy); dy <= min(patchReach, r.candidate.h-1-cy); dy++ {
		start := left + (left+dy+patchReach)&1
		first := (cy+dy)*r.candidate.w + cx
		x := x0 + float32(start)*rightX + float32(dy)*downX
		y := y0 + float32(start)*rightY + float32(dy)*downY
		row := r.candidate.waves[first+start : first+right+1]
		for k := 0; k < len(row); k += 2 {
			b := &row[k]
			atX, atY := x, y
			x, y = x+2*rightX, y+2*rightY
			// One more and one less: what lies left of the map must not be
			// rounded into it.
			ix, iy := uint32(int32(atX+1))-1, uint32(int32(atY+1))-1
			if b.weight == 0 || ix >= width || iy >= height {
				continue
			}
			a := &probe[iy*width+ix]
			if a.weight == 0 {
				continue
			}
			weight := a.weight * b.weight
			all += weight
			samples++
			facing := facings[uint32(b.angle+r.turn-a.angle)&511]
			if facing == 0 {
				continue
			}
			// The probe's phase goes on as a plane wave from the cell's middle.
			offset := a.nx*(atX-float32(int32(ix))-0.5) + a.ny*(atY-float32(int32(iy))-0.5)
			phase := facing*b.phase - a.phase - a.rate*offset
			turn := &turns[uint8(int32(phase+4096.5))]
			even, odd := weight*turn[0], weight*turn[1]
			along := a.nx*(atX-x0) + a.ny*(atY-y0)
			parallel += weight
			rate += weight * a.rate
			real += even
			spread += weight * along * along
			momentImag += odd * along
			if nx*a.nx+ny*a.ny < 0 { // keep all normals to one side
				weight, odd, along = -weight, -odd, -along
			}
			imag += odd
			momentReal += even * along
			nx += weight * a.nx
			ny += weight * a.ny
		}
	}
	p := patch{samples: samples, weight: all / patchArea}
	length := sqrt32(nx*nx + ny*ny)
	if length < 1e-6 {
		return p
	}
	p.real, p.imag = real/all, imag/all
	p.nx, p.ny = nx/length, ny/length
	if size := sqrt32(real*real+imag*imag) * spread; size > 1e-6 {
		p.slope = (real*momentImag - imag*momentReal) / (cell * size)
	}
	p.omega = rate / parallel * (2 * math.Pi / (256 * cell))
	return p
}

// facings tells by the angle between two ridges, in 1/256 of π, which way their
// normals face: 1 alike, -1 against each other, 0 where there is no common phase.
var facings = func() (f [512]float32) {
	for i := range f {
		switch parallel := math.Cos(2 * math.Pi * float64(i) / 256); { // of the doubled angle
		case parallel < minParallel:
		case i > 128 && i < 384:
			f[i] = -1
		default:
			f[i] = 1
		}
	}
	return f
}()

// turns holds cosine and sine of a turn in 256 steps.
var turns = func() (t [256][2]float32) {
	for i := range t {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / 256)
		t[i] = [2]float32{float32(cos), float32(sin)}
	}
	return t
}()

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
