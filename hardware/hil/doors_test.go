//go:build hil

package hil_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Promise 3. All doors of a large wall move at once, and each contact bounces.
// An emulated machine bounces slowly, so that the debouncing is longer than in
// the street; pauses that outlast it all the same make two movements of one.
func TestPromise3NoFinalStateOf64ChatteringDoorsIsMissed(t *testing.T) {
	m := prepare(t).machine(t)
	c := m.chip(t, "doors", names("DOOR", 64)...)
	out := m.run(t, "/bin/inside", "chatter", "-chip", c.folder, "-count", "64", "-rounds", "6", "-seed", "7")
	var r struct {
		Movements, Told, Wrong, Twice, Slow int
		P50, P99, Longest                   float64
		Errors                              []string
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d movements of 7 changes each, told %d times (%d paused too long); from the last bounce to the word p50 %.0f ms, p99 %.0f ms, longest %.0f ms",
		r.Movements, r.Told, r.Slow, r.P50, r.P99, r.Longest)
	// The simulator's own wires say where the doors are: closed, after an even number of rounds.
	for _, door := range c.lines {
		if c.level(t, door) {
			t.Errorf("%s is not where it was left", door)
		}
	}
	if r.Wrong > 0 {
		t.Errorf("%d final states were missed", r.Wrong)
	}
	if r.Twice > 0 || r.Told < r.Movements {
		t.Errorf("%d movements were told %d times, %d of them more than once", r.Movements, r.Told, r.Twice)
	}
	if len(r.Errors) > 0 {
		t.Errorf("the driver had errors: %v", r.Errors)
	}
	if r.Slow > r.Movements/2 {
		t.Errorf("%d of %d movements paused too long to prove anything", r.Slow, r.Movements)
	}
	// Debounce, and the second after which a level is read again in any case.
	if r.Longest > 2500 {
		t.Errorf("a state was told only after %.0f ms", r.Longest)
	}
}

// figure reads what inside measured.
func figure(t *testing.T, out string) string {
	t.Helper()
	var s struct {
		Count    int
		P50, P99 float64
		Lost     int
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &s); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return fmt.Sprintf("%d, p50 %.0f µs, p99 %.0f µs, lost %d", s.Count, s.P50, s.P99, s.Lost)
}

// The figures of docs/performance.md; what is measured is not judged.
func TestMeasureEdgesAndOutputsBesidePeriphsOwnLines(t *testing.T) {
	m := prepare(t).machine(t)
	for _, own := range []bool{false, true} {
		c := m.chip(t, "measure", "DOOR", "LOCK")
		flag := fmt.Sprintf("-periph=%v", own)
		t.Logf("periph's own: %v: edge to input: %s", own, figure(t, m.run(t, "/bin/inside", "edges", "-chip", c.folder, "-line", "DOOR", flag)))
		if !own {
			t.Logf("edge to what the contact tells: %s", figure(t, m.run(t, "/bin/inside", "contacts", "-chip", c.folder, "-line", "DOOR")))
		}
		t.Logf("periph's own: %v: action to line: %s", own, figure(t, m.run(t, "/bin/inside", "outputs", "-line", "LOCK", flag)))
		c.unplug(t)
	}
}
