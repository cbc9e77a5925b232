//go:build hil

package hil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// life is a terminal whose power is cut again and again. The city, the people
// and the doors with what lies behind them go on; the machine and its disk's
// cache do not.
type life struct {
	l      *laboratory
	town   *town
	disk   *disk
	people *people
	doors  []protocol.Door // as the last cut left them
	boot   uint64          // the last that the city knows of
	random *rand.Rand

	loading, pickup time.Duration // how long one takes, by the last whole one
	cuts            map[string]int
}

const wall = 4 // compartments

func newLife(t *testing.T, lying bool) *life {
	l := prepare(t)
	f := &life{
		l: l, town: newTown(t, 3), disk: newDisk(t, 64), people: &people{}, random: rand.New(rand.NewPCG(6, 20)),
		loading: 8 * time.Second, pickup: 5 * time.Second, cuts: map[string]int{},
	}
	f.disk.lying = lying
	return f
}

// Promise 6. The disk forgets at each cut what was not flushed, and keeps of
// that what it likes. After each the terminal must know what it knew when it
// told the city, and what the doors say.
func TestPromise6NoPowerCutLosesWhatWasAcknowledged(t *testing.T) {
	t.Parallel() // with the next, on machines of their own
	f := newLife(t, false)
	const cuts = 20
	for i := range cuts {
		if err := f.cycle(t, i); err != nil {
			t.Fatalf("after %d cuts: %v", i, err)
		}
	}
	if err := f.cycle(t, cuts); err != nil {
		t.Fatalf("after %d cuts: %v", cuts, err)
	}
	t.Logf("%d cuts, by the screen that was shown: %v", cuts+1, f.cuts)
}

// Without flushing the same must fail, or promise 6 would prove nothing.
func TestPromise6IsNotKeptByADiskThatLies(t *testing.T) {
	t.Parallel()
	f := newLife(t, true)
	for i := range 5 {
		if err := f.cycle(t, i); err != nil {
			if i == 0 {
				t.Fatal(err)
			}
			t.Logf("after %d cuts, as it must be: %v", i, err)
			return
		}
	}
	t.Error("a disk that does not flush lost nothing in five cuts")
}

// cycle switches the terminal on, holds what it says against what is true, lets
// people work, and cuts the power at a random moment of that.
func (f *life) cycle(t *testing.T, number int) error {
	ports := [2]int{freePort(t), freePort(t)}
	m, err := f.l.boot(setup{disk: f.disk.serve(t), ports: ports[:]})
	if err != nil {
		return err
	}
	defer m.kill()
	m.furnish(t, ports)
	if err := m.try("Mount", protocol.Mount{Source: "/dev/vda", Target: "/mnt", Type: "ext4"}, nil); err != nil {
		return err
	}
	p, _ := direct(t, m, wall, true)
	for i, d := range f.doors {
		p.doors[i].Open, p.doors[i].Document = d.Open, d.Document
	}
	b := newBox(t, m, f.town, p, "/mnt/terminal", ports)
	if number == 0 {
		b.initialise(t)
	}
	b.on(t)
	if _, err := m.says(b.pid, "kiosk at "); err != nil {
		return err
	}
	f.people.site = b.site(t)
	token := f.people.site.Kiosk()
	f.people.site.Kiosk = func() tour.Door { return token } // it lives as long as the machine
	if err := f.judge(t, b); err != nil {
		return fmt.Errorf("%w\nlockerd said\n%s", err, m.look(t, b.pid).Output)
	}
	screen := f.work(t, number)
	doors, err := f.people.doors(t.Context())
	if err != nil {
		return err
	}
	f.doors = doors
	if f.random.IntN(2) == 0 { // in the middle of a write, if there is one now
		hit := make(chan struct{})
		f.disk.atNextWrite(func() {
			_ = m.cmd.Process.Kill() // before the write is answered
			close(hit)
		})
		select {
		case <-hit:
		case <-time.After(time.Second):
			f.disk.atNextWrite(nil)
		}
	}
	kept, lost := f.disk.cut(f.random)
	m.kill()
	f.cuts[string(screen)]++
	f.people.settle(doors)
	t.Logf("cut %d at %s: %d sectors kept, %d lost, %d flushes so far", number+1, screen, kept, lost, f.disk.flushes)
	return nil
}

// waiting is how many documents lie at the desk.
func (p *people) waiting() int {
	n := 0
	for _, d := range p.papers {
		if d.inside == 0 && !d.done {
			n++
		}
	}
	return n
}

// settle is what the people find when the light has gone: a document is where
// it lies, whatever they were about to do.
func (p *people) settle(doors []protocol.Door) {
	for _, d := range doors {
		there := p.in(locker.CompartmentID(d.Number))
		switch {
		case d.Document && there == nil: // the hand was quicker than the answer
			for _, paper := range p.papers {
				if paper.inside == 0 && !paper.done {
					paper.inside = d.Number
					break
				}
			}
		case !d.Document && there != nil:
			there.inside, there.done = 0, true
		}
	}
}

