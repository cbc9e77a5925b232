package modbus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// What the driver does on a line with boards is tested beside the simulator.

func TestABadConfigurationSaysWhatWouldBeRight(t *testing.T) {
	good := modbus.Config{Name: "locks", Path: "/dev/ttyS9", Supply: supply.New()}
	for want, spoil := range map[string]func(*modbus.Config){
		"no serial device":             func(c *modbus.Config) { c.Path = "" },
		"outside 1200 to 1000000":      func(c *modbus.Config) { c.Baud = 300 },
		"unknown parity 9":             func(c *modbus.Config) { c.Parity = 9 },
		"time limit 1m0s is outside":   func(c *modbus.Config) { c.Timeout = time.Minute },
		"one coil at a time cannot be": func(c *modbus.Config) { c.Supply = nil },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := modbus.Open(cfg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"locks"`) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func open(t *testing.T) *modbus.Line {
	t.Helper()
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: "/nonexistent/tty", Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestBadAddressesAreRefused(t *testing.T) {
	line := open(t)
	for _, unit := range []uint8{0, 248, 255} {
		if _, err := line.Lock(modbus.LockConfig{Board: unit}); err == nil {
			t.Errorf("a lock on unit %d was taken", unit)
		}
		if _, err := line.Contact(modbus.ContactConfig{Board: unit}); err == nil {
			t.Errorf("a contact on unit %d was taken", unit)
		}
	}
	if _, err := line.Lock(modbus.LockConfig{Board: 1, Pulse: time.Minute}); err == nil {
		t.Error("a pulse of a minute was taken")
	}
	if _, err := line.Contact(modbus.ContactConfig{Board: 1, Input: 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := line.Contact(modbus.ContactConfig{Board: 1, Input: 2000}); err == nil || !strings.Contains(err.Error(), "too far apart") {
		t.Errorf("inputs that no request can hold: %v", err)
	}
}

func TestADeviceThatIsNotThereIsNamedWithThePart(t *testing.T) {
	line := open(t)
	lock, err := line.Lock(modbus.LockConfig{Board: 3, Coil: 5})
	if err != nil {
		t.Fatal(err)
	}
	contact, err := line.Contact(modbus.ContactConfig{Board: 3, Input: 5})
	if err != nil {
		t.Fatal(err)
	}
	pulse := lock.Pulse(t.Context())
	_, read := contact.Open()
	for want, err := range map[string]error{
		"board 3: write coil 5 on":  pulse,
		"board 3: write coil 5 off": lock.Release(),
		"board 3: read inputs 5":    read,
		"modbus line":               line.Check(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/nonexistent/tty") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := line.Close(); err != nil {
		t.Error(err)
	}
	if err := lock.Release(); !errors.Is(err, modbus.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
