package firmwaresim

import (
	"sync"
)

// Registers of an MCP23017 (DS20001952D, table 3-2) with IOCON.BANK = 0: those
// of port A, each followed by port B's.
const (
	regIODIR   = 0x00
	regIPOL    = 0x02
	regGPINTEN = 0x04
	regDEFVAL  = 0x06
	regINTCON  = 0x08
	regIOCON   = 0x0A
	regGPPU    = 0x0C
	regINTF    = 0x0E
	regINTCAP  = 0x10
	regGPIO    = 0x12
	regOLAT    = 0x14
	regCount   = 0x16

	bitBANK  = 0x80 // of IOCON: the ports' registers lie apart
	bitSEQOP = 0x20 // the address does not advance
)

// expanderPins is what a chip's lines are connected to.
type expanderPins interface {
	// drive is called when what a line drives changes: high or low, or nothing.
	drive(line int, driven, level bool)
	// level is what is on the wire of a line that the chip does not drive.
	level(line int, pullUp bool) bool
}

// Expander is an MCP23017 at the level of its registers.
type Expander struct {
	pins expanderPins

	mu      sync.Mutex
	regs    [regCount]byte // as with BANK = 0
	pointer byte
	before  [2]byte          // levels that a change is compared with
	stuck   map[byte][2]byte // register: bits that are stuck at 0 and at 1
	absent  bool
	writes  []byte // the registers that were written, in order
}

func newExpander(pins expanderPins) *Expander {
	e := &Expander{pins: pins, stuck: map[byte][2]byte{}}
	e.clear()
	return e
}

// clear is what power-up does.
func (e *Expander) clear() {
	e.regs = [regCount]byte{regIODIR: 0xFF, regIODIR + 1: 0xFF}
	e.pointer = 0
}

// Reset is a dip of the chip's supply: every register is as after power-up,
// and every line an input.
func (e *Expander) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.drives()
	e.clear()
	e.tell(was)
}

// SetAbsent takes the chip off the bus, and its power, or puts it back.
func (e *Expander) SetAbsent(absent bool) {
	if absent {
		e.Reset()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.absent = absent
}

// Stick makes bits of a register (numbered as with BANK = 0) stay at 0 or 1
// whatever is written; with neither they work again.
func (e *Expander) Stick(register, low, high byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stuck[register] = [2]byte{low, high}
}

// Register reads a register, numbered as with BANK = 0, as a logic probe would.
func (e *Expander) Register(register byte) byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peek(register)
}

// Poke sets one, as a spark would.
func (e *Expander) Poke(register, value byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.drives()
	e.regs[register] = value
	e.tell(was)
}

// Written returns the registers that were written since it was last called, in
// order, and numbered as with BANK = 0.
func (e *Expander) Written() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.writes
	e.writes = nil
	return w
}

// transfer is one message each way; false is no acknowledgement.
func (e *Expander) transfer(w, r []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.absent {
		return false
	}
	if len(w) > 0 {
		e.pointer = w[0]
		for _, v := range w[1:] {
			e.write(e.place(e.pointer), v)
			e.advance()
		}
	}
	for i := range r {
		r[i] = e.read(e.place(e.pointer))
		e.advance()
	}
	return true
}

// noRegister is the place of an address that has none.
const noRegister = 0xFF

// place turns an address into the register's number with BANK = 0.
func (e *Expander) place(address byte) byte {
	switch {
	case e.regs[regIOCON]&bitBANK == 0 && address < regCount:
		return address
	case e.regs[regIOCON]&bitBANK != 0 && address < 0x0B:
		return 2 * address
	case e.regs[regIOCON]&bitBANK != 0 && address >= 0x10 && address < 0x1B:
		return 2*(address-0x10) + 1
	}
	return noRegister
}

// advance moves the address on (3.2.1): to the next, or, without sequence, to
// the other port's and back.
func (e *Expander) advance() {
	bank, sequence := e.regs[regIOCON]&bitBANK != 0, e.regs[regIOCON]&bitSEQOP == 0
	switch {
	case !sequence && !bank:
		e.pointer ^= 1
	case !sequence:
	case !bank:
		e.pointer = (e.pointer + 1) % regCount
	case e.pointer == 0x0A:
		e.pointer = 0x10
	case e.pointer == 0x1A:
		e.pointer = 0
	default:
		e.pointer++
	}
}

func (e *Expander) write(register, v byte) {
	if register == noRegister {
		return
	}
	was := e.drives()
	e.writes = append(e.writes, register)
	if s, ok := e.stuck[register]; ok {
		v = v&^s[0] | s[1]
	}
	switch register &^ 1 {
	case regINTF, regINTCAP: // read only
	case regIOCON:
		e.regs[regIOCON], e.regs[regIOCON+1] = v, v
	case regGPIO:
		e.regs[regOLAT|register&1] = v
	default:
		e.regs[register] = v
	}
	e.tell(was)
}

// read reads a register; of the levels, that ends an interrupt.
func (e *Expander) read(register byte) byte {
	if register == noRegister {
		return 0xFF
	}
	v := e.peek(register)
	if pair := register &^ 1; pair == regGPIO || pair == regINTCAP {
		port := register & 1
		e.interrupt()
		e.regs[regINTF+port] = 0
		e.before[port] = e.peek(regGPIO + port)
	}
	return v
}

func (e *Expander) peek(register byte) byte {
	if register&^1 != regGPIO {
		return e.regs[register]
	}
	port := register & 1
	dir, latch := e.regs[regIODIR+port], e.regs[regOLAT+port]
	var levels byte
	for bit := range 8 {
		mask := byte(1) << bit
		on := latch&mask != 0
		if dir&mask != 0 {
			on = e.pins.level(int(port)*8+bit, e.regs[regGPPU+port]&mask != 0) != (e.regs[regIPOL+port]&mask != 0)
		}
		if on {
			levels |= mask
		}
	}
	return levels
}

// interrupt raises the flags of enabled lines that changed, or that differ from
// DEFVAL where INTCON says so, and reports whether any is raised.
func (e *Expander) interrupt() bool {
	for port := range byte(2) {
		levels := e.peek(regGPIO + port)
		against := e.regs[regINTCON+port]
		changed := (levels^e.before[port])&^against | (levels^e.regs[regDEFVAL+port])&against
		if raised := changed & e.regs[regGPINTEN+port] & e.regs[regIODIR+port]; raised != 0 && e.regs[regINTF+port] == 0 {
			e.regs[regINTF+port], e.regs[regINTCAP+port] = raised, levels
		}
	}
	return e.regs[regINTF]|e.regs[regINTF+1] != 0
}

// asserted says whether the chip pulls its interrupt line to ground.
func (e *Expander) asserted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.absent && e.interrupt()
}

// drives is, for each line, what it drives: 0 nothing, 1 low, 2 high.
func (e *Expander) drives() (d [16]byte) {
	for line := range d {
		port, mask := line/8, byte(1)<<(line%8)
		switch {
		case e.regs[regIODIR+port]&mask != 0:
		case e.regs[regOLAT+port]&mask != 0:
			d[line] = 2
		default:
			d[line] = 1
		}
	}
	return d
}

// tell passes on what changed.
func (e *Expander) tell(was [16]byte) {
	now := e.drives()
	for line := range now {
		if now[line] != was[line] {
			e.pins.drive(line, now[line] != 0, now[line] == 2)
		}
	}
}
