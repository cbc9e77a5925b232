// Package gpio drives locks and reads door contacts on lines that are found
// by name in periph's registry (periph.io/x/conn/v3/gpio/gpioreg), and has the
// driver that puts the lines of the kernel's GPIO character devices there.
//
// It promises that a Coil is never on for longer than its pulse and never
// together with another coil of the same supply, that opening one drives the
// line to rest and to nothing else, that it reads back what it drives, and
// that a Contact reports each change of a door once, also when the kernel
// loses edges: it reads the level after every edge and every second. A Line
// has its level from the moment at which it becomes an output. Lines that are
// held by somebody else, may not be used or go away are told, named and taken
// again when they can be: opening a Coil or Contact does not need its line to
// be there.
//
// It leaves to others: what an open door means, and the board's resistors,
// which keep a lock at rest while nobody drives its line.
package gpio

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
)

var errClosed = errors.New("closed")

// find returns the line of this name, or an error that says how many there are.
func find(name string) (gpio.PinIO, error) {
	if name == "" {
		return nil, errors.New("the line has no name")
	}
	if pin := gpioreg.ByName(name); pin != nil {
		return pin, nil
	}
	return nil, fmt.Errorf("no such line among the %d registered", len(gpioreg.All()))
}

// ErrUnsafeLine is in every error of RefusePeriph.
var ErrUnsafeLine = errors.New("this driver is not safe for locks")

// RefusePeriph returns an error if the line comes from one of periph's own
// drivers, whose behaviour is not safe for a lock. Lines of other drivers, the
// simulator's among them, are accepted. Aliases are followed.
//
// What was seen with periph.io/x/host v3.8.5 on a Linux kernel: the first
// Out(High) of gpioioctl drives the line low for a moment, which pulses every
// lock of an active-low relay board at start; reading an output turns it into
// an input, so that the lock line floats; after one EBUSY every later write
// fails. The expander driver mcp23xxx of periph.io/x/devices v3.7.4 writes the
// direction before the value, which is the same glitch. sysfs-gpio cannot set
// value and direction together either.
func RefusePeriph(line gpio.PinIO) error {
	real := line
	for range 16 { // a ring of aliases cannot hold us
		alias, ok := real.(gpio.RealPin)
		if !ok {
			break
		}
		real = alias.Real()
	}
	driver := driverOf(real)
	switch {
	case strings.HasPrefix(driver, "periph.io/x/host/"):
		return fmt.Errorf("driver %s: %w: it sets the direction before the value "+
			"(every lock of an active-low board is pulsed at start) and turns an output into an input "+
			"when it is read (the lock line floats)", driver, ErrUnsafeLine)
	case strings.HasPrefix(driver, "periph.io/x/devices/"):
		return fmt.Errorf("driver %s: %w: it sets the direction before the value "+
			"(the lock is pulsed at start) and does not notice when its chip was reset", driver, ErrUnsafeLine)
	}
	return nil
}

// driverOf returns the import path of the package that made the line.
func driverOf(line gpio.PinIO) string {
	t := reflect.TypeOf(line)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return ""
	}
	return t.PkgPath()
}
