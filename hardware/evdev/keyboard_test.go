package evdev_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	linux "github.com/holoplot/go-evdev"

	"github.com/nachtfach/nachtfach/hardware/evdev"
	"github.com/nachtfach/nachtfach/hardware/scanner"
)

// node is an input device whose events are given as the kernel's bytes.
type node struct {
	grab   error
	bytes  *io.PipeReader
	feed   *io.PipeWriter
	mu     sync.Mutex
	closed int
}

func newNode() *node {
	n := &node{}
	n.bytes, n.feed = io.Pipe()
	return n
}

func (n *node) Grab() error     { return n.grab }
func (n *node) NonBlock() error { return nil }
func (n *node) ReadOne() (*linux.InputEvent, error) {
	var e linux.InputEvent
	return &e, binary.Read(n.bytes, binary.LittleEndian, &e)
}
func (n *node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed++
	return n.bytes.CloseWithError(errors.New("file already closed"))
}

// event is a struct input_event: two 64-bit words of time on a 64-bit machine,
// as a scanner's recording has them, then type, code and value.
func event(typ linux.EvType, code linux.EvCode, value int32) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, linux.InputEvent{Type: typ, Code: code, Value: value})
	return b.Bytes()
}

// press is a key down and up, as a scanner sends it: the scan code, the key, the
// end of the report.
func press(code linux.EvCode) []byte {
	return bytes.Join([][]byte{
		event(linux.EV_MSC, linux.MSC_SCAN, 0x70000), event(linux.EV_KEY, code, 1), event(linux.EV_SYN, 0, 0),
		event(linux.EV_KEY, code, 0), event(linux.EV_SYN, 0, 0),
	}, nil)
}

func with(modifier, code linux.EvCode) []byte {
	return bytes.Join([][]byte{event(linux.EV_KEY, modifier, 1), press(code), event(linux.EV_KEY, modifier, 0)}, nil)
}

type said struct {
	text string
	err  error
}

