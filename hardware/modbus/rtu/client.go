// Package rtu is a master of the Modbus RTU protocol for relay and input boards:
// it reads coils, inputs and registers, and writes one coil or register.
//
// It promises that each exchange ends within its time limit; that an answer has
// the unit, the function, the length and the check that the request calls for, or
// is an error that says what came instead; that noise before an answer, and an
// adapter that hears its own request, do no harm; and that a request is sent once:
// the caller decides what may be repeated.
//
// It leaves to others to tell a late answer from the next one: the protocol has no
// sequence numbers.
package rtu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"go.bug.st/serial"
)

// Errors of an exchange. ExceptionError is another.
var (
	ErrTimeout = errors.New("no answer in time")
	ErrUnit    = errors.New("an answer of another unit")
	ErrDamaged = errors.New("no whole answer")
	ErrClosed  = errors.New("the port is not open")
)

// ExceptionError is a board's answer that says why not.
type ExceptionError byte

// The exceptions that a board answers.
const (
	ErrIllegalFunction ExceptionError = 1
	ErrIllegalAddress  ExceptionError = 2
	ErrIllegalValue    ExceptionError = 3
	ErrDeviceFailure   ExceptionError = 4
	ErrAcknowledge     ExceptionError = 5
	ErrDeviceBusy      ExceptionError = 6
)

func (e ExceptionError) Error() string {
	switch e {
	case ErrIllegalFunction:
		return "illegal function"
	case ErrIllegalAddress:
		return "illegal data address"
	case ErrIllegalValue:
		return "illegal data value"
	case ErrDeviceFailure:
		return "device failure"
	case ErrAcknowledge:
		return "accepted, and not done yet"
	case ErrDeviceBusy:
		return "device busy"
	}
	return fmt.Sprintf("exception %d", byte(e))
}

// gap is how long a line may be silent within an answer: longer than USB adapters
// hold bytes back (16 ms).
const gap = 50 * time.Millisecond

// Port is a serial port: Read returns 0 and no error when the read timeout passes
// without a byte, as go.bug.st/serial's ports do.
type Port interface {
	io.ReadWriteCloser
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
}

// Config describes a serial line.
type Config struct {
	Path    string
	Baud    int
	Parity  serial.Parity
	Stop    serial.StopBits
	Timeout time.Duration // of one exchange

	// Open opens the port. If nil, the device at Path is opened.
	Open func() (Port, error)
}

// Client is the master of a line. It is not for use by several goroutines at once.
type Client struct {
	cfg   Config
	port  Port
	quiet time.Time // when the line was last used
	rest  time.Duration
	echo  bool // the adapter hears what it sends
}

// New prepares a client. The device need not be there yet.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg}
	if c.cfg.Open == nil {
		c.cfg.Open = func() (Port, error) {
			return serial.Open(cfg.Path, &serial.Mode{BaudRate: cfg.Baud, DataBits: 8, Parity: cfg.Parity, StopBits: cfg.Stop})
		}
	}
	// Frames are 3.5 characters of 11 bits apart, and at least 1.75 ms (MODBUS
	// over Serial Line V1.02, 2.5.1.1).
	c.rest = 1750 * time.Microsecond
	if cfg.Baud > 0 {
		c.rest = max(c.rest, 7*11*time.Second/time.Duration(2*cfg.Baud))
	}
	return c
}

// Open opens the port.
func (c *Client) Open() error {
	port, err := c.cfg.Open()
	if err != nil {
		return err
	}
	c.port = port
	return nil
}

// Close closes the port, if it is open.
func (c *Client) Close() error {
	if c.port == nil {
		return nil
	}
	port := c.port
	c.port = nil
	return port.Close()
}

// ReadCoils reads coils from an address on, 1 to MaxBits.
func (c *Client) ReadCoils(unit byte, first, count uint16) ([]bool, error) {
	return c.readBits(request{unit, ReadCoils, first, count})
}

// ReadInputs reads discrete inputs from an address on, 1 to MaxBits.
func (c *Client) ReadInputs(unit byte, first, count uint16) ([]bool, error) {
	return c.readBits(request{unit, ReadInputs, first, count})
}

func (c *Client) readBits(q request) ([]bool, error) {
	if q.value < 1 || q.value > MaxBits {
		return nil, fmt.Errorf("read %d bits: 1 to %d can be read", q.value, MaxBits)
	}
	data, err := c.exchange(q)
	if err != nil {
		return nil, err
	}
	return bits(data, q.value), nil
}

// ReadRegisters reads holding registers from an address on, 1 to MaxRegisters.
func (c *Client) ReadRegisters(unit byte, first, count uint16) ([]uint16, error) {
	if count < 1 || count > MaxRegisters {
		return nil, fmt.Errorf("read %d registers: 1 to %d can be read", count, MaxRegisters)
	}
	data, err := c.exchange(request{unit, ReadRegisters, first, count})
	if err != nil {
		return nil, err
	}
	values := make([]uint16, count)
	for i := range values {
		values[i] = binary.BigEndian.Uint16(data[2*i:])
	}
	return values, nil
}

// WriteCoil writes a coil: On, Off, or another value that the board has a meaning
// for.
func (c *Client) WriteCoil(unit byte, coil, value uint16) error {
	_, err := c.exchange(request{unit, WriteCoil, coil, value})
	return err
}

// WriteRegister writes a holding register.
func (c *Client) WriteRegister(unit byte, register, value uint16) error {
	_, err := c.exchange(request{unit, WriteRegister, register, value})
	return err
}

// exchange sends a request once and waits for its answer.
func (c *Client) exchange(q request) ([]byte, error) {
	if c.port == nil {
		return nil, ErrClosed
	}
	time.Sleep(c.rest - time.Since(c.quiet))
	defer func() { c.quiet = time.Now() }()
	if err := c.port.ResetInputBuffer(); err != nil {
		return nil, err
	}
	if _, err := c.port.Write(q.frame()); err != nil {
		return nil, err
	}
	return c.answer(q, time.Now().Add(c.cfg.Timeout))
}

// answer reads until the answer is there, the time is over, or the line falls
// silent behind something else.
func (c *Client) answer(q request, deadline time.Time) ([]byte, error) {
	var buf [2 * maxFrame]byte // an echo and the longest answer
	n := 0
	for {
		left := time.Until(deadline)
		if left <= 0 || n == len(buf) {
			return nil, q.diagnose(c.withoutEcho(q, buf[:n]))
		}
		if len(c.withoutEcho(q, buf[:n])) > 0 {
			left = min(left, gap)
		}
		if err := c.port.SetReadTimeout(left); err != nil {
			return nil, err
		}
		got, err := c.port.Read(buf[n:])
		if err != nil {
			return nil, err
		}
		if got == 0 {
			if have := c.withoutEcho(q, buf[:n]); len(have) > 0 || !time.Now().Before(deadline) {
				return nil, q.diagnose(have)
			}
			continue
		}
		n += got
		if data, whole, err := q.find(c.withoutEcho(q, buf[:n])); whole {
			return append([]byte(nil), data...), err
		}
	}
}

// withoutEcho drops the request from the beginning of what was heard. The answer
// to a reading is never the same as its request, so that a reading finds out
// whether this adapter hears itself; a writing relies on that.
func (c *Client) withoutEcho(q request, b []byte) []byte {
	frame := q.frame()
	heard := bytes.HasPrefix(b, frame)
	if heard && q.dataLength() > 0 {
		c.echo = true
	}
	if heard && c.echo {
		return b[len(frame):]
	}
	return b
}
