package gpio_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/host/v3/gpioioctl"
	"periph.io/x/host/v3/sysfs"

	hardware "github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// pin is a line; its fields are the hardware.
type pin struct {
	name string
	wait func(time.Duration) bool // WaitForEdge; nil sleeps

	mu    sync.Mutex
	level gpio.Level
	fail  error
	outs  []gpio.Level
	waits int
}

func (p *pin) String() string                        { return p.name }
func (p *pin) Halt() error                           { return nil }
func (p *pin) Name() string                          { return p.name }
func (p *pin) Number() int                           { return -1 }
func (p *pin) Function() string                      { return "" }
func (p *pin) Pull() gpio.Pull                       { return gpio.Float }
func (p *pin) DefaultPull() gpio.Pull                { return gpio.Float }
func (p *pin) PWM(gpio.Duty, physic.Frequency) error { return errors.New("no PWM") }
func (p *pin) In(gpio.Pull, gpio.Edge) error         { return nil }

func (p *pin) Read() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level
}

func (p *pin) set(l gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level = l
}

func (p *pin) WaitForEdge(timeout time.Duration) bool {
	p.mu.Lock()
	p.waits++
	p.mu.Unlock()
	if p.wait != nil {
		return p.wait(timeout)
	}
	time.Sleep(timeout)
	return false
}

func (p *pin) Out(l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.level = l
	p.outs = append(p.outs, l)
	return nil
}

// failing is a line whose reading can fail.
type failing struct {
	*pin
	err error
}

func (p *failing) ReadLevel() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level, p.err
}

func (p *failing) setErr(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func register(t *testing.T, p gpio.PinIO) string {
	t.Helper()
	if err := gpioreg.Register(p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gpioreg.Unregister(p.Name()); err != nil {
			t.Error(err)
		}
	})
	return p.Name()
}

func TestOpeningALockDrivesItToRestAndNothingElse(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		p := &pin{name: fmt.Sprintf("%s/%v", t.Name(), activeLow), level: gpio.Level(!activeLow)}
		_, err := hardware.OpenCoil(hardware.CoilConfig{Line: register(t, p), ActiveLow: activeLow, Supply: supply.New()})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.outs) != 1 || p.outs[0] != gpio.Level(activeLow) {
			t.Errorf("active low %v: written %v", activeLow, p.outs)
		}
	}
}

func TestAPulseDrivesTheLineAndEndsAtRest(t *testing.T) {
	p := &pin{name: t.Name()}
	c, err := hardware.OpenCoil(hardware.CoilConfig{Line: register(t, p), Pulse: supply.MinPulse, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Pulse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.outs); got != "[Low High Low]" {
		t.Errorf("written %s", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Pulse(t.Context()); err == nil || p.level == gpio.High {
		t.Errorf("after Close: %v, line %v", err, p.level)
	}
}

func TestAWriteThatFailsNamesTheLine(t *testing.T) {
	p := &pin{name: "berlin-1/LOCK7"}
	c, err := hardware.OpenCoil(hardware.CoilConfig{Line: register(t, p), Pulse: supply.MinPulse, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	p.fail = errors.New("no such device")
	err = c.Pulse(t.Context())
	if err == nil || !strings.Contains(err.Error(), `lock line "berlin-1/LOCK7": switch on: write High: no such device`) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(err, supply.ErrStuck) {
		t.Errorf("the line may be high, and the error does not say so: %v", err)
	}
}

func TestABadLockIsRefused(t *testing.T) {
	line := register(t, &pin{name: t.Name()})
	for want, cfg := range map[string]hardware.CoilConfig{
		"no such line":        {Line: "nowhere", Supply: supply.New()},
		"has no name":         {Supply: supply.New()},
		"no supply":           {Line: line},
		"outside 200ms to 1s": {Line: line, Pulse: time.Minute, Supply: supply.New()},
	} {
		if _, err := hardware.OpenCoil(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPeriphsOwnLinesAreRefusedForLocks(t *testing.T) {
	for _, p := range []gpio.PinIO{&gpioioctl.GPIOLine{}, &sysfs.Pin{}} {
		if err := hardware.RefusePeriph(p); !errors.Is(err, hardware.ErrUnsafeLine) {
			t.Errorf("%T: %v", p, err)
		}
		if err := hardware.RefusePeriph(alias{alias{p}}); !errors.Is(err, hardware.ErrUnsafeLine) {
			t.Errorf("alias of %T: %v", p, err)
		}
	}
	if err := hardware.RefusePeriph(&pin{}); err != nil {
		t.Errorf("a line of another driver: %v", err)
	}
}

type alias struct{ gpio.PinIO }

func (a alias) Real() gpio.PinIO { return a.PinIO }

func TestALightWhoseLineFailsAtTheStartIsToldByItsSwitchAndBurnsLater(t *testing.T) {
	p := &pin{name: t.Name(), fail: errors.New("no such device")}
	light, err := hardware.OpenOutput(hardware.OutputConfig{Line: register(t, p), ActiveLow: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := light.Switch(true); err == nil || !strings.Contains(err.Error(), p.name) {
		t.Errorf("while it fails: %v", err)
	}
	p.fail = nil
	if err := light.Switch(true); err != nil || p.level != gpio.Low {
		t.Errorf("later: %v, line %v", err, p.level)
	}
}
