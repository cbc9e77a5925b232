package scanner_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/nachtfach/nachtfach/hardware/scanner"
)

// port is a serial port; its fields are the hardware.
type port struct {
	mu      sync.Mutex
	pending []byte
	gone    bool
}

func (p *port) SetReadTimeout(time.Duration) error { return nil }

func (p *port) ResetInputBuffer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
	return nil
}

func (p *port) Close() error { return nil }

func (p *port) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return 0, io.ErrClosedPipe
	}
	if len(p.pending) == 0 {
		time.Sleep(time.Millisecond)
		return 0, nil
	}
	n := copy(b, p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func (p *port) scan(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, text...)
}

func (p *port) unplug() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
}

type heard struct {
	text string
	err  error
}

// listen starts a scanner and waits until it is open.
func listen(t *testing.T, open func() (scanner.Port, error)) <-chan heard {
	t.Helper()
	s := scanner.New(scanner.Config{Name: "citizen", Open: open})
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan heard, 100), make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(text []byte, err error) { out <- heard{string(text), err} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	})
	return out
}

func next(t *testing.T, from <-chan heard) heard {
	t.Helper()
	select {
	case h := <-from:
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was heard")
		return heard{}
	}
}

func fixed(p *port) func() (scanner.Port, error) {
	return func() (scanner.Port, error) { return p, nil }
}

func TestLinesEndWithCROrLF(t *testing.T) {
	p := &port{}
	from := listen(t, fixed(p))
	next(t, from)
	p.scan("1234 5678 9012\rNF1:abc\r\nÄrmel\n\r\n")
	for _, want := range []string{"1234 5678 9012", "NF1:abc", "Ärmel"} {
		if h := next(t, from); h.text != want || h.err != nil {
			t.Errorf("heard %+v, want %q", h, want)
		}
	}
}

func TestABadLineIsRefusedAsAWholeAndNotTold(t *testing.T) {
	p := &port{}
	from := listen(t, fixed(p))
	next(t, from)
	for text, want := range map[string]error{
		"secret\x1b[2J":           scanner.ErrControl,
		"secret\x00":              scanner.ErrControl,
		"secret\xff\xfe":          scanner.ErrControl,
		strings.Repeat("9", 513):  scanner.ErrTooLong,
		strings.Repeat("9", 8000): scanner.ErrTooLong,
	} {
		p.scan(text + "\r")
		h := next(t, from)
		if h.text != "" || !errors.Is(h.err, want) {
			t.Errorf("heard %+v, want %v", h, want)
		}
		if h.err != nil && (strings.Contains(h.err.Error(), "secret") || strings.Contains(h.err.Error(), "999")) {
			t.Errorf("the error tells the text: %v", h.err)
		}
	}
	longest := strings.Repeat("9", scanner.MaxLength)
	p.scan(longest + "\r")
	if h := next(t, from); h.text != longest || h.err != nil {
		t.Errorf("the longest good one: %d bytes, %v", len(h.text), h.err)
	}
}

func TestATextWithoutAnEndIsNotGluedToTheNext(t *testing.T) {
	p := &port{}
	from := listen(t, fixed(p))
	next(t, from)
	p.scan("1\r") // it ends its texts
	next(t, from)
	p.scan("1234")
	if h := next(t, from); !errors.Is(h.err, scanner.ErrBroken) {
		t.Errorf("heard %+v", h)
	}
	p.scan("5678\r")
	if h := next(t, from); h.text != "5678" {
		t.Errorf("heard %+v", h)
	}
}

func TestFramesOfCommonDevicesAreUnderstood(t *testing.T) {
	const want = "0005207B326C"
	for name, send := range map[string]string{
		"CR": want + "\r", "LF": want + "\n", "CR LF": want + "\r\n", "TAB": want + "\t", "TAB and CR": want + "\t\r", "nothing": want,
		"STX, CR LF, ETX": "\x02" + want + "\r\n\x03", "STX, ETX": "\x02" + want + "\x03", "EOT": want + "\x04",
		"spaces": " " + want + "  \r", "AIM identifier": "]C0" + want + "\r", "AIM identifier, nothing": "]Q1" + want,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &port{}
			from := listen(t, fixed(p))
			next(t, from)
			for range 2 {
				p.scan(send)
				if h := next(t, from); h.text != want || h.err != nil {
					t.Errorf("heard %q, %v", h.text, h.err)
				}
			}
		})
	}
}

