package zfm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"time"
)

// Confirmation codes of an answer that mean something to this package.
const (
	CodeOK       byte = 0x00
	codeDamaged  byte = 0x01 // the command arrived damaged
	CodeNoFinger byte = 0x02
	CodeFailed   byte = 0x03 // the finger could not be pictured
	CodeMessy    byte = 0x06
	CodeTooFew   byte = 0x07
	CodeNoUpload byte = 0x0F // the image cannot be sent
	CodePassword byte = 0x13
	CodeNoImage  byte = 0x15 // there is no valid image in the buffer
)

// AnswerError is an answer of the module other than "ok". It unwraps to
// ErrNoFinger or ErrMessy where it means that.
type AnswerError struct {
	Instruction byte
	Code        byte
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: the module answers %02x: %s", instruction(e.Instruction), e.Code, meaning(e.Code))
}

// Unwrap gives the sentinel that a caller can act on, or nil.
func (e *AnswerError) Unwrap() error {
	switch e.Code {
	case CodeNoFinger:
		return ErrNoFinger
	case CodeFailed, CodeMessy, CodeTooFew, CodeNoImage:
		return ErrMessy
	}
	return nil
}

func instruction(b byte) string {
	switch b {
	case GenImg:
		return "take a picture"
	case UpImage:
		return "send the picture"
	case RdParam:
		return "read the parameters"
	case RdInfo:
		return "read the product information"
	case VfyPwd:
		return "verify the password"
	}
	return fmt.Sprintf("instruction %02x", b)
}

func meaning(code byte) string {
	switch code {
	case codeDamaged:
		return "it received a damaged packet"
	case CodeNoFinger:
		return ErrNoFinger.Error()
	case CodeFailed:
		return "the finger could not be pictured"
	case CodeMessy:
		return "the picture is too messy"
	case CodeTooFew:
		return "the picture has too few features"
	case CodeNoUpload:
		return "the picture cannot be sent"
	case CodePassword:
		return "wrong password"
	case CodeNoImage:
		return "there is no picture"
	case 0x1D:
		return "the sensor is broken"
	case 0x20:
		return "wrong address"
	}
	return "unknown code"
}

// verify sends the password, which every module wants first.
func (r *Reader) verify() error {
	var password [4]byte
	binary.BigEndian.PutUint32(password[:], r.cfg.Password)
	return r.command(VfyPwd, password[:]...)
}

// await takes pictures until there is a finger on one.
func (r *Reader) await() error {
	looked := false // and saw none
	for {
		err := r.command(GenImg)
		switch {
		case errors.Is(err, ErrNoFinger):
			looked, r.looks = true, 0
		case err == nil:
			r.looks = 0
			return nil
		case looked && r.ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ErrNoFinger, err)
		default:
			return err
		}
		pause := time.NewTimer(fingerPause)
		select {
		case <-pause.C:
		case <-r.ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w: %w", ErrNoFinger, r.ctx.Err())
		}
	}
}

// command sends an instruction and reads its answer.
func (r *Reader) command(instr byte, args ...byte) error {
	if err := r.say(instr, args...); err != nil {
		return err
	}
	answer, err := r.answer(instr)
	if err != nil {
		return err
	}
	if code := answer.Payload[0]; code != CodeOK {
		return &AnswerError{Instruction: instr, Code: code}
	}
	return nil
}

// resync finds the way back after an exchange that failed: an answer names no
// question, so that the line must be known to hold no old one. RdParam's answer
// has a length that no other has; what comes before it is of the past.
func (r *Reader) resync() error {
	if err := r.say(RdParam); err != nil {
		return err
	}
	for {
		answer, err := r.answer(RdParam)
		if err != nil {
			return err
		}
		if len(answer.Payload) == 1+ParamLength {
			return nil
		}
	}
}

// say sends an instruction.
func (r *Reader) say(instr byte, args ...byte) error {
	out, err := Packet{Address: r.cfg.Address, Kind: Command, Payload: append([]byte{instr}, args...)}.AppendTo(nil)
	if err != nil {
		return fmt.Errorf("%s: %w", instruction(instr), err)
	}
	if _, err := r.port.Write(out); err != nil {
		return fmt.Errorf("%s: write: %w: %w", instruction(instr), ErrUnplugged, err)
	}
	r.deadline = time.Now().Add(answerLimit)
	return nil
}

