package expander

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// fresh is how long a reading of all registers may be used again.
const fresh = 100 * time.Millisecond

// spared is how long a chip that failed is not read again by each of its lines:
// on a bus that hangs, an exchange takes a second. Writing is always tried.
const spared = Verify / 2

// attempts of one exchange: noise on the wire is no lost chip. On a bus that hangs,
// each takes a second.
const attempts = retry.Restarts

// exchange writes and reads; needs mu. The buffers live in the Chip, because
// periph's driver hands their addresses to the kernel as numbers, and a
// goroutine's stack may move meanwhile.
func (c *Chip) exchange(write []byte, read int) ([]byte, error) {
	n := copy(c.w[:], write)
	var err error
	for range attempts {
		if err = c.cfg.Bus.tx(uint16(c.cfg.Address), c.w[:n], c.r[:read]); err == nil { // bounded by Register
			return c.r[:read], nil
		}
	}
	return nil, c.lost(fmt.Errorf("does not answer: %w", err))
}

// lost remembers that the chip is to be set up again, and makes the error of
// it; needs mu.
func (c *Chip) lost(err error) error {
	err = fmt.Errorf("%s: %w", c.name, err)
	c.ready, c.seenAt, c.untold = false, time.Time{}, err
	c.failed, c.failedAt = err, time.Now()
	return err
}

// write writes registers from one on, and nothing is known until the next look.
func (c *Chip) write(register byte, values ...byte) error {
	c.seenAt = time.Time{}
	_, err := c.exchange(append([]byte{register}, values...), 0)
	return err
}

func (c *Chip) writePair(register byte, pair uint16) error {
	return c.write(register, byte(pair), byte(pair>>8))
}

// look reads all registers.
func (c *Chip) look() error {
	got, err := c.exchange([]byte{regIODIR}, registers)
	if err != nil {
		return err
	}
	copy(c.seen[:], got)
	c.seenAt = time.Now()
	c.saw(c.seen.pair(regGPIO))
	return nil
}

// saw tells the inputs that changed.
func (c *Chip) saw(levels uint16) {
	changed := (levels ^ c.levels) & c.inputs & c.edges
	if !c.known {
		changed = 0
	}
	c.levels, c.known = levels, true
	for i, p := range c.pins {
		if changed>>i&1 == 1 && p != nil {
			p.notify()
		}
	}
}

// verify looks, and compares with what is wanted; needs mu.
func (c *Chip) verify() error {
	if err := c.look(); err != nil {
		return err
	}
	if err := c.seen.differs(&c.want); err != nil {
		return c.lost(err)
	}
	return nil
}

// setUp writes the whole configuration, with these levels on the outputs. The
// order is what keeps the locks still: levels, read back, and directions last.
// Lines that are neither input nor output of ours stay as they are.
func (c *Chip) setUp(latch uint16) error {
	if c.ready {
		if err := c.verify(); err != nil { // after a reset, what is on now would be switched on again
			return err
		}
	} else {
		if err := c.write(regIOCONinBank1, 0); err != nil {
			return err
		}
		if err := c.write(regIOCON, ioconValue, ioconValue); err != nil {
			return err
		}
		if err := c.look(); err != nil {
			return err
		}
	}
	if err := c.latchFirst(latch); err != nil {
		return err
	}
	if err := c.write(regIPOL, c.want[regIPOL:regGPPU+2]...); err != nil {
		return err
	}
	c.wantOf(regIODIR, c.outputs, 0)
	c.wantOf(regIODIR, c.inputs, 0xFFFF)
	if err := c.writePair(regIODIR, c.want.pair(regIODIR)); err != nil {
		return err
	}
	if err := c.verify(); err != nil {
		return err
	}
	c.latch, c.ready = latch, true
	return nil
}

