package locker_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// knock is a short one at the cabinet.
func (s *site) knock() {
	s.t.Helper()
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(300 * time.Millisecond)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper})
}

// Row 23: a knock at the cabinet closes the terminal for the night.
func TestThreatOneKnockClosesTheNight(t *testing.T) {
	t.Run("with a rule of one knock it does", func(t *testing.T) {
		s, _, _ := loaded(t)
		s.config.Rules.TamperKnocks = 1
		s.boot()
		s.knock()
		s.wantScreen(locker.ScreenLocked)
	})
	s, _, g := loaded(t)
	s.knock()
	count[locker.SensorTripped](s, 1)
	s.wantAlarm(locker.AlarmTamper, locker.Morning)
	s.wantAlarm(locker.AlarmBurglary, "")
	s.pass(10 * time.Hour)
	s.knock() // hours later, another one
	s.pass(time.Minute)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}

func TestSeveralKnocksCloseTheTerminal(t *testing.T) {
	s, _, _ := loaded(t)
	for range 3 {
		s.wantScreen(locker.ScreenWelcome)
		s.knock()
		s.pass(10 * time.Second)
	}
	s.wantScreen(locker.ScreenLocked)
	s.wantAlarm(locker.AlarmTamper, locker.Wake)
	s.wantAlarm(locker.AlarmBurglary, locker.Wake)
	if b := has[locker.BurglaryDeclared](s); len(b) != 1 || b[0].Sensor != locker.SensorTamper || len(b[0].Inside) != 1 {
		t.Errorf("declared %+v", b)
	}
	s.signIn("c1", "c2")
	s.finish()
	s.wantScreen(locker.ScreenWelcome)
	s.wantAlarm(locker.AlarmTamper, "")
}

func TestAKnockThatLastsClosesTheTerminalAlsoAcrossARestart(t *testing.T) {
	s, _, _ := loaded(t)
	s.config.Sensors = locker.Sensors()
	s.boot()
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(3 * time.Second)
	s.boot()
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.wantScreen(locker.ScreenWelcome)
	s.pass(5 * time.Second)
	s.wantScreen(locker.ScreenLocked)
	s.boot()
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(time.Minute)
	count[locker.BurglaryDeclared](s, 1)
}

func TestKnocksOfTwoClerksWithTheKeyCloseNothing(t *testing.T) {
	s, _, _ := loaded(t)
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceByKey)
	for range 5 {
		s.knock()
	}
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(10 * time.Second)
	count[locker.BurglaryDeclared](s, 0)
}

// A sensor that flapped all day hides no burglar.
func TestATamperSensorThatFlapsStillCloses(t *testing.T) {
	s, _, _ := loaded(t)
	for range 60 { // too slow for the rule
		s.knock()
		s.pass(2 * time.Minute)
	}
	count[locker.FlappingStarted](s, 1)
	count[locker.BurglaryDeclared](s, 0)
	s.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: true})
	s.pass(5 * time.Second)
	s.wantScreen(locker.ScreenLocked)
	s.wantAlarm(locker.AlarmBurglary, locker.Wake)
}
