// Package zfm takes pictures with fingerprint modules of the ZFM, R30x and
// R503 family over their serial protocol, and holds that protocol's packets.
//
// It promises a whole image or an error that says what is wrong: nothing
// plugged in, unplugged in the middle, a damaged transfer, no finger, a finger
// that the module could not picture. A single damaged or missing packet is not an
// error: the line is brought back in step and the module is asked again, at most
// [retry.Attempts] times in a row. Before each repetition, and before the next
// capture after a failure, the driver waits until the line is quiet and asks a
// question that no old answer can match, or opens the port again.
//
// It leaves to others what the image shows. The module's own templates and
// comparison are not used: their formats are closed.
package zfm

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"time"

	"go.bug.st/serial"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// The image of the common modules, as GenImg takes it and UpImage sends it. Other
// sizes are in the table sizes.
const (
	Width      = 256 // pixels
	Height     = 288 // rows
	Resolution = 500 // pixels per inch
	imageBytes = Width * Height / 2
)

// Defaults of a module as delivered.
const (
	DefaultBaud    = 57600
	DefaultAddress = 0xFFFFFFFF
)

// Time limits. An image takes 6.4 s at 57,600 baud.
const (
	answerLimit = 2 * time.Second        // from a command to its answer; GenImg needs up to 1 s
	gapLimit    = time.Second            // between two data packets
	imageLimit  = 15 * time.Second       // for a whole image; enough at 38,400 baud
	fingerPause = 100 * time.Millisecond // between two looks for a finger
	quiet       = 60 * time.Millisecond  // a line without bytes for so long is in step again
	readSlice   = 20 * time.Millisecond  // how soon a read notices that its context has ended
)

// Errors that a caller can act on.
var (
	ErrNoFinger  = errors.New("no finger on the reader")
	ErrMessy     = errors.New("the reader could not take a picture of this finger")
	ErrSilent    = errors.New("the reader does not answer")
	ErrUnplugged = errors.New("the reader is gone")
	ErrClosed    = errors.New("closed")

	errSequence = errors.New("out of sequence") // a packet that does not belong there, or is missing
)

// Port is a serial port: Read returns 0 and no error when the read timeout
// passes without a byte, as go.bug.st/serial's ports do.
type Port interface {
	io.ReadWriteCloser
	SetReadTimeout(time.Duration) error
}

// Config describes a reader.
type Config struct {
	Name     string // for errors, for example "finger"
	Path     string // the serial device
	Baud     int    // 0 means DefaultBaud
	Address  uint32 // 0 means DefaultAddress
	Password uint32 // the module's own; 0 as delivered

	// Open opens the port. If nil, the device at Path is opened.
	Open func() (Port, error)
}

// Reader is a fingerprint reader.
type Reader struct {
	name     string
	cfg      Config
	mu       chan struct{} // holds a token while in use; guards what follows
	port     Port
	decoder  *Decoder
	deadline time.Time
	ctx      context.Context // of the use in progress
	dirty    bool            // an exchange failed: late bytes may come
	closed   bool
	opened   int  // how often the port was opened: with each the module may have lost its picture
	looks    int  // failed looks for a finger, in a row
	uploads  int  // failed transfers of a picture, in a row
	size     Size // of the module's pictures; zero until one is known
}

// New prepares a reader. The device need not be there yet.
func New(cfg Config) *Reader {
	if cfg.Baud == 0 {
		cfg.Baud = DefaultBaud
	}
	if cfg.Address == 0 {
		cfg.Address = DefaultAddress
	}
	if cfg.Open == nil {
		cfg.Open = func() (Port, error) {
			return serial.Open(cfg.Path, &serial.Mode{BaudRate: cfg.Baud, DataBits: 8})
		}
	}
	return &Reader{
		name: fmt.Sprintf("fingerprint reader %q (%s)", cfg.Name, cfg.Path),
		cfg:  cfg,
		mu:   make(chan struct{}, 1),
	}
}

// Name says which part this is, for errors.
func (r *Reader) Name() string { return r.name }

// Check opens the port if it must and asks the module for its password, once: the
// caller decides how often to ask before the module has failed.
func (r *Reader) Check(ctx context.Context) error {
	return r.use(ctx, func() error { return r.verify() })
}

// Size is the size of the module's pictures, and zero before it is known: it is
// learned from the first picture or by Describe.
func (r *Reader) Size() Size {
	r.mu <- struct{}{}
	defer func() { <-r.mu }()
	return r.size
}

// Describe asks the module for its size, which modules since the R503 answer.
// Older ones do not know the question: that is no error, and Size stays as it is.
func (r *Reader) Describe(ctx context.Context) error {
	err := r.use(ctx, r.describe)
	if answer := (*AnswerError)(nil); errors.As(err, &answer) || errors.Is(err, ErrSilent) {
		return nil
	}
	return err
}

