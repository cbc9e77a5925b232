package finger

import (
	"image"
	"math"
	"math/rand/v2"
)

// touch is how a finger lies on the sensor once.
type touch struct {
	dx, dy   float64 // where the middle of the pad lies, pixels from the middle of the picture
	sin, cos float64 // how it is turned
	contact  ellipse // what touches, in the finger's coordinates
	edge     *noise  // which makes the contact's outline uneven
	slip     slip
	pressure float64 // 0 light, 1 hard
	pressed  *noise  // and how it varies
	dry      float64 // 0 moist, 1 dry
	flakes   *noise
	pores    *noise
	cuts     []cut
}

type ellipse struct{ x, y, a, b float64 }

// out is 0 in the middle of the ellipse, 1 on its edge.
func (e ellipse) out(x, y float64) float64 {
	u, v := (x-e.x)/e.a, (y-e.y)/e.b
	return math.Sqrt(u*u + v*v)
}

// slip is the distortion of Cappelli, Maio and Maltoni ("Modelling plastic
// distortion in fingerprint images", 2001): skin in the middle sticks to the
// glass, skin outside moves and turns with the finger, and in between it
// stretches.
type slip struct {
	held     ellipse
	dx, dy   float64 // pixels
	sin, cos float64
	softness float64 // how far out the skin moves fully, in held's radii
}

// cut is a scratch or a crease: a line where no ridge touches.
type cut struct{ x, y, sin, cos, length, width float64 }

const maxTurn = 15 * math.Pi / 180

func newTouch(rng *rand.Rand, dryness float64) *touch {
	t := &touch{
		dx:       clamp(9*rng.NormFloat64(), 22),
		dy:       clamp(10*rng.NormFloat64(), 24),
		edge:     newNoise(rng, 34),
		pressure: between(rng, 0.15, 0.85),
		pressed:  newNoise(rng, 80),
		dry:      min(max(dryness+0.25*rng.NormFloat64(), 0), 1),
		flakes:   newNoise(rng, 5),
		pores:    newNoise(rng, 3.2),
	}
	t.sin, t.cos = math.Sincos(clamp(6.5*math.Pi/180*rng.NormFloat64(), maxTurn))
	grown := 0.88 + 0.2*t.pressure
	t.contact = ellipse{
		x: between(rng, -14, 14), y: between(rng, -14, 14),
		a: grown * between(rng, 106, 122), b: grown * between(rng, 128, 146),
	}
	t.slip = newSlip(rng, t.contact)
	for range rng.IntN(3) {
		t.cuts = append(t.cuts, newCut(rng))
	}
	return t
}

func newSlip(rng *rand.Rand, contact ellipse) slip {
	s := slip{
		held:     ellipse{contact.x, contact.y, between(rng, 40, 60), between(rng, 50, 75)},
		dx:       clamp(4*rng.NormFloat64(), 9),
		dy:       clamp(4*rng.NormFloat64(), 9),
		softness: between(rng, 1.2, 2),
	}
	s.sin, s.cos = math.Sincos(clamp(2.2*math.Pi/180*rng.NormFloat64(), 6*math.Pi/180))
	return s
}

func newCut(rng *rand.Rand) cut {
	sin, cos := math.Sincos(math.Pi * rng.Float64())
	return cut{
		x: between(rng, -90, 90), y: between(rng, -110, 110), sin: sin, cos: cos,
		length: between(rng, 25, 90), width: between(rng, 1, 2.2),
	}
}

// move maps a point of the picture to the point of the finger that lies there.
// Both in pixels from their middle, y up.
func (t *touch) move(x, y float64) (float64, float64) {
	x, y = x-t.dx, y-t.dy
	return t.slip.move(t.cos*x+t.sin*y, t.cos*y-t.sin*x)
}

func (s slip) move(x, y float64) (float64, float64) {
	far := (s.held.out(x, y) - 1) / s.softness
	if far <= 0 {
		return x, y
	}
	brake := (1 - math.Cos(math.Pi*min(far, 1))) / 2
	u, v := x-s.held.x, y-s.held.y
	tx, ty := s.cos*u-s.sin*v-u+s.dx, s.sin*u+s.cos*v-v+s.dy
	return x + brake*tx, y + brake*ty
}

// picture is what the sensor sees of the touch.
func (t *touch) picture(rng *rand.Rand, r *ridges) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, Width, Height))
	ground := between(rng, 225, 245)
	ink := between(rng, 165, 205)
	for j := range Height {
		for i := range Width {
			x, y := t.move(float64(i)-Width/2, Height/2-float64(j))
			dark := t.inked(r, x, y)
			// Ridges scatter more than the clean glass.
			grey := ground - ink*dark + (2.5+9*dark)*rng.NormFloat64()
			img.Pix[j*img.Stride+i] = uint8(min(max(grey, 0), 255))
		}
	}
	return img
}

// inked is how dark the sensor sees the finger's point (x, y), 0 to 1.
func (t *touch) inked(r *ridges, x, y float64) float64 {
	out := t.contact.out(x, y) + 0.05*t.edge.at(x, y)
	contact := smoothstep((1.04 - out) / 0.12)
	if contact == 0 {
		return 0
	}
	// Hard pressure flattens the ridges, so that less height is enough to
	// touch; towards the edge the skin lifts.
	h := r.at(x, y)*1.5 + 0.55*(t.pressure-0.5) + 0.25*t.pressed.at(x, y) - 0.6*max(out-0.7, 0)
	h -= 0.9 * max(t.pores.at(x, y)-0.3, 0)
	h -= t.dry * (0.2 + 1.4*t.flakes.at(x, y))
	for _, c := range t.cuts {
		h -= 2 * c.depth(x, y)
	}
	return contact * smoothstep(h/0.9+0.45)
}

// depth is 1 in the middle of the cut and 0 outside.
func (c cut) depth(x, y float64) float64 {
	x, y = x-c.x, y-c.y
	along, across := c.cos*x+c.sin*y, c.cos*y-c.sin*x
	if math.Abs(along) > c.length {
		return 0
	}
	return max(0, 1-math.Abs(across)/(2*c.width))
}

func clamp(v, limit float64) float64 { return min(max(v, -limit), limit) }