// answer reads the next one. What is left of a picture that was broken off, and
// noise, come before it and are passed over.
func (r *Reader) answer(instr byte) (Packet, error) {
	var noise error
	for {
		answer, err := r.decoder.Next()
		switch {
		case errors.Is(err, ErrChecksum), errors.Is(err, ErrLength):
			noise = err
		case err != nil:
			return Packet{}, fmt.Errorf("%s: read the answer: %w", instruction(instr), errors.Join(err, noise))
		case answer.Kind == Data || answer.Kind == End:
		case answer.Kind != Ack || len(answer.Payload) == 0:
			return Packet{}, fmt.Errorf("%s: %w: a packet of kind %02x with %d bytes instead of an answer",
				instruction(instr), errSequence, byte(answer.Kind), len(answer.Payload))
		case answer.Address != r.cfg.Address:
			return Packet{}, fmt.Errorf("%s: the module at address %08x answers instead of %08x",
				instruction(instr), answer.Address, r.cfg.Address)
		default:
			return answer, nil
		}
	}
}

// upload fetches the picture from the module's buffer.
func (r *Reader) upload() (*image.Gray, error) {
	if err := r.command(UpImage); err != nil {
		return nil, err
	}
	limit := time.Now().Add(imageLimit)
	expected := r.size.bytes()
	if expected == 0 {
		expected = largest.bytes()
	}
	packed := make([]byte, 0, expected)
	for {
		r.deadline = time.Now().Add(gapLimit)
		if r.deadline.After(limit) {
			r.deadline = limit
		}
		p, err := r.decoder.Next()
		if err != nil {
			return nil, fmt.Errorf("picture broken off after %d of %d bytes: %w", len(packed), expected, err)
		}
		if p.Kind != Data && p.Kind != End {
			return nil, fmt.Errorf("picture broken off after %d of %d bytes: %w: a packet of kind %02x", len(packed), expected, errSequence, byte(p.Kind))
		}
		if len(packed)+len(p.Payload) > expected {
			return nil, fmt.Errorf("%w: picture of more than %d bytes: this driver knows %s", errSequence, expected, knownSizes())
		}
		packed = append(packed, p.Payload...)
		if p.Kind == End {
			return r.whole(packed)
		}
	}
}

// whole makes an image of a transfer, and remembers the module's size.
func (r *Reader) whole(packed []byte) (*image.Gray, error) {
	img, err := Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSequence, err)
	}
	size := Size{img.Rect.Dx(), img.Rect.Dy()}
	if r.size != (Size{}) && size != r.size {
		return nil, fmt.Errorf("%w: picture of %v from a module that sends %v", errSequence, size, r.size)
	}
	r.size, r.uploads = size, 0
	return img, nil
}

// Unpack makes an image of what UpImage sends: row by row, two pixels a byte,
// the left one in the upper four bits; 0 is black. It fails if the length is
// not that of a size that the driver knows.
func Unpack(packed []byte) (*image.Gray, error) {
	size, ok := sizeOf(len(packed))
	if !ok {
		return nil, fmt.Errorf("picture of %d bytes: this driver knows %s", len(packed), knownSizes())
	}
	img := image.NewGray(image.Rect(0, 0, size.Width, size.Height))
	for i, b := range packed {
		img.Pix[2*i] = b >> 4 * 17 // 15 becomes 255
		img.Pix[2*i+1] = b & 15 * 17
	}
	return img, nil
}

// Pack is the inverse of Unpack, to the nearest of 16 shades. It fails if the
// image has another size.
func Pack(img *image.Gray) ([]byte, error) {
	size := Size{img.Bounds().Dx(), img.Bounds().Dy()}
	if known, ok := sizeOf(size.bytes()); !ok || known != size {
		return nil, fmt.Errorf("picture of %v pixels: this driver knows %s", size, knownSizes())
	}
	packed := make([]byte, size.bytes())
	origin := img.Bounds().Min
	for i := range packed {
		at := img.PixOffset(origin.X+2*i%size.Width, origin.Y+2*i/size.Width)
		packed[i] = shade(img.Pix[at])<<4 | shade(img.Pix[at+1])
	}
	return packed, nil
}

func shade(v byte) byte { return byte((int(v) + 8) / 17) }
