package finger

import (
	"math"
	"math/rand/v2"
)

// The ridges are kept on a grid of every second pixel: they are band-limited,
// with four samples or more a period, so nothing is lost, and growing them
// takes a tenth of the time.
const (
	step   = 2   // pixels a cell
	halfW  = 84  // cells from the middle to the side
	halfH  = 102 // cells from the middle to the top
	margin = 9   // cells around, so that filters and interpolation need no bounds
	gridW  = 2*halfW + 1 + 2*margin
	gridH  = 2*halfH + 1 + 2*margin
)

// ridges holds the height of the skin, about -1 in a valley and 1 on a ridge.
type ridges struct {
	height [gridW * gridH]float32
}

// The filter bank: kernels for orientations and periods, chosen cell by cell.
const (
	orientations = 64
	periods      = 8
	shortest     = 3.4 // cells
	longest      = 6.2
	reach        = 8 // cells from the middle of a kernel to its edge
	side         = 2*reach + 1
	rounds       = 8
)

// grow lets ridges spread from random spots over the pad until they meet.
func grow(rng *rand.Rand, f *field) *ridges {
	kernels := bank()
	cells, chosen := choose(f)
	now, next := new(ridges), new(ridges)
	for _, i := range cells {
		if rng.Float64() < 0.05 {
			now.height[i] = 1
		}
	}
	for round := range rounds {
		last := round == rounds-1
		for k, i := range cells {
			h := filter(&now.height, i, &kernels[chosen[k]])
			if !last {
				h = min(max(3*h, -1), 1)
			}
			next.height[i] = h
		}
		now, next = next, now
	}
	return now
}

// choose lists the cells of the pad, an ellipse, and the kernel of each.
func choose(f *field) (cells, chosen []int) {
	for j := -halfH; j <= halfH; j++ {
		for i := -halfW; i <= halfW; i++ {
			u, v := float64(i)/(halfW+0.5), float64(j)/(halfH+0.5)
			if u*u+v*v > 1 {
				continue
			}
			x, y := float64(step*i), float64(-step*j)
			o := f.orientation(x, y) / math.Pi
			o -= math.Floor(o)
			t := (f.ridgePeriod(x, y)/step - shortest) / (longest - shortest)
			ot := int(o*orientations+0.5) % orientations
			pt := min(max(int(t*periods), 0), periods-1)
			cells = append(cells, (j+halfH+margin)*gridW+i+halfW+margin)
			chosen = append(chosen, pt*orientations+ot)
		}
	}
	return cells, chosen
}

type kernel [side * side]float32

// bank makes the Gabor kernels: three ridges wide, without a mean, of gain 1
// for the wave that each is made for.
func bank() []kernel {
	kernels := make([]kernel, periods*orientations)
	for p := range periods {
		period := shortest + (float64(p)+0.5)*(longest-shortest)/periods
		for o := range orientations {
			kernels[p*orientations+o] = gabor(period, math.Pi*float64(o)/orientations)
		}
	}
	return kernels
}

func gabor(period, orientation float64) kernel {
	var k kernel
	sin, cos := math.Sincos(orientation)
	sigma := 0.36 * period
	var mean, weight float64
	var window, wave [side * side]float64
	for j := -reach; j <= reach; j++ {
		for i := -reach; i <= reach; i++ {
			at := (j+reach)*side + i + reach
			across := sin*float64(i) + cos*float64(j) // rows go down, y goes up
			window[at] = math.Exp(-float64(i*i+j*j) / (2 * sigma * sigma))
			wave[at] = math.Cos(2 * math.Pi * across / period)
			mean += window[at] * wave[at]
			weight += window[at]
		}
	}
	var gain float64
	for at := range k {
		w := window[at] * (wave[at] - mean/weight)
		k[at] = float32(w)
		gain += w * wave[at]
	}
	for at := range k {
		k[at] /= float32(gain)
	}
	return k
}

// filter is the kernel's response at cell i.
func filter(height *[gridW * gridH]float32, i int, k *kernel) float32 {
	var sum float32
	for j := range side {
		from := i + (j-reach)*gridW - reach
		row := height[from : from+side : from+side]
		weights := k[j*side : j*side+side : j*side+side]
		var part float32
		for x, w := range weights {
			part += w * row[x]
		}
		sum += part
	}
	return sum
}

// at is the height of the skin at (x, y) in pixels from the middle of the pad,
// y towards the fingertip, by cubic interpolation (Keys 1981); 0 outside.
func (r *ridges) at(x, y float64) float64 {
	x, y = x/step+halfW+margin, -y/step+halfH+margin
	fx, fy := math.Floor(x), math.Floor(y)
	i, j := int(fx), int(fy)
	if i < 1 || j < 1 || i > gridW-3 || j > gridH-3 {
		return 0
	}
	wx, wy := cubic(x-fx), cubic(y-fy)
	var sum float64
	for b, w := range wy {
		row := r.height[(j+b-1)*gridW+i-1:]
		sum += w * (wx[0]*float64(row[0]) + wx[1]*float64(row[1]) + wx[2]*float64(row[2]) + wx[3]*float64(row[3]))
	}
	return sum
}

// cubic weighs the four samples around a point t after the second of them.
func cubic(t float64) [4]float64 {
	t2, t3 := t*t, t*t*t
	return [4]float64{
		(-t3 + 2*t2 - t) / 2,
		(3*t3 - 5*t2 + 2) / 2,
		(-3*t3 + 4*t2 + t) / 2,
		(t3 - t2) / 2,
	}
}
