package daemon

import (
	"errors"
	"runtime"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// wall is two compartments on a simulator's lines.
func wall(t *testing.T) (*firmwaresim.Simulator, *parts) {
	t.Helper()
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: 2, Lines: true, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Terminal: t.Name()}
	for n := range 2 {
		c.Compartments = append(c.Compartments, Compartment{
			Number: locker.CompartmentID(n + 1),
			Lock:   Wire{GPIO: firmwaresim.LockLine(t.Name(), n+1)}, Contact: Wire{GPIO: firmwaresim.DoorLine(t.Name(), n+1)},
		})
	}
	p, err := openParts(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if faults, n := s.Wall.Faults(); n > 0 {
			t.Errorf("the driver's faults: %v", faults)
		}
		if err := errors.Join(p.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, p
}

func TestAPulseIsMeasuredWithItsDoor(t *testing.T) {
	s, p := wall(t)
	if err := s.Wall.Do(1, firmwaresim.Bounce); err != nil {
		t.Fatal(err)
	}
	m, err := p.Measure(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", m)
	// The simulated latch is free after 150 ms of current, the door 100 ms later.
	ms := locker.Duration(time.Millisecond)
	if m.Pulse < 500*ms || m.Opened < 200*ms || m.Settled < m.Opened {
		t.Errorf("measured %+v", m)
	}
	if d, _ := s.Wall.Door(1); d.Pulses != 1 || d.Coil {
		t.Errorf("door %+v", d)
	}
	if d, _ := s.Wall.Door(2); d.Pulses != 0 {
		t.Errorf("the other door %+v", d)
	}
}

func TestADoorThatDoesNotFollowIsMeasuredAsSuch(t *testing.T) {
	s, p := wall(t)
	if err := s.Wall.Do(1, firmwaresim.Jam); err != nil {
		t.Fatal(err)
	}
	m, err := p.Measure(t.Context(), 1)
	if err != nil || m.Opened != 0 || m.Settled != 0 || m.Bounces != 0 || m.Pulse == 0 {
		t.Errorf("measured %+v, %v", m, err)
	}
}

func TestAContactThatSaysOpenBeforeThePulseIsNotMeasuredAsAnOpening(t *testing.T) {
	s, p := wall(t)
	if err := errors.Join(s.Wall.Do(1, firmwaresim.Force), s.Wall.Do(1, firmwaresim.Jam)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		if open, err := p.contacts[1].Open(); err == nil && open {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the contact never said open")
		}
		runtime.Gosched()
	}
	if m, err := p.Measure(t.Context(), 1); err != nil || m.Opened != 0 || m.Bounces != 0 {
		t.Errorf("measured %+v, %v: the door did not move", m, err)
	}
}
