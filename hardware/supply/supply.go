// Package supply drives the coils of electric cabinet locks within the limits
// that their power supply and their windings set, whatever wire they hang on.
//
// It promises: one coil at a time; a coil is on for 200 to 1000 ms and then
// off, also when the context ends, or when the line's driver fails or panics;
// if a coil that was on cannot be switched off, no other coil is driven until
// it is. A coil that could be switched neither on nor off (a board without
// power) does not hold up the others. A coil that a killed process left on is
// not known here: the drivers' Release is for that.
//
// It leaves to others: how a coil is switched (packages gpio and modbus),
// whether the door opened, and the time limit in hardware that a board needs
// for the case that this process is killed in the middle of a pulse.
package supply

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of a pulse: shorter ones do not free the latch of common cabinet
// locks, longer ones burn their coils, which are rated for intermittent duty.
const (
	MinPulse     = 200 * time.Millisecond
	MaxPulse     = 1000 * time.Millisecond
	DefaultPulse = 500 * time.Millisecond
)

// How often switching off is tried: a coil that is known to be on, and one
// that did not confirm that it was switched on.
const (
	offAttempts   = 5
	doubtAttempts = 2
	offPause      = 20 * time.Millisecond
)

// ErrStuck is in every error that means that a coil may still be energised.
var ErrStuck = errors.New("coil may still be on")

// CheckPulse says whether a pulse of the given length is within the limits.
func CheckPulse(length time.Duration) error {
	if length < MinPulse || length > MaxPulse {
		return fmt.Errorf("pulse of %v is outside %v to %v", length, MinPulse, MaxPulse)
	}
	return nil
}

// Coil is what a Supply switches. Its Name is used in errors, and names the
// part as an operator knows it. Switch is given true to energise the coil and
// must return within a second: it cannot be cancelled, so that switching off
// never is.
type Coil interface {
	Name() string
	Switch(on bool) error
}

// Supply feeds a group of coils, one at a time. All locks that share a power
// supply share one Supply.
type Supply struct {
	turn  chan struct{} // holds a token while a coil is driven; guards what follows
	stuck Coil          // was on and could not be switched off
	doubt Coil          // could be switched neither on nor off
}

// New returns a supply with no coil on.
func New() *Supply {
	return &Supply{turn: make(chan struct{}, 1)}
}

// Pulse waits until no other coil is on, then energises the coil for the given
// length. It returns nil only if the coil was on for that time and is off
// again. If ctx ends while it waits, the coil was never on; if ctx ends during
// the pulse, the pulse is cut short; both return ctx's error. An error with
// ErrStuck in it means that the coil, or one driven before, may still be on.
func (s *Supply) Pulse(ctx context.Context, coil Coil, length time.Duration) error {
	if err := CheckPulse(length); err != nil {
		return fmt.Errorf("%s: %w", coil.Name(), err)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: waiting for another lock: %w", coil.Name(), ctx.Err())
	}
	defer func() { <-s.turn }()

	if err := s.clear(coil); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: not driven: %w", coil.Name(), err)
	}
	energised, err := hold(ctx, coil, length)
	// Also after an error of switching on: the write may have arrived.
	if off := s.switchOff(coil, energised); off != nil && err != nil {
		return fmt.Errorf("%w; and %w", err, off)
	} else if off != nil {
		return off
	}
	return err
}

// hold switches the coil on and returns when it is time to switch it off.
// energised says that switching it on was confirmed.
func hold(ctx context.Context, coil Coil, length time.Duration) (energised bool, err error) {
	if err := write(coil, true); err != nil {
		return false, fmt.Errorf("%s: switch on: %w", coil.Name(), err)
	}
	// The time counts from the confirmation: the write may have had to wait
	// for a busy line.
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return true, fmt.Errorf("%s: pulse cut short: %w", coil.Name(), ctx.Err())
	}
}

// write switches the coil and makes an error of a panic in the line's driver:
// whatever happens there, the coil is to be switched off.
func write(coil Coil, on bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the driver panicked: %v", p)
		}
	}()
	return coil.Switch(on)
}

// switchOff tries to de-energise the coil and remembers it if it cannot.
func (s *Supply) switchOff(coil Coil, energised bool) error {
	attempts := doubtAttempts
	if energised {
		attempts = offAttempts
	}
	var err error
	for attempt := range attempts {
		if attempt > 0 {
			time.Sleep(offPause)
		}
		if err = write(coil, false); err == nil {
			return nil
		}
	}
	if energised {
		s.stuck = coil
	} else {
		s.doubt = coil
	}
	return fmt.Errorf("%s: switch off, tried %d times: %w: %w", coil.Name(), attempts, ErrStuck, err)
}

// clear tries again to switch off what an earlier pulse left behind. Only a
// coil that was on prevents the next.
func (s *Supply) clear(next Coil) error {
	doubt := s.doubt
	s.doubt = nil
	if doubt != nil && doubt != next {
		_ = write(doubt, false) // that it fails has been told
	}
	if stuck := s.stuck; stuck != nil {
		s.stuck = nil
		if err := s.switchOff(stuck, true); err != nil {
			return fmt.Errorf("%s: not driven: %w", next.Name(), err)
		}
	}
	return nil
}
