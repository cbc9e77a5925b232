package firmwaresim

import (
	"encoding/binary"
	"time"
)

// The boards' timed pulses: "flash on" is a write of a coil at flashBase + its
// address with a time in tenths of a second. The command register of a relay,
// counted from 1, takes on, off and "momentary", which is one second.
const (
	flashBase        = 0x0200
	commandOn        = 0x0100
	commandOff       = 0x0200
	commandMomentary = 0x0500
	momentary        = time.Second
)

// flash switches a relay on, and off again when the time is over.
func (b *Boards) flash(at place, length time.Duration) exception {
	if length <= 0 {
		return illegalValue
	}
	if refused := b.set(at.unit, at.address, true); refused != 0 {
		return refused
	}
	b.mu.Lock()
	b.flashes[at]++
	flash := b.flashes[at]
	b.mu.Unlock()
	b.wall.clock.AfterFunc(length, func() {
		b.mu.Lock()
		ended := b.flashes[at] == flash
		b.mu.Unlock()
		if ended {
			_ = b.set(at.unit, at.address, false) // the relay is there: it was switched on
		}
	})
	return 0
}

// command writes a relay's command register.
func (b *Boards) command(unit byte, data []byte) ([]byte, exception) {
	if len(data) != 4 {
		return nil, illegalValue
	}
	at := place{unit, int(binary.BigEndian.Uint16(data)) - 1}
	if at.address < 0 {
		return nil, illegalAddress
	}
	switch binary.BigEndian.Uint16(data[2:]) {
	case commandOn:
		return data, b.set(unit, at.address, true)
	case commandOff:
		return data, b.set(unit, at.address, false)
	case commandMomentary:
		return data, b.flash(at, momentary)
	}
	return nil, illegalValue
}

// states reads relays' registers: 1 is on.
func (b *Boards) states(unit byte, data []byte) ([]byte, exception) {
	if len(data) != 4 {
		return nil, illegalValue
	}
	first, count := int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))
	if count < 1 || count > 125 {
		return nil, illegalValue
	}
	if first < 1 {
		return nil, illegalAddress
	}
	values := []byte{byte(2 * count)}
	for i := range count {
		on, refused := b.bit(unit, readCoils, first-1+i)
		if refused != 0 {
			return nil, refused
		}
		state := uint16(0)
		if on {
			state = 1
		}
		values = binary.BigEndian.AppendUint16(values, state)
	}
	return values, 0
}
