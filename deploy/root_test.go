package deploy_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/embedded"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// asked skips a test that takes minutes and root, unless it is asked for.
func asked(t *testing.T, name string) {
	t.Helper()
	if !slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), name) {
		t.Skipf("takes root and minutes; NACHTFACH_REQUIRE=%s runs it", name)
	}
}

// run runs a command and gives what it printed.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// pack clones the commit into a folder and makes the packages there.
func pack(t *testing.T, folder string, arch ...string) []string {
	t.Helper()
	run(t, "", "git", "clone", "-q", "..", folder)
	return strings.Fields(run(t, folder, append([]string{"deploy/package"}, arch...)...))
}

func TestTwoBuildsInTwoFoldersAreTheSameBytes(t *testing.T) {
	asked(t, "debootstrap")
	dir := t.TempDir()
	one := pack(t, filepath.Join(dir, "one"))
	two := pack(t, filepath.Join(dir, "another", "and", "deeper"))
	if len(one) != 3 || len(two) != 3 {
		t.Fatalf("the packages are %v and %v, wants three each", one, two)
	}
	for i := range one {
		a, err := os.ReadFile(one[i])
		b, err2 := os.ReadFile(two[i])
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s and %s are not the same", one[i], two[i])
		}
		t.Logf("%s: %d KB, %x", filepath.Base(one[i]), len(a)/1024, sha256.Sum256(a))
	}
	t.Log(run(t, "", "lintian", "--allow-root", "--fail-on", "error,warning", one[0]))
}

// root is a clean Debian in a folder.
type root struct {
	t   *testing.T
	dir string
}

// newRoot unpacks one; debootstrap's work is kept in the cache.
func newRoot(t *testing.T) *root {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(cache, "nachtfach-ci", "root-bookworm.tar")
	r := &root{t: t, dir: filepath.Join(t.TempDir(), "root")}
	if _, err := os.Stat(kept); err != nil {
		run(t, "", "debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,udev", "bookworm", r.dir)
		if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
			t.Fatal(err)
		}
		run(t, "", "tar", "-C", r.dir, "-cf", kept+".new", ".")
		run(t, "", "mv", kept+".new", kept)
	} else {
		run(t, "", "mkdir", r.dir)
		run(t, "", "tar", "-C", r.dir, "-xf", kept)
	}
	r.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
	for _, m := range [][2]string{{"proc", "proc"}, {"devpts", "dev/pts"}} {
		target := filepath.Join(r.dir, m[1])
		if err := syscall.Mount(m[0], target, m[0], 0, ""); err != nil {
			t.Fatalf("mount %s: %v", target, err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) }) // the folder goes after it
	}
	return r
}

func (r *root) path(name string) string { return filepath.Join(r.dir, name) }

func (r *root) write(name, text string, mode fs.FileMode) {
	r.t.Helper()
	if err := errors.Join(os.WriteFile(r.path(name), []byte(text), mode), os.Chmod(r.path(name), mode)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *root) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// run runs a command in there, as root.
func (r *root) run(args ...string) string {
	r.t.Helper()
	return run(r.t, "", append([]string{"chroot", r.dir}, args...)...)
}

// apt installs a package's file.
func (r *root) apt(path string, options ...string) {
	r.t.Helper()
	run(r.t, "", "cp", path, r.dir)
	args := append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, options...)
	r.run(append(args, "/"+filepath.Base(path))...)
	run(r.t, "", "rm", r.path(filepath.Base(path)))
}

// start starts a command in there as the service's user, and waits until it has
// said the words.
func (r *root) start(words string, args ...string) (*exec.Cmd, []byte) {
	r.t.Helper()
	cmd := exec.Command("chroot", append([]string{"--userspec=nachtfach:nachtfach", r.dir}, args...)...)
	out, err := os.CreateTemp(r.t.TempDir(), "said")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	var said []byte
	for range 1200 {
		time.Sleep(50 * time.Millisecond)
		if said, err = os.ReadFile(out.Name()); err != nil {
			r.t.Fatal(err)
		}
		if bytes.Contains(said, []byte(words)) {
			return cmd, said
		}
	}
	r.t.Fatalf("%v does not say %q but\n%s", args, words, said)
	return nil, nil
}

func stop(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Errorf("the service did not end well: %v", err)
	}
}

