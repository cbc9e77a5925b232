package zfm_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"image"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// Packets as the modules' manual prints them.
const (
	verifyPassword = "ef01ffffffff0100071300000000001b"
	takePicture    = "ef01ffffffff010003010005"
	answerOK       = "ef01ffffffff07000300000a"
)

func wire(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPacketsAreThoseOfTheManual(t *testing.T) {
	for text, p := range map[string]zfm.Packet{
		verifyPassword: {Address: 0xFFFFFFFF, Kind: zfm.Command, Payload: []byte{zfm.VfyPwd, 0, 0, 0, 0}},
		takePicture:    {Address: 0xFFFFFFFF, Kind: zfm.Command, Payload: []byte{zfm.GenImg}},
		answerOK:       {Address: 0xFFFFFFFF, Kind: zfm.Ack, Payload: []byte{zfm.CodeOK}},
	} {
		got, err := p.AppendTo(nil)
		if err != nil || hex.EncodeToString(got) != text {
			t.Errorf("got %x, %v, want %s", got, err, text)
		}
		back, err := zfm.NewDecoder(bytes.NewReader(got)).Next()
		if err != nil || back.Address != p.Address || back.Kind != p.Kind || !bytes.Equal(back.Payload, p.Payload) {
			t.Errorf("decoded %+v, %v, want %+v", back, err, p)
		}
	}
}

func TestATooLongPayloadIsNotSent(t *testing.T) {
	if _, err := (zfm.Packet{Payload: make([]byte, zfm.MaxPayload+1)}).AppendTo(nil); !errors.Is(err, zfm.ErrLength) {
		t.Errorf("got %v", err)
	}
}

func TestNoiseBeforeAPacketIsSkipped(t *testing.T) {
	stream := append(wire(t, "00ef13efef"), wire(t, answerOK)...)
	p, err := zfm.NewDecoder(iotest.OneByteReader(bytes.NewReader(stream))).Next()
	if err != nil || p.Kind != zfm.Ack {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestAfterADamagedPacketTheNextIsFound(t *testing.T) {
	damaged := wire(t, answerOK)
	damaged[9] ^= 0xFF
	endless := wire(t, "ef01ffffffff07ffff")
	d := zfm.NewDecoder(bytes.NewReader(append(append(damaged, endless...), wire(t, takePicture)...)))
	if _, err := d.Next(); !errors.Is(err, zfm.ErrChecksum) {
		t.Errorf("damaged: %v", err)
	}
	if _, err := d.Next(); !errors.Is(err, zfm.ErrLength) {
		t.Errorf("endless: %v", err)
	}
	if p, err := d.Next(); err != nil || p.Kind != zfm.Command {
		t.Errorf("the good one: %+v, %v", p, err)
	}
	if _, err := d.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestATruncatedPacketIsAnUnexpectedEnd(t *testing.T) {
	whole := wire(t, verifyPassword)
	for n := 1; n < len(whole); n++ {
		if _, err := zfm.NewDecoder(bytes.NewReader(whole[:n])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestAnImageSurvivesPackingInSixteenShades(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, zfm.Width, zfm.Height))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	packed, err := zfm.Pack(img)
	if err != nil {
		t.Fatal(err)
	}
	back, err := zfm.Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range img.Pix {
		if off := int(back.Pix[i]) - int(want); off < -8 || off > 8 {
			t.Fatalf("pixel %d: %d instead of %d", i, back.Pix[i], want)
		}
	}
	if packed[0]>>4 != 0 || packed[0]&15 != 0 || back.Pix[0] != 0 {
		t.Errorf("the first pixel is black: %02x", packed[0])
	}
	img.Pix[0], img.Pix[1] = 255, 0
	if packed, err = zfm.Pack(img); err != nil || packed[0] != 0xF0 {
		t.Errorf("the left pixel is in the upper bits: %02x, %v", packed[0], err)
	}
}

func TestImagesOfAnotherSizeAreRefused(t *testing.T) {
	for _, size := range []image.Point{{}, {1, 1}, {zfm.Height, zfm.Width}, {192, 191}} {
		if _, err := zfm.Pack(image.NewGray(image.Rectangle{Max: size})); err == nil {
			t.Errorf("%v was packed", size)
		}
	}
	for _, n := range []int{0, 1, 18431, 36863, 36865} {
		if _, err := zfm.Unpack(make([]byte, n)); err == nil || !strings.Contains(err.Error(), "256 × 288 (36864 bytes") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, text := range []string{"", verifyPassword, takePicture, answerOK, "ef01ef01ffffffff0700", "ef01ffffffff07ffff"} {
		f.Add(wire(f, text))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := zfm.NewDecoder(bytes.NewReader(stream))
		for range len(stream) + 1 {
			p, err := d.Next()
			switch {
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
				return
			case errors.Is(err, zfm.ErrChecksum), errors.Is(err, zfm.ErrLength):
				continue
			case err != nil:
				t.Fatalf("unexpected error %v", err)
			}
			back, err := p.AppendTo(nil)
			if err != nil || !bytes.Contains(stream, back) {
				t.Fatalf("decoded %x, which is not in the stream %x (%v)", back, stream, err)
			}
		}
		t.Fatal("the decoder does not come to an end")
	})
}
