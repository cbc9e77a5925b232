// Package daemon puts a terminal together: configuration, hardware, journal,
// vault, controller, kiosk and the line to the city. cmd/lockerd, cmd/demo and
// the end-to-end tests share it.
//
// [Open] reads what is true from the state folder and the doors; [Daemon.Run]
// works until its context ends. When the store cannot be used, Run serves a
// page that says so, watches the doors, tells the city and drives no lock. It
// tries the store again, unless it is damaged, and resumes the service by
// itself. When a commit fails, Run ends with an error: start again.
//
// The package decides nothing.
package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/secretmem"
)

// Options are what a daemon is given by its surroundings.
type Options struct {
	Software string // version, recorded at each start
	Logger   *slog.Logger
	Now      func() locker.Now // nil: the machine's clocks
	Strict   bool              // refuse a file system that keeps what is erased

	Service *watchdog.Service // the service manager that started us; nil: none

	FrameAncestors []string // origins that may frame the kiosk; see kiosk.Config

	StoreAgain time.Duration // how often a store that cannot be used is tried; zero: controller.StoreAgain
}

// Daemon is one terminal, open.
type Daemon struct {
	config   Config
	options  Options
	files    files
	parts    *parts
	store    *store                  // nil without a store
	broken   error                   // why there is no store
	missing  *outage                 // since when; nil with a store
	later    *atomic.Pointer[Daemon] // the assembly that took this one's place
	control  *controller.Controller
	reporter *report.Reporter
	kiosk    *kiosk.Server
	layout   []locker.CompartmentSpec
	listener net.Listener
	secure   net.Listener // nil: no HTTPS
	shown    *brokerSeen  // the certificate of the broker; nil: not noted
	socket   net.Listener
	alarms   *alarmLog
	cleaner  *secretmem.Cleaner // of memory
}

// Open opens everything and starts the terminal; the loop waits for Run. A
// store that cannot be used is no error here: see Run.
func Open(c Config, o Options) (*Daemon, error) {
	if o.Now == nil {
		o.Now = clocks()
	}
	d := &Daemon{config: c, options: o, files: files{c.State}, shown: &brokerSeen{}, alarms: newAlarmLog(o.Logger), later: new(atomic.Pointer[Daemon]), cleaner: secretmem.NewCleaner()}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *Daemon) open() (err error) {
	if d.parts, err = openParts(d.config); err != nil {
		return err
	}
	d.parts.ears.logger = d.options.Logger
	d.parts.fingers.logger = d.options.Logger
	if d.listener, err = kiosk.Listen(d.config.Kiosk.Listen); err != nil {
		return err
	}
	if h := d.config.Kiosk.HTTPS; h != (HTTPS{}) {
		if d.secure, err = kiosk.ListenTLS(h.Listen, h.Certificate, h.Key); err != nil {
			return err
		}
	}
	if _, err := os.Stat(next(d.files.device())); err == nil {
		return errors.New("a rekey was cut short: run lockerd rekey again")
	}
	d.store, err = openStore(d.config, d.files, false)
	if err == nil && d.store.limits != nil {
		d.store.limits.logger = d.options.Logger
	}
	if err == nil && d.options.Strict {
		if err := d.config.lasting(d.store.slots); err != nil {
			return err
		}
	}
	if err == nil {
		err = d.start()
	}
	if withoutStore(err) {
		d.lose(err)
		err = nil
	}
	if err != nil {
		return err // a wrong folder, a second daemon, a configuration that cannot work
	}
	if err := d.openReporter(); err != nil {
		return err
	}
	return d.openFaces()
}

