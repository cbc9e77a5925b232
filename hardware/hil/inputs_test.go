//go:build hil

package hil_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker"
)

// scanned is a badge reader that types, made with the kernel's uinput, and what
// listens to it.
type scanned struct {
	m      *machine
	typist int    // process id of the device
	pipe   string // what is written here is typed
	link   string // name that stays
}

func (s *scanned) plug(t *testing.T) {
	t.Helper()
	pid := s.m.start(t, "/bin/inside", "typist", "-pipe", s.pipe, "-link", s.link)
	s.typist = pid
	t.Cleanup(func() {
		_ = s.m.try("Kill", protocol.Kill{PID: pid, Signal: int(syscall.SIGKILL)}, nil) // it may be unplugged
	})
	s.m.await(t, s.typist, "plugged in")
}

func (s *scanned) unplug(t *testing.T) {
	t.Helper()
	s.m.stop(t, s.typist, int(syscall.SIGKILL))
}

// types lets the device type a text, and waits until it has.
func (s *scanned) types(t *testing.T, text string) {
	t.Helper()
	before := strings.Count(string(s.m.look(t, s.typist).Output), "typed")
	s.m.write(t, s.pipe, text+"\n")
	s.m.awaits(t, s.typist, "typed", before+1)
}

// arrives types a text until the driver has heard it: on a busy machine it may
// pause for longer than a text may, and is refused.
func (s *scanned) arrives(t *testing.T, driver int, text string) {
	t.Helper()
	refused := func(said string) int { return strings.Count(said, "refused") }
	before := refused(string(s.m.look(t, driver).Output))
	s.types(t, text)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		said := string(s.m.look(t, driver).Output)
		if strings.Contains(said, fmt.Sprintf("heard %q\n", text)) {
			return
		}
		if now := refused(said); now > before {
			before = now
			s.types(t, text)
		}
	}
	t.Fatalf("%q did not arrive, but\n%s", text, s.m.look(t, driver).Output)
}

// awaits waits until a program has said the words so often.
func (m *machine) awaits(t *testing.T, pid int, words string, times int) string {
	t.Helper()
	var r protocol.Result
	for end := time.Now().Add(patience); time.Now().Before(end) && !r.Ended; time.Sleep(20 * time.Millisecond) {
		r = m.look(t, pid)
		if strings.Count(string(r.Output), words) >= times {
			return string(r.Output)
		}
	}
	t.Fatalf("the program did not say %q %d times, but\n%s", words, times, r.Output)
	return ""
}

// badgeReader loads what makes one, and plugs none in.
func (m *machine) badgeReader(t *testing.T) *scanned {
	t.Helper()
	m.call(t, "Load", protocol.Module{Name: "uinput"}, nil)
	return &scanned{m: m, pipe: "/run/typist", link: "/dev/input/by-id/laboratory-event-kbd"}
}

// A badge reader that types is the terminal's alone: who reads the same device
// hears it before the driver has it and after, and nothing between.
func TestAKeyboardIsGrabbedAndHeardAndFoundAgain(t *testing.T) {
	m := prepare(t).machine(t)
	s := m.badgeReader(t)
	s.plug(t)
	other := m.start(t, "/bin/inside", "eavesdrop", "-path", s.link)
	m.await(t, other, "ready")
	s.types(t, "1")
	m.await(t, other, "key KEY_ENTER") // it does hear

	driver := m.start(t, "/bin/inside", "keyboard", "-path", s.link)
	m.await(t, driver, "grabbed")
	heard := m.look(t, other).Output
	s.arrives(t, driver, "KARTE-4711b")
	second := m.start(t, "/bin/inside", "keyboard", "-path", s.link)
	if said := m.await(t, second, "gone:"); !strings.Contains(said, "grab it for ourselves") || strings.Contains(said, "grabbed") {
		t.Errorf("a second driver says %q", said)
	}
	m.stop(t, second, int(syscall.SIGKILL))
	if now := m.look(t, other).Output; string(now) != string(heard) {
		t.Errorf("another reader heard %q", now[len(heard):])
	}

	// A reader that comes late loses what the kernel has no room for, and says so.
	m.call(t, "Kill", protocol.Kill{PID: driver, Signal: int(syscall.SIGSTOP)}, nil)
	s.types(t, strings.Repeat("0815", 16))
	refused := strings.Count(string(m.look(t, driver).Output), "refused")
	m.call(t, "Kill", protocol.Kill{PID: driver, Signal: int(syscall.SIGCONT)}, nil)
	m.awaits(t, driver, "refused", refused+1)
	s.arrives(t, driver, "card4711")

	for n := range 2 {
		s.unplug(t)
		m.awaits(t, driver, "gone:", n+1)
		s.plug(t)
		m.awaits(t, driver, "grabbed", n+2)
		s.arrives(t, driver, fmt.Sprintf("again%d", n))
	}

	// The kernel lets go of a device when its process is killed.
	other = m.start(t, "/bin/inside", "eavesdrop", "-path", s.link)
	m.await(t, other, "ready")
	s.arrives(t, driver, "2")
	m.stop(t, driver, int(syscall.SIGKILL))
	s.types(t, "3")
	if said := m.await(t, other, "key KEY_ENTER"); strings.Contains(said, "KEY_2") || !strings.Contains(said, "KEY_3") {
		t.Errorf("another reader heard %q", said)
	}
	if said := string(m.look(t, driver).Output); strings.Contains(said, "0815") {
		t.Errorf("the driver says %q", said)
	}
	m.stop(t, other, int(syscall.SIGKILL))
}

