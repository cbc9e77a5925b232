//go:build hil

package hil_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/embedded"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

const terminal = "rathaus-1"

// town is the city, which no power cut of a terminal touches, and its people.
type town struct {
	city   *api.Client
	cast   *tour.Cast
	people []tour.Person
	hub    *embedded.Broker
	port   int // of its broker, here and on the terminal's loopback
	id     api.Identity
}

func newTown(t *testing.T, people int) *town {
	t.Helper()
	w := &town{cast: must(tour.NewCast(terminal, seal.Params{Memory: 1024, Time: 1, Threads: 1}))}
	w.hub = must(embedded.Start())
	t.Cleanup(func() { _ = w.hub.Stop() })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(w.hub.URL(), "tcp://"))
	w.port = must(strconv.Atoi(port))
	private, public, err := envelope.GenerateCity(rand.Reader, "laboratory")
	if err != nil {
		t.Fatal(err)
	}
	letterKey, _, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "city.sock")
	c, err := city.Open(city.Config{
		Record: filepath.Join(t.TempDir(), "city.db"), Socket: socket, Name: "laboratory", Broker: broker.Config{URL: w.hub.URL()},
		Signer: must(note.NewSigner(private)), Verifier: public, LetterKey: letterKey, Suite: envelope.Standard{},
		Repeat: 2 * time.Second, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	w.city = api.Dial(socket)
	for range 400 {
		if w.id, err = w.city.Identity(t.Context()); err == nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"anna", "bernd", "clara", "dora", "emil", "frieda"}[:people] {
		p := tour.Person{Name: name, Finger: 7}
		for n := range 3 {
			p.Enrol = append(p.Enrol, *finger.Named(name).Impression(n))
		}
		p.Lay = []image.Gray{*finger.Named(name).Impression(3)}
		w.people = append(w.people, p)
	}
	return w
}

// plant is a terminal's hardware inside: wires of the reader and the scanners,
// and where the configuration finds locks and contacts.
type plant struct {
	doors []protocol.Door
	parts string // of the configuration: [gpio], [[expander]] …
	wires []string
	badge string // keys of the badge reader's table, if it is not firmware-sim's
}

// serials are firmware-sim's wires that the plant uses.
type serials struct {
	Control string `json:"control"`
	Reader  string `json:"reader"`
	Citizen string `json:"scanner_citizen"`
	Barcode string `json:"scanner_barcode"`
	Badge   string `json:"badge"`
}

// box is a terminal inside the machine.
type box struct {
	m      *machine
	town   *town
	dir    string // of configuration and state, inside
	kiosk  int    // port
	wall   int    // port
	serial serials
	pid    int
}

// newBox starts reader, scanners and doors, and writes the configuration.
func newBox(t *testing.T, m *machine, w *town, p plant, dir string, ports [2]int) *box {
	t.Helper()
	b := &box{m: m, town: w, dir: dir, kiosk: ports[0], wall: ports[1]}
	pid := m.start(t, "/bin/firmware-sim", "-terminal", terminal, "-compartments", "8", "-dir", "/run/wires")
	line := m.await(t, pid, "\n")
	if err := json.Unmarshal([]byte(line), &b.serial); err != nil {
		t.Fatal(err)
	}
	m.call(t, "Wall", protocol.Wall{Port: b.wall, Doors: p.doors, Behind: b.serial.Control}, nil)
	m.call(t, "Folder", dir, nil)
	m.write(t, b.config(), b.configuration(p))
	t.Cleanup(func() {
		_ = m.try("Kill", protocol.Kill{PID: pid, Signal: 15}, nil) // the machine may be gone
	})
	return b
}

func (b *box) config() string { return b.dir + "/lockerd.toml" }

func (b *box) configuration(p plant) string {
	var c strings.Builder
	fmt.Fprintf(&c, `terminal = %q
state = %q

[city]
broker = "tcp://127.0.0.1:%d"
verifier = %q
letter_key = %q
repeat = "2s"

[kiosk]
listen = "127.0.0.1:%d"
screenless = true

[rules]
answer_after = "1s"
keys_offered = 4
idle = "10m"
question = "10m"
round_idle = "10m"
door_alarm = "10m"
door_reminder = "5m"

[seal]
memory_kib = 1024
passes = 1

%s
[reader]
driver = "zfm"
path = %q

`, terminal, b.dir+"/state", b.town.port, b.town.id.Verifier,
		strings.TrimSpace(envelope.EncodeKey(envelope.LetterKey, false, b.town.id.LetterKey)), b.kiosk, p.parts, b.serial.Reader)
	for source, path := range map[string]string{"citizen": b.serial.Citizen, "barcode": b.serial.Barcode, "badge": b.serial.Badge} {
		device := fmt.Sprintf("path = %q", path)
		if source == "badge" && p.badge != "" {
			device = p.badge
		}
		fmt.Fprintf(&c, "[[scanner]]\nsource = %q\n%s\n\n", source, device)
	}
	for i, wires := range p.wires {
		fmt.Fprintf(&c, "[[compartment]]\nnumber = %d\nsize = \"small\"\nheight_cm = 100\nrow = 1\ncolumn = %d\nlow_reach = true\n%s\n\n", i+1, i+1, wires)
	}
	return c.String()
}

// initialise makes the terminal, and tells the city.
func (b *box) initialise(t *testing.T) {
	t.Helper()
	b.line(t)
	roster := b.dir + "/roster"
	b.m.write(t, roster, string(b.town.cast.Roster))
	var id daemon.Identity
	if err := json.Unmarshal([]byte(b.m.run(t, "/bin/lockerd", "init", "-config", b.config(), "-roster", roster)), &id); err != nil {
		t.Fatal(err)
	}
	if err := b.town.city.AddTerminal(t.Context(), terminal, id.Verifier); err != nil {
		t.Fatal(err)
	}
}

// line makes the city's broker reachable from inside, without TLS on the
// loopback alone.
func (b *box) line(t *testing.T) {
	t.Helper()
	b.m.call(t, "Forward", protocol.Forward{Port: b.town.port, Out: true}, nil)
}

// on starts lockerd; ready waits until it says that it is ready.
func (b *box) on(t *testing.T) {
	t.Helper()
	b.line(t)
	b.pid = b.m.start(t, "/bin/lockerd", "run", "-config", b.config())
}

func (b *box) ready(t *testing.T) {
	t.Helper()
	b.m.await(t, b.pid, "kiosk at ")
}

// site is the terminal as people find it.
func (b *box) site(t *testing.T) *tour.Site {
	return &tour.Site{
		Terminal: terminal, Control: fmt.Sprintf("http://127.0.0.1:%d", b.wall), City: b.town.city,
		Kiosk: func() tour.Door {
			return tour.Door{URL: fmt.Sprintf("http://127.0.0.1:%d", b.kiosk), Token: b.m.read(t, b.dir+"/state/kiosk.token")}
		},
		Desk: b.town.cast.Desk, Stranger: b.town.cast.Stranger, Admin: b.town.cast.Admins[0],
		Clerks: b.town.cast.Clerks, Spare: b.town.cast.Spare, People: b.town.people,
		Sent: func(string) [][]byte { return nil },
	}
}

// direct is a plant on lines of the kernel.
func direct(t *testing.T, m *machine, compartments int, low bool) (plant, *chip) {
	t.Helper()
	locks, contacts := names("LOCK", compartments), names("DOOR", compartments)
	c := m.chip(t, "direct", append(append([]string{}, locks...), contacts...)...)
	c.rest(t, locks, low)
	p := plant{parts: fmt.Sprintf("[gpio]\nlock_active_low = %v\ncontact_pull = \"board\"\npulse = \"300ms\"\n", low)}
	for i := range locks {
		p.doors = append(p.doors, protocol.Door{Number: i + 1, Lock: c.wire(locks[i]), Contact: c.wire(contacts[i]), Low: low})
		p.wires = append(p.wires, fmt.Sprintf("lock = { gpio = %q }\ncontact = { gpio = %q }", locks[i], contacts[i]))
	}
	return p, c
}
