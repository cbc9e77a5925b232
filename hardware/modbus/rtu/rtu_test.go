package rtu_test

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/modbus/rtu"
)

// line is a port at whose other end a function answers each request.
type line struct {
	answer  func(request []byte) []byte
	sent    [][]byte
	pending []byte
	broken  error
	chunk   int // bytes that one Read returns at most; 0: all
}

func (l *line) SetReadTimeout(time.Duration) error { return nil }
func (l *line) ResetInputBuffer() error            { l.pending = nil; return nil }
func (l *line) Close() error                       { return nil }
func (l *line) Write(b []byte) (int, error) {
	l.sent = append(l.sent, append([]byte(nil), b...))
	l.pending = append(l.pending, l.answer(b)...)
	return len(b), nil
}
func (l *line) Read(b []byte) (int, error) {
	if len(l.pending) == 0 {
		return 0, l.broken
	}
	if l.chunk > 0 {
		b = b[:min(len(b), l.chunk)]
	}
	n := copy(b, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

func frame(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, rtu.CRC(b)) }

func client(t testing.TB, l *line) *rtu.Client {
	t.Helper()
	c := rtu.New(rtu.Config{Timeout: 20 * time.Millisecond, Open: func() (rtu.Port, error) { return l, nil }})
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	return c
}

func says(b ...byte) *line { return &line{answer: func([]byte) []byte { return b }} }

// The examples of MODBUS Application Protocol V1.1b3, 6.1, 6.2, 6.3, 6.5 and 6.6.
func TestRequestsAndAnswersAreThoseOfTheStandard(t *testing.T) {
	l := says(frame(0x11, 0x01, 0x03, 0xCD, 0x6B, 0x05)...)
	c := client(t, l)
	on, err := c.ReadCoils(0x11, 0x13, 0x13)
	want := []bool{true, false, true, true, false, false, true, true, true, true, false, true, false, true, true, false, true, false, true}
	if err != nil || !slices.Equal(on, want) || !slices.Equal(l.sent[0], frame(0x11, 0x01, 0x00, 0x13, 0x00, 0x13)) {
		t.Errorf("coils: %v, %v, sent %x", on, err, l.sent)
	}
	l = says(frame(0x11, 0x02, 0x03, 0xAC, 0xDB, 0x35)...)
	if on, err := client(t, l).ReadInputs(0x11, 0xC4, 0x16); err != nil || len(on) != 0x16 || on[0] || !on[2] || !slices.Equal(l.sent[0], frame(0x11, 0x02, 0x00, 0xC4, 0x00, 0x16)) {
		t.Errorf("inputs: %v, %v, sent %x", on, err, l.sent)
	}
	l = says(frame(0x11, 0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64)...)
	if values, err := client(t, l).ReadRegisters(0x11, 0x6B, 3); err != nil || !slices.Equal(values, []uint16{0x22B, 0, 0x64}) {
		t.Errorf("registers: %v, %v", values, err)
	}
	repeat := &line{answer: func(b []byte) []byte { return b }}
	c = client(t, repeat)
	if err := c.WriteCoil(0x11, 0xAC, rtu.On); err != nil || !slices.Equal(repeat.sent[0], frame(0x11, 0x05, 0x00, 0xAC, 0xFF, 0x00)) {
		t.Errorf("write a coil: %v, sent %x", err, repeat.sent)
	}
	if err := c.WriteRegister(0x11, 1, 3); err != nil || !slices.Equal(repeat.sent[1], frame(0x11, 0x06, 0x00, 0x01, 0x00, 0x03)) {
		t.Errorf("write a register: %v, sent %x", err, repeat.sent)
	}
	// MODBUS over Serial Line V1.02, 6.2.2: the frame 02 07 has the check 12 41.
	if crc := rtu.CRC([]byte{0x02, 0x07}); crc != 0x1241 {
		t.Errorf("check %04x", crc)
	}
}

func TestOnlyTheAnswerToTheRequestIsTaken(t *testing.T) {
	good := frame(1, 1, 1, 0x08)
	damaged := slices.Clone(good)
	damaged[3] ^= 1
	for name, c := range map[string]struct {
		says []byte
		want error
	}{
		"silence":               {nil, rtu.ErrTimeout},
		"damaged":               {damaged, rtu.ErrDamaged},
		"broken off":            {good[:4], rtu.ErrDamaged},
		"another unit":          {frame(2, 1, 1, 0x08), rtu.ErrUnit},
		"another function":      {frame(1, 2, 1, 0x08), rtu.ErrDamaged},
		"another count":         {frame(1, 1, 2, 0x08, 0x00), rtu.ErrDamaged},
		"refused":               {frame(1, 0x81, 2), rtu.ErrIllegalAddress},
		"refused by a stranger": {frame(2, 0x81, 2), rtu.ErrUnit},
		"longer than allowed":   {make([]byte, 4096), rtu.ErrDamaged},
	} {
		if on, err := client(t, says(c.says...)).ReadCoils(1, 3, 4); !errors.Is(err, c.want) || on != nil {
			t.Errorf("%s: %v, %v, want %v", name, on, err, c.want)
		}
	}
	for _, other := range [][]byte{frame(1, 5, 0, 4, 0, 0), frame(1, 5, 0, 3, 0xFF, 0)} {
		if err := client(t, says(other...)).WriteCoil(1, 3, rtu.Off); err == nil {
			t.Errorf("the answer %x to another writing was taken", other)
		}
	}
	broken := says()
	broken.broken = io.ErrClosedPipe
	if _, err := client(t, broken).ReadCoils(1, 0, 1); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("unplugged: %v", err)
	}
}

