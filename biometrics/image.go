package biometrics

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"strconv"
)

// Limits of a picture. A finger's whole print is at most 1.6 × 1.5 inch
// (ANSI/NIST-ITL 1-2011, table 15), so that the sides allow 1000 per inch with
// room around; below 250 per inch ridges run together (ISO/IEC 19794-4:2005,
// table 1, lists no lower one).
const (
	MaxFileBytes = 16 << 20 // bytes read by DecodeImage
	MinSide      = 64       // pixels
	MaxSide      = 2000     // pixels
	MinDPI       = 250
	MaxDPI       = 1200
)

// workingDPI is the resolution everything after image.go works at: 197 pixels
// a centimetre, what an ISO record of 500 per inch says.
const workingDPI = 197 * 2.54

// Errors of pictures. They are wrapped with what was found; the text of each
// says what a person can do.
var (
	ErrImageFormat     = errors.New("not a PNG or PGM picture: save the scan as one of these")
	ErrImageSize       = errors.New("picture has a size that no finger scan has: give one finger, 64 to 2000 pixels a side")
	ErrImageResolution = errors.New("picture has a resolution that shows no ridges: scan with 250 to 1200 pixels an inch, best 500")
	ErrNoFinger        = errors.New("no finger in the picture: lay the finger flat on the middle of the clean sensor and press lightly")
)

// Image is a picture of one finger: 8-bit grey, row after row, 0 = black. A
// ridge is dark.
type Image struct {
	Pix           []byte // Width × Height
	Width, Height int
	DPI           float64 // pixels an inch
}

func (img Image) check() error {
	if img.Width < MinSide || img.Height < MinSide || img.Width > MaxSide || img.Height > MaxSide {
		return fmt.Errorf("%d × %d pixels: %w", img.Width, img.Height, ErrImageSize)
	}
	if len(img.Pix) != img.Width*img.Height {
		return fmt.Errorf("%d bytes for %d × %d pixels: %w", len(img.Pix), img.Width, img.Height, ErrImageSize)
	}
	if !(img.DPI >= MinDPI && img.DPI <= MaxDPI) {
		return fmt.Errorf("%g pixels an inch: %w", img.DPI, ErrImageResolution)
	}
	return nil
}

// DecodeImage reads a PNG (any colour type) or a PGM (P5 or P2) and makes it
// grey. The resolution is taken from a PNG's pHYs chunk if that names one a
// scanner could have (picture editors write 72 or 96 by default); else it is
// defaultDPI. Nothing larger than MaxFileBytes and MaxSide is decoded: the
// errors are ErrImageFormat and ErrImageSize, wrapped.
func DecodeImage(r io.Reader, defaultDPI float64) (Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return Image{}, fmt.Errorf("read picture: %w", err)
	}
	if len(data) > MaxFileBytes {
		return Image{}, fmt.Errorf("file above %d MiB: %w", MaxFileBytes>>20, ErrImageSize)
	}
	var img Image
	switch {
	case bytes.HasPrefix(data, []byte(pngSignature)):
		img, err = decodePNG(data)
	case len(data) > 2 && data[0] == 'P' && (data[1] == '5' || data[1] == '2'):
		img, err = decodePGM(data)
	default:
		err = ErrImageFormat
	}
	if err != nil {
		return Image{}, fmt.Errorf("decode picture: %w", err)
	}
	if img.DPI < MinDPI || img.DPI > MaxDPI {
		img.DPI = defaultDPI
	}
	return img, nil
}

const pngSignature = "\x89PNG\r\n\x1a\n"

func decodePNG(data []byte) (Image, error) {
	head, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("%w (png: %w)", ErrImageFormat, err)
	}
	if err := checkSides(head.Width, head.Height); err != nil {
		return Image{}, err
	}
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("%w (png: %w)", ErrImageFormat, err)
	}
	return Image{toGrey(src), head.Width, head.Height, pngResolution(data)}, nil
}

func checkSides(width, height int) error {
	if width < MinSide || height < MinSide || width > MaxSide || height > MaxSide {
		return fmt.Errorf("%d × %d pixels: %w", width, height, ErrImageSize)
	}
	return nil
}

// toGrey lays a picture on white and takes its luma (ITU-R BT.601, as
// image/color does).
func toGrey(src image.Image) []byte {
	b := src.Bounds()
	pix := make([]byte, 0, b.Dx()*b.Dy())
	if grey, ok := src.(*image.Gray); ok {
		for y := range b.Dy() {
			pix = append(pix, grey.Pix[y*grey.Stride:y*grey.Stride+b.Dx()]...)
		}
		return pix
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, a := src.At(x, y).RGBA()
			luma := (19595*r + 38470*g + 7471*bl + 1<<15) >> 16
			pix = append(pix, byte(min(luma+0xffff-a, 0xffff)>>8))
		}
	}
	return pix
}

