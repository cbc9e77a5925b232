package biometrics

import "math"

// Registration lays the candidate's ridges over the probe's by their phase:
// from seeds where minutiae agree it grows node by node, each time predicting
// from the neighbours how far the skin is displaced there, and correcting the
// prediction by the phase that is left. After Cui, Feng, Li and Zhou, "2-D
// phase demodulation for deformable fingerprint registration" (TIFS 13(12),
// 2018), with region growing in place of unwrapping the whole print.
//
// Phase knows a displacement across the ridges only, and only up to a period:
// hence the prediction, and hence what counts is the agreement at the
// neighbours' prediction, before a node's own correction. Corrected, strangers
// agree too.
const (
	nodePitch  = 3 // cells between nodes
	patchReach = 3 // cells from a node to the edge of its patch: neighbours overlap by half

	// A patch with fewer samples in common is not compared: a sixth.
	minPatch = 4

	patchArea = ((2*patchReach+1)*(2*patchReach+1) + 1) / 2

	// Ridges that cross at more than 36° (cos 2·36° = 0.3) have no common phase.
	minParallel = 0.3

	// Corrections stop short of half a period (π), where their sign is a guess.
	maxCorrection = 1.8

	// One correction of the gradient. Skin stretches more, but over several nodes.
	maxStrain = 0.15

	// Growing stops when these many nodes and more agree so little. From where one
	// finger's ridges lie on each other it seldom begins so badly.
	earlyNodes     = 40
	earlyAgreement = 0.25
)

// node is a place of the candidate, and where it comes to lie.
type node struct {
	known   bool // the candidate has ridges here
	visited bool

	// Displacement after the motion, in pixels of the probe, and its gradient
	// per pixel of the candidate.
	dx, dy             float32
	dxx, dxy, dyx, dyy float32

	samples   int32
	weight    float32 // mean quality of the samples, 0 to 1
	coherence float32 // agreement once the node is corrected
	agreement float32 // at the prediction, -1 to 1
	trust     float32 // in it, when its neighbours are predicted; above 0 once visited
}

// registration is one growth. It is a warp.
type registration struct {
	probe, candidate *ridgeMap
	motion           motion
	inverse          motion
	turn             int32 // of the motion, 1/256 of π
	w, h             int
	nodes            []node
	queue            nodeQueue
}

// newRegistration begins a growth in the memory of an earlier one, if any.
func newRegistration(probe, candidate *ridgeMap, m motion, earlier *registration) *registration {
	r := &registration{probe: probe, candidate: candidate, motion: m, inverse: m.inverse(),
		turn: int32(math.Round(m.angle / math.Pi * 256)),
		w:    (candidate.w + nodePitch - 1) / nodePitch, h: (candidate.h + nodePitch - 1) / nodePitch}
	if earlier != nil {
		r.nodes, r.queue = earlier.nodes, earlier.queue[:0] // the same candidate: as many
		clear(r.nodes)
	} else {
		r.nodes = make([]node, r.w*r.h)
	}
	for i := range r.nodes {
		cx, cy := r.cellOf(i)
		r.nodes[i].known = cx < candidate.w && cy < candidate.h && candidate.waves[cy*candidate.w+cx].weight > 0
	}
	return r
}

// cellOf returns the cell of the candidate's map that a node stands on.
func (r *registration) cellOf(i int) (x, y int) {
	return i%r.w*nodePitch + nodePitch/2, i/r.w*nodePitch + nodePitch/2
}

// nodeAt returns the node column and row nearest to a pixel of the candidate,
// with fractions.
func (r *registration) nodeAt(x, y float64) (nx, ny float64) {
	return (x/cell - 0.5 - float64(r.candidate.left) - nodePitch/2) / nodePitch,
		(y/cell - 0.5 - float64(r.candidate.top) - nodePitch/2) / nodePitch
}

// seed is a pixel of the candidate whose displacement is known.
type seed struct{ x, y, dx, dy float64 }

// grow registers from the seeds on. It returns false if it gave up early.
func (r *registration) grow(seeds []seed) bool {
	for _, s := range seeds {
		r.plant(s)
	}
	grown := 0
	var agreement, weight float32
	for len(r.queue) > 0 {
		from := r.queue.pop()
		for _, d := range fourNeighbours {
			x, y := from%r.w+d[0], from/r.w+d[1]
			if x < 0 || y < 0 || x >= r.w || y >= r.h {
				continue
			}
			n := &r.nodes[y*r.w+x]
			if !n.known || n.visited {
				continue
			}
			r.predict(y*r.w + x)
			r.compare(y*r.w + x)
			n.visited = true
			if n.samples > 0 {
				grown++
				agreement += n.agreement * n.weight
				weight += n.weight
				r.queue.push(y*r.w+x, n.coherence*n.weight)
			}
		}
		if grown > earlyNodes && agreement < earlyAgreement*weight {
			return false
		}
	}
	return true
}

