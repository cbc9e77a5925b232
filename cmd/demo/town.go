package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/city/embedded"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

const (
	terminal     = "demo"
	compartments = 24
	perRow       = 6
	applicants   = 3 // of the people, whose documents are ready at the start
)

// rows of the wall, from the top.
var rows = [compartments / perRow]struct {
	size   locker.Size
	word   string
	height int // of the compartments' middle above the ground, cm
}{{locker.Small, "small", 140}, {locker.Small, "small", 110}, {locker.Medium, "medium", 88}, {locker.Large, "large", 45}}

// town is a terminal with simulated hardware, its city and a broker, in one
// process and one temporary folder.
type town struct {
	dir       string
	log       *slog.Logger
	expanders bool // locks and contacts hang on port expanders, and not on lines of their own
	sim       *firmwaresim.Simulator
	control   *http.Server
	controlAt string
	startPort net.Listener
	startAt   string // origin of the start page
	start     *http.Server
	letters   func() // ends the printing of letters, and waits
	broker    *embedded.Broker
	city      *city.City
	cityDone  chan error
	pages     *console.Console
	stopCity  context.CancelFunc
	cast      *tour.Cast
	people    []tour.Person
	slips     []string // orders whose documents have arrived
	letterKey []byte
	identity  daemon.Identity
	config    daemon.Config

	serving sync.Once   // of the start page
	ready   atomic.Bool // for a newcomer
	step    atomic.Int32

	mu      sync.Mutex
	sent    map[string][][]byte
	machine *machine // the running terminal; nil while the power is off
}

// machine is one run of the terminal.
type machine struct {
	d    *daemon.Daemon
	stop context.CancelFunc
	done chan error
}

// hurried rules let a story that takes weeks be told in a minute.
func hurried(r *locker.Rules) {
	r.Retention = locker.Duration(25 * time.Second)
	r.AnswerAfter = locker.Duration(time.Second)
	r.DoorReminder, r.DoorAlarm = locker.Duration(2*time.Second), locker.Duration(10*time.Second)
}

// usual rules are those of the street.
func usual(*locker.Rules) {}

// build puts the town together; Close takes it apart, also half built.
func build(ctx context.Context, rules func(*locker.Rules), log *slog.Logger) (*town, error) {
	return buildOn(ctx, false, rules, log)
}

