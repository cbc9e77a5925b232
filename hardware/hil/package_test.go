//go:build hil

package hil_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

// TestThePackageRunsUnderSystemd boots a clean Debian with the package and
// systemd, and lets the unit do its work: as shut in as it is, it must hold its
// lines, and be started again however it ends.
func TestThePackageRunsUnderSystemd(t *testing.T) {
	l := prepare(t)
	if _, err := exec.LookPath("debootstrap"); err != nil || os.Getuid() != 0 {
		t.Skip("wants root and debootstrap (Debian: apt-get install debootstrap)")
	}
	m, err := l.boot(setup{root: true, image: l.system(t), size: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer m.kill()
	var mounted []string
	m.call(t, "Glob", "/sys/kernel/config/gpio-sim", &mounted)
	if len(mounted) == 0 {
		m.call(t, "Mount", protocol.Mount{Source: "config", Target: "/sys/kernel/config", Type: "configfs"}, nil)
	}
	c := m.chip(t, "board", "LOCK0", "LOCK1", "DOOR0", "DOOR1")
	c.rest(t, []string{"LOCK0", "LOCK1"}, true)
	m.run(t, "/usr/bin/udevadm", "settle")
	var files []string
	m.call(t, "Glob", "/dev/gpiochip*", &files)
	for _, file := range files {
		if got := strings.TrimSpace(m.run(t, "/usr/bin/stat", "-c", "%G %a", file)); got != "nachtfach 660" {
			t.Errorf("%s is of %s", file, got)
		}
	}

	b := &box{m: m, town: newTown(t, 0), dir: "/var/lib/nachtfach", kiosk: 8480, serial: serials{
		Reader: "/var/wires/reader", Citizen: "/var/wires/scanner-citizen", Barcode: "/var/wires/scanner-barcode", Badge: "/var/wires/badge",
	}}
	p := plant{parts: "[gpio]\nlock_active_low = true\ncontact_pull = \"board\"\n"}
	for i := range 2 {
		p.wires = append(p.wires, fmt.Sprintf("lock = { gpio = \"LOCK%d\" }\ncontact = { gpio = \"DOOR%d\" }", i, i))
	}
	as := []string{"/usr/sbin/runuser", "-u", "nachtfach", "--"}
	wires := m.start(t, append(as, "/usr/local/sbin/firmware-sim", "-terminal", terminal, "-compartments", "8", "-dir", "/var/wires")...)
	m.await(t, wires, "\n")
	m.write(t, "/etc/nachtfach/lockerd.toml", b.configuration(p))
	m.write(t, "/run/roster", string(b.town.cast.Roster))
	m.run(t, append(as, "/usr/bin/lockerd", "init", "-roster", "/run/roster")...)
	b.line(t)
	m.run(t, "/usr/bin/systemctl", "start", "lockerd.service")
	b.works(t, c)

	m.run(t, "/usr/bin/systemctl", "kill", "-s", "KILL", "lockerd.service")
	b.works(t, c)
	if n := strings.TrimSpace(m.run(t, "/usr/bin/systemctl", "show", "-P", "NRestarts", "lockerd.service")); n == "0" {
		t.Error("systemd knows of no restart")
	}
	memory := m.run(t, "/usr/bin/systemctl", "show", "-P", "MemoryCurrent", "lockerd.service")
	t.Logf("the service's memory: %s bytes; its log:\n%s", strings.TrimSpace(memory), m.run(t, "/usr/bin/journalctl", "-u", "lockerd", "-o", "cat", "--no-pager"))
}

// works waits until the service is ready and drives its locks to their rest, by
// the simulator's wires: they stay high though the board pulls them down.
func (b *box) works(t *testing.T, c *chip) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		var r protocol.Result
		b.m.call(t, "Run", protocol.Command{Args: []string{"/usr/bin/systemctl", "is-active", "lockerd.service"}}, &r)
		c.pull(t, "LOCK0", false)
		held := c.level(t, "LOCK0")
		c.pull(t, "LOCK0", true)
		if strings.TrimSpace(string(r.Output)) == "active" && held {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the service is %s, its lock held: %v\n%s", r.Output, held,
				b.m.run(t, "/usr/bin/journalctl", "-u", "lockerd", "-o", "cat", "--no-pager", "-n", "40"))
		}
	}
}

// system is a disk with a clean Debian, the package, and the guest as a service.
func (l *laboratory) system(t *testing.T) string {
	t.Helper()
	shell := func(script string, args ...string) {
		t.Helper()
		must(host("PATH=/usr/sbin:/sbin:"+os.Getenv("PATH"), append([]string{"sh", "-ec", script, "sh"}, args...)...))
	}
	cache := must(os.UserCacheDir())
	kept := filepath.Join(cache, "nachtfach-ci", "root-bookworm.tar")
	dir := t.TempDir()
	root, image := filepath.Join(dir, "root"), filepath.Join(dir, "image")
	if _, err := os.Stat(kept); err != nil {
		shell(`debootstrap --variant=minbase --include=systemd,systemd-sysv,udev bookworm "$1" >/dev/null; tar -C "$1" -cf "$2.new" .; mv "$2.new" "$2"; rm -r "$1"`, root, kept)
	}
	shell(`mkdir "$1"; tar -C "$1" -xf "$2"; printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"`, root, kept)
	shell(`../../deploy/package -o "$2" amd64 >/dev/null; cp "$2"/*.deb "$1/package.deb"
mount -t proc proc "$1/proc"; trap 'umount "$1/proc"' EXIT; chroot "$1" dpkg -i /package.deb >/dev/null; rm "$1/package.deb"`, root, filepath.Join(dir, "deb"))
	shell(`cp "$2/guest" "$2/firmware-sim" "$1/usr/local/sbin/"
mkdir -p "$1/var/wires"; chroot "$1" chown nachtfach:nachtfach /var/wires
printf '[Service]\nExecStart=/usr/local/sbin/guest\n[Install]\nWantedBy=multi-user.target\n' >"$1/etc/systemd/system/guest.service"
chroot "$1" systemctl enable -q guest.service`, root, l.bin)
	shell(`mkfs.ext4 -q -d "$1" "$2" 900M; rm -r "$1"`, root, image)
	return image
}