// plant starts the nodes around a seed with its displacement.
func (r *registration) plant(s seed) {
	fx, fy := r.nodeAt(s.x, s.y)
	for y := int(math.Round(fy)) - 1; y <= int(math.Round(fy))+1; y++ {
		for x := int(math.Round(fx)) - 1; x <= int(math.Round(fx))+1; x++ {
			if x < 0 || y < 0 || x >= r.w || y >= r.h {
				continue
			}
			n := &r.nodes[y*r.w+x]
			if !n.known || n.visited {
				continue
			}
			n.dx, n.dy = float32(s.dx), float32(s.dy)
			r.compare(y*r.w + x)
			n.visited = true
			r.queue.push(y*r.w+x, n.coherence*n.weight)
		}
	}
}

// relax predicts and corrects every node again, now from all sides.
func (r *registration) relax() {
	for i := range r.nodes {
		if r.nodes[i].visited && r.nodes[i].samples > 0 {
			r.predict(i)
			r.compare(i)
		}
	}
}

// predict sets a node's displacement and gradient to the affine least squares
// fit of its visited neighbours, up to three nodes away, nearer ones and those
// that agree counting more.
func (r *registration) predict(i int) {
	var f affineFit
	x0, y0 := i%r.w, i/r.w
	first, last := max(-predictReach, -x0), min(predictReach, r.w-1-x0)
	for dy := max(-predictReach, -y0); dy <= min(predictReach, r.h-1-y0); dy++ {
		row := r.nodes[i+dy*r.w+first : i+dy*r.w+last+1]
		near := nearness[dy+predictReach][first+predictReach:]
		// Locals, for the reason told in patch.
		var s1, sx, sxx, x1, xx, y1, yx, gxx, gxy, gyx, gyy float32
		x := float32(first)
		for k := range row {
			if n := &row[k]; n.visited {
				w := n.trust * near[k]
				wx := w * x
				s1, sx, sxx = s1+w, sx+wx, sxx+wx*x
				x1, xx = x1+w*n.dx, xx+wx*n.dx
				y1, yx = y1+w*n.dy, yx+wx*n.dy
				gxx, gxy = gxx+w*n.dxx, gxy+w*n.dxy
				gyx, gyy = gyx+w*n.dyx, gyy+w*n.dyy
			}
			x++
		}
		y := float32(dy)
		f.s1, f.sx, f.sxx = f.s1+s1, f.sx+sx, f.sxx+sxx
		f.sy, f.sxy, f.syy = f.sy+y*s1, f.sxy+y*sx, f.syy+y*y*s1
		f.x1, f.xx, f.xy = f.x1+x1, f.xx+xx, f.xy+y*x1
		f.y1, f.yx, f.yy = f.y1+y1, f.yx+yx, f.yy+y*y1
		f.gxx, f.gxy, f.gyx, f.gyy = f.gxx+gxx, f.gxy+gxy, f.gyx+gyx, f.gyy+gyy
	}
	f.solve(&r.nodes[i])
}

const predictReach = 3 // nodes

// nearness is a Gaussian of 1.5 nodes around a node, which itself is left out.
var nearness = func() (g [2*predictReach + 1][2*predictReach + 1]float32) {
	for y := range g {
		for x := range g[y] {
			dx, dy := float64(x-predictReach), float64(y-predictReach)
			g[y][x] = float32(math.Exp(-(dx*dx + dy*dy) / (2 * 1.5 * 1.5)))
		}
	}
	g[predictReach][predictReach] = 0
	return g
}()

// affineFit holds the normal equations of displacement = a + b·x + c·y, x and y
// in nodes, and the sum of what the neighbours measured of the gradient.
type affineFit struct {
	s1, sx, sy, sxx, sxy, syy float32
	x1, xx, xy, y1, yx, yy    float32
	gxx, gxy, gyx, gyy        float32
}

// solve writes the fit into a node. Where the neighbours' places cannot tell the
// gradient, it is drawn to the mean of what they measured.
func (f *affineFit) solve(n *node) {
	if f.s1 == 0 {
		return
	}
	const pitch = nodePitch * cell
	flat := 0.1*f.s1 + 0.3
	m00, m11, m22 := f.s1+1e-6, f.sxx+flat, f.syy+flat
	draw := flat * pitch / f.s1
	xx, xy := f.xx+draw*f.gxx, f.xy+draw*f.gxy
	yx, yy := f.yx+draw*f.gyx, f.yy+draw*f.gyy
	c00, c01, c02 := m11*m22-f.sxy*f.sxy, f.sy*f.sxy-f.sx*m22, f.sx*f.sxy-f.sy*m11
	c11, c12, c22 := m00*m22-f.sy*f.sy, f.sx*f.sy-m00*f.sxy, m00*m11-f.sx*f.sx
	whole := 1 / (m00*c00 + f.sx*c01 + f.sy*c02) // the determinant is positive: so is the matrix
	n.dx = (c00*f.x1 + c01*xx + c02*xy) * whole
	n.dxx = (c01*f.x1 + c11*xx + c12*xy) * whole / pitch
	n.dxy = (c02*f.x1 + c12*xx + c22*xy) * whole / pitch
	n.dy = (c00*f.y1 + c01*yx + c02*yy) * whole
	n.dyx = (c01*f.y1 + c11*yx + c12*yy) * whole / pitch
	n.dyy = (c02*f.y1 + c12*yx + c22*yy) * whole / pitch
}

