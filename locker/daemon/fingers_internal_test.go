package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/hardware/zfm"
	"github.com/nachtfach/nachtfach/locker"
)

// pad is a reader in memory.
type pad struct {
	name   string
	laid   chan picture
	broken error
	lifts  int
	slips  int // answers to Check that are damaged
}

func newPad(name string) *pad { return &pad{name: name, laid: make(chan picture, 1)} }

func (p *pad) Capture(ctx context.Context) (picture, error) {
	if p.broken != nil {
		return picture{}, p.broken
	}
	select {
	case l := <-p.laid:
		return l, nil
	case <-ctx.Done():
		return picture{}, ctx.Err()
	}
}
func (p *pad) AwaitLift(context.Context) error { p.lifts++; return p.broken }
func (p *pad) Check(context.Context) error {
	if p.slips > 0 {
		p.slips--
		return errors.New("a damaged answer")
	}
	return p.broken
}
func (p *pad) Name() string { return p.name }
func (p *pad) Close() error { return nil }

func twoPads() (lens, *pad, *pad) {
	a, b := newPad("a"), newPad("b")
	f := &fingers{down: map[string]string{}, list: []station{
		{reader: a, part: "reader a", poll: time.Hour}, {reader: b, part: "reader b", poll: time.Hour},
	}}
	keep := func(_ locker.AttemptID, i biometrics.Image) (locker.FingerAdvice, error) {
		if i.Width != 7 {
			return locker.AdviceDry, nil
		}
		return "", nil
	}
	return lens{f, keep}, a, b
}

func finger() picture {
	return picture{image: biometrics.Image{Width: 7}, presented: locker.Presentation{Scored: true, Score: 3}}
}

func TestTheReaderOnWhichAFingerLiesIsRead(t *testing.T) {
	l, a, b := twoPads()
	for _, p := range []*pad{b, a} {
		p.laid <- finger()
		advice, presented, err := l.Capture(t.Context(), 1, false)
		if err != nil || advice != "" || presented.Score != 3 {
			t.Fatalf("%s: %q, %+v, %v", p.name, advice, presented, err)
		}
	}
	b.laid <- finger()
	if _, _, err := l.Capture(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	if a.lifts != 1 || b.lifts != 0 {
		t.Errorf("waited for the finger to be lifted at a %d times, at b %d times", a.lifts, b.lifts)
	}
}

func TestTheOtherReaderWorksOnWhenOneDies(t *testing.T) {
	l, a, b := twoPads()
	a.broken = zfm.ErrUnplugged
	b.laid <- finger()
	if _, _, err := l.Capture(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	b.broken = errors.New("no answer")
	if _, _, err := l.Capture(t.Context(), 1, false); !errors.Is(err, zfm.ErrUnplugged) || !errors.Is(err, b.broken) {
		t.Errorf("both dead: %v", err)
	}
	a.broken, b.broken = nil, zfm.ErrMessy
	if advice, _, err := l.Capture(t.Context(), 1, false); err != nil || advice != locker.AdviceLonger {
		t.Errorf("a finger that cannot be pictured: %q, %v", advice, err)
	}
}

func TestOneDamagedAnswerIsNotADeadReader(t *testing.T) {
	l, a, _ := twoPads()
	a.slips = 1
	if err := l.list[0].ask(t.Context(), time.Second); err != nil {
		t.Errorf("one damaged answer: %v", err)
	}
	a.slips = 2
	if err := l.list[0].ask(t.Context(), time.Second); err == nil {
		t.Error("a reader that fails twice in a row is there")
	}
}

func TestTheTerminalIsToldOfEachReaderAndOfTheLast(t *testing.T) {
	l, _, _ := twoPads()
	gone := errors.New("gone")
	told := func(part string, err error) (s string) {
		for _, in := range l.found(part, err) {
			switch in := in.(type) {
			case locker.PartFailed:
				s += "-" + in.Part + " "
			case locker.PartHealed:
				s += "+" + in.Part + " "
			}
		}
		return s
	}
	for i, c := range []struct {
		part string
		err  error
		want string
	}{
		{"reader a", gone, "-reader a +reader "},
		{"reader b", gone, "-reader b -reader "},
		{"reader b", gone, "-reader b -reader "},
		{"reader a", nil, "+reader a +reader "},
		{"reader b", nil, "+reader b +reader "},
	} {
		if got := told(c.part, c.err); got != c.want {
			t.Errorf("%d: told %q, want %q", i, got, c.want)
		}
	}
}

// A reader that is configured with a wrong resolution, or gives negatives, says
// so with every picture. A single odd picture is an accident, and closes nothing.
func TestAReaderWithAWrongConfigurationIsAFaultAndAnAccidentIsNone(t *testing.T) {
	l, a, _ := twoPads()
	var said error
	l.keep = func(locker.AttemptID, biometrics.Image) (locker.FingerAdvice, error) { return "", said }
	capture := func() (locker.FingerAdvice, error) {
		t.Helper()
		a.laid <- finger()
		advice, _, err := l.Capture(t.Context(), 1, false)
		return advice, err
	}
	odd := fmt.Errorf("capture a finger: %w", biometrics.ErrImageScale)
	for _, c := range []struct {
		picture error
		fault   bool
	}{{odd, false}, {odd, false}, {nil, false}, {odd, false}, {odd, false}, {odd, true}} {
		said = c.picture
		advice, err := capture()
		if fault := err != nil; fault != c.fault {
			t.Fatalf("%v: advice %q, %v, want a fault: %v", c.picture, advice, err, c.fault)
		}
		if c.picture != nil && !c.fault && advice != locker.AdviceClean {
			t.Errorf("advice %q", advice)
		}
	}
}
