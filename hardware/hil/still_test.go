//go:build hil

package hil_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// Promise 1. The terminal is started and ended at random moments, in every way
// in which a process ends; its locks never leave their rest.
func TestPromise1NoLockMovesAtStartCrashKillAndRestart(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	ends := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGABRT, syscall.SIGTERM, syscall.SIGSEGV}
	for _, low := range []bool{false, true} {
		t.Run(fmt.Sprintf("low=%v", low), func(t *testing.T) {
			p, c := direct(t, m, 8, low)
			b := newBox(t, m, newTown(t, 0), p, fmt.Sprintf("/run/still-%v", low), l.ports)
			m.forget(t)
			b.initialise(t)
			b.on(t)
			began := time.Now()
			b.ready(t)
			start := time.Since(began)
			m.stop(t, b.pid, int(syscall.SIGKILL))
			reached := 0
			for i := range 10 {
				b.on(t)
				time.Sleep(rand.N(start * 3 / 2))
				m.stop(t, b.pid, int(ends[i%len(ends)]))
				for _, lock := range c.lines[:8] {
					if c.level(t, lock) != low {
						t.Errorf("%s has left its rest after the end number %d", lock, i+1)
					}
				}
			}
			taken := map[string]bool{}
			for _, e := range c.edges(t) {
				if e.line[:4] != "LOCK" {
					continue
				}
				if e.set && e.high != low {
					t.Errorf("%s was driven: %+v", e.line, e)
				}
				if !e.output {
					t.Errorf("%s became an input: %+v", e.line, e)
				}
				if e.set {
					taken[e.line] = true
					reached++
				}
			}
			// Without this the trace would prove nothing.
			if len(taken) != 8 {
				t.Errorf("the trace knows of %d locks, wants 8", len(taken))
			}
			t.Logf("11 starts, ready after %.1f s, ended at random; %d writes of a lock's level, all of its rest", start.Seconds(), reached)
		})
	}
}

// The witness of promise 1 sees a lock that moves, however shortly.
func TestTheTraceSeesADriverThatIsNotSafe(t *testing.T) {
	m := prepare(t).machine(t)
	c := m.chip(t, "control", "LOCK0")
	c.rest(t, c.lines, true)
	m.forget(t)
	m.run(t, "/bin/inside", "outputs", "-line", "LOCK0", "-count", "1", "-periph")
	driven := false
	for _, e := range c.edges(t) {
		driven = driven || e.set && !e.high
	}
	if !driven {
		t.Error("periph's own driver moved an active-low lock, and the trace does not show it")
	}
}
