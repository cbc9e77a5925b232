package zfm

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Size is that of a module's pictures in pixels.
type Size struct{ Width, Height int }

// sizes are the sizes that the driver takes, with the modules that send them. The
// number of bytes of a transfer tells which it is.
var sizes = []struct {
	Size
	modules string
}{
	{Size{Width, Height}, "ZFM-20, R30x, AS608"},
	{Size{192, 192}, "R502, R503"},
}

// largest is the size of the longest transfer.
var largest = Size{Width, Height}

func (s Size) String() string { return fmt.Sprintf("%d × %d", s.Width, s.Height) }

// bytes is the length of a transfer of this size.
func (s Size) bytes() int { return s.Width * s.Height / 2 }

// Small says that a picture shows too little of a finger for a reliable
// comparison: at 192 × 192 pixels and a false match rate of 0.1 %, the false
// non-match rate on FVC's images rises from 15 to 46 %.
func (s Size) Small() bool { return s != (Size{}) && (s.Width < Width || s.Height < Height) }

// Warning is a sentence about a size that is too small, and empty for others.
func (s Size) Warning() string {
	if !s.Small() {
		return ""
	}
	return fmt.Sprintf("takes pictures of %v pixels, which are too small: about every second right finger is refused; use a module with %d × %d", s, Width, Height)
}

func sizeOf(bytes int) (Size, bool) {
	for _, s := range sizes {
		if s.bytes() == bytes {
			return s.Size, true
		}
	}
	return Size{}, false
}

func knownSizes() string {
	var known []string
	for _, s := range sizes {
		known = append(known, fmt.Sprintf("%v (%d bytes: %s)", s.Size, s.bytes(), s.modules))
	}
	return strings.Join(known, ", ")
}

// Place of the sensor's size in the product information.
const (
	infoWidth  = 38
	infoHeight = 40
)

// describe asks for the product information. A size that the driver does not
// know is an error: no picture of this module could be read.
func (r *Reader) describe() error {
	if err := r.say(RdInfo); err != nil {
		return err
	}
	answer, err := r.answer(RdInfo)
	if err != nil {
		return err
	}
	if code := answer.Payload[0]; code != CodeOK {
		return &AnswerError{Instruction: RdInfo, Code: code}
	}
	info := answer.Payload[1:]
	if len(info) != InfoLength {
		return nil // another maker's: the first picture tells
	}
	size := Size{int(binary.BigEndian.Uint16(info[infoWidth:])), int(binary.BigEndian.Uint16(info[infoHeight:]))}
	if known, ok := sizeOf(size.bytes()); !ok || known != size {
		return fmt.Errorf("the module's pictures have %v pixels: this driver knows %s", size, knownSizes())
	}
	r.size = size
	return nil
}
