package scanner_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

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
		strings.Repeat("9", 9999): scanner.ErrTooLong,
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
	p.scan("1234")
	if h := next(t, from); !errors.Is(h.err, scanner.ErrBroken) {
		t.Errorf("heard %+v", h)
	}
	p.scan("5678\r")
	if h := next(t, from); h.text != "5678" {
		t.Errorf("heard %+v", h)
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
