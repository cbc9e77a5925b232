package daemon

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/scanner"
	"github.com/nachtfach/nachtfach/hardware/zfm"
	"github.com/nachtfach/nachtfach/locker"
)

type lock interface {
	Pulse(ctx context.Context) error
	Release() error
	Name() string
}

type contact interface {
	Open() (bool, error)
	Watch(ctx context.Context, changed func(open bool, err error)) error
	Name() string
}

type reader interface {
	Capture(ctx context.Context) (*image.Gray, error)
	AwaitLift(ctx context.Context) error
	Check(ctx context.Context) error
	Name() string
	Close() error
}

var (
	_ lock    = (*gpio.Coil)(nil)
	_ lock    = (*modbus.Lock)(nil)
	_ contact = (*gpio.Contact)(nil)
	_ contact = (*modbus.Contact)(nil)
	_ reader  = (*zfm.Reader)(nil)
)

// parts is the terminal's hardware as the configuration names it.
type parts struct {
	*wires
	locks    map[locker.CompartmentID]lock
	contacts map[locker.CompartmentID]contact
	reader   reader // nil: none
	scanners map[locker.Source][]*scanner.Scanner
	sensors  map[locker.Sensor]contact
	faults   []partFault
	driven   verdict
}

// partFault is a part that could not be opened. A terminal with one works on
// with the others.
type partFault struct {
	part        string
	compartment locker.CompartmentID
	err         error
}

// openParts opens what it can. A lock whose driver is not safe stops the start;
// everything else that fails is a fault of its compartment.
func openParts(c Config) (*parts, error) {
	p := &parts{
		locks: map[locker.CompartmentID]lock{}, contacts: map[locker.CompartmentID]contact{},
		scanners: map[locker.Source][]*scanner.Scanner{}, sensors: map[locker.Sensor]contact{},
	}
	var err error
	if p.wires, err = openWires(c); err != nil {
		return nil, err
	}
	for _, k := range c.Compartments {
		l, err := p.lock(k.Lock)
		switch {
		case errors.Is(err, gpio.ErrUnsafeLine):
			return nil, errors.Join(fmt.Errorf("compartment %d: %w", k.Number, err), p.Close())
		case err != nil:
			p.faults = append(p.faults, partFault{locker.PartLock, k.Number, err})
		default:
			p.locks[k.Number] = l
		}
		o, err := p.input(k.Contact, c.openIsLow(k.Contact))
		if err != nil {
			p.faults = append(p.faults, partFault{partContact, k.Number, err})
			continue
		}
		p.contacts[k.Number] = o
	}
	for _, s := range c.Sensors {
		o, err := p.input(s.Wire, s.IsLow)
		if err != nil {
			p.faults = append(p.faults, partFault{sensorPart(s.Kind), 0, err})
			continue
		}
		p.sensors[s.Kind] = o
	}
	if c.Reader.Driver != "" {
		p.reader = zfm.New(zfm.Config{Name: "finger", Path: c.Reader.Path, Baud: c.Reader.Baud})
	}
	for _, s := range c.Scanners {
		source := locker.Source(s.Source)
		p.scanners[source] = append(p.scanners[source], scanner.New(scanner.Config{Name: string(source), Path: s.Path, Baud: s.Baud}))
	}
	return p, nil
}

// Pulse implements the controller's Locks.
func (p *parts) Pulse(ctx context.Context, n locker.CompartmentID) error {
	l := p.locks[n]
	if l == nil {
		return fmt.Errorf("compartment %d: its lock is not there", n)
	}
	if err := l.Pulse(ctx); err != nil {
		return fmt.Errorf("compartment %d: %w", n, err)
	}
	return nil
}

// rest switches every coil off. A relay board holds one that a killed process left on.
func (p *parts) rest() []partFault {
	var faults []partFault
	for _, n := range numbers(p.locks) {
		if err := p.locks[n].Release(); err != nil {
			faults = append(faults, partFault{locker.PartLock, n, err})
		}
	}
	return faults
}

// levels reads every contact, twice if the first reading fails.
func (p *parts) levels() (map[locker.CompartmentID]bool, []partFault) {
	levels := map[locker.CompartmentID]bool{}
	var faults []partFault
	for _, n := range numbers(p.contacts) {
		open, err := p.contacts[n].Open()
		if err != nil {
			open, err = p.contacts[n].Open()
		}
		if err != nil {
			faults = append(faults, partFault{partContact, n, err})
			continue
		}
		levels[n] = open
	}
	return levels, faults
}

// watch tells every change of the parts until ctx ends.
func (p *parts) watch(ctx context.Context, deliver func(context.Context, locker.Input)) {
	var wg sync.WaitGroup
	t := newTrouble(p.faults, deliver)
	for n, c := range p.contacts {
		wg.Go(func() { watchContact(ctx, n, c, t) })
	}
	wg.Go(func() { p.watchLocks(ctx, t) })
	for _, l := range p.lines {
		wg.Go(func() { p.watchRelays(ctx, l, deliver) })
	}
	for sensor, c := range p.sensors {
		wg.Go(func() { watchSensor(ctx, sensor, c, deliver) })
	}
	if p.reader != nil {
		wg.Go(func() { watchReader(ctx, p.reader, deliver) })
	}
	for source, list := range p.scanners {
		for _, s := range list {
			wg.Go(func() { watchScanner(ctx, source, s, deliver) })
		}
	}
	wg.Wait()
}

