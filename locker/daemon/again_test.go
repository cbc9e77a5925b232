package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// smallDisk mounts a file system of so many bytes for the state folder.
func (b *bench) smallDisk(size int) {
	b.t.Helper()
	b.must(os.MkdirAll(b.config.State, 0o700))
	if err := syscall.Mount("tmpfs", b.config.State, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		if strings.Contains(os.Getenv("NACHTFACH_REQUIRE"), "mount") {
			b.t.Fatal(err)
		}
		b.t.Skipf("cannot mount a small disk: %v", err)
	}
	b.t.Cleanup(func() { b.must(syscall.Unmount(b.config.State, syscall.MNT_DETACH)) })
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// fillDisk takes what the state folder's disk has free, but for some bytes.
func (b *bench) fillDisk(but int64) (empty func()) {
	b.t.Helper()
	var s syscall.Statfs_t
	b.must(syscall.Statfs(b.config.State, &s))
	path := filepath.Join(b.config.State, "other.log")
	f, err := os.Create(path)
	b.must(err)
	if size := int64(s.Bavail)*int64(s.Bsize) - but; size > 0 { //nolint:unconvert // 32 bits on armv7
		b.must(syscall.Fallocate(int(f.Fd()), 0, 0, size))
	}
	b.must(f.Close())
	return func() { b.t.Helper(); b.must(os.Remove(path)) }
}

// shows tells whether the kiosk answers with this screen. While the terminal is
// put together again, nobody answers.
func (b *bench) shows(d *daemon.Daemon, name locker.ScreenName) func() bool {
	return func() bool {
		token, err := os.ReadFile(b.config.Token())
		b.must(err)
		r, err := http.NewRequest(http.MethodGet, "http://"+d.Kiosk()+"/screen", nil)
		b.must(err)
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var s locker.Screen
		return json.NewDecoder(resp.Body).Decode(&s) == nil && s.Name == name
	}
}

func (b *bench) works(d *daemon.Daemon) func() bool { return b.shows(d, locker.ScreenWelcome) }

// oldToken leaves the token of an earlier boot in the state folder.
func (b *bench) oldToken() {
	b.t.Helper()
	b.must(os.WriteFile(b.config.Token(), fmt.Appendf(nil, "%064x\n", 7), 0o600))
}

func (b *bench) outOfOrder(d *daemon.Daemon) {
	b.t.Helper()
	eventually(b.t, "the page that says so", b.shows(d, locker.ScreenOutOfOrder))
}

func TestAfterAFullDiskTheTerminalServesAgainByItself(t *testing.T) {
	b := newBench(t, "again-1")
	b.smallDisk(24 << 20)
	b.init()
	b.must(os.Truncate(filepath.Join(b.config.State, "journal.db"), 128<<10)) // the space that it held is taken
	b.oldToken()
	empty := b.fillDisk(0)
	told := b.serviceManager()
	b.again = 50 * time.Millisecond
	d := b.run()
	b.outOfOrder(d)
	eventually(t, "the fault at the broker", func() bool { return b.published().Fault != "" })
	before := d.Kiosk()
	for range 20 { // the watchdog is fed meanwhile
		if told() == "" {
			t.Fatal("without a store the watchdog is not fed")
		}
	}
	b.must(b.sim.Wall.Do(2, "force"))
	eventually(t, "the forced door at the broker", func() bool {
		s := b.published()
		return len(s.Compartments) == 2 && s.Compartments[1].Open
	})
	empty()
	eventually(t, "the service", func() bool { return told() != "" && b.works(d)() })
	if d.Kiosk() != before {
		t.Errorf("the kiosk moved from %s to %s: its page finds it no more", before, d.Kiosk())
	}
	eventually(t, "the end of the fault at the broker", func() bool { s := b.published(); return s.Fault == "" && s.Boot > 0 })
	record := b.journal()
	if n := strings.Count(record, "store: out of order without it for"); n != 1 {
		t.Errorf("%d alarms tell of the time without a store, want 1", n)
	}
	if n := strings.Count(b.log.String(), "no store"); n != 1 {
		t.Errorf("the log says %d times that there is no store", n)
	}
	for _, door := range b.sim.Wall.Doors() {
		if door.Pulses != 0 {
			t.Errorf("lock %d was driven", door.Number)
		}
	}
}

func TestAfterAMediumThatWasReadOnlyTheTerminalServesAgainByItself(t *testing.T) {
	b := newBench(t, "again-2")
	b.smallDisk(32 << 20)
	b.init()
	b.oldToken()
	b.must(syscall.Mount("", b.config.State, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	b.again = 50 * time.Millisecond
	d := b.run()
	b.outOfOrder(d)
	b.must(syscall.Mount("", b.config.State, "", syscall.MS_REMOUNT, ""))
	eventually(t, "the service", b.works(d))
}

func TestAfterAChipThatDidNotAnswerTheTerminalServesAgainByItself(t *testing.T) {
	chip := tpmtest.Start(t)
	b := newBench(t, "again-3")
	b.config.TPM.Path = chip.Path
	b.init()
	hidden := chip.Path + ".hidden"
	b.must(os.Rename(chip.Path, hidden))
	b.again = 50 * time.Millisecond
	d := b.run()
	b.outOfOrder(d)
	b.must(os.Rename(hidden, chip.Path))
	eventually(t, "the service", b.works(d))
}

func TestWithHardlyAnyRoomTheServiceEndsBetweenTwoVisits(t *testing.T) {
	b := newBench(t, "again-4")
	b.smallDisk(24 << 20)
	b.init()
	b.again = 50 * time.Millisecond
	d := b.run()
	eventually(t, "the service", b.works(d))
	// Somebody truncates the file to what bbolt uses, and takes the rest of the disk.
	b.must(os.Truncate(filepath.Join(b.config.State, "journal.db"), 256<<10))
	empty := b.fillDisk(0)
	eventually(t, "the page that says so", b.shows(d, locker.ScreenOutOfOrder))
	empty()
	eventually(t, "the service again", b.works(d))
}

func TestTheAlarmComesWhileThereIsStillSpaceAndEnds(t *testing.T) {
	b := newBench(t, "again-5")
	b.smallDisk(40 << 20)
	b.init()
	empty := b.fillDisk(3 << 20)
	list, err := daemon.Check(t.Context(), b.config)
	b.must(err)
	if f := finding(t, list, "space"); !strings.Contains(f.Error, b.config.State+": ") {
		t.Errorf("check says %+v", f)
	}
	b.run()
	eventually(t, "the alarm", func() bool { return b.alarmed(locker.AlarmSpace, b.config.State+": ") })
	empty()
	eventually(t, "its end", func() bool { return !b.alarmed(locker.AlarmSpace, "") })
}
