package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nachtfach/nachtfach/locker/journal"
)

// smallDisk mounts a file system of so many bytes for the journal.
func smallDisk(t *testing.T, bytes int) journal.Config {
	t.Helper()
	c := config(t)
	folder := filepath.Dir(c.Path)
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if err != nil {
		if strings.Contains(os.Getenv("NACHTFACH_REQUIRE"), "mount") {
			t.Fatal(err)
		}
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return c
}

// fill takes what the disk has free, as another program's log would.
func fill(t *testing.T, c journal.Config) (empty func()) {
	t.Helper()
	path := filepath.Join(filepath.Dir(c.Path), "other.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size >= 1; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARecordThatDoesNotFitIsRefusedAndTheJournalWorksOn(t *testing.T) {
	c := smallDisk(t, 24<<20)
	j := create(t, c)
	empty := fill(t, c)
	large := make([]byte, 1<<20)
	stored := 0
	var err error
	for n := 0; err == nil; n++ {
		if n > 30 {
			t.Fatal("a full disk takes 30 MB")
		}
		if err = j.Records().Put("deposits", fmt.Sprint(n), large); err == nil {
			stored++
		}
	}
	wantError(t, err, journal.ErrFull)
	if errors.Is(err, journal.ErrBroken) {
		t.Fatalf("a record that was refused broke the journal: %v", err)
	}
	if stored < 4 {
		t.Errorf("%d records were stored: the space that is held covers no order and deposit", stored)
	}
	for n := range 500 { // a visit that has begun is completed, with all that it writes
		appendTo(t, j, events(n, n+1))
	}
	if err := j.Records().Put("selectors", "1234", []byte("2026")); err != nil {
		t.Errorf("the small record of an erased slot: %v", err)
	}
	if _, err := j.Records().Get("deposits", fmt.Sprint(stored)); err != nil {
		t.Error(err)
	}
	empty()
	if err := j.Records().Put("deposits", "again", large); err != nil {
		t.Errorf("with room again: %v", err)
	}
	closed(t, j)
	k := open(t, c)
	if n, _, err := k.Verify(journal.Trust{}); err != nil || n != 500 {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestOpeningAJournalOnAFullDiskPassesOnceThereIsRoom(t *testing.T) {
	c := smallDisk(t, 8<<20)
	j := create(t, c)
	empty := fill(t, c)
	var err error
	for n := 0; err == nil; n += 50 {
		_, err = j.Append(events(n, n+50), nil)
	}
	wantError(t, err, journal.ErrFull)
	size := j.Size()
	_ = j.Close()
	if _, err = journal.Open(c); !errors.Is(err, journal.ErrFull) || !journal.Passes(err) {
		t.Fatalf("on a full disk: %v", err)
	}
	empty()
	j = open(t, c)
	if n, _, err := j.Verify(journal.Trust{}); err != nil || n != size {
		t.Errorf("%d events, %v, want %d", n, err, size)
	}
	room, err := j.Room()
	if err != nil || room < 1<<20 {
		t.Errorf("room is %d, %v", room, err)
	}
}

func TestDamageDoesNotPass(t *testing.T) {
	for _, err := range []error{journal.ErrCorrupt, journal.ErrRolledBack, journal.ErrVersion, fmt.Errorf("%w: %w", journal.ErrFull, journal.ErrCorrupt)} {
		if journal.Passes(err) {
			t.Errorf("%v passes", err)
		}
	}
}

// brokenDisk answers as a medium that fails.
type brokenDisk struct{ journal.SystemDisk }

func (brokenDisk) Free(*os.File) (int64, error) { return 0, syscall.EIO }

func TestAMediumThatDoesNotAnswerPasses(t *testing.T) {
	c := config(t)
	closed(t, create(t, c))
	c.Disk = brokenDisk{}
	_, err := journal.Open(c)
	wantError(t, err, journal.ErrMedium)
	if !journal.Passes(err) {
		t.Errorf("%v does not pass", err)
	}
}
