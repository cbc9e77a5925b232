// Package firmwaresim is a terminal's hardware, simulated at the wire: a wall
// of compartments whose doors stick, are forced and bounce, a fingerprint
// module, scanners, and a person who uses them.
//
// It promises that the drivers cannot tell it from hardware at the level at
// which they speak: lines in periph's gpioreg for the same process; Modbus RTU,
// the module's packets and scanner lines on pseudo-terminals for any process.
// Locks move only by these wires; the control plane (Handler) acts as a person
// in front of the wall does: it cannot drive a lock. It keeps books on what a
// driver must not do (Faults): burn a coil, drive two at once.
//
// It leaves to others: what the terminal makes of it, and where fingers come
// from; package finger draws synthetic ones.
package firmwaresim

import "time"

// Clock is the time of the simulated doors. AfterFunc calls f once, later and
// from another goroutine or from whoever moves the clock; the function that it
// returns cancels that if it is not too late.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (cancel func())
}

// RealTime is the clock on the wall.
type RealTime struct{}

// Now returns the time.
func (RealTime) Now() time.Time { return time.Now() }

// AfterFunc calls f after d.
func (RealTime) AfterFunc(d time.Duration, f func()) (cancel func()) {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}
