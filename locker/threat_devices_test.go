package locker_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// Whatever is held up to a scanner is worth something at the one scanner that it
// is for. A clerk's card at the citizen's scanner signs nobody in, a code at the
// clerks' opens nothing, and a QR full of keystrokes is a text like another.
func TestThreatTypingDevices(t *testing.T) {
	s, _, g := loaded(t)
	quiet := func(what string, source locker.Source, text string) {
		t.Helper()
		pulses := len(s.pulses)
		s.give(locker.Scanned{Source: source, Text: []byte(text)})
		switch sc := s.term.Screen(); sc.Name {
		case locker.ScreenWelcome, locker.ScreenRefused, locker.ScreenChecking:
		default:
			t.Errorf("%s leads to the screen %s", what, sc.Name)
		}
		if len(s.pulses) != pulses {
			t.Errorf("%s drives a lock", what)
		}
	}
	quiet("a card at the citizen's scanner", locker.SourceCitizen, "c1")
	quiet("a card at the slips' scanner", locker.SourceBarcode, "c1")
	quiet("a code at the badge reader's place for slips", locker.SourceBarcode, code(int(g)))
	quiet("a slip at the citizen's scanner", locker.SourceCitizen, "ORDER-1")
	quiet("keystrokes in a QR", locker.SourceCitizen, "\x1b[A\r\n4711\r<script>alert(1)</script>\tF5")
	quiet("a text from no known device", locker.Source("keyboard"), code(int(g)))

	// The same at their own places do something: it is the source that decides.
	s.wantScreen(locker.ScreenWelcome)
	s.give(locker.Scanned{Source: locker.SourceBadge, Text: []byte("c1")})
	s.wantScreen(locker.ScreenClerk)
	s.choose(locker.ChoiceCancel)
	s.image = ""
	s.give(locker.Scanned{Source: locker.SourceCitizen, Text: []byte(code(int(g)))})
	if sc := s.term.Screen(); sc.Name == locker.ScreenWelcome {
		t.Error("the code at the citizen's scanner does nothing")
	}
}
