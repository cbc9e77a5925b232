package watchdog_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/watchdog"
)

// manager is a service manager's end of the socket.
func manager(t *testing.T) (env map[string]string, told func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "wd") //nolint:usetesting // the test's own folder is too long for a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return map[string]string{"NOTIFY_SOCKET": path}, func() string {
		t.Helper()
		var b [256]byte
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b[:])
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func getenv(env map[string]string) func(string) string {
	return func(key string) string { return env[key] }
}

func TestTheServiceManagerIsToldWhatHappens(t *testing.T) {
	env, told := manager(t)
	env["WATCHDOG_USEC"], env["WATCHDOG_PID"] = "30000000", "77"
	s, err := watchdog.Systemd(getenv(env), 77)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Watches() || s.Period() != 30*time.Second {
		t.Errorf("watches %v, every %v", s.Watches(), s.Period())
	}
	for want, do := range map[string]func() error{
		"READY=1\nSTATUS=at work": func() error { return s.Ready("at work") },
		"WATCHDOG=1":              s.Feed,
		"STOPPING=1":              s.Stopping,
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if got := told(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAServiceManagerThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	env, _ := manager(t)
	s, err := watchdog.Systemd(getenv(env), 77)
	if err != nil {
		t.Fatal(err)
	}
	for range 10000 { // until the socket is full
		if err = s.Feed(); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherProcessesWatchdogIsNotFed(t *testing.T) {
	env, _ := manager(t)
	env["WATCHDOG_USEC"], env["WATCHDOG_PID"] = "30000000", "76"
	s, err := watchdog.Systemd(getenv(env), 77)
	if err != nil || s.Watches() {
		t.Errorf("%v, watches %v", err, s.Watches())
	}
}

func TestWithoutAServiceManagerNothingIsTold(t *testing.T) {
	s, err := watchdog.Systemd(getenv(nil), 77)
	if err != nil || s.Watches() {
		t.Fatalf("%v, watches %v", err, s.Watches())
	}
	if err := errors.Join(s.Ready(""), s.Feed(), s.Stopping(), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestABadServiceManagerIsAnError(t *testing.T) {
	env, _ := manager(t)
	for _, usec := range []string{"soon", "0", "-1", "99999999999999"} {
		env["WATCHDOG_USEC"] = usec
		if _, err := watchdog.Systemd(getenv(env), 77); err == nil || !strings.Contains(err.Error(), usec) {
			t.Errorf("WATCHDOG_USEC=%s: %v", usec, err)
		}
	}
	if _, err := watchdog.Systemd(getenv(map[string]string{"NOTIFY_SOCKET": "/nowhere/notify"}), 77); err == nil {
		t.Error("a socket that is not there was accepted")
	}
}

// card is a hardware watchdog; its fields are the hardware.
type card struct {
	mu      sync.Mutex
	seconds int   // its period
	fixed   bool  // and cannot be set
	mute    bool  // nor asked for
	feed    error // what KeepAlive answers
	fed     int
	written string
	open    bool
}

func (c *card) SetTimeout(seconds int) error {
	if c.fixed {
		return syscall.EOPNOTSUPP
	}
	c.seconds = seconds
	return nil
}

func (c *card) Timeout() (int, error) {
	if c.mute {
		return 0, syscall.EOPNOTSUPP
	}
	return c.seconds, nil
}

func (c *card) KeepAlive() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.feed == nil {
		c.fed++
	}
	return c.feed
}

func (c *card) Write(p []byte) (int, error) {
	c.written += string(p)
	return len(p), nil
}

func (c *card) Close() error {
	c.open = false
	return nil
}

func TestADevicesPeriodIsWhatTheCardHas(t *testing.T) {
	c := &card{open: true}
	d, err := watchdog.Start("/dev/watchdog", c, 60*time.Second)
	if err != nil || d.Period() != time.Minute {
		t.Fatalf("%v, period %v", err, d.Period())
	}
	if d, err = watchdog.Start("/dev/watchdog", &card{fixed: true, seconds: 16}, 60*time.Second); err != nil || d.Period() != 16*time.Second {
		t.Errorf("a card that cannot be set: %v, period %v", err, d.Period())
	}
	if d, err = watchdog.Start("/dev/watchdog", &card{mute: true}, 60*time.Second); err != nil || d.Period() != time.Minute {
		t.Errorf("a card that cannot be asked: %v, period %v", err, d.Period())
	}
	bad := &card{fixed: true, mute: true}
	if _, err = watchdog.Start("/dev/watchdog", bad, 60*time.Second); !errors.Is(err, syscall.EOPNOTSUPP) || bad.written != "V" {
		t.Errorf("a card that can do neither: %v, called off by %q", err, bad.written)
	}
}

func TestOnlyAnOrderedEndCallsTheDeviceOff(t *testing.T) {
	for want, end := range map[string]func(*watchdog.Device) error{
		"V": (*watchdog.Device).CallOff,
		"":  (*watchdog.Device).Leave,
	} {
		c := &card{open: true}
		d, err := watchdog.Start("/dev/watchdog", c, 60*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(d); err != nil || c.open || c.written != want {
			t.Errorf("%v, open %v, written %q, want %q", err, c.open, c.written, want)
		}
	}
}

func TestADeviceThatCannotBeOpenedSaysWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	if _, err := watchdog.Open(path, time.Minute); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := watchdog.Open(path, time.Second); err == nil || !strings.Contains(err.Error(), "outside 15s to 10m") {
		t.Errorf("got %v", err)
	}
}

// quick is a card as a dog with a short period.
type quick struct{ *card }

func (quick) Name() string          { return "quick" }
func (quick) Period() time.Duration { return 15 * time.Millisecond }
func (q quick) Feed() error         { return q.KeepAlive() }

func TestADogIsFedWhileAllIsWellAndWhyNotIsToldOnce(t *testing.T) {
	var mu sync.Mutex
	var state error
	set := func(err error) { mu.Lock(); state = err; mu.Unlock() }
	alive := func() error { mu.Lock(); defer mu.Unlock(); return state }
	c := &card{}
	fed := func() int { c.mu.Lock(); defer c.mu.Unlock(); return c.fed }
	told := make(chan error, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchdog.Keep(ctx, alive, func(err error) { told <- err }, quick{c})
	}()
	for fed() < 3 {
		time.Sleep(time.Millisecond)
	}
	stands := errors.New("the loop stands")
	set(stands)
	if err := <-told; !errors.Is(err, stands) {
		t.Errorf("told %v", err)
	}
	before := fed()
	time.Sleep(50 * time.Millisecond)
	if fed() != before || len(told) > 0 {
		t.Errorf("fed %d times, told %d times more", fed()-before, len(told))
	}
	set(nil)
	if err := <-told; err != nil {
		t.Errorf("told %v", err)
	}
	c.mu.Lock()
	c.feed = syscall.EIO
	c.mu.Unlock()
	if err := <-told; !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "quick") {
		t.Errorf("told %v", err)
	}
	cancel()
	<-done
	watchdog.Keep(t.Context(), alive, nil) // without dogs it returns
}
