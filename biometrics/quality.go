package biometrics

import "math"

// Reason is what most keeps a picture from being better.
type Reason int

// The reasons, most of which a person can do something about.
const (
	Good      Reason = iota
	TooSmall         // too little of the finger on the sensor
	OffCentre        // the finger lies beside the middle
	TooDry           // ridges broken, pale
	TooWet           // ridges run together, dark
	Blurred          // moved, or ridges not to be seen
)

// String names the reason in a word or two, for logs.
func (r Reason) String() string {
	names := [...]string{"good", "too small", "off centre", "too dry", "too wet", "blurred"}
	if r < 0 || int(r) >= len(names) {
		return "unknown"
	}
	return names[r]
}

// Quality is a forecast of how well a template will compare.
type Quality struct {
	Score  int // 0 to 100
	Reason Reason
}

// Quality returns the template's quality.
func (t *Template) Quality() Quality { return t.quality }

const (
	// What a comparison needs; more is not scored higher. Half of a flat print
	// in mm², a fit as usual prints of clean fingers have it, and the minutiae
	// that courts used to ask for, with some to lose.
	wantedArea     = 100.0
	wantedFit      = 0.5
	wantedMinutiae = 15.0

	goodScore = 60 // above, there is nothing to tell a person

	// The middle of the print this far from the picture's, as a share of the
	// side, was laid beside it.
	farOff = 0.15
)

const cellsPerSquareMillimetre = (19.7 / cell) * (19.7 / cell)

// assess judges by what comparing needs: enough square millimetres of ridges,
// weighted by how well the wave fits.
func assess(img Image, m *ridgeMap, minutiae []Minutia) Quality {
	var area, fitted float64
	var sumX, sumY float64
	for i, c := range m.codes {
		if c.fit > 0 {
			area++
			fitted += float64(c.fit) / fitSteps
			sumX += float64(m.left + i%m.w)
			sumY += float64(m.top + i/m.w)
		}
	}
	enough := math.Min(area/cellsPerSquareMillimetre/wantedArea, 1)
	clear := math.Min(fitted/area/wantedFit, 1)
	count := math.Min(float64(len(minutiae))/wantedMinutiae, 1)
	q := Quality{Score: int(100*enough*clear*count + 0.5)}
	if q.Score >= goodScore {
		return q
	}
	offX := math.Abs(sumX/area*cell/float64(img.Width) - 0.5)
	offY := math.Abs(sumY/area*cell/float64(img.Height) - 0.5)
	switch {
	case enough > clear:
		q.Reason = inkReason(img, m)
	case math.Max(offX, offY) > farOff:
		q.Reason = OffCentre
	default:
		q.Reason = TooSmall
	}
	return q
}

// inkReason tells dry from wet by the share of dark pixels on the finger: half
// on a good print.
func inkReason(img Image, m *ridgeMap) Reason {
	var grey [256]int
	n := 0
	for i, c := range m.codes {
		if c.fit == 0 {
			continue
		}
		x0, y0 := (m.left+i%m.w)*cell, (m.top+i/m.w)*cell
		for y := y0; y < min(y0+cell, img.Height); y++ {
			for x := x0; x < min(x0+cell, img.Width); x++ {
				grey[img.Pix[y*img.Width+x]]++
				n++
			}
		}
	}
	dark, light := greyAt(grey, n, 0.02), greyAt(grey, n, 0.98)
	below := 0
	for v := 0; v < (dark+light)/2; v++ {
		below += grey[v]
	}
	switch share := float64(below) / float64(n); {
	case share < 0.35:
		return TooDry
	case share > 0.65:
		return TooWet
	default:
		return Blurred
	}
}

func greyAt(histogram [256]int, n int, share float64) int {
	sum := 0
	for v, k := range histogram {
		sum += k
		if float64(sum) >= share*float64(n) {
			return v
		}
	}
	return 255
}
