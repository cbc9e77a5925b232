package expander

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/host/v3/sysfs"
)

// reopenAfter is how many exchanges in a row may fail before the bus is opened
// anew, as an adapter that was unplugged and is back needs it.
const reopenAfter = 8

// Bus is an I²C bus, shared by its chips. It is opened when it is first used.
type Bus struct {
	name string

	mu     sync.Mutex // one exchange at a time; guards what follows
	open   i2c.BusCloser
	failed int // exchanges in a row
	closed bool
}

// NewBus names a bus: one of periph's registry (i2creg), or the kernel's by its
// file, /dev/i2c-1. It need not be there yet.
func NewBus(name string) *Bus { return &Bus{name: name} }

// Name is the bus's name.
func (b *Bus) Name() string { return b.name }

// tx writes and then reads in one transaction.
func (b *Bus) tx(address uint16, w, r []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("the bus is closed")
	}
	if b.open == nil {
		open, err := openBus(b.name)
		if err != nil {
			return fmt.Errorf("open the bus: %w", err)
		}
		b.open, b.failed = open, 0
	}
	err := b.open.Tx(address, w, r)
	if err == nil {
		b.failed = 0
		return nil
	}
	if b.failed++; b.failed >= reopenAfter {
		_ = b.open.Close() // the exchange's own error is what counts
		b.open = nil
	}
	return err
}

func openBus(name string) (i2c.BusCloser, error) {
	for _, ref := range i2creg.All() {
		if ref.Name == name {
			return ref.Open()
		}
	}
	number, ok := strings.CutPrefix(name, "/dev/i2c-")
	if n, err := strconv.Atoi(number); ok && err == nil && n >= 0 {
		bus, err := sysfs.NewI2C(n)
		if err != nil {
			return nil, err
		}
		return bus, nil
	}
	return nil, fmt.Errorf("no bus %q is registered, and it is no file like /dev/i2c-1", name)
}

// Close closes the bus for good.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.open == nil {
		return nil
	}
	err := b.open.Close()
	b.open = nil
	if err != nil {
		return fmt.Errorf("close bus %s: %w", b.name, err)
	}
	return nil
}
