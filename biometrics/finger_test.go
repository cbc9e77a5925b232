package biometrics_test

import (
	"cmp"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

// drawing is a finger as the AM-FM model has it (Larkin and Fletcher, "A
// coherent framework for fingerprint analysis", Optics Express 15(14), 2007):
// arches or rings whose phase has a spiral at each minutia. So it is known where
// they are.
type drawing struct {
	period  float64
	centreY float64
	flat    float64
	spirals []spiral
}

type spiral struct{ x, y, sign float64 } // millimetres from the finger's middle

func newDrawing(seed uint64) drawing {
	r := rand.New(rand.NewPCG(seed, 7))
	d := drawing{period: 0.40 + 0.12*r.Float64(), centreY: 14*r.Float64() - 3, flat: 0.6 + 0.8*r.Float64()}
	for len(d.spirals) < 35 {
		s := spiral{15*r.Float64() - 7.5, 18*r.Float64() - 9, 1}
		if r.IntN(2) == 0 {
			s.sign = -1
		}
		free := true
		for _, o := range d.spirals {
			free = free && math.Hypot(s.x-o.x, s.y-o.y) > 1.2
		}
		if free {
			d.spirals = append(d.spirals, s)
		}
	}
	return d
}

// wave is the phase at a place in millimetres.
func (d drawing) wave(x, y float64) float64 {
	phase := 2 * math.Pi / d.period * math.Hypot(x*d.flat, y-d.centreY)
	for _, s := range d.spirals {
		phase += s.sign * math.Atan2(y-s.y, x-s.x)
	}
	return phase
}

// impression is how a finger is laid on the sensor.
type impression struct {
	dpi           float64
	width, height float64 // of the sensor, mm
	x, y          float64 // of the finger's middle from the sensor's, mm
	turn          float64 // rad
	stretch       float64 // share by which the skin is drawn out in x
	noise         float64 // grey levels
	seed          uint64
}

func plain(seed uint64) impression {
	return impression{dpi: 500, width: 18, height: 20, noise: 12, seed: seed}
}

func (d drawing) print(p impression) biometrics.Image {
	r := rand.New(rand.NewPCG(p.seed, 11))
	perMM := p.dpi / 25.4
	img := biometrics.Image{Width: int(p.width * perMM), Height: int(p.height * perMM), DPI: p.dpi}
	img.Pix = make([]byte, img.Width*img.Height)
	for i := range img.Pix {
		x, y := p.toFinger(float64(i%img.Width), float64(i/img.Width))
		grey := 235.0
		if x*x/(8*8)+y*y/(9.5*9.5) < 1 {
			grey = 128 - 100*math.Cos(d.wave(x, y))
		}
		img.Pix[i] = byte(min(max(grey+p.noise*r.NormFloat64(), 0), 255))
	}
	return img
}

// toFinger leads from a pixel to millimetres on the finger; toPixel leads back.
func (p impression) toFinger(px, py float64) (x, y float64) {
	perMM := p.dpi / 25.4
	u, v := px/perMM-p.width/2-p.x, py/perMM-p.height/2-p.y
	sin, cos := math.Sincos(p.turn)
	return (u*cos + v*sin) / (1 + p.stretch), v*cos - u*sin
}

func (p impression) toPixel(x, y float64) (px, py float64) {
	perMM := p.dpi / 25.4
	x *= 1 + p.stretch
	sin, cos := math.Sincos(p.turn)
	return (x*cos - y*sin + p.x + p.width/2) * perMM, (x*sin + y*cos + p.y + p.height/2) * perMM
}

func extract(t testing.TB, img biometrics.Image) *biometrics.Template {
	t.Helper()
	template, err := biometrics.Extract(img)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// fingerprints returns the folder of real images beside the repository, or
// skips: they are pictures of people's fingers and are never part of it.
func fingerprints(t testing.TB) string {
	t.Helper()
	root := fingerprintsRoot()
	if _, err := os.Stat(root); err != nil {
		if required("fingerprints") {
			t.Fatalf("fingerprints are required: %v", err)
		}
		t.Skipf("no images of fingers: %v", err)
	}
	return root
}

func fingerprintsRoot() string {
	return cmp.Or(os.Getenv("NACHTFACH_FINGERPRINTS"), filepath.Join("..", "..", "shared", "fingerprints"))
}

func haveFingerprints() bool {
	_, err := os.Stat(fingerprintsRoot())
	return err == nil
}

// picturePaths returns the paths of the real images that the engine is
// calibrated on, in order.
func picturePaths(t testing.TB) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(fingerprints(t), func(path string, _ fs.DirEntry, err error) error {
		set := strings.Contains(path, "fvc2002") || strings.Contains(path, "fvc2004") || strings.Contains(path, "upek")
		if set && strings.HasSuffix(path, ".png") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < 300 {
		t.Fatalf("%d images (error %v)", len(paths), err)
	}
	return paths
}

func required(name string) bool {
	for _, peer := range strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ",") {
		if strings.TrimSpace(peer) == name {
			return true
		}
	}
	return false
}
