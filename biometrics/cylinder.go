package biometrics

import (
	"math"
	"math/bits"
)

// A cylinder describes the minutiae around one: Cappelli, Ferrara and Maltoni,
// "Minutia Cylinder-Code" (PAMI 32(12), 2010), in its binary form with 16 × 16
// × 6 cells. The constants are the paper's (table 1): none was fitted.
const (
	cylinderSide   = 16
	cylinderLayers = 6
	cylinderRadius = 70.0
	cylinderCell   = 2 * cylinderRadius / cylinderSide
	spatialSigma   = 28.0 / 3
	angularSigma   = 2 * math.Pi / 9
	setAbove       = 0.01 // µΨ: what sets a bit

	cylinderCells = cylinderSide * cylinderSide
	words         = cylinderCells / 64

	// Fewer common cells, or bits set in them, say nothing.
	minCommonCells = 80
	minCommonBits  = 20
)

type cylinder struct {
	known [words]uint64                  // cells inside the cover
	set   [cylinderLayers * words]uint64 // contribution above setAbove
}

func makeCylinders(minutiae []Minutia, c cover) []cylinder {
	all := make([]cylinder, len(minutiae))
	for k := range minutiae {
		all[k] = makeCylinder(minutiae, k, c)
	}
	return all
}

func makeCylinder(minutiae []Minutia, centre int, c cover) (cyl cylinder) {
	var value [cylinderLayers][cylinderCells]float32
	m := minutiae[centre]
	sin, cos := math.Sincos(m.Angle)
	for k, other := range minutiae {
		dx, dy := float64(other.X-m.X), float64(other.Y-m.Y)
		if k == centre || math.Hypot(dx, dy) > cylinderRadius+3*spatialSigma {
			continue
		}
		contribute(&value, dx*cos+dy*sin, dy*cos-dx*sin, normalAngle(m.Angle-other.Angle))
	}
	for cellIndex := range cylinderCells {
		u, v := cylinderPoint(cellIndex)
		if u*u+v*v > cylinderRadius*cylinderRadius {
			continue
		}
		if !c.has(float64(m.X)+u*cos-v*sin, float64(m.Y)+u*sin+v*cos) {
			continue
		}
		word, bit := cellIndex/64, uint64(1)<<(cellIndex%64)
		cyl.known[word] |= bit
		for layer := range value {
			if value[layer][cellIndex] > setAbove {
				cyl.set[layer*words+word] |= bit
			}
		}
	}
	return cyl
}

// cylinderPoint is the middle of a cell in the minutia's own frame, in pixels.
func cylinderPoint(index int) (u, v float64) {
	return (float64(index/cylinderSide)+0.5)*cylinderCell - cylinderRadius,
		(float64(index%cylinderSide)+0.5)*cylinderCell - cylinderRadius
}

// contribute adds a neighbour at u, v that differs by an angle (equations 4 to
// 9 of the paper).
func contribute(value *[cylinderLayers][cylinderCells]float32, u, v, angle float64) {
	var layers [cylinderLayers]float32
	const height = 2 * math.Pi / cylinderLayers
	for z := range layers {
		d := normalAngle(-math.Pi + (float64(z)+0.5)*height - angle)
		const s = angularSigma * math.Sqrt2
		layers[z] = float32(0.5 * (math.Erf((d+height/2)/s) - math.Erf((d-height/2)/s)))
	}
	first := func(x float64) int { return max(int((x+cylinderRadius-3*spatialSigma)/cylinderCell), 0) }
	last := func(x float64) int {
		return min(int((x+cylinderRadius+3*spatialSigma)/cylinderCell), cylinderSide-1)
	}
	for i := first(u); i <= last(u); i++ {
		for j := first(v); j <= last(v); j++ {
			cu, cv := cylinderPoint(i*cylinderSide + j)
			d2 := (cu-u)*(cu-u) + (cv-v)*(cv-v)
			g := float32(math.Exp(-d2/(2*spatialSigma*spatialSigma)) / (spatialSigma * math.Sqrt(2*math.Pi)))
			for z, share := range layers {
				value[z][i*cylinderSide+j] += g * share
			}
		}
	}
}

// similarity is 1 − ‖a ⊕ b‖ / (‖a‖ + ‖b‖) over the cells both know (equation
// 21 of the paper): 0 to 1.
func (a *cylinder) similarity(b *cylinder) float64 {
	var known [words]uint64
	common := 0
	for i := range known {
		known[i] = a.known[i] & b.known[i]
		common += bits.OnesCount64(known[i])
	}
	if common < minCommonCells {
		return 0
	}
	var inA, inB, differ int
	for layer := range cylinderLayers {
		for i, k := range known {
			x, y := a.set[layer*words+i]&k, b.set[layer*words+i]&k
			inA += bits.OnesCount64(x)
			inB += bits.OnesCount64(y)
			differ += bits.OnesCount64(x ^ y)
		}
	}
	if inA+inB < minCommonBits {
		return 0
	}
	return 1 - math.Sqrt(float64(differ))/(math.Sqrt(float64(inA))+math.Sqrt(float64(inB)))
}