// judge holds journal, city and doors against each other.
func (f *life) judge(t *testing.T, b *box) error {
	held, err := f.held(t.Context())
	if err != nil {
		return err
	}
	lines, err := b.journal(t)
	if err != nil {
		return err
	}
	if len(lines) < len(held) {
		return fmt.Errorf("the city has acknowledged %d events, the journal has %d", len(held), len(lines))
	}
	for i, event := range held {
		if !bytes.Equal(event, lines[i]) {
			return fmt.Errorf("event %d is not the one that the city has acknowledged", i)
		}
	}
	status, err := f.status(t)
	if err != nil {
		return err
	}
	f.boot = status.Boot
	for i, d := range f.doors {
		c := status.Compartments[i]
		if c.Open != d.Open {
			return fmt.Errorf("door %d: open is %v, and the terminal believes %v", d.Number, d.Open, c.Open)
		}
		if d.Document && c.Use == "empty" {
			return fmt.Errorf("compartment %d has a document, and the terminal believes it empty", d.Number)
		}
	}
	return f.catchUp(t, b)
}

// journal is all events that the terminal holds.
func (b *box) journal(t *testing.T) ([][]byte, error) {
	t.Helper()
	var r protocol.Result
	err := b.m.try("Run", protocol.Command{Args: []string{"/bin/lockerctl", "journal", "dump", "-socket", b.dir + "/state/lockerd.sock"}}, &r)
	if err != nil || r.Code != 0 {
		return nil, fmt.Errorf("journal dump: %w, exit code %d: %s", err, r.Code, r.Output)
	}
	return bytes.Split(bytes.TrimSpace(r.Output), []byte("\n")), nil
}

// held is all events that the city has acknowledged.
func (f *life) held(ctx context.Context) ([][]byte, error) {
	var all [][]byte
	for {
		events, err := f.town.city.Events(ctx, terminal, uint64(len(all)), 1000)
		if err != nil || len(events) == 0 {
			return all, err
		}
		for _, e := range events {
			all = append(all, e.Body)
		}
	}
}

// status is what the terminal tells of itself since this start.
func (f *life) status(t *testing.T) (locker.Status, error) {
	t.Helper()
	var s locker.Status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if text := f.town.hub.Retained(topic.State.Of(terminal)); len(text) > 0 {
			if err := json.Unmarshal(text, &s); err != nil {
				return s, err
			}
			if s.Boot > f.boot {
				return s, nil
			}
		}
	}
	return s, fmt.Errorf("no status of a start after number %d", f.boot)
}

// catchUp waits until the city holds the whole journal, and finds it sound.
func (f *life) catchUp(t *testing.T, b *box) error {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var lines, held [][]byte
		if lines, err = b.journal(t); err != nil {
			return err
		}
		if held, err = f.held(t.Context()); err == nil && len(held) >= len(lines) {
			_, err = f.town.city.Verify(t.Context(), terminal)
			return err
		}
	}
	return errors.Join(errors.New("the city does not catch up with the journal"), err)
}

// work lets the people load and collect until a random moment of one of both,
// and says which screen was shown then.
func (f *life) work(t *testing.T, number int) locker.ScreenName {
	t.Helper()
	p := f.people
	if p.waiting() < 2 {
		if err := p.apply(t.Context(), f.town.people[number%len(f.town.people)]); err != nil {
			t.Fatal(err)
		}
	}
	// People who wait for ever, at whatever screen, would be a fault too.
	ctx, stop := context.WithTimeout(t.Context(), 2*patience)
	defer func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("the people came to no end; they last saw %s", p.saw)
		}
		stop()
	}()
	cutIn := func(whole time.Duration) {
		timer := time.AfterFunc(time.Duration(f.random.Int64N(int64(whole*5/4))), stop)
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	var shown locker.ScreenName
	if number%2 == 0 {
		cutIn(f.loading)
	}
	began := time.Now()
	if f.load(ctx, &shown) == nil {
		f.loading = time.Since(began)
	}
	visitor := f.letters(ctx)
	if number%2 == 1 {
		cutIn(f.pickup)
	}
	if visitor != nil {
		began = time.Now()
		if f.collect(ctx, visitor, &shown) == nil {
			f.pickup = time.Since(began)
		}
	}
	return shown
}

func (f *life) load(ctx context.Context, shown *locker.ScreenName) error {
	f.people.want = func(context.Context) (*paper, bool) { return nil, true }
	inside := false
	return f.people.work(ctx, func(s locker.Screen) bool {
		*shown = s.Name
		inside = inside || s.Round != nil
		return inside && (s.Name == locker.ScreenRoundDone || s.Name == locker.ScreenWelcome)
	})
}

// letters are fetched from the city by those whose documents are in; the first
// of them will collect.
func (f *life) letters(ctx context.Context) *paper {
	for range 40 {
		var visitor *paper
		waiting := false
		for _, d := range f.people.papers {
			if d.inside == 0 {
				continue
			}
			if d.code == "" {
				if l, err := f.town.city.Letter(ctx, d.order); err == nil {
					d.code = l.Code[0] + l.Code[1] + l.Code[2]
				}
			}
			waiting = waiting || d.code == ""
			if d.code != "" && visitor == nil {
				visitor = d
			}
		}
		if !waiting || ctx.Err() != nil {
			return visitor
		}
		pause(ctx, 250*time.Millisecond)
	}
	return nil
}

func (f *life) collect(ctx context.Context, visitor *paper, shown *locker.ScreenName) error {
	f.people.want = func(context.Context) (*paper, bool) {
		if visitor.done {
			return nil, false
		}
		return visitor, false
	}
	return f.people.work(ctx, func(s locker.Screen) bool {
		*shown = s.Name
		return visitor.done && (s.Name == locker.ScreenDone || s.Name == locker.ScreenWelcome) ||
			s.Name == locker.ScreenRefused || s.Name == locker.ScreenDesk
	})
}
