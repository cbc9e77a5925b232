package locker

import "strings"

// raise records an alarm, unless the same one stands already.
func (s *step) raise(class AlarmClass, kind AlarmKind, c CompartmentID, g Generation, detail string) {
	if s.ledger.alarmed(kind, c, g) != nil || class == Statistics && s.ledger.Config.Training {
		return
	}
	s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: class, Kind: kind, Compartment: c, Generation: g, Detail: clip(detail)})
}

// clip bounds a text from outside, so that it is recorded as it will be read.
func clip(text string) string {
	const most = 500
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "?")
}

// clear ends the alarms of a kind at a compartment.
func (s *step) clear(kind AlarmKind, c CompartmentID) {
	for _, id := range sorted(s.ledger.Alarms) {
		if a := s.ledger.Alarms[id]; a.Kind == kind && a.Compartment == c {
			s.emit(AlarmCleared{Alarm: id})
		}
	}
}

// clearInside ends all that two clerks settle by looking into a compartment.
func (s *step) clearInside(c CompartmentID) {
	for _, kind := range []AlarmKind{AlarmForced, AlarmLeftOpen, AlarmEmptyOpen, AlarmCustody, AlarmUnconfirmed, AlarmDisputed, AlarmMissing, AlarmUnexpected, AlarmNotPosted, AlarmRoundBroken, AlarmUnknownLayout, AlarmExhausted, AlarmAttack} {
		s.clear(kind, c)
	}
}

// partFailed takes a part's failure. The reader is not asked from here on, also
// while it flaps.
func (s *step) partFailed(in PartFailed) {
	if in.Part == "reader" {
		s.session.reader = false
	}
	s.steadily(in)
}

func (s *step) failedPart(in PartFailed) {
	if in.Compartment != 0 {
		s.fault(in.Compartment, faultOf(in.Part), in.Detail)
		return
	}
	for _, id := range sorted(s.ledger.Alarms) {
		if a := s.ledger.Alarms[id]; a.Kind == AlarmPart && isOf(a.Detail, in.Part) {
			return
		}
	}
	s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: Morning, Kind: AlarmPart, Detail: clip(in.Part + ": " + in.Detail)})
}

// forgetParts ends the alarms about parts and certificates: a start tells again of
// those that still fail, and the configuration may name others.
func (s *step) forgetParts() {
	for _, id := range sorted(s.ledger.Alarms) {
		if k := s.ledger.Alarms[id].Kind; k == AlarmPart || k == AlarmCertificate {
			s.emit(AlarmCleared{Alarm: id})
		}
	}
}

func (s *step) partHealed(in PartHealed) {
	if in.Part == "reader" {
		s.session.reader = true
	}
	s.steadily(in)
}

func (s *step) healedPart(in PartHealed) {
	if in.Compartment != 0 {
		if c := s.ledger.Doors[in.Compartment]; c != nil && c.Fault == faultOf(in.Part) {
			s.restore(c)
		}
		return
	}
	for _, id := range sorted(s.ledger.Alarms) {
		if a := s.ledger.Alarms[id]; a.Kind == AlarmPart && isOf(a.Detail, in.Part) {
			s.emit(AlarmCleared{Alarm: id})
		}
	}
}

// PartLock names the lock in [PartFailed] of a compartment; every other part of
// one is its contact. A lock's fault ends when its driver tells that it works
// again, its door opens as it was told, or two clerks have looked.
const PartLock = "lock"

func faultOf(part string) Fault {
	if part == PartLock {
		return FaultLock
	}
	return FaultContact
}

// isOf tells whether an alarm of kind AlarmPart with this detail is about a part,
// whose name may hold a colon itself: a device's path often does.
func isOf(detail, part string) bool { return strings.HasPrefix(detail, part+": ") }
