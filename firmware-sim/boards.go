package firmwaresim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Functions of MODBUS Application Protocol V1.1b3 that a board knows.
const (
	readCoils      = 0x01
	readInputs     = 0x02
	readRegisters  = 0x03
	writeCoil      = 0x05
	writeRegister  = 0x06
	writeCoils     = 0x0F
	exceptionFlag  = 0x80
	broadcast      = 0 // unit id that all boards obey and none answers
	maxRead        = 2000
	maxWrite       = 1968
	maxUnit        = 247
	smallestFrame  = 4   // unit, function, CRC
	largestFrame   = 256 // MODBUS over Serial Line V1.02, 2.3
	frameSilence   = 5 * time.Millisecond
	sizeReadFrame  = 8 // unit, function, address, count or value, CRC
	sizeWriteFrame = 9 // the same and a byte count, without the data
)

// exception is an answer that says why not.
type exception byte

const (
	illegalFunction exception = 1
	illegalAddress  exception = 2
	illegalValue    exception = 3
	deviceFailure   exception = 4
)

// Trouble is what may be wrong with a board.
type Trouble int

// The troubles. Silent boards have no power; a Stranger answers under another
// board's id; a Garbled one's answers are damaged on the way; one with
// StuckRelays answers every write with "device failure"; one that HoldsOn
// does so when it is to switch a coil off, one that Clings acknowledges it and
// keeps the coil on all the same; a Flickering one's inputs show something else
// at each reading; a Late one answers rightly, after Lateness; a Blind one does
// not know how to read its coils.
const (
	NoTrouble Trouble = iota
	Silent
	Stranger
	Garbled
	StuckRelays
	HoldsOn
	Flickering
	Clings
	Late
	Blind
	SilentToCoils
)

// DefaultLateness is how late a Late board answers, unless SetLateness says
// otherwise.
const DefaultLateness = 170 * time.Millisecond

// Boards are relay and input boards on one Modbus RTU line. Board 1 has the
// first compartments of the wall, and so on: its coil 0 is the lock of its
// first compartment, its input 0 is on while that door's contact shows open; the
// compartments' lights are the coils behind those of its locks. One board more
// has the sensors and the heater.
type Boards struct {
	wall     *Wall
	perBoard int

	mu      sync.Mutex
	trouble map[byte]Trouble
	once    map[byte]Trouble // for one request
	flicker bool
	late    time.Duration
	asked   int
	flashes map[place]int // counts, so that an old timer ends no new flash
}

// place is a relay of a board.
type place struct {
	unit    byte
	address int
}

// NewBoards returns as many boards as the wall's compartments need.
func NewBoards(wall *Wall, perBoard int) (*Boards, error) {
	if perBoard < 1 || perBoard > 64 {
		return nil, fmt.Errorf("boards for %d compartments each: 1 to 64 can be built", perBoard)
	}
	b := &Boards{wall: wall, perBoard: perBoard, trouble: make(map[byte]Trouble), once: make(map[byte]Trouble), flashes: make(map[place]int), late: DefaultLateness}
	if b.Count() >= maxUnit { // one more is for the sensors
		return nil, fmt.Errorf("%d boards: a line holds %d", b.Count(), maxUnit)
	}
	return b, nil
}

// Count says how many boards there are; their unit ids start at 1.
func (b *Boards) Count() int {
	return (b.wall.Compartments() + b.perBoard - 1) / b.perBoard
}

// Address returns the unit id, and the address of coil and input on it, of a
// compartment.
func (b *Boards) Address(compartment int) (unit byte, address uint16) {
	return byte((compartment-1)/b.perBoard + 1), uint16((compartment - 1) % b.perBoard)
}

// Trouble gives a board a trouble, or takes it away with NoTrouble.
func (b *Boards) Trouble(unit byte, t Trouble) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[unit] = t
}

// TroubleOnce gives a board a trouble for the next request to it alone.
func (b *Boards) TroubleOnce(unit byte, t Trouble) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.once[unit] = t
}

// SetLateness sets how late the Late boards answer.
func (b *Boards) SetLateness(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.late = d
}

// Requests says how many frames that were sound came to a board that is there.
func (b *Boards) Requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// lateness is how long the board that a frame is for takes to answer.
func (b *Boards) lateness(frame []byte) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(frame) == 0 || b.trouble[frame[0]] != Late {
		return 0
	}
	return b.late
}

// Energise switches a lock's coil by itself, as a board's own key or a second
// master does.
func (b *Boards) Energise(compartment int, on bool) error {
	return b.wall.setCoil(compartment, on)
}

func (b *Boards) troubleOf(unit byte) Trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trouble[unit]
}

// flickers says whether this reading of a board's inputs is wrong.
func (b *Boards) flickers(unit byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trouble[unit] != Flickering {
		return false
	}
	b.flicker = !b.flicker
	return b.flicker
}

// Serve answers the frames that come over line until reading fails, and
// returns that error. A frame ends where its function says, or with silence.
func (b *Boards) Serve(line interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
}) error {
	var buf [largestFrame]byte
	n := 0
	for {
		deadline := time.Time{}
		if n > 0 {
			deadline = time.Now().Add(frameSilence)
		}
		if err := line.SetReadDeadline(deadline); err != nil {
			return err
		}
		got, err := line.Read(buf[n:])
		n += got
		silent := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !silent {
			return err
		}
		if !silent && n < len(buf) && !complete(buf[:n]) {
			continue
		}
		answer, late := b.Answer(buf[:n]), b.lateness(buf[:n])
		n = 0
		if len(answer) == 0 {
			continue
		}
		if late > 0 { // meanwhile the others have the line
			time.AfterFunc(late, func() { _, _ = line.Write(answer) }) // to a line that may be gone
			continue
		}
		if _, err := line.Write(answer); err != nil {
			return err
		}
	}
}

