package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/embedded"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// bench is a terminal's surroundings: simulated hardware and a broker.
type bench struct {
	t      *testing.T
	config daemon.Config
	sim    *firmwaresim.Simulator
	broker *embedded.Broker
	log    logBuffer

	service *watchdog.Service
	again   time.Duration // how often a store that cannot be used is tried

	mu    sync.Mutex
	state locker.Status // as it was last published
}

func newBench(t *testing.T, terminal string) *bench { return newWall(t, terminal, 2) }

// newWall has so many compartments.
func newWall(t *testing.T, terminal string, compartments int) *bench {
	b := &bench{t: t}
	broker, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Stop() })
	b.broker = broker
	err = broker.Watch(func(topic string, payload []byte) {
		if strings.HasSuffix(topic, "/state") {
			var state locker.Status             // a fresh one: whoever read the last may still look at it
			_ = json.Unmarshal(payload, &state) // the contract's tests hold its form
			b.mu.Lock()
			defer b.mu.Unlock()
			b.state = state
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.sim, err = firmwaresim.New(firmwaresim.Config{Terminal: terminal, Compartments: compartments, Lines: true, Dir: filepath.Join(t.TempDir(), "wires")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.sim.Close() })
	_, public, err := envelope.GenerateCity(rand.Reader, "town")
	if err != nil {
		t.Fatal(err)
	}
	_, letterKey, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b.config = daemon.Config{
		Terminal: terminal, State: filepath.Join(t.TempDir(), "state"),
		City:  daemon.City{Broker: broker.URL(), Verifier: public, LetterKey: envelope.EncodeKey(envelope.LetterKey, false, letterKey)},
		Kiosk: daemon.Kiosk{Listen: "127.0.0.1:0"}, Rules: locker.DefaultRules(), Seal: daemon.Seal{Memory: 64, Time: 1},
	}
	for i := range compartments {
		b.config.Compartments = append(b.config.Compartments, daemon.Compartment{
			Number: locker.CompartmentID(i + 1), Size: daemon.Size(locker.Small),
			Lock:    daemon.Wire{GPIO: firmwaresim.LockLine(terminal, i+1)},
			Contact: daemon.Wire{GPIO: firmwaresim.DoorLine(terminal, i+1)},
		})
	}
	return b
}

func (b *bench) roster() []byte {
	cast, err := tour.NewCast(b.config.Terminal, seal.Params{Memory: 64, Time: 1, Threads: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	return cast.Roster
}

func (b *bench) init() {
	b.t.Helper()
	if _, err := daemon.Init(b.config, b.roster()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) open() (*daemon.Daemon, error) {
	return daemon.Open(b.config, daemon.Options{Software: "test", Logger: b.logger(), Service: b.service, StoreAgain: b.again})
}

// logBuffer keeps what the daemon logs, for tests that read it meanwhile.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&b.log, nil)) }

// journal is what the running daemon has recorded.
func (b *bench) journal() string {
	b.t.Helper()
	var all bytes.Buffer
	if err := daemon.Dial(b.config.Socket()).Journal(b.t.Context(), 0, &all); err != nil {
		b.t.Fatal(err)
	}
	return all.String()
}

// run runs the daemon until the test ends.
func (b *bench) run() *daemon.Daemon {
	b.t.Helper()
	d, err := b.open()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, d.Close()); err != nil {
			b.t.Error(err)
		}
	})
	return d
}

func (b *bench) published() locker.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("%s: did not come", what)
}

func (b *bench) screen(d *daemon.Daemon) locker.Screen {
	b.t.Helper()
	token, err := os.ReadFile(b.config.Token())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+d.Kiosk()+"/screen", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var s locker.Screen
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// holdUp holds a clerk's card to the badge reader until its number is asked for.
// The reader may not be open yet; but a card that is read once too often changes
// the screen under a later press, so it is held up again only after a while.
func (b *bench) holdUp(d *daemon.Daemon, card string) {
	b.t.Helper()
	var next time.Time
	eventually(b.t, "the card", func() bool {
		if now := time.Now(); now.After(next) {
			next = now.Add(10 * time.Second)
			if err := b.sim.Scan(firmwaresim.Badge, card); err != nil {
				b.t.Fatal(err)
			}
		}
		return b.screen(d).Name == locker.ScreenClerk
	})
}

func TestATerminalStartsWithTheRosterOfItsInit(t *testing.T) {
	b := newBench(t, "daemon-1")
	b.init()
	d := b.run()
	eventually(t, "the published state", func() bool { return b.published().Roster == 1 })
	if s := b.screen(d); s.Name != locker.ScreenWelcome {
		t.Fatalf("the screen is %s", s.Name)
	}
	if st := d.Status(); st.Software != "test" || len(st.Compartments) != 2 {
		t.Fatalf("%+v", st)
	}
}

func TestInitTouchesNothingThatIsThere(t *testing.T) {
	b := newBench(t, "daemon-2")
	b.init()
	before, err := os.ReadFile(filepath.Join(b.config.State, "device.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Init(b.config, b.roster()); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("a second init says %v", err)
	}
	after, err := os.ReadFile(filepath.Join(b.config.State, "device.key"))
	if err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the key changed: %v", err)
	}
}

func TestInitRefusesARosterThatNobodySigned(t *testing.T) {
	b := newBench(t, "daemon-3")
	if _, err := daemon.Init(b.config, []byte("no roster")); err == nil {
		t.Fatal("accepted")
	}
	b.init() // and a good one is still taken
}

func TestWithoutItsFilesATerminalDoesNotStart(t *testing.T) {
	b := newBench(t, "daemon-4")
	if _, err := b.open(); err == nil || !strings.Contains(err.Error(), "lockerd init") {
		t.Fatalf("says %v", err)
	}
}

func TestASecondDaemonIsRefused(t *testing.T) {
	b := newBench(t, "daemon-5")
	b.init()
	b.run()
	if _, err := b.open(); !errors.Is(err, journal.ErrLocked) {
		t.Fatalf("says %v", err)
	}
}

func TestWithADamagedJournalEveryLockStaysIdleAndTheCityKnows(t *testing.T) {
	b := newBench(t, "daemon-6")
	b.init()
	path := filepath.Join(b.config.State, "journal.db")
	if err := os.Truncate(path, 9000); err != nil {
		t.Fatal(err)
	}
	d := b.run()
	if s := b.screen(d); s.Name != locker.ScreenOutOfOrder {
		t.Fatalf("the screen is %s", s.Name)
	}
	eventually(t, "the fault at the broker", func() bool { return b.published().Fault != "" })
	if err := b.sim.Wall.Do(2, firmwaresim.Force); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the forced door at the broker", func() bool {
		s := b.published()
		return len(s.Compartments) == 2 && s.Compartments[1].Open
	})
	for _, door := range b.sim.Wall.Doors() {
		if door.Pulses != 0 {
			t.Fatalf("lock %d was driven", door.Number)
		}
	}
}

