//go:build hil

package hil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker"
)

const bench = "/sys/module/expanders/parameters/"

// expanders puts so many chips on the bus, as after power-up, and gives the bus.
func (m *machine) expanders(t *testing.T, chips int) string {
	t.Helper()
	m.call(t, "Load", protocol.Module{Name: "expanders"}, nil)
	m.write(t, bench+"present", strconv.Itoa(1<<chips-1))
	for n := range chips {
		m.write(t, bench+"reset", strconv.Itoa(n))
	}
	var found []string
	m.call(t, "Glob", "/sys/class/i2c-dev/i2c-*/name", &found)
	for _, path := range found {
		if m.read(t, path) == "laboratory expanders" {
			return "/dev/" + strings.Split(path, "/")[4]
		}
	}
	t.Fatalf("no bus among %v", found)
	return ""
}

// onExpanders is a plant of four locks on the lines 4 to 7 of a chip, and four
// contacts on its lines 0 to 3.
func onExpanders(t *testing.T, m *machine, pulse time.Duration) plant {
	t.Helper()
	p := plant{parts: fmt.Sprintf("[[expander]]\nname = \"left\"\nbus = %q\naddress = 0x20\npulse = %q\n", m.expanders(t, 1), pulse)}
	for i := range 4 {
		p.doors = append(p.doors, protocol.Door{Number: i + 1, Lock: protocol.Wire{Number: 4 + i}, Contact: protocol.Wire{Number: i}})
		p.wires = append(p.wires, fmt.Sprintf("lock = { expander = \"left\", line = %d }\ncontact = { expander = \"left\", line = %d }", 4+i, i))
	}
	return p
}

// What the module prints into the kernel's trace.
var traceExpander = regexp.MustCompile(`([0-9.]+): .*expander: 0 iodir ([0-9a-f]{4}) olat ([0-9a-f]{4})`)

// expanderEdges are the changes of what the first chip's lines 4 to 7 drive.
// A line that drives nothing does not move a lock.
func (m *machine) expanderEdges(t *testing.T) []edge {
	t.Helper()
	var found []edge
	var was [4]bool
	for _, row := range strings.Split(m.read(t, "/sys/kernel/tracing/trace"), "\n") {
		e := traceExpander.FindStringSubmatch(row)
		if e == nil {
			continue
		}
		iodir, olat := must(strconv.ParseUint(e[2], 16, 16)), must(strconv.ParseUint(e[3], 16, 16))
		for i := range was {
			if driven := iodir>>(4+i)&1 == 0 && olat>>(4+i)&1 == 1; driven != was[i] {
				was[i] = driven
				found = append(found, edge{at: must(strconv.ParseFloat(e[1], 64)), line: fmt.Sprintf("LOCK%d", i), output: true, set: true, high: driven})
			}
		}
	}
	return found
}

// heldLocks are those of the first chip's lines 4 to 7 that it drives now.
func (m *machine) heldLocks(t *testing.T) []string {
	t.Helper()
	first, _, _ := strings.Cut(m.read(t, bench+"driven"), ",")
	n := must(strconv.ParseUint(first, 10, 32))
	var held []string
	for i := range 4 {
		if n>>(16+4+i)&1 == 0 && n>>(4+i)&1 == 1 {
			held = append(held, fmt.Sprintf("LOCK%d", i))
		}
	}
	return held
}

// Promise 2, on expanders. The chip keeps its latch while nobody is there to end
// the pulse: the next start does, and moves no other lock.
func TestPromise2AnExpanderIsSwitchedOffAfterAKill(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	b := newBox(t, m, newTown(t, 0), onExpanders(t, m, time.Second), "/run/latched", l.ports)
	b.initialise(t)
	f := &life{l: l, town: b.town, people: &people{}}
	f.people.site = b.site(t)
	b.on(t)
	b.ready(t)
	inPulse := 0
	for range 3 {
		m.forget(t)
		b.killInPulse(t, f)
		held := m.heldLocks(t)
		b.on(t)
		b.ready(t)
		if now := m.heldLocks(t); len(now) > 0 {
			t.Fatalf("after the new start the chip drives %v", now)
		}
		of, lasted := pulses(t, m.expanderEdges(t), false)
		if len(of) != 1 {
			t.Fatalf("the bus saw these locks driven: %v, wants one", of)
		}
		switch {
		case len(held) == 0: // a busy machine: the pulse had ended before the kill
		case !slices.Equal(of, held):
			t.Fatalf("left driven were %v, and the pulse was of %v", held, of)
		default:
			inPulse++
			t.Logf("%s was left driven, for %.1f s, until the new start", of[0], lasted[0])
		}
	}
	if inPulse == 0 {
		t.Error("no kill met a pulse: nothing is proved")
	}
	m.stop(t, b.pid, int(syscall.SIGTERM))
	if of, _ := pulses(t, m.expanderEdges(t), false); len(of) != 1 {
		t.Errorf("to its end the terminal drove %v", of)
	}
}

// killInPulse lets clerks go their round until the terminal, which drives a
// lock, is killed.
func (b *box) killInPulse(t *testing.T, f *life) {
	t.Helper()
	killer := b.m.start(t, "/bin/inside", "killer", "-pid", strconv.Itoa(b.pid), "-after", rand.N(300*time.Millisecond).String())
	ctx, stop := context.WithTimeout(t.Context(), 2*patience)
	defer stop()
	ended := make(chan error, 1)
	var of protocol.Result
	go func() {
		defer stop()
		ended <- b.m.try("Wait", killer, &of)
	}()
	var shown locker.ScreenName
	if err := f.load(ctx, &shown); err == nil {
		t.Fatal("the round came to its end")
	}
	if err := <-ended; err != nil || of.Code != 0 {
		t.Fatalf("no pulse to kill the terminal in (%v); the people last saw %s\n%s", err, f.people.saw, of.Output)
	}
	b.m.call(t, "Wait", b.pid, &of)
}

// Promise 5, on expanders.
func TestPromise5TheWholeTerminalOnExpanders(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	b := newBox(t, m, newTown(t, 2), onExpanders(t, m, 300*time.Millisecond), "/run/expanders", l.ports)
	m.forget(t)
	b.day(t)
	of, lasted := pulses(t, m.expanderEdges(t), false)
	if len(of) != 6 || of[4] != of[5] {
		t.Errorf("the bus saw these locks driven: %v, wants 6, and the last twice", of)
	}
	t.Logf("pulses lasted %.3f s", lasted)
}
