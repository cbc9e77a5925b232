package locker

import (
	"fmt"
	"slices"
)

// Sensor is an input that watches the terminal itself, besides its doors.
type Sensor string

const (
	SensorTamper    Sensor = "tamper"    // the cabinet is tilted, shaken or drilled; see tamper.go
	SensorMains     Sensor = "mains"     // the mains voltage is away, the battery feeds
	SensorEnclosure Sensor = "enclosure" // the door of the electronics is open
)

// Sensors are all that a terminal can have.
func Sensors() []Sensor { return []Sensor{SensorTamper, SensorMains, SensorEnclosure} }

func (s Sensor) validate() error {
	if !slices.Contains(Sensors(), s) {
		return fmt.Errorf("sensor %q: wants %q, %q or %q", string(s), SensorTamper, SensorMains, SensorEnclosure)
	}
	return nil
}

// alarm is what a tripped sensor means, and who comes for it.
func (s Sensor) alarm() (AlarmClass, AlarmKind) {
	switch s {
	case SensorMains:
		return Morning, AlarmMains
	case SensorEnclosure:
		return Wake, AlarmEnclosure
	}
	return Morning, AlarmTamper // tamper.go decides whether it is more
}

// sensed follows a sensor's level.
func (s *step) sensed(in SensorTold) {
	if in.Sensor.validate() != nil || s.ledger.Tripped[in.Sensor] == in.Tripped {
		return
	}
	if in.Tripped {
		s.tripped(in.Sensor)
		return
	}
	s.rested(in.Sensor)
}

func (s *step) tripped(sensor Sensor) {
	s.emit(SensorTripped{Sensor: sensor})
	class, kind := sensor.alarm()
	if sensor == SensorEnclosure && s.session.mode == rounding {
		class = Morning // two clerks stand there
	}
	s.raise(class, kind, 0, 0, "")
	if class == Wake && !s.ledger.byKey() { // two clerks with the key knock at the cabinet
		s.burglary("sensor "+string(sensor), sensor)
	}
}

// rested ends a mains failure's alarm. What a person may have done to the
// cabinet stays an alarm until two clerks have looked.
func (s *step) rested(sensor Sensor) {
	s.emit(SensorRested{Sensor: sensor})
	if sensor == SensorMains {
		s.clear(AlarmMains, 0)
	}
}

// clearSensors ends the alarms of sensors at rest: two clerks were there.
func (s *step) clearSensors() {
	for _, sensor := range Sensors() {
		if !s.ledger.Tripped[sensor] {
			_, kind := sensor.alarm()
			s.clear(kind, 0)
		}
	}
	if s.ledger.Locked != LockedBurglary && s.ledger.Locked != LockedTamper {
		s.clear(AlarmBurglary, 0)
	}
}

// quiet tells whether no sensor says that somebody is at the cabinet.
func (l *ledger) quiet() bool { return !l.Tripped[SensorTamper] && !l.Tripped[SensorEnclosure] }

// forgetSensors lets go of those that the configuration has no more: nothing
// would ever tell that they came to rest.
func (s *step) forgetSensors() {
	for _, sensor := range Sensors() {
		if s.ledger.Tripped[sensor] && !slices.Contains(s.ledger.Config.Sensors, sensor) {
			s.rested(sensor)
		}
	}
}

func (l *ledger) foldSensor(sensor Sensor, tripped bool) error {
	if err := sensor.validate(); err != nil {
		return err
	}
	if tripped {
		l.Tripped[sensor] = true
	} else {
		delete(l.Tripped, sensor)
	}
	return nil
}