func TestAMissingLineIsAFaultOfItsCompartmentAlone(t *testing.T) {
	b := newBench(t, "daemon-7")
	b.config.Compartments[1].Contact.GPIO = "daemon-7/NOWHERE"
	b.init()
	d := b.run()
	st := d.Status()
	if st.Compartments[0].Fault != "" || st.Compartments[1].Fault != locker.FaultContact {
		t.Fatalf("%+v", st.Compartments)
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	b := newBench(t, "daemon-8")
	b.config.Compartments[1].Lock.GPIO = "daemon-8/NOWHERE"
	b.init()
	findings, err := daemon.Check(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, f := range findings {
		if f.Error != "" && !strings.HasPrefix(f.Part, "slots") { // the test's folder may copy on write
			wrong = append(wrong, f.Part)
		}
	}
	if len(wrong) != 1 || wrong[0] != "lock 2" {
		t.Fatalf("wrong are %v of %+v", wrong, findings)
	}
}

// A broker may take no packet above 64 KiB; forty order keys have 66 KB.
func TestManyKeysTravelInSmallPackets(t *testing.T) {
	b := newBench(t, "key-lists")
	b.init()
	var mu sync.Mutex
	listed, largest := map[locker.KeyID]bool{}, 0
	if err := b.broker.Watch(func(topic string, payload []byte) {
		if !strings.HasSuffix(topic, "/keys") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		largest = max(largest, len(payload))
		for line := range strings.Lines(string(payload)) {
			var id locker.KeyID
			var expires, public string
			if n, _ := fmt.Sscan(line, &id, &expires, &public); n == 3 && len(public) > 1000 {
				listed[id] = true
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.run()
	eventually(t, "forty keys", func() bool { mu.Lock(); defer mu.Unlock(); return len(listed) == 40 })
	mu.Lock()
	defer mu.Unlock()
	if largest > 32<<10 {
		t.Errorf("a list has %d bytes", largest)
	}
}
