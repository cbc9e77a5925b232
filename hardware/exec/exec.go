// Package exec takes pictures with fingerprint readers whose vendor gives a C
// library instead of a protocol: a helper program, written once for the
// library, is started for each picture.
//
// The helper is called with its configured arguments and one word more:
//
//	capture  waits until a finger lies on the reader and writes one picture
//	lift     ends when no finger lies there
//	check    ends when the reader has answered
//
// It is killed, with its whole process group, when its time is over; it should
// set no limit of its own. Standard input is empty, the environment has PATH
// alone. It ends with status 0 if all went well, 3 if no finger came, 4 if the
// finger could not be pictured, and with any other status, and a line on
// standard error that says why, if the reader does not work.
//
// What capture writes to standard output is a header, an empty line and the
// picture:
//
//	Resolution: 500
//	Attack-Score: 7
//
//	P5 …
//
// Each line of the header ends with LF. Resolution, in pixels per inch, must be
// there. Attack-Score is there if the reader looks for fakes (presentation
// attack detection): 0, it has no doubt that this is a living finger, to 100, no
// doubt that it is not. The picture is PGM or PNG, dark ridges on light ground,
// as it lies on the reader.
//
// The package promises bounded output with a sound header, or an error that says
// what is wrong, and that no helper outlives its call, unless it leaves its
// process group. It leaves to others to decode the picture, what it shows, and
// what a score means for a visit.
package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// Bounds of what a helper may write.
const (
	maxOutput = 16 << 20 // bytes
	maxErrors = 2 << 10  // bytes of standard error that are kept for the error's text
)

// Statuses with which a helper ends.
const (
	statusNoFinger = 3
	statusMessy    = 4
)

// CheckTime is how long a helper may take to ask its reader.
const CheckTime = 5 * time.Second

// lingering is how long the pipes of a killed helper may stay open.
const lingering = time.Second

// Errors that a caller can act on.
var (
	ErrNoFinger = errors.New("no finger on the reader")
	ErrMessy    = errors.New("the reader could not take a picture of this finger")
	ErrOutput   = errors.New("the helper wrote what is no picture")
)

// Config describes a reader.
type Config struct {
	Name    string   // for errors, for example "finger"
	Command []string // the helper, by an absolute path, and its arguments
	Detects bool     // the reader looks for fakes: a picture without a score is refused
}

// Picture is what a helper wrote.
type Picture struct {
	Data   []byte // PGM or PNG
	DPI    int
	Scored bool    // the reader looked for a fake
	Score  float64 // 0, living, to 100, fake
}

// Reader is a fingerprint reader behind a helper.
type Reader struct {
	name string
	cfg  Config
	turn chan struct{} // holds a token while a helper runs
}

// New checks the configuration. The helper need not be there yet.
func New(cfg Config) (*Reader, error) {
	r := &Reader{cfg: cfg, turn: make(chan struct{}, 1)}
	if len(cfg.Command) == 0 || !strings.HasPrefix(cfg.Command[0], "/") {
		return nil, fmt.Errorf("fingerprint reader %q: wants the absolute path of its helper", cfg.Name)
	}
	r.name = fmt.Sprintf("fingerprint reader %q (%s)", cfg.Name, cfg.Command[0])
	return r, nil
}

// Name says which part this is, for errors.
func (r *Reader) Name() string { return r.name }

// Detects says whether the reader looks for fakes.
func (r *Reader) Detects() bool { return r.cfg.Detects }

// Check asks the reader whether it is there, once: the caller decides how often to
// ask before the reader has failed.
func (r *Reader) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, CheckTime)
	defer cancel()
	_, err := r.run(ctx, "check")
	return err
}

// AwaitLift waits until no finger lies on the reader. When ctx ends before
// that, its error is returned.
func (r *Reader) AwaitLift(ctx context.Context) error {
	return retry.Do(ctx, retry.Restarts, transient, func() error {
		_, err := r.run(ctx, "lift")
		return err
	})
}

// Capture waits until a finger lies on the reader and returns its picture. When
// ctx ends before that, its error is returned, together with ErrNoFinger. A helper
// that fails is started once more.
func (r *Reader) Capture(ctx context.Context) (p Picture, err error) {
	err = retry.Do(ctx, retry.Restarts, transient, func() error {
		p, err = r.capture(ctx)
		return err
	})
	return p, err
}

// transient tells a helper that failed from an answer, a missing program and the
// end of the time.
func transient(err error) bool {
	for _, lasting := range []error{ErrNoFinger, ErrMessy, context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

func (r *Reader) capture(ctx context.Context) (Picture, error) {
	out, err := r.run(ctx, "capture")
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Picture{}, fmt.Errorf("%w: %w", ErrNoFinger, err)
	}
	if err != nil {
		return Picture{}, err
	}
	p, err := Decode(out)
	if err == nil && r.cfg.Detects && !p.Scored {
		err = errors.New("no Attack-Score, and the configuration says that there is one")
	}
	if err != nil {
		return Picture{}, fmt.Errorf("%s: %w: %w", r.name, ErrOutput, err)
	}
	return p, nil
}

// Close waits for the helper that runs.
func (r *Reader) Close() error {
	r.turn <- struct{}{}
	<-r.turn
	return nil
}

// run calls the helper with a word and returns what it wrote. Only one runs at
// a time: vendors' libraries take their reader for themselves.
func (r *Reader) run(ctx context.Context, word string) ([]byte, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: waiting for an earlier use: %w", r.name, ctx.Err())
	}
	defer func() { <-r.turn }()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	args := append(append([]string(nil), r.cfg.Command[1:]...), word)
	cmd := exec.CommandContext(ctx, r.cfg.Command[0], args...) //nolint:gosec // the operator names the program, in root's configuration
	out, complaint := &bounded{limit: maxOutput, full: stop}, &bounded{limit: maxErrors}
	cmd.Stdout, cmd.Stderr = out, complaint
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = lingering
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", r.name, word, err)
	}
	err := cmd.Wait()
	_ = killGroup(cmd.Process.Pid) // what it started and left; mostly there is nothing
	switch {
	case out.over:
		return nil, fmt.Errorf("%s: %s: %w: more than %d bytes", r.name, word, ErrOutput, maxOutput)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %s: %w", r.name, word, ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("%s: %s: %w", r.name, word, explain(err, complaint.text()))
	}
	return out.buf.Bytes(), nil
}

// killGroup kills a helper and all that it started.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// explain makes a helper's end an error.
func explain(err error, complaint string) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case statusNoFinger:
			return ErrNoFinger
		case statusMessy:
			return ErrMessy
		}
	}
	if complaint != "" {
		return fmt.Errorf("%w: %s", err, complaint)
	}
	return err
}

// bounded keeps the first bytes of what is written. What is more is told to
// full, if there is one, and else swallowed.
type bounded struct {
	buf   bytes.Buffer
	limit int
	over  bool
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.buf.Len(); len(p) > room {
		b.buf.Write(p[:room])
		if b.over = true; b.full != nil {
			b.full()
		}
		return len(p), nil
	}
	return b.buf.Write(p)
}

// text is one line without control characters, for an error.
func (b *bounded) text() string {
	clean := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}
	text := strings.ToValidUTF8(b.buf.String(), "?")
	return strings.Join(strings.Fields(strings.Map(clean, text)), " ")
}
