package gpio

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/physic"
)

// LineConfig describes a line of the kernel's character devices.
type LineConfig struct {
	Name     string // its name on the board, or LABEL:OFFSET with its chip's label; also in gpioreg
	Consumer string // what other programs are told of who has it; the kernel keeps 31 bytes
	Kernel   Kernel // nil means CharDev
}

// Line is a line of the kernel's character devices. Levels are the wire's;
// Coil and Contact know which of them means on and open.
//
// Out takes the line as an output that has its level from the first moment:
// value and direction are one request. Reading an output reads the wire and
// leaves the direction alone.
//
// A line whose chip went away is taken again as soon as something is asked of
// it and the chip is back, under whatever number: an input as it was, an output
// with the first level that it was ever given, which is the level at rest.
type Line struct {
	name     string
	consumer string
	kernel   Kernel
	edges    chan struct{} // holds one: whoever waits reads the level anyway

	mu      sync.Mutex
	as      Request // how the line is taken; of an output, Level is the one at rest
	use     use
	held    Held // nil: not ours now
	turn    chan struct{}
	closed  bool
	settles time.Duration // by the kernel's debouncing
}

// use is what a line was made.
type use int

const (
	unused use = iota
	input
	output
)

// RegisterLine puts a line into gpioreg, until its Close. It asks nothing of
// the kernel: whether the line is there is told by its use. A line of periph's
// own drivers under the same name is put aside, see RefusePeriph.
func RegisterLine(cfg LineConfig) (*Line, error) {
	if cfg.Name == "" {
		return nil, errors.New("register a line: it has no name")
	}
	if cfg.Kernel == nil {
		cfg.Kernel = CharDev()
	}
	l := &Line{
		name: cfg.Name, consumer: cfg.Consumer, kernel: cfg.Kernel,
		edges: make(chan struct{}, 1), turn: make(chan struct{}),
	}
	if other := gpioreg.ByName(cfg.Name); other != nil && RefusePeriph(other) != nil {
		if err := gpioreg.Unregister(cfg.Name); err != nil {
			return nil, fmt.Errorf("register line %q: %w", cfg.Name, err)
		}
	}
	if err := gpioreg.Register(l); err != nil {
		return nil, fmt.Errorf("register line %q: %w", cfg.Name, err)
	}
	return l, nil
}

// String, Name and Number are of gpio.PinIO.
func (l *Line) String() string { return l.name }

// Name is the line's name in the registry.
func (l *Line) Name() string { return l.name }

// Number is -1: numbers change when chips come and go.
func (l *Line) Number() int { return -1 }

// Halt does nothing: a line that is let go floats. Close does that.
func (l *Line) Halt() error { return nil }

// Function says what the line was made, without asking it.
func (l *Line) Function() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return map[use]string{input: "IN", output: "OUT"}[l.use]
}

// Pull is what In asked for.
func (l *Line) Pull() gpio.Pull {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.use == input {
		return l.as.Pull
	}
	return gpio.PullNoChange
}

// DefaultPull is not known.
func (l *Line) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// PWM is not what locks need.
func (l *Line) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("line %q: no PWM", l.name)
}

// Out makes the line an output with this level. The first level is the one at
// rest.
func (l *Line) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.use != output {
		l.drop()
		l.use, l.as = output, Request{Consumer: l.consumer, Output: true, Level: level}
	}
	taken, err := l.take()
	if err != nil {
		return err
	}
	if taken && level == l.as.Level {
		return nil
	}
	if err := l.held.Set(level); err != nil {
		return l.lost("write", err)
	}
	return nil
}

// In makes the line an input. Edges before it are forgotten, and whoever waits
// for one is sent away.
func (l *Line) In(pull gpio.Pull, edge gpio.Edge) error {
	return l.InDebounced(pull, edge, 0)
}

