package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// process is one start of the terminal's daemon: the real machine, loop and
// vault over the model's disk, wall and line.
type process struct {
	w          *world
	began      time.Duration
	dead       bool
	failed     bool // a commit failed: nothing more may be carried out
	disk       *disk
	vault      *vault.Vault
	keeper     *keeper
	controller *controller.Controller
	lanes      [3]lane
	tick       uint64 // of the tick that is under way
	hurry      int    // ticks in a row without time passing
	line       *line
	ready      bool
	receives   bool // a message of the city, just now
}

// lane does its jobs one after the other.
type lane struct {
	jobs  []controller.Job
	later []controller.Job // done while there are no others: messages of the city
	busy  bool
}

// start is the machine's power coming back, or systemd starting it again.
func (w *world) start() {
	if w.process != nil {
		return
	}
	w.starts++
	p := &process{w: w, began: w.now}
	p.disk = &disk{store: w.store, p: p}
	p.line = newLine(p)
	w.process = p
	if err := p.open(); err != nil {
		p.end()
		if !journal.Passes(err) { // the daemon would stay without a store until a person comes
			w.fail("start %d: %v", w.starts, err)
		}
		// The mode without a store: every lock idle, and the store is tried again.
		if w.bug != StoreGivenUp {
			w.after(controller.StoreAgain, w.start)
		}
	}
}

func (p *process) open() error {
	w := p.w
	if w.store.room() < journal.ServiceRoom {
		return errFull
	}
	if len(w.store.log) == 0 {
		w.firstClock()
	}
	terminal, err := w.replay()
	if err != nil {
		return err
	}
	p.vault, err = vault.Open(vault.Config{
		Terminal: w.config.Terminal, Slots: p.disk.slotsOf(), Records: p.disk,
		Crypto: w.crypto, Matcher: matcher{}, Rand: w.crypto.rand,
		Device: w.city.device, City: w.city.key,
		LetterKey: publicOf(w.city.letterKey), TerminalKey: w.city.terminalKey,
	})
	if err != nil {
		return err
	}
	if _, ok := p.vault.Roster(); !ok {
		if err := p.vault.InitRoster(w.city.firstRoster(), w.time()); err != nil {
			return err
		}
	}
	p.keeper = &keeper{Vault: p.vault, p: p}
	p.controller = controller.New(controller.Config{
		Terminal: terminal, Journal: w.bug.journal(p), Vault: w.bug.vault(p), Locks: p, Fingers: p,
		Announcer: p, Now: p.now, Start: p.begin,
	})
	if err := p.controller.Boot(locker.Booted{
		Config: w.config, Software: "simulated", Doors: w.wall.levels(), Reader: w.reader.works, Adopted: w.adopted,
	}); err != nil {
		return err
	}
	p.ready = true
	w.oracle.booted(p)
	p.schedule()
	p.give(locker.SensorTold{Sensor: locker.SensorTamper, Tripped: w.shaken})
	if r, ok := p.vault.Roster(); ok {
		p.give(r)
	}
	w.bug.booted(p)
	p.line.dial()
	p.watchSpace()
	return nil
}

// spaceEvery is how often the daemon looks at its disk.
const spaceEvery = 5 * time.Second

// watchSpace tells the machine how much space there is, at the start and while
// the disk is full. Between two visits it ends a service without room.
func (p *process) watchSpace() {
	s := p.w.store
	p.give(locker.SpaceTold{Folder: "/state", Free: s.free, Size: diskSize, Room: s.room()})
	if p.dead || s.free > 0 {
		return
	}
	if s.room() < journal.LeaveRoom && !p.controller.Status().Busy {
		p.end()
		p.w.after(0, p.w.start)
		return
	}
	p.after(spaceEvery, p.watchSpace)
}

// replay rebuilds the ledger from the disk: from the latest snapshot, and now
// and then also from the first event, which must give the same.
func (w *world) replay() (*locker.Terminal, error) {
	rebuild := func(from int) (*locker.Terminal, error) {
		t := locker.New()
		if from > 0 {
			if err := t.Restore(w.store.snapshot); err != nil {
				return nil, err
			}
		}
		for _, stored := range w.store.log[from:] {
			for _, e := range w.bug.replayed(stored.event) {
				if err := t.Replay(e); err != nil {
					return nil, err
				}
			}
		}
		return t, nil
	}
	t, err := rebuild(w.store.covers)
	if err != nil || w.store.covers == 0 || w.starts%10 != 0 {
		return t, err
	}
	whole, err := rebuild(0)
	if err != nil {
		return nil, err
	}
	a, errA := t.Snapshot()
	b, errB := whole.Snapshot()
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	if string(a) != string(b) && w.bug == None {
		w.fail("the ledger from the snapshot at %d is not the one from the first event:\n%s\n%s", w.store.covers, a, b)
	}
	return t, nil
}

// end stops the process: nothing of it happens any more.
func (p *process) end() {
	p.dead = true
	p.line.drop()
	if p.w.process == p {
		p.w.process = nil
	}
}

// now reads the machine's clocks.
func (p *process) now() locker.Now {
	return locker.Now{Uptime: p.w.now - p.began + time.Second, Wall: p.w.time().Add(p.w.clock)}
}

// after lets something happen unless the process has ended.
func (p *process) after(d time.Duration, do func()) {
	p.w.after(d, func() {
		if !p.dead {
			do()
		}
	})
}

