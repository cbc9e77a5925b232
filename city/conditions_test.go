package city_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// clock is a clock that stands still until it is told otherwise.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logLines keeps what is logged.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// standing gives the alarm of this kind that stands.
func standing(t *testing.T, c *citytest.City, kind string) (alarm api.Trouble, stands bool) {
	t.Helper()
	all, err := c.Troubles(t.Context())
	must(t, err)
	for _, a := range all {
		if a.Kind == kind && a.Cleared.IsZero() {
			return a, true
		}
	}
	return api.Trouble{}, false
}

func stands(t *testing.T, c *citytest.City, kind string, want bool) func() bool {
	return func() bool { _, is := standing(t, c, kind); return is == want }
}

// watched is a city whose clock the test moves and whose log it reads.
func watched(t *testing.T, b *citytest.Broker) (*citytest.City, *clock, *logLines) {
	c, at, log := citytest.NewCity(t, b.URL()), &clock{at: time.Now()}, &logLines{}
	c.Config.Now, c.Config.Silent, c.Config.Roll = at.now, 2*time.Second, time.Hour
	c.Config.Logger = slog.New(slog.NewTextHandler(log, nil))
	c.Reopen()
	return c, at, log
}

func TestATerminalThatFallsSilentIsAnAlarm(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c, at, log := watched(t, b)
	m, other := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier), citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier)
	c.Add(m)
	c.Add(other)
	end := c.Start()
	b.WaitFor(topic.Ack.Of(m.ID))
	_, stop := m.Report(b.URL())
	citytest.Eventually(t, "the terminal", soon, online(t, c, m, true))
	m.AppendMany(1)
	citytest.Eventually(t, "its event", soon, holds(c, m, 1))
	stop()
	citytest.Eventually(t, "its farewell", soon, online(t, c, m, false))
	if _, yes := standing(t, c, api.AlarmSilent); yes {
		t.Fatal("silent at once")
	}
	at.pass(3 * time.Second)
	citytest.Eventually(t, "the alarm", soon, stands(t, c, api.AlarmSilent, true))
	alarm, _ := standing(t, c, api.AlarmSilent)
	if alarm.Terminal != m.ID || alarm.Class != locker.Wake || !strings.Contains(alarm.Detail, "longer than 2s") || !alarm.Open() {
		t.Errorf("the alarm is %+v", alarm)
	}
	must(t, c.Note(t.Context(), m.ID, alarm.ID, "AB", "technician called"))
	end()
	c.Start() // the broker still retains the terminal's state, which proves nothing
	for range 30 {
		time.Sleep(20 * time.Millisecond)
		if _, yes := standing(t, c, api.AlarmSilent); !yes {
			t.Fatal("a retained message ends the alarm")
		}
	}
	m.Report(b.URL())
	citytest.Eventually(t, "the alarm's end", soon, stands(t, c, api.AlarmSilent, false))
	all, err := c.Troubles(t.Context())
	must(t, err)
	if len(all) != 1 || all[0].Note != "technician called" || all[0].Open() { // the other one was never in service
		t.Errorf("alarms: %+v", all)
	}
	for _, line := range []string{`level=ERROR msg="alarm raised: silent" terminal=rathaus-1`, `level=INFO msg="alarm cleared: silent" terminal=rathaus-1`} {
		if n := log.count(line); n != 1 {
			t.Errorf("%d log lines %s, want one", n, line)
		}
	}
}

func TestACityWithoutItsBrokerIsOneAlarm(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c, at, log := watched(t, b)
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	m.AppendMany(1)
	c.Start()
	m.Report(b.URL())
	citytest.Eventually(t, "its event", soon, holds(c, m, 1))
	b.Stop()
	citytest.Eventually(t, "the line to break", soon, func() bool { return !c.Line().Connected })
	at.pass(3 * time.Second)
	citytest.Eventually(t, "the alarm", soon, stands(t, c, api.AlarmBroker, true))
	if _, yes := standing(t, c, api.AlarmSilent); yes {
		t.Error("the terminal is blamed for the city's silence")
	}
	b.Start()
	citytest.Eventually(t, "the alarm's end", soon, stands(t, c, api.AlarmBroker, false))
	if n := log.count(`msg="alarm raised: broker lost"`); n != 1 {
		t.Errorf("raised %d times", n)
	}
}

