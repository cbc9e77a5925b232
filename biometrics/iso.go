package biometrics

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Finger minutiae record, ISO/IEC 19794-2:2005, clause 7, big-endian:
//
//	record  "FMR" 0, " 20" 0, length u32, equipment u16, width u16, height u16,
//	        resolution x u16, y u16 (pixels a centimetre), views u8, 0 u8
//	view    position u8, view number and impression type u8, quality u8,
//	        minutiae u8, then each: kind(2 bits) x(14) u16, 0(2) y(14) u16,
//	        angle u8 (2π/256, counter-clockwise), quality u8 (0: not given)
//	        extended data length u16, then areas: kind u16, length u16, data
const (
	recordHeader = 24
	viewHeader   = 4
	minutiaSize  = 6
	areaHeader   = 4

	recordPixelsPerCM = 197
	maxCoordinate     = 1<<14 - 1

	// maxRecord bounds what is parsed: ten views with full extended data.
	maxRecord = 1 << 20

	// Resolutions in pixels a centimetre that places can be told at: half of the
	// coarsest that the standard knows, up to MaxDPI.
	minRecordResolution = 50
	maxRecordResolution = 480
)

const recordMagic = "FMR\x00 20\x00"

// MarshalBinary returns the template as a finger minutiae record of one view.
// The dense part, if there is one, is a vendor's extended data area, which
// other engines skip.
func (t *Template) MarshalBinary() ([]byte, error) { return marshalViews([]*Template{t}) }

func marshalViews(views []*Template) ([]byte, error) {
	out := append([]byte(recordMagic), make([]byte, recordHeader-len(recordMagic))...)
	var width, height int
	for i, t := range views {
		if t == nil {
			return nil, fmt.Errorf("encode template %d: there is none", i+1)
		}
		width, height = max(width, t.width), max(height, t.height)
		var err error
		if out, err = t.appendView(out, i); err != nil {
			return nil, fmt.Errorf("encode template %d: %w", i+1, err)
		}
	}
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)))
	binary.BigEndian.PutUint16(out[14:], uint16(width))
	binary.BigEndian.PutUint16(out[16:], uint16(height))
	binary.BigEndian.PutUint16(out[18:], recordPixelsPerCM)
	binary.BigEndian.PutUint16(out[20:], recordPixelsPerCM)
	out[22] = byte(len(views))
	return out, nil
}

func (t *Template) appendView(out []byte, number int) ([]byte, error) {
	const livePlain = 0 // impression type
	out = append(out, 0, byte(number)<<4|livePlain, byte(t.quality.Score), byte(len(t.minutiae)))
	for _, m := range t.minutiae {
		out = binary.BigEndian.AppendUint16(out, uint16(m.Kind)<<14|uint16(m.X))
		out = binary.BigEndian.AppendUint16(out, uint16(m.Y))
		out = append(out, angleByte(m.Angle), byte(m.Quality))
	}
	if t.ridges == nil {
		return append(out, 0, 0), nil
	}
	dense := appendDense(nil, t)
	if len(dense)+areaHeader > math.MaxUint16 {
		return nil, fmt.Errorf("dense part of %d bytes: more than a record holds", len(dense))
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(dense)+areaHeader))
	out = binary.BigEndian.AppendUint16(out, denseArea)
	out = binary.BigEndian.AppendUint16(out, uint16(len(dense)))
	return append(out, dense...), nil
}

// ParseTemplate reads a finger minutiae record of exactly one view, by this or
// any other maker. Places are brought to 500 pixels an inch. Unknown extended
// data is skipped; a dense part of an unknown version is, too. Every error
// wraps ErrTemplate and says which field is wrong.
func ParseTemplate(data []byte) (*Template, error) {
	views, err := parseRecord(data, 1)
	if err != nil {
		return nil, err
	}
	return views[0], nil
}

// isoReader takes fields from a record; after the first failure it returns zeros.
type isoReader struct {
	rest []byte
	at   int
	err  error
}

func (r *isoReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: byte %d: %s", ErrTemplate, r.at, fmt.Sprintf(format, args...))
	}
}

func (r *isoReader) take(n int, what string) []byte {
	if r.err == nil && len(r.rest) < n {
		r.fail("%s needs %d bytes, %d are left", what, n, len(r.rest))
	}
	if r.err != nil {
		return make([]byte, n) // n is a few bytes, or at most 65535
	}
	field := r.rest[:n]
	r.rest, r.at = r.rest[n:], r.at+n
	return field
}

func (r *isoReader) u8(what string) int  { return int(r.take(1, what)[0]) }
func (r *isoReader) u16(what string) int { return int(binary.BigEndian.Uint16(r.take(2, what))) }

// recordScale is what a record says once for all views.
type recordScale struct {
	width, height int
	x, y          float64 // 500-per-inch pixels a record pixel
}

