// Package tpmtest gives tests a TPM of their own: Debian's swtpm, a process that
// keeps its state in a folder as a chip does in its NV memory.
package tpmtest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/tpm"
)

// Emulator is one running chip.
type Emulator struct {
	Path string // of its socket, for tpm.Config

	t     testing.TB
	state string
	cmd   *exec.Cmd
}

// Start starts one, or skips where there is no swtpm; where NACHTFACH_REQUIRE
// names it, it must be there.
func Start(t testing.TB) *Emulator {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "swtpm") {
			t.Fatal("swtpm is required and not installed")
		}
		t.Skip("swtpm is not installed")
	}
	dir, err := os.MkdirTemp("", "swtpm") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	e := &Emulator{t: t, state: dir, Path: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		e.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	e.start()
	return e
}

func (e *Emulator) start() {
	e.t.Helper()
	e.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+e.state, //nolint:gosec // a test's own folder
		"--server", "type=unixio,path="+e.Path, "--ctrl", "type=unixio,path="+e.Path+".ctrl",
		"--flags", "not-need-init,startup-clear")
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if probe, err := net.Dial("unix", e.Path); err == nil {
			_ = probe.Close()
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatal("swtpm does not open its socket")
		}
	}
}

func (e *Emulator) stop() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait() // it was killed
	_ = os.Remove(e.Path)
}

// Cut is a power cut: whoever has the chip open has lost it, and it starts anew.
func (e *Emulator) Cut() {
	e.t.Helper()
	e.stop()
	e.start()
}

// Open opens the chip until the test ends. swtpm serves one at a time, and takes
// a moment to let go of the last.
func (e *Emulator) Open(t testing.TB, c tpm.Config) *tpm.Chip {
	t.Helper()
	k, err := tpm.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// Tap is a wire to the chip that somebody listens to.
type Tap struct {
	Path string
	mu   sync.Mutex
	seen bytes.Buffer
}

// Tap puts one between.
func (e *Emulator) Tap(t testing.TB) *Tap {
	t.Helper()
	p := &Tap{Path: e.Path + ".tap"}
	l, err := net.Listen("unix", p.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", e.Path)
			if err != nil {
				_ = near.Close()
				return
			}
			go p.copy(far, near)
			go p.copy(near, far)
		}
	}()
	return p
}

func (p *Tap) copy(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		p.seen.Write(b[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// Seen is all that went over the wire.
func (p *Tap) Seen() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.seen.Bytes())
}
