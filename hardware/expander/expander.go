// Package expander drives MCP23017 port expanders on an I²C bus and puts their
// sixteen lines into periph's registry, so that package gpio has locks and
// contacts on them.
//
// It promises that no line is driven before its level is in the output latch:
// OLAT is written and read back first, IODIR after it; that lines which nobody
// uses, or nobody has used yet, stay as they are, so that a new process moves
// no lock of a chip that an old one left driving; that every write is read
// back; that a chip that was reset, went away or does not hold what was
// written is noticed by the next write and within a second, set up again with
// every output at rest, and told; and that a contact's change is seen at the
// next poll or interrupt.
//
// It leaves to others: one coil at a time (package supply), debouncing
// (package gpio), and what the kernel does about a bus that hangs: an exchange
// takes as long as its adapter's time limit, a second with most.
//
// Registers and their numbers are those of the data sheet, DS20001952D, with
// IOCON.BANK = 0.
package expander

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio/gpioreg"
)

// Registers come in pairs, port A (lines 0 to 7) and port B (8 to 15).
const (
	regIODIR   = 0x00 // 1: input
	regIPOL    = 0x02
	regGPINTEN = 0x04
	regDEFVAL  = 0x06
	regINTCON  = 0x08
	regIOCON   = 0x0A
	regGPPU    = 0x0C
	regGPIO    = 0x12
	regOLAT    = 0x14
	registers  = 0x16

	regIOCONinBank1 = 0x05 // where IOCON is if somebody set BANK; GPINTENB else
)

// ioconValue: both interrupt pins tell of both ports (MIRROR), and pull to
// ground only (ODR). BANK and SEQOP stay 0: pairs, and the address advances.
const ioconValue = 0x40 | 0x04

// Lines is how many a chip has.
const Lines = 16

// Times where the configuration gives none.
const (
	DefaultPoll = 25 * time.Millisecond // of the inputs, without an interrupt line
	Verify      = time.Second           // of all registers
)

// Errors of a chip.
var (
	// ErrReset: its registers are those after power-up.
	ErrReset = errors.New("the chip was reset (its supply?)")
	// ErrAltered: its registers are not what was written.
	ErrAltered = errors.New("the chip does not hold what was written")
	// ErrOutputOnly: GPA7 and GPB7 may disturb the bus as inputs
	// (DS20001952D, table 1-1: outputs only).
	ErrOutputOnly = errors.New("lines 7 and 15 are outputs only")
)

// CanBeInput says whether the data sheet allows a line to be an input.
func CanBeInput(line int) bool { return line != 7 && line != 15 }

// Config describes a chip.
type Config struct {
	Name      string        // for errors, "a"
	Bus       *Bus          // shared
	Address   int           // 0x20 to 0x27
	Registry  string        // what its lines' names begin with: "berlin-1/a" makes "berlin-1/a.0" to "berlin-1/a.15"
	Interrupt string        // a line in gpioreg that INTA or INTB is connected to; "": inputs are polled
	Poll      time.Duration // of the inputs, without an interrupt line; 0 means DefaultPoll
}

// Chip is one expander.
type Chip struct {
	cfg  Config
	name string
	pins [Lines]*pin

	mu       sync.Mutex // guards what follows, and is held while exchanging
	w, r     [registers + 1]byte
	outputs  uint16 // lines that were made one, and so on
	inputs   uint16
	edges    uint16 // inputs of which edges are told
	pulled   uint16 // inputs with a pull-up
	rest     uint16 // outputs: the level that they were first given
	latch    uint16 // outputs: what they are to have now
	ready    bool   // the chip is set up, and held it when it was last read
	want     image  // what its registers are to be
	seen     image  // what they were
	seenAt   time.Time
	levels   uint16 // of the inputs, as last read
	known    bool   // that they were read at all
	untold   error  // trouble that Watch has not told yet
	failed   error  // the last
	failedAt time.Time
}

// Register puts the chip's lines into gpioreg. It asks nothing of the chip,
// which need not be there yet.
func Register(cfg Config) (*Chip, error) {
	c := &Chip{cfg: cfg, name: fmt.Sprintf("expander %q", cfg.Name)}
	switch {
	case cfg.Bus == nil:
		return nil, fmt.Errorf("%s: no bus named", c.name)
	case cfg.Address < 0x20 || cfg.Address > 0x27:
		return nil, fmt.Errorf("%s: address %#x is outside 0x20 to 0x27", c.name, cfg.Address)
	case cfg.Registry == "":
		return nil, fmt.Errorf("%s: no name for its lines", c.name)
	}
	c.name = fmt.Sprintf("expander %q (%s, %#x)", cfg.Name, cfg.Bus.Name(), cfg.Address)
	if c.cfg.Poll <= 0 {
		c.cfg.Poll = DefaultPoll
	}
	for i := range c.pins {
		p := &pin{chip: c, line: i, name: LineName(cfg.Registry, i), changed: make(chan struct{}, 1)}
		if err := gpioreg.Register(p); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", c.name, err), c.Close())
		}
		c.pins[i] = p
	}
	return c, nil
}

// LineName is a line's name in gpioreg.
func LineName(registry string, line int) string { return fmt.Sprintf("%s.%d", registry, line) }

// Name says which part this is, for errors.
func (c *Chip) Name() string { return c.name }

// Close takes the lines out of the registry. The chip goes on driving what it
// drives: whoever has locks on it closes them first.
func (c *Chip) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for i, p := range c.pins {
		if p != nil {
			errs = append(errs, gpioreg.Unregister(p.name))
			c.pins[i] = nil
		}
	}
	return errors.Join(errs...)
}

// image is what is in a chip's registers.
type image [registers]byte

func (m *image) pair(register int) uint16 {
	return uint16(m[register]) | uint16(m[register+1])<<8
}

func (m *image) set(register int, pair uint16) {
	m[register], m[register+1] = byte(pair), byte(pair>>8)
}

// compared are the registers that are as they were written until somebody
// writes them again.
var compared = map[int]string{
	regIODIR: "IODIR", regIPOL: "IPOL", regGPINTEN: "GPINTEN", regINTCON: "INTCON",
	regIOCON: "IOCON", regGPPU: "GPPU", regOLAT: "OLAT",
}

// afterReset says whether the registers are those after power-up (table 3-2),
// but for a latch that was written since: IOCON is never 0 in what we want.
func (m *image) afterReset() bool {
	return m.pair(regIOCON) == 0 && m.pair(regIODIR) == 0xFFFF
}

// differs returns nil if a chip holds what is wanted.
func (m *image) differs(want *image) error {
	if m.afterReset() {
		return ErrReset
	}
	for _, register := range []int{regIODIR, regOLAT, regIPOL, regGPINTEN, regINTCON, regIOCON, regGPPU} {
		if is, wanted := m.pair(register), want.pair(register); is != wanted {
			return fmt.Errorf("%w: %s is %04x, wanted %04x", ErrAltered, compared[register], is, wanted)
		}
	}
	return nil
}