// InDebounced makes the line an input whose level and edges count when they
// have stood for the given time, if the kernel can do that; see Settles.
func (l *Line) InDebounced(pull gpio.Pull, edge gpio.Edge, debounce time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
	select {
	case <-l.edges:
	default:
	}
	l.use, l.as = input, Request{Consumer: l.consumer, Pull: pull, Edge: edge, Debounce: debounce}
	if edge != gpio.NoEdge {
		l.as.Notify = l.notify
	}
	_, err := l.take()
	return err
}

// Settles is how long the kernel waits until a level counts; 0: it does not.
func (l *Line) Settles() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settles
}

// Read reads the wire; Low if it cannot be read. ReadLevel says so.
func (l *Line) Read() gpio.Level {
	level, err := l.ReadLevel()
	return err == nil && level
}

// ReadLevel reads the wire, of an output too, and leaves the direction alone.
func (l *Line) ReadLevel() (gpio.Level, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.use == unused {
		return gpio.Low, fmt.Errorf("line %q: neither input nor output yet", l.name)
	}
	if _, err := l.take(); err != nil {
		return gpio.Low, err
	}
	level, err := l.held.Level()
	if err != nil {
		return gpio.Low, l.lost("read", err)
	}
	return level, nil
}

// WaitForEdge returns true after an edge, or at once if there was one since it
// was last called; false when the time is over, or when the line's use changed.
// A negative time is endless.
func (l *Line) WaitForEdge(timeout time.Duration) bool {
	l.mu.Lock()
	turn := l.turn
	l.mu.Unlock()
	var over <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-l.edges:
		return true
	case <-turn:
	case <-over:
	}
	return false
}

func (l *Line) notify() {
	select {
	case l.edges <- struct{}{}:
	default:
	}
}

// Close lets go of the line and takes it out of the registry. What is on the
// wire then is the board's to say.
func (l *Line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.drop()
	l.closed = true
	if err := gpioreg.Unregister(l.name); err != nil {
		return fmt.Errorf("line %q: %w", l.name, err)
	}
	return nil
}

// drop needs mu.
func (l *Line) drop() {
	if l.held != nil {
		_ = l.held.Close() // there is nothing to be done about it
	}
	l.held, l.settles = nil, 0
	close(l.turn)
	l.turn = make(chan struct{})
}

// lost makes an error of what a held line answered, and lets go of one whose
// chip is gone. It needs mu.
func (l *Line) lost(what string, err error) error {
	if gone(err) {
		l.drop()
	}
	return fmt.Errorf("line %q: %s: %w", l.name, what, explain(err))
}

// take sees to it that the line is ours, and says whether it was not before.
// It needs mu.
func (l *Line) take() (taken bool, err error) {
	if l.closed {
		return false, fmt.Errorf("line %q: %w", l.name, errClosed)
	}
	if l.held != nil {
		return false, nil
	}
	at, err := locate(l.kernel, l.name)
	if err != nil {
		return false, fmt.Errorf("line %q: %w", l.name, err)
	}
	defer func() { _ = at.chip.Close() }()
	r := l.as
	held, err := at.chip.Take(at.offset, r)
	if err != nil && r.Debounce > 0 && !refusal(err) {
		r.Debounce = 0 // an old kernel; Contact does it
		held, err = at.chip.Take(at.offset, r)
	}
	if err != nil {
		return false, fmt.Errorf("line %q (%s): %w", l.name, at, refused(at, err))
	}
	l.held, l.settles = held, r.Debounce
	return true, nil
}

// refusal says whether the kernel would answer any request like this.
func refusal(err error) bool {
	return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || gone(err)
}

// refused adds who has the line.
func refused(at place, err error) error {
	if !errors.Is(err, syscall.EBUSY) {
		return explain(err)
	}
	info, asked := at.chip.Info(at.offset)
	if asked != nil || info.Consumer == "" {
		return fmt.Errorf("held by somebody who gave no name: %w", err)
	}
	return fmt.Errorf("held by %q: %w", info.Consumer, err)
}

var (
	_ gpio.PinIO  = (*Line)(nil)
	_ levelReader = (*Line)(nil)
)
