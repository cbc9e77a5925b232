package biometrics

import (
	"math"
	"slices"
)

// Ridge periods are steps of a logarithmic scale, as the filter bank and the
// stored ridge map have them: 4.5 px (a child's finger) to 16 px (stretched
// skin), nine percent apart, which a Gabor filter of one octave does not feel.
const (
	periodSteps = 16
	minPeriod   = 4.5
	maxPeriod   = 16.0
)

func periodOf(step float64) float64 {
	return minPeriod * math.Pow(maxPeriod/minPeriod, step/(periodSteps-1))
}

func periodStep(period float64) int {
	step := math.Log(period/minPeriod) / math.Log(maxPeriod/minPeriod) * (periodSteps - 1)
	return int(min(max(math.Round(step), 0), periodSteps-1))
}

const (
	signatureReach = 24 // half the length of a signature, px: five periods in all
	signatureWidth = 6  // half its width, px
	coarse         = 2  // periods are estimated every coarse cells

	frequencies = 24 // tried per signature, five percent apart

	// An estimate further than this from the finger's median (in e-folds: a
	// factor of 1.57) is a harmonic or a scar. Prints stretched on purpose keep
	// within it.
	periodSpread = 0.45

	// Periods are smoothed over 20 px: skin stretches slowly.
	periodSigma = 20.0

	minCoherence = 0.3 // below, a signature crosses ridges that do not run together
)

// estimatePeriod returns the ridge period at each cell, in pixels. The oriented
// signature is Hong, Wan and Jain's (1998, section 2.5); its spectrum instead
// of its peaks makes it bear noise. There is no fixed default: where nothing is
// known the finger's median is taken.
func (c *canvas) estimatePeriod(o orientation, where mask) plane {
	spectrum := newSpectrum(signatureReach, frequencies, minPeriod, maxPeriod)
	signature := make([]float64, 2*signatureReach+1)
	w, h := (where.w+coarse-1)/coarse, (where.h+coarse-1)/coarse
	logPeriod, weight := newPlane(w, h), newPlane(w, h)
	var found []float64
	for y := range h {
		for x := range w {
			i := y*coarse*where.w + x*coarse
			if !where.on[i] || o.coherence.v[i] < minCoherence {
				continue
			}
			c.signature(signature, x*coarse*cell+cell/2, y*coarse*cell+cell/2, o.angle(i))
			if l, sure := spectrum.peak(signature); sure > 0 {
				logPeriod.v[y*w+x], weight.v[y*w+x] = float32(l), float32(sure)
				found = append(found, l)
			}
		}
	}
	usual := math.Log(9) // px, an adult's at 500 per inch
	if len(found) > 10 {
		slices.Sort(found)
		usual = found[len(found)/2]
	}
	for i, l := range logPeriod.v {
		if math.Abs(float64(l)-usual) > periodSpread {
			weight.v[i] = 0
		}
		logPeriod.v[i] *= weight.v[i]
	}
	return spreadPeriod(logPeriod, weight, usual, where)
}

// spreadPeriod smooths weighted estimates and brings them to every cell.
func spreadPeriod(sum, weight plane, usual float64, where mask) plane {
	const prior = 0.01 // weight of the median: only where nothing was measured
	const sigma = periodSigma / cell / coarse
	sum, weight = sum.blur(sigma), weight.blur(sigma)
	for i := range sum.v {
		sum.v[i] = (sum.v[i] + prior*float32(usual)) / (weight.v[i] + prior)
	}
	period := newPlane(where.w, where.h)
	for y := range where.h {
		for x := range where.w {
			l := sum.at(float64(x)/coarse, float64(y)/coarse)
			period.v[y*where.w+x] = float32(math.Exp(float64(l)))
		}
	}
	return period
}

// signature fills s, of odd length, with the sums of the picture along the
// ridges in a window around x, y, less their mean.
func (c *canvas) signature(s []float64, x, y int, angle float64) {
	reach := len(s) / 2
	sin, cos := math.Sincos(angle)
	var mean float64
	for u := -reach; u <= reach; u++ {
		var sum float32
		for v := -signatureWidth; v <= signatureWidth; v += 2 {
			px := int(float64(x)-float64(u)*sin+float64(v)*cos+1000.5) - 1000 // rounds, also below 0
			py := int(float64(y)+float64(u)*cos+float64(v)*sin+1000.5) - 1000
			if px >= 0 && py >= 0 && px < c.pix.w && py < c.pix.h {
				sum += c.pix.v[py*c.pix.w+px]
			}
		}
		s[u+reach] = float64(sum)
		mean += float64(sum) / float64(len(s))
	}
	for i := range s {
		s[i] -= mean
	}
}

// spectrum holds windowed waves of each period to correlate signatures with.
// The periods are steps of a logarithmic scale from low to high.
type spectrum struct {
	low, high float64 // px
	cos, sin  [][]float64
}

// newSpectrum makes the waves for signatures of 2·reach+1 samples.
func newSpectrum(reach, periods int, low, high float64) *spectrum {
	s := &spectrum{low: low, high: high, cos: make([][]float64, periods), sin: make([][]float64, periods)}
	for k := range periods {
		s.cos[k], s.sin[k] = make([]float64, 2*reach+1), make([]float64, 2*reach+1)
		omega := 2 * math.Pi / s.period(float64(k))
		for u := -reach; u <= reach; u++ {
			hann := 0.5 + 0.5*math.Cos(math.Pi*float64(u)/float64(reach+1))
			sin, cos := math.Sincos(omega * float64(u))
			s.cos[k][u+reach] = hann * cos
			s.sin[k][u+reach] = hann * sin
		}
	}
	return s
}

func (s *spectrum) period(k float64) float64 {
	return s.low * math.Pow(s.high/s.low, k/float64(len(s.cos)-1))
}

// peak returns the logarithm of the strongest period and its share of the
// power, which is 0 if the peak is at the end of the scale.
func (s *spectrum) peak(signature []float64) (logPeriod, share float64) {
	var before, at, after, last, total float64 // powers at the peak, beside it, and of the period before
	best, n := 0, len(s.cos)
	for k := range n {
		var c, d float64
		cos, sin := s.cos[k][:len(signature)], s.sin[k][:len(signature)]
		for u, v := range signature {
			c += v * cos[u]
			d += v * sin[u]
		}
		power := c*c + d*d
		total += power
		switch {
		case k == 0 || power > at:
			best, before, at, after = k, last, power, 0
		case k == best+1:
			after = power
		}
		last = power
	}
	if best == 0 || best == n-1 || total == 0 {
		return 0, 0
	}
	// The vertex of the parabola through the peak and its neighbours.
	offset := 0.5 * (before - after) / (before - 2*at + after - 1e-12)
	return math.Log(s.period(float64(best) + offset)), at / total
}
