package gpio_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"periph.io/x/conn/v3/gpio"

	hardware "github.com/nachtfach/nachtfach/hardware/gpio"
)

// board is a kernel with its chips; its fields are the hardware. What happens
// on the wires of its lines is written down in order.
type board struct {
	mu         sync.Mutex
	chips      map[string]*chip // by file
	order      []string
	forbidden  bool // the files may not be opened
	noDebounce bool // an old kernel

	wire []string // "LOCK1=High" at each write, "LOCK1:out=Low" when it becomes an output
	open int      // chips open
}

type chip struct {
	name, label string
	lines       []*wire
	gone        bool
}

type wire struct {
	name  string
	by    string // who has it
	level gpio.Level
	stuck bool // the wire does not follow what is driven
	held  *held
}

func newBoard() *board { return &board{chips: map[string]*chip{}} }

// add plugs in a chip whose lines have these names.
func (b *board) add(file, label string, names ...string) *chip {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &chip{name: file, label: label}
	for _, n := range names {
		c.lines = append(c.lines, &wire{name: n})
	}
	b.chips[file] = c
	b.order = append(b.order, file)
	return c
}

// unbind takes a chip away, as the kernel does under its users.
func (b *board) unbind(file string) *chip {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.chips[file]
	c.gone = true
	delete(b.chips, file)
	kept := b.order[:0]
	for _, f := range b.order {
		if f != file {
			kept = append(kept, f)
		}
	}
	b.order = kept
	for _, w := range c.lines {
		w.by, w.held, w.level = "", nil, false
	}
	return c
}

func (b *board) line(name string) *wire {
	for _, c := range b.chips {
		for _, w := range c.lines {
			if w.name == name {
				return w
			}
		}
	}
	panic("no line " + name)
}

// drive moves an input from outside.
func (b *board) drive(name string, level gpio.Level) {
	b.mu.Lock()
	w := b.line(name)
	w.level = level
	var notify func()
	if w.held != nil && w.held.r.Notify != nil {
		notify = w.held.r.Notify
	}
	b.mu.Unlock()
	if notify != nil {
		notify()
	}
}

func (b *board) record() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprint(b.wire)
}

func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *board) Chips() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.order...)
}

func (b *board) OpenChip(file string) (hardware.Chip, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.chips[file]
	switch {
	case c == nil:
		return nil, fmt.Errorf("open /dev/%s: %w", file, syscall.ENOENT)
	case b.forbidden:
		return nil, fmt.Errorf("open /dev/%s: %w", file, syscall.EACCES)
	}
	b.open++
	return &openChip{b, c}, nil
}

type openChip struct {
	b *board
	c *chip
}

func (o *openChip) Name() string  { return o.c.name }
func (o *openChip) Label() string { return o.c.label }
func (o *openChip) Lines() int    { return len(o.c.lines) }

func (o *openChip) Close() error {
	o.b.mu.Lock()
	defer o.b.mu.Unlock()
	o.b.open--
	return nil
}

func (o *openChip) Info(offset int) (hardware.LineInfo, error) {
	o.b.mu.Lock()
	defer o.b.mu.Unlock()
	if o.c.gone {
		return hardware.LineInfo{}, syscall.ENODEV
	}
	w := o.c.lines[offset]
	return hardware.LineInfo{Name: w.name, Used: w.by != "", Consumer: w.by}, nil
}

func (o *openChip) Take(offset int, r hardware.Request) (hardware.Held, error) {
	o.b.mu.Lock()
	defer o.b.mu.Unlock()
	w := o.c.lines[offset]
	switch {
	case o.c.gone:
		return nil, syscall.ENODEV
	case w.by != "":
		return nil, syscall.EBUSY
	case r.Debounce > 0 && o.b.noDebounce:
		return nil, syscall.EINVAL
	}
	w.by = r.Consumer
	if r.Output {
		if !w.stuck {
			w.level = r.Level
		}
		o.b.wire = append(o.b.wire, fmt.Sprintf("%s:out=%s", w.name, r.Level))
	}
	w.held = &held{o.b, o.c, w, r}
	return w.held, nil
}

type held struct {
	b *board
	c *chip
	w *wire
	r hardware.Request
}

func (h *held) Level() (gpio.Level, error) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if h.c.gone {
		return gpio.Low, syscall.ENODEV
	}
	return h.w.level, nil
}

func (h *held) Set(level gpio.Level) error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	switch {
	case h.c.gone:
		return syscall.ENODEV
	case !h.r.Output:
		return syscall.EPERM
	}
	if !h.w.stuck {
		h.w.level = level
	}
	h.b.wire = append(h.b.wire, fmt.Sprintf("%s=%s", h.w.name, level))
	return nil
}

func (h *held) Close() error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if h.w.held == h {
		h.w.held, h.w.by = nil, ""
	}
	return nil
}

// registerLine puts a line of the board into the registry until the test ends.
func registerLine(t testing.TB, b *board, name string) *hardware.Line {
	t.Helper()
	l, err := hardware.RegisterLine(hardware.LineConfig{Name: name, Consumer: "nachtfach test", Kernel: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open != 0 {
			t.Errorf("%d chips are still open", b.open)
		}
	})
	return l
}
