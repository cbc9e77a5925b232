package biometrics

import (
	"cmp"
	"math"
	"slices"
)

// Kind is what a ridge does at a minutia.
type Kind uint8

// The kinds have the numbers of ISO/IEC 19794-2:2005, 7.5.2.
const (
	Other       Kind = 0
	Ending      Kind = 1
	Bifurcation Kind = 2
)

// Minutia is a place where a ridge ends or forks.
type Minutia struct {
	X, Y int // pixels at 500 per inch, from the upper left corner

	// Angle points along the ending ridge, away from its end, or into the valley
	// that the fork encloses: radians, from the x axis towards the y axis (down
	// the picture), -π < Angle ≤ π. A multiple of 2π/256, as an ISO record has it.
	Angle   float64
	Kind    Kind
	Quality int // 1 to 100
}

const (
	// Endings within this distance of the mask's edge come from the edge.
	edgeCells = 2

	minMinutiaFit = 0.2

	// maxMinutiae of best quality are kept. A whole print shows 40 to 100.
	maxMinutiae = 120

	// walkLength is how far a line is followed to see where it goes: a period
	// and a half.
	walkLength = 14
)

// lineEvent is a pixel of the skeleton where a line ends or forks.
type lineEvent struct {
	at     int // index into the bitmap
	kind   Kind
	dx, dy float64 // unit vector, as Minutia.Angle
	drop   bool
}

// findMinutiae reads endings and forks off the skeleton by the crossing number
// (Maltoni et al., Handbook of Fingerprint Recognition, 3.7.1), removes those
// that have the shape of a mistake, and returns the rest in canvas pixels.
func (r *ridges) findMinutiae(c *canvas) []Minutia {
	lines := r.binarise().thin()
	lines.cutSpurs()
	events := r.lineEvents(lines, c)
	lines.markLakes(events)
	markFacing(lines, events)

	var found []Minutia
	for _, e := range events {
		x, y := e.at%lines.w, e.at/lines.w
		i := y/cell*r.fit.w + x/cell
		if e.drop || r.fit.v[i] < minMinutiaFit {
			continue
		}
		quality := int(100*r.fit.v[i]*r.field.coherence.v[i] + 0.5)
		found = append(found, Minutia{X: x, Y: y, Kind: e.kind, Quality: max(quality, 1),
			Angle: wholeAngle(math.Atan2(e.dy, e.dx))})
	}
	slices.SortStableFunc(found, func(a, b Minutia) int { return cmp.Compare(b.Quality, a.Quality) })
	return found[:min(len(found), maxMinutiae)]
}

// wholeAngle rounds to a multiple of 2π/256.
func wholeAngle(a float64) float64 { return angleOf(angleByte(a)) }

// angleByte and angleOf convert to and from the ISO record's angle, which grows
// counter-clockwise where ours, y pointing down, grows clockwise.
func angleByte(a float64) byte { return byte(int(math.Round(-a*256/(2*math.Pi))) & 255) }

func angleOf(b byte) float64 { return normalAngle(-float64(b) * 2 * math.Pi / 256) }

// normalAngle brings an angle that is at most a few turns off to (-π, π].
func normalAngle(a float64) float64 {
	for a > math.Pi {
		a -= 2 * math.Pi
	}
	for a <= -math.Pi {
		a += 2 * math.Pi
	}
	return a
}

func (r *ridges) lineEvents(lines bitmap, c *canvas) []lineEvent {
	inner := r.where.erode(edgeCells)
	const border = 9 // px from the picture's edge, where every ridge ends
	var events []lineEvent
	for y := max(c.top+border, 1); y < min(c.bottom-border, lines.h-1); y++ {
		for x := max(c.left+border, 1); x < min(c.right-border, lines.w-1); x++ {
			i := y*lines.w + x
			if lines.on[i] == 0 || !inner.on[y/cell*inner.w+x/cell] {
				continue
			}
			n := crossings(lines.around(i))
			if n != 1 && n != 3 {
				continue
			}
			e := lineEvent{at: i, kind: Ending}
			if n == 3 {
				e.kind = Bifurcation
			}
			e.dx, e.dy = lines.direction(i, r.field.angleAt(x, y))
			events = append(events, e)
		}
	}
	return events
}

// direction turns the ridge orientation to the side the lines leave to: for a
// fork, the side of two of its three.
func (b bitmap) direction(i int, angle float64) (dx, dy float64) {
	dy, dx = math.Sincos(angle)
	var along float64
	for _, first := range b.branches(i) {
		path, _ := b.walk(i, first, 12)
		end := path[len(path)-1]
		vx, vy := b.vector(i, end)
		along += (vx*dx + vy*dy) / math.Hypot(vx, vy)
	}
	if along < 0 {
		return -dx, -dy
	}
	return dx, dy
}

func (b bitmap) vector(from, to int) (dx, dy float64) {
	return float64(to%b.w - from%b.w), float64(to/b.w - from/b.w)
}

// neighbour returns the index of the k-th neighbour, clockwise from above.
func (b bitmap) neighbour(i, k int) int {
	return i + [8]int{-b.w, 1 - b.w, 1, b.w + 1, b.w, b.w - 1, -1, -b.w - 1}[k&7]
}

// branches returns the first pixel of each line that leaves i.
func (b bitmap) branches(i int) []int {
	around := b.around(i)
	var first []int
	for k := range 8 {
		if around>>k&1 == 1 && around>>((k+7)&7)&1 == 0 { // a run of neighbours begins
			if k&1 == 1 && around>>((k+1)&7)&1 == 1 { // prefer the one sharing a side
				first = append(first, b.neighbour(i, k+1))
			} else {
				first = append(first, b.neighbour(i, k))
			}
		}
	}
	return first
}

// why a walk along a line stopped
type stop int

const (
	atLimit stop = iota
	atEnd
	atFork
)

// walk follows a line from start through first for at most limit pixels, and
// returns them without start; never empty.
func (b bitmap) walk(start, first, limit int) ([]int, stop) {
	path := append(make([]int, 0, limit), first)
	previous, at := start, first
	for len(path) < limit {
		if b.onFrame(at) {
			return path, atEnd
		}
		if crossings(b.around(at)) >= 3 {
			return path, atFork
		}
		next := b.follow(start, previous, at)
		if next < 0 {
			return path, atEnd
		}
		path = append(path, next)
		previous, at = at, next
	}
	return path, atLimit
}

func (b bitmap) onFrame(i int) bool {
	x, y := i%b.w, i/b.w
	return x < 1 || y < 1 || x >= b.w-1 || y >= b.h-1
}

// follow returns the next pixel of a line, or -1. Neighbours that share a side
// come first; what also touches the previous pixel is the line's own stair.
func (b bitmap) follow(start, previous, at int) int {
	for _, odd := range [2]int{0, 1} {
		for k := odd; k < 8; k += 2 {
			next := b.neighbour(at, k)
			dx, dy := b.vector(previous, next)
			if b.on[next] == 1 && next != start && max(math.Abs(dx), math.Abs(dy)) > 1 {
				return next
			}
		}
	}
	return -1
}