// complete says whether the frame has the length of its function.
func complete(frame []byte) bool {
	if len(frame) < 2 {
		return false
	}
	switch frame[1] {
	case readCoils, readInputs, readRegisters, writeCoil, writeRegister:
		return len(frame) >= sizeReadFrame
	case writeCoils:
		return len(frame) >= sizeWriteFrame && len(frame) >= sizeWriteFrame+int(frame[6])
	}
	return false
}

// Answer returns what the boards put on the line after a frame: nothing if it
// is damaged, is for nobody here, or is for everybody.
func (b *Boards) Answer(frame []byte) []byte {
	if len(frame) < smallestFrame || len(frame) > largestFrame {
		return nil
	}
	body := frame[:len(frame)-2]
	if binary.LittleEndian.Uint16(frame[len(body):]) != crc16(body) {
		return nil
	}
	unit := body[0]
	if unit == broadcast {
		for u := 1; u <= b.Count()+1; u++ {
			if b.troubleOf(byte(u)) != Silent {
				_, _ = b.perform(byte(u), body[1:]) // a broadcast is not answered
			}
		}
		return nil
	}
	trouble := b.troubleOf(unit)
	b.mu.Lock()
	b.asked++
	if once, ok := b.once[unit]; ok {
		trouble = once
		delete(b.once, unit)
	}
	b.mu.Unlock()
	if unit > b.SensorBoard() || trouble == Silent || trouble == SilentToCoils && body[1] == readCoils {
		return nil
	}
	data, refused := b.perform(unit, body[1:])
	answer := []byte{unit, body[1]}
	if refused != 0 {
		answer[1] |= exceptionFlag
		data = []byte{byte(refused)}
	}
	answer = append(answer, data...)
	if trouble == Stranger {
		answer[0] = unit%maxUnit + 1
	}
	answer = binary.LittleEndian.AppendUint16(answer, crc16(answer))
	if trouble == Garbled {
		answer[len(answer)/2] ^= 0x10
	}
	return answer
}

// perform does what a request (function and data) asks of a board.
func (b *Boards) perform(unit byte, request []byte) ([]byte, exception) {
	data := request[1:]
	switch request[0] {
	case readCoils, readInputs:
		if request[0] == readCoils && b.troubleOf(unit) == Blind {
			return nil, illegalFunction
		}
		return b.read(unit, request[0], data)
	case writeCoil:
		return b.write(unit, data)
	case writeRegister:
		return b.command(unit, data)
	case readRegisters:
		return b.states(unit, data)
	case writeCoils:
		return b.writeMany(unit, data)
	}
	return nil, illegalFunction
}

// compartment returns the one at an address of a board, or false.
func (b *Boards) compartment(unit byte, address int) (int, bool) {
	n := (int(unit)-1)*b.perBoard + address + 1
	return n, address < b.perBoard && n <= b.wall.Compartments()
}

func (b *Boards) read(unit, function byte, data []byte) ([]byte, exception) {
	if len(data) != 4 {
		return nil, illegalValue
	}
	first, count := int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))
	if count < 1 || count > maxRead {
		return nil, illegalValue
	}
	wrong := function == readInputs && b.flickers(unit)
	bits := make([]byte, 1+(count+7)/8)
	bits[0] = byte(len(bits) - 1)
	for i := range count {
		on, refused := b.bit(unit, function, first+i)
		if refused != 0 {
			return nil, refused
		}
		if on != wrong {
			bits[1+i/8] |= 1 << (i % 8)
		}
	}
	return bits, 0
}

func (b *Boards) write(unit byte, data []byte) ([]byte, exception) {
	if len(data) != 4 {
		return nil, illegalValue
	}
	address, value := int(binary.BigEndian.Uint16(data)), binary.BigEndian.Uint16(data[2:])
	if address >= flashBase && address < flashBase+maxWrite {
		return data, b.flash(place{unit, address - flashBase}, time.Duration(value)*100*time.Millisecond)
	}
	if value != 0 && value != 0xFF00 {
		return nil, illegalValue
	}
	if refused := b.set(unit, address, value != 0); refused != 0 {
		return nil, refused
	}
	return data, 0
}

func (b *Boards) writeMany(unit byte, data []byte) ([]byte, exception) {
	if len(data) < 5 {
		return nil, illegalValue
	}
	first, count := int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))
	bits := data[5:]
	if count < 1 || count > maxWrite || int(data[4]) != (count+7)/8 || len(bits) != int(data[4]) {
		return nil, illegalValue
	}
	if _, refused := b.bit(unit, readCoils, first+count-1); refused != 0 {
		return nil, refused
	}
	for i := range count {
		if refused := b.set(unit, first+i, bits[i/8]>>(i%8)&1 == 1); refused != 0 {
			return nil, refused
		}
	}
	return data[:4], 0
}

func (b *Boards) set(unit byte, address int, on bool) exception {
	trouble := b.troubleOf(unit)
	if trouble == Clings && !on {
		return 0
	}
	if trouble == StuckRelays || trouble == HoldsOn && !on {
		return deviceFailure
	}
	return b.setBit(unit, address, on)
}

// crc16 is the check of MODBUS over Serial Line V1.02, 6.2.2: polynomial A001,
// bits reversed, starting at FFFF, sent low byte first.
func crc16(b []byte) uint16 {
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