// The terminal starts without its badge reader, tells the city, and takes the
// card of a clerk once it is plugged in.
func TestTheTerminalTakesABadgeThatIsTyped(t *testing.T) {
	l := prepare(t)
	m := l.machine(t)
	s := m.badgeReader(t)
	p, _ := direct(t, m, 1, true)
	p.badge = fmt.Sprintf("driver = \"keyboard\"\npath = %q\nlayout = \"us\"", s.link)
	b := newBox(t, m, newTown(t, 0), p, "/run/badge", l.ports)
	b.initialise(t)
	b.on(t)
	b.ready(t)
	f := &life{l: l, town: b.town}
	f.told(t, "scanner badge")
	s.plug(t)
	kiosk := b.site(t).Kiosk()
	var shown locker.Screen
	for end := time.Now().Add(patience); shown.Name != locker.ScreenClerk; {
		if time.Now().After(end) {
			t.Fatalf("after the badge the terminal shows %s", shown.Name)
		}
		s.types(t, b.town.cast.Clerks[0].Card) // nobody hears it if it comes before the grab
		time.Sleep(time.Second)
		if err := tell(t.Context(), http.MethodGet, kiosk.URL+"/screen", kiosk.Token, nil, "application/json", &shown); err != nil {
			t.Fatal(err)
		}
	}
	m.stop(t, b.pid, int(syscall.SIGTERM))
}

// The real-time clock is QEMU's, which goes by this machine's.
func TestTheClockIsReadAndItsLossNoticed(t *testing.T) {
	m := prepare(t).machine(t)
	built := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := func(first, then time.Time) (at [2]time.Time, said [2]string) {
		t.Helper()
		args := []string{"/bin/inside", "clock", "-built", fmt.Sprint(built.Unix())}
		for flag, to := range map[string]time.Time{"-first": first, "-then": then} {
			if !to.IsZero() {
				args = append(args, flag, fmt.Sprint(to.Unix()))
			}
		}
		for i, line := range strings.Split(strings.TrimSpace(m.run(t, args...)), "\n") {
			seconds, text, _ := strings.Cut(line, " ")
			var unix int64
			if _, err := fmt.Sscan(seconds, &unix); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			at[i], said[i] = time.Unix(unix, 0), text
		}
		return at, said
	}
	before := time.Now()
	at, said := look(time.Time{}, time.Time{})
	if said != [2]string{"<nil>", "<nil>"} {
		t.Errorf("of a good clock the driver says %q", said)
	}
	// It may lose a little where the emulation was late.
	if at[0].Before(before.Add(-time.Minute)) || at[1].After(time.Now().Add(time.Minute)) || !at[1].After(at[0]) {
		t.Errorf("the clock says %v, and it is %v", at, before)
	}
	if _, said = look(built.AddDate(-20, 0, 0), time.Time{}); !strings.Contains(said[0], "lost its time") {
		t.Errorf("of a clock whose battery was empty the driver says %q", said)
	}
	if _, said = look(time.Now().Add(time.Hour), time.Now()); said[0] != "<nil>" || !strings.Contains(said[1], "does not keep time") {
		t.Errorf("of a clock that jumps the driver says %q", said)
	}
}
