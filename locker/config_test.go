package locker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func TestAConfigurationSaysWhatIsWrong(t *testing.T) {
	for want, spoil := range map[string]func(*locker.Config){
		"terminal":            func(c *locker.Config) { c.Terminal = "Rathaus/1" },
		"wants 1 to 500":      func(c *locker.Config) { c.Compartments = nil },
		"is there twice":      func(c *locker.Config) { c.Compartments[1].Number = 1 },
		"number wants":        func(c *locker.Config) { c.Compartments[0].Number = 0 },
		"size 4":              func(c *locker.Config) { c.Compartments[0].Size = 4 },
		"height":              func(c *locker.Config) { c.Compartments[0].Height = 300 },
		"offset":              func(c *locker.Config) { c.Hours.Zone.Offset = 900 },
		"from before to":      func(c *locker.Config) { c.Hours.Windows = []locker.Window{{From: 600, To: 600}} },
		"at most 50":          func(c *locker.Config) { c.Hours.Windows = make([]locker.Window, 51) },
		"rule code_tries":     func(c *locker.Config) { c.Rules.CodeTries = 6 },
		"rule retention":      func(c *locker.Config) { c.Rules.Retention = 0 },
		"rule mark":           func(c *locker.Config) { c.Rules.Mark = locker.Duration(time.Hour) },
		"rule threshold":      func(c *locker.Config) { c.Rules.Threshold = 0.5 },
		"more than door_remi": func(c *locker.Config) { c.Rules.DoorAlarm = c.Rules.DoorReminder },
	} {
		c := newSite(t).config
		if err := c.Validate(); err != nil {
			t.Fatalf("the site's own configuration: %v", err)
		}
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to name %q", err, want)
		}
	}
}

func TestAConfigurationIsRecordedWhenItChanges(t *testing.T) {
	s := newSite(t)
	s.boot()
	count[locker.TerminalConfigured](s, 1)
	s.config.Rules.Question = locker.Duration(time.Minute)
	s.boot()
	count[locker.TerminalConfigured](s, 2)
}

func TestADepositBehindADoorThatIsNoLongerBuilt(t *testing.T) {
	s, n, g := loaded(t)
	all := s.config.Compartments
	s.config.Compartments = all[1:]
	s.boot()
	s.wantAlarm(locker.AlarmUnknownLayout, locker.Morning)
	pulses := len(s.pulses)
	s.enter(g)
	s.wantScreen(locker.ScreenDefect)
	if len(s.pulses) != pulses {
		t.Fatal("a lock was driven that nobody built")
	}
	s.pass(time.Minute)
	s.config.Compartments = all
	s.boot()
	s.wantAlarm(locker.AlarmUnknownLayout, "")
	s.enter(g)
	if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
		t.Fatalf("opened %d", sc.Compartment)
	}
	s.config.Compartments = all[1:] // in the middle of the handover
	s.boot()
	s.wantScreen(locker.ScreenWelcome)
	s.wantAlarm(locker.AlarmCustody, locker.Wake)
}

func TestADurationReadsWhatItWrites(t *testing.T) {
	for _, d := range []locker.Duration{0, locker.Duration(90 * time.Second), locker.Duration(168 * time.Hour)} {
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back locker.Duration
		if err := back.UnmarshalText(text); err != nil || back != d || d.String() != string(text) {
			t.Errorf("%s became %v: %v", text, back, err)
		}
	}
	var d locker.Duration
	if err := d.UnmarshalText([]byte("a week")); err == nil || !strings.Contains(err.Error(), "168h") {
		t.Errorf("error %v, want one that shows a form", err)
	}
}
