package biometrics

import "math"

// What noise draws has shapes that ridges do not take: spurs, islands, lakes,
// bridges, and lines that are torn. Removing them follows the classification of
// Xiao and Raafat, "Fingerprint image postprocessing" (Pattern Recognition
// 24(10), 1991). Lengths are in pixels; a ridge period is about 9.
const (
	longestSpur   = 8  // shorter than a period: hair, pore, roughness
	longestIsland = 11 // a line without end points worth telling
	longestBridge = 11 // across the ridges
	longestLake   = 12 // two forks facing away from each other
	widestTear    = 11 // two endings facing each other
	widestPair    = 7  // any two facing events
)

// cutSpurs erases short side lines and short lines that end at both sides.
// Twice, since a spur can carry a spur.
func (b bitmap) cutSpurs() {
	for range 2 {
		for i, v := range b.on {
			if v == 0 || b.onFrame(i) || crossings(b.around(i)) != 1 {
				continue
			}
			branches := b.branches(i)
			if len(branches) != 1 {
				continue
			}
			path, why := b.walk(i, branches[0], longestIsland+1)
			switch {
			case why == atFork && len(path) <= longestSpur:
				b.erase(i, path[:len(path)-1])
			case why == atEnd && len(path) <= longestIsland:
				b.erase(i, path)
			}
		}
	}
}

func (b bitmap) erase(i int, path []int) {
	b.on[i] = 0
	for _, j := range path {
		b.on[j] = 0
	}
}

// markLakes drops pairs of forks that a short line joins: across the ridges it
// is a bridge, along them one side of a lake.
func (b bitmap) markLakes(events []lineEvent) {
	index := make(map[int]int, len(events))
	for k, e := range events {
		index[e.at] = k
	}
	for k := range events {
		e := &events[k]
		if e.kind != Bifurcation {
			continue
		}
		for _, first := range b.branches(e.at) {
			path, why := b.walk(e.at, first, walkLength)
			other, known := index[path[len(path)-1]]
			if why != atFork || !known || other == k {
				continue
			}
			f := &events[other]
			vx, vy := b.vector(e.at, f.at)
			length := math.Hypot(vx, vy)
			along := math.Abs(vx*e.dx+vy*e.dy) / (length + 1e-9)
			opposed := e.dx*f.dx+e.dy*f.dy < 0
			if length < longestBridge && along < 0.6 || length < longestLake && opposed {
				e.drop, f.drop = true, true
			}
		}
	}
}

// markFacing drops pairs that point away from each other over a short
// distance: a torn ridge, or a fork and an ending made by one blot.
func markFacing(b bitmap, events []lineEvent) {
	for k := range events {
		for l := k + 1; l < len(events); l++ {
			e, f := &events[k], &events[l]
			if f.at/b.w-e.at/b.w > longestLake {
				break // events come row by row
			}
			length := math.Hypot(b.vector(e.at, f.at))
			opposed := e.dx*f.dx+e.dy*f.dy < -0.7 // more than 135° apart
			torn := e.kind == Ending && f.kind == Ending && length < widestTear
			if opposed && (torn || length < widestPair) {
				e.drop, f.drop = true, true
			}
		}
	}
}
