//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

// guest answers the tests.
type guest struct {
	mu       sync.Mutex
	programs map[int]*program
	wall     *wall
}

func newGuest() *guest { return &guest{programs: map[int]*program{}} }

// program is one that was started.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	out   bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) result() protocol.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := protocol.Result{Output: bytes.Clone(p.out.Bytes())}
	select {
	case <-p.ended:
		r.Ended = true
		r.Code = p.cmd.ProcessState.ExitCode()
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			r.Signal = int(status.Signal())
		}
	default:
	}
	return r
}

// Hello says that the guest is there, and for how many seconds the kernel is.
func (g *guest) Hello(_ protocol.Nothing, uptime *float64) error {
	text, err := os.ReadFile("/proc/uptime")
	if err == nil {
		_, err = fmt.Sscan(string(text), uptime)
	}
	return err
}

// Start starts a program and gives its process id.
func (g *guest) Start(c protocol.Command, pid *int) error {
	p := &program{cmd: exec.Command(c.Args[0], c.Args[1:]...), ended: make(chan struct{})} //nolint:gosec // the test is trusted
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if c.User != 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.User, Gid: c.User}}
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	*pid = p.cmd.Process.Pid
	g.mu.Lock()
	g.programs[*pid] = p
	g.mu.Unlock()
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	return nil
}

func (g *guest) program(pid int) (*program, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.programs[pid]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no program %d", pid)
}

// Wait waits until a program has ended.
func (g *guest) Wait(pid int, r *protocol.Result) error {
	p, err := g.program(pid)
	if err != nil {
		return err
	}
	<-p.ended
	*r = p.result()
	return nil
}

// Look is how far a program is.
func (g *guest) Look(pid int, r *protocol.Result) error {
	p, err := g.program(pid)
	if err == nil {
		*r = p.result()
	}
	return err
}

// Run runs a program to its end.
func (g *guest) Run(c protocol.Command, r *protocol.Result) error {
	var pid int
	if err := g.Start(c, &pid); err != nil {
		return err
	}
	return g.Wait(pid, r)
}

// Kill sends a signal.
func (g *guest) Kill(k protocol.Kill, _ *protocol.Nothing) error {
	return syscall.Kill(k.PID, syscall.Signal(k.Signal))
}

// Read gives a file's content.
func (g *guest) Read(path string, data *[]byte) (err error) {
	*data, err = os.ReadFile(path)
	return err
}

// Write writes a file, in one write as sysfs wants it.
func (g *guest) Write(f protocol.File, _ *protocol.Nothing) error {
	mode := os.FileMode(f.Mode)
	if mode == 0 {
		mode = 0o644
	}
	if err := os.WriteFile(f.Path, f.Data, mode); err != nil {
		return err
	}
	if f.Mode == 0 {
		return nil
	}
	return os.Chmod(f.Path, mode)
}

// Folder makes a folder and those above it.
func (g *guest) Folder(path string, _ *protocol.Nothing) error { return os.MkdirAll(path, 0o755) } //nolint:gosec // programs of other users look in

// Remove removes a file or an empty folder, as configfs wants it.
func (g *guest) Remove(path string, _ *protocol.Nothing) error { return os.Remove(path) }

// Glob finds files.
func (g *guest) Glob(pattern string, found *[]string) (err error) {
	*found, err = filepath.Glob(pattern)
	return err
}

// Mount mounts a file system.
func (g *guest) Mount(m protocol.Mount, _ *protocol.Nothing) error { return mount(m) }

// Unmount takes a file system away.
func (g *guest) Unmount(target string, _ *protocol.Nothing) error { return unix.Unmount(target, 0) }

// Load loads a module.
func (g *guest) Load(m protocol.Module, _ *protocol.Nothing) error {
	for _, path := range modules() {
		if moduleName(path) == m.Name {
			return load(path, m.Args)
		}
	}
	return fmt.Errorf("no module %s", m.Name)
}

// Forward passes connections from the outside on to the loopback, or from the
// loopback to the outside.
func (g *guest) Forward(f protocol.Forward, _ *protocol.Nothing) error {
	number := strconv.Itoa(f.Port)
	from, to := net.JoinHostPort(outside, number), net.JoinHostPort("127.0.0.1", number)
	if f.Out {
		from, to = to, net.JoinHostPort(gateway, number)
	}
	listener, err := net.Listen("tcp", from)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(conn, to)
		}
	}()
	return nil
}

func pass(conn net.Conn, address string) {
	defer conn.Close()
	inner, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer inner.Close()
	go func() {
		_, _ = io.Copy(inner, conn)           // either side may hang up at any time
		_ = inner.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it was dialled as TCP
	}()
	_, _ = io.Copy(conn, inner)
}

// The machine's address in QEMU's user network, and its host's.
const (
	outside = "10.0.2.15"
	gateway = "10.0.2.2"
)

// Network gives the machine its address.
func (g *guest) Network(_, _ *protocol.Nothing) error {
	var device string
	for range 200 {
		found, _ := filepath.Glob("/sys/class/net/e*") // the pattern is good
		if len(found) > 0 {
			device = filepath.Base(found[0])
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if device == "" {
		return errors.New("no network device")
	}
	return errors.Join(address("lo", "127.0.0.1", 8), address(device, outside, 24))
}

// address sets an interface's address and switches it on (netdevice(7)).
func address(device, ip string, bits int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for _, set := range []struct {
		request uint
		ip      net.IP
	}{
		{unix.SIOCSIFADDR, net.ParseIP(ip).To4()},
		{unix.SIOCSIFNETMASK, net.IP(net.CIDRMask(bits, 32))},
	} {
		r, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		if err := r.SetInet4Addr(set.ip); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(s, set.request, r); err != nil {
			return fmt.Errorf("%s: %w", device, err)
		}
	}
	r, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// Wall builds the doors, in the place of earlier ones.
func (g *guest) Wall(w protocol.Wall, _ *protocol.Nothing) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wall != nil {
		g.wall.close()
	}
	g.wall, err = newWall(w)
	return err
}

func trimmed(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}
