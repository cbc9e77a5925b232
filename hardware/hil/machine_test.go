//go:build hil

package hil_test

import (
	"bytes"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

// patience is how long anything may take in an emulated machine on a busy one.
const patience = 2 * time.Minute

// laboratory is what all tests share: the kernel, the programs, one machine.
type laboratory struct {
	dir    string // temporary
	kernel string
	bin    string
	once   sync.Once
	skip   string // why there is none
	err    error

	bench *machine
	ports [2]int // of the shared machine's loopback: the kiosk's and the wall's
}

var lab laboratory

func TestMain(m *testing.M) {
	code := m.Run()
	if lab.bench != nil {
		lab.bench.kill()
	}
	if lab.dir != "" {
		_ = os.RemoveAll(lab.dir)
	}
	os.Exit(code)
}

// prepare makes the laboratory, or skips the test where it cannot be.
func prepare(t *testing.T) *laboratory {
	t.Helper()
	lab.once.Do(lab.build)
	required := slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "qemu")
	switch {
	case lab.err != nil:
		t.Fatal(lab.err)
	case lab.skip != "" && required:
		t.Fatalf("the laboratory is required here: %s", lab.skip)
	case lab.skip != "":
		t.Skip(lab.skip)
	}
	return &lab
}

func (l *laboratory) build() {
	for command, packages := range map[string]string{
		"qemu-system-x86_64": "qemu-system-x86", "mkfs.ext4": "e2fsprogs", "depmod": "kmod", "make": "make", "gcc": "gcc", "dpkg-deb": "dpkg",
	} {
		if _, err := exec.LookPath(command); err != nil {
			l.skip = fmt.Sprintf("no %s here (Debian: apt-get install %s linux-headers-amd64)", command, packages)
			return
		}
	}
	if headers, _ := filepath.Glob("/usr/src/linux-headers-*-amd64"); len(headers) == 0 {
		l.skip = "no kernel headers here (Debian: apt-get install linux-headers-amd64)"
		return
	}
	if l.dir, l.err = os.MkdirTemp("", "laboratory"); l.err != nil {
		return
	}
	l.bin = filepath.Join(l.dir, "bin")
	var out []byte
	if out, l.err = host("", "kernel/prepare"); l.err != nil {
		return
	}
	l.kernel = strings.TrimSpace(string(out))
	if _, l.err = host("CGO_ENABLED=0", "go", "build", "-o", l.bin+"/", "./guest", "./inside", "../../cmd/lockerd", "../../cmd/lockerctl", "../../cmd/firmware-sim"); l.err != nil {
		return
	}
}

// host runs a command here and gives its standard output.
func host(env string, args ...string) ([]byte, error) {
	cmd := exec.Command(args[0], args[1:]...)
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, complaints.Bytes())
	}
	return out, nil
}

// machine is one that runs.
type machine struct {
	cmd     *exec.Cmd
	guest   *rpc.Client
	console string // file
	dead    bool   // its power was cut
}

// setup is what a machine is made of.
type setup struct {
	disk  string // NBD socket of a disk, or none
	image string // raw file of a disk, or none
	root  bool   // the disk is the system's root
	ports []int  // of the loopback inside that are reachable from here
	size  int    // of the memory, in MB; 512 if 0
}

// boot starts a machine and waits until it answers.
func (l *laboratory) boot(s setup) (*machine, error) {
	dir, err := os.MkdirTemp(l.dir, "machine")
	if err != nil {
		return nil, err
	}
	initial := filepath.Join(dir, "initrd")
	if err := l.initrd(initial); err != nil {
		return nil, err
	}
	m := &machine{console: filepath.Join(dir, "console")}
	socket := filepath.Join(dir, "port")
	size := 512
	if s.size != 0 {
		size = s.size
	}
	// An emulated timer is late on a busy machine, and the kernel would give up.
	line := "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off nokaslr no_timer_check"
	if s.root {
		line += " guest.root=/dev/vda"
	}
	forward := "user,id=net,restrict=off"
	for _, port := range s.ports {
		forward += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", port, port)
	}
	args := []string{
		"-M", "q35", "-accel", "tcg", "-smp", "2", "-m", fmt.Sprint(size), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:" + m.console, "-kernel", filepath.Join(l.kernel, "vmlinuz"), "-initrd", initial, "-append", line,
		"-device", "virtio-serial-pci", "-chardev", "socket,id=port,server=on,wait=off,path=" + socket, "-device", "virtserialport,chardev=port,name=laboratory",
		"-netdev", forward, "-device", "virtio-net-pci,netdev=net",
	}
	switch {
	case s.disk != "":
		args = append(args, "-drive", "if=virtio,format=raw,cache=writeback,file=nbd:unix:"+s.disk)
	case s.image != "":
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+s.image)
	}
	m.cmd = exec.Command("qemu-system-x86_64", args...)
	var complaints bytes.Buffer
	m.cmd.Stderr = &complaints
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	limit := patience
	if s.root {
		limit = 4 * patience // a whole system starts
	}
	if err := m.reach(socket, limit); err != nil {
		m.kill()
		return nil, fmt.Errorf("the machine does not answer: %w\n%s\n%s", err, complaints.Bytes(), m.said())
	}
	return m, nil
}

