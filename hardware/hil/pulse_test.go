//go:build hil

package hil_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func names(prefix string, n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d", prefix, i))
	}
	return list
}

// rest puts the board's own resistors to where its locks rest.
func (c *chip) rest(t *testing.T, locks []string, low bool) {
	t.Helper()
	for _, l := range locks {
		c.pull(t, l, low)
	}
}

// pulses are the times between a lock's being driven and its rest, in the order
// of their beginning. That a line is taken at rest is no pulse.
func pulses(t *testing.T, edges []edge, low bool) (of []string, lasted []float64) {
	t.Helper()
	began := map[string]float64{}
	for _, e := range edges {
		if !e.set {
			if !e.output {
				t.Errorf("lock line %s became an input", e.line)
			}
			continue
		}
		at, driven := began[e.line]
		switch active := e.high != low; {
		case active && !driven:
			if len(began) > 0 {
				t.Errorf("%s is driven while another is: %v", e.line, began)
			}
			began[e.line] = e.at
			of = append(of, e.line)
		case !active && driven:
			lasted = append(lasted, e.at-at)
			delete(began, e.line)
		}
	}
	if len(began) > 0 {
		t.Errorf("driven to the end: %v", began)
	}
	return of, lasted
}

// Promise 2. Under emulation the order and the number count; how long they
// lasted is in the log, and must at least be what was asked for.
func TestPromise2APulseLastsAsConfigured(t *testing.T) {
	m := prepare(t).machine(t)
	for _, low := range []bool{false, true} {
		t.Run(fmt.Sprintf("low=%v", low), func(t *testing.T) {
			locks := names("LOCK", 4)
			c := m.chip(t, "locks", locks...)
			c.rest(t, locks, low)
			m.forget(t)
			out := m.run(t, "/bin/inside", "pulse", "-lines", strings.Join(locks, ","), "-lasts", "400ms", "-count", "5", fmt.Sprintf("-low=%v", low))
			if strings.Contains(out, ":") {
				t.Errorf("the driver complains: %s", out)
			}
			of, lasted := pulses(t, c.edges(t), low)
			var want []string
			for range 5 {
				want = append(want, locks...)
			}
			if !slices.Equal(of, want) {
				t.Errorf("pulsed were %v, wants %v", of, want)
			}
			slices.Sort(lasted)
			t.Logf("%d pulses of 400 ms lasted %.1f to %.1f ms", len(lasted), 1000*lasted[0], 1000*lasted[len(lasted)-1])
			if lasted[0] < 0.380 {
				t.Errorf("a pulse of 400 ms lasted %.1f ms", 1000*lasted[0])
			}
		})
	}
}

func TestPromise2APulseEndsThoughItsProcessIsKilled(t *testing.T) {
	m := prepare(t).machine(t)
	for _, low := range []bool{false, true} {
		locks := names("LOCK", 2)
		t.Run(fmt.Sprintf("low=%v", low), func(t *testing.T) {
			c := m.chip(t, "locks", locks...)
			c.rest(t, locks, low)
			for range 5 {
				args := []string{"/bin/inside", "pulse", "-lines", "LOCK0", "-lasts", "1s", fmt.Sprintf("-low=%v", low)}
				pid := m.start(t, args...)
				m.await(t, pid, "ready")
				for c.level(t, "LOCK0") == low {
					time.Sleep(5 * time.Millisecond)
				}
				time.Sleep(rand.N(300 * time.Millisecond))
				m.stop(t, pid, int(syscall.SIGKILL))
				m.forget(t)
				pid = m.start(t, "/bin/inside", "pulse", "-lines", "LOCK0", "-count", "0", fmt.Sprintf("-low=%v", low))
				m.await(t, pid, "done")
				if c.level(t, "LOCK0") != low {
					t.Fatal("the lock is driven after the new start")
				}
				if of, _ := pulses(t, c.edges(t), low); len(of) > 0 {
					t.Fatalf("the new start moved %v", of)
				}
			}
		})
	}
}
