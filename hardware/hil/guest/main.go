//go:build linux

// Command guest is the first process in the laboratory: it makes the file
// systems, loads the modules that it is told to and does what the tests ask
// over the virtio port. As the first process of an initial file system with
// guest.root on the kernel's command line it goes on into that root's own init.
package main

import (
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

func main() {
	if os.Getpid() != 1 { // a service of a whole system
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			os.Exit(1)
		}
		return
	}
	err := first()
	if err == nil {
		err = serve()
	}
	fmt.Println("guest:", err)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // there is nobody to tell
}

// first does what the first process of a machine does.
func first() error {
	for _, m := range []protocol.Mount{
		{Source: "dev", Target: "/dev", Type: "devtmpfs"},
		{Source: "proc", Target: "/proc", Type: "proc"},
		{Source: "sys", Target: "/sys", Type: "sysfs"},
		{Source: "pts", Target: "/dev/pts", Type: "devpts"},
		{Source: "run", Target: "/run", Type: "tmpfs"},
		{Source: "tmp", Target: "/tmp", Type: "tmpfs"},
	} {
		if err := mount(m); err != nil {
			return err
		}
	}
	if err := os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin"); err != nil {
		return err
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	var root string
	for _, word := range strings.Fields(string(line)) {
		if value, ok := strings.CutPrefix(word, "guest.root="); ok {
			root = value
		}
	}
	if root != "" {
		return goOn(root)
	}
	return loadMost()
}

// loadMost loads the modules of devices that every machine of the laboratory
// has; the tests ask for the others.
func loadMost() error {
	for _, path := range modules() {
		if slices.Contains([]string{"expanders", "simulator", "softdog", "uinput"}, moduleName(path)) {
			continue
		}
		if err := load(path, ""); err != nil {
			return err
		}
	}
	return nil
}

func modules() []string {
	paths, _ := filepath.Glob("/modules/*.ko") // the pattern is good
	slices.Sort(paths)
	return paths
}

// moduleName is gpio of /modules/07-gpio.ko.
func moduleName(path string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".ko"), "-")
	return name
}

func load(path, args string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	err = unix.InitModule(image, args)
	if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) { // there already; for another processor
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

func mount(m protocol.Mount) error {
	if err := os.MkdirAll(m.Target, 0o755); err != nil { //nolint:gosec // programs of other users look in
		return err
	}
	if err := unix.Mount(m.Source, m.Target, m.Type, 0, m.Options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
	}
	return nil
}

// goOn loads all modules and becomes the init of the root file system on the
// device. The modules' own devices are there before the system's udev is.
func goOn(device string) error {
	for _, path := range modules() {
		if err := load(path, ""); err != nil {
			return err
		}
	}
	if err := await(device); err != nil {
		return err
	}
	if err := mount(protocol.Mount{Source: device, Target: "/root", Type: "ext4"}); err != nil {
		return err
	}
	for _, dir := range []string{"dev", "proc", "sys", "run"} {
		if err := unix.Mount("/"+dir, "/root/"+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move /%s: %w", dir, err)
		}
	}
	if err := unix.Chdir("/root"); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ())
}

// await waits until the kernel has made a device.
func await(path string) error {
	for range 200 {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s does not come", path)
}

func serve() error {
	ports, err := portPath()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(ports, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName(protocol.Service, newGuest()); err != nil {
		return err
	}
	server.ServeConn(file) // until the machine is switched off
	return errors.New("the tests have gone")
}

// portPath finds the port, whose number depends on the bus.
func portPath() (string, error) {
	for range 200 {
		found, _ := filepath.Glob("/dev/vport*p*") // the pattern is good
		if len(found) > 0 {
			return found[0], nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", errors.New("no virtio port")
}
