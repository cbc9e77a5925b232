//go:build hil

package hil_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
)

// Promise 5, on lines of the kernel.
func TestPromise5TheWholeTerminalOnLines(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	p, c := direct(t, m, 4, true)
	b := newBox(t, m, newTown(t, 2), p, "/run/lines", l.ports)
	m.forget(t)
	b.day(t)
	of, _ := pulses(t, locksOf(c.edges(t)), true)
	// Two compartments seen empty, two loaded, one opened twice for its citizen.
	if len(of) != 6 {
		t.Errorf("the kernel saw these locks driven: %v, wants 6", of)
	}
	if of[4] != of[5] {
		t.Errorf("the citizen's lock was %s and then %s", of[4], of[5])
	}
}

func locksOf(all []edge) []edge {
	var found []edge
	for _, e := range all {
		if e.line[:4] == "LOCK" {
			found = append(found, e)
		}
	}
	return found
}

// day plays a good day, from the orders to the handover.
func (b *box) day(t *testing.T) {
	t.Helper()
	b.initialise(t)
	if out := b.m.run(t, "/bin/lockerd", "check", "-config", b.config()); out != "" {
		t.Logf("lockerd check:\n%s", out)
	}
	began := time.Now()
	b.on(t)
	b.ready(t)
	t.Logf("ready %.1f s after its start", time.Since(began).Seconds())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := tour.Day(ctx, b.site(t), &out)
	t.Logf("the day:\n%s", out.String())
	if err != nil {
		t.Errorf("%v\nlockerd said\n%s", err, b.m.look(t, b.pid).Output)
	}
	for _, line := range strings.Split(b.m.read(t, fmt.Sprintf("/proc/%d/status", b.pid)), "\n") {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			t.Log(line)
		}
	}
	b.m.stop(t, b.pid, int(syscall.SIGTERM))
}
