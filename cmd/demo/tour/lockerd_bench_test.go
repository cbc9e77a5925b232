package tour_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
)

// BenchmarkLockerd is a lockerd with 1,000,000 events in its journal, started
// anew for each turn: the time until it says that it is ready, and its resident
// memory three seconds later. It needs no broker: a terminal works on without.
func BenchmarkLockerd(b *testing.B) {
	w := newWorld(b)
	w.broker = "127.0.0.1:1" // nobody is there
	w.startCity()
	w.startHardware()
	w.initTerminalWithoutCheck()
	w.fill(1_000_000)
	var start time.Duration
	resident := 0
	for b.Loop() {
		began := time.Now()
		if err := w.powerOn(b.Context()); err != nil {
			b.Fatal(err)
		}
		start += time.Since(began)
		time.Sleep(3 * time.Second)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.lockerd.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		resident = max(resident, figure(string(text), "VmRSS:"))
		if err := w.powerOff(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(start.Milliseconds())/float64(b.N), "ms-to-ready")
	b.ReportMetric(float64(resident)/1024, "MB-resident")
}

// fill appends events to the terminal's journal, as marks of the clock.
func (w *world) fill(n int) {
	text, err := os.ReadFile(filepath.Join(w.state(), "device.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := note.NewSigner(string(text[:len(text)-1]))
	if err != nil {
		w.t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{
		Path: filepath.Join(w.state(), "journal.db"), Terminal: terminal, Entropy: rand.Reader,
		Signer: signer, City: note.VerifierList(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	term, at := locker.New(), time.Now().Add(-240*time.Hour).UTC()
	for j.Size() < uint64(n) {
		events := make([]locker.Event, 1000)
		for i := range events {
			at = at.Add(time.Millisecond)
			events[i] = locker.Event{Time: at, Quality: locker.TimeClock, Fact: locker.ClockMarked{}}
			if err := term.Replay(events[i]); err != nil {
				w.t.Fatal(err)
			}
		}
		if _, err := j.Append(events, term.Snapshot); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		w.t.Fatal(err)
	}
}