// buildOn says also what locks and contacts hang on.
func buildOn(ctx context.Context, expanders bool, rules func(*locker.Rules), log *slog.Logger) (t *town, err error) {
	t = &town{log: log, expanders: expanders, sent: map[string][][]byte{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.dir, err = os.MkdirTemp("", "nachtfach-demo-"); err != nil {
		return t, err
	}
	for _, step := range []func(context.Context) error{t.listenStart, t.buildHardware, t.buildCity, func(context.Context) error { return t.buildTerminal(rules) }, t.introduce} {
		if err := step(ctx); err != nil {
			return t, err
		}
	}
	return t, t.PowerOn(ctx)
}

func (t *town) buildHardware(context.Context) (err error) {
	for _, name := range []string{"anna", "bernd", "clara", "dora", "emil", "frieda"} {
		f := finger.Named(name)
		p := tour.Person{Name: name, Finger: 7} // the left index finger
		for n := range 6 {
			img := *f.Impression(n)
			if n < 3 {
				p.Enrol = append(p.Enrol, img)
			} else {
				p.Lay = append(p.Lay, img)
			}
		}
		t.people = append(t.people, p)
	}
	t.sim, err = firmwaresim.New(firmwaresim.Config{
		Terminal: terminal, Compartments: compartments, Lines: true, Expanders: t.expanders, ActiveLow: t.expanders, Dir: filepath.Join(t.dir, "wires"),
		Finger: func(name string, impression int) (image.Image, error) {
			return finger.Named(name).Impression(impression), nil
		},
		Layout: layout(), People: t.wallPeople(), Sensors: firmwaresim.CabinetSensors(), FrameAncestors: []string{t.startAt},
		Power: &firmwaresim.Switch{Off: t.PowerOff, On: t.PowerOn},
		Broker: &firmwaresim.Switch{
			Off: func(context.Context) error { return t.broker.Stop() },
			On:  func(context.Context) error { return t.broker.Start() },
		},
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t.controlAt = "http://" + l.Addr().String()
	t.control = &http.Server{Handler: t.sim.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = t.control.Serve(l) }() // ends with Close
	return nil
}

func (t *town) buildCity(ctx context.Context) (err error) {
	if t.broker, err = embedded.Start(); err != nil {
		return err
	}
	err = t.broker.Watch(func(topic string, payload []byte) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if name := strings.TrimPrefix(topic, "nachtfach/v1/"+terminal+"/"); name == "order" || name == "letter" {
			t.sent[name] = append(t.sent[name], payload)
		}
	})
	if err != nil {
		return err
	}
	private, public, err := envelope.GenerateCity(rand.Reader, "demo")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return err
	}
	if t.letterKey, _, err = (envelope.Standard{}).GenerateKey(); err != nil {
		return err
	}
	t.city, err = city.Open(city.Config{
		Record: filepath.Join(t.dir, "city.db"), Socket: t.socket(), Name: "demo-city",
		Broker: broker.Config{URL: t.broker.URL()}, Signer: signer, Verifier: public, LetterKey: t.letterKey,
		Suite: envelope.Standard{}, Repeat: 2 * time.Second, Now: time.Now, Rand: rand.Reader, Logger: t.log.With("who", "city"),
	})
	if err != nil {
		return err
	}
	if err := t.writeCityConfig(); err != nil {
		return err
	}
	ctx, t.stopCity = context.WithCancel(context.WithoutCancel(ctx))
	t.cityDone = make(chan error, 1)
	go func() { t.cityDone <- t.city.Run(ctx) }()
	return t.openConsole(ctx)
}

func (t *town) socket() string     { return filepath.Join(t.dir, "city.sock") }
func (t *town) cityConfig() string { return filepath.Join(t.dir, "cityd.toml") }

// writeCityConfig lets cityd's commands find this city.
func (t *town) writeCityConfig() error {
	text := fmt.Sprintf("record = \"city.db\"\nsocket = \"city.sock\"\nnote_key = \"note.key\"\nletter_key = \"letter.key\"\n[broker]\nurl = %q\n", t.broker.URL())
	return os.WriteFile(t.cityConfig(), []byte(text), 0o600)
}

// buildTerminal makes the state folder as lockerd init does.
func (t *town) buildTerminal(rules func(*locker.Rules)) (err error) {
	if t.cast, err = tour.NewCast(terminal, seal.DefaultParams()); err != nil {
		return err
	}
	id, err := t.city.Identity(context.Background())
	if err != nil {
		return err
	}
	t.config = configuration(t.dir, t.broker.URL(), id, t.sim.Addresses())
	if t.expanders {
		hangOnExpanders(&t.config)
	}
	rules(&t.config.Rules)
	if err := t.config.Validate(); err != nil {
		return err
	}
	t.identity, err = daemon.Init(t.config, t.cast.Roster)
	return err
}

// introduce tells the city its terminal.
func (t *town) introduce(ctx context.Context) error {
	return t.city.AddTerminal(ctx, terminal, t.identity.Verifier)
}

// configuration is what lockerd would read from its file.
func configuration(dir, url string, id api.Identity, wires firmwaresim.Addresses) daemon.Config {
	c := daemon.Config{
		Terminal: terminal, State: filepath.Join(dir, "state"),
		City: daemon.City{
			Broker: url, Verifier: id.Verifier,
			LetterKey: envelope.EncodeKey(envelope.LetterKey, false, id.LetterKey), Repeat: locker.Duration(2 * time.Second),
		},
		Kiosk: daemon.Kiosk{Listen: "127.0.0.1:0", Screenless: true, Place: "Rathaus Musterstadt", Desk: daemon.Help{
			Name: "Bürgerbüro", Phone: "01234 567-0", Hours: "Mo–Fr 8–12 Uhr, Do 14–18 Uhr", HoursEnglish: "Mon–Fri 8–12, Thu 14–18",
		}},
		Rules:   locker.DefaultRules(),
		Journal: daemon.Journal{Keep: locker.Duration(365 * 24 * time.Hour)},
		GPIO:    daemon.GPIO{Pulse: locker.Duration(300 * time.Millisecond)},
		Readers: []daemon.Reader{{Driver: "zfm", Path: wires.Reader}},
		Scanners: []daemon.Scanner{
			{Source: daemon.Source(locker.SourceCitizen), Path: wires.Citizen},
			{Source: daemon.Source(locker.SourceBarcode), Path: wires.Barcode},
			{Source: daemon.Source(locker.SourceBadge), Path: wires.Badge},
		},
	}
	c.Rules.KeysOffered = 16
	for i := range compartments {
		row, column := i/perRow, i%perRow
		at := rows[row]
		c.Compartments = append(c.Compartments, daemon.Compartment{
			Number: locker.CompartmentID(i + 1), Size: daemon.Size(at.size), Height: at.height, Row: row + 1, Column: column + 1, LowReach: row == 2,
			Lock:    daemon.Wire{GPIO: firmwaresim.LockLine(terminal, i+1)},
			Contact: daemon.Wire{GPIO: firmwaresim.DoorLine(terminal, i+1)},
			Light:   daemon.Wire{GPIO: firmwaresim.LightLine(terminal, i+1)},
		})
	}
	for _, s := range firmwaresim.CabinetSensors() {
		c.Sensors = append(c.Sensors, daemon.Sensor{Kind: locker.Sensor(s), Wire: daemon.Wire{GPIO: firmwaresim.SensorLine(terminal, s)}})
	}
	return c
}

// hangOnExpanders wires locks and contacts to port expanders with active-low
// relays, the first with its interrupt line, the others polled. Lights and
// sensors stay on lines of their own.
func hangOnExpanders(c *daemon.Config) {
	c.GPIO.OutputLow = true
	for i := range (compartments + firmwaresim.PerExpander - 1) / firmwaresim.PerExpander {
		x := daemon.Expander{
			Name: fmt.Sprint("x", i), Bus: firmwaresim.ExpanderBus(terminal), Address: 0x20 + i,
			ActiveLow: true, Pulse: c.GPIO.Pulse,
		}
		if i == 0 {
			x.Interrupt = firmwaresim.ExpanderInterrupt(terminal, i)
		}
		c.Expanders = append(c.Expanders, x)
	}
	for i := range c.Compartments {
		chip, lock, contact := firmwaresim.ExpanderWire(i + 1)
		c.Compartments[i].Lock = daemon.Wire{Expander: c.Expanders[chip].Name, Line: lock}
		c.Compartments[i].Contact = daemon.Wire{Expander: c.Expanders[chip].Name, Line: contact}
	}
}

// PowerOn starts the terminal.
func (t *town) PowerOn(ctx context.Context) error {
	d, err := daemon.Open(t.config, daemon.Options{Software: "demo", Logger: t.log.With("who", "terminal"), FrameAncestors: []string{t.startAt}})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	m := &machine{d: d, stop: stop, done: make(chan error, 1)}
	go func() { m.done <- d.Run(ctx) }()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.machine = m
	return nil
}

// PowerOff ends the terminal. In one process it cannot be torn out of a write;
// that is what the simulator and the daemons' story do.
func (t *town) PowerOff(context.Context) error {
	t.mu.Lock()
	m := t.machine
	t.machine = nil
	t.mu.Unlock()
	if m == nil {
		return nil
	}
	m.stop()
	return errors.Join(<-m.done, m.d.Close())
}

// site is the town as the tour sees it.
func (t *town) site() *tour.Site {
	return &tour.Site{
		Terminal: terminal, Verifier: t.identity.Verifier, Kiosk: t.kiosk, Control: t.controlAt, City: api.Dial(t.socket()),
		Desk: t.cast.Desk, Stranger: t.cast.Stranger, Admin: t.cast.Admins[0], Clerks: t.cast.Clerks, Spare: t.cast.Spare,
		People: t.people, PowerOff: t.PowerOff, PowerOn: t.PowerOn,
		BrokerOff: func(context.Context) error { return t.broker.Stop() },
		BrokerOn:  func(context.Context) error { return t.broker.Start() },
		Journal: func(ctx context.Context, w io.Writer) error {
			return daemon.Dial(t.config.Socket()).Journal(ctx, 0, w)
		},
		State: t.config.State, LetterKey: t.letterKey,
		Sent: func(topic string) [][]byte {
			t.mu.Lock()
			defer t.mu.Unlock()
			return append([][]byte(nil), t.sent[topic]...)
		},
	}
}

// kiosk is where the kiosk is now.
func (t *town) kiosk() tour.Door {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.machine == nil {
		return tour.Door{}
	}
	token, err := os.ReadFile(t.config.Token())
	if err != nil {
		t.log.Error("kiosk token", "error", err)
	}
	return tour.Door{URL: "http://" + t.machine.d.Kiosk(), Token: strings.TrimSpace(string(token))}
}

// Close takes everything apart and leaves nothing behind.
func (t *town) Close() error {
	if t.letters != nil {
		t.letters()
	}
	errs := []error{t.PowerOff(context.Background())}
	if t.city != nil {
		if t.stopCity != nil {
			t.stopCity()
			if err := <-t.cityDone; !errors.Is(err, context.Canceled) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, t.city.Close())
	}
	if t.broker != nil {
		errs = append(errs, t.broker.Stop())
	}
	if t.start != nil {
		errs = append(errs, t.start.Close())
	} else if t.startPort != nil {
		errs = append(errs, t.startPort.Close())
	}
	if t.control != nil {
		errs = append(errs, t.control.Close())
	}
	if t.sim != nil {
		errs = append(errs, t.sim.Close())
	}
	if t.dir != "" {
		errs = append(errs, os.RemoveAll(t.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take the town apart: %w", err)
	}
	return nil
}
