package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// whileRunning runs the daemon until f has seen enough.
func (b *bench) whileRunning(f func(*daemon.Daemon)) {
	b.t.Helper()
	d, err := b.open()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	f(d)
	cancel()
	if err := errors.Join(<-done, d.Close()); err != nil {
		b.t.Fatal(err)
	}
}

// copied copies the state folder's disk.
func (b *bench) copied(to string) {
	b.t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		b.t.Fatal(err)
	}
	for _, name := range []string{"slots", "journal.db", "device.key", "terminal.key", "tpm.auth"} {
		data, err := os.ReadFile(filepath.Join(b.config.State, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) finding(part string) daemon.Finding {
	b.t.Helper()
	findings, err := daemon.Check(b.t.Context(), b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(findings, func(f daemon.Finding) bool { return f.Part == part })
	if i < 0 {
		b.t.Fatalf("check says nothing about %s", part)
	}
	return findings[i]
}

func TestATerminalWithAHardwareKey(t *testing.T) {
	e := tpmtest.Start(t)
	b := newBench(t, "rooted-1")
	b.config.TPM.Path = e.Path
	b.init()
	if f := b.finding("slots"); f.Error != "" || !strings.Contains(f.State, "physical erasure") {
		t.Errorf("check says %+v", f)
	}
	if f := b.finding("tries"); f.Error != "" || f.Note != "" || !strings.Contains(f.State, "0 of 0 deposits; room for") {
		t.Errorf("check says %+v", f)
	}
	disk := filepath.Join(t.TempDir(), "disk")
	b.copied(disk)
	b.whileRunning(func(d *daemon.Daemon) {
		eventually(t, "the published state", func() bool { return b.published().HardwareKey && b.published().Keys > 0 })
		eventually(t, "the first replacement of the root", func() bool { return strings.Contains(b.journal(), locker.RootReplaced{}.Type()) })
	})

	t.Run("a second state folder is refused the chip", func(t *testing.T) {
		c := b.config
		c.State = filepath.Join(t.TempDir(), "other")
		if _, err := daemon.Init(c, b.roster()); err == nil || !strings.Contains(err.Error(), "clear-tpm") {
			t.Errorf("says %v", err)
		}
	})
	t.Run("an old disk opens nothing, and stays out of service", func(t *testing.T) {
		c := b.config
		defer func() { b.config = c }()
		b.config.State = disk
		b.whileRunning(func(d *daemon.Daemon) {
			if s := b.screen(d); s.Name != locker.ScreenOutOfOrder {
				t.Errorf("the screen is %s", s.Name)
			}
			if fault := d.Status().Fault; !strings.Contains(fault, "hardware key") {
				t.Errorf("the fault is %q", fault)
			}
		})
	})
	t.Run("without its chip the terminal stays out of service", func(t *testing.T) {
		c := b.config
		defer func() { b.config = c }()
		b.config.TPM.Path = filepath.Join(t.TempDir(), "no-chip")
		b.whileRunning(func(d *daemon.Daemon) {
			if fault := d.Status().Fault; !strings.Contains(fault, "hardware key") {
				t.Errorf("the fault is %q", fault)
			}
		})
		b.config.TPM.Path = ""
		if _, err := b.open(); !errors.Is(err, vault.ErrRooted) {
			t.Errorf("with the chip left out of the configuration: %v", err)
		}
	})
	t.Run("the right disk still works", func(t *testing.T) {
		b.whileRunning(func(d *daemon.Daemon) {
			if fault := d.Status().Fault; fault != "" {
				t.Errorf("the fault is %q", fault)
			}
		})
	})
	t.Run("cleared, it opens nothing any more", func(t *testing.T) {
		if err := daemon.ClearTPM(b.config); err != nil {
			t.Fatal(err)
		}
		b.whileRunning(func(d *daemon.Daemon) {
			if fault := d.Status().Fault; !strings.Contains(fault, "hardware key") {
				t.Errorf("the fault is %q", fault)
			}
		})
	})
}

func TestATerminalGetsAHardwareKeyLater(t *testing.T) {
	e := tpmtest.Start(t)
	b := newBench(t, "rooted-2")
	b.init()
	b.whileRunning(func(*daemon.Daemon) {
		eventually(t, "keys", func() bool { return b.published().Keys > 0 })
	})
	b.config.TPM.Path = e.Path
	b.whileRunning(func(*daemon.Daemon) {
		eventually(t, "the hardware key", func() bool { return b.published().HardwareKey && b.published().Fault == "" })
	})
	b.whileRunning(func(d *daemon.Daemon) {
		if s := d.Status(); s.Fault != "" || s.Keys == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAStrictDaemonRefusesAFileSystemThatKeepsWhatIsErased(t *testing.T) {
	b := newBench(t, "rooted-3")
	b.init()
	copies := strings.Contains(b.finding("slots").Error, "copies on write")
	d, err := daemon.Open(b.config, daemon.Options{Software: "test", Logger: b.logger(), Strict: true})
	if err == nil {
		_ = d.Close()
	}
	if errors.Is(err, daemon.ErrCopyOnWrite) != copies {
		t.Errorf("it copies: %v; open says %v", copies, err)
	}
	b.config.AnyFilesystem = true
	if d, err = daemon.Open(b.config, daemon.Options{Software: "test", Logger: b.logger(), Strict: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