func parseRecord(data []byte, maxViews int) ([]*Template, error) {
	if len(data) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTemplate, len(data), maxRecord)
	}
	if err := foreignFormat(data); err != nil {
		return nil, err
	}
	r := &isoReader{rest: data}
	if magic := r.take(len(recordMagic), "format and version"); string(magic) != recordMagic {
		r.fail("format and version %q, not %q", magic, recordMagic)
	}
	n := int64(binary.BigEndian.Uint32(r.take(4, "length")))
	if n > int64(len(data)) || n < int64(r.at) {
		r.fail("length says %d, the record has %d bytes", n, len(data))
	} else {
		// Some makers return a buffer of a fixed size: padding follows the record.
		r.rest = data[r.at:n]
	}
	r.u16("capture equipment")
	s := recordScale{width: r.u16("width"), height: r.u16("height")}
	s.x, s.y = r.resolution("x"), r.resolution("y")
	count := r.u8("number of views")
	r.u8("reserved byte")
	if r.err == nil && (count < 1 || count > maxViews) {
		r.fail("%d views, not 1 to %d", count, maxViews)
	}
	var views []*Template
	for range count {
		if r.err != nil {
			break
		}
		t := r.view(s)
		if r.err == nil {
			views = append(views, newTemplate(t))
		}
	}
	if len(r.rest) > 0 {
		r.fail("%d bytes after the last view", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return views, nil
}

// foreignFormat names the relatives of the format that begin alike.
func foreignFormat(data []byte) error {
	const ansiHeader = 26
	if len(data) < recordHeader || string(data[:4]) != recordMagic[:4] {
		return nil
	}
	if string(data[4:8]) == "030\x00" {
		return fmt.Errorf("%w: this is an ISO/IEC 19794-2:2011 record, export it in the format of 2005", ErrTemplate)
	}
	// ANSI INCITS 378-2004 has the same first eight bytes, then a length of two
	// bytes, or two zeros and a length of four.
	short, iso := int64(binary.BigEndian.Uint16(data[8:])), int64(binary.BigEndian.Uint32(data[8:]))
	long := int64(binary.BigEndian.Uint32(data[10:]))
	fits := func(n int64) bool { return n >= ansiHeader && n <= int64(len(data)) }
	if string(data[4:8]) == recordMagic[4:] && !fits(iso) && (fits(short) || short == 0 && fits(long)) {
		return fmt.Errorf("%w: this is an ANSI INCITS 378 record, export it as ISO/IEC 19794-2:2005", ErrTemplate)
	}
	return nil
}

// beyond tells whether a coordinate is further outside of a frame than an
// eighth of its side, which bounds the map of what a template knows.
func beyond(v, side int) bool { return v > side+max(side/8, 8) }

func (r *isoReader) resolution(axis string) float64 {
	v := r.u16(axis + " resolution")
	if v < minRecordResolution || v > maxRecordResolution {
		r.fail("%s resolution of %d pixels a centimetre, not %d to %d", axis, v, minRecordResolution, maxRecordResolution)
		return 1
	}
	return recordPixelsPerCM / float64(v)
}

func (r *isoReader) view(s recordScale) Template {
	r.u8("finger position")
	r.u8("impression type")
	t := Template{width: int(math.Ceil(float64(s.width) * s.x)), height: int(math.Ceil(float64(s.height) * s.y))}
	if t.width > maxCoordinate || t.height > maxCoordinate {
		r.fail("a picture of %d × %d at 500 pixels an inch: its places do not fit a record", t.width, t.height)
	}
	if t.quality.Score = r.u8("finger quality"); t.quality.Score > 100 {
		r.fail("finger quality %d, not 0 to 100", t.quality.Score)
	}
	count := r.u8("number of minutiae")
	t.minutiae = make([]Minutia, 0, count) // growing would leave copies behind
	for i := range count {
		if r.err != nil {
			return t
		}
		t.minutiae = append(t.minutiae, r.minutia(i, s))
	}
	r.extendedData(&t, s)
	return t
}

func (r *isoReader) minutia(i int, s recordScale) Minutia {
	x, y := r.u16("minutia x"), r.u16("minutia y")
	m := Minutia{Kind: Kind(x >> 14), Angle: angleOf(byte(r.u8("minutia angle"))), Quality: r.u8("minutia quality")}
	x, y = x&maxCoordinate, y&maxCoordinate
	if m.Kind > Bifurcation {
		r.fail("minutia %d is of kind %d, which does not exist", i+1, m.Kind)
	}
	// Some makers name places a little outside of the frame.
	if beyond(x, s.width) || beyond(y, s.height) {
		r.fail("minutia %d at %d, %d lies outside of %d × %d", i+1, x, y, s.width, s.height)
	}
	if m.Quality > 100 {
		r.fail("minutia %d has quality %d, not 0 to 100", i+1, m.Quality)
	}
	if m.Quality == 0 { // not given: neither good nor bad
		m.Quality = 50
	}
	m.X, m.Y = int(float64(x)*s.x+0.5), int(float64(y)*s.y+0.5)
	return m
}

// extendedData looks for the dense part. An area's length is that of its data,
// as in fingerprintio; NIST's BiomDI counts the four bytes of kind and length
// too. Both are read: only one of them makes the areas end where they should.
func (r *isoReader) extendedData(t *Template, s recordScale) {
	block := r.take(r.u16("extended data length"), "extended data")
	if r.err != nil || len(block) == 0 {
		return
	}
	dense, ok := findDense(block, 0)
	if !ok {
		dense, ok = findDense(block, areaHeader)
	}
	if !ok {
		r.fail("extended data areas do not fill their %d bytes", len(block))
		return
	}
	if dense == nil || s.x != 1 || s.y != 1 {
		return
	}
	m, q, err := parseDense(dense, t.width, t.height)
	if err != nil {
		r.fail("dense part: %v", err)
		return
	}
	t.ridges, t.quality.Reason = m, q
}

// findDense walks the areas; counted is how many bytes of an area's header its
// length includes. ok tells whether they fill the block.
func findDense(block []byte, counted int) (dense []byte, ok bool) {
	for len(block) > 0 {
		if len(block) < areaHeader {
			return nil, false
		}
		kind, length := binary.BigEndian.Uint16(block), int(binary.BigEndian.Uint16(block[2:]))-counted
		if length < 0 || length > len(block)-areaHeader {
			return nil, false
		}
		if kind == denseArea {
			dense = block[areaHeader : areaHeader+length]
		}
		block = block[areaHeader+length:]
	}
	return dense, true
}
