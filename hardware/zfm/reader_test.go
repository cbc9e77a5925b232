package zfm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// wirePort is a port whose other end is a function: it is given what the
// driver writes and returns what the module says.
type wirePort struct {
	module func(command byte) []byte

	mu      sync.Mutex
	pending []byte
	broken  error // returned by Read when nothing is pending
	closed  int
}

func (p *wirePort) SetReadTimeout(time.Duration) error { return nil }

func (p *wirePort) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, p.module(b[9])...)
	return len(b), nil
}

func (p *wirePort) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		time.Sleep(time.Millisecond)
		return 0, p.broken
	}
	n := copy(b, p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func (p *wirePort) Close() error {
	p.closed++
	return nil
}

func answer(t *testing.T, code byte) []byte {
	return packet(t, zfm.Ack, code)
}

func packet(t *testing.T, kind zfm.Kind, payload ...byte) []byte {
	t.Helper()
	b, err := zfm.Packet{Address: zfm.DefaultAddress, Kind: kind, Payload: payload}.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func picture(t *testing.T, bytes int) []byte {
	var b []byte
	for ; bytes > 128; bytes -= 128 {
		b = append(b, packet(t, zfm.Data, make([]byte, 128)...)...)
	}
	return append(b, packet(t, zfm.End, make([]byte, bytes)...)...)
}

// reader returns one whose module answers "ok", except as says has it.
func reader(t *testing.T, says map[byte][]byte) (*zfm.Reader, *wirePort) {
	t.Helper()
	port := &wirePort{module: func(command byte) []byte {
		if b, ok := says[command]; ok {
			return b
		}
		if command == zfm.RdParam {
			return packet(t, zfm.Ack, make([]byte, 1+zfm.ParamLength)...)
		}
		return answer(t, zfm.CodeOK)
	}}
	r := zfm.New(zfm.Config{Name: "finger", Open: func() (zfm.Port, error) { return port, nil }})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, port
}

func TestAWholePictureIsCaptured(t *testing.T) {
	r, _ := reader(t, map[byte][]byte{zfm.UpImage: append(answer(t, zfm.CodeOK), picture(t, 36864)...)})
	img, err := r.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 256 || size.Y != 288 {
		t.Errorf("size %v", size)
	}
}

func TestAWrongPictureIsAClearError(t *testing.T) {
	ok := answer(t, zfm.CodeOK)
	damaged := picture(t, 36864)
	damaged[5000] ^= 1
	for want, says := range map[string][]byte{
		"picture of 18000 bytes": append(ok, picture(t, 18000)...),
		"more than 36864 bytes":  append(ok, picture(t, 40000)...),
		"wrong checksum":         append(ok, damaged...),
		"broken off after 0 of 36864 bytes: out of sequence: a": append(ok, ok...),
		"picture cannot be sent":                                answer(t, zfm.CodeNoUpload),
	} {
		r, _ := reader(t, map[byte][]byte{zfm.UpImage: says})
		_, err := r.Capture(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `fingerprint reader "finger"`) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestAnswersOtherThanOKSayWhatTheyMean(t *testing.T) {
	for code, want := range map[byte]error{zfm.CodeFailed: zfm.ErrMessy, zfm.CodeMessy: zfm.ErrMessy} {
		r, port := reader(t, map[byte][]byte{zfm.GenImg: answer(t, code)})
		if _, err := r.Capture(t.Context()); !errors.Is(err, want) {
			t.Errorf("%02x: got %v", code, err)
		}
		if port.closed > 0 {
			t.Errorf("%02x: the port was closed for an answer", code)
		}
	}
	r, _ := reader(t, map[byte][]byte{zfm.VfyPwd: answer(t, zfm.CodePassword)})
	if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("got %v", err)
	}
}

func TestAnotherModulesAnswerIsRefused(t *testing.T) {
	foreign, err := zfm.Packet{Address: 1, Kind: zfm.Ack, Payload: []byte{zfm.CodeOK}}.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := reader(t, map[byte][]byte{zfm.VfyPwd: foreign})
	if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "address 00000001") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAFingerTheContextEndsTheWait(t *testing.T) {
	r, _ := reader(t, map[byte][]byte{zfm.GenImg: answer(t, zfm.CodeNoFinger)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := r.Capture(ctx)
	if !errors.Is(err, zfm.ErrNoFinger) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestASilentReaderIsClosedAndOpenedAgain(t *testing.T) {
	t.Parallel()
	r, port := reader(t, map[byte][]byte{zfm.GenImg: nil})
	if _, err := r.Capture(t.Context()); !errors.Is(err, zfm.ErrSilent) {
		t.Errorf("got %v", err)
	}
	if port.closed == 0 {
		t.Error("the port was not closed")
	}
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("opened again: %v", err)
	}
}

func TestNoiseOnTheLineIsWaitedOut(t *testing.T) {
	r, port := reader(t, nil)
	port.pending = []byte("noise from the time before")
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAReaderThatCannotBeOpenedSaysSo(t *testing.T) {
	r := zfm.New(zfm.Config{Name: "finger", Path: "/nonexistent/reader"})
	if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "/nonexistent/reader") || !strings.Contains(err.Error(), "open") {
		t.Errorf("got %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Check(t.Context()); !errors.Is(err, zfm.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestTheRestOfABrokenPictureIsNoAnswer(t *testing.T) {
	rest := append(packet(t, zfm.Data, make([]byte, 128)...), packet(t, zfm.End, make([]byte, 128)...)...)
	r, _ := reader(t, map[byte][]byte{
		zfm.VfyPwd:  append(rest, answer(t, zfm.CodeOK)...),
		zfm.GenImg:  append(rest, answer(t, zfm.CodeOK)...),
		zfm.UpImage: append(answer(t, zfm.CodeOK), picture(t, zfm.Width*zfm.Height/2)...),
	})
	if _, err := r.Capture(t.Context()); err != nil {
		t.Error(err)
	}
}

// An answer that belongs to an earlier question is told by its length alone.
func TestAnOldAnswerIsNotTakenForTheNext(t *testing.T) {
	uploads := 0
	port := &wirePort{}
	port.module = func(command byte) []byte {
		switch command {
		case zfm.UpImage:
			if uploads++; uploads == 1 { // a packet that belongs nowhere
				return append(answer(t, zfm.CodeOK), packet(t, zfm.Command, 1)...)
			}
			return append(answer(t, zfm.CodeOK), picture(t, zfm.Width*zfm.Height/2)...)
		case zfm.RdParam:
			return append(answer(t, zfm.CodeNoFinger), packet(t, zfm.Ack, make([]byte, 1+zfm.ParamLength)...)...)
		}
		return answer(t, zfm.CodeOK)
	}
	r := zfm.New(zfm.Config{Name: "finger", Open: func() (zfm.Port, error) { return port, nil }})
	t.Cleanup(func() { _ = r.Close() })
	if _, err := r.Capture(t.Context()); err != nil {
		t.Error(err)
	}
	if uploads != 2 {
		t.Errorf("the picture was asked for %d times", uploads)
	}
}

func TestAPictureOf192PixelsIsTakenAndSaidToBeTooSmall(t *testing.T) {
	info := make([]byte, zfm.InfoLength)
	info[39], info[41] = 192, 192
	r, _ := reader(t, map[byte][]byte{
		zfm.UpImage: append(answer(t, zfm.CodeOK), picture(t, 192*192/2)...),
		zfm.RdInfo:  packet(t, zfm.Ack, append([]byte{zfm.CodeOK}, info...)...),
	})
	if r.Size() != (zfm.Size{}) {
		t.Errorf("a size before any answer: %v", r.Size())
	}
	if err := r.Describe(t.Context()); err != nil || r.Size() != (zfm.Size{Width: 192, Height: 192}) {
		t.Errorf("described as %v, %v", r.Size(), err)
	}
	img, err := r.Capture(t.Context())
	if err != nil || img.Rect.Dx() != 192 || img.Rect.Dy() != 192 {
		t.Fatalf("got %v", err)
	}
	if warning := r.Size().Warning(); !strings.Contains(warning, "192 × 192") || !strings.Contains(warning, "too small") {
		t.Errorf("warning %q", warning)
	}
	if warning := (zfm.Size{Width: zfm.Width, Height: zfm.Height}).Warning(); warning != "" {
		t.Errorf("warning of the common size: %q", warning)
	}
}

func TestAModuleThatDoesNotKnowItsSizeIsNoFault(t *testing.T) {
	r, _ := reader(t, map[byte][]byte{zfm.RdInfo: answer(t, 0x1F)})
	if err := r.Describe(t.Context()); err != nil || r.Size() != (zfm.Size{}) {
		t.Errorf("got %v, %v", r.Size(), err)
	}
}

// A transfer that lost half of its packets has the length of a smaller picture.
func TestHalfAPictureIsNotASmallOne(t *testing.T) {
	whole := append(answer(t, zfm.CodeOK), picture(t, zfm.Width*zfm.Height/2)...)
	uploads := 0
	port := &wirePort{module: func(command byte) []byte {
		if command == zfm.UpImage {
			if uploads++; uploads == 2 {
				return append(answer(t, zfm.CodeOK), picture(t, 192*192/2)...)
			}
			return whole
		}
		if command == zfm.RdParam {
			return packet(t, zfm.Ack, make([]byte, 1+zfm.ParamLength)...)
		}
		return answer(t, zfm.CodeOK)
	}}
	r := zfm.New(zfm.Config{Name: "finger", Open: func() (zfm.Port, error) { return port, nil }})
	t.Cleanup(func() { _ = r.Close() })
	for range 2 {
		img, err := r.Capture(t.Context())
		if err != nil || img.Rect.Dy() != zfm.Height {
			t.Fatalf("got %v", err)
		}
	}
	if uploads != 3 {
		t.Errorf("%d transfers", uploads)
	}
}
