package zfm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kind is the identifier of a packet.
type Kind byte

// The kinds of packets.
const (
	Command Kind = 0x01
	Data    Kind = 0x02 // more follows
	Ack     Kind = 0x07
	End     Kind = 0x08 // the last data packet
)

// Instructions that this package uses.
const (
	GenImg  byte = 0x01
	UpImage byte = 0x0A
	RdParam byte = 0x0F // its answer has 16 bytes of parameters after the code
	VfyPwd  byte = 0x13
	RdInfo  byte = 0x3C // modules since the R503; its answer has 46 bytes of product information after the code
)

// ParamLength is the length of the parameters that RdParam answers.
const ParamLength = 16

// InfoLength is the length of the product information that RdInfo answers.
const InfoLength = 46

// MaxPayload is the longest payload of a packet in bytes: the module's largest
// data packet setting.
const MaxPayload = 256

// Layout of a packet: header EF01 (2), address (4), kind (1), length (2),
// payload, sum (2). Length counts payload and sum; sum is that of kind, both
// bytes of length, and payload, modulo 65536. All numbers are big-endian.
const (
	header     = 0xEF01
	headLength = 9
	sumLength  = 2
)

// Errors of a Decoder. After them the next packet can be read.
var (
	ErrChecksum = errors.New("wrong checksum")
	ErrLength   = errors.New("impossible length")
)

// Packet is one packet on the wire.
type Packet struct {
	Address uint32 // FFFFFFFF unless the module was given another
	Kind    Kind
	Payload []byte // at most MaxPayload bytes
}

// AppendTo appends the packet as it goes over the wire. It fails if the
// payload is too long.
func (p Packet) AppendTo(b []byte) ([]byte, error) {
	if len(p.Payload) > MaxPayload {
		return b, fmt.Errorf("packet of %d bytes: %w: at most %d", len(p.Payload), ErrLength, MaxPayload)
	}
	b = binary.BigEndian.AppendUint16(b, header)
	b = binary.BigEndian.AppendUint32(b, p.Address)
	start := len(b)
	b = append(b, byte(p.Kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Payload)+sumLength))
	b = append(b, p.Payload...)
	return binary.BigEndian.AppendUint16(b, sum(b[start:])), nil
}

func sum(b []byte) uint16 {
	var s uint16
	for _, v := range b {
		s += uint16(v)
	}
	return s
}

// Decoder reads packets from a stream and skips what is none.
type Decoder struct {
	r   io.Reader
	buf [headLength + MaxPayload + sumLength]byte
	n   int // bytes of buf that have been read and not used
}

// NewDecoder returns a decoder that reads from r no more than the packets
// need, so that a silent line does not hold back a complete packet.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: r}
}

// Next returns the next packet. Noise before a packet is skipped. A packet that
// is damaged gives ErrChecksum or ErrLength; the reading goes on after its
// header then, so that a packet hidden in it is found. Other errors are the
// reader's; io.ErrUnexpectedEOF means that the stream ended inside a packet.
func (d *Decoder) Next() (Packet, error) {
	if err := d.seek(); err != nil {
		return Packet{}, err
	}
	length := int(binary.BigEndian.Uint16(d.buf[7:headLength]))
	if length < sumLength || length > MaxPayload+sumLength {
		d.drop(2)
		return Packet{}, fmt.Errorf("packet of length %d: %w", length, ErrLength)
	}
	whole := headLength + length
	if err := d.fill(whole); err != nil {
		return Packet{}, err
	}
	end := whole - sumLength
	got, want := binary.BigEndian.Uint16(d.buf[end:whole]), sum(d.buf[6:end])
	if got != want {
		d.drop(2)
		return Packet{}, fmt.Errorf("packet: %w: %04x instead of %04x", ErrChecksum, got, want)
	}
	p := Packet{
		Address: binary.BigEndian.Uint32(d.buf[2:6]),
		Kind:    Kind(d.buf[6]),
		Payload: append([]byte(nil), d.buf[headLength:end]...),
	}
	d.drop(whole)
	return p, nil
}

// Reset forgets what has been read and not used.
func (d *Decoder) Reset() { d.n = 0 }

// seek fills the buffer with the head of a packet.
func (d *Decoder) seek() error {
	for {
		if err := d.fill(2); err != nil {
			return err
		}
		if binary.BigEndian.Uint16(d.buf[:2]) == header {
			return d.fill(headLength)
		}
		d.drop(1)
	}
}

// fill reads until the buffer holds n bytes.
func (d *Decoder) fill(n int) error {
	for d.n < n {
		got, err := io.ReadAtLeast(d.r, d.buf[d.n:n], 1)
		d.n += got
		if err != nil {
			if errors.Is(err, io.EOF) && d.n > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// drop removes n bytes from the front of the buffer.
func (d *Decoder) drop(n int) {
	d.n = copy(d.buf[:], d.buf[n:d.n])
}
