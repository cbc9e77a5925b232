package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func sensing(t *testing.T) *site {
	s := newSite(t)
	s.config.Sensors = locker.Sensors()
	s.boot()
	return s
}

func TestTamperWakesSomebodyAndStandsUntilTwoClerksHaveLooked(t *testing.T) {
	s := sensing(t)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true}) // a poll
	count[locker.SensorTripped](s, 1)
	s.pass(5 * time.Second)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper})
	count[locker.SensorRested](s, 1)
	s.boot()
	s.wantAlarm(locker.AlarmTamper, locker.Wake)
	s.signIn("c1", "c2")
	s.finish()
	s.wantAlarm(locker.AlarmTamper, "")
}

func TestTamperThatStillShowsOutlastsTheRound(t *testing.T) {
	s := sensing(t)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(5 * time.Second)
	s.signIn("c1", "c2")
	s.confirm()
	s.wantAlarm(locker.AlarmTamper, locker.Wake)
	if got := s.term.Status().Tripped; !slices.Equal(got, []locker.Sensor{locker.SensorTamper}) {
		t.Errorf("tripped: %v", got)
	}
}

func TestMainsFailureEndsWithTheMains(t *testing.T) {
	s := sensing(t)
	s.give(locker.SensorTold{Sensor: locker.SensorMains, Tripped: true})
	s.wantAlarm(locker.AlarmMains, locker.Morning)
	s.pass(time.Hour)
	s.give(locker.SensorTold{Sensor: locker.SensorMains})
	s.wantAlarm(locker.AlarmMains, "")
}

func TestEnclosureWakesNobodyWhileTwoClerksStandThere(t *testing.T) {
	s := sensing(t)
	s.give(locker.SensorTold{Sensor: locker.SensorEnclosure, Tripped: true})
	s.wantAlarm(locker.AlarmEnclosure, locker.Wake)
	s = sensing(t)
	s.signIn("c1", "c2")
	s.give(locker.SensorTold{Sensor: locker.SensorEnclosure, Tripped: true})
	s.wantAlarm(locker.AlarmEnclosure, locker.Morning)
}

func TestSensorThatIsNotBuiltAnyMoreRests(t *testing.T) {
	s := sensing(t)
	s.give(locker.SensorTold{Sensor: locker.SensorMains, Tripped: true})
	s.config.Sensors = nil
	s.boot()
	count[locker.SensorRested](s, 1)
	s.wantAlarm(locker.AlarmMains, "")
	s.give(locker.SensorTold{Sensor: "moon", Tripped: true})
	count[locker.SensorTripped](s, 1)
	if err := (locker.Config{Terminal: "a", Compartments: s.config.Compartments, Rules: s.config.Rules, Sensors: []locker.Sensor{"moon"}}).Validate(); err == nil {
		t.Error("a sensor without meaning was accepted")
	}
}

func TestLockThatWasOnByItselfIsOutOfServiceUntilClerksLook(t *testing.T) {
	s := newSite(t)
	s.signIn("c1", "c2")
	s.clear()
	s.give(locker.PartFailed{Part: locker.PartLock, Compartment: 3, Detail: "on, and nobody drives it"})
	if got := s.at(3).Fault; got != locker.FaultLock {
		t.Fatalf("fault %q", got)
	}
	s.give(locker.PartHealed{Part: "contact", Compartment: 3}) // its contact was never the matter
	if got := s.at(3).Fault; got != locker.FaultLock {
		t.Fatalf("after its contact answered: fault %q", got)
	}
	s.clear()
	if got := s.at(3).Fault; got != "" {
		t.Errorf("the door opened as it was told, and still: %q", got)
	}
}

func TestLockWhoseDriverWorksAgainIsBackInService(t *testing.T) {
	s := newSite(t)
	s.give(locker.PartFailed{Part: locker.PartLock, Compartment: 3, Detail: "its chip is gone"})
	s.give(locker.PartHealed{Part: locker.PartLock, Compartment: 3})
	if got := s.at(3).Fault; got != "" {
		t.Errorf("fault %q", got)
	}
}

func TestTamperLocksTheTerminalUntilTwoClerksHaveLooked(t *testing.T) {
	s, _, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.wantScreen(locker.ScreenFinger)
	s.pass(5 * time.Second)
	s.wantScreen(locker.ScreenLocked)
	if b := has[locker.BurglaryDeclared](s); len(b) != 1 || len(b[0].Inside) != 1 || b[0].Inside[0].Order != "ORDER-1" || b[0].Sensor != locker.SensorTamper {
		t.Fatalf("declared %+v", b)
	}
	s.signIn("c1", "c2")
	s.confirm()
	s.wantScreen(locker.ScreenLocked) // the sensor still shows it
	s.give(locker.SensorTold{Sensor: locker.SensorTamper})
	s.wantScreen(locker.ScreenLocked)
	s.signIn("c1", "c2")
	s.finish()
	s.wantAlarm(locker.AlarmBurglary, "")
	count[locker.BurglaryDeclared](s, 1)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}

func TestTamperEndsNoLockOfAnAdmin(t *testing.T) {
	s := newSite(t)
	for _, kind := range []locker.CommandKind{locker.CommandLock, locker.CommandBurglary} {
		s.command(locker.Command{Kind: kind}, "a1")
		s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
		s.pass(6 * time.Second)
		s.give(locker.SensorTold{Sensor: locker.SensorTamper})
		s.signIn("c1", "c2")
		s.confirm()
		s.wantScreen(locker.ScreenLocked)
	}
}

func TestPartWhoseNameHoldsAColonHeals(t *testing.T) {
	s := newSite(t)
	const part = `modbus line "locks" (/dev/serial/by-path/usb-0:1.2:1.0-port0) board 3`
	s.give(locker.PartFailed{Part: part, Detail: "does not answer"})
	s.wantAlarm(locker.AlarmPart, locker.Morning)
	s.give(locker.PartHealed{Part: part})
	s.wantAlarm(locker.AlarmPart, "")
}
