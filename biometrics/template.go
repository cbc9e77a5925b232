package biometrics

import (
	"errors"
	"slices"
)

// ErrTemplate is wrapped by every error of ParseTemplate and ParseEnrolment.
var ErrTemplate = errors.New("not a usable ISO/IEC 19794-2:2005 template")

// Template is what is kept of one picture of a finger: its minutiae and, unless
// left out, the dense part: phase, orientation and period of the ridges on a
// coarse grid. It never changes, so that it can be shared between goroutines.
type Template struct {
	width, height int // of the picture, px at 500 per inch
	minutiae      []Minutia
	ridges        *ridgeMap // nil without dense part
	quality       Quality
	signs         *signs // of how the picture was taken; nil if parsed

	// Made from the above, for comparing.
	cover     cover
	cylinders []cylinder
	textures  []texture // empty without dense part
}

// Extract makes a template of a picture. The picture is brought to 500 pixels
// an inch first. Errors: ErrImageSize, ErrImageResolution, ErrNoFinger,
// ErrSeveralFingers, each wrapped with what was found. A poor finger is not an
// error, see Quality; nor is a picture that was taken in a wrong way, see Misuse.
func Extract(img Image) (*Template, error) {
	e, err := extract(img)
	if err != nil {
		return nil, err
	}
	return e.template, nil
}

// extraction is a template with what was seen on the way to it.
type extraction struct {
	img      Image // at 500 pixels an inch
	finger   *canvas
	ridges   *ridges
	template *Template
}

func extract(img Image) (*extraction, error) {
	if err := img.check(); err != nil {
		return nil, err
	}
	dpi := img.DPI
	img = img.atWorkingDPI()
	finger, err := segment(img)
	if err != nil {
		return nil, err
	}
	r := finger.enhance()
	dense := r.storeRidges(finger)
	if dense == nil {
		return nil, ErrNoFinger
	}
	e := &extraction{img: img, finger: finger, ridges: r}
	seen := readSigns(dpi, e)
	if err := e.checkOneFinger(seen); err != nil {
		return nil, err
	}
	minutiae := r.findMinutiae(finger)
	for i := range minutiae {
		minutiae[i].X += finger.originX
		minutiae[i].Y += finger.originY
	}
	t := newTemplate(Template{width: img.Width, height: img.Height, minutiae: minutiae,
		ridges: dense, quality: assess(img, dense, minutiae), signs: seen})
	e.template = t
	return e, nil
}

// newTemplate adds what comparing needs.
func newTemplate(t Template) *Template {
	if t.ridges != nil {
		t.cover = coverOfRidges(t.ridges)
	} else {
		t.cover = coverOfMinutiae(t.minutiae)
	}
	t.cylinders = makeCylinders(t.minutiae, t.cover)
	if t.ridges != nil {
		t.textures = makeTextures(t.minutiae, t.ridges)
	}
	return &t
}

// Minutiae returns a copy of the minutiae.
func (t *Template) Minutiae() []Minutia { return slices.Clone(t.minutiae) }

// Dense tells whether the template has the dense part.
func (t *Template) Dense() bool { return t.ridges != nil }

// Plain returns the template without its dense part: an ISO record that every
// other engine understands whole, at most 2 KB, and less accurate.
func (t *Template) Plain() *Template {
	return newTemplate(Template{width: t.width, height: t.height, minutiae: t.minutiae, quality: t.quality, signs: t.signs})
}

// cover is the part of the picture where a template knows the finger, by cell.
type cover struct {
	left, top int
	mask
}

// has tells whether the finger is known at a pixel.
func (c cover) has(x, y float64) bool {
	const far = 1 << 20 // keeps the integer division below from rounding to 0 from both sides
	return c.at((int(x)+far)/cell-far/cell-c.left, (int(y)+far)/cell-far/cell-c.top)
}

func coverOfRidges(m *ridgeMap) cover {
	c := cover{m.left, m.top, newMask(m.w, m.h)}
	for i, w := range m.waves {
		c.on[i] = w.weight > 0
	}
	return c
}

// coverReach is how far around a minutia, in cells, a template without dense
// part is taken to know the finger: half the distance to the next ones.
const coverReach = 9

func coverOfMinutiae(minutiae []Minutia) cover {
	if len(minutiae) == 0 {
		return cover{}
	}
	x0, y0, x1, y1 := 1<<14, 1<<14, 0, 0
	for _, m := range minutiae {
		x0, y0 = min(x0, m.X/cell), min(y0, m.Y/cell)
		x1, y1 = max(x1, m.X/cell), max(y1, m.Y/cell)
	}
	c := cover{x0 - coverReach, y0 - coverReach, newMask(x1-x0+1+2*coverReach, y1-y0+1+2*coverReach)}
	for _, m := range minutiae {
		for dy := -coverReach; dy <= coverReach; dy++ {
			for dx := -coverReach; dx <= coverReach; dx++ {
				if dx*dx+dy*dy <= coverReach*coverReach {
					c.on[(m.Y/cell+dy-c.top)*c.w+m.X/cell+dx-c.left] = true
				}
			}
		}
	}
	return c
}
