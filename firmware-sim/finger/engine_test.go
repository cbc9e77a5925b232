package finger_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
)

// The simulator is worth something only if the engine takes its fingers for
// fingers: a hundred people, three impressions of each enrolled, two presented.
// Ten people where nothing requires fingerprints, to be quick.
func TestTheEngineTellsPeopleApart(t *testing.T) {
	if testing.Short() {
		t.Skip("extracts five impressions of each")
	}
	const (
		enrolled, presented = 3, 2
		accept              = 1e-4 // false match rate
	)
	people := 10
	if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "fingerprints") {
		people = 100
	}
	templates := make([][enrolled + presented]*biometrics.Template, people)
	enrolments := make([]*biometrics.Enrolment, people)
	inParallel(t, people, func(p int) (err error) {
		f := finger.Named(fmt.Sprintf("person %d", p))
		for n := range templates[p] {
			if templates[p][n], err = extract(f, n); err != nil {
				return fmt.Errorf("person %d, impression %d: %w", p, n, err)
			}
		}
		if enrolments[p], err = biometrics.Enrol(templates[p][:enrolled]...); err != nil {
			return fmt.Errorf("person %d: %w", p, err)
		}
		return nil
	})

	refused, mistaken := make([]int, people), make([]int, people)
	inParallel(t, people, func(p int) error {
		for owner := range people {
			for n := enrolled; n < enrolled+presented; n++ {
				fmr := enrolments[owner].Compare(templates[p][n]).FMR
				switch {
				case owner == p && fmr > accept:
					refused[p]++
					t.Logf("person %d, impression %d refused: FMR %.2g", p, n, fmr)
				case owner != p && fmr <= accept:
					mistaken[p]++
					t.Logf("person %d, impression %d taken for person %d: FMR %.2g", p, n, owner, fmr)
				}
			}
		}
		return nil
	})
	for p := range people {
		if refused[p] > 0 || mistaken[p] > 0 {
			t.Errorf("person %d: refused %d times, taken for another %d times", p, refused[p], mistaken[p])
		}
	}
}

func extract(f *finger.Finger, n int) (*biometrics.Template, error) {
	img := f.Impression(n)
	return biometrics.Extract(biometrics.Image{
		Pix: img.Pix, Width: finger.Width, Height: finger.Height, DPI: finger.DPI,
	})
}

// inParallel calls do with 0 to n-1 on all cores and fails the test on an error.
func inParallel(t *testing.T, n int, do func(int) error) {
	t.Helper()
	errs := make([]error, n)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			slots <- struct{}{}
			errs[i] = do(i)
			<-slots
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
