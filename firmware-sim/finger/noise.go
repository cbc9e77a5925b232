package finger

import (
	"math"
	"math/rand/v2"
)

// noise is a smooth random function of the plane with values from -1 to 1 and
// features about as large as a cell. It repeats every noiseSide cells.
type noise struct {
	cell   float64
	values [noiseSide * noiseSide]float32
}

const noiseSide = 64

func newNoise(rng *rand.Rand, cell float64) *noise {
	n := &noise{cell: cell}
	for i := range n.values {
		n.values[i] = float32(between(rng, -1, 1))
	}
	return n
}

func (n *noise) at(x, y float64) float64 {
	x, y = x/n.cell, y/n.cell
	fx, fy := math.Floor(x), math.Floor(y)
	i, j := int(fx), int(fy)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	top := n.value(i, j)*(1-tx) + n.value(i+1, j)*tx
	bottom := n.value(i, j+1)*(1-tx) + n.value(i+1, j+1)*tx
	return top*(1-ty) + bottom*ty
}

func (n *noise) value(i, j int) float64 {
	return float64(n.values[(j&(noiseSide-1))*noiseSide+i&(noiseSide-1)])
}
