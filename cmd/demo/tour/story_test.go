package tour_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/png" // the pictures' format
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

const terminal = "rathaus-1"

// TestStoryAcrossProcesses plays the tour with lockerd, firmware-sim, cityd and
// a Mosquitto as processes of their own, which share wires and a network only.
// Power cuts are SIGKILL. The fingers are pictures of real ones where they are
// at hand.
func TestStoryAcrossProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	mosquitto := need(t, "mosquitto")
	w := newWorld(t)
	w.startMosquitto(mosquitto)
	w.startCity()
	w.startHardware()
	w.initTerminal()
	w.spy()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := w.powerOn(ctx); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	site := w.site()
	var before, after int
	site.Began = func(title string) {
		switch {
		case strings.HasPrefix(title, "code and finger open"):
			before = w.written()
		case strings.HasPrefix(title, "nothing left"):
			after = w.written()
		}
	}
	err := tour.Play(ctx, site, &out)
	t.Logf("lockerd wrote %d KB for one whole pickup, opened twice", (after-before)/1024)
	t.Logf("the tour:\n%s", out.String())
	if err != nil {
		t.Fatalf("%v\nlockerd said:\n%s", err, w.said.String())
	}
}

// need finds a peer, or skips; where NACHTFACH_REQUIRE names it, it must be there.
func need(t testing.TB, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err == nil {
		return path
	}
	if required(name) {
		t.Fatalf("%s is required here: %v", name, err)
	}
	t.Skipf("no %s here (Debian: apt-get install %s)", name, name)
	return ""
}

func required(name string) bool {
	return slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), name)
}

// world is the processes and what they said.
type world struct {
	t         testing.TB
	dir       string
	bin       string
	broker    string // address
	mosquitto *exec.Cmd
	conf      string
	exe       string
	hardware  struct {
		Control string `json:"control"`
		Locks   string `json:"locks"`
		Reader  string `json:"reader"`
		Citizen string `json:"scanner_citizen"`
		Barcode string `json:"scanner_barcode"`
		Badge   string `json:"badge"`
		Boards  int    `json:"boards"`
		PerUnit int    `json:"per_board"`
	}
	city     *api.Client
	cast     *tour.Cast
	identity daemon.Identity
	lockerd  *exec.Cmd
	cityd    *exec.Cmd
	kioskURL string

	mu   sync.Mutex
	sent map[string][][]byte
	said bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), sent: map[string][][]byte{}}
	w.build()
	return w
}

// written is how many bytes lockerd has had written to the disk, in whole pages.
func (w *world) written() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", w.lockerd.Process.Pid))
	if err != nil {
		w.t.Logf("no figure of what is written: %v", err)
		return 0
	}
	return figure(string(text), "write_bytes:")
}

// figure is the number after a word of a file in /proc.
func figure(text, word string) int {
	_, rest, _ := strings.Cut(text, "\n"+word)
	var n int
	_, _ = fmt.Sscan(rest, &n) // zero says that there is none
	return n
}

func (w *world) build() {
	w.bin = filepath.Join(w.dir, "bin")
	cmd := exec.CommandContext(w.t.Context(), "go", "build", "-o", w.bin+"/", "./cmd/lockerd", "./cmd/cityd", "./cmd/firmware-sim")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("build: %v\n%s", err, out)
	}
}

// start runs a program until the test ends, and gives its standard output.
func (w *world) start(name string, args ...string) (*exec.Cmd, *bufio.Reader) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, name), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = lockedWriter{&w.mu, &w.said}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { kill(cmd) })
	return cmd, bufio.NewReader(out)
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // and was killed
	}
}

func (w *world) startMosquitto(exe string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.broker = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(w.broker)
	w.exe, w.conf = exe, filepath.Join(w.dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\n", port)
	if err := os.WriteFile(w.conf, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.brokerOn(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.brokerOff(context.Background()) })
}

func (w *world) brokerOn(ctx context.Context) error {
	w.mosquitto = exec.Command(w.exe, "-c", w.conf)
	if err := w.mosquitto.Start(); err != nil {
		return err
	}
	for range 2400 {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.broker)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(25 * time.Millisecond)
	}
	return errors.New("mosquitto does not listen")
}

func (w *world) brokerOff(context.Context) error {
	kill(w.mosquitto)
	return nil
}

