package journal_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
)

// written is what this process has handed to the kernel to write, in bytes;
// zero where the kernel does not tell.
func written() (total float64) {
	text, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "wchar: "); ok {
			total, _ = strconv.ParseFloat(strings.TrimSpace(n), 64)
		}
	}
	return total
}

// perCommit reports the bytes written for each of the benchmark's commits.
func perCommit(b *testing.B, commit func(n int)) {
	b.Helper()
	before := written()
	n := 0
	for b.Loop() {
		commit(n)
		n++
	}
	b.ReportMetric((written()-before)/float64(n), "B-written/op")
}

// large is the journal that the benchmarks with an existing log start from.
const large = 1_000_000

// signed is the configuration of a journal that the device signs.
func signed(b *testing.B) (journal.Config, note.Verifiers) {
	b.Helper()
	c := config(b)
	signer, device := keys(b, "nachtfach.de/"+terminal)
	c.Signer = signer
	return c, note.VerifierList(device)
}

// grown makes a journal of n events, many to a commit.
func grown(b *testing.B, n int) journal.Config {
	b.Helper()
	c, _ := signed(b)
	return grow(b, c, n)
}

func grow(b *testing.B, c journal.Config, n int) journal.Config {
	b.Helper()
	c.SnapshotEvery = n // one, near the end
	j := create(b, c)
	for from := 0; from < n; from += 1000 {
		if _, err := j.Append(events(from, min(n, from+1000)), func() ([]byte, error) { return make([]byte, 64<<10), nil }); err != nil {
			b.Fatal(err)
		}
	}
	closed(b, j)
	c.SnapshotEvery = 0
	return c
}

// BenchmarkAppend commits one event at a time, with a snapshot of 64 KiB after
// every 512 events as in the street.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, large} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j := open(b, grownOrEmpty(b, size))
			ledger := make([]byte, 64<<10)
			perCommit(b, func(i int) {
				if _, err := j.Append(events(i, i+1), func() ([]byte, error) { return ledger, nil }); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func grownOrEmpty(b *testing.B, n int) journal.Config {
	b.Helper()
	if n > 0 {
		return grown(b, n)
	}
	c, _ := signed(b)
	closed(b, create(b, c))
	return c
}

// bare is a bbolt database of one bucket with its default options, that gets
// the bytes of an event under increasing keys.
type bare struct {
	b    *testing.B
	db   *bbolt.DB
	body []byte
}

func newBare(b *testing.B, size int) bare {
	b.Helper()
	sample := create(b, config(b))
	appendTo(b, sample, events(0, 1))
	bodies, err := sample.Read(0, 1)
	if err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	d := bare{b, db, bodies[0]}
	for from := 0; from < size; from += 20_000 {
		d.put(from, min(size, from+20_000))
	}
	return d
}

func (d bare) put(from, to int) {
	err := d.db.Update(func(tx *bbolt.Tx) error {
		events, err := tx.CreateBucketIfNotExists([]byte("events"))
		for n := from; n < to && err == nil; n++ {
			err = events.Put(binary.BigEndian.AppendUint64(nil, uint64(n)), d.body)
		}
		return err
	})
	if err != nil {
		d.b.Fatal(err)
	}
}

// BenchmarkBareCommit commits the same bytes by bbolt alone.
func BenchmarkBareCommit(b *testing.B) {
	for _, size := range []int{0, large} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := newBare(b, size)
			perCommit(b, func(i int) { d.put(size+i, size+i+1) })
		})
	}
}

// BenchmarkAppendAgainstBare commits by turns to the journal and to a bare
// bbolt, so that what else the disk has to do meets both alike, and reports the
// medians and their ratio.
func BenchmarkAppendAgainstBare(b *testing.B) {
	for _, size := range []int{0, large} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j, d := open(b, grownOrEmpty(b, size)), newBare(b, size)
			ledger := make([]byte, 64<<10)
			var ours, theirs []float64
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				if _, err := j.Append(events(i, i+1), func() ([]byte, error) { return ledger, nil }); err != nil {
					b.Fatal(err)
				}
				half := time.Now()
				d.put(size+i, size+i+1)
				ours = append(ours, half.Sub(start).Seconds()*1e6)
				theirs = append(theirs, time.Since(half).Seconds()*1e6)
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(ours[len(ours)/2], "µs-journal")
			b.ReportMetric(theirs[len(theirs)/2], "µs-bare")
			b.ReportMetric(ours[len(ours)/2]/theirs[len(theirs)/2], "ratio")
			b.ReportMetric(ours[len(ours)*99/100], "µs-journal-p99")
		})
	}
}

// BenchmarkAppendStep commits the eight events of a busy step at once.
func BenchmarkAppendStep(b *testing.B) {
	j := create(b, config(b))
	perCommit(b, func(i int) { appendTo(b, j, events(8*i, 8*i+8)) })
}

// BenchmarkOpenMillion opens a journal of 1,000,000 events and replays it from
// its snapshot, which is 0 events behind.
func BenchmarkOpenMillion(b *testing.B) {
	c := grown(b, large)
	for b.Loop() {
		j, err := journal.Open(c)
		if err != nil {
			b.Fatal(err)
		}
		err = j.Replay(func([]byte) error { return nil }, func(uint64, locker.Event) error { return nil })
		if err != nil || j.Size() != large {
			b.Fatal(j.Size(), err)
		}
		closed(b, j)
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/large, "B-file/event")
}

// BenchmarkReplay replays events without a snapshot, as after an update that
// cannot read the old one.
func BenchmarkReplay(b *testing.B) {
	const n = 20_000
	j := open(b, grown(b, n))
	for b.Loop() {
		if all := replayed(b, j); len(all) != n {
			b.Fatal(len(all))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkVerify computes the tree anew.
func BenchmarkVerify(b *testing.B) {
	const n = 100_000
	c, device := signed(b)
	j := open(b, grow(b, c, n))
	for b.Loop() {
		if size, _, err := j.Verify(journal.Trust{Device: device}); err != nil || size != n {
			b.Fatal(size, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkRead reads what a reporter publishes.
func BenchmarkRead(b *testing.B) {
	const n = 10_000
	j := open(b, grown(b, n))
	for b.Loop() {
		for from := uint64(0); from < n; {
			bodies, err := j.Read(from, 100)
			if err != nil {
				b.Fatal(err)
			}
			from += uint64(len(bodies))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkCheckpoint signs the tree of the present end, and one of a past size.
func BenchmarkCheckpoint(b *testing.B) {
	j := open(b, grown(b, 100_000))
	for name, size := range map[string]uint64{"end": j.Size(), "past": j.Size() - 77} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := j.Checkpoint(size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
