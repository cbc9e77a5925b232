package journal_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"go.etcd.io/bbolt"
)

// copyOf copies the file as a power cut would leave it.
func copyOf(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, data)
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// change edits a closed journal below its own interface, as somebody with a
// disk editor would.
func change(t testing.TB, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
}

// transplant copies one key of the meta bucket.
func transplant(t testing.TB, from, to, key string) {
	t.Helper()
	var value []byte
	change(t, from, func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket([]byte("meta")).Get([]byte(key)))
		return nil
	})
	change(t, to, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte(key), value) })
}

func TestEveryCommitLeavesAFileThatIsWhole(t *testing.T) {
	c := config(t)
	c.SnapshotEvery = 7
	j := create(t, c)
	for n := range 60 {
		if _, err := j.Append(events(2*n, 2*n+2), func() ([]byte, error) { return []byte("ledger"), nil }); err != nil {
			t.Fatal(err)
		}
		copied := c
		copied.Path = copyOf(t, c.Path)
		k := open(t, copied)
		_, want, _ := j.Tree()
		if size, root, err := k.Verify(journal.Trust{}); err != nil || size != uint64(2*n+2) || root != want {
			t.Fatalf("after commit %d: verified %d %v, %v", n, size, root, err)
		}
		closed(t, k)
	}
}

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("JOURNAL_TEST_APPEND"); path != "" {
		appendUntilKilled(path)
	}
	os.Exit(m.Run())
}

