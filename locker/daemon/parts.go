package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nachtfach/nachtfach/hardware/evdev"
	"github.com/nachtfach/nachtfach/hardware/expander"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/scanner"
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

// source is a scanner or badge reader.
type source interface {
	Watch(ctx context.Context, heard func(text []byte, err error)) error
	Check() error
	Name() string
}

var (
	_ lock    = (*gpio.Coil)(nil)
	_ lock    = (*modbus.Lock)(nil)
	_ contact = (*gpio.Contact)(nil)
	_ contact = (*modbus.Contact)(nil)
	_ source  = (*scanner.Scanner)(nil)
	_ source  = (*evdev.Keyboard)(nil)
)

// parts is the terminal's hardware as the configuration names it.
type parts struct {
	*wires
	locks    map[locker.CompartmentID]lock
	contacts map[locker.CompartmentID]contact
	fingers  *fingers
	scanners map[locker.Source][]source
	sensors  map[locker.Sensor]contact
	comforts
	ears
	faults []partFault
	driven verdict
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
		scanners: map[locker.Source][]source{}, sensors: map[locker.Sensor]contact{},
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
	if p.fingers, err = c.openFingers(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	for _, s := range c.Scanners {
		source := locker.Source(s.Source)
		opened, err := s.open(scannerName(source, len(p.scanners[source])))
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.scanners[source] = append(p.scanners[source], opened)
	}
	p.openComforts(c)
	return p, nil
}

// scannerName tells several scanners of one source apart: "badge", "badge 2".
func scannerName(source locker.Source, i int) string {
	if i == 0 {
		return string(source)
	}
	return fmt.Sprintf("%s %d", source, i+1)
}

// open prepares a scanner. The device need not be there yet.
func (s Scanner) open(name string) (source, error) {
	if s.Driver != "keyboard" {
		return scanner.New(scanner.Config{Name: name, Path: s.Path, Baud: s.Baud}), nil
	}
	k, err := evdev.New(evdev.Config{Name: name, Path: s.Path, Layout: s.Layout})
	if err != nil {
		return nil, err
	}
	return k, nil
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

// rest switches every coil off, trying twice, and reads back what can be read. A
// relay board holds one that a killed process left on.
func (p *parts) rest() []partFault {
	var faults []partFault
	for _, n := range numbers(p.locks) {
		err := p.locks[n].Release()
		if err != nil {
			err = p.locks[n].Release() // one disturbance on the line is none of the lock
		}
		if l, ok := p.locks[n].(readBack); ok && err == nil {
			err = l.Check()
		}
		if err != nil {
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
	t.boards = boardsOf(p.contacts)
	for n, c := range p.contacts {
		wg.Go(func() { watchContact(ctx, n, c, t) })
	}
	wg.Go(func() { p.watchLocks(ctx, t) })
	for _, chip := range p.chips {
		wg.Go(func() { watchChip(ctx, chip, deliver) })
	}
	for _, l := range p.lines {
		wg.Go(func() { p.watchRelays(ctx, l, deliver) })
	}
	for sensor, c := range p.sensors {
		wg.Go(func() { watchSensor(ctx, sensor, c, deliver) })
	}
	wg.Go(func() { p.fingers.watch(ctx, deliver) })
	wg.Go(func() { p.watchComforts(ctx, deliver) })
	for source, list := range p.scanners {
		for i, s := range list {
			wg.Go(func() { p.watchScanner(ctx, source, scannerName(source, i), s, deliver) })
		}
	}
	wg.Wait()
}

// boardsOf names the boards that contacts share with others.
func boardsOf(contacts map[locker.CompartmentID]contact) map[place]string {
	boards := map[place]string{}
	for n, c := range contacts {
		if c, ok := c.(interface{ Board() string }); ok {
			boards[place{n, partContact}] = c.Board()
		}
	}
	return boards
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

// watchChip tells trouble with an expander. Its locks and contacts tell their
// own.
func watchChip(ctx context.Context, chip *expander.Chip, deliver func(context.Context, locker.Input)) {
	_ = chip.Watch(ctx, func(err error) { // its error is ctx's
		if err != nil {
			deliver(ctx, locker.PartFailed{Part: chip.Name(), Detail: err.Error()})
			return
		}
		deliver(ctx, locker.PartHealed{Part: chip.Name()})
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
			part := l.BoardName(unit)
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

func (p *parts) watchScanner(ctx context.Context, source locker.Source, name string, s source, deliver func(context.Context, locker.Input)) {
	part := "scanner " + name
	_ = s.Watch(ctx, func(text []byte, err error) { // its error is ctx's
		p.tell(source, name, text, err)
		switch {
		case errors.Is(err, scanner.ErrGone):
			deliver(ctx, locker.PartFailed{Part: part, Detail: err.Error()})
		case err != nil:
			// A text that is refused is a person's slip, a hostile one, or a
			// device that is set up wrong: the log tells, and the screen stays
			// as it is.
		case len(text) == 0:
			deliver(ctx, locker.PartHealed{Part: part})
		default:
			deliver(ctx, locker.Scanned{Source: source, Text: text})
		}
	})
}

// Close lets go of everything; the coils are off afterwards.
func (p *parts) Close() error {
	errs := []error{p.darken(), p.wires.Close()}
	if p.fingers != nil {
		errs = append(errs, p.fingers.Close())
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