func TestNoiseAndAnAdaptersEchoDoNoHarm(t *testing.T) {
	echo := &line{chunk: 3}
	coil := false
	echo.answer = func(b []byte) []byte {
		answer := frame(1, 1, 1, 0)
		switch {
		case b[1] == rtu.WriteCoil && b[4] == 0:
			return slices.Clone(b) // the echo alone: the board is silent
		case b[1] == rtu.WriteCoil:
			coil, answer = true, b
		case coil:
			answer = frame(1, 1, 1, 1)
		}
		return append(append(slices.Clone(b), 0x00, 0xFF), answer...)
	}
	c := client(t, echo)
	if on, err := c.ReadCoils(1, 0, 1); err != nil || on[0] {
		t.Errorf("%v, %v", on, err)
	}
	if err := c.WriteCoil(1, 0, rtu.On); err != nil {
		t.Errorf("write: %v", err)
	}
	if on, err := c.ReadCoils(1, 0, 1); err != nil || !on[0] {
		t.Errorf("%v, %v", on, err)
	}
	if err := c.WriteCoil(1, 0, rtu.Off); !errors.Is(err, rtu.ErrTimeout) {
		t.Errorf("an echo was taken for the board's answer: %v", err)
	}
}

func TestImpossibleRequestsAreNotSent(t *testing.T) {
	l := says()
	c := client(t, l)
	for _, count := range []uint16{0, 2001} {
		if _, err := c.ReadInputs(1, 0, count); err == nil || !strings.Contains(err.Error(), "1 to 2000") {
			t.Errorf("%d inputs: %v", count, err)
		}
	}
	if _, err := c.ReadRegisters(1, 0, 126); err == nil {
		t.Error("126 registers were asked for")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteCoil(1, 0, rtu.On); !errors.Is(err, rtu.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if len(l.sent) > 0 {
		t.Errorf("sent %x", l.sent)
	}
}

// Whatever a line brings, a reading is as long as it was asked for and is in the
// bytes with a right check; everything else is an error.
func FuzzAnswer(f *testing.F) {
	f.Add(byte(1), uint16(4), frame(1, 1, 1, 0x08))
	f.Add(byte(1), uint16(4), frame(1, 0x81, 2))
	f.Add(byte(2), uint16(19), append([]byte{0, 0xFF, 1}, frame(2, 1, 3, 1, 2, 3)...))
	f.Add(byte(1), uint16(1), append(frame(1, 1, 0, 0, 0, 1), frame(1, 1, 1, 1)...))
	f.Fuzz(func(t *testing.T, unit byte, count uint16, stream []byte) {
		l := says(stream...)
		l.broken = io.EOF
		on, err := client(t, l).ReadCoils(unit, 0, count)
		switch {
		case err != nil && on != nil:
			t.Fatalf("%v with %v", on, err)
		case err != nil:
			return
		case len(on) != int(count):
			t.Fatalf("%d coils instead of %d", len(on), count)
		}
		data := make([]byte, (len(on)+7)/8)
		for i, on := range on {
			if on {
				data[i/8] |= 1 << (i % 8)
			}
		}
		for at := range stream {
			b := stream[at:]
			if n := 3 + len(data); len(b) >= n+2 && b[0] == unit && b[1] == 1 && int(b[2]) == len(data) && rtu.CRC(b[:n]) == binary.LittleEndian.Uint16(b[n:]) {
				return
			}
		}
		t.Fatalf("read %v from %x", on, stream)
	})
}