func appendUntilKilled(path string) {
	j, err := journal.Open(journal.Config{Path: path, Terminal: terminal, Entropy: zeros{}})
	for n := 0; err == nil; n++ {
		if _, err = j.Append(events(3*n, 3*n+3), nil); err == nil {
			_, err = fmt.Println(j.Size())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAKilledProcessLeavesAllThatWasAppended(t *testing.T) {
	for _, lines := range []int{1, 2, 20} {
		c := config(t)
		closed(t, create(t, c))
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "JOURNAL_TEST_APPEND="+c.Path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(out)
		told := 0
		for range lines {
			if !scanner.Scan() {
				t.Fatal("the child ended by itself")
			}
			told, _ = strconv.Atoi(scanner.Text())
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for scanner.Scan() {
			told, _ = strconv.Atoi(scanner.Text())
		}
		_ = child.Wait()
		j := open(t, c)
		size, _, err := j.Verify(journal.Trust{})
		if err != nil || size < uint64(told) || size%3 != 0 {
			t.Errorf("%d events, %v, want at least the %d that were told, in whole steps", size, err, told)
		}
		for n, e := range replayed(t, j) {
			if e != event(n) {
				t.Fatalf("event %d is %+v", n, e)
			}
		}
	}
}

func TestATruncatedFileIsDamaged(t *testing.T) {
	c := config(t)
	j := create(t, c)
	for n := range 50 {
		appendTo(t, j, events(10*n, 10*n+10))
	}
	closed(t, j)
	whole, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, size := range []int{0, 1, 100, 4095, 4096, 8192, 9000, 12288, 16384, 20480, 40960, len(whole) / 3, len(whole) / 2} {
		cut := c
		cut.Path = write(t, whole[:size])
		for range 2 { // the first attempt must not keep the file locked
			j, err := journal.Open(cut)
			if err == nil { // bbolt grows in steps: the last pages may be unused
				if n, _, err := j.Verify(journal.Trust{}); err != nil || n != 500 {
					t.Errorf("cut to %d bytes: %d events, %v", size, n, err)
				}
				closed(t, j)
				continue
			}
			damaged++
			wantError(t, err, journal.ErrCorrupt)
		}
	}
	if damaged < 20 {
		t.Errorf("only %d of 26 were found damaged", damaged)
	}
}

func TestAFlippedBitInAnEventIsFound(t *testing.T) {
	c := config(t)
	j := create(t, c)
	appendTo(t, j, events(0, 100))
	closed(t, j)
	whole, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(whole, []byte(`"id":"42"`))
	for name, offset := range map[string]int{"body": at + 7, "hash": at - len(`{"specversion":"1.0",`) - 5} {
		flipped := bytes.Clone(whole)
		flipped[offset] ^= 1
		bad := c
		bad.Path = write(t, flipped)
		j, err := journal.OpenReadOnly(bad.Path)
		if err != nil {
			t.Fatal(err)
		}
		var first *journal.BadEventError
		if _, _, err := j.Verify(journal.Trust{}); !errors.As(err, &first) || first.Sequence != 42 || !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: verified with %v, want event 42", name, err)
		}
		if _, err := j.Read(40, 10); !errors.As(err, &first) || first.Sequence != 42 {
			t.Errorf("%s: read with %v, want event 42", name, err)
		}
		if read, err := j.Read(40, 2); err != nil || len(read) != 2 {
			t.Errorf("%s: read %d, %v, want the two before it", name, len(read), err)
		}
		closed(t, j)
	}
}

func TestVerifyNamesTheFirstEventThatDoesNotHold(t *testing.T) {
	c := config(t)
	j := create(t, c)
	appendTo(t, j, events(0, 100))
	closed(t, j)
	k := func(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }
	for name, attack := range map[string]struct {
		first uint64
		do    func(events *bbolt.Bucket) error
	}{
		"edited":    {7, func(b *bbolt.Bucket) error { return b.Put(k(7), append(bytes.Clone(b.Get(k(7))), ' ')) }},
		"dropped":   {50, func(b *bbolt.Bucket) error { return b.Delete(k(50)) }},
		"truncated": {99, func(b *bbolt.Bucket) error { return b.Delete(k(99)) }},
		"cut off":   {51, func(b *bbolt.Bucket) error { return b.Put(k(51), b.Get(k(51))[:60]) }},
		"reordered": {20, func(b *bbolt.Bucket) error {
			x, y := bytes.Clone(b.Get(k(20))), bytes.Clone(b.Get(k(22)))
			return errors.Join(b.Put(k(20), y), b.Put(k(22), x))
		}},
		"inner hash": {31, func(b *bbolt.Bucket) error {
			v := bytes.Clone(b.Get(k(31)))
			v[40] ^= 1
			return b.Put(k(31), v)
		}},
		"smuggled in": {100, func(b *bbolt.Bucket) error { return b.Put(k(100), b.Get(k(98))) }},
	} {
		path := copyOf(t, c.Path)
		change(t, path, func(tx *bbolt.Tx) error { return attack.do(tx.Bucket([]byte("events"))) })
		j, err := journal.OpenReadOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		var first *journal.BadEventError
		if _, _, err := j.Verify(journal.Trust{}); !errors.As(err, &first) || first.Sequence != attack.first {
			t.Errorf("%s: verified with %v, want event %d", name, err, attack.first)
		}
		closed(t, j)
	}
}

func TestATreeThatDoesNotLeadToItsRootIsNotWrittenOn(t *testing.T) {
	c := config(t)
	j := create(t, c)
	appendTo(t, j, events(0, 100))
	closed(t, j)
	change(t, c.Path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("events")).Delete([]byte{0, 0, 0, 0, 0, 0, 0, 99})
	})
	_, err := journal.Open(c)
	wantError(t, err, journal.ErrCorrupt)
}

func TestAChangedSnapshotIsNotRestored(t *testing.T) {
	c := config(t)
	c.SnapshotEvery = 1
	j := create(t, c)
	if _, err := j.Append(events(0, 1), func() ([]byte, error) { return []byte("a ledger of gold"), nil }); err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	whole, _ := os.ReadFile(c.Path)
	c.Path = write(t, bytes.ReplaceAll(whole, []byte("ledger of gold"), []byte("ledger of lead")))
	j = open(t, c)
	err := j.Replay(func(s []byte) error { t.Errorf("restored %q", s); return nil }, func(uint64, locker.Event) error { return nil })
	wantError(t, err, journal.ErrCorrupt)
}

func TestWhatIsNotThisTerminalsJournalIsRefused(t *testing.T) {
	c := config(t)
	j := create(t, c)
	_, err := journal.Open(c)
	wantError(t, err, journal.ErrLocked)
	_, err = journal.OpenReadOnly(c.Path)
	wantError(t, err, journal.ErrLocked)
	closed(t, j)

	foreign := c
	foreign.Terminal = "rathaus-2"
	_, err = journal.Open(foreign)
	wantError(t, err, journal.ErrForeign)

	missing := c
	missing.Path += ".missing"
	_, err = journal.Open(missing)
	wantError(t, err, fs.ErrNotExist)
	if _, err := os.Stat(missing.Path); err == nil {
		t.Error("Open made a file")
	}

	folder := c
	folder.Path = t.TempDir()
	if _, err = journal.Open(folder); err == nil {
		t.Error("a folder was opened")
	}

	text := c
	text.Path = write(t, bytes.Repeat([]byte("This is no journal. "), 1000))
	_, err = journal.Open(text)
	wantError(t, err, journal.ErrCorrupt)

	other := c
	other.Path = filepath.Join(t.TempDir(), "other.db")
	change(t, other.Path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("cats")); return err })
	_, err = journal.Open(other)
	wantError(t, err, journal.ErrCorrupt)

	change(t, c.Path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte("2")) })
	_, err = journal.Open(c)
	wantError(t, err, journal.ErrVersion)

	if _, err = journal.Open(journal.Config{Path: c.Path}); err == nil {
		t.Error("opened without a terminal")
	}
}

