package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// However a stream is cut into reads, the same packet is too large.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0x30, 3, 0, 1, 'a'}, uint8(1))
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, uint8(2))
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, uint8(3))
	f.Add([]byte{0xd0, 0, 0xd0, 0x80, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		var whole, cut framed
		want := whole.follow(stream)
		var got error
		for rest := stream; len(rest) > 0 && got == nil; {
			n := min(len(rest), int(step)+1)
			got = cut.follow(rest[:n])
			rest = rest[n:]
		}
		if !errors.Is(got, want) {
			t.Errorf("whole %v, cut %v", want, got)
		}
		if whole.rest > MaxPacket || whole.rest < 0 {
			t.Errorf("%d bytes still to come", whole.rest)
		}
	})
}

func TestPacketsUpToTheLimitPass(t *testing.T) {
	for size, want := range map[int]error{0: nil, 127: nil, 128: nil, MaxPacket: nil, MaxPacket + 1: errTooLarge} {
		header := binary.AppendUvarint([]byte{0x30}, uint64(size)) // MQTT's length is the same as a small uvarint
		var f framed
		if err := f.follow(append(header, bytes.Repeat([]byte{0x30}, min(size, MaxPacket))...)); !errors.Is(err, want) {
			t.Errorf("a packet of %d bytes: %v, wants %v", size, err, want)
		}
	}
}