// names are all files that speak of us.
func (r *root) names() []string {
	var found []string
	err := filepath.WalkDir(r.dir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := strings.CutPrefix(path, r.dir)
		if name == "/proc" || name == "/dev" || name == "/var/log" {
			return fs.SkipDir
		}
		if strings.Contains(name, "nachtfach") || strings.Contains(name, "lockerd") {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func TestThePackageInACleanDebian(t *testing.T) {
	asked(t, "debootstrap")
	dir := t.TempDir()
	r := newRoot(t)
	accounts := r.read("etc/passwd") + r.read("etc/group")
	older := pack(t, filepath.Join(dir, "older"), "amd64")[0]
	newer := successor(t, dir)
	began := time.Now()
	r.apt(older)
	t.Logf("installed in %.1f s", time.Since(began).Seconds())
	if !strings.Contains(r.run("systemctl", "is-enabled", "lockerd.service"), "enabled") {
		t.Error("the service is not enabled")
	}

	simulator := configure(t, r)
	service := strings.Fields(execStart(r))
	check := []string{service[0], "check", "-config", service[len(service)-1]}
	as := []string{"chroot", "--userspec=nachtfach:nachtfach", r.dir}
	t.Logf("lockerd check:\n%s", run(t, "", append(as, check...)...))
	cmd, _ := r.start("ready, kiosk at", service...)
	before := r.journal(t)
	stop(t, cmd)

	// An upgrade and a rollback keep the journal, and both go on with it.
	r.apt(newer)
	cmd, _ = r.start("ready, kiosk at", service...)
	after := r.journal(t)
	stop(t, cmd)
	r.apt(older, "--allow-downgrades")
	cmd, _ = r.start("ready, kiosk at", service...)
	last := r.journal(t)
	stop(t, cmd)
	if !strings.HasPrefix(after, before) || !strings.HasPrefix(last, after) || len(last) <= len(after) || len(after) <= len(before) {
		t.Error("the journal did not go on through upgrade and rollback")
	}

	_ = simulator.Process.Kill() // it was the terminal's hardware, under the terminal's user
	_ = simulator.Wait()
	if err := os.RemoveAll(r.path("tmp/wires")); err != nil {
		t.Fatal(err)
	}
	r.run("apt-get", "purge", "-y", "-qq", "-o", "Dpkg::Use-Pty=0", "nachtfach")
	if got := r.names(); !slices.Equal(got, []string{"/var/lib/nachtfach", "/var/lib/nachtfach/journal.db"}) {
		t.Errorf("the purge left %v, wants the journal alone", got)
	}
	if r.read("etc/passwd")+r.read("etc/group") != accounts {
		t.Error("the purge left accounts")
	}
	// The same package once more finds the journal, and gives it back to the terminal.
	r.apt(older)
	if got := r.run("stat", "-c", "%U %a", "/var/lib/nachtfach/journal.db"); strings.TrimSpace(got) != "nachtfach 600" {
		t.Errorf("the journal belongs to %s", got)
	}
}

// successor is the package of a later commit.
func successor(t *testing.T, dir string) string {
	t.Helper()
	folder := filepath.Join(dir, "newer")
	run(t, "", "git", "clone", "-q", "..", folder)
	run(t, folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "--allow-empty", "-m", "Later")
	return strings.TrimSpace(run(t, folder, "deploy/package", "amd64"))
}

// execStart is what the unit starts.
func execStart(r *root) string {
	for _, line := range strings.Split(r.read("lib/systemd/system/lockerd.service"), "\n") {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return command
		}
	}
	r.t.Fatal("the unit starts nothing")
	return ""
}

func (r *root) journal(t *testing.T) string {
	t.Helper()
	return r.run("lockerctl", "journal", "dump", "-socket", "/var/lib/nachtfach/lockerd.sock")
}

// configure makes a terminal of the simulator's wires, with a broker beside it.
func configure(t *testing.T, r *root) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", r.path("usr/local/bin/simulator"), "../cmd/firmware-sim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	simulator, said := r.start("\n", "/usr/local/bin/simulator", "-terminal", "rathaus-1", "-compartments", "8", "-dir", "/tmp/wires")
	var wires struct {
		Locks   string `json:"locks"`
		Reader  string `json:"reader"`
		Citizen string `json:"scanner_citizen"`
		Barcode string `json:"scanner_barcode"`
		Badge   string `json:"badge"`
	}
	if err := json.Unmarshal(said, &wires); err != nil {
		t.Fatal(err)
	}
	hub, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Stop() })
	cast, err := tour.NewCast("rathaus-1", seal.Params{Memory: 1024, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("examples/modbus-8.toml")
	if err != nil {
		t.Fatal(err)
	}
	verifier, letterKey := cityKeys(t)
	config := string(text)
	for was, is := range map[string]string{
		"tls://mqtt.example.org:8883":           hub.URL(),
		"the first line of: cityd identity":     verifier,
		"the second line of: cityd identity":    letterKey,
		"/dev/ttyUSB0":                          wires.Locks,
		"/dev/ttyAMA1":                          wires.Reader,
		"/dev/serial/by-id/usb-citizen-scanner": wires.Citizen,
		"/dev/serial/by-id/usb-clerks-scanner":  wires.Barcode,
		"/dev/serial/by-id/usb-badge-reader":    wires.Badge,
		"board = 2":                             "board = 1", // the simulator's boards have locks and contacts both
		"[[modbus]]\n":                          "[[modbus]]\ncontact_open_is_off = false\n",
		"tls = { ca":                            "# tls = { ca",
		"listen = \"127.0.0.1:8480\"":           "listen = \"127.0.0.1:0\"",
	} {
		if !strings.Contains(config, was) {
			t.Fatalf("the example has no %q", was)
		}
		config = strings.ReplaceAll(config, was, is)
	}
	r.write("etc/nachtfach/lockerd.toml", config, 0o640)
	r.run("chgrp", "nachtfach", "/etc/nachtfach/lockerd.toml")
	r.write("tmp/roster", string(cast.Roster), 0o644)
	run(t, "", "chroot", "--userspec=nachtfach:nachtfach", r.dir, "lockerd", "init", "-roster", "/tmp/roster")
	return simulator
}

// cityKeys are the two lines of cityd identity.
func cityKeys(t *testing.T) (verifier, letterKey string) {
	t.Helper()
	_, verifier, err := envelope.GenerateCity(rand.Reader, "musterstadt")
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return verifier, strings.TrimSpace(envelope.EncodeKey(envelope.LetterKey, false, public))
}
