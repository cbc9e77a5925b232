// Package scanner reads what barcode and QR scanners and badge readers send
// over a serial line: one text for each thing that they read.
//
// A text ends with CR, LF, ETX or EOT, with TAB before a pause, or, if the device
// has sent none of these since it was opened, with a pause. STX before a text,
// spaces around it and the AIM identifier of the symbology ("]Q1") are dropped.
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

// readSlice bounds one read, so that the end of a context is noticed. Pause is how
// long a device is silent after a text: then an unfinished text is whole if the
// device never ends its texts, and broken off otherwise. It must not be glued to
// the next one.
const (
	readSlice = 50 * time.Millisecond
	Pause     = 250 * time.Millisecond
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

// RefusedError is the error of a text that is refused. It holds nothing of the text.
type RefusedError struct {
	Reason error
	Length int // bytes that came
}

func (r *RefusedError) Error() string { return fmt.Sprintf("refused %d bytes: %v", r.Length, r.Reason) }

// Unwrap gives the reason.
func (r *RefusedError) Unwrap() error { return r.Reason }

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
// it cannot be or was lost, and with a RefusedError for each text that is
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
	tell := func(line []byte, err error) {
		switch {
		case err != nil:
			heard(nil, fmt.Errorf("%s: %w", s.name, err))
		case len(line) > 0:
			heard(line, nil)
		}
	}
	for ctx.Err() == nil {
		n, err := port.Read(buf[:])
		if err != nil {
			return fmt.Errorf("%s: read: %w", s.name, err)
		}
		if n == 0 {
			if time.Since(last) >= Pause {
				tell(text.pause())
			}
			continue
		}
		last = time.Now()
		for _, b := range buf[:n] {
			tell(text.add(b))
		}
		clear(buf[:n])
	}
	return ctx.Err()
}

// Control characters that frame a text.
const (
	stx = 0x02
	etx = 0x03
	eot = 0x04
)

// splitter makes lines of bytes. It never holds more than MaxLength of them.
type splitter struct {
	line []byte
	more int  // bytes beyond MaxLength
	ends bool // the device ends its texts
}

// add returns a text when b ends one that is good, an error when b ends one
// that is not, and neither otherwise.
func (s *splitter) add(b byte) ([]byte, error) {
	switch b {
	case '\r', '\n', etx, eot:
		s.ends = s.ends || len(s.line) > 0
		return s.end()
	case stx:
		return nil, s.broken()
	}
	if len(s.line) == MaxLength {
		s.more++
		return nil, nil
	}
	if s.line == nil {
		s.line = make([]byte, 0, MaxLength) // growing would leave a copy behind
	}
	s.line = append(s.line, b)
	return nil, nil
}

// pause ends a text that the device does not end.
func (s *splitter) pause() ([]byte, error) {
	if s.ends && !bytes.HasSuffix(s.line, []byte("\t")) {
		return nil, s.broken()
	}
	return s.end()
}

func (s *splitter) end() ([]byte, error) {
	defer s.clear()
	line := bytes.TrimRight(s.line, "\t")
	switch {
	case s.more > 0:
		return nil, &RefusedError{ErrTooLong, len(s.line) + s.more}
	case !printable(line):
		return nil, &RefusedError{ErrControl, len(s.line)}
	}
	return bytes.Clone(Trim(line)), nil
}

// broken forgets an unfinished text and says if there was one.
func (s *splitter) broken() error {
	n := len(s.line) + s.more
	s.clear()
	if n == 0 {
		return nil
	}
	return &RefusedError{ErrBroken, n}
}

// clear also overwrites the text: it may be a code.
func (s *splitter) clear() {
	clear(s.line)
	s.line, s.more = s.line[:0], 0
}

// Trim drops the spaces around a text and the AIM identifier before it: "]", a
// letter for the symbology and one more for its variant (ISO/IEC 15424).
func Trim(text []byte) []byte {
	text = bytes.Trim(text, " ")
	if len(text) > 3 && text[0] == ']' && letter(text[1]) && (letter(text[2]) || text[2] >= '0' && text[2] <= '9') {
		text = bytes.TrimLeft(text[3:], " ")
	}
	return text
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

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
