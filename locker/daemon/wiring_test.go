package daemon_test

import (
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

const withExpander = `lock = { expander = "a", line = 7 }
contact = { expander = "a", line = 0 }

[[expander]]
name = "a"
bus = "/dev/i2c-1"
address = 0x20
`

func TestAWrongWireIsToldWithItsLine(t *testing.T) {
	const second = "lock = { gpio = \"LOCK2\" }\ncontact = { gpio = \"DOOR2\" }\n"
	if _, err := daemon.ParseConfig("lockerd.toml", []byte(good[:len(good)-len(second)]+withExpander)); err != nil {
		t.Fatal(err)
	}
	with := func(was, is, line, words string) {
		t.Helper()
		wrong(t, second, replaced(t, withExpander, was, is), line, words)
	}
	with(`expander = "a", line = 7`, `expander = "b", line = 7`, "31", `no [[expander]] "b"`)
	with(`line = 7`, `line = 16`, "31", "0 to 15")
	with(`line = 0`, `line = 15`, "32", "outputs only")
	with(`line = 7`, `line = 7, board = 1`, "31", `wants { gpio = "LINE" }`)
	with(`line = 0`, `line = 7`, "32", "outputs only")
	with(`line = 7`, `line = 0`, "32", "the lock of compartment 2 already")
	with(`0x20`, `0x30`, "37", "0x20 to 0x27")
	with(`bus = "/dev/i2c-1"`, ``, "34", "/dev/i2c-1")
	with(`name = "a"`, ``, "34", "a name of its own")
	with(`address = 0x20`, "address = 0x20\npulse = \"5s\"", "38", "outside 200ms to 1s")
	with("address = 0x20\n", "address = 0x20\n\n[[expander]]\nname = \"b\"\nbus = \"/dev/i2c-1\"\naddress = 0x20\n", "42", `expander "a" already`)
	with("address = 0x20\n", "address = 0x20\ninterrupt = \"INT\"\n\n[[expander]]\nname = \"b\"\nbus = \"/dev/i2c-1\"\naddress = 0x21\ninterrupt = \"INT\"\n", "44", `the interrupt of expander "a" already`)
	wrong(t, `gpio = "DOOR2"`, `gpio = "LOCK2"`, "32", "the lock of compartment 2 already")
	wrong(t, `gpio = "LOCK2"`, `modbus = "locks", board = 1, address = 0`, "31", "the lock of compartment 1 already")
	wrong(t, `gpio = "LOCK2"`, `modbus = "locks", board = 248, address = 0`, "31", "1 to 247")
}

// onExpanders has the bench's locks and contacts on a port expander.
func (b *bench) onExpanders() *firmwaresim.Expanders {
	b.t.Helper()
	x, err := b.sim.Wall.RegisterExpanders(b.config.Terminal, true)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = x.Close() })
	b.config.Expanders = []daemon.Expander{{
		Name: "a", Bus: firmwaresim.ExpanderBus(b.config.Terminal), Address: 0x20, ActiveLow: true,
		Interrupt: firmwaresim.ExpanderInterrupt(b.config.Terminal, 0),
	}}
	for i := range b.config.Compartments {
		_, lock, contact := firmwaresim.ExpanderWire(i + 1)
		b.config.Compartments[i].Lock = daemon.Wire{Expander: "a", Line: lock}
		b.config.Compartments[i].Contact = daemon.Wire{Expander: "a", Line: contact}
	}
	return x
}

func TestATerminalOnExpandersTellsItsDoorsAndItsChip(t *testing.T) {
	b := newBench(t, "daemon-22")
	x := b.onExpanders()
	b.init()
	findings, err := daemon.Check(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Error != "" && f.Part != "slots" {
			t.Errorf("check: %+v", f)
		}
	}
	d := b.run()
	if err := b.sim.Wall.Do(2, firmwaresim.Force); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the forced door", func() bool { return d.Status().Compartments[1].Open })

	x.Chips[0].SetAbsent(true)
	alarms := func(kind locker.AlarmKind) (n int) {
		for _, a := range d.Status().Alarms {
			if a.Kind == kind {
				n++
			}
		}
		return n
	}
	eventually(t, "the lost chip", func() bool {
		return alarms(locker.AlarmPart) == 1 && fault(d, 1) != "" && fault(d, 2) != ""
	})
	x.Chips[0].SetAbsent(false)
	eventually(t, "the chip's return", func() bool {
		return alarms(locker.AlarmPart) == 0 && fault(d, 1) == "" && fault(d, 2) == ""
	})
	x.Chips[0].Reset()
	eventually(t, "the reset in the journal and its end", func() bool { return alarms(locker.AlarmPart) == 0 })
	for _, door := range b.sim.Wall.Doors() {
		if door.Pulses != 0 {
			t.Errorf("lock %d was driven", door.Number)
		}
	}
}
