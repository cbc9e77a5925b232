package daemon_test

import (
	"slices"
	"strings"
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// finding is the one of a part.
func finding(t *testing.T, list []daemon.Finding, part string) daemon.Finding {
	t.Helper()
	i := slices.IndexFunc(list, func(f daemon.Finding) bool { return f.Part == part })
	if i < 0 {
		t.Fatalf("nothing was found of %s: %+v", part, list)
	}
	return list[i]
}

func TestACheckLooksAtEveryPartAndMovesNothing(t *testing.T) {
	b := newBench(t, "check-1")
	furnished(t, b)
	b.init()
	if err := b.sim.Wall.Do(2, firmwaresim.Force); err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Wall.Trip(firmwaresim.Enclosure, true); err != nil {
		t.Fatal(err)
	}
	list, err := daemon.Check(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{
		"lock 1": "at rest", "contact 1": "closed", "contact 2": "open", "light 2": "off",
		"sensor tamper": "at rest", "sensor enclosure": "tripped", "heating": "1.500°C, heater off",
	} {
		if f := finding(t, list, part); f.Error != "" || f.State != want {
			t.Errorf("%s: %+v, want %q", part, f, want)
		}
	}
	if f := finding(t, list, "light 2"); f.Kind != "light" || f.Compartment != 2 {
		t.Errorf("%+v", f)
	}
	if f := finding(t, list, `real-time clock "rtc-that-is-not-there"`); !strings.Contains(f.Error, "no such real-time clock") || f.Advice == "" || f.State != "" {
		t.Errorf("a clock that is not there: %+v", f)
	}
	if f := finding(t, list, "finger reader"); f.Note == "" || f.Error != "" {
		t.Errorf("a reader that is not configured: %+v", f)
	}
	for _, d := range b.sim.Wall.Doors() {
		if d.Pulses != 0 {
			t.Errorf("door %+v", d)
		}
	}
}

func TestACheckBesideTheDaemonLeavesItsPartsAlone(t *testing.T) {
	b := newBench(t, "check-4")
	b.init()
	b.run()
	list, err := daemon.Check(t.Context(), b.config)
	if err != nil || len(list) != 1 || list[0].Part != "journal" || !strings.Contains(list[0].Advice, "stop lockerd") {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestACheckOfBoardsTellsWhatTheyCannotDo(t *testing.T) {
	b := newBench(t, "check-2")
	b.config.Modbus = []daemon.Modbus{{Name: "locks", Path: b.sim.Addresses().Locks, Baud: 115200}}
	for i := range b.config.Compartments {
		n := i + 1
		unit, address := b.sim.Boards.Address(n)
		at := daemon.Wire{Modbus: "locks", Board: int(unit), Address: int(address)}
		b.config.Compartments[i].Lock, b.config.Compartments[i].Contact = at, at
	}
	b.config.Sensors = []daemon.Sensor{{Kind: locker.SensorMains, Wire: daemon.Wire{Modbus: "locks", Board: int(b.sim.Boards.SensorBoard()), Address: 1}}}
	b.init()
	b.sim.Boards.Trouble(1, firmwaresim.Blind)
	b.sim.Boards.Trouble(b.sim.Boards.SensorBoard(), firmwaresim.Silent)
	list, err := daemon.Check(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(f daemon.Finding) bool { return f.Kind == "wire" })
	if i < 0 || !strings.Contains(list[i].Note, "[1] cannot tell their coils") {
		t.Errorf("%+v", list)
	}
	if f := finding(t, list, "lock 1"); f.State != "at rest" {
		t.Errorf("%+v", f)
	}
	if f := finding(t, list, "sensor mains"); !strings.Contains(f.Error, "no answer") || !strings.Contains(f.Advice, "board 2") {
		t.Errorf("a silent board: %+v", f)
	}
}

func TestACoilThatIsOnByItselfIsSwitchedOffAndReachesTheCity(t *testing.T) {
	b := newBench(t, "check-3")
	b.config.Modbus = []daemon.Modbus{{Name: "locks", Path: b.sim.Addresses().Locks, Baud: 115200}}
	for i := range b.config.Compartments {
		unit, address := b.sim.Boards.Address(i + 1)
		at := daemon.Wire{Modbus: "locks", Board: int(unit), Address: int(address)}
		b.config.Compartments[i].Lock, b.config.Compartments[i].Contact = at, at
	}
	b.init()
	b.run()
	eventually(t, "the start", func() bool { return b.published().Boot == 1 })
	if err := b.sim.Wall.Do(2, firmwaresim.Jam); err != nil { // its door stays shut: only the coil tells
		t.Fatal(err)
	}
	if err := b.sim.Boards.Energise(2, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the coil off", func() bool { d, err := b.sim.Wall.Door(2); return err == nil && !d.Coil })
	eventually(t, "the fault at the city", func() bool { return b.alarmed(locker.AlarmFault, "lock ") })
}