// latchFirst makes up what is wanted of all registers but the directions, which
// stay, and puts the levels of the outputs into the latch.
func (c *Chip) latchFirst(latch uint16) error {
	ours := c.outputs | c.inputs
	c.want = c.seen
	c.wantOf(regOLAT, c.outputs, latch)
	c.wantOf(regIPOL, ours, 0)
	c.wantOf(regGPINTEN, ours, c.interrupting())
	c.wantOf(regINTCON, ours, 0) // compared with the level before, and not with DEFVAL
	c.wantOf(regIOCON, 0xFFFF, ioconValue|ioconValue<<8)
	c.wantOf(regGPPU, ours, c.pulled)
	if err := c.writePair(regOLAT, c.want.pair(regOLAT)); err != nil {
		return err
	}
	if err := c.look(); err != nil {
		return err
	}
	if is, wanted := c.seen.pair(regOLAT), c.want.pair(regOLAT); is != wanted {
		return c.lost(fmt.Errorf("%w: OLAT is %04x, wanted %04x; no line was made an output", ErrAltered, is, wanted))
	}
	return nil
}

// wantOf sets the lines in mask of one register pair as wanted.
func (c *Chip) wantOf(register int, mask, bits uint16) {
	c.want.set(register, c.want.pair(register)&^mask|bits&mask)
}

// interrupting are the inputs whose changes are to be told by the chip.
func (c *Chip) interrupting() uint16 {
	if c.cfg.Interrupt == "" {
		return 0
	}
	return c.inputs & c.edges
}

// alive sets the chip up if it is not, with every output at rest; needs mu.
func (c *Chip) alive() error {
	if c.ready {
		return nil
	}
	return c.setUp(c.rest)
}

// out gives a line a level, and makes it an output if it is none.
func (c *Chip) out(line int, level gpio.Level) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bit := uint16(1) << line
	if c.outputs&bit == 0 {
		c.outputs, c.inputs, c.pulled, c.edges = c.outputs|bit, c.inputs&^bit, c.pulled&^bit, c.edges&^bit
		c.rest = with(c.rest, bit, level)
		if !c.ready {
			return c.setUp(c.rest)
		}
		return c.setUp(with(c.latch, bit, level))
	}
	if err := c.alive(); err != nil {
		return err
	}
	latch := with(c.latch, bit, level)
	c.wantOf(regOLAT, c.outputs, latch)
	port := line / 8
	err := c.write(byte(regOLAT+port), c.want[regOLAT+port])
	if err == nil {
		err = c.verify()
	}
	if err != nil {
		if c.rest&bit == latch&bit {
			return c.setUp(c.rest) // which is what was asked for; the trouble is told by Watch
		}
		return err
	}
	c.latch = latch
	return nil
}

func with(levels, bit uint16, level gpio.Level) uint16 {
	if level {
		return levels | bit
	}
	return levels &^ bit
}

// in makes a line an input.
func (c *Chip) in(line int, pullUp, edges bool) error {
	if !CanBeInput(line) {
		return fmt.Errorf("%s: line %d: %w: as inputs they can disturb the bus", c.name, line, ErrOutputOnly)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bit := uint16(1) << line
	c.outputs, c.inputs = c.outputs&^bit, c.inputs|bit
	c.pulled, c.edges = with(c.pulled, bit, gpio.Level(pullUp)), with(c.edges, bit, gpio.Level(edges))
	if !c.ready {
		return c.setUp(c.rest)
	}
	return c.setUp(c.latch)
}

// level reads what is on the wire. Of an output it looks at all registers, so
// that a line that drives nothing any more is not taken for one at rest.
func (c *Chip) level(line int) (gpio.Level, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bit := uint16(1) << line
	if (c.outputs|c.inputs)&bit == 0 {
		return gpio.Low, fmt.Errorf("%s: line %d: neither input nor output yet", c.name, line)
	}
	if !c.ready && time.Since(c.failedAt) < spared {
		return gpio.Low, c.failed
	}
	if err := c.alive(); err != nil {
		return gpio.Low, err
	}
	if c.outputs&bit == 0 {
		if err := c.poll(); err != nil {
			return gpio.Low, err
		}
		return c.levels&bit != 0, nil
	}
	if time.Since(c.seenAt) > fresh {
		if err := c.verify(); err != nil {
			return gpio.Low, err
		}
	}
	return c.seen.pair(regGPIO)&bit != 0, nil
}

// poll reads the levels; needs mu.
func (c *Chip) poll() error {
	got, err := c.exchange([]byte{regGPIO}, 2)
	if err != nil {
		return err
	}
	c.saw(uint16(got[0]) | uint16(got[1])<<8)
	return nil
}
