package biometrics_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

// badPictures are noFingers and pictures of fingers that went wrong.
func badPictures() map[string]biometrics.Image {
	all := noFingers()
	r := rand.New(rand.NewPCG(6, 6))
	for n := range 4 {
		all[fmt.Sprintf("photograph %d", n)] = photograph(r)
	}
	good := newDrawing(21).print(plain(21))
	all["upside down"] = picture(good.Width, good.Height, func(x, y int) byte {
		return good.Pix[(good.Height-1-y)*good.Width+good.Width-1-x]
	})
	all["negative"] = picture(good.Width, good.Height, func(x, y int) byte { return 255 - good.Pix[y*good.Width+x] })
	all["half a finger"] = picture(good.Width, good.Height, func(x, y int) byte {
		if x > good.Width/2 {
			return 235
		}
		return good.Pix[y*good.Width+x]
	})
	other := newDrawing(22).print(plain(22))
	all["two fingers"] = picture(2*good.Width, good.Height, func(x, y int) byte {
		if x < good.Width {
			return good.Pix[y*good.Width+x]
		}
		return other.Pix[y*good.Width+x-good.Width]
	})
	all["two fingers on each other"] = picture(good.Width, good.Height, func(x, y int) byte {
		return min(good.Pix[y*good.Width+x], other.Pix[y*good.Width+x])
	})
	for name, dpi := range map[string]float64{"said to be coarse": 250, "said to be fine": 1000} {
		wrong := good
		wrong.DPI = dpi
		all[name] = wrong
	}
	all["a corner"] = picture(64, 64, func(x, y int) byte { return good.Pix[(y+150)*good.Width+x+150] })
	all["largest"] = picture(2000, 2000, func(x, y int) byte {
		return byte(128 + 100*math.Sin(float64(x)*2*math.Pi/9+float64(y)/40))
	})
	return all
}

// photograph is a landscape after the statistics of natural images, whose
// amplitude falls with the inverse of the frequency (Field, JOSA A 4(12), 1987):
// soft shapes of all sizes, with edges between them.
func photograph(r *rand.Rand) biometrics.Image {
	const width, height = 400, 500
	sum := make([]float64, width*height)
	for range 400 {
		size := 150 * math.Pow(r.Float64(), 3)
		x0, y0, shade := r.Float64()*width, r.Float64()*height, 60*r.NormFloat64()
		for i := range sum {
			if math.Hypot(float64(i%width)-x0, float64(i/width)-y0) < size {
				sum[i] = 0.5*sum[i] + shade
			}
		}
	}
	return picture(width, height, func(x, y int) byte {
		return byte(min(max(128+sum[y*width+x]+3*r.NormFloat64(), 0), 255))
	})
}

// On all images if required, else on one of each finger of the contests.
func TestNoBadPictureOpensForARealFinger(t *testing.T) {
	if testing.Short() {
		t.Skip("compares bad pictures with all fingers")
	}
	templates := map[string]*biometrics.Template{}
	for name, img := range badPictures() {
		template, err := biometrics.Extract(img)
		if err == nil {
			templates[name] = template
		} else if !errors.Is(err, biometrics.ErrNoFinger) && !errors.Is(err, biometrics.ErrSeveralFingers) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(templates) < 8 {
		t.Errorf("only %d bad pictures have anything to compare", len(templates))
	}
	paths := realFingers(t)
	type job struct {
		path string
		img  biometrics.Image
	}
	jobs := make(chan job)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for j := range jobs {
				finger, err := biometrics.Extract(j.img)
				if err != nil {
					t.Errorf("%s: %v", j.path, err)
					continue
				}
				for name, bad := range templates {
					if s := biometrics.Compare(bad, finger); s.FMR <= sure {
						t.Errorf("%s opens for %s: %+v", name, filepath.Base(j.path), s)
					}
					if s := biometrics.Compare(bad.Plain(), finger.Plain()); s.FMR <= sure {
						t.Errorf("%s opens for %s by minutiae: %+v", name, filepath.Base(j.path), s)
					}
				}
			}
		})
	}
	for _, path := range paths {
		jobs <- job{path, readImage(t, path)}
	}
	close(jobs)
	group.Wait()
}

func realFingers(t *testing.T) []string {
	t.Helper()
	paths := picturePaths(t)
	if required("fingerprints") {
		return paths
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		return !strings.HasSuffix(path, "_1.png") || !strings.Contains(path, "fvc")
	})
}
