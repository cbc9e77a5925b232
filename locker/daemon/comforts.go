package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"periph.io/x/conn/v3/physic"

	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/heating"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/rtc"
	"github.com/nachtfach/nachtfach/locker"
)

// output is what may stay on: a light, a heater.
type output interface {
	Switch(on bool) error
	Name() string
}

var (
	_ output = (*gpio.Output)(nil)
	_ output = (*modbus.Output)(nil)
)

// comforts are what a terminal has besides locks, contacts and readers. None of
// them opens anything; a terminal works without.
type comforts struct {
	lights  map[locker.CompartmentID]output
	heater  output // nil: none
	heating *heating.Heating
	clock   *rtc.Clock // nil: none
}

// output opens a light or heater and leaves it as it is on a Modbus board, or
// off on a line.
func (w *wires) output(at Wire) (output, error) {
	cfg := gpio.OutputConfig{Line: at.GPIO, ActiveLow: w.config.GPIO.OutputLow}
	switch {
	case at.Expander != "":
		x := w.config.expander(at.Expander)
		cfg = gpio.OutputConfig{Line: expander.LineName(w.registry(x.Name), at.Line), ActiveLow: x.ActiveLow}
	case at.GPIO != "":
		if err := w.register(at.GPIO); err != nil {
			return nil, err
		}
	default:
		o, err := w.modbus[at.Modbus].Output(uint8(at.Board), uint16(at.Address)) // bounded by Validate
		if err != nil {
			return nil, err
		}
		return o, nil
	}
	o, err := gpio.OpenOutput(cfg)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// openComforts opens what it can; the rest are faults of their parts.
func (p *parts) openComforts(c Config) {
	p.lights = map[locker.CompartmentID]output{}
	for _, k := range c.Compartments {
		if k.Light == (Wire{}) {
			continue
		}
		o, err := p.output(k.Light)
		if err != nil {
			p.faults = append(p.faults, partFault{lightPart(k.Number), 0, err})
			continue
		}
		p.lights[k.Number] = o
	}
	if c.Clock.RTC != "" {
		p.clock = rtc.New(rtc.Config{Name: c.Clock.RTC, Built: built()})
	}
	if c.Heating == (Heating{}) {
		return
	}
	heater, err := p.output(c.Heating.Heater)
	if err == nil {
		p.heater = heater
		p.heating, err = heating.New(c.Heating.thermostat(heater))
	}
	if err != nil {
		p.faults = append(p.faults, partFault{heatingPart, 0, err})
	}
}

// thermostat is the heating as its driver wants it.
func (h Heating) thermostat(heater heating.Switch) heating.Config {
	degrees := func(d float64) physic.Temperature {
		return physic.ZeroCelsius + physic.Temperature(d*float64(physic.Celsius))
	}
	return heating.Config{On: degrees(h.OnBelow), Off: degrees(h.OffAbove), Thermometer: heating.File(h.Thermometer), Heater: heater}
}

// built is when this program was built, as far as it knows: no clock that works
// is before it.
func built() time.Time {
	t := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	for _, s := range info.Settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && at.After(t) {
			t = at
		}
	}
	return t
}

// Names of parts, as alarms have them.
const (
	heatingPart = "heating"
	clockPart   = "clock"
)

func lightPart(n locker.CompartmentID) string { return fmt.Sprintf("light %d", n) }

// watchComforts heats and looks at the clock until ctx ends.
func (p *parts) watchComforts(ctx context.Context, deliver func(context.Context, locker.Input)) {
	tell := func(part string, err error) {
		if err != nil {
			deliver(ctx, locker.PartFailed{Part: part, Detail: err.Error()})
			return
		}
		deliver(ctx, locker.PartHealed{Part: part})
	}
	var wg sync.WaitGroup
	if p.heating != nil {
		wg.Go(func() { _ = p.heating.Run(ctx, func(err error) { tell(heatingPart, err) }) }) // its error is ctx's
	}
	if p.clock != nil {
		wg.Go(func() { p.watchClock(ctx, func(err error) { tell(clockPart, err) }) })
	}
	wg.Wait()
}

// clockPeriod is how often the real-time clock is looked at.
const clockPeriod = time.Minute

func (p *parts) watchClock(ctx context.Context, tell func(error)) {
	tick := time.NewTicker(clockPeriod)
	defer tick.Stop()
	for {
		_, err := p.clock.Look()
		tell(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// How often it is seen whether another compartment is to be lit, and how often a
// light that does not follow is tried again.
const (
	lightPeriod = 100 * time.Millisecond
	lightAgain  = 5 * time.Second
)

// light keeps the one compartment lit that lit names, until ctx ends.
func (p *parts) light(ctx context.Context, lit func() locker.CompartmentID, deliver func(context.Context, locker.Input)) {
	if len(p.lights) == 0 {
		return
	}
	tick := time.NewTicker(lightPeriod)
	defer tick.Stop()
	burning := map[locker.CompartmentID]bool{} // what was last written
	retry := map[locker.CompartmentID]time.Time{}
	for {
		want := lit()
		for _, n := range numbers(p.lights) {
			is, written := burning[n]
			if written && is == (n == want) || time.Now().Before(retry[n]) {
				continue
			}
			err := p.lights[n].Switch(n == want)
			_, failed := retry[n]
			if err != nil {
				retry[n] = time.Now().Add(lightAgain)
				if !failed {
					deliver(ctx, locker.PartFailed{Part: lightPart(n), Detail: err.Error()})
				}
				continue
			}
			burning[n] = n == want
			delete(retry, n)
			if failed {
				deliver(ctx, locker.PartHealed{Part: lightPart(n)})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// darken switches lights and heater off.
func (c *comforts) darken() error {
	var errs []error
	for _, n := range numbers(c.lights) {
		errs = append(errs, c.lights[n].Switch(false))
	}
	if c.heater != nil {
		errs = append(errs, c.heater.Switch(false))
	}
	return errors.Join(errs...)
}