func watchContact(ctx context.Context, n locker.CompartmentID, c contact, t *trouble) {
	at := place{n, partContact}
	_ = c.Watch(ctx, func(open bool, err error) { // its error is ctx's
		if err != nil {
			t.failed(ctx, at, err)
			return
		}
		t.healed(ctx, at)
		t.deliver(ctx, locker.DoorMoved{Compartment: n, Open: open})
	})
}

// watchRelays tells a lock whose coil was on by itself, and a board that does
// not answer.
func (p *parts) watchRelays(ctx context.Context, l *modbus.Line, deliver func(context.Context, locker.Input)) {
	_ = l.Guard(ctx, modbus.Guard{ // its error is ctx's
		Held: func(k *modbus.Lock, err error) {
			for _, n := range numbers(p.locks) {
				if p.locks[n] == lock(k) {
					deliver(ctx, locker.PartFailed{Part: locker.PartLock, Compartment: n, Detail: err.Error()})
				}
			}
		},
		Board: func(unit uint8, err error) {
			part := fmt.Sprintf("%s board %d", l.Name(), unit)
			if err != nil {
				deliver(ctx, locker.PartFailed{Part: part, Detail: err.Error()})
				return
			}
			deliver(ctx, locker.PartHealed{Part: part})
		},
	})
}

// sensorPart is how a sensor that cannot be read is told.
func sensorPart(s locker.Sensor) string { return "sensor " + string(s) }

func watchSensor(ctx context.Context, sensor locker.Sensor, c contact, deliver func(context.Context, locker.Input)) {
	_ = c.Watch(ctx, func(tripped bool, err error) { // its error is ctx's
		if err != nil {
			deliver(ctx, locker.PartFailed{Part: sensorPart(sensor), Detail: err.Error()})
			return
		}
		deliver(ctx, locker.PartHealed{Part: sensorPart(sensor)})
		deliver(ctx, locker.SensorTold{Sensor: sensor, Tripped: tripped})
	})
}

func watchScanner(ctx context.Context, source locker.Source, s *scanner.Scanner, deliver func(context.Context, locker.Input)) {
	part := "scanner " + string(source)
	_ = s.Watch(ctx, func(text string, err error) { // its error is ctx's
		switch {
		case errors.Is(err, scanner.ErrGone):
			deliver(ctx, locker.PartFailed{Part: part, Detail: err.Error()})
		case err != nil:
			// A text that is refused is a person's slip, or a hostile one; the
			// screen stays as it is.
		case text == "":
			deliver(ctx, locker.PartHealed{Part: part})
		default:
			deliver(ctx, locker.Scanned{Source: source, Text: text})
		}
	})
}

// readerPoll is how often the reader is asked whether it is there.
const readerPoll = 3 * time.Second

// watchReader tells when the reader goes and when it is back. One in use is there.
func watchReader(ctx context.Context, r reader, deliver func(context.Context, locker.Input)) {
	tick := time.NewTicker(readerPoll)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, readerPoll)
		err := r.Check(ask)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			deliver(ctx, locker.PartHealed{Part: "reader"})
		case !errors.Is(err, context.DeadlineExceeded):
			deliver(ctx, locker.PartFailed{Part: "reader", Detail: err.Error()})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Close lets go of everything; the coils are off afterwards.
func (p *parts) Close() error {
	errs := []error{p.wires.Close()}
	if p.reader != nil {
		errs = append(errs, p.reader.Close())
	}
	return errors.Join(errs...)
}

func numbers[T any](m map[locker.CompartmentID]T) []locker.CompartmentID {
	list := make([]locker.CompartmentID, 0, len(m))
	for n := range m {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// fingers reads the finger reader for the vault.
type fingers struct {
	reader reader
	keep   func(locker.AttemptID, biometrics.Image) (locker.FingerAdvice, error)
}

// patience is how long one capture waits for a finger.
const patience = 20 * time.Second

// Capture implements the controller's Fingers.
func (f fingers) Capture(ctx context.Context, attempt locker.AttemptID, lift bool) (locker.FingerAdvice, error) {
	if f.reader == nil {
		return "", errors.New("this terminal has no finger reader")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if lift {
		if err := f.reader.AwaitLift(ctx); err != nil {
			return advice(err)
		}
	}
	img, err := f.reader.Capture(ctx)
	if err != nil {
		return advice(err)
	}
	return f.keep(attempt, biometrics.Image{Pix: img.Pix, Width: img.Rect.Dx(), Height: img.Rect.Dy(), DPI: zfm.Resolution})
}

// advice tells what the person can mend from what the reader cannot do.
func advice(err error) (locker.FingerAdvice, error) {
	switch {
	case errors.Is(err, zfm.ErrMessy):
		return locker.AdviceLonger, nil
	case errors.Is(err, zfm.ErrNoFinger), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return locker.AdviceLay, nil
	}
	return "", err
}
