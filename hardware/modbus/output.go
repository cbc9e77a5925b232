package modbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
	"github.com/nachtfach/nachtfach/hardware/retry"
)

// Output is a relay that may stay on: a light, a heater. A lock is never one.
type Output struct {
	line *Line
	unit uint8
	coil uint16
	name string
}

// Output returns the relay on a coil and refuses one that a lock hangs on.
// Nothing is sent.
func (l *Line) Output(unit uint8, coil uint16) (*Output, error) {
	o := &Output{line: l, unit: unit, coil: coil, name: fmt.Sprintf("%s: board %d: coil %d", l.name, unit, coil)}
	if err := checkUnit(unit); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.relays[unit]; r != nil && r.locks[coil] != nil {
		return nil, fmt.Errorf("%s: %w", o.name, errLockCoil)
	}
	l.outputs[outputAt{unit, coil}] = true
	return o, nil
}

var errLockCoil = errors.New("a lock hangs on this coil")

// outputAt is the place of an output.
type outputAt struct {
	unit uint8
	coil uint16
}

// Name says which part this is, for errors.
func (o *Output) Name() string { return o.name }

// Switch writes the coil. A board that does not answer is asked again.
func (o *Output) Switch(on bool) error {
	part := fmt.Sprintf("board %d: write coil %d %s", o.unit, o.coil, onOff(on))
	value := rtu.Off
	if on {
		value = rtu.On
	}
	noise := func(err error) bool { return !isException(err) && !errors.Is(err, ErrClosed) }
	return retry.Do(context.Background(), retry.Restarts, noise, func() error {
		return o.line.exchange(o.unit, part, func(c *rtu.Client) error { return c.WriteCoil(o.unit, o.coil, value) })
	})
}