// reach waits for the guest's first answer.
func (m *machine) reach(socket string, limit time.Duration) error {
	var conn net.Conn
	var err error
	for range 200 {
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	m.guest = rpc.NewClient(conn)
	var uptime float64
	call := m.guest.Go(protocol.Service+".Hello", protocol.Nothing{}, &uptime, nil)
	select {
	case <-call.Done:
		return call.Error
	case <-time.After(limit):
		return fmt.Errorf("no answer in %s", limit)
	}
}

// said is the end of what the machine wrote on its console.
func (m *machine) said() []byte {
	text, _ := os.ReadFile(m.console) // it may have said nothing
	return text[max(0, len(text)-4000):]
}

// kill is the power cut.
func (m *machine) kill() {
	m.dead = true
	_ = m.cmd.Process.Kill() // it may have ended
	_ = m.cmd.Wait()         // and was killed
	if m.guest != nil {
		_ = m.guest.Close() // the other end is gone
	}
}

// machine is the one that the tests of the package share.
func (l *laboratory) machine(t *testing.T) *machine {
	t.Helper()
	if l.bench == nil {
		began := time.Now()
		for i := range l.ports {
			l.ports[i] = freePort(t)
		}
		m, err := l.boot(setup{ports: l.ports[:]})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("booted in %.1f s", time.Since(began).Seconds())
		l.bench = m
		m.furnish(t, l.ports)
	}
	return l.bench
}

// furnish makes the file systems, the trace and the network of a new machine.
func (m *machine) furnish(t *testing.T, ports [2]int) {
	t.Helper()
	m.call(t, "Load", protocol.Module{Name: "simulator"}, nil)
	m.call(t, "Mount", protocol.Mount{Source: "config", Target: "/sys/kernel/config", Type: "configfs"}, nil)
	m.call(t, "Mount", protocol.Mount{Source: "trace", Target: "/sys/kernel/tracing", Type: "tracefs"}, nil)
	m.call(t, "Network", protocol.Nothing{}, nil)
	for _, port := range ports {
		m.call(t, "Forward", protocol.Forward{Port: port}, nil)
	}
	m.write(t, "/sys/kernel/tracing/trace_clock", "mono")
	m.write(t, "/sys/kernel/tracing/events/gpio/enable", "1")
}

// freePort is one that nobody has now.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// call asks the guest; the test ends if it says no. out may be nil.
func (m *machine) call(t *testing.T, method string, in, out any) {
	t.Helper()
	if err := m.try(method, in, out); err != nil {
		t.Fatalf("%s %v: %v", method, in, err)
	}
}

func (m *machine) try(method string, in, out any) error {
	if out == nil {
		out = &protocol.Nothing{}
	}
	call := m.guest.Go(protocol.Service+"."+method, in, out, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		return call.Error
	case <-time.After(patience):
		return fmt.Errorf("no answer in %s; the console says\n%s", patience, m.said())
	}
}

func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	m.call(t, "Write", protocol.File{Path: path, Data: []byte(text)}, nil)
}

func (m *machine) read(t *testing.T, path string) string {
	t.Helper()
	var data []byte
	m.call(t, "Read", path, &data)
	return strings.TrimSpace(string(data))
}

// run runs a program in there and wants it to end well.
func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	var r protocol.Result
	m.call(t, "Run", protocol.Command{Args: args}, &r)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d, signal %d\n%s", strings.Join(args, " "), r.Code, r.Signal, r.Output)
	}
	return string(r.Output)
}

// start starts a program in there.
func (m *machine) start(t *testing.T, args ...string) int {
	t.Helper()
	var pid int
	m.call(t, "Start", protocol.Command{Args: args}, &pid)
	return pid
}

// look is how far a program is.
func (m *machine) look(t *testing.T, pid int) protocol.Result {
	t.Helper()
	var r protocol.Result
	m.call(t, "Look", pid, &r)
	return r
}

// stop sends a signal and waits for the end.
func (m *machine) stop(t *testing.T, pid, signal int) protocol.Result {
	t.Helper()
	m.call(t, "Kill", protocol.Kill{PID: pid, Signal: signal}, nil)
	var r protocol.Result
	m.call(t, "Wait", pid, &r)
	return r
}

// await waits until a program has said the words.
func (m *machine) await(t *testing.T, pid int, words string) string {
	t.Helper()
	said, err := m.says(pid, words)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func (m *machine) says(pid int, words string) (string, error) {
	var r protocol.Result
	for end := time.Now().Add(patience); time.Now().Before(end) && !r.Ended; time.Sleep(20 * time.Millisecond) {
		if err := m.try("Look", pid, &r); err != nil {
			return "", err
		}
		if strings.Contains(string(r.Output), words) {
			return string(r.Output), nil
		}
	}
	return "", fmt.Errorf("the program did not say %q, but\n%s", words, r.Output)
}
