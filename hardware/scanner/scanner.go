// Package scanner reads what barcode and QR scanners and badge readers send
// over a serial line: one line of text for each thing that they read, ended by
// CR or LF.
//
// It promises text of bounded length without control characters, nothing that
// was read before the line was opened, and that a device that was unplugged is
// found again. A line that breaks the rules is refused as a whole.
//
// It leaves to others what the text means, and keeps no copy of it: it may
// hold a pickup code, so it is in no error either.
package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"go.bug.st/serial"
)

// MaxLength is the longest accepted text in bytes. A pickup QR has less than
// 40, a badge less than 100.
const MaxLength = 512

// DefaultBaud is the speed of most scanners as delivered; a USB scanner
// ignores it.
const DefaultBaud = 9600

// readSlice bounds one read, so that the end of a context is noticed. idle is
// how long a text may pause before it is taken for broken off: a line that
// lost its end must not be glued to the next one.
const (
	readSlice = 50 * time.Millisecond
	idle      = 500 * time.Millisecond
)

// Times between two attempts to open a device: doubling from the first to the
// second.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Errors that a caller can act on.
var (
	ErrTooLong = fmt.Errorf("text of more than %d bytes", MaxLength)
	ErrControl = errors.New("text with control characters, or not in UTF-8")
	ErrBroken  = errors.New("text without an end")
	ErrGone    = errors.New("the scanner is gone")
)

// Port is a serial port: Read returns 0 and no error when the read timeout
// passes without a byte, as go.bug.st/serial's ports do.
type Port interface {
	io.ReadCloser
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
}

// Config describes a scanner.
type Config struct {
	Name string // for errors, for example "citizen"
	Path string // the serial device
	Baud int    // 0 means DefaultBaud

	// Open opens the port. If nil, the device at Path is opened.
	Open func() (Port, error)
}

// Scanner is a barcode or QR scanner or a badge reader.
type Scanner struct {
	name string
	open func() (Port, error)
}

// New prepares a scanner. The device need not be there yet.
func New(cfg Config) *Scanner {
	if cfg.Baud == 0 {
		cfg.Baud = DefaultBaud
	}
	s := &Scanner{
		name: fmt.Sprintf("scanner %q (%s)", cfg.Name, cfg.Path),
		open: cfg.Open,
	}
	if s.open == nil {
		s.open = func() (Port, error) {
			return serial.Open(cfg.Path, &serial.Mode{BaudRate: cfg.Baud, DataBits: 8})
		}
	}
	return s
}

// Name says which part this is, for errors.
func (s *Scanner) Name() string { return s.name }

// Check says whether the device can be opened. It is not for use during Watch.
func (s *Scanner) Check() error {
	port, err := s.connect()
	if err != nil {
		return err
	}
	if err := port.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", s.name, err)
	}
	return nil
}

// Watch calls heard for every text that the scanner reads, until ctx ends; it
// returns ctx's error. The text is the callee's, which clears it if it may be a
// secret. It also calls heard with an empty text and no error
// each time that the device has been opened, with ErrGone once each time that
// it cannot be or was lost, and with another error for each text that is
// refused. Empty texts are ignored. heard is called from one goroutine, and
// should return soon.
func (s *Scanner) Watch(ctx context.Context, heard func(text []byte, err error)) error {
	return Keep(ctx, s.connect, s.listen, heard)
}

// Keep connects a device and listens to it until ctx ends, and returns ctx's
// error. A device that cannot be had or was lost is tried again, after pauses
// that grow, and heard is told as Watch says. listen closes what connect opened.
func Keep[D any](ctx context.Context, connect func() (D, error), listen func(context.Context, D, func([]byte, error)) error, heard func([]byte, error)) error {
	pause, told := firstPause, false
	for ctx.Err() == nil {
		device, err := connect()
		if err == nil {
			pause, told = firstPause, false
			heard(nil, nil)
			err = listen(ctx, device, heard)
		}
		if ctx.Err() != nil {
			break
		}
		if !told {
			told = true
			heard(nil, fmt.Errorf("%w: %w", ErrGone, err))
		}
		sleep(ctx, pause)
		pause = min(2*pause, lastPause)
	}
	return ctx.Err()
}

// connect opens the port and forgets what came before.
func (s *Scanner) connect() (Port, error) {
	port, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("%s: open: %w", s.name, err)
	}
	err = port.SetReadTimeout(readSlice)
	if err == nil {
		err = port.ResetInputBuffer()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: prepare: %w", s.name, err), port.Close())
	}
	return port, nil
}

// listen reads until the port fails or ctx ends, and closes the port.
func (s *Scanner) listen(ctx context.Context, port Port, heard func([]byte, error)) error {
	defer port.Close() // nothing was written: its error tells nothing
	var text splitter
	defer text.clear()
	var buf [256]byte
	defer clear(buf[:])
	last := time.Now()
	for ctx.Err() == nil {
		n, err := port.Read(buf[:])
		if err != nil {
			return fmt.Errorf("%s: read: %w", s.name, err)
		}
		if n == 0 {
			if time.Since(last) >= idle && text.broken() {
				heard(nil, fmt.Errorf("%s: %w", s.name, ErrBroken))
			}
			continue
		}
		last = time.Now()
		for _, b := range buf[:n] {
			line, err := text.add(b)
			switch {
			case err != nil:
				heard(nil, fmt.Errorf("%s: %w", s.name, err))
			case len(line) > 0:
				heard(line, nil)
			}
		}
		clear(buf[:n])
	}
	return ctx.Err()
}

// splitter makes lines of bytes. It never holds more than MaxLength of them.
type splitter struct {
	line    []byte
	tooLong bool
}

// add returns a text when b ends one that is good, an error when b ends one
// that is not, and neither otherwise.
func (s *splitter) add(b byte) ([]byte, error) {
	if b != '\r' && b != '\n' {
		if len(s.line) == MaxLength {
			s.tooLong = true
			return nil, nil
		}
		if s.line == nil {
			s.line = make([]byte, 0, MaxLength) // growing would leave a copy behind
		}
		s.line = append(s.line, b)
		return nil, nil
	}
	defer s.clear()
	switch {
	case s.tooLong:
		return nil, ErrTooLong
	case !printable(s.line):
		return nil, ErrControl
	}
	return bytes.Clone(s.line), nil
}

// broken forgets an unfinished text and says whether there was one.
func (s *splitter) broken() bool {
	was := len(s.line) > 0
	s.clear()
	return was
}

// clear also overwrites the text: it may be a code.
func (s *splitter) clear() {
	clear(s.line)
	s.line, s.tooLong = s.line[:0], false
}

func printable(text []byte) bool {
	return utf8.Valid(text) && bytes.IndexFunc(text, unicode.IsControl) < 0
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