// start replays the journal and boots the terminal with the doors as they are.
func (d *Daemon) start() error {
	t := locker.New()
	err := d.store.journal.Replay(t.Restore, func(_ uint64, e locker.Event) error { return t.Replay(e) })
	if err != nil {
		return fmt.Errorf("replay the journal: %w", err)
	}
	keep := keeper{
		d.store.vault, func() time.Duration { return time.Duration(d.control.Status().Ahead) },
		func() (locker.SpaceTold, error) { return d.store.told(d.config.State) },
		d.cleaner,
	}
	d.control = controller.New(controller.Config{
		Terminal: t, Journal: durable{d.store.journal, d.store.slots}, Vault: keep, Locks: d.parts,
		Fingers:   lens{d.parts.fingers, keep.Capture},
		Announcer: announcer{d}, Now: d.options.Now, Diagnose: d.diagnose, Committed: d.alarms.committed,
	})
	d.alarms.stand(t.Status().Alarms)
	d.parts.faults = append(d.parts.faults, d.parts.rest()...)
	levels, faults := d.parts.levels()
	d.parts.faults = append(d.parts.faults, faults...)
	adopted, err := d.files.adoption()
	if err != nil {
		return err
	}
	boot := locker.Booted{Config: d.config.Ledger(), Software: d.options.Software, Doors: levels, Reader: len(d.parts.fingers.list) > 0, Adopted: adopted}
	if err := d.control.Boot(boot); err != nil {
		return err
	}
	if d.config.Training != t.Status().Training {
		d.options.Logger.Error("training was not switched: the compartments are not known to be empty", "training", !d.config.Training)
	}
	// The roster that init stored, or one whose event a power cut prevented.
	if in, ok := d.store.vault.Roster(); ok {
		if err := d.control.Handle(d.options.Now(), in); err != nil {
			return err
		}
	}
	if err := d.tellOutage(); err != nil {
		return err
	}
	for _, f := range d.parts.faults {
		d.options.Logger.Error("part", "part", f.part, "compartment", int(f.compartment), "error", f.err)
		in := locker.PartFailed{Part: f.part, Compartment: f.compartment, Detail: f.err.Error()}
		if err := d.control.Handle(d.options.Now(), in); err != nil {
			return err
		}
	}
	return nil
}

// brokerConfig is how the city's broker is reached.
func (d *Daemon) brokerConfig() (broker.Config, error) {
	b := broker.Config{URL: d.config.City.Broker, Username: d.config.City.Username}
	if d.config.City.PasswordFile != "" {
		text, err := os.ReadFile(d.config.City.PasswordFile)
		if err != nil {
			return b, fmt.Errorf("city.password_file: %w", err)
		}
		b.Password = strings.TrimSpace(string(text))
	}
	if strings.HasPrefix(b.URL, "tls://") {
		b.Renew = d.tlsFiles
		if d.withoutItsKey() { // told at each attempt: the terminal starts without
			return b, nil
		}
		if _, err := b.Renew(); err != nil { // what cannot work is told at the start
			return b, fmt.Errorf("city.tls: %w", err)
		}
	}
	return b, nil
}

func (d *Daemon) openReporter() error {
	b, err := d.brokerConfig()
	if err != nil {
		return err
	}
	rc := report.Config{
		Terminal: d.config.Terminal, Broker: b, Repeat: time.Duration(d.config.City.Repeat),
		Log: noLog{}, Desk: (*desk)(d), Logger: d.options.Logger,
	}
	if d.broken == nil {
		rc.Log, rc.Device, rc.Start = d.store.journal, d.store.device, d.control.Status().Boot
	} else if device, err := readSigner(d.files.device()); err == nil {
		rc.Device = device // the fault is still this terminal's word
	}
	d.reporter, err = report.New(rc)
	return err
}

// openFaces opens what people and operators reach: the kiosk on loopback and
// the operators' socket.
func (d *Daemon) openFaces() (err error) {
	d.layout = d.config.Ledger().Compartments
	origin, err := d.config.Kiosk.HTTPS.origin()
	if err != nil {
		return err
	}
	if d.kiosk, err = kiosk.New(kiosk.Config{
		Terminal: (*face)(d), Addr: d.listener.Addr().String(), TokenFile: d.files.token(), Boot: machineBoot(),
		Rand: rand.Reader, Uptime: func() time.Duration { return d.options.Now().Uptime }, Logger: d.options.Logger,
		FrameAncestors: d.options.FrameAncestors, SecureName: strings.TrimPrefix(origin, "https://"),
		Place: d.config.Kiosk.Place, Zone: locker.Zone{Offset: d.config.Clock.Offset, Summer: d.config.Clock.Summer},
		Desk: kiosk.Desk{
			Name: d.config.Kiosk.Desk.Name, Phone: d.config.Kiosk.Desk.Phone,
			Hours: d.config.Kiosk.Desk.Hours, HoursEnglish: d.config.Kiosk.Desk.HoursEnglish,
		},
		Declaration: kiosk.Declaration{
			Question: d.config.Kiosk.Declaration.Question, Text: d.config.Kiosk.Declaration.Text,
			QuestionEnglish: d.config.Kiosk.Declaration.QuestionEnglish, TextEnglish: d.config.Kiosk.Declaration.TextEnglish,
		},
	}); err != nil {
		return err
	}
	if d.socket, err = listenSocket(d.files.socket()); d.broken == nil {
		return err
	}
	if err != nil { // a folder that takes nothing: operators read the log
		d.options.Logger.Error("no operators' socket", "error", err)
	}
	return nil
}

