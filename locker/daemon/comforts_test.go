package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// furnished adds to a bench what a cabinet has besides doors.
func furnished(t *testing.T, b *bench) {
	t.Helper()
	thermometer := filepath.Join(t.TempDir(), "temp")
	if err := os.WriteFile(thermometer, []byte("1500\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := b.config.Terminal
	for i := range b.config.Compartments {
		b.config.Compartments[i].Light = daemon.Wire{GPIO: firmwaresim.LightLine(name, i+1)}
	}
	for _, sensor := range firmwaresim.CabinetSensors() {
		b.config.Sensors = append(b.config.Sensors, daemon.Sensor{Kind: locker.Sensor(sensor), Wire: daemon.Wire{GPIO: firmwaresim.SensorLine(name, sensor)}})
	}
	b.config.Heating = daemon.Heating{Thermometer: thermometer, Heater: daemon.Wire{GPIO: firmwaresim.HeaterLine(name)}, OnBelow: 3, OffAbove: 6}
	b.config.Clock.RTC = "rtc-that-is-not-there"
}

// alarmed tells whether the published state has an alarm of this kind.
func (b *bench) alarmed(kind locker.AlarmKind, detail string) bool {
	return slices.ContainsFunc(b.published().Alarms, func(a locker.AlarmRaised) bool {
		return a.Kind == kind && (detail == "" || len(a.Detail) >= len(detail) && a.Detail[:len(detail)] == detail)
	})
}

func TestWhatWatchesTheCabinetReachesTheCity(t *testing.T) {
	b := newBench(t, "comforts-1")
	furnished(t, b)
	b.config.Rules.TamperHold = locker.Duration(time.Hour) // one knock, however slow the machine is
	b.init()
	t.Cleanup(func() { // the daemon has stopped by then
		for _, line := range []string{`msg="alarm raised: tamper"`, `msg="alarm raised: mains failed"`, `msg="alarm cleared: mains failed"`} {
			if n := strings.Count(b.log.String(), line); n != 1 {
				t.Errorf("the log has %s %d times, want once", line, n)
			}
		}
	})
	b.run()
	eventually(t, "the missing clock", func() bool { return b.alarmed(locker.AlarmPart, "clock:") })
	for sensor, kind := range map[firmwaresim.CabinetSensor]locker.AlarmKind{
		firmwaresim.Tamper: locker.AlarmTamper, firmwaresim.Mains: locker.AlarmMains, firmwaresim.Enclosure: locker.AlarmEnclosure,
	} {
		if err := b.sim.Wall.Trip(sensor, true); err != nil {
			t.Fatal(err)
		}
		eventually(t, string(kind), func() bool { return b.alarmed(kind, "") })
	}
	if err := b.sim.Wall.Trip(firmwaresim.Mains, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mains again", func() bool { return !b.alarmed(locker.AlarmMains, "") })
}

func TestTheReaderIsHeatedAndLeftColdAtTheEnd(t *testing.T) {
	b := newBench(t, "comforts-2")
	furnished(t, b)
	b.init()
	d, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	eventually(t, "the heater", b.sim.Wall.Heater)
	cancel()
	if err := errors.Join(<-done, d.Close()); err != nil {
		t.Error(err)
	}
	if b.sim.Wall.Heater() {
		t.Error("the daemon has ended, and the heater is on")
	}
}

func TestAnExerciseIsAskedForOverTheSocketAndMovesNothing(t *testing.T) {
	b := newBench(t, "comforts-3")
	b.init()
	b.run()
	client := daemon.Dial(b.config.Socket())
	asked, err := client.Exercise(t.Context(), []locker.CompartmentID{2})
	if err != nil || !slices.Equal(asked, []locker.CompartmentID{2}) {
		t.Fatal(asked, err)
	}
	if asked, err = client.Exercise(t.Context(), nil); err != nil || len(asked) != 2 {
		t.Fatal(asked, err)
	}
	if _, err := client.Exercise(t.Context(), []locker.CompartmentID{7}); err == nil {
		t.Error("a compartment that is not there was taken")
	}
	for _, d := range b.sim.Wall.Doors() {
		if d.Pulses != 0 || d.Open {
			t.Errorf("door %+v", d)
		}
	}
}
