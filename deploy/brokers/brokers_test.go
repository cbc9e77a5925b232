// Package brokers_test tries the brokers' example configurations on the real
// brokers: a terminal and a city get through, and a hostile terminal with a
// good certificate reads and writes its own topics alone.
package brokers_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
)

// Deadlines are generous: the machine may be loaded, and RabbitMQ is slow to start.
const soon = 90 * time.Second

// need finds a program, or skips; where NACHTFACH_REQUIRE names it, it must be there.
func need(t *testing.T, name string, places ...string) string {
	t.Helper()
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), name) {
		t.Fatalf("%s is required here: looked for %v", name, places)
	}
	t.Skipf("no %s here", name)
	return ""
}

// site is a broker with the town's certificates.
type site struct {
	t         *testing.T
	folder    string
	address   string
	authority *citytest.Authority
	output    bytes.Buffer
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, folder: t.TempDir(), address: citytest.FreeAddress(t), authority: citytest.NewAuthority(t)}
	files := s.authority.Files(s.folder, "127.0.0.1")
	s.check(os.Rename(files.Certificate, filepath.Join(s.folder, "broker.pem")))
	s.check(os.Rename(files.Key, filepath.Join(s.folder, "broker.key")))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker said: %.4000s", s.output.String())
		}
	})
	return s
}

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// example copies a file of this folder, with its paths and ports as they are here.
func (s *site) example(name string, changes ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(name)
	s.check(err)
	_, port, err := net.SplitHostPort(s.address)
	s.check(err)
	changed := string(text)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(changed, changes[i]) {
			s.t.Fatalf("%s does not say %q", name, changes[i])
		}
		changed = strings.ReplaceAll(changed, changes[i], changes[i+1])
	}
	changed = strings.NewReplacer("/etc/nachtfach/broker", s.folder, "8883", port, "/var/lib/mosquitto/", s.folder+"/", "/var/lib/nats", s.folder+"/nats").Replace(changed)
	path := filepath.Join(s.folder, name)
	s.check(os.WriteFile(path, []byte(changed), 0o600))
	return path
}

// run starts the broker and waits until it listens; the test's end stops it and
// what it started.
func (s *site) run(env []string, program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	s.check(cmd.Start())
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	})
	citytest.Eventually(s.t, program+" listens", soon, func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
			return true
		}
		select {
		case <-done:
			s.t.Fatalf("%s ended", program)
		default:
		}
		return false
	})
}

func (s *site) mosquitto(changes ...string) {
	s.t.Helper()
	program := need(s.t, "mosquitto", "mosquitto", "/usr/sbin/mosquitto")
	s.example("mosquitto.acl")
	config := s.example("mosquitto.conf", changes...)
	if os.Geteuid() == 0 { // or it would give up its rights on the test's folder
		text, err := os.ReadFile(config)
		s.check(err)
		s.check(os.WriteFile(config, append([]byte("user root\n"), text...), 0o600))
	}
	s.run(nil, program, "-c", config)
}

func TestMosquittoKeepsTerminalsApart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mosquitto()
	s.trial()
}

// TestTheTrialSeesAMissingACL takes the defence out: the same configuration
// without its access list.
func TestTheTrialSeesAMissingACL(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mosquitto("acl_file /etc/nachtfach/broker/mosquitto.acl", "")
	if reached := s.reach(); len(reached) == 0 {
		t.Error("nothing is reached without an access list: the trial sees nothing")
	}
}

func TestNATSKeepsTerminalsApart(t *testing.T) {
	t.Parallel()
	program := need(t, "nats", "nats-server", "/usr/sbin/nats-server")
	s := newSite(t)
	s.run(nil, program, "-c", s.example("nats.conf"))
	s.trial()
}

func TestRabbitMQKeepsTerminalsApart(t *testing.T) {
	if testing.Short() {
		t.Skip("RabbitMQ takes long to start")
	}
	t.Parallel()
	program := need(t, "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server")
	s := newSite(t)
	s.example("rabbitmq.json")
	plugins := filepath.Join(s.folder, "enabled_plugins")
	s.check(os.WriteFile(plugins, []byte("[rabbitmq_mqtt].\n"), 0o600))
	port := func() string {
		_, p, err := net.SplitHostPort(citytest.FreeAddress(t))
		s.check(err)
		return p
	}
	names := port() // of its own name server, which ends after it
	t.Cleanup(func() {
		kill := exec.Command("epmd", "-kill")
		kill.Env = append(os.Environ(), "ERL_EPMD_PORT="+names)
		_ = kill.Run() // it may have ended by itself
	})
	s.run([]string{
		"HOME=" + s.folder, "RABBITMQ_CONFIG_FILE=" + s.example("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins,
		"RABBITMQ_MNESIA_BASE=" + s.folder, "RABBITMQ_LOG_BASE=" + s.folder, "RABBITMQ_LOGS=-", "RABBITMQ_NODENAME=nachtfach@localhost",
		"RABBITMQ_DIST_PORT=" + port(), "ERL_EPMD_PORT=" + names, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none",
	}, program)
	s.trial()
}

func (s *site) url() string { return "tls://" + s.address }

var terminals = [2]string{"rathaus-1", "rathaus-2"}

// marker is what the hostile terminal writes, so that it is known again.
func marker(topic string) []byte { return fmt.Appendf(nil, "hostile on %s", topic) }
