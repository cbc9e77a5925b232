package rtc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/rtc"
)

var built = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// chip is a clock in a folder that stands for sysfs.
type chip struct {
	t    *testing.T
	file string
}

func newChip(t *testing.T) (chip, *rtc.Clock) {
	t.Helper()
	sysfs := t.TempDir()
	if err := os.Mkdir(filepath.Join(sysfs, "rtc0"), 0o700); err != nil {
		t.Fatal(err)
	}
	return chip{t, filepath.Join(sysfs, "rtc0", "since_epoch")}, rtc.New(rtc.Config{Built: built, Sysfs: sysfs, Dev: sysfs})
}

func (c chip) says(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) + "\n" }

func TestAClockThatKeepsTimeIsRead(t *testing.T) {
	c, clock := newChip(t)
	now := built.Add(1000 * time.Hour)
	c.says(seconds(now))
	for range 2 { // at once again: no whole second has passed
		if got, err := clock.Look(); err != nil || !got.Equal(now) {
			t.Fatal(got, err)
		}
	}
}

func TestEachWayToHaveLostTheTimeIsTold(t *testing.T) {
	c, clock := newChip(t)
	if _, err := clock.Look(); !errors.Is(err, rtc.ErrMissing) {
		t.Errorf("none: %v", err)
	}
	c.says("yesterday\n")
	if _, err := clock.Look(); !errors.Is(err, rtc.ErrLost) {
		t.Errorf("no time: %v", err)
	}
	c.says(seconds(time.Unix(0, 0)))
	if _, err := clock.Look(); !errors.Is(err, rtc.ErrLost) {
		t.Errorf("1970: %v", err)
	}
}

func TestAClockThatRunsAwayIsTold(t *testing.T) {
	c, clock := newChip(t)
	c.says(seconds(built.Add(time.Hour)))
	if _, err := clock.Look(); err != nil {
		t.Fatal(err)
	}
	c.says(seconds(built.Add(2 * time.Hour)))
	if _, err := clock.Look(); !errors.Is(err, rtc.ErrStopped) {
		t.Errorf("%v", err)
	}
	if _, err := clock.Look(); err != nil {
		t.Errorf("and goes on from there: %v", err)
	}
}

func TestAClockThatStandsStillIsTold(t *testing.T) {
	c, clock := newChip(t)
	c.says(seconds(built.Add(time.Hour)))
	if _, err := clock.Look(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if _, err := clock.Look(); !errors.Is(err, rtc.ErrStopped) {
		t.Errorf("%v", err)
	}
}
