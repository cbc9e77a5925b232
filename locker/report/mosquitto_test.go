package report_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// mosquitto is a real broker as its own process, with its files in a folder of
// the test's. It forgets what it has not saved when it is killed.
type mosquitto struct {
	t      testing.TB
	path   string
	config string
	addr   string
	cmd    *exec.Cmd
	out    bytes.Buffer
}

// needMosquitto skips the test where there is none, and fails it where there
// must be one.
func needMosquitto(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil { // Debian keeps daemons out of the users' path
		path, err = exec.LookPath("/usr/sbin/mosquitto")
	}
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "mosquitto") {
		t.Fatalf("mosquitto is required here: %v", err)
	}
	t.Skip("no mosquitto here (Debian: apt-get install mosquitto)")
	return ""
}

// startMosquitto starts one with these lines added to its configuration.
func startMosquitto(t testing.TB, lines ...string) *mosquitto {
	t.Helper()
	m := &mosquitto{t: t, path: needMosquitto(t), addr: citytest.FreeAddress(t)}
	folder := t.TempDir()
	_, port, err := net.SplitHostPort(m.addr)
	if err != nil {
		t.Fatal(err)
	}
	m.config = filepath.Join(folder, "mosquitto.conf")
	if len(lines) == 0 {
		lines = []string{"allow_anonymous true"}
	}
	text := fmt.Sprintf("listener %s 127.0.0.1\npersistence true\npersistence_location %s/\nuser %s\n%s\n",
		port, folder, userName(), strings.Join(lines, "\n"))
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start()
	t.Cleanup(m.kill)
	return m
}

// userName keeps a mosquitto that root starts from giving up its rights, and
// with them those on the test's folder.
func userName() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return "nobody" // only root may change, so this is not looked at
}

func (m *mosquitto) url() string { return "tcp://" + m.addr }

func (m *mosquitto) start() {
	m.t.Helper()
	m.out.Reset()
	m.cmd = exec.Command(m.path, "-c", m.config)
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	citytest.Eventually(m.t, "mosquitto listens", soon, func() bool {
		conn, err := net.Dial("tcp", m.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// kill is SIGKILL: nothing is saved, nobody is told.
func (m *mosquitto) kill() {
	if m.cmd != nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		m.cmd = nil
	}
}

func TestMosquittoKilled(t *testing.T) {
	events, kills := 10_000, 4
	if testing.Short() { // the race detector makes it slow
		events, kills = 2_000, 2
	}
	server := startMosquitto(t)
	c := citytest.NewCity(t, server.url())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	m.Report(server.url())
	for i := range kills {
		m.AppendMany(events / (kills + 1))
		half := m.Journal.Size() - uint64(events/(kills+1)/2)
		citytest.Eventually(t, fmt.Sprintf("%d events acknowledged", half), soon, func() bool {
			return m.Journal.Cursor() >= half
		})
		server.kill()
		if acknowledged(m)() {
			t.Fatalf("kill %d came too late, everything was there already", i+1)
		}
		m.AppendMany(10) // the terminal goes on meanwhile
		server.start()
	}
	m.AppendMany(events - int(m.Journal.Size()))
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	c.Same(m)
	if refused := m.Desk.Rejected(); len(refused) > 0 {
		t.Errorf("refused acknowledgements: %v", refused)
	}
	t.Logf("%d events, %d kills: 0 lost, 0 double, in order", events, kills)
}

// accessRules let the city do everything, and a terminal, known by its client
// certificate, use its own topics only.
const accessRules = `user city
topic readwrite nachtfach/v1/#

pattern write nachtfach/v1/%u/event
pattern write nachtfach/v1/%u/checkpoint
pattern write nachtfach/v1/%u/state
pattern write nachtfach/v1/%u/online
pattern write nachtfach/v1/%u/keys
pattern write nachtfach/v1/%u/letter
pattern read nachtfach/v1/%u/ack
pattern read nachtfach/v1/%u/order
pattern read nachtfach/v1/%u/roster
pattern read nachtfach/v1/%u/command
pattern read nachtfach/v1/%u/posted
`

func TestMosquittoWithTLSAndAccessRules(t *testing.T) {
	needMosquitto(t)
	folder := t.TempDir()
	authority := citytest.NewAuthority(t)
	server := authority.Files(folder, "127.0.0.1")
	rules := filepath.Join(folder, "access")
	if err := os.WriteFile(rules, []byte(accessRules), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startMosquitto(t, "allow_anonymous false", "cafile "+server.CA, "certfile "+server.Certificate, "keyfile "+server.Key,
		"require_certificate true", "use_identity_as_username true", "tls_version tlsv1.3", "acl_file "+rules)
	config := func(name string) broker.Config {
		tls, err := authority.Files(folder, name).Load()
		if err != nil {
			t.Fatal(err)
		}
		return broker.Config{URL: "tls://" + m.addr, TLS: tls}
	}
	c := citytest.NewCity(t, "tcp://127.0.0.1:1")
	c.Config.Broker = config("city")
	c.Reopen()
	honest := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(honest)
	c.Start()

	// another terminal's certificate is none for these topics
	intruder := config("rathaus-2")
	intruder.ClientID = "intruder"
	honest.AppendMany(50)
	_, stop := honest.ReportTo(intruder)
	time.Sleep(time.Second)
	stop()
	if held := c.Holds(honest); held != 0 {
		t.Fatalf("%d events came in with another terminal's certificate", held)
	}

	honest.ReportTo(config("rathaus-1"))
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(honest))
	c.Same(honest)
}
