package locker_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

func TestACertificateThatEndsIsAnAlarmUntilItIsExchanged(t *testing.T) {
	s := newSite(t)
	alarms := func() (details []string) {
		for _, a := range s.term.Status().Alarms {
			if a.Kind == locker.AlarmCertificate {
				details = append(details, a.Detail)
			}
		}
		return details
	}
	tell := func(name, detail string, want ...string) {
		t.Helper()
		s.give(locker.CertificateChecked{Certificate: name, Detail: detail})
		got := alarms()
		if len(got) != len(want) {
			t.Fatalf("alarms %q, want %q", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("alarm %q, want %q", got[i], want[i])
			}
		}
	}
	const month, week = "ends on 2031-01-31, within 30 days", "ends on 2031-01-31, within 7 days"
	tell("kiosk certificate", "")
	tell("kiosk certificate", month, "kiosk certificate: "+month)
	tell("kiosk certificate", month, "kiosk certificate: "+month)
	tell("broker authority", week, "kiosk certificate: "+month, "broker authority: "+week)
	tell("kiosk certificate", week, "broker authority: "+week, "kiosk certificate: "+week)
	tell("broker authority", "", "kiosk certificate: "+week)
	tell("kiosk certificate", "")
}
