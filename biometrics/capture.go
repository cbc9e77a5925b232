package biometrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Errors of pictures that were taken in a wrong way. Such a picture can look
// perfect and yet never match one that was taken correctly. The text of each
// says what a person can do.
var (
	ErrImageScale      = errors.New("ridges do not fit the stated resolution: state the scanner's real resolution")
	ErrImageNegative   = errors.New("picture is a negative, ridges are bright: switch off inversion in the scanner's settings")
	ErrImageUpsideDown = errors.New("picture is upside down: the fingertip must point up")
	ErrImageMirrored   = errors.New("pictures look mirrored, loops open to the wrong side for this hand: check the hand and the scanner's settings")
	ErrSeveralFingers  = errors.New("more than one finger in the picture: lay one finger alone")
)

// Limits of the signs of a capture. The figures in the comments are of the 944
// public pictures of docs/biometrics.md.
const (
	// Ridge periods in pixels at 500 per inch. Adults have 7 to 12, children
	// from six years on 6.5 and more (Králík and Novotný, "Epidermal ridge
	// breadth", Variability and Evolution 11, 2003); the pictures have 6.4 to 11.6.
	minRidgePeriod = 6.3
	maxRidgePeriod = 12.0
	usualPeriod    = 9.0

	// Coarse ridges on a print that is large as well point to a scan of 600 to
	// 750 per inch. No picture has both.
	coarsePeriod = 10.8
	coarseArea   = 330.0 // mm²

	// One picture alone is refused only far outside of the limits: a finger at
	// the terminal is asked for once more, and nobody must be kept out.
	minSinglePeriod = 5.8
	maxSinglePeriod = 13.0

	// The flow's moment is above -0.13 on every picture, and below -0.25 on nine
	// of ten that are turned by half a turn. Whorls are the ones in between.
	upsideDown       = -0.15
	upsideDownSingle = -0.30

	// Skin is dark and has contrast, so that brightness and contrast disagree:
	// the correlation is below -0.03 on every picture. A dark frame around the
	// window can turn it; so the ridges' own texture has to say the same.
	brightSkin   = 0.25
	smoothRidges = 0.0

	// maxPrintArea is more than a flat thumb shows: 349 mm² is the most of the
	// pictures, 600 an ellipse of 24 by 32 mm.
	maxPrintArea = 650.0 // mm²

	// A second region this large, as a share of the largest, is another finger.
	// No picture has a second region at all.
	otherFinger = 0.3

	// A loop that opens less than this from straight down may be a whorl or a
	// finger laid askew.
	leastSlant = 12 * math.Pi / 180
)

// signs is evidence of how a picture was taken.
type signs struct {
	dpi     float64 // stated
	period  float64 // median ridge period, pixels at 500 per inch; 0: unknown
	area    float64 // mm²
	flow    float64 // moment of the ridge flow, positive with the fingertip up
	bright  float64 // correlation of brightness and contrast, -1 to 1
	texture float64 // positive if ridges, not valleys, have pores and breaks
	slant   float64 // where the loop opens, radians from straight down, positive to the left
	looped  bool    // there is exactly one core, so that slant means something
}

// readSigns measures a picture. e has everything but the template.
func readSigns(dpi float64, e *extraction) *signs {
	s := &signs{dpi: dpi, area: e.ridges.area()}
	s.period = e.finger.medianPeriod(e.finger.field)
	s.flow = e.ridges.flowMoment()
	s.bright = correlation(e.finger.mean.v, e.finger.deviation.v)
	s.texture = e.texture()
	s.slant, s.looped = e.ridges.slant()
	return s
}

// Misuse returns the error of a picture that was clearly taken in a wrong way:
// ErrImageScale, ErrImageNegative or ErrImageUpsideDown, wrapped with what was
// seen; nil for others, and for a template that was parsed. The limits are
// wide, because a single picture proves little; Enrol has stricter ones.
func (t *Template) Misuse() error {
	s := t.signs
	switch {
	case s == nil:
		return nil
	case s.period > 0 && (s.period < minSinglePeriod || s.period > maxSinglePeriod):
		return s.scaleError()
	case s.bright > brightSkin && s.texture < smoothRidges:
		return ErrImageNegative
	case s.flow < upsideDownSingle:
		return ErrImageUpsideDown
	}
	return nil
}

// scaleError names the resolution that the ridges point to.
func (s *signs) scaleError() error {
	apart := s.period / workingDPI * 25.4
	likely := s.dpi * s.period / usualPeriod
	common := slices.MinFunc([]float64{250, 300, 400, 500, 600, 750, 1000, 1200}, func(a, b float64) int {
		return cmp.Compare(math.Abs(math.Log(a/likely)), math.Abs(math.Log(b/likely)))
	})
	return fmt.Errorf("ridges %.2f mm apart at %.0f pixels an inch, a scan of about %.0f?: %w", apart, s.dpi, common, ErrImageScale)
}