func TestATerminalsAlarmsAreLoggedInPlainWords(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c, _, log := watched(t, b)
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	m.Report(b.URL())
	m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 7, Detail: "opened"})
	m.Append(locker.AlarmRaised{Alarm: 2, Class: locker.Morning, Kind: locker.AlarmPart, Detail: "reader: gone"})
	m.Append(locker.AlarmCleared{Alarm: 1})
	citytest.Eventually(t, "its events", soon, holds(c, m, 3))
	for _, line := range []string{
		`level=ERROR msg="alarm raised: door forced" terminal=rathaus-1 compartment=7 class=wake`,
		`level=WARN msg="alarm raised: part failed" terminal=rathaus-1 class=morning`,
		`level=INFO msg="alarm cleared: door forced" terminal=rathaus-1 compartment=7`,
	} {
		citytest.Eventually(t, line, soon, func() bool { return log.count(line) == 1 })
	}
}

// TestAFullDiskIsOneAlarmAndTheCityGoesOn fills the file system of the record,
// and then makes room again.
func TestAFullDiskIsOneAlarmAndTheCityGoesOn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := syscall.Mount("none", folder, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("needs root for a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	b := citytest.StartBroker(t)
	c, _, log := watched(t, b)
	c.Config.Record, c.Config.Socket = filepath.Join(folder, "city.sqlite"), filepath.Join(t.TempDir(), "s")
	c.Reopen()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	late := citytest.NewTerminal(t, "rathaus-3", c.Config.Verifier)
	c.Add(m)
	c.Add(late)
	c.Start()
	m.Report(b.URL())
	m.AppendMany(10)
	citytest.Eventually(t, "its events", soon, holds(c, m, 10))
	citytest.Eventually(t, "the terminal", soon, online(t, c, m, true))

	ballast := filepath.Join(folder, "ballast")
	fillDisk(t, ballast)
	for range 20 {
		m.AppendMany(100)
	}
	citytest.Eventually(t, "the alarm", soon, stands(t, c, api.AlarmFull, true))
	alarm, _ := standing(t, c, api.AlarmFull)
	if !strings.Contains(alarm.Detail, folder) || !strings.Contains(alarm.Detail, "KiB") || alarm.Class != locker.Wake {
		t.Errorf("the alarm is %+v", alarm)
	}
	since := c.Line().Since
	late.Report(b.URL()) // it says only once that it is there
	b.WaitFor(topic.State.Of(late.ID))
	// It goes on reading, for the console and for the desks.
	ask := api.Dial(c.Config.Socket)
	if got, err := ask.Events(t.Context(), m.ID, 0, 100); err != nil || len(got) < 10 {
		t.Errorf("%d events, %v", len(got), err)
	}
	if err := ask.AddTerminal(t.Context(), "rathaus-2", citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier).Verifier); err == nil ||
		!strings.Contains(err.Error(), folder) {
		t.Errorf("a desk that writes is answered %v", err)
	}
	for range 50 { // some repetitions
		time.Sleep(20 * time.Millisecond)
		if line := c.Line(); !line.Connected || !line.Since.Equal(since) {
			t.Fatal("the city dropped its connection to the broker")
		}
	}
	if n := log.count("alarm raised"); n != 1 {
		t.Errorf("%d alarms, want one", n)
	}

	must(t, os.Remove(ballast))
	citytest.Eventually(t, "the alarm's end", soon, stands(t, c, api.AlarmFull, false))
	citytest.Eventually(t, "every event", soon, holds(c, m, 2010))
	c.Same(m)
	citytest.Eventually(t, "the terminal online", soon, online(t, c, m, true))
	citytest.Eventually(t, "the late terminal online", soon, online(t, c, late, true))
	if alarms, err := c.Alarms(t.Context()); err != nil || len(alarms) > 0 {
		t.Errorf("alarms are left: %+v, %v", alarms, err)
	}
	if n := log.count(`msg="alarm cleared: record full"`); n != 1 {
		t.Errorf("cleared %d times", n)
	}
}

// fillDisk writes a file until nothing more goes in.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

// TestAlarmsOverTheSocketAreAllThereAre asks as cityd alarms does.
func TestAlarmsOverTheSocketAreAllThereAre(t *testing.T) {
	d := open(t)
	d.m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmBurglary})
	d.b.Publish(topic.State.Of(d.m.ID), []byte("{"), true) // retained: the city may not listen yet
	var kinds []string
	citytest.Eventually(t, "both", soon, func() bool {
		all, err := d.ask.Alarms(t.Context())
		d.check(err)
		kinds = nil
		for _, a := range all {
			kinds = append(kinds, a.Kind)
		}
		return len(kinds) == 2
	})
	if text, _ := json.Marshal(kinds); string(text) != `["burglary","content"]` {
		t.Errorf("alarms %s", text)
	}
}
