package locker

// certificateChecked raises an alarm about a certificate whose detail is new, and
// ends the alarms about it that no longer hold.
func (s *step) certificateChecked(in CertificateChecked) {
	told := false
	for _, id := range sorted(s.ledger.Alarms) {
		a := s.ledger.Alarms[id]
		switch {
		case a.Kind != AlarmCertificate || !isOf(a.Detail, in.Certificate):
		case in.Detail != "" && a.Detail == clip(in.Certificate+": "+in.Detail):
			told = true
		default:
			s.emit(AlarmCleared{Alarm: id})
		}
	}
	if in.Detail != "" && !told {
		s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: Morning, Kind: AlarmCertificate, Detail: clip(in.Certificate + ": " + in.Detail)})
	}
}
