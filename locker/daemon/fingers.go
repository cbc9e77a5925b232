package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/hardware/exec"
	"github.com/nachtfach/nachtfach/hardware/retry"
	"github.com/nachtfach/nachtfach/hardware/zfm"
	"github.com/nachtfach/nachtfach/locker"
)

// reader takes pictures of fingers.
type reader interface {
	Capture(ctx context.Context) (picture, error)
	AwaitLift(ctx context.Context) error
	Check(ctx context.Context) error
	Name() string
	Close() error
}

// picture is a finger as a reader saw it.
type picture struct {
	image     biometrics.Image
	presented locker.Presentation
}

// module is a reader of the ZFM family: it looks for no fakes.
type module struct{ *zfm.Reader }

func (m module) Capture(ctx context.Context) (picture, error) {
	img, err := m.Reader.Capture(ctx)
	if err != nil {
		return picture{}, err
	}
	return picture{image: biometrics.Image{Pix: img.Pix, Width: img.Rect.Dx(), Height: img.Rect.Dy(), DPI: zfm.Resolution}}, nil
}

// helper is a reader behind its vendor's program.
type helper struct{ *exec.Reader }

func (h helper) Capture(ctx context.Context) (picture, error) {
	p, err := h.Reader.Capture(ctx)
	if err != nil {
		return picture{}, err
	}
	img, err := biometrics.DecodeImage(bytes.NewReader(p.Data), float64(p.DPI))
	if err != nil {
		return picture{}, fmt.Errorf("%s: %w", h.Name(), err)
	}
	img.DPI = float64(p.DPI) // the header's word, whatever the file says
	return picture{image: img, presented: locker.Presentation{Scored: p.Scored, Score: p.Score}}, nil
}

var (
	_ reader = module{}
	_ reader = helper{}
)

// station is a reader and how often it is asked whether it is there.
type station struct {
	reader
	part string // how the terminal names it
	poll time.Duration
}

// How often readers are asked: a module over its wire, and a helper, for which
// a program is started.
const (
	modulePoll = 3 * time.Second
	helperPoll = 10 * time.Second
)

// readerPart is how the terminal names its only reader, and the last of several.
const readerPart = "reader"

// fingers are the terminal's finger readers. While one of them works, the
// terminal does.
type fingers struct {
	list   []station
	logger *slog.Logger // nil: none

	mu   sync.Mutex
	down map[string]string // why each that is down is down, by its part
	last int               // that took the last picture
	odd  int               // pictures in a row that no finger can cause
}

func (c Config) openFingers() (*fingers, error) {
	f := &fingers{down: map[string]string{}}
	for i, r := range c.Readers {
		s := station{part: readerPart, poll: modulePoll}
		if len(c.Readers) > 1 {
			s.part = readerPart + " " + c.readerName(i)
		}
		switch r.Driver {
		case "exec":
			h, err := exec.New(exec.Config{Name: c.readerName(i), Command: r.Command, Detects: r.Detection})
			if err != nil {
				return nil, err
			}
			s.reader, s.poll = helper{h}, helperPoll
		default:
			s.reader = module{zfm.New(zfm.Config{Name: c.readerName(i), Path: r.Path, Baud: r.Baud})}
		}
		f.list = append(f.list, s)
	}
	return f, nil
}

// readerName is the reader's own, or one that counts them.
func (c Config) readerName(i int) string {
	switch {
	case c.Readers[i].Name != "":
		return c.Readers[i].Name
	case i == 0:
		return "finger"
	}
	return fmt.Sprintf("finger-%d", i+1)
}

// detection tells whether every reader looks for fakes.
func (c Config) detection() bool {
	for _, r := range c.Readers {
		if !r.Detection {
			return false
		}
	}
	return len(c.Readers) > 0
}

// watch tells when readers go and when they are back, until ctx ends.
func (f *fingers) watch(ctx context.Context, deliver func(context.Context, locker.Input)) {
	var wg sync.WaitGroup
	for _, s := range f.list {
		wg.Go(func() { f.watchOne(ctx, s, deliver) })
	}
	wg.Wait()
}

// ask asks a reader whether it is there, and once more if it did not answer: one
// failed exchange is not its death.
func (s station) ask(ctx context.Context, limit time.Duration) error {
	return retry.Do(ctx, retry.Restarts, retry.Always, func() error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return s.Check(ctx)
	})
}

