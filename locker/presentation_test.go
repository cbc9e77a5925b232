package locker_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// atReader is a loaded terminal whose readers look for fakes, with the code
// proved and a finger asked for. tries is the rule factor_tries.
func atReader(t *testing.T, tries int) (*site, locker.Generation) {
	s, _, g := loaded(t)
	s.config.Detection, s.config.Rules.FactorTries = true, tries
	if err := s.config.Validate(); err != nil {
		t.Fatal(err)
	}
	s.boot()
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	return s, g
}

// lays hands over a picture that the reader has scored.
func (s *site) lays(score float64) {
	s.t.Helper()
	s.give(locker.FingerCaptured{
		Attempt:      has[locker.CodeProved](s)[len(has[locker.CodeProved](s))-1].Attempt,
		Presentation: locker.Presentation{Scored: true, Score: score},
	})
}

func TestThreatAFakeFinger(t *testing.T) {
	s, g := atReader(t, 5)
	s.lays(50.5)
	count[locker.FactorCompared](s, 0)
	count[locker.FactorCharged](s, 1)
	refused := has[locker.PresentationRefused](s)
	if len(refused) != 1 || refused[0].Generation != g || refused[0].Score != 50.5 || refused[0].Limit != 50 {
		t.Errorf("recorded %+v", refused)
	}
	s.wantAlarm(locker.AlarmAttack, locker.Morning)
	if sc := s.wantScreen(locker.ScreenFinger); sc.Hint != locker.HintNoMatch {
		t.Errorf("the screen says more than that it does not match: %q", sc.Hint)
	}
	s.lays(50) // a living one, and the right one
	s.wantScreen(locker.ScreenTake)
	if f := has[locker.FactorCompared](s); len(f) != 1 || !f[0].Scored || f[0].AttackScore != 50 {
		t.Errorf("the evidence: %+v", f)
	}
}

func TestThreatManyFakeFingers(t *testing.T) {
	s, _ := atReader(t, 10)
	for range 10 {
		s.lays(99)
	}
	count[locker.FactorClosed](s, 1)
	for range 10 {
		s.lays(99)
	}
	count[locker.FactorClosed](s, 2)
	s.wantScreen(locker.ScreenClosed)
	s.boot() // and stays closed
	g := has[locker.DepositLoaded](s)[0].Generation
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenClosed)
}

func TestAPictureWithoutItsScoreIsAFaultOfTheReader(t *testing.T) {
	s, _ := atReader(t, 5)
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenDefect)
	count[locker.FactorCharged](s, 0)
	s.wantAlarm(locker.AlarmPart, locker.Morning)
}

func TestMoreThanFiveComparisonsWantReadersThatLookForFakes(t *testing.T) {
	s := newSite(t)
	s.config.Rules.FactorTries = 6
	if err := s.config.Validate(); err == nil {
		t.Error("six comparisons without detection were accepted")
	}
	s.config.Detection = true
	if err := s.config.Validate(); err != nil {
		t.Error(err)
	}
	if s.term.Status().Detection {
		t.Error("the state tells a detection that is not there")
	}
	s.boot()
	if !s.term.Status().Detection {
		t.Error("the state does not tell the detection")
	}
}
