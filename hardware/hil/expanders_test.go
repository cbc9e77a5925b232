//go:build hil

package hil_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
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
func onExpanders(t *testing.T, m *machine) plant {
	t.Helper()
	p := plant{parts: fmt.Sprintf("[[expander]]\nname = \"left\"\nbus = %q\naddress = 0x20\npulse = \"300ms\"\n", m.expanders(t, 1))}
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

// Promise 5, on expanders.
func TestPromise5TheWholeTerminalOnExpanders(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	b := newBox(t, m, newTown(t, 2), onExpanders(t, m), "/run/expanders", l.ports)
	m.forget(t)
	b.day(t)
	of, lasted := pulses(t, m.expanderEdges(t), false)
	if len(of) != 6 || of[4] != of[5] {
		t.Errorf("the bus saw these locks driven: %v, wants 6, and the last twice", of)
	}
	t.Logf("pulses lasted %.3f s", lasted)
}
