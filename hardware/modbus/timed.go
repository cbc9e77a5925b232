package modbus

import (
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
)

// Timed is how a board ends a pulse by itself. The driver still writes the coil
// off when the pulse is over; the board's own time bounds it when the driver
// cannot.
type Timed string

// The ways.
const (
	// Untimed boards hold a coil until it is written off.
	Untimed Timed = ""
	// Flash is "flash on" of Waveshare's Modbus RTU relay boards and their likes:
	// function 05 at 0200 hex + the coil, with a time in tenths of a second.
	Flash Timed = "flash"
	// Momentary is the command of Eletechsup's boards (R4xx, N4D) and their likes,
	// which have registers in place of coils: function 06 with 0500 hex switches a
	// relay on for one second, with 0200 hex off, and function 03 reads it. Their
	// first relay is register 1.
	Momentary Timed = "momentary"
)

// Addresses and values of the boards.
const (
	flashBase    = 0x0200
	flashUnit    = 100 * time.Millisecond
	momentaryOn  = 0x0500
	momentaryOff = 0x0200
)

// Margin is how much longer than the configured pulse a Flash board keeps the coil
// on if the driver does not end the pulse.
const Margin = 200 * time.Millisecond

// Validate says which ways there are.
func (t Timed) Validate() error {
	switch t {
	case Untimed, Flash, Momentary:
		return nil
	}
	return fmt.Errorf("timed pulse %q: wants %q or %q, or nothing", string(t), Flash, Momentary)
}

// write switches a relay.
func (t Timed) write(c *rtu.Client, unit uint8, coil uint16, on bool, pulse time.Duration) error {
	switch {
	case t == Momentary && on:
		return c.WriteRegister(unit, coil, momentaryOn)
	case t == Momentary:
		return c.WriteRegister(unit, coil, momentaryOff)
	case t == Flash && on:
		tenths := (pulse + Margin + flashUnit - 1) / flashUnit
		return c.WriteCoil(unit, flashBase+coil, uint16(tenths)) // a pulse has at most a second
	case on:
		return c.WriteCoil(unit, coil, rtu.On)
	}
	return c.WriteCoil(unit, coil, rtu.Off)
}

// maxSpan is how many relays one request can read.
func (t Timed) maxSpan() int {
	switch t {
	case Momentary:
		return rtu.MaxRegisters
	case Flash:
		return flashBase
	}
	return rtu.MaxBits
}

// read reads relays.
func (t Timed) read(c *rtu.Client, unit uint8, first, count uint16) ([]bool, error) {
	if t != Momentary {
		return c.ReadCoils(unit, first, count)
	}
	values, err := c.ReadRegisters(unit, first, count)
	if err != nil {
		return nil, err
	}
	on := make([]bool, len(values))
	for i, v := range values {
		on[i] = v != 0
	}
	return on, nil
}