// Capture waits until a finger lies on the reader and returns its picture: 8 bits
// a pixel, dark ridges, 16 shades (the module sends 4 bits a pixel), in one of the
// sizes that the driver knows. When ctx ends before that, its error is returned, together
// with ErrNoFinger if that is why.
func (r *Reader) Capture(ctx context.Context) (*image.Gray, error) {
	var img *image.Gray
	taken, opened := false, 0 // the module holds a picture, taken while the port was open for the nth time
	pause := retry.FirstPause
	for {
		err := r.use(ctx, func() (err error) {
			if !taken || opened != r.opened {
				taken = false
				if err = r.await(); err != nil {
					return err
				}
				taken, opened = true, r.opened
			}
			img, err = r.upload()
			return err
		})
		if err == nil {
			return img, nil
		}
		if !transient(err) {
			return nil, err
		}
		if failures := r.failed(taken); failures >= retry.Attempts {
			_ = r.abandon() // the error to tell is the one that we have
			return nil, fmt.Errorf("after %d attempts: %w", failures, err)
		}
		if !retry.Wait(ctx, pause) {
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		pause *= 2
	}
}

// failed counts a failed look for a finger, or the failed transfer of a picture
// that was taken, and says how many there were in a row.
func (r *Reader) failed(taken bool) int {
	r.mu <- struct{}{}
	defer func() { <-r.mu }()
	if taken {
		r.uploads++
		return r.uploads
	}
	r.looks++
	return r.looks
}

// abandon closes the port, so that the next use begins with a new one.
func (r *Reader) abandon() error {
	r.mu <- struct{}{}
	defer func() { <-r.mu }()
	r.looks, r.uploads = 0, 0
	return r.hangUp()
}

// transient tells noise on the line from a fault that would be the same again.
func transient(err error) bool {
	var answer *AnswerError
	switch {
	case errors.As(err, &answer):
		return answer.Code == codeDamaged || answer.Code == CodeNoUpload
	case errors.Is(err, ErrUnplugged), errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return errors.Is(err, ErrChecksum) || errors.Is(err, ErrLength) || errors.Is(err, ErrSilent) || errors.Is(err, errSequence)
}

// Close closes the port, after the use in progress has ended.
func (r *Reader) Close() error {
	r.mu <- struct{}{}
	defer func() { <-r.mu }()
	r.closed = true
	return r.hangUp()
}

// use runs an exchange with the port open and in step.
func (r *Reader) use(ctx context.Context, exchange func() error) error {
	select {
	case r.mu <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: waiting for an earlier use: %w", r.name, ctx.Err())
	}
	defer func() { <-r.mu }()
	r.ctx = ctx
	defer func() { r.ctx = nil }()
	if err := r.prepare(); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	if err := exchange(); err != nil {
		if answer := (*AnswerError)(nil); !errors.As(err, &answer) {
			r.dirty = true
		}
		if errors.Is(err, ErrUnplugged) {
			_ = r.hangUp() // the error to tell is the one that we have
		}
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// prepare opens the port if it must, and waits until the line is quiet if the
// last exchange failed.
func (r *Reader) prepare() error {
	if r.closed {
		return ErrClosed
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.port == nil {
		return r.open()
	}
	if !r.dirty {
		return nil
	}
	err := r.drain()
	if err == nil {
		err = r.resync()
	}
	if err != nil {
		_ = r.hangUp()
		if r.ctx.Err() != nil {
			return err
		}
		return r.open()
	}
	r.dirty = false
	return nil
}

func (r *Reader) open() error {
	port, err := r.cfg.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := port.SetReadTimeout(readSlice); err != nil {
		return errors.Join(fmt.Errorf("open: %w", err), port.Close())
	}
	r.port, r.decoder, r.dirty = port, NewDecoder(reading{r}), false
	r.opened++
	if err = r.drain(); err == nil {
		err = r.verify()
	}
	if err != nil {
		_ = r.hangUp() // the error to tell is the one that we have
	}
	return err
}

func (r *Reader) hangUp() error {
	if r.port == nil {
		return nil
	}
	port := r.port
	r.port, r.decoder = nil, nil
	if err := port.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", r.name, err)
	}
	return nil
}

// drain reads until nothing has come for a while.
func (r *Reader) drain() error {
	r.decoder.Reset()
	limit := time.Now().Add(imageLimit)
	var scrap [512]byte
	for last := time.Now(); time.Since(last) < quiet; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(limit) {
			return errors.New("the line never comes to rest: wrong baud rate, or not a reader")
		}
		n, err := r.port.Read(scrap[:])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnplugged, err)
		}
		if n > 0 {
			last = time.Now()
		}
	}
	return nil
}

// reading makes the port a blocking reader that ends at the reader's deadline
// or with its context.
type reading struct{ r *Reader }

func (in reading) Read(b []byte) (int, error) {
	for {
		if err := in.r.ctx.Err(); err != nil {
			return 0, err
		}
		if time.Now().After(in.r.deadline) {
			return 0, ErrSilent
		}
		n, err := in.r.port.Read(b)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrUnplugged, err)
		}
	}
}
