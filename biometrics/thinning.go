package biometrics

// bitmap is a picture of ones and zeros, one byte a pixel. Its outermost
// pixels are zero, so that no neighbour lies outside.
type bitmap struct {
	w, h int
	on   []uint8
}

// smallestIsland is the size in pixels below which a spot of ridge, or a hole
// in one, is a pore or dirt: half a period squared.
const smallestIsland = 40

// binarise takes a ridge where the wave is positive, and clears specks.
func (r *ridges) binarise() bitmap {
	b := bitmap{r.even.w, r.even.h, make([]uint8, len(r.even.v))}
	inside := make([]bool, len(b.on))
	for y := 1; y < b.h-1; y++ {
		for x := 1; x < b.w-1; x++ {
			i := y*b.w + x
			inside[i] = r.where.on[y/cell*r.where.w+x/cell]
			if inside[i] && r.even.v[i] > 0 {
				b.on[i] = 1
			}
		}
	}
	b.dropSpecks(inside)
	return b
}

// dropSpecks inverts regions of one value that are small and do not touch the
// outside.
func (b bitmap) dropSpecks(inside []bool) {
	seen := make([]bool, len(b.on))
	var queue []int
	for start := range b.on {
		if !inside[start] || seen[start] {
			continue
		}
		seen[start] = true
		queue = append(queue[:0], start)
		touches := false
		for k := 0; k < len(queue); k++ {
			for _, step := range [4]int{1, -1, b.w, -b.w} {
				next := queue[k] + step
				switch {
				case !inside[next]:
					touches = true
				case b.on[next] == b.on[start] && !seen[next]:
					seen[next] = true
					queue = append(queue, next)
				}
			}
		}
		if len(queue) < smallestIsland && !touches {
			value := 1 - b.on[start]
			for _, i := range queue {
				b.on[i] = value
			}
		}
	}
}

// around returns the eight neighbours as bits, clockwise from above.
func (b bitmap) around(i int) uint8 {
	up, down := b.on[i-b.w-1:i-b.w+2], b.on[i+b.w-1:i+b.w+2]
	return up[1] | up[2]<<1 | b.on[i+1]<<2 | down[2]<<3 | down[1]<<4 | down[0]<<5 | b.on[i-1]<<6 | up[0]<<7
}

// crossings counts how often the circle of neighbours goes from 0 to 1: 1 at
// the end of a line, 2 on it, 3 where it forks (Rutovitz' crossing number).
func crossings(around uint8) int {
	n := 0
	for k := range 8 {
		if around>>k&1 == 0 && around>>((k+1)&7)&1 == 1 {
			n++
		}
	}
	return n
}

// thin reduces ridges to lines of one pixel: Zhang and Suen, "A fast parallel
// algorithm for thinning digital patterns" (CACM 27(3), 1984), and a last pass
// that straightens its stairs.
func (b bitmap) thin() bitmap {
	out := bitmap{b.w, b.h, append([]uint8(nil), b.on...)}
	removable := zhangSuen()
	var line, gone []int
	for i, v := range out.on {
		if v == 1 {
			line = append(line, i)
		}
	}
	for changed := true; changed; {
		changed = false
		for half := range removable {
			gone = gone[:0]
			for _, i := range line {
				if removable[half][out.around(i)] {
					gone = append(gone, i)
				}
			}
			for _, i := range gone {
				out.on[i] = 0
			}
			if len(gone) > 0 {
				changed = true
				line = out.still(line)
			}
		}
	}
	for _, i := range line {
		if isStair(out.around(i)) {
			out.on[i] = 0
		}
	}
	return out
}

func (b bitmap) still(line []int) []int {
	kept := line[:0]
	for _, i := range line {
		if b.on[i] == 1 {
			kept = append(kept, i)
		}
	}
	return kept
}

// zhangSuen tabulates the two half-steps' conditions by neighbourhood.
func zhangSuen() (removable [2][256]bool) {
	for v := range 256 {
		bit := func(k int) int { return v >> k & 1 }
		n := 0
		for k := range 8 {
			n += bit(k)
		}
		if n < 2 || n > 6 || crossings(uint8(v)) != 1 {
			continue
		}
		north, east, south, west := bit(0), bit(2), bit(4), bit(6)
		removable[0][v] = north*east*south == 0 && east*south*west == 0
		removable[1][v] = north*east*west == 0 && north*south*west == 0
	}
	return removable
}

// isStair tells a corner pixel whose two neighbours touch each other anyway.
func isStair(around uint8) bool {
	for k := 0; k < 8; k += 2 {
		set := func(n int) bool { return around>>((k+n)&7)&1 == 1 }
		if set(0) && set(2) && !set(4) && !set(5) && !set(6) {
			return true
		}
	}
	return false
}
