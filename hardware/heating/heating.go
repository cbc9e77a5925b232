// Package heating keeps a fingerprint reader above the temperature at which dew
// and dry fingers blind it, by a heater and a thermometer.
//
// It promises that the heater is off at the start and at the end, when the
// temperature cannot be read or makes no sense, and when it was on for longer
// than its limit without reaching its aim: a broken thermometer or a heater on
// the wrong wire heats nothing for ever.
//
// It leaves to others how heater and thermometer are wired, and the heater's own
// fuse.
package heating

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/physic"
)

// Defaults: dew comes below, and most readers are rated from 0 °C.
const (
	DefaultPoll  = 10 * time.Second
	DefaultLimit = 2 * time.Hour
)

// The range of a thermometer that works, outdoors in Europe.
const (
	coldest = physic.ZeroCelsius - 45*physic.Celsius
	hottest = physic.ZeroCelsius + 90*physic.Celsius
)

// Errors that say what to do.
var (
	ErrThermometer = errors.New("the temperature makes no sense")
	ErrInVain      = errors.New("heated in vain: is the heater connected, the thermometer beside it?")
)

// Thermometer is a sensor of periph's, as far as it is needed here.
type Thermometer interface {
	Sense(e *physic.Env) error
}

// Switch drives the heater.
type Switch interface {
	Switch(on bool) error
}

// Config describes a heating.
type Config struct {
	On, Off     physic.Temperature // heated from below On until above Off
	Thermometer Thermometer
	Heater      Switch
	Poll        time.Duration                        // 0 means DefaultPoll
	Limit       time.Duration                        // 0 means DefaultLimit
	After       func(time.Duration) <-chan time.Time // nil means time.After
}

// Heating is a thermostat.
type Heating struct {
	cfg  Config
	on   bool
	left time.Duration // until it is in vain
	rest bool          // it was in vain: off until it is warm by itself
}

// New checks the configuration.
func New(cfg Config) (*Heating, error) {
	if cfg.Off-cfg.On < physic.Celsius || cfg.On < coldest || cfg.Off > hottest {
		return nil, fmt.Errorf("heating: on below %v, off above %v: wants at least 1 °C between them, from %v to %v", cfg.On, cfg.Off, coldest, hottest)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.Limit <= 0 {
		cfg.Limit = DefaultLimit
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	return &Heating{cfg: cfg}, nil
}

// Check reads the temperature once.
func (h *Heating) Check() (physic.Temperature, error) {
	var e physic.Env
	if err := h.cfg.Thermometer.Sense(&e); err != nil {
		return 0, fmt.Errorf("heating: read the temperature: %w", err)
	}
	if e.Temperature < coldest || e.Temperature > hottest {
		return e.Temperature, fmt.Errorf("heating: %v: %w", e.Temperature, ErrThermometer)
	}
	return e.Temperature, nil
}

// Run heats until ctx ends, and returns its error. told is called with an error
// each time that one begins, and with nil when it is over, also the first time.
func (h *Heating) Run(ctx context.Context, told func(error)) error {
	defer func() { _ = h.cfg.Heater.Switch(false) }() // who owns the wire switches it off too
	var last string
	first := true
	for ctx.Err() == nil {
		err := h.turn()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if first || (text == "") != (last == "") {
			told(err)
		}
		first, last = false, text
		select {
		case <-h.cfg.After(h.cfg.Poll):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// turn looks once and switches. It writes the level each time: a board that was
// reset has forgotten it.
func (h *Heating) turn() error {
	t, err := h.Check()
	switch {
	case err != nil:
		h.on = false
	case t > h.cfg.Off:
		h.on, h.rest = false, false
	case h.rest:
		err = fmt.Errorf("heating: %v after %v: %w", t, h.cfg.Limit, ErrInVain)
	case h.on && h.left <= 0:
		h.on, h.rest = false, true
		err = fmt.Errorf("heating: %v after %v: %w", t, h.cfg.Limit, ErrInVain)
	case h.on:
		h.left -= h.cfg.Poll
	case t < h.cfg.On:
		h.on, h.left = true, h.cfg.Limit
	}
	if fault := h.cfg.Heater.Switch(h.on); fault != nil {
		return errors.Join(err, fmt.Errorf("heating: %w", fault))
	}
	return err
}

// File is a thermometer of the kernel's: a file with thousandths of a degree
// Celsius, /sys/class/thermal/thermal_zoneN/temp or an hwmon's tempN_input.
type File string

// Sense implements Thermometer.
func (f File) Sense(e *physic.Env) error {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return fmt.Errorf("%s: %q is no temperature", f, text)
	}
	e.Temperature = physic.ZeroCelsius + physic.Temperature(n)*physic.MilliCelsius
	return nil
}
