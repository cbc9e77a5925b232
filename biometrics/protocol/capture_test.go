package protocol_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

// scanned returns the picture as a scanner of another resolution takes it, whose
// file says the same as before.
func scanned(img biometrics.Image, dpi float64) biometrics.Image {
	scale := dpi / img.DPI
	out := biometrics.Image{Width: int(float64(img.Width) * scale), Height: int(float64(img.Height) * scale), DPI: img.DPI}
	out.Pix = make([]byte, out.Width*out.Height)
	for y := range out.Height {
		for x := range out.Width {
			out.Pix[y*out.Width+x] = mean(img, float64(x)/scale, float64(y)/scale, max(1/scale, 1))
		}
	}
	return out
}

// mean averages a square of the given side around a place of the picture,
// weighting pixels by how much of them it covers.
func mean(img biometrics.Image, x, y, side float64) byte {
	var sum, weight float64
	for py := max(int(y-side/2), 0); py <= min(int(y+side/2+1), img.Height-1); py++ {
		for px := max(int(x-side/2), 0); px <= min(int(x+side/2+1), img.Width-1); px++ {
			w := max(side/2+0.5-abs(float64(px)-x), 0) * max(side/2+0.5-abs(float64(py)-y), 0)
			sum, weight = sum+w*float64(img.Pix[py*img.Width+px]), weight+w
		}
	}
	if weight == 0 {
		return img.Pix[min(int(y), img.Height-1)*img.Width+min(int(x), img.Width-1)]
	}
	return byte(sum/weight + 0.5)
}

func abs(v float64) float64 { return max(v, -v) }

func negative(img biometrics.Image) biometrics.Image {
	img.Pix = slices.Clone(img.Pix)
	for i, v := range img.Pix {
		img.Pix[i] = 255 - v
	}
	return img
}

func upsideDown(img biometrics.Image) biometrics.Image {
	img.Pix = slices.Clone(img.Pix)
	slices.Reverse(img.Pix)
	return img
}

// A wrong setting of the desk's scanner shows in the pictures of one finger, and
// no correct picture of any sensor is refused.
func TestAccuracyOfWrongScans(t *testing.T) {
	if testing.Short() || !whole() {
		t.Skip("extracts a thousand pictures")
	}
	databases, err := protocol.Find(fingerprints(t))
	if err != nil {
		t.Fatal(err)
	}
	wrong := []struct {
		name  string
		want  error
		least float64 // share that must be refused
		take  func(biometrics.Image) biometrics.Image
	}{
		{"300 an inch", biometrics.ErrImageScale, 0.85, func(i biometrics.Image) biometrics.Image { return scanned(i, 300) }},
		{"750 an inch", biometrics.ErrImageScale, 0.9, func(i biometrics.Image) biometrics.Image { return scanned(i, 750) }},
		{"1000 an inch", biometrics.ErrImageScale, 0.95, func(i biometrics.Image) biometrics.Image { return scanned(i, 1000) }},
		{"negative", biometrics.ErrImageNegative, 0.75, negative},
		{"upside down", biometrics.ErrImageUpsideDown, 0.85, upsideDown},
	}
	var mu sync.Mutex
	refused, asked := map[string]int{}, map[string]int{}
	var group sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	run := func(f func()) {
		free <- struct{}{}
		group.Go(func() { defer func() { <-free }(); f() })
	}
	for _, d := range databases {
		for n, images := range byFinger(d) {
			pictures := make([]biometrics.Image, biometrics.Impressions)
			for i := range pictures {
				if pictures[i], err = protocol.ReadImage(images[i].Path, 500); err != nil {
					t.Fatal(err)
				}
			}
			run(func() {
				if err := enrol(pictures, nil); isMisuse(err) {
					t.Errorf("%s %s: a correct scan is refused: %v", d.Name, images[0].Finger, err)
				}
			})
			w := wrong[n%len(wrong)]
			run(func() {
				err := enrol(pictures, w.take)
				mu.Lock()
				defer mu.Unlock()
				asked[w.name]++
				if errors.Is(err, w.want) || errors.Is(err, biometrics.ErrNoFinger) {
					refused[w.name]++
				} else {
					t.Logf("%s %s, %s: %v", d.Name, images[0].Finger, w.name, err)
				}
			})
		}
	}
	group.Wait()
	for _, w := range wrong {
		t.Logf("%s: %d of %d fingers refused", w.name, refused[w.name], asked[w.name])
		if float64(refused[w.name]) < w.least*float64(asked[w.name]) {
			t.Errorf("%s: %d of %d fingers refused, want %.0f %%", w.name, refused[w.name], asked[w.name], 100*w.least)
		}
	}
}

func isMisuse(err error) bool {
	for _, e := range []error{biometrics.ErrImageScale, biometrics.ErrImageNegative, biometrics.ErrImageUpsideDown, biometrics.ErrSeveralFingers} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// byFinger groups a database's images by finger, those with enough impressions
// for an enrolment.
func byFinger(d protocol.Database) [][]protocol.Image {
	slices.SortStableFunc(d.Images, func(a, b protocol.Image) int { return strings.Compare(a.Finger, b.Finger) })
	var all [][]protocol.Image
	for chunk := range slices.Chunk(d.Images, 1) {
		if n := len(all); n > 0 && all[n-1][0].Finger == chunk[0].Finger {
			all[n-1] = append(all[n-1], chunk[0])
			continue
		}
		all = append(all, slices.Clone(chunk))
	}
	return slices.DeleteFunc(all, func(images []protocol.Image) bool { return len(images) < biometrics.Impressions })
}

func enrol(pictures []biometrics.Image, take func(biometrics.Image) biometrics.Image) error {
	var templates []*biometrics.Template
	for _, p := range pictures {
		if take != nil {
			p = take(p)
		}
		t, err := biometrics.Extract(p)
		if err != nil {
			return err
		}
		if take == nil {
			if err := t.Misuse(); err != nil {
				return err
			}
		}
		templates = append(templates, t)
	}
	_, err := biometrics.Enrol(templates...)
	return err
}
