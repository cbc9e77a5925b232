package daemon_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// flaky is a lock's line whose chip comes and goes.
type flaky struct {
	name string

	mu     sync.Mutex
	level  gpio.Level
	stuck  bool
	broken error
}

func (f *flaky) String() string                        { return f.name }
func (f *flaky) Halt() error                           { return nil }
func (f *flaky) Name() string                          { return f.name }
func (f *flaky) Number() int                           { return -1 }
func (f *flaky) Function() string                      { return "" }
func (f *flaky) Pull() gpio.Pull                       { return gpio.Float }
func (f *flaky) DefaultPull() gpio.Pull                { return gpio.Float }
func (f *flaky) PWM(gpio.Duty, physic.Frequency) error { return errors.New("no PWM") }
func (f *flaky) In(gpio.Pull, gpio.Edge) error         { return nil }

func (f *flaky) WaitForEdge(d time.Duration) bool {
	time.Sleep(d)
	return false
}

func (f *flaky) Out(level gpio.Level) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil && !f.stuck {
		f.level = level
	}
	return f.broken
}

func (f *flaky) ReadLevel() (gpio.Level, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.level, f.broken
}

func (f *flaky) Read() gpio.Level {
	level, _ := f.ReadLevel()
	return level
}

func (f *flaky) set(level gpio.Level, stuck bool, broken error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.level, f.stuck, f.broken = level, stuck, broken
}

// runWithFlakyLock runs a terminal whose second lock hangs on a flaky line.
func runWithFlakyLock(t *testing.T, terminal string, broken error) (*daemon.Daemon, *flaky) {
	t.Helper()
	b, line := newFlakyBench(t, terminal, broken)
	d := b.run()
	t.Cleanup(func() { line.set(gpio.Low, false, nil) }) // before the coils are let go
	return d, line
}

func newFlakyBench(t *testing.T, terminal string, broken error) (*bench, *flaky) {
	t.Helper()
	line := &flaky{name: terminal + "/FLAKY", broken: broken}
	if err := gpioreg.Register(line); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gpioreg.Unregister(line.name); err != nil {
			t.Error(err)
		}
	})
	b := newBench(t, terminal)
	b.config.Compartments[1].Lock.GPIO = line.name
	b.init()
	return b, line
}

func fault(d *daemon.Daemon, n int) locker.Fault { return d.Status().Compartments[n-1].Fault }

func TestALockWhoseChipGoesAndComesBackIsOutOfServiceMeanwhile(t *testing.T) {
	gone := errors.New("no such device")
	d, line := runWithFlakyLock(t, "daemon-20", gone)
	if fault(d, 2) != locker.FaultLock {
		t.Fatalf("at the start: fault %q", fault(d, 2))
	}
	line.set(gpio.Low, false, nil)
	eventually(t, "the lock in service", func() bool { return fault(d, 2) == "" })
	line.set(gpio.Low, false, gone)
	eventually(t, "the lock's fault", func() bool { return fault(d, 2) == locker.FaultLock })
	line.set(gpio.Low, false, nil)
	eventually(t, "the lock in service again", func() bool { return fault(d, 2) == "" })
	if fault(d, 1) != "" {
		t.Errorf("the other compartment: fault %q", fault(d, 1))
	}
}

func TestALockThatIsOnByItselfIsSwitchedOffAndWaitsForClerks(t *testing.T) {
	d, line := runWithFlakyLock(t, "daemon-21", nil)
	line.set(gpio.High, false, nil)
	eventually(t, "the lock's fault", func() bool { return fault(d, 2) == locker.FaultLock })
	eventually(t, "the line at rest", func() bool { return line.Read() == gpio.Low })
	time.Sleep(1200 * time.Millisecond) // it is looked at once more
	if fault(d, 2) != locker.FaultLock {
		t.Error("back in service before anybody looked")
	}
}

func TestOneScannerThatIsPluggedInDoesNotHealAnother(t *testing.T) {
	b := newBench(t, "scanners-1")
	wires := b.sim.Addresses()
	b.config.Scanners = []daemon.Scanner{
		{Source: daemon.Source(locker.SourceCitizen), Path: wires.Citizen},
		{Source: daemon.Source(locker.SourceCitizen), Path: wires.Barcode},
	}
	b.init()
	list, err := daemon.Check(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	finding(t, list, fmt.Sprintf("scanner %q (%s)", "citizen", wires.Citizen))
	finding(t, list, fmt.Sprintf("scanner %q (%s)", "citizen 2", wires.Barcode))

	b.run()
	first := func() bool { return b.alarmed(locker.AlarmPart, "scanner citizen:") }
	second := func() bool { return b.alarmed(locker.AlarmPart, "scanner citizen 2:") }
	for _, device := range []firmwaresim.Device{firmwaresim.Citizen, firmwaresim.Barcode} {
		if err := b.sim.Unplug(device); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both alarms", func() bool { return first() && second() })
	if err := b.sim.Plug(firmwaresim.Citizen); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first one's end", func() bool { return !first() })
	if !second() {
		t.Errorf("%+v", b.published().Alarms)
	}
}