// give hands over one input.
func (p *process) give(in locker.Input) {
	if p.dead || in == nil {
		return
	}
	var err error
	p.w.protect(func() { err = p.controller.Handle(p.now(), in) })
	if p.dead { // the power went in the middle of it
		return
	}
	if err != nil {
		p.crash(err)
		return
	}
	if d := p.controller.Terminal.Defects(); len(d) > 0 {
		p.w.fail("after %T: the machine decided what its ledger refuses: %v", in, d[0])
	}
	p.line.fill()
	p.schedule()
}

// crash ends the process after a failed commit; systemd starts it again.
func (p *process) crash(err error) {
	if !errors.Is(err, controller.ErrCommit) {
		p.w.fail("handle: %v", err)
	}
	p.failed = true
	p.end()
	p.w.after(p.w.fate.between(time.Second, 5*time.Second), p.w.start)
}

// schedule sets the tick for the machine's next deadline.
func (p *process) schedule() {
	if p.dead || !p.ready {
		return
	}
	p.tick++
	tick, now := p.tick, p.now().Uptime
	wait := p.controller.Terminal.Deadline() - now
	if wait <= 0 {
		if p.hurry++; p.hurry > 200 {
			p.w.fail("the machine wants ticks without end: deadline %v at %v, screen %s", now+wait, now, p.screen().Name)
		}
	} else {
		p.hurry = 0
	}
	p.after(max(wait, time.Millisecond), func() {
		if p.tick == tick {
			p.give(locker.Tick{})
		}
	})
}

// screen is what people see; an empty one while there is no power.
func (w *world) screen() locker.Screen {
	if w.process == nil || !w.process.ready {
		return locker.Screen{}
	}
	return w.process.screen()
}

func (p *process) screen() locker.Screen {
	s, _ := p.controller.Screen()
	return s
}

// receive takes a message of the city. Looking at it is no action of the machine.
func (p *process) receive(kind locker.MessageKind, raw []byte) {
	p.receives = true
	p.controller.Receive(kind, raw)
	p.receives = false
}

// begin is controller.Config.Start: it queues a job.
func (p *process) begin(n controller.Lane, job controller.Job) {
	if !p.receives {
		p.w.oracle.carriesOut(p)
	}
	if n == controller.MessageLane {
		n = controller.VaultLane
		p.lanes[n].later = append(p.lanes[n].later, job)
		p.work(n)
		return
	}
	l := &p.lanes[n]
	l.jobs = append(l.jobs, job)
	if n == controller.ReaderLane {
		p.w.reader.waits(p)
		return
	}
	p.work(n)
}

// work does the lane's next job: it takes effect at one time and answers at a
// later one, and the power may go before, in between and after.
func (p *process) work(n controller.Lane) {
	l := &p.lanes[n]
	from := &l.jobs
	if len(*from) == 0 {
		from = &l.later
	}
	if l.busy || len(*from) == 0 {
		return
	}
	job := (*from)[0]
	*from = (*from)[1:]
	l.busy = true
	before, later := p.w.faults.latency(p.w, n)
	p.after(before, func() {
		p.w.mayCut()
		in := job(context.Background())
		p.w.mayCut()
		p.after(later, func() {
			l.busy = false
			p.work(n)
			p.give(in)
		})
	})
}

// Pulse implements controller.Locks.
func (p *process) Pulse(_ context.Context, n locker.CompartmentID) error {
	p.w.oracle.energised(p, n)
	return p.w.wall.pulse(n)
}

// Measure implements controller.Locks.
func (p *process) Measure(ctx context.Context, n locker.CompartmentID) (locker.Measurement, error) {
	p.w.oracle.exercised(n)
	return locker.Measurement{Pulse: locker.Duration(500 * time.Millisecond)}, p.Pulse(ctx, n)
}

// Capture implements controller.Fingers. The reader's lane begins it when a
// finger lies there.
func (p *process) Capture(ctx context.Context, attempt locker.AttemptID, _ bool) (locker.FingerAdvice, locker.Presentation, error) {
	none := locker.Presentation{}
	if err := ctx.Err(); err != nil {
		return "", none, err
	}
	if !p.w.reader.works {
		return "", none, errors.New("finger reader: no answer")
	}
	f := p.w.reader.read()
	p.w.oracle.captured(attempt, f)
	advice, err := p.vault.Capture(attempt, f.image())
	return advice, p.w.presented(f), err
}

// presented is what the reader says of a finger, if it looks for fakes: a thief
// lays one of rubber.
func (w *world) presented(f finger) locker.Presentation {
	switch {
	case !w.config.Detection:
		return locker.Presentation{}
	case f.person == thiefs:
		return locker.Presentation{Scored: true, Score: 90}
	}
	return locker.Presentation{Scored: true, Score: 10}
}

// AnnounceKeys and AnnounceLetter implement controller.Announcer.
func (p *process) AnnounceKeys() {
	p.w.oracle.carriesOut(p)
	p.after(50*time.Millisecond, p.line.sendKeys)
}

// AnnounceAll publishes the whole journal once more.
func (p *process) AnnounceAll() {
	p.after(100*time.Millisecond, p.line.resend)
}

// AnnounceLetter publishes a letter a little later.
func (p *process) AnnounceLetter(g locker.Generation) {
	p.w.oracle.carriesOut(p)
	p.after(50*time.Millisecond, func() { p.line.sendLetter(g) })
}

// pulseAgain is the job of a pulse that nobody decided.
func pulseAgain(p *process, f locker.CompartmentReleased) controller.Job {
	return func(ctx context.Context) locker.Input {
		_ = p.Pulse(ctx, f.Compartment)
		return nil
	}
}