func keyboard(t *testing.T, layout evdev.Layout, nodes ...*node) <-chan said {
	t.Helper()
	var mu sync.Mutex
	k, err := evdev.New(evdev.Config{Name: "badge", Path: "/dev/input/event7", Layout: layout, Open: func() (evdev.Device, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(nodes) == 0 {
			return nil, errors.New("no such device")
		}
		next := nodes[0]
		nodes = nodes[1:]
		return next, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	heard, done := make(chan said, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		_ = k.Watch(ctx, func(text []byte, err error) { heard <- said{string(text), err} }) // its error is ctx's
	}()
	t.Cleanup(func() { cancel(); <-done })
	next(t, heard) // that it is there, or why not
	return heard
}

func next(t *testing.T, heard <-chan said) said {
	t.Helper()
	select {
	case s := <-heard:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was heard")
		return said{}
	}
}

func (n *node) types(t *testing.T, bytes ...[]byte) {
	t.Helper()
	for _, b := range bytes {
		if _, err := n.feed.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

var enter = press(linux.KEY_ENTER)

func TestKeysBecomeTextByTheScannersLayout(t *testing.T) {
	n := newNode()
	heard := keyboard(t, evdev.US, n)
	n.types(t, with(linux.KEY_LEFTSHIFT, linux.KEY_A), press(linux.KEY_MINUS), press(linux.KEY_2), press(linux.KEY_KP0), press(linux.KEY_Z), press(linux.KEY_SLASH), enter)
	if s := next(t, heard); s.text != "A-20z/" || s.err != nil {
		t.Errorf("us: %+v", s)
	}
	n = newNode()
	heard = keyboard(t, evdev.German, n)
	n.types(t, with(linux.KEY_RIGHTSHIFT, linux.KEY_A), press(linux.KEY_SLASH), press(linux.KEY_2), press(linux.KEY_Z),
		with(linux.KEY_LEFTSHIFT, linux.KEY_7), with(linux.KEY_LEFTSHIFT, linux.KEY_DOT), with(linux.KEY_RIGHTALT, linux.KEY_Q), with(linux.KEY_RIGHTALT, linux.KEY_E), press(linux.KEY_LEFTBRACE), enter)
	if s := next(t, heard); s.text != "A-2y/:@€ü" || s.err != nil {
		t.Errorf("de: %+v", s)
	}
}

func TestCapsLockAndRepeatsChangeNoDigit(t *testing.T) {
	n := newNode()
	heard := keyboard(t, evdev.US, n)
	n.types(t, press(linux.KEY_CAPSLOCK), press(linux.KEY_A), with(linux.KEY_LEFTSHIFT, linux.KEY_B), press(linux.KEY_1),
		event(linux.EV_KEY, linux.KEY_1, 2), event(linux.EV_KEY, linux.KEY_1, 2), press(linux.KEY_CAPSLOCK), press(linux.KEY_C), enter)
	if s := next(t, heard); s.text != "Ab1c" || s.err != nil {
		t.Errorf("%+v", s)
	}
}

func TestATextThatIsNotWholeIsRefusedAndTheNextIsHeard(t *testing.T) {
	n := newNode()
	heard := keyboard(t, evdev.US, n)
	good := func(after string) {
		t.Helper()
		n.types(t, press(linux.KEY_7), enter)
		if s := next(t, heard); s.text != "7" || s.err != nil {
			t.Errorf("after %s: %+v", after, s)
		}
	}
	n.types(t, press(linux.KEY_1), press(linux.KEY_F5), press(linux.KEY_2), enter)
	if s := next(t, heard); !errors.Is(s.err, evdev.ErrKey) || s.text != "" {
		t.Errorf("a key without a letter: %+v", s)
	}
	good("a key without a letter")
	n.types(t, with(linux.KEY_LEFTCTRL, linux.KEY_C), enter)
	if s := next(t, heard); !errors.Is(s.err, evdev.ErrKey) {
		t.Errorf("control: %+v", s)
	}
	good("control")
	n.types(t, event(linux.EV_KEY, linux.KEY_LEFTSHIFT, 1), press(linux.KEY_1), event(linux.EV_SYN, 3, 0), press(linux.KEY_2), enter)
	if s := next(t, heard); !errors.Is(s.err, scanner.ErrBroken) {
		t.Errorf("lost events: %+v", s)
	}
	good("lost events")
	n.types(t, bytes.Repeat(press(linux.KEY_1), scanner.MaxLength+1), enter)
	if s := next(t, heard); !errors.Is(s.err, scanner.ErrTooLong) {
		t.Errorf("too long: %+v", s)
	}
	good("too long")
	n.types(t, press(linux.KEY_1))
	if s := next(t, heard); !errors.Is(s.err, scanner.ErrBroken) || strings.Contains(s.err.Error(), "1") && !strings.Contains(s.err.Error(), "event7") {
		t.Errorf("without an end: %+v", s)
	}
	good("one without an end")
}

func TestAKeyboardThatIsUnpluggedIsFoundAgain(t *testing.T) {
	first, second := newNode(), newNode()
	heard := keyboard(t, evdev.US, first, second)
	first.feed.CloseWithError(errors.New("no such device"))
	if s := next(t, heard); !errors.Is(s.err, scanner.ErrGone) {
		t.Fatalf("%+v", s)
	}
	if s := next(t, heard); s != (said{}) {
		t.Fatalf("plugged in again: %+v", s)
	}
	second.types(t, press(linux.KEY_4), enter)
	if s := next(t, heard); s.text != "4" {
		t.Errorf("%+v", s)
	}
}

func TestADeviceThatCannotBeGrabbedIsNotRead(t *testing.T) {
	n := newNode()
	n.grab = errors.New("device or resource busy")
	heard := keyboard(t, evdev.US, n)
	for len(heard) > 0 {
		if s := <-heard; s.err == nil {
			t.Errorf("heard %+v", s)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed != 1 {
		t.Errorf("closed %d times", n.closed)
	}
}

func TestAnUnknownLayoutIsRefused(t *testing.T) {
	if _, err := evdev.New(evdev.Config{Layout: "fr"}); err == nil || !strings.Contains(err.Error(), `"us" or "de"`) {
		t.Errorf("%v", err)
	}
}

// Whatever bytes come, texts are bounded and have no control characters.
func FuzzEvents(f *testing.F) {
	f.Add(append(press(linux.KEY_1), enter...))
	f.Add(append(with(linux.KEY_LEFTSHIFT, linux.KEY_2), event(linux.EV_SYN, 3, 0)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &recording{Reader: bytes.NewReader(data)}
		opened := false
		ctx, cancel := context.WithCancel(t.Context())
		k, err := evdev.New(evdev.Config{Layout: evdev.German, Open: func() (evdev.Device, error) {
			if opened {
				return nil, io.EOF
			}
			opened = true
			return d, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		_ = k.Watch(ctx, func(text []byte, err error) { // its error is ctx's
			if len(text) > scanner.MaxLength || bytes.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("heard %q", text)
			}
			if errors.Is(err, scanner.ErrGone) {
				cancel()
			}
		})
		cancel()
	})
}

// recording is a device that ends with its bytes.
type recording struct{ *bytes.Reader }

func (*recording) Grab() error     { return nil }
func (*recording) NonBlock() error { return nil }
func (*recording) Close() error    { return nil }
func (r *recording) ReadOne() (*linux.InputEvent, error) {
	var e linux.InputEvent
	return &e, binary.Read(r.Reader, binary.LittleEndian, &e)
}