func TestARefusedTextIsToldByLengthAndReason(t *testing.T) {
	p := &port{}
	from := listen(t, fixed(p))
	next(t, from)
	for text, want := range map[string]scanner.RefusedError{
		"ab\tc\r":                       {Reason: scanner.ErrControl, Length: 4}, // a TAB inside
		strings.Repeat("9", 600) + "\r": {Reason: scanner.ErrTooLong, Length: 600},
		"abc\x02":                       {Reason: scanner.ErrBroken, Length: 3}, // a new frame begins
	} {
		p.scan(text)
		var refused *scanner.RefusedError
		if h := next(t, from); !errors.As(h.err, &refused) || *refused != want {
			t.Errorf("heard %+v, want %+v", h, want)
		}
	}
}

func TestWhatWasScannedBeforeIsForgotten(t *testing.T) {
	p := &port{}
	p.scan("yesterday\r")
	from := listen(t, fixed(p))
	if h := next(t, from); h.text != "" || h.err != nil {
		t.Fatalf("heard %+v", h)
	}
	p.scan("today\r")
	if h := next(t, from); h.text != "today" {
		t.Errorf("heard %+v", h)
	}
}

func TestAnUnpluggedScannerIsToldOnceAndFoundAgain(t *testing.T) {
	first, second := &port{}, &port{}
	var mu sync.Mutex
	opened := 0
	from := listen(t, func() (scanner.Port, error) {
		mu.Lock()
		defer mu.Unlock()
		opened++
		switch opened {
		case 1:
			return first, nil
		case 2, 3:
			return nil, errors.New("no such device")
		}
		return second, nil
	})
	next(t, from)
	first.scan("half a te")
	first.unplug()
	if h := next(t, from); !errors.Is(h.err, scanner.ErrGone) {
		t.Fatalf("heard %+v", h)
	}
	if h := next(t, from); h.err != nil || h.text != "" {
		t.Fatalf("after plugging in: %+v", h)
	}
	second.scan("whole\r")
	if h := next(t, from); h.text != "whole" {
		t.Errorf("heard %+v", h)
	}
}

func TestCheckNamesTheDevice(t *testing.T) {
	s := scanner.New(scanner.Config{Name: "badge", Path: "/nonexistent/badge"})
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), `scanner "badge" (/nonexistent/badge): open`) {
		t.Errorf("got %v", err)
	}
}

// Whatever bytes come, texts are bounded, printable and trimmed, and a refusal
// counts no more bytes than came.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"1234 5678 9012\r", "\x020005207B326C\r\n\x03", "]Q1NF1:123412341234\t", "a\tb\n", strings.Repeat("9", 600) + "\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		p := &ending{pending: stream}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := scanner.New(scanner.Config{Open: func() (scanner.Port, error) { return p, nil }})
		_ = s.Watch(ctx, func(text []byte, err error) { // its error is ctx's
			var refused *scanner.RefusedError
			switch {
			case errors.Is(err, scanner.ErrGone):
				cancel()
			case errors.As(err, &refused):
				if refused.Length < 1 || refused.Length > len(stream) {
					t.Errorf("refused %d of %d bytes", refused.Length, len(stream))
				}
			case err != nil:
				t.Errorf("unexpected error %v", err)
			case len(text) > scanner.MaxLength || bytes.ContainsFunc(text, unicode.IsControl) || string(bytes.Trim(text, " ")) != string(text):
				t.Errorf("heard %q", text)
			}
		})
	})
}

// ending is a port that is unplugged after its bytes.
type ending struct{ pending []byte }

func (*ending) SetReadTimeout(time.Duration) error { return nil }
func (*ending) ResetInputBuffer() error            { return nil }
func (*ending) Close() error                       { return nil }
func (e *ending) Read(b []byte) (int, error) {
	if len(e.pending) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.pending)
	e.pending = e.pending[n:]
	return n, nil
}
