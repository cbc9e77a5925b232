package gpio

import (
	"fmt"

	"periph.io/x/conn/v3/gpio"
)

// OutputConfig describes a light or heater on an output line.
type OutputConfig struct {
	Line      string // name in gpioreg
	ActiveLow bool   // a low level switches it on
}

// Output is a line that may stay on: a light, a heater. A lock is never one.
type Output struct {
	name string
	pin  gpio.PinIO
	on   gpio.Level
}

// OpenOutput finds the line and switches it off; that this fails now is told by
// the next Switch. It refuses the same lines as OpenCoil.
func OpenOutput(cfg OutputConfig) (*Output, error) {
	o := &Output{name: fmt.Sprintf("output line %q", cfg.Line), on: gpio.Level(!cfg.ActiveLow)}
	pin, err := find(cfg.Line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	if err := RefusePeriph(pin); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	o.pin = pin
	_ = o.Switch(false)
	return o, nil
}

// Name says which part this is, for errors.
func (o *Output) Name() string { return o.name }

// Switch drives the line.
func (o *Output) Switch(on bool) error {
	level := !o.on
	if on {
		level = o.on
	}
	if err := o.pin.Out(level); err != nil {
		return fmt.Errorf("%s: write %s: %w", o.name, level, err)
	}
	return nil
}
