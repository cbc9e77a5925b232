package desk

import (
	"errors"
	"math"

	"github.com/nachtfach/nachtfach/biometrics"
)

// errSamePicture tells that a picture is a copy of another one.
var errSamePicture = errors.New("is the same picture as another one: lift the finger and lay it again for each picture")

const (
	// sameCorrelation is more than two impressions reach: the skin is stretched
	// otherwise each time. A copy that was compressed, brightened or shifted
	// reaches it.
	sameCorrelation = 0.97
	mostShift       = 6 // pixels that a copy may be shifted by
	breadth         = 4 // pixels, about that of a ridge at 500 pixels an inch
	sampleStep      = 3 // every third pixel of every third line is compared
)

// samePicture tells whether two pictures are copies of one impression.
func samePicture(a, b biometrics.Image) bool {
	if a.Width != b.Width || a.Height != b.Height || len(a.Pix) != a.Width*a.Height || len(b.Pix) != len(a.Pix) {
		return false
	}
	for dy := -mostShift; dy <= mostShift; dy++ {
		for dx := -mostShift; dx <= mostShift; dx++ {
			if correlation(a, b, dx, dy) > sameCorrelation {
				return true
			}
		}
	}
	return false
}

// correlation is that of the pixels of a and of b shifted by dx and dy, from -1
// to 1. White paper around a finger correlates with itself, so only places where
// either picture has ridges count.
func correlation(a, b biometrics.Image, dx, dy int) float64 {
	const margin = mostShift + breadth
	var n, sa, sb, saa, sbb, sab float64
	for y := margin; y < a.Height-margin; y += sampleStep {
		for x := margin; x < a.Width-margin; x += sampleStep {
			i, j := y*a.Width+x, (y+dy)*b.Width+x+dx
			if flat(a, i) && flat(b, j) {
				continue
			}
			p, q := float64(a.Pix[i]), float64(b.Pix[j])
			n, sa, sb = n+1, sa+p, sb+q
			saa, sbb, sab = saa+p*p, sbb+q*q, sab+p*q
		}
	}
	if n < 100 {
		return 0
	}
	va, vb := saa-sa*sa/n, sbb-sb*sb/n
	if va <= 0 || vb <= 0 {
		return 0
	}
	return (sab - sa*sb/n) / math.Sqrt(va*vb)
}

// flat tells a pixel whose neighbours, a ridge's breadth away, are alike.
func flat(m biometrics.Image, i int) bool {
	const alike = 12
	p := int(m.Pix[i])
	for _, j := range [...]int{i - breadth, i + breadth, i - breadth*m.Width, i + breadth*m.Width} {
		if d := p - int(m.Pix[j]); d >= alike || d <= -alike {
			return false
		}
	}
	return true
}