// watchOne asks one reader at its times. One in use is there.
func (f *fingers) watchOne(ctx context.Context, s station, deliver func(context.Context, locker.Input)) {
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		err := s.ask(ctx, s.poll)
		if ctx.Err() != nil {
			return
		}
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			for _, in := range f.found(s.part, err) {
				deliver(ctx, in)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// found is what the terminal is told of a reader's state: of one of several, and
// of whether any works.
func (f *fingers) found(part string, err error) []locker.Input {
	f.mu.Lock()
	defer f.mu.Unlock()
	var told []locker.Input
	if err == nil {
		delete(f.down, part)
		told = append(told, locker.PartHealed{Part: part})
	} else {
		f.down[part] = err.Error()
		told = append(told, locker.PartFailed{Part: part, Detail: err.Error()})
	}
	switch {
	case part == readerPart:
	case len(f.down) == len(f.list):
		told = append(told, locker.PartFailed{Part: readerPart, Detail: "none of them works"})
	case err == nil || len(f.down) == 1:
		told = append(told, locker.PartHealed{Part: readerPart})
	}
	return told
}

// Close lets go of the readers.
func (f *fingers) Close() error {
	var errs []error
	for _, s := range f.list {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// patience is how long one capture waits for a finger.
const patience = 20 * time.Second

// lens is the readers as the vault uses them.
type lens struct {
	*fingers
	keep func(locker.AttemptID, biometrics.Image) (locker.FingerAdvice, error)
}

// Capture implements the controller's Fingers: the first reader on which a
// finger lies.
func (l lens) Capture(ctx context.Context, attempt locker.AttemptID, lift bool) (locker.FingerAdvice, locker.Presentation, error) {
	none := locker.Presentation{}
	if len(l.list) == 0 {
		return "", none, errors.New("this terminal has no finger reader")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if lift {
		if err := l.awaitLift(ctx); err != nil {
			advice, err := adviceFor(err)
			return advice, none, err
		}
	}
	p, err := l.first(ctx)
	if err != nil {
		advice, err := adviceFor(err)
		return advice, none, err
	}
	advice, err := l.keep(attempt, p.image)
	if l.tolerates(err) {
		return locker.AdviceClean, p.presented, nil
	}
	return advice, p.presented, err
}

// oddPictures is how many pictures in a row must have a wrong scale or be
// negative before the reader's configuration is to blame. Fewer may show
// something that somebody laid on it.
const oddPictures = 3

// tolerates tells whether a picture that no finger can cause may be an accident.
func (f *fingers) tolerates(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !errors.Is(err, biometrics.ErrImageScale) && !errors.Is(err, biometrics.ErrImageNegative) {
		f.odd = 0
		return false
	}
	f.odd++
	return f.odd < oddPictures
}

// awaitLift waits at the reader that took the last picture. If that one died
// meanwhile, the others need no waiting for.
func (f *fingers) awaitLift(ctx context.Context) error {
	f.mu.Lock()
	last := f.list[f.last]
	f.mu.Unlock()
	err := last.AwaitLift(ctx)
	if err != nil && ctx.Err() == nil && len(f.list) > 1 {
		return nil
	}
	return err
}

// first asks all readers at once. A picture, or a finger that could not be
// pictured, ends it for all; a reader that fails does so only for the last.
func (f *fingers) first(ctx context.Context) (picture, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		reader int
		picture
		err error
	}
	answers := make(chan answer, len(f.list))
	for i, s := range f.list {
		go func() {
			p, err := s.Capture(ctx)
			answers <- answer{i, p, err}
		}()
	}
	var won *answer
	var failed error
	for range f.list { // also of the losers: none may hold its reader when this returns
		a := <-answers
		if won != nil {
			continue
		}
		if _, broken := adviceFor(a.err); a.err != nil && broken != nil {
			failed = errors.Join(failed, a.err)
			continue
		}
		won = &a
		cancel()
	}
	if won == nil {
		return picture{}, failed
	}
	if won.err == nil {
		f.mu.Lock()
		f.last = won.reader
		f.mu.Unlock()
		f.warn(f.list[won.reader])
	}
	return won.picture, won.err
}

// warn logs a module whose pictures are too small, with each of them: somebody has
// to exchange it.
func (f *fingers) warn(s station) {
	m, ok := s.reader.(module)
	if !ok || f.logger == nil {
		return
	}
	if warning := m.Size().Warning(); warning != "" {
		f.logger.Warn(warning, "reader", s.Name())
	}
}

// adviceFor tells what the person can mend from what the reader cannot do.
func adviceFor(err error) (locker.FingerAdvice, error) {
	switch {
	case errors.Is(err, zfm.ErrMessy), errors.Is(err, exec.ErrMessy):
		return locker.AdviceLonger, nil
	case errors.Is(err, zfm.ErrNoFinger), errors.Is(err, exec.ErrNoFinger),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return locker.AdviceLay, nil
	}
	return "", err
}