// misuse judges the impressions of one finger together. Impressions that were
// parsed, not extracted, say nothing.
func misuse(impressions []*Template) error {
	var all []*signs
	for _, t := range impressions {
		if t.signs != nil {
			all = append(all, t.signs)
		}
	}
	if len(all) == 0 {
		return nil
	}
	mean := signs{dpi: all[0].dpi}
	periods := 0
	for _, s := range all {
		n := float64(len(all))
		mean.area += s.area / n
		mean.flow += s.flow / n
		mean.bright += s.bright / n
		mean.texture += s.texture / n
		if s.period > 0 {
			mean.period += s.period
			periods++
		}
	}
	if periods > 0 {
		mean.period /= float64(periods)
	}
	switch p := mean.period; {
	case p > 0 && (p < minRidgePeriod || p > maxRidgePeriod || p > coarsePeriod && mean.area > coarseArea):
		return mean.scaleError()
	case mean.bright > brightSkin && mean.texture < smoothRidges:
		return ErrImageNegative
	case mean.flow < upsideDown:
		return ErrImageUpsideDown
	}
	return nil
}

// MirrorOdds is how much the pictures of a finger speak for a mirrored scan, in
// powers of ten: positive if its loop opens to the wrong side for the hand, and
// 0 if it has none. The position is that of ISO/IEC 19794-2:2005, table 5, 1 to
// 10. Two fingers of one person add up. A picture cannot tell by itself: the left hand
// is the right one's mirror image. Loops open to the side of the little finger
// 3 in 5 times on index fingers, and nearly always on others (Galton, "Finger
// Prints", 1892, chapter VII); one in fifteen is assumed.
func (e *Enrolment) MirrorOdds(position int) float64 {
	var slant float64
	n := 0
	for _, t := range e.impressions {
		if t.signs != nil && t.signs.looped {
			slant += t.signs.slant
			n++
		}
	}
	if n == 0 || math.Abs(slant) < leastSlant*float64(n) {
		return 0
	}
	odds := math.Log10(15)
	if position == 2 || position == 7 {
		odds = math.Log10(1.5)
	}
	if right := position <= 5; right == (slant < 0) {
		return -odds // opens to the little finger
	}
	return odds
}

// medianPeriod is the median distance of neighbouring ridges, or 0 if too few
// places have clear ones. It looks for 3 to 36 pixels, where the engine works
// with 4.5 to 16, so that it sees scans of half and of twice the resolution.
func (c *canvas) medianPeriod(field orientation) float64 {
	const (
		reach   = 36 // half a signature, px
		step    = 4  // cells between signatures
		periods = 40
		low     = 3.0
		high    = 36.0
		clear   = 0.12 // least share of the power at the peak
	)
	spectrum := newSpectrum(reach, periods, low, high)
	signature := make([]float64, 2*reach+1)
	var found []float64
	for y := 0; y < c.foreground.h; y += step {
		for x := 0; x < c.foreground.w; x += step {
			i := y*c.foreground.w + x
			if !c.foreground.on[i] || field.coherence.v[i] < minCoherence {
				continue
			}
			c.signature(signature, x*cell+cell/2, y*cell+cell/2, field.angle(i))
			if l, share := spectrum.peak(signature); share > clear {
				found = append(found, math.Exp(l))
			}
		}
	}
	if len(found) < 10 {
		return 0
	}
	slices.Sort(found)
	return found[len(found)/2]
}

// area is the area of believed ridges in mm².
func (r *ridges) area() float64 {
	n := 0
	for _, on := range r.where.on {
		if on {
			n++
		}
	}
	return float64(n) / cellsPerSquareMillimetre
}

// flowMoment tells up from down. Above the core ridges run over it like an
// arch: they rise on the left and fall on the right. Below it they run level.
// So the sine of the doubled direction (y points down) grows with x, most of
// all far from the middle. Turned by half a turn, the sign changes.
func (r *ridges) flowMoment() float64 {
	var weight, cx, cy float64
	each := func(do func(x, y, w float64, i int)) {
		for i, on := range r.where.on {
			if on {
				do(float64(i%r.where.w), float64(i/r.where.w), float64(r.fit.v[i]), i)
			}
		}
	}
	each(func(x, y, w float64, _ int) { weight, cx, cy = weight+w, cx+w*x, cy+w*y })
	if weight == 0 {
		return 0
	}
	cx, cy = cx/weight, cy/weight
	var spread, moment float64
	each(func(x, y, w float64, _ int) { spread += w * ((x-cx)*(x-cx) + (y-cy)*(y-cy)) })
	spread = math.Sqrt(spread/weight) + 1e-9
	each(func(x, y, w float64, i int) {
		x, y = (x-cx)/spread, (y-cy)/spread
		moment += w * float64(r.field.sin.v[i]) * 2 * x * (x*x + y*y)
	})
	return moment / weight
}

