// Package evdev reads scanners and badge readers that know only how to type: to
// the machine they are keyboards, which Linux shows as input devices.
//
// It promises that such a device is grabbed exclusively, so that nothing that it
// types reaches a browser, a console or anybody else; text of bounded length,
// one for each time that the device presses Enter; and that a device that was
// unplugged is found again. What was held down or typed before the grab is
// forgotten. A text with a key that the layout gives no letter to, one that the
// kernel lost a part of, and one without an end are refused as a whole.
//
// It leaves to others what the text means, and keeps no copy of it: it may hold
// a pickup code, so it is in no error either.
package evdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holoplot/go-evdev"

	"github.com/nachtfach/nachtfach/hardware/scanner"
)

// idle is how long a text may pause before it is taken for broken off.
const idle = 500 * time.Millisecond

// ErrKey is in the error of a text with a key that stands for no letter.
var ErrKey = errors.New("text with a key that the layout has no letter for: is the layout the scanner's?")

// Device is what an input device does; *evdev.InputDevice is one.
type Device interface {
	Grab() error
	NonBlock() error // so that Close ends a ReadOne
	ReadOne() (*evdev.InputEvent, error)
	Close() error
}

var _ Device = (*evdev.InputDevice)(nil)

// Config describes a typing scanner.
type Config struct {
	Name   string // for errors, for example "badge"
	Path   string // the input device, by a name that stays: /dev/input/by-id/…-event-kbd
	Layout Layout // of the keyboard that the scanner pretends to be

	// Open opens the device. If nil, the one at Path is opened.
	Open func() (Device, error)
}

// Keyboard is a scanner or badge reader that types.
type Keyboard struct {
	name   string
	layout Layout
	open   func() (Device, error)
}

// New prepares a keyboard. The device need not be there yet.
func New(cfg Config) (*Keyboard, error) {
	k := &Keyboard{name: fmt.Sprintf("scanner %q (%s)", cfg.Name, cfg.Path), layout: cfg.Layout, open: cfg.Open}
	if err := cfg.Layout.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	if k.open == nil {
		k.open = func() (Device, error) { return evdev.OpenWithFlags(cfg.Path, os.O_RDONLY) }
	}
	return k, nil
}

// Name says which part this is, for errors.
func (k *Keyboard) Name() string { return k.name }

// Check says whether the device can be opened and grabbed. It is not for use
// during Watch.
func (k *Keyboard) Check() error {
	d, err := k.connect()
	if err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", k.name, err)
	}
	return nil
}

// Watch calls heard for every text that is typed, until ctx ends; it returns
// ctx's error. It also calls heard with an empty text and no error each time
// that the device has been grabbed, with scanner.ErrGone once each time that it
// cannot be or was lost, and with another error for each text that is refused.
// Empty texts are ignored. heard is called from one goroutine, and should return
// soon.
func (k *Keyboard) Watch(ctx context.Context, heard func(text []byte, err error)) error {
	return scanner.Keep(ctx, k.connect, k.listen, heard)
}

// connect opens and grabs the device. One that cannot be grabbed is not read:
// others would read along.
func (k *Keyboard) connect() (Device, error) {
	d, err := k.open()
	if err != nil {
		return nil, fmt.Errorf("%s: open: %w", k.name, err)
	}
	if err = d.Grab(); err != nil {
		err = fmt.Errorf("%s: grab it for ourselves: %w", k.name, err)
	} else if err = d.NonBlock(); err != nil {
		err = fmt.Errorf("%s: prepare: %w", k.name, err)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// listen reads until the device fails or ctx ends, and closes it.
func (k *Keyboard) listen(ctx context.Context, d Device, heard func([]byte, error)) error {
	events := make(chan evdev.InputEvent)
	stop, ended := make(chan struct{}), make(chan struct{})
	var failure error // of reading; for after ended
	go func() {
		defer close(ended)
		failure = pump(d, events, stop)
	}()
	defer func() {
		close(stop)
		_ = d.Close() // nothing was written; it ends the reading
		<-ended
	}()
	tell := func(text []byte, err error) {
		switch {
		case err != nil:
			heard(nil, fmt.Errorf("%s: %w", k.name, err))
		case len(text) > 0:
			heard(text, nil)
		}
	}
	typed := &typist{layout: k.layout}
	defer typed.clear()
	quiet := time.NewTimer(idle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return fmt.Errorf("%s: read: %w", k.name, failure)
		case <-quiet.C:
			tell(typed.pause())
		case e := <-events:
			quiet.Reset(idle)
			tell(typed.follow(e))
		}
	}
}

// pump hands over events until reading fails, or nobody takes them any more.
func pump(d Device, events chan<- evdev.InputEvent, stop <-chan struct{}) error {
	for {
		e, err := d.ReadOne()
		if err != nil {
			return err
		}
		select {
		case events <- *e:
		case <-stop:
			return nil
		}
	}
}