// Kiosk is the address of the kiosk.
func (d *Daemon) Kiosk() string { return d.present().listener.Addr().String() }

// present is the assembly that works now.
func (d *Daemon) present() *Daemon {
	if d.later == nil { // it took another one's place itself
		return d
	}
	return cmp.Or(d.later.Load(), d)
}

// Status is the terminal's state; without a store only its fault.
func (d *Daemon) Status() locker.Status {
	d = d.present()
	if d.broken != nil {
		return locker.Status{Terminal: d.config.Terminal, Software: d.options.Software, Fault: d.broken.Error(), Compartments: d.doorsOnly()}
	}
	recorded := d.store.journal.Size() // before the state, which so includes these events
	s := d.control.Status()
	s.Time = s.Time.Add(max(0, d.options.Now().Uptime-s.At)) // of now, not of the last turn
	s.Software, s.Recorded, s.Challenge = d.options.Software, recorded, d.store.vault.Challenge()
	return s
}

// Run works until ctx ends, and then returns nil. Another end is an error:
// controller.ErrCommit asks for a new start.
func (d *Daemon) Run(ctx context.Context) error {
	dogs := d.openWatchdogs()
	stop := dogs.tend(ctx, d.options)
	p := d
	var err error
	for {
		dogs.ask(p.alive())
		if err = p.work(ctx, dogs); !errors.Is(err, errAgain) {
			break
		}
		dogs.ask(within(rebuildStands))
		n, failed := d.again(p)
		if failed != nil {
			err = failed
			break
		}
		d.later.Store(n)
		p = n
	}
	return errors.Join(err, stop(err == nil))
}

// work is the life of one assembly; nil if its end was ordered.
func (d *Daemon) work(ctx context.Context, dogs *watchdogs) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	work := func(what string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if d.broken == nil {
		work("controller", d.control.Run)
		work("pruning", d.prune)
		work("space", d.watchSpace)
		work("parts", func(ctx context.Context) error { d.parts.watch(ctx, d.control.Deliver); return nil })
		work("certificates", func(ctx context.Context) error { d.watchCertificates(ctx); return nil })
		work("lights", func(ctx context.Context) error { d.parts.light(ctx, d.control.Lit, d.control.Deliver); return nil })
	} else {
		work("parts", func(ctx context.Context) error { d.parts.watch(ctx, d.refresh); return nil })
		work("store", d.awaitStore)
	}
	work("alarms", d.alarms.run)
	work("memory", d.cleaner.Run)
	work("report", d.reporter.Run)
	work("kiosk", func(ctx context.Context) error { return d.kiosk.Serve(ctx, d.listener) })
	if d.secure != nil {
		work("kiosk over TLS", func(ctx context.Context) error { return d.kiosk.Serve(ctx, d.secure) })
	}
	if d.socket != nil {
		work("socket", func(ctx context.Context) error { return d.serveSocket(ctx) })
	}
	if !d.config.Kiosk.Screenless {
		work("page", d.watchPage)
	}
	work("state", d.follow)
	work("watchdog", func(ctx context.Context) error { return dogs.attend(ctx, d) })
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// follow tells the reporter when the state may have changed.
func (d *Daemon) follow(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var beats uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if d.control != nil && d.control.Beats() != beats {
			beats = d.control.Beats()
			d.reporter.Refresh()
		}
	}
}

// Close lets go of everything. Every coil is off afterwards.
func (d *Daemon) Close() error { return d.present().close() }

func (d *Daemon) close() error {
	var errs []error
	if d.socket != nil {
		errs = append(errs, ignoreClosed(d.socket.Close()))
	}
	if d.secure != nil {
		errs = append(errs, ignoreClosed(d.secure.Close()))
	}
	if d.listener != nil {
		errs = append(errs, ignoreClosed(d.listener.Close()))
	}
	if d.parts != nil {
		errs = append(errs, d.parts.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// machineBoot names this start of the machine, so that the browser's token
// outlives a restart of the daemon; empty where the kernel does not tell.
func machineBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// clocks reads the machine's clocks.
func clocks() func() locker.Now {
	start := time.Now()
	return func() locker.Now {
		now := time.Now()
		return locker.Now{Uptime: now.Sub(start), Wall: now.Round(0)}
	}
}
