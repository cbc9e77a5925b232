package biometrics

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// denseArea is the kind of our extended data area: kinds whose first byte is
// not zero are the makers' own (ISO/IEC 19794-2:2005, table 6). Its data,
// version 1, big-endian:
//
//	version u8, quality reason u8, left u16, top u16, width u16, height u16
//	(in cells of 4 px), then a bit a cell, row by row, 1 = ridges known, filled
//	up to a whole byte; then 21 bits a known cell: phase 6, direction 7,
//	period 4, fit 4, filled up to a whole byte
const (
	denseArea    = 0x4e46 // "NF"
	denseVersion = 1
	denseHeader  = 10
	waveBits     = 6 + 7 + 4 + 4
)

func appendDense(out []byte, t *Template) []byte {
	m := t.ridges
	out = append(out, denseVersion, byte(t.quality.Reason))
	for _, v := range [4]int{m.left, m.top, m.w, m.h} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	w := bitWriter{out: out}
	for _, c := range m.codes {
		w.put(uint32(min(c.fit, 1)), 1)
	}
	w.align()
	for _, c := range m.codes {
		if c.fit > 0 {
			w.put(uint32(c.phase)<<15|uint32(c.angle)<<8|uint32(c.step)<<4|uint32(c.fit), waveBits)
		}
	}
	w.align()
	return w.out
}

// parseDense returns nil and no error for versions to come.
func parseDense(data []byte, width, height int) (*ridgeMap, Reason, error) {
	if len(data) < 1 || data[0] != denseVersion {
		return nil, Good, nil
	}
	if len(data) < denseHeader {
		return nil, Good, errors.New("shorter than its header")
	}
	field := func(i int) int { return int(binary.BigEndian.Uint16(data[2+2*i:])) }
	reason := Reason(data[1])
	m := &ridgeMap{left: field(0), top: field(1), w: field(2), h: field(3)}
	if m.w < 1 || m.h < 1 || m.w > maxMapSide || m.h > maxMapSide {
		return nil, Good, fmt.Errorf("%d × %d cells, not 1 to %d a side", m.w, m.h, maxMapSide)
	}
	if (m.left+m.w-1)*cell > width || (m.top+m.h-1)*cell > height {
		return nil, Good, fmt.Errorf("cells outside of the picture of %d × %d", width, height)
	}
	if reason > Blurred {
		return nil, Good, fmt.Errorf("quality reason %d does not exist", reason)
	}
	if err := m.parseCells(data[denseHeader:]); err != nil {
		return nil, Good, err
	}
	m.prepare()
	return m, reason, nil
}

func (m *ridgeMap) parseCells(data []byte) error {
	bitmapBytes := (m.w*m.h + 7) / 8
	if len(data) < bitmapBytes {
		return errors.New("ends within the map of known cells")
	}
	known := bitReader{in: data[:bitmapBytes]}
	waves := bitReader{in: data[bitmapBytes:]}
	m.codes = make([]waveCode, m.w*m.h)
	count := 0
	for i := range m.codes {
		if known.get(1) == 0 {
			continue
		}
		count++
		v := waves.get(waveBits)
		m.codes[i] = waveCode{phase: uint8(v >> 15 & 63), angle: uint8(v >> 8 & 127), step: uint8(v >> 4 & 15), fit: uint8(v & 15)}
		if m.codes[i].fit == 0 && !waves.short {
			return fmt.Errorf("cell %d is known and fits nothing", i)
		}
	}
	if want := (count*waveBits + 7) / 8; len(data)-bitmapBytes != want {
		return fmt.Errorf("%d known cells need %d bytes, not %d", count, want, len(data)-bitmapBytes)
	}
	if count == 0 {
		return errors.New("no cell is known")
	}
	return nil
}

// bitWriter and bitReader pack numbers, highest bit first.
type bitWriter struct {
	out  []byte
	hold uint64
	n    int
}

func (w *bitWriter) put(v uint32, bits int) {
	w.hold, w.n = w.hold<<bits|uint64(v), w.n+bits
	for w.n >= 8 {
		w.n -= 8
		w.out = append(w.out, byte(w.hold>>w.n))
	}
}

func (w *bitWriter) align() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
}

type bitReader struct {
	in    []byte
	hold  uint64
	n     int
	short bool // asked for more than there was
}

func (r *bitReader) get(bits int) uint32 {
	for r.n < bits {
		var b byte
		if len(r.in) > 0 {
			b, r.in = r.in[0], r.in[1:]
		} else {
			r.short = true
		}
		r.hold, r.n = r.hold<<8|uint64(b), r.n+8
	}
	r.n -= bits
	return uint32(r.hold>>r.n) & (1<<bits - 1)
}
