package biometrics_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func greyImage(img biometrics.Image) *image.Gray {
	return &image.Gray{Pix: img.Pix, Stride: img.Width, Rect: image.Rect(0, 0, img.Width, img.Height)}
}

// withResolution puts a pHYs chunk after the header.
func withResolution(data []byte, perMetre uint32) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, 9)
	chunk = append(chunk, "pHYs"...)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	const header = 8 + 25
	return append(append(bytes.Clone(data[:header]), chunk...), data[header:]...)
}

func decode(t *testing.T, data []byte) biometrics.Image {
	t.Helper()
	img, err := biometrics.DecodeImage(bytes.NewReader(data), 500)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPicturesAreDecoded(t *testing.T) {
	want := picture(80, 70, func(x, y int) byte { return byte(3*x + y) })
	colour := image.NewNRGBA(image.Rect(0, 0, 80, 70))
	deep := image.NewGray16(image.Rect(0, 0, 80, 70))
	text := "P2 # a comment\n80 70\n# another\n255\n"
	deepPGM := []byte("P5 80 70 65535\n")
	for i, v := range want.Pix {
		colour.Set(i%80, i/80, color.NRGBA{v, v, v, 255})
		deep.SetGray16(i%80, i/80, color.Gray16{uint16(v) << 8})
		text += fmt.Sprintf("%d ", v)
		deepPGM = append(deepPGM, v, v)
	}
	for name, data := range map[string][]byte{
		"grey PNG":   encodePNG(t, greyImage(want)),
		"colour PNG": encodePNG(t, colour),
		"16-bit PNG": encodePNG(t, deep),
		"P5":         append([]byte("P5\n80 70\n255\n"), want.Pix...),
		"16-bit P5":  deepPGM,
		"P2":         []byte(text),
	} {
		got := decode(t, data)
		if got.Width != 80 || got.Height != 70 || got.DPI != 500 || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: another picture (%d × %d, %g an inch)", name, got.Width, got.Height, got.DPI)
		}
	}
}

func TestTransparentIsWhite(t *testing.T) {
	got := decode(t, encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 80, 70))))
	if got.Pix[0] != 255 {
		t.Errorf("grey %d", got.Pix[0])
	}
}

func TestResolutionIsTakenFromThePNG(t *testing.T) {
	data := encodePNG(t, greyImage(picture(80, 70, func(x, y int) byte { return 9 })))
	if got := decode(t, withResolution(data, 39370)).DPI; got < 999 || got > 1001 {
		t.Errorf("39370 a metre is %g an inch", got)
	}
	if got := decode(t, withResolution(data, 2835)).DPI; got != 500 {
		t.Errorf("a picture editor's 72 an inch became %g", got)
	}
}

func TestBrokenPicturesAreRefused(t *testing.T) {
	whole := encodePNG(t, greyImage(newDrawing(1).print(plain(1))))
	huge := encodePNG(t, greyImage(picture(80, 70, func(x, y int) byte { return 9 })))
	binary.BigEndian.PutUint32(huge[16:], 10000)
	binary.BigEndian.PutUint32(huge[20:], 10000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	corrupt := slices.Clone(whole) // one byte of the pixels
	corrupt[len(corrupt)/2] ^= 0x40
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"corrupt PNG":    {corrupt, biometrics.ErrImageFormat},
		"empty":          {nil, biometrics.ErrImageFormat},
		"text":           {[]byte("hello"), biometrics.ErrImageFormat},
		"truncated PNG":  {whole[:len(whole)/2], biometrics.ErrImageFormat},
		"PNG header":     {whole[:20], biometrics.ErrImageFormat},
		"huge PNG":       {huge, biometrics.ErrImageSize},
		"one pixel":      {encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1))), biometrics.ErrImageSize},
		"huge PGM":       {[]byte("P5 10000 10000 255\n"), biometrics.ErrImageSize},
		"truncated PGM":  {[]byte("P5 100 100 255\nabc"), biometrics.ErrImageFormat},
		"PGM in letters": {[]byte("P2 abc"), biometrics.ErrImageFormat},
		"no white":       {[]byte("P5 100 100 0\nabc"), biometrics.ErrImageFormat},
		"endless":        {append([]byte("P2 "), make([]byte, 17<<20)...), biometrics.ErrImageSize},
	} {
		if _, err := biometrics.DecodeImage(bytes.NewReader(test.data), 500); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeImage(f *testing.F) {
	f.Add(encodePNG(f, greyImage(newDrawing(1).print(impression{dpi: 250, width: 8, height: 8, seed: 1}))))
	f.Add([]byte("P5 64 64 255\n" + strings.Repeat("\x10\xf0", 2048)))
	f.Add([]byte("P2 64 64 1\n" + strings.Repeat("0 1 ", 2048)))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := biometrics.DecodeImage(bytes.NewReader(data), 500)
		if err != nil {
			return
		}
		template, err := biometrics.Extract(img)
		if err != nil {
			return
		}
		if s := biometrics.Compare(template, template); !(s.FMR >= 0 && s.FMR <= 1) {
			t.Fatalf("%+v", s)
		}
		record, err := template.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := biometrics.ParseTemplate(record); err != nil {
			t.Fatalf("written, but not read: %v", err)
		}
	})
}
