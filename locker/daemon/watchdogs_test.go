package daemon_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker"
)

// serviceManager watches the bench's daemon, which is to feed it about 16 times
// a second, and returns what it is told; empty after half a second of silence.
func (b *bench) serviceManager() func() string {
	b.t.Helper()
	dir, err := os.MkdirTemp("", "nf")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "180000"}
	if b.service, err = watchdog.Systemd(func(key string) string { return env[key] }, 1); err != nil {
		b.t.Fatal(err)
	}
	return func() string {
		b.t.Helper()
		var text [256]byte
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			b.t.Fatal(err)
		}
		n, err := conn.Read(text[:])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			b.t.Fatal(err)
		}
		return string(text[:n])
	}
}

func TestTheWatchdogIsFedUntilALineDoesNotReadBackAsDriven(t *testing.T) {
	b, line := newFlakyBench(t, "daemon-23", nil)
	told := b.serviceManager()
	d := b.run()
	t.Cleanup(func() { line.set(gpio.Low, false, nil) })
	eventually(t, "that it is ready", func() bool { return told() == "READY=1\nSTATUS=at work" })
	eventually(t, "its first meal", func() bool { return told() == "WATCHDOG=1" })
	eventually(t, "a look at the lines", func() bool { return fault(d, 2) == "" && told() == "WATCHDOG=1" })
	time.Sleep(1100 * time.Millisecond) // the lines were looked at, and were well
	line.set(gpio.High, true, nil)
	eventually(t, "hunger", func() bool { return told() == "" })
	if fault(d, 2) != locker.FaultLock {
		t.Errorf("fault %q", fault(d, 2))
	}
	line.set(gpio.Low, false, nil)
	eventually(t, "food", func() bool { return told() == "WATCHDOG=1" })
}

func TestALineThatWasWrongFromTheStartStarvesNobody(t *testing.T) {
	b, line := newFlakyBench(t, "daemon-24", nil)
	line.set(gpio.High, true, nil)
	told := b.serviceManager()
	d := b.run()
	t.Cleanup(func() { line.set(gpio.Low, false, nil) })
	eventually(t, "the lock's fault", func() bool { told(); return fault(d, 2) == locker.FaultLock })
	for range 40 {
		if told() == "" {
			t.Fatal("to begin again would not help, and the watchdog is not fed")
		}
	}
}

func TestAnOrderedEndIsTold(t *testing.T) {
	b := newBench(t, "daemon-25")
	b.init()
	told := b.serviceManager()
	t.Cleanup(func() { // after the daemon's end
		eventually(t, "the end", func() bool { return told() == "STOPPING=1" })
	})
	b.run()
	eventually(t, "that it is ready", func() bool { return strings.HasPrefix(told(), "READY=1") })
}

func TestAHardwareWatchdogThatIsNotThereIsAnAlarmAndNoMore(t *testing.T) {
	b := newBench(t, "daemon-26")
	b.config.Watchdog.Device = filepath.Join(t.TempDir(), "watchdog")
	b.init()
	d := b.run()
	eventually(t, "the alarm", func() bool {
		for _, a := range d.Status().Alarms {
			if a.Kind == locker.AlarmPart && strings.HasPrefix(a.Detail, "watchdog: ") {
				return true
			}
		}
		return false
	})
	if s := b.screen(d); s.Name == locker.ScreenOutOfOrder {
		t.Error("the terminal is out of order")
	}
}
