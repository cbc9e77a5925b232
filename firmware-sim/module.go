package firmwaresim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// dataSize is the payload of the module's data packets, as delivered.
const dataSize = 128

// bitsPerByte on a serial line: a start bit, eight, a stop bit.
const bitsPerByte = 10

// Answers of a module that only a wrong driver sees.
const (
	codeDamaged  = 0x01 // the command packet was damaged
	codeUnproved = 0x21 // the password has not been verified
)

// Module is a fingerprint module of the R30x family with its default address
// and password 0.
type Module struct {
	clock Clock
	baud  int // 0: as fast as the line
	news  *news

	mu      sync.Mutex
	finger  []byte // what lies on the sensor, as UpImage sends it; nil if nothing
	label   string
	laid    int    // counts, so that an old timer lifts no new finger
	buffer  []byte // the picture taken last
	corrupt int    // data packets from now until one is damaged; 0: none
	cut     int    // data packets from now until the plug is pulled; 0: none
	noise   []byte // comes before each packet
	lifts   bool   // the finger goes with its next picture
	slip    Slip
	slipAt  int // commands from now until the slip happens; 0: never
}

// LiftAfterPicture takes the finger away as soon as its next picture is taken.
func (m *Module) LiftAfterPicture() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lifts = true
}

// Slip is a single fault of the module's line, after which all is well.
type Slip int

// The slips: a command arrives damaged and is answered 01; an answer does not
// come; comes twice; comes when the driver has stopped waiting for it.
const (
	SlipDamaged Slip = iota
	SlipSilent
	SlipTwice
	SlipLate
)

// slipLateness is longer than the driver waits for an answer.
const slipLateness = 2100 * time.Millisecond

// SlipAfter lets one of the commands to come go wrong: 1 means the next.
func (m *Module) SlipAfter(commands int, s Slip) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slip, m.slipAt = s, commands
}

// slips counts a command and says whether it goes wrong, and how.
func (m *Module) slips() (Slip, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.slipAt == 1
	m.slipAt = max(0, m.slipAt-1)
	return m.slip, now
}

// NewModule returns a module with nothing on it. With a baud rate it sends an
// image no faster than a wire of that rate; with 0, as fast as it is read.
func NewModule(clock Clock, baud int) *Module {
	return &Module{clock: clock, baud: baud}
}

// Lay lays a finger on the sensor until Lift, or until the time is over if
// stay is positive. The image should have 500 dpi and dark ridges; its middle
// 256 × 288 pixels are seen, and white around it if it is smaller.
func (m *Module) Lay(img image.Image, label string, stay time.Duration) error {
	if img.Bounds().Empty() {
		return fmt.Errorf("finger %q: the image is empty", label)
	}
	packed, err := zfm.Pack(onSensor(img))
	if err != nil {
		return fmt.Errorf("finger %q: %w", label, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.news.ring()
	m.finger, m.label = packed, label
	m.laid++
	if laid := m.laid; stay > 0 {
		m.clock.AfterFunc(stay, func() { m.lift(laid) })
	}
	return nil
}

// onSensor is the middle of an image in the module's size.
func onSensor(img image.Image) *image.Gray {
	area := image.Rect(0, 0, zfm.Width, zfm.Height)
	seen := image.NewGray(area)
	draw.Draw(seen, area, image.NewUniform(color.White), image.Point{}, draw.Src)
	size := img.Bounds().Size()
	corner := image.Pt((zfm.Width-size.X)/2, (zfm.Height-size.Y)/2)
	draw.Draw(seen, image.Rectangle{Min: corner, Max: corner.Add(size)}, img, img.Bounds().Min, draw.Src)
	return seen
}

// Lift takes the finger away.
func (m *Module) Lift() {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.news.ring()
	m.finger, m.label = nil, ""
	m.laid++
}

func (m *Module) lift(laid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.laid == laid {
		defer m.news.ring()
		m.finger, m.label = nil, ""
	}
}

// Finger returns the label of the finger on the sensor, "" if there is none.
func (m *Module) Finger() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.label
}

// CorruptAfter damages one of the data packets to come: 1 means the next.
func (m *Module) CorruptAfter(packets int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.corrupt = packets
}

// CutAfter ends Serve after so many data packets more, as if the plug were
// pulled: 1 means after the next.
func (m *Module) CutAfter(packets int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = packets
}

// Noise puts bytes on the line before each packet, as a bad cable or a motor
// beside it does; none ends that.
func (m *Module) Noise(bytes []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noise = append([]byte(nil), bytes...)
}

// Serve answers commands that come over line until reading or writing fails,
// and returns that error; it returns nil if CutAfter ended it. Each Serve is a
// power-up: the password must be verified first, and there is no picture.
func (m *Module) Serve(line io.ReadWriter) error {
	m.mu.Lock()
	m.buffer = nil
	m.mu.Unlock()
	commands := zfm.NewDecoder(line)
	proved := false
	for {
		p, err := commands.Next()
		switch {
		case isDamage(err):
			if err := m.answer(line, []byte{codeDamaged}); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case p.Kind != zfm.Command || p.Address != zfm.DefaultAddress || len(p.Payload) == 0:
			continue // not for this module
		}
		slip, slips := m.slips()
		if slips && slip == SlipDamaged {
			if err := m.answer(line, []byte{codeDamaged}); err != nil {
				return err
			}
			continue
		}
		code := m.perform(p.Payload, &proved)
		answer := []byte{code}
		if p.Payload[0] == zfm.RdParam && code == zfm.CodeOK {
			answer = append(answer, make([]byte, zfm.ParamLength)...)
		}
		switch {
		case slips && slip == SlipSilent:
			continue
		case slips && slip == SlipLate:
			time.Sleep(slipLateness)
		case slips && slip == SlipTwice:
			if err := m.answer(line, answer); err != nil {
				return err
			}
		}
		if err := m.answer(line, answer); err != nil {
			return err
		}
		if p.Payload[0] != zfm.UpImage || code != zfm.CodeOK {
			continue
		}
		if cut, err := m.upload(line); cut || err != nil {
			return err
		}
	}
}

// perform does what a command asks, except for sending the picture.
func (m *Module) perform(command []byte, proved *bool) (code byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case command[0] == zfm.VfyPwd:
		*proved = bytes.Equal(command[1:], make([]byte, 4))
		if !*proved {
			return zfm.CodePassword
		}
		return zfm.CodeOK
	case !*proved:
		return codeUnproved
	case command[0] == zfm.RdParam:
		return zfm.CodeOK
	case command[0] == zfm.GenImg && m.finger == nil:
		return zfm.CodeNoFinger
	case command[0] == zfm.GenImg:
		m.buffer = m.finger
		if m.lifts {
			m.lifts, m.finger, m.label = false, nil, ""
			m.laid++
			m.news.ring()
		}
		return zfm.CodeOK
	case command[0] == zfm.UpImage && m.buffer == nil:
		return zfm.CodeNoUpload
	case command[0] == zfm.UpImage:
		return zfm.CodeOK
	}
	return codeDamaged
}