// texture compares the roughness along ridges with that along valleys, as the
// logarithm of their ratio, and adds the skewness of the grey levels. Pores and
// breaks make ridges the rougher ones; on a negative the valleys are.
func (e *extraction) texture() float64 {
	const apart = 3 // px along the ridge
	var ridge, valley, ridges, valleys, square, cube, n float64
	pix, img := e.finger.pix, e.img
	grey := func(x, y int) float64 { return float64(img.Pix[y*img.Width+x]) }
	for y := margin; y < pix.h-margin; y++ {
		for x := margin; x < pix.w-margin; x++ {
			px, py := x+e.finger.originX, y+e.finger.originY
			if !e.ridges.where.at(x/cell, y/cell) || px < apart || py < apart || px >= img.Width-apart || py >= img.Height-apart {
				continue
			}
			v := float64(pix.v[y*pix.w+x])
			square, cube, n = square+v*v, cube+v*v*v, n+1
			wave := e.ridges.even.v[y*pix.w+x]
			if wave > -0.7 && wave < 0.7 {
				continue
			}
			i := y/cell*e.ridges.where.w + x/cell
			sin, cos := math.Sincos(e.ridges.field.angle(i))
			dx, dy := int(math.Round(apart*cos)), int(math.Round(apart*sin))
			d1, d2 := grey(px+dx, py+dy)-grey(px, py), grey(px-dx, py-dy)-grey(px, py)
			if wave > 0 {
				ridge, ridges = ridge+d1*d1+d2*d2, ridges+1
			} else {
				valley, valleys = valley+d1*d1+d2*d2, valleys+1
			}
		}
	}
	if ridges == 0 || valleys == 0 || square == 0 {
		return 0
	}
	return math.Log((ridge/ridges+1)/(valley/valleys+1))/2 + cube/n/math.Pow(square/n, 1.5)
}

// slant is where the only core of the print opens, in radians from straight
// down, positive towards the left. Without a core, or with two (a whorl), ok is
// false. A core is where the doubled direction turns once around (Kawagoe and
// Tojo, "Fingerprint pattern classification", Pattern Recognition 17, 1984).
func (r *ridges) slant() (angle float64, ok bool) {
	const (
		sigma  = 2.5 // cells
		inside = 4   // cells from the edge of the print
		ring   = 5   // cells
	)
	cos, sin := newPlane(r.where.w, r.where.h), newPlane(r.where.w, r.where.h)
	for i, on := range r.where.on {
		if on {
			cos.v[i], sin.v[i] = r.field.cos.v[i], r.field.sin.v[i]
		}
	}
	cos, sin = cos.blur(sigma), sin.blur(sigma)
	inner := r.where.erode(inside)
	cores := 0
	for y := ring + 1; y < r.where.h-ring-1; y++ {
		for x := ring + 1; x < r.where.w-ring-1; x++ {
			if !inner.at(x, y) || turnsAround(cos, sin, x, y) != 1 {
				continue
			}
			cores++
			var re, im float64
			for k := range 32 {
				sa, ca := math.Sincos(2 * math.Pi * float64(k) / 32)
				i := (y+int(math.Round(ring*sa+0.5)))*cos.w + x + int(math.Round(ring*ca+0.5))
				c, s := float64(cos.v[i]), float64(sin.v[i])
				re, im = re+c*ca+s*sa, im+s*ca-c*sa
			}
			angle = normalAngle(math.Atan2(im, re) - math.Pi/2)
		}
	}
	return angle, cores == 1 && math.Abs(angle) < math.Pi/2
}

// turnsAround is how often the doubled direction turns around along the square of
// samples whose upper left one is x, y.
func turnsAround(cos, sin plane, x, y int) int {
	corner := [5]int{0, 1, cos.w + 1, cos.w, 0}
	var sum float64
	for k := range 4 {
		a, b := y*cos.w+x+corner[k], y*cos.w+x+corner[k+1]
		from := math.Atan2(float64(sin.v[a]), float64(cos.v[a]))
		to := math.Atan2(float64(sin.v[b]), float64(cos.v[b]))
		sum += math.Remainder(to-from, 2*math.Pi)
	}
	return int(math.Round(sum / (2 * math.Pi)))
}

// checkOneFinger refuses a picture of several fingers, or of more skin than one
// finger has. The area is judged at the usual ridge period, so that a scan of a
// wrong resolution is not taken for several fingers.
func (e *extraction) checkOneFinger(s *signs) error {
	if sizes := e.ridges.where.regions(); len(sizes) > 1 && float64(sizes[1]) >= otherFinger*float64(sizes[0]) {
		return fmt.Errorf("%d separate prints: %w", len(sizes), ErrSeveralFingers)
	}
	area := s.area
	if s.period > 0 {
		area *= usualPeriod * usualPeriod / s.period / s.period
	}
	if area > maxPrintArea {
		return fmt.Errorf("a print of %.0f mm²: %w", area, ErrSeveralFingers)
	}
	return nil
}

// correlation of two samples; 0 if either does not vary.
func correlation(a, b []float32) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		sa, sb, saa, sbb, sab = sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
	}
	n := float64(len(a))
	va, vb := saa/n-sa*sa/n/n, sbb/n-sb*sb/n/n
	if va <= 1e-9 || vb <= 1e-9 {
		return 0
	}
	return (sab/n - sa*sb/n/n) / math.Sqrt(va*vb)
}
