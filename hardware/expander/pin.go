package expander

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// pin is one line as a gpio.PinIO. Edges come from Chip.Watch.
type pin struct {
	chip    *Chip
	line    int
	name    string
	changed chan struct{} // holds one: whoever waits reads the level anyway

	mu   sync.Mutex
	pull gpio.Pull
	use  string
}

func (p *pin) String() string         { return p.name }
func (p *pin) Name() string           { return p.name }
func (p *pin) Number() int            { return -1 }
func (p *pin) Halt() error            { return nil } // a line that is let go floats
func (p *pin) DefaultPull() gpio.Pull { return gpio.Float }

func (p *pin) PWM(gpio.Duty, physic.Frequency) error { return fmt.Errorf("%s: no PWM", p.name) }

// Function says what the line was made, without asking it.
func (p *pin) Function() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.use
}

// Pull is what In asked for.
func (p *pin) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pull
}

// In makes the line an input, with the chip's pull-up of 100 kΩ or none. It
// tells both edges or none.
func (p *pin) In(pull gpio.Pull, edge gpio.Edge) error {
	if pull == gpio.PullDown {
		return fmt.Errorf("%s: the chip has no pull-down", p.name)
	}
	if edge == gpio.RisingEdge || edge == gpio.FallingEdge {
		return errors.New(p.name + ": only both edges can be told")
	}
	p.mu.Lock()
	p.use, p.pull = "IN", pull
	p.mu.Unlock()
	select {
	case <-p.changed:
	default:
	}
	return p.chip.in(p.line, pull == gpio.PullUp, edge != gpio.NoEdge)
}

// Out makes the line an output with this level. The first level is the one at
// rest, which it is given again when the chip was lost.
func (p *pin) Out(level gpio.Level) error {
	p.mu.Lock()
	p.use, p.pull = "OUT", gpio.PullNoChange
	p.mu.Unlock()
	return p.chip.out(p.line, level)
}

// Read reads the wire; Low if it cannot be read. ReadLevel says so.
func (p *pin) Read() gpio.Level {
	level, err := p.ReadLevel()
	return err == nil && level
}

// ReadLevel reads the wire, of an output too, and leaves the direction alone.
func (p *pin) ReadLevel() (gpio.Level, error) { return p.chip.level(p.line) }

// WaitForEdge returns true after a change that Watch saw; a negative time is
// endless.
func (p *pin) WaitForEdge(timeout time.Duration) bool {
	if timeout < 0 {
		<-p.changed
		return true
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.changed:
		return true
	case <-timer.C:
		return false
	}
}

func (p *pin) notify() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

var (
	_ gpio.PinIO  = (*pin)(nil)
	_ levelReader = (*pin)(nil)
)