func (m *Module) answer(line io.Writer, payload []byte) error {
	return m.send(line, zfm.Ack, payload, false)
}

// upload sends the picture in data packets. cut means that the plug was pulled.
func (m *Module) upload(line io.Writer) (cut bool, err error) {
	m.mu.Lock()
	picture := m.buffer
	m.mu.Unlock()
	start := m.clock.Now()
	for at := 0; at < len(picture); at += dataSize {
		kind := zfm.Data
		if at+dataSize >= len(picture) {
			kind = zfm.End
		}
		corrupt, cut := m.mischief()
		if err := m.send(line, kind, picture[at:min(at+dataSize, len(picture))], corrupt); err != nil {
			return false, err
		}
		if cut {
			return true, nil
		}
		m.pace(start, at+dataSize)
	}
	return false, nil
}

// mischief counts a data packet and says what happens to it.
func (m *Module) mischief() (corrupt, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	corrupt, cut = m.corrupt == 1, m.cut == 1
	m.corrupt, m.cut = max(0, m.corrupt-1), max(0, m.cut-1)
	return corrupt, cut
}

// pace waits until a wire would have carried so many bytes.
func (m *Module) pace(start time.Time, sent int) {
	if m.baud <= 0 {
		return
	}
	due := start.Add(time.Duration(sent) * bitsPerByte * time.Second / time.Duration(m.baud))
	if wait := due.Sub(m.clock.Now()); wait > 0 {
		time.Sleep(wait)
	}
}

func (m *Module) send(line io.Writer, kind zfm.Kind, payload []byte, corrupt bool) error {
	out, err := zfm.Packet{Address: zfm.DefaultAddress, Kind: kind, Payload: payload}.AppendTo(nil)
	if err != nil {
		return err
	}
	if corrupt {
		sum := out[len(out)-2:]
		binary.BigEndian.PutUint16(sum, ^binary.BigEndian.Uint16(sum))
	}
	m.mu.Lock()
	out = append(append([]byte(nil), m.noise...), out...)
	m.mu.Unlock()
	if _, err := line.Write(out); err != nil {
		return fmt.Errorf("fingerprint module: %w", err)
	}
	return nil
}

// isDamage tells a damaged packet from a failed line.
func isDamage(err error) bool {
	return errors.Is(err, zfm.ErrChecksum) || errors.Is(err, zfm.ErrLength)
}
