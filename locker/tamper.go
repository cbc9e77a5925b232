package locker

import (
	"fmt"
	"time"
)

// The tamper sensor. Somebody who leans a bicycle against the cabinet, slams a
// door or kicks it once trips the sensor, too. So one short knock is an event and
// a morning alarm. Rules.TamperKnocks of them within Rules.TamperWindow, or one
// that lasts for Rules.TamperHold, are taken for a burglary: the terminal closes
// and somebody is woken. The rule reads every level, also those of a sensor that
// flaps.
type knocks struct {
	tripped bool
	until   time.Duration   // uptime at which the sensor has not been at rest for too long; zero: it is
	times   []time.Duration // uptimes of the last knocks
}

// startKnocks begins with what was known before a restart. A knock that nobody
// was woken for goes on if the sensor still shows it.
func (s *step) startKnocks() {
	a := s.ledger.alarmed(AlarmTamper, 0, 0)
	s.session.knocks.tripped = s.ledger.Tripped[SensorTamper] && (a == nil || a.Class == Wake)
}

// knocked applies the rule to a level of the tamper sensor.
func (s *step) knocked(in SensorTold) {
	k := &s.session.knocks
	if in.Sensor != SensorTamper || in.Tripped == k.tripped {
		return
	}
	k.tripped = in.Tripped
	if !in.Tripped {
		k.until = 0
		return
	}
	r := s.rules()
	k.until = s.in(r.TamperHold)
	recent := k.times[:0]
	for _, at := range k.times {
		if s.now.Uptime-at < time.Duration(r.TamperWindow) {
			recent = append(recent, at)
		}
	}
	k.times = append(recent, s.now.Uptime)
	if len(k.times) >= r.TamperKnocks {
		k.times = k.times[:0]
		s.tampered(fmt.Sprintf("sensor tamper: %d knocks within %v", r.TamperKnocks, r.TamperWindow))
	}
}

// lapseKnocks takes a sensor that does not come to rest for tampering.
func (s *step) lapseKnocks() {
	k := &s.session.knocks
	if k.until > 0 && s.now.Uptime >= k.until {
		k.until = 0
		s.tampered(fmt.Sprintf("sensor tamper: not at rest for %v", s.rules().TamperHold))
	}
}

// tampered closes the terminal and wakes somebody, unless two clerks with the
// mechanical key are at the cabinet.
func (s *step) tampered(cause string) {
	if s.ledger.byKey() {
		return
	}
	if a := s.ledger.alarmed(AlarmTamper, 0, 0); a != nil && a.Class != Wake {
		s.emit(AlarmCleared{Alarm: a.Alarm})
	}
	s.raise(Wake, AlarmTamper, 0, 0, "")
	s.burglary(cause, SensorTamper)
}