func TestAnUnwritableMediumIsNamed(t *testing.T) {
	c := config(t)
	closed(t, create(t, c))
	c.OpenFile = func(name string, flag int, perm fs.FileMode) (*os.File, error) {
		if flag&os.O_RDWR != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
		}
		return os.OpenFile(name, flag, perm)
	}
	_, err := journal.Open(c)
	wantError(t, err, journal.ErrUnwritable)

	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	c = config(t)
	if err := os.Chmod(filepath.Dir(c.Path), 0o500); err != nil {
		t.Fatal(err)
	}
	wantError(t, journal.Create(c), journal.ErrUnwritable)
}

func TestAfterAFailedCommitNothingWorksAnyMore(t *testing.T) {
	c := config(t)
	var file *os.File
	c.OpenFile = func(name string, flag int, perm fs.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag, perm)
		return file, err
	}
	j := create(t, c)
	appendTo(t, j, events(0, 5))
	if err := j.Records().Put("b", "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	file.Close() // the disk goes away
	for range 2 {
		_, err := j.Append(events(5, 6), nil)
		wantError(t, err, journal.ErrBroken)
	}
	_, err := j.Read(0, 1)
	wantError(t, err, journal.ErrBroken)
	_, err = j.Records().Get("b", "k")
	wantError(t, err, journal.ErrBroken)
	wantError(t, j.Records().Put("b", "k", nil), journal.ErrBroken)
	_, err = j.Acknowledge(nil)
	wantError(t, err, journal.ErrBroken)
	_, err = j.Checkpoint(5)
	wantError(t, err, journal.ErrBroken)
	_, _, err = j.Verify(journal.Trust{})
	wantError(t, err, journal.ErrBroken)
	j.Close()

	j = open(t, c)
	if size, _, err := j.Verify(journal.Trust{}); err != nil || size != 5 {
		t.Errorf("%d events, %v, want 5", size, err)
	}
	appendTo(t, j, events(5, 6))
}

func TestAFullDiskIsNamed(t *testing.T) {
	c := config(t)
	c.Limit = 1 << 20
	j := create(t, c)
	var err error
	for n := 0; err == nil; n += 50 {
		if n > 20000 {
			t.Fatal("the limit does not hold")
		}
		_, err = j.Append(events(n, n+50), nil)
	}
	wantError(t, err, journal.ErrFull)
	wantError(t, err, journal.ErrBroken)
	size := j.Size()
	j.Close()
	if info, _ := os.Stat(c.Path); info.Size() > 1<<20 {
		t.Errorf("the file has %d bytes", info.Size())
	}
	_, err = journal.Open(c)
	wantError(t, err, journal.ErrFull) // at the start, and not at the first citizen
	c.Limit = 0
	j = open(t, c)
	if n, _, err := j.Verify(journal.Trust{}); err != nil || n != size {
		t.Errorf("%d events, %v, want %d", n, err, size)
	}
	appendTo(t, j, events(0, 1))
}

func TestCheckLooksAtThePages(t *testing.T) {
	c := config(t)
	j := create(t, c)
	appendTo(t, j, events(0, 500))
	closed(t, j)
	if err := journal.Check(c.Path); err != nil {
		t.Errorf("a whole journal: %v", err)
	}
	whole, _ := os.ReadFile(c.Path)
	wantError(t, journal.Check(write(t, whole[:5000])), journal.ErrCorrupt)
	if err := journal.Check(c.Path + ".missing"); !strings.Contains(err.Error(), "missing") {
		t.Error(err)
	}
}