// pngResolution returns the pixels an inch a pHYs chunk names (PNG, third
// edition, 11.3.4.3), or 0. The chunk stands before the first IDAT.
func pngResolution(data []byte) float64 {
	rest := data[len(pngSignature):]
	for len(rest) >= 12 {
		length, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if kind == "IDAT" || uint64(length)+12 > uint64(len(rest)) {
			return 0
		}
		if kind == "pHYs" && length == 9 && rest[16] == 1 {
			x, y := binary.BigEndian.Uint32(rest[8:]), binary.BigEndian.Uint32(rest[12:])
			if x != y {
				return 0
			}
			// The unit is whole pixels a metre: 500 an inch is 19685.
			return float64(x) * 0.0254
		}
		rest = rest[12+length:]
	}
	return 0
}

func decodePGM(data []byte) (Image, error) {
	in := bufio.NewReader(bytes.NewReader(data[2:]))
	var head [3]int // width, height, white
	for i := range head {
		n, err := pgmNumber(in)
		if err != nil {
			return Image{}, fmt.Errorf("%w (pgm: %w)", ErrImageFormat, err)
		}
		head[i] = n
	}
	width, height, white := head[0], head[1], head[2]
	if err := checkSides(width, height); err != nil {
		return Image{}, err
	}
	if white < 1 || white > 0xffff {
		return Image{}, fmt.Errorf("%w (pgm: white is %d)", ErrImageFormat, white)
	}
	pix := make([]byte, width*height)
	for i := range pix {
		v, err := pgmSample(in, data[1] == '2', white)
		if err != nil {
			return Image{}, fmt.Errorf("%w (pgm: pixel %d of %d: %w)", ErrImageFormat, i, len(pix), err)
		}
		pix[i] = byte(min(v, white) * 255 / white)
	}
	return Image{Pix: pix, Width: width, Height: height}, nil
}

func pgmSample(in *bufio.Reader, text bool, white int) (int, error) {
	if text {
		return pgmNumber(in)
	}
	high, err := in.ReadByte()
	if err != nil || white < 256 {
		return int(high), err
	}
	low, err := in.ReadByte()
	return int(high)<<8 | int(low), err
}

// pgmNumber reads a decimal number and the one white space after it; '#'
// starts a comment up to the end of the line.
func pgmNumber(in *bufio.Reader) (int, error) {
	var digits []byte
	for {
		c, err := in.ReadByte()
		switch {
		case err == io.EOF && len(digits) > 0:
			return strconv.Atoi(string(digits))
		case err != nil:
			return 0, io.ErrUnexpectedEOF
		case c == '#' && len(digits) == 0:
			if _, err := in.ReadString('\n'); err != nil {
				return 0, io.ErrUnexpectedEOF
			}
		case c >= '0' && c <= '9' && len(digits) < 8:
			digits = append(digits, c)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if len(digits) > 0 {
				return strconv.Atoi(string(digits))
			}
		default:
			return 0, fmt.Errorf("unexpected byte %#x in a number", c)
		}
	}
}

// atWorkingDPI resamples to 500 pixels an inch. A difference of half a percent
// is left alone: it is two pixels over a finger.
func (img Image) atWorkingDPI() Image {
	scale := img.DPI / workingDPI // source pixels a target pixel
	if math.Abs(scale-1) < 0.005 {
		return img
	}
	width, height := int(float64(img.Width)/scale), int(float64(img.Height)/scale)
	across := resampleTaps(img.Width, width, scale)
	rows := make([]float32, width*img.Height)
	for y := range img.Height {
		line := img.Pix[y*img.Width:]
		for x, tap := range across {
			var sum float32
			for k, weight := range tap.weight {
				sum += weight * float32(line[tap.first+k])
			}
			rows[y*width+x] = sum
		}
	}
	out := Image{make([]byte, width*height), width, height, workingDPI}
	for y, tap := range resampleTaps(img.Height, height, scale) {
		for x := range width {
			var sum float32
			for k, weight := range tap.weight {
				sum += weight * rows[(tap.first+k)*width+x]
			}
			out.Pix[y*width+x] = byte(sum + 0.5)
		}
	}
	return out
}

// taps says which source samples make a target sample.
type taps struct {
	first  int
	weight []float32
}

// resampleTaps makes a triangular filter as wide as the coarser of the two
// grids: interpolation when enlarging, averaging (no aliasing of the ridges)
// when reducing.
func resampleTaps(from, to int, scale float64) []taps {
	reach := max(scale, 1)
	all := make([]taps, to)
	for i := range all {
		centre := (float64(i)+0.5)*scale - 0.5
		first := max(int(math.Ceil(centre-reach)), 0)
		last := min(int(math.Floor(centre+reach)), from-1)
		first = min(first, last)
		weight := make([]float32, last-first+1)
		var sum float32
		for k := range weight {
			weight[k] = float32(max(1-math.Abs(float64(first+k)-centre)/reach, 1e-6))
			sum += weight[k]
		}
		for k := range weight {
			weight[k] /= sum
		}
		all[i] = taps{first, weight}
	}
	return all
}
