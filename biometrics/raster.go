package biometrics

import (
	"math"
	"slices"
)

// cell is the pitch of the coarse grid, in pixels at 500 per inch. Everything
// that changes slowly over a finger (contrast, orientation, period, quality)
// lives on this grid: a ridge period is 5 to 15 px, so that 4 px lose nothing
// of it, and the work is a sixteenth.
const cell = 4

// plane is a rectangle of samples, row after row.
type plane struct {
	w, h int
	v    []float32
}

func newPlane(w, h int) plane { return plane{w, h, make([]float32, w*h)} }

// blur returns p convolved with a Gaussian of standard deviation sigma, in
// samples. At the border the kernel is cut and normalised again, so that
// nothing is assumed of what lies outside.
func (p plane) blur(sigma float64) plane {
	kernel := gaussian(sigma)
	across := newPlane(p.w, p.h)
	for y := range p.h {
		blurLine(across.v[y*p.w:], p.v[y*p.w:], p.w, 1, kernel)
	}
	down := newPlane(p.w, p.h)
	for x := range p.w {
		blurLine(down.v[x:], across.v[x:], p.h, p.w, kernel)
	}
	return down
}

// gaussian returns one half of the kernel: the weights at 0, 1, 2, … samples.
func gaussian(sigma float64) []float32 {
	kernel := make([]float32, int(math.Ceil(3*sigma))+1)
	for i := range kernel {
		kernel[i] = float32(math.Exp(-float64(i*i) / (2 * sigma * sigma)))
	}
	return kernel
}

// blurLine convolves n samples that lie stride apart.
func blurLine(dst, src []float32, n, stride int, kernel []float32) {
	for i := range n {
		sum, weight := src[i*stride]*kernel[0], kernel[0]
		for k := 1; k < len(kernel); k++ {
			if i >= k {
				sum += src[(i-k)*stride] * kernel[k]
				weight += kernel[k]
			}
			if i+k < n {
				sum += src[(i+k)*stride] * kernel[k]
				weight += kernel[k]
			}
		}
		dst[i*stride] = sum / weight
	}
}

// at interpolates between samples; x and y in samples, clamped to the plane.
func (p plane) at(x, y float64) float32 {
	x = min(max(x, 0), float64(p.w-1))
	y = min(max(y, 0), float64(p.h-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, p.w-1), min(y0+1, p.h-1)
	fx, fy := float32(x-float64(x0)), float32(y-float64(y0))
	top := p.v[y0*p.w+x0]*(1-fx) + p.v[y0*p.w+x1]*fx
	bottom := p.v[y1*p.w+x0]*(1-fx) + p.v[y1*p.w+x1]*fx
	return top*(1-fy) + bottom*fy
}

// mask marks samples of a grid.
type mask struct {
	w, h int
	on   []bool
}

func newMask(w, h int) mask { return mask{w, h, make([]bool, w*h)} }

func (m mask) at(x, y int) bool {
	return x >= 0 && y >= 0 && x < m.w && y < m.h && m.on[y*m.w+x]
}

// dilate marks every sample within a square of radius r around a marked one.
func (m mask) dilate(r int) mask { return m.spread(r, true) }

// erode keeps the samples whose whole square of radius r is marked. Outside of
// the grid nothing is marked.
func (m mask) erode(r int) mask {
	out := m.spread(r, false)
	for y := range m.h {
		for x := range m.w {
			if x < r || y < r || x >= m.w-r || y >= m.h-r {
				out.on[y*m.w+x] = false
			}
		}
	}
	return out
}

// spread lets samples of the given value overwrite their surroundings.
func (m mask) spread(r int, value bool) mask {
	across := newMask(m.w, m.h)
	copy(across.on, m.on)
	out := newMask(m.w, m.h)
	for y := range m.h {
		for x := range m.w {
			if m.on[y*m.w+x] == value {
				for k := max(x-r, 0); k <= min(x+r, m.w-1); k++ {
					across.on[y*m.w+k] = value
				}
			}
		}
	}
	copy(out.on, across.on)
	for y := range m.h {
		for x := range m.w {
			if across.on[y*m.w+x] == value {
				for k := max(y-r, 0); k <= min(y+r, m.h-1); k++ {
					out.on[k*m.w+x] = value
				}
			}
		}
	}
	return out
}

// dropSmall clears the connected regions that are smaller than the given share
// of the largest.
func (m mask) dropSmall(share float64) {
	label, sizes := m.label()
	largest := slices.Max(sizes)
	for i, id := range label {
		if id > 0 && float64(sizes[id]) < share*float64(largest) {
			m.on[i] = false
		}
	}
}

// regions returns the sizes of the connected regions in samples, largest first.
func (m mask) regions() []int {
	_, sizes := m.label()
	sizes = sizes[1:]
	slices.SortFunc(sizes, func(a, b int) int { return b - a })
	return sizes
}

// label numbers the connected regions from 1: label has the number of each
// sample's region, 0 for none, and sizes the samples of each number.
func (m mask) label() (label, sizes []int) {
	label, sizes = make([]int, len(m.on)), []int{0}
	var queue []int
	for start, on := range m.on {
		if !on || label[start] != 0 {
			continue
		}
		id := len(sizes)
		label[start] = id
		queue = append(queue[:0], start)
		for k := 0; k < len(queue); k++ {
			x, y := queue[k]%m.w, queue[k]/m.w
			for _, d := range fourNeighbours {
				if next := (y+d[1])*m.w + x + d[0]; m.at(x+d[0], y+d[1]) && label[next] == 0 {
					label[next] = id
					queue = append(queue, next)
				}
			}
		}
		sizes = append(sizes, len(queue))
	}
	return label, sizes
}

var fourNeighbours = [4][2]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}