func (w *world) startCity() {
	dir := filepath.Join(w.dir, "city")
	if out, err := exec.Command(filepath.Join(w.bin, "cityd"), "init", "-dir", dir, "-broker", "tcp://"+w.broker, "musterstadt").CombinedOutput(); err != nil {
		w.t.Fatalf("cityd init: %v\n%s", err, out)
	}
	config := filepath.Join(dir, "cityd.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		w.t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"60s"`), []byte(`"2s"`), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.cityd, _ = w.start("cityd", "run", "-config", config)
	w.city = api.Dial(filepath.Join(dir, "desk.sock"))
	for range 2400 {
		if _, err = w.city.Identity(w.t.Context()); err == nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	w.t.Fatal(err)
}

func (w *world) startHardware() {
	_, out := w.start("firmware-sim", "-terminal", terminal, "-compartments", "24", "-dir", filepath.Join(w.dir, "wires"))
	line, err := out.ReadBytes('\n')
	if err != nil {
		w.t.Fatalf("firmware-sim: %v\n%s", err, w.said.String())
	}
	if err := json.Unmarshal(line, &w.hardware); err != nil {
		w.t.Fatal(err)
	}
}

// initTerminalWithoutCheck writes lockerd's configuration and runs its init.
func (w *world) initTerminalWithoutCheck() {
	var err error
	if w.cast, err = tour.NewCast(terminal, seal.DefaultParams()); err != nil {
		w.t.Fatal(err)
	}
	id, err := w.city.Identity(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.config(), w.configuration(id), 0o600); err != nil {
		w.t.Fatal(err)
	}
	roster := filepath.Join(w.dir, "roster")
	if err := os.WriteFile(roster, w.cast.Roster, 0o600); err != nil {
		w.t.Fatal(err)
	}
	lockerd := filepath.Join(w.bin, "lockerd")
	out, err := exec.Command(lockerd, "init", "-config", w.config(), "-roster", roster).Output()
	if err != nil {
		w.t.Fatalf("lockerd init: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &w.identity); err != nil {
		w.t.Fatal(err)
	}
}

// initTerminal also lets lockerd check its parts, and tells the city.
func (w *world) initTerminal() {
	w.initTerminalWithoutCheck()
	lockerd := filepath.Join(w.bin, "lockerd")
	if out, err := exec.Command(lockerd, "check", "-config", w.config()).CombinedOutput(); err != nil {
		w.t.Fatalf("lockerd check: %v\n%s", err, out)
	}
	if err := w.city.AddTerminal(w.t.Context(), terminal, w.identity.Verifier); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) config() string { return filepath.Join(w.dir, "lockerd.toml") }
func (w *world) state() string  { return filepath.Join(w.dir, "state") }

// configuration has the retention in seconds; the wires are Modbus and serial.
func (w *world) configuration(id api.Identity) []byte {
	var b bytes.Buffer
	h := w.hardware
	fmt.Fprintf(&b, `terminal = %q
state = %q
any_filesystem = true # wherever tests lie

[city]
broker = "tcp://%s"
verifier = %q
letter_key = %q
repeat = "2s"

[kiosk]
listen = "127.0.0.1:0"
screenless = true

[rules]
retention = "30s"
answer_after = "1s"
keys_offered = 16

[[modbus]]
name = "boards"
path = %q
baud = 115200
pulse = "300ms"
contact_open_is_off = false

[reader]
driver = "zfm"
path = %q

`, terminal, w.state(), w.broker, id.Verifier, strings.TrimSpace(envelope.EncodeKey(envelope.LetterKey, false, id.LetterKey)), h.Locks, h.Reader)
	for source, path := range map[string]string{"citizen": h.Citizen, "barcode": h.Barcode, "badge": h.Badge} {
		fmt.Fprintf(&b, "[[scanner]]\nsource = %q\npath = %q\n\n", source, path)
	}
	for i := range h.Boards * h.PerUnit {
		board, address := i/h.PerUnit+1, i%h.PerUnit
		fmt.Fprintf(&b, "[[compartment]]\nnumber = %d\nsize = \"small\"\nheight_cm = %d\nrow = %d\ncolumn = %d\nlow_reach = %v\n", i+1, 140-25*(i/6), i/6+1, i%6+1, i/6 == 2)
		fmt.Fprintf(&b, "lock = { modbus = \"boards\", board = %d, address = %d }\ncontact = { modbus = \"boards\", board = %d, address = %d }\n\n", board, address, board, address)
	}
	return b.Bytes()
}

// powerOn starts lockerd and waits until it says that it is ready.
func (w *world) powerOn(context.Context) error {
	cmd, out := w.start("lockerd", "run", "-config", w.config())
	line, err := out.ReadString('\n')
	if err != nil {
		return fmt.Errorf("lockerd did not start: %w", err)
	}
	_, rest, ok := strings.Cut(line, "kiosk at ")
	address, _, ok2 := strings.Cut(rest, "/,")
	if !ok || !ok2 {
		return fmt.Errorf("lockerd said %q", line)
	}
	w.lockerd, w.kioskURL = cmd, address
	return nil
}

// powerOff is SIGKILL in the middle of whatever it does.
func (w *world) powerOff(context.Context) error {
	if err := w.lockerd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = w.lockerd.Wait() // it was killed
	return nil
}

// spy keeps what travels, as somebody at the broker would.
func (w *world) spy() {
	log := slog.New(slog.DiscardHandler)
	go func() {
		_ = broker.Keep(w.t.Context(), log, broker.Config{URL: "tcp://" + w.broker, ClientID: "spy"}, func(ctx context.Context, c *broker.Conn) error {
			inbox := broker.NewInbox(64 << 20)
			if err := c.Subscribe(ctx, inbox, "nachtfach/#"); err != nil {
				return err
			}
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-c.Lost():
					return c.Err()
				case <-inbox.Ready():
				}
				messages, _ := inbox.Take()
				w.mu.Lock()
				for _, m := range messages {
					name := m.Topic[strings.LastIndex(m.Topic, "/")+1:]
					if name == "order" || name == "letter" {
						w.sent[name] = append(w.sent[name], m.Payload)
					}
				}
				w.mu.Unlock()
			}
		})
	}()
}

func (w *world) site() *tour.Site {
	letterKey, err := os.ReadFile(filepath.Join(w.dir, "city", "letter.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := envelope.DecodeKey(envelope.LetterKey, true, string(letterKey))
	if err != nil {
		w.t.Fatal(err)
	}
	return &tour.Site{
		Terminal: terminal, Verifier: w.identity.Verifier, Control: w.hardware.Control, City: w.city,
		Kiosk: func() tour.Door {
			token, err := os.ReadFile(filepath.Join(w.state(), "kiosk.token"))
			if err != nil {
				w.t.Error(err)
			}
			return tour.Door{URL: w.kioskURL, Token: strings.TrimSpace(string(token))}
		},
		Desk: w.cast.Desk, Stranger: w.cast.Stranger, Admin: w.cast.Admins[0], Clerks: w.cast.Clerks, Spare: w.cast.Spare,
		People: people(w.t), PowerOff: w.powerOff, PowerOn: w.powerOn, BrokerOff: w.brokerOff, BrokerOn: w.brokerOn,
		Journal: func(ctx context.Context, out io.Writer) error {
			return daemon.Dial(filepath.Join(w.state(), "lockerd.sock")).Journal(ctx, 0, out)
		},
		State: w.state(), LetterKey: key,
		Sent: func(topic string) [][]byte {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.sent[topic])
		},
	}
}

// people are six persons: of pictures of real fingers where those are at hand,
// three enrolled and others presented; else synthetic ones.
func people(t testing.TB) []tour.Person {
	names := []string{"anna", "bernd", "clara", "dora", "emil", "frieda"}
	folder := cmp.Or(os.Getenv("NACHTFACH_FINGERPRINTS"), "../../../../shared/fingerprints")
	folder = filepath.Join(folder, "fvc2002", "DB1_B")
	if _, err := os.Stat(folder); err != nil {
		if required("fingerprints") {
			t.Fatal(err)
		}
		t.Logf("no pictures of real fingers here; synthetic ones")
		folder = ""
	}
	var list []tour.Person
	for i, name := range names {
		p := tour.Person{Name: name, Finger: 7}
		for n := range 6 {
			var g image.Gray
			if folder == "" {
				g = *finger.Named(name).Impression(n)
			} else {
				g = load(t, filepath.Join(folder, fmt.Sprintf("%d_%d.png", fingers[i], n+1)))
			}
			if n < 3 {
				p.Enrol = append(p.Enrol, g)
			} else {
				p.Lay = append(p.Lay, g)
			}
		}
		list = append(list, p)
	}
	return list
}

// fingers are the folder's names of six of its ten fingers.
var fingers = []int{101, 103, 104, 105, 106, 107}

func load(t testing.TB, path string) image.Gray {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	g := image.NewGray(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(g, g.Rect, img, img.Bounds().Min, draw.Src)
	return *g
}
