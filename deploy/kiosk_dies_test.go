package deploy_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

// welcoming shows the first screen for ever.
type welcoming struct{}

func (welcoming) Screen() (locker.Screen, <-chan struct{}) {
	return locker.Screen{Number: 1, Name: locker.ScreenWelcome, Expects: locker.ExpectsCode}, nil
}

func (w welcoming) Submit(context.Context, locker.Input) (locker.Screen, error) {
	screen, _ := w.Screen()
	return screen, nil
}

// terminalAt serves the real pages there.
func terminalAt(t *testing.T, address string) (server *kiosk.Server, at, token string) {
	t.Helper()
	l, err := kiosk.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	start, file := time.Now(), filepath.Join(t.TempDir(), "token")
	server, err = kiosk.New(kiosk.Config{
		Terminal: welcoming{}, Addr: l.Addr().String(), TokenFile: file, Rand: rand.Reader,
		Uptime: func() time.Duration { return time.Since(start) },
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return server, l.Addr().String(), strings.TrimSpace(string(text))
}

// below lists the processes that descend from one, with their command lines.
func below(t *testing.T, pid int) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	parent, line := map[int]int{}, map[int]string{}
	for _, e := range entries {
		p, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
		parent[p], _ = strconv.Atoi(fields[1])
		text, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		line[p] = strings.ReplaceAll(string(text), "\x00", " ")
	}
	found := map[int]string{}
	for p := range parent {
		for at := p; at > 1; at = parent[at] {
			if at == pid {
				found[p] = line[p]
				break
			}
		}
	}
	return found
}

// signal sends one to every process of the screen whose command line is meant.
func (s screen) signal(t *testing.T, signal syscall.Signal, meant func(line string) bool) {
	t.Helper()
	sent := 0
	for pid, line := range below(t, s.pid) {
		if meant(line) && syscall.Kill(pid, signal) == nil {
			sent++
		}
	}
	if sent == 0 {
		t.Fatal("there is no such process")
	}
}

// The program ends, and its unit starts it again, whatever became of the page.
func TestTheBrowserIsStartedAgainWhenItsPageIsDead(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for four browsers to be given up on")
	}
	needScreen(t)
	renderer := func(line string) bool { return strings.Contains(line, "--type=renderer") }
	browser := func(line string) bool {
		return strings.Contains(line, "--kiosk") && strings.Contains(line, "chromium") && !strings.Contains(line, "--type=") && !strings.Contains(line, "cage")
	}
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		to     func(string) bool
	}{
		{"its renderer was killed", syscall.SIGKILL, renderer},
		{"its renderer hangs", syscall.SIGSTOP, renderer},
		{"the browser was killed", syscall.SIGKILL, browser},
		{"the browser hangs", syscall.SIGSTOP, browser},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, at, token := terminalAt(t, "127.0.0.1:0")
			s := startScreen(t, token, "http://"+at+"/")
			for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
				if _, ever := server.Shown(); ever {
					break
				}
				if time.Now().After(end) {
					t.Fatal("the browser shows no page")
				}
			}
			time.Sleep(3 * time.Second) // the program asks every 2 s, and has seen it shown
			before := time.Now()
			s.signal(t, c.signal, c.to)
			select {
			case err := <-s.ended:
				s.ended <- err
				t.Logf("it ended after %v: %v", time.Since(before).Round(time.Second), err)
			case <-time.After(90 * time.Second):
				t.Error("90 s later it still runs, and nothing will ever end it")
			}
		})
	}
}

// The browser came up before the terminal and shows its own error page.
func TestAnErrorPageOfTheBrowserDoesNotStay(t *testing.T) {
	needScreen(t)
	// A port on which nobody listens yet.
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	later := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := startScreen(t, strings.Repeat("0", 64), "http://"+later+"/")
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		up := false
		for _, line := range below(t, s.pid) {
			up = up || strings.Contains(line, "--type=renderer")
		}
		if up {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no browser")
		}
	}
	server, _, _ := terminalAt(t, later) // with another token: the browser's is of the boot before
	select {
	case err := <-s.ended:
		s.ended <- err
		t.Logf("it ended, and its unit reads the new token: %v", err)
	case <-time.After(90 * time.Second):
		_, ever := server.Shown()
		t.Errorf("90 s later the browser shows its error page; the terminal's was shown: %v", ever)
	}
}
