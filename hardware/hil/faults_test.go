//go:build hil

package hil_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker"
)

// Promise 4. Compartments 1 and 2 hang on a chip that stays, 3 on one that goes
// away, 4 on an expander.
func TestPromise4WhatFailsIsNamedAndHealedAndTheOthersGoOn(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	bus := m.expanders(t, 1)
	steady := m.chip(t, "steady", "LOCK0", "LOCK1", "DOOR0", "DOOR1")
	shaky := m.chip(t, "shaky", "LOCK2", "DOOR2")
	p := plant{parts: fmt.Sprintf("[gpio]\ncontact_pull = \"board\"\npulse = \"300ms\"\n\n[[expander]]\nname = \"left\"\nbus = %q\naddress = 0x20\n", bus)}
	for i, c := range []*chip{steady, steady, shaky} {
		lock, door := fmt.Sprintf("LOCK%d", i), fmt.Sprintf("DOOR%d", i)
		p.doors = append(p.doors, protocol.Door{Number: i + 1, Lock: c.wire(lock), Contact: c.wire(door)})
		p.wires = append(p.wires, fmt.Sprintf("lock = { gpio = %q }\ncontact = { gpio = %q }", lock, door))
	}
	p.doors = append(p.doors, protocol.Door{Number: 4, Lock: protocol.Wire{Number: 4}, Contact: protocol.Wire{Number: 0}})
	p.wires = append(p.wires, "lock = { expander = \"left\", line = 4 }\ncontact = { expander = \"left\", line = 0 }")

	thief := m.start(t, "/bin/inside", "hold", "-line", "LOCK1")
	m.await(t, thief, "ready")
	b := newBox(t, m, newTown(t, 0), p, "/run/faults", l.ports)
	b.initialise(t)
	m.forget(t)
	b.on(t)
	b.ready(t)
	f := &life{l: l, town: b.town, people: &people{}}
	f.people.site = b.site(t)

	// A line that another process has.
	b.faults(t, f, "LOCK1", 2)
	var shown locker.ScreenName
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := f.load(ctx, &shown); err != nil {
		t.Fatalf("%v; the people last saw %s", err, f.people.saw)
	}
	b.settled(t, f, "the others were seen empty", func(s locker.Status) bool {
		return s.Compartments[0].Use == "empty" && s.Compartments[2].Use == "empty" && s.Compartments[3].Use == "empty"
	})
	m.stop(t, thief, int(syscall.SIGKILL))
	b.faults(t, f, "")

	// A chip that vanishes and comes back.
	m.forget(t)
	shaky.unplug(t)
	b.faults(t, f, "LOCK2", 3)
	shaky.plug(t)
	b.faults(t, f, "")
	for _, e := range shaky.edges(t) {
		if e.line == "LOCK2" && e.set && e.high {
			t.Error("the lock of the chip that came back was driven")
		}
	}

	// An expander that loses its power for a moment, and one that stays away.
	before := m.read(t, bench+"driven")
	m.forget(t)
	m.write(t, bench+"reset", "0")
	began := time.Now()
	for m.read(t, bench+"driven") != before {
		if time.Since(began) > patience {
			t.Fatalf("the expander drives %s, and should %s", m.read(t, bench+"driven"), before)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("the expander was as before %.1f s after its reset", time.Since(began).Seconds())
	m.write(t, bench+"present", "0")
	b.faults(t, f, "expander", 4)
	m.write(t, bench+"present", "1")
	b.faults(t, f, "")
	if of, _ := pulses(t, m.expanderEdges(t), false); len(of) > 0 {
		t.Errorf("the expander's locks were driven: %v", of)
	}
	m.stop(t, b.pid, int(syscall.SIGTERM))
}

// faults waits until exactly these compartments are out of service at the city,
// and the alarm names the part.
func (b *box) faults(t *testing.T, f *life, part string, numbers ...int) {
	t.Helper()
	want := map[int]bool{}
	for _, n := range numbers {
		want[n] = true
	}
	s := b.settled(t, f, fmt.Sprintf("out of service are %v", numbers), func(s locker.Status) bool {
		for i, c := range s.Compartments {
			if (c.Fault != "") != want[i+1] {
				return false
			}
		}
		return true
	})
	for _, n := range numbers {
		t.Logf("compartment %d: %s", n, s.Compartments[n-1].Fault)
	}
	if part == "" {
		return
	}
	f.told(t, part)
}

// told waits until the city holds an event with the words.
func (f *life) told(t *testing.T, words string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		held, err := f.held(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range held {
			if strings.Contains(string(event), words) {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no event at the city has %q", words)
		}
	}
}

// settled waits until the terminal's status at the city is so.
func (b *box) settled(t *testing.T, f *life, what string, so func(locker.Status) bool) locker.Status {
	t.Helper()
	var s locker.Status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		f.boot = 0
		var err error
		if s, err = f.status(t); err != nil {
			t.Fatal(err)
		}
		if so(s) {
			return s
		}
	}
	t.Fatalf("%s: did not come, but %+v\nlockerd said\n%s", what, s.Compartments, b.m.look(t, b.pid).Output)
	return s
}

func TestPromise4ALineWithoutPermissionIsNamed(t *testing.T) {
	m := prepare(t).machine(t)
	m.chip(t, "private", "LOCK0")
	var r protocol.Result
	m.call(t, "Run", protocol.Command{Args: []string{"/bin/inside", "pulse", "-lines", "LOCK0"}, User: 1000}, &r)
	if said := string(r.Output); !strings.Contains(said, "LOCK0") || !strings.Contains(said, "permission denied") {
		t.Errorf("the driver says %q", said)
	}
}