// compare measures a node's agreement where it was predicted to lie, and then
// corrects it along the ridges' normal: the displacement by the phase left over,
// the gradient by its slope over the patch, which is how much the skin is drawn
// out there. (Without the slope, growth loses prints that are stretched by a
// fifth: the neighbours' displacements tell of it too late.)
func (r *registration) compare(i int) {
	n := &r.nodes[i]
	p := r.patch(i)
	n.samples, n.agreement, n.coherence, n.weight, n.trust = p.samples, p.real, 0, 0, leastTrust
	if p.samples < minPatch || p.omega <= 0 {
		return
	}
	n.weight = p.weight
	n.coherence = sqrt32(p.real*p.real + p.imag*p.imag)
	n.trust = n.coherence*n.coherence*n.weight + leastTrust
	phase := float32(math.Atan2(float64(p.imag), float64(p.real)))
	phase = min(max(phase, -maxCorrection), maxCorrection)
	share := min(n.coherence*1.5, 1) // what is less than two thirds coherent is not followed the whole way
	d := phase / p.omega * share
	n.dx += d * p.nx
	n.dy += d * p.ny
	// The gradient is taken by the candidate's pixels: the normal in its frame.
	strain := min(max(p.slope/p.omega, -maxStrain), maxStrain) * share
	cos, sin := float32(r.motion.cos), float32(r.motion.sin)
	mx, my := cos*p.nx+sin*p.ny, cos*p.ny-sin*p.nx
	n.dxx += strain * p.nx * mx
	n.dxy += strain * p.nx * my
	n.dyx += strain * p.ny * mx
	n.dyy += strain * p.ny * my
}

// leastTrust is what a node without common ridges has.
const leastTrust = 1e-3

// coherence is the share of the overlap that agrees: the mean square of the
// positive agreements, weighted by quality.
func (r *registration) coherence() float64 {
	var sum, weight float32
	for i := range r.nodes {
		n := &r.nodes[i]
		if !n.visited || n.samples < minPatch {
			continue
		}
		weight += n.weight
		if n.agreement > 0 {
			sum += n.agreement * n.agreement * n.weight
		}
	}
	if weight == 0 {
		return 0
	}
	return float64(sum / weight)
}

// apply maps a pixel of the candidate to the probe.
func (r *registration) apply(x, y float64) (float64, float64) {
	dx, dy := r.displacement(x, y)
	x, y = r.motion.apply(x, y)
	return x + dx, y + dy
}

// displacement blends the nodes around a pixel of the candidate.
func (r *registration) displacement(x, y float64) (dx, dy float64) {
	fx, fy := r.nodeAt(x, y)
	x0, y0 := int(math.Floor(fx)), int(math.Floor(fy))
	var sum float64
	for ny := max(y0-1, 0); ny <= min(y0+2, r.h-1); ny++ {
		for nx := max(x0-1, 0); nx <= min(x0+2, r.w-1); nx++ {
			n := &r.nodes[ny*r.w+nx]
			if !n.visited || n.weight == 0 {
				continue
			}
			ax, ay := fx-float64(nx), fy-float64(ny)
			w := float64(n.trust) * math.Exp(-(ax*ax+ay*ay)/2)
			dx, dy, sum = dx+w*float64(n.dx), dy+w*float64(n.dy), sum+w
		}
	}
	if sum == 0 {
		return 0, 0
	}
	return dx / sum, dy / sum
}

// backward is the inverse of a registration, by two steps of fixed-point
// iteration: displacements change little over their own length.
type backward struct{ *registration }

func (b backward) apply(x, y float64) (float64, float64) {
	cx, cy := b.inverse.apply(x, y)
	for range 2 {
		dx, dy := b.displacement(cx, cy)
		cx, cy = b.inverse.apply(x-dx, y-dy)
	}
	return cx, cy
}

// nodeQueue is a heap of nodes, the most trusted first; equal ones in the order
// of their numbers, so that growth does not depend on the heap's layout.
type nodeQueue []queued

type queued struct {
	node  int
	trust float32
}

func (q nodeQueue) before(i, j int) bool {
	return q[i].trust > q[j].trust || q[i].trust == q[j].trust && q[i].node < q[j].node
}

func (q *nodeQueue) push(node int, trust float32) {
	*q = append(*q, queued{node, trust})
	h := *q
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (q *nodeQueue) pop() int {
	h := *q
	top, last := h[0].node, len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && h.before(child+1, child) {
			child++
		}
		if child >= last || !h.before(child, i) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return top
}
