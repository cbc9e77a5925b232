package biometrics_test

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nachtfach/nachtfach/biometrics"
)

// stopwatch measures processor time, call by call: on a machine that does other
// work besides, elapsed time says more of that.
type stopwatch struct{ spent []time.Duration }

func (w *stopwatch) time(b *testing.B, f func()) {
	before := processorTime(b)
	f()
	w.spent = append(w.spent, processorTime(b)-before)
}

func processorTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

func (w *stopwatch) report(b *testing.B) {
	slices.Sort(w.spent)
	for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		at := w.spent[int(share*float64(len(w.spent)-1))]
		b.ReportMetric(at.Seconds()*1e3, name)
	}
}

// BenchmarkExtractOfMany extracts different pictures in turn: drawn ones of 388 ×
// 374 pixels, and what real ones there are, by sensor. All of a sensor's with
// -benchtime 128x.
func BenchmarkExtractOfMany(b *testing.B) {
	pictures := map[string][]biometrics.Image{}
	for seed := range uint64(16) {
		p := plain(seed)
		p.width, p.height = 388/500.0*25.4, 374/500.0*25.4
		pictures["drawn"] = append(pictures["drawn"], newDrawing(seed/2).print(p))
	}
	for _, path := range realIfThere(b) {
		folder := filepath.Base(filepath.Dir(filepath.Dir(path))) + "-" + filepath.Base(filepath.Dir(path))
		pictures[folder] = append(pictures[folder], readImage(b, path))
	}
	for name, images := range pictures {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var watch stopwatch
			var dense, without []int
			for n := 0; b.Loop(); n++ {
				var template *biometrics.Template
				watch.time(b, func() { template = extract(b, images[n%len(images)]) })
				whole, _ := template.MarshalBinary()
				alone, _ := template.Plain().MarshalBinary()
				dense, without = append(dense, len(whole)), append(without, len(alone))
			}
			watch.report(b)
			b.ReportMetric(float64(slices.Max(dense)), "largest-B")
			b.ReportMetric(float64(slices.Max(without)), "largest-plain-B")
		})
	}
}

// BenchmarkCompareOfMany compares the pairs of the protocol: every two pictures
// of a sensor, here in an order that takes a fair part of them however few. All
// 15,860 real ones with -benchtime 15860x.
func BenchmarkCompareOfMany(b *testing.B) {
	sensors := map[string][]*biometrics.Template{}
	for seed := range uint64(24) {
		sensors["drawn"] = append(sensors["drawn"], extract(b, newDrawing(seed/3).print(plain(seed))))
	}
	for _, path := range realIfThere(b) {
		sensors[filepath.Dir(path)] = append(sensors[filepath.Dir(path)], extract(b, readImage(b, path)))
	}
	pairs := map[string][][2]*biometrics.Template{}
	for folder, templates := range sensors {
		name := "real"
		if folder == "drawn" {
			name = folder
		}
		for i, t := range templates {
			for _, other := range templates[:i] {
				pairs[name] = append(pairs[name], [2]*biometrics.Template{other, t})
			}
		}
	}
	for name, pairs := range pairs {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var watch stopwatch
			const stride = 7919 // a prime, and no divisor of either number of pairs
			for n := 0; b.Loop(); n++ {
				pair := pairs[n*stride%len(pairs)]
				watch.time(b, func() { biometrics.Compare(pair[0], pair[1]) })
			}
			watch.report(b)
		})
	}
}

// realIfThere returns the paths of the real images; none where there are none.
func realIfThere(b *testing.B) []string {
	b.Helper()
	if !haveFingerprints() {
		return nil
	}
	return picturePaths(b)
}
