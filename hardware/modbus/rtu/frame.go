package rtu

import (
	"encoding/binary"
	"fmt"
)

// Functions of MODBUS Application Protocol V1.1b3 that a relay or input board
// is asked for.
const (
	ReadCoils     byte = 0x01
	ReadInputs    byte = 0x02
	ReadRegisters byte = 0x03
	WriteCoil     byte = 0x05
	WriteRegister byte = 0x06

	exceptionFlag byte = 0x80
)

// Bounds of the protocol.
const (
	MaxBits      = 2000 // of one reading of coils or inputs
	MaxRegisters = 125  // of one reading of registers
	maxFrame     = 256  // bytes; MODBUS over Serial Line V1.02, 2.3
	minFrame     = 5    // unit, function, one byte, CRC
)

// Values of a coil that is written.
const (
	On  uint16 = 0xFF00
	Off uint16 = 0x0000
)

// CRC is the check of MODBUS over Serial Line V1.02, 6.2.2: polynomial A001, bits
// reversed, starting at FFFF. It is sent low byte first.
func CRC(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			odd := crc&1 == 1
			crc >>= 1
			if odd {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// request is one question to a board: every function here has an address and one
// more number of 16 bits, a count or a value.
type request struct {
	unit, function byte
	address, value uint16
}

func (q request) frame() []byte {
	b := []byte{q.unit, q.function}
	b = binary.BigEndian.AppendUint16(b, q.address)
	b = binary.BigEndian.AppendUint16(b, q.value)
	return binary.LittleEndian.AppendUint16(b, CRC(b))
}

// dataLength is how many bytes of data an answer to a reading has, or 0 for a
// writing, whose answer repeats the request.
func (q request) dataLength() int {
	switch q.function {
	case ReadCoils, ReadInputs:
		return (int(q.value) + 7) / 8
	case ReadRegisters:
		return 2 * int(q.value)
	}
	return 0
}

// match looks for the answer to a request at the beginning of b. whole says that
// it is there, and data is what the board read; an exception is an error of type
// ExceptionError. A frame of another form, or a damaged one, is no match.
func (q request) match(b []byte) (data []byte, whole bool, err error) {
	if len(b) < minFrame || b[0] != q.unit {
		return nil, false, nil
	}
	switch {
	case b[1] == q.function|exceptionFlag:
		if !sound(b, minFrame) || b[2] == 0 {
			return nil, false, nil
		}
		return nil, true, ExceptionError(b[2])
	case b[1] != q.function:
		return nil, false, nil
	}
	n := q.dataLength()
	if n == 0 {
		frame := q.frame()
		return nil, len(b) >= len(frame) && string(b[:len(frame)]) == string(frame), nil
	}
	if int(b[2]) != n || !sound(b, 3+n+2) {
		return nil, false, nil
	}
	return b[3 : 3+n], true, nil
}

// sound says whether b begins with a frame of this length whose check is right.
func sound(b []byte, length int) bool {
	if len(b) < length {
		return false
	}
	return binary.LittleEndian.Uint16(b[length-2:length]) == CRC(b[:length-2])
}

// find looks for the answer anywhere in b: noise, and the rest of an answer that
// nobody waited for, may stand before it.
func (q request) find(b []byte) (data []byte, whole bool, err error) {
	for at := range b {
		if data, whole, err = q.match(b[at:]); whole {
			return data, true, err
		}
	}
	return nil, false, nil
}

// diagnose says what is wrong with bytes that hold no answer.
func (q request) diagnose(b []byte) error {
	if len(b) == 0 {
		return ErrTimeout
	}
	if len(b) >= minFrame && sound(b, len(b)) {
		if b[0] != q.unit {
			return fmt.Errorf("%w: unit %d instead of %d", ErrUnit, b[0], q.unit)
		}
		return fmt.Errorf("%w: an answer to function %02x instead of %02x", ErrDamaged, b[1], q.function)
	}
	return fmt.Errorf("%w: %d bytes", ErrDamaged, len(b))
}

// bits unpacks a reading of coils or inputs, the lowest bit first.
func bits(data []byte, count uint16) []bool {
	on := make([]bool, count)
	for i := range on {
		on[i] = data[i/8]>>(i%8)&1 == 1
	}
	return on
}
