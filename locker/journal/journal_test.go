package journal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const terminal = "rathaus-1"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 120_000_000, time.UTC)

// event is the nth of a made-up history.
func event(n int) locker.Event {
	return locker.Event{
		Time:    noon.Add(time.Duration(n) * time.Second),
		Quality: locker.TimeConfirmed,
		Fact:    locker.AlarmRaised{Alarm: uint64(n), Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 7, Detail: "door <7> & \"frame\""},
	}
}

func events(from, to int) (all []locker.Event) {
	for n := from; n < to; n++ {
		all = append(all, event(n))
	}
	return all
}

// keys are a signer with its verifier.
func keys(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func config(t testing.TB) journal.Config {
	return journal.Config{Path: filepath.Join(t.TempDir(), "journal.db"), Terminal: terminal, Entropy: rand.Reader}
}

func create(t testing.TB, c journal.Config) *journal.Journal {
	t.Helper()
	if err := journal.Create(c); err != nil {
		t.Fatal(err)
	}
	return open(t, c)
}

func open(t testing.TB, c journal.Config) *journal.Journal {
	t.Helper()
	j, err := journal.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func appendTo(t testing.TB, j *journal.Journal, all []locker.Event) uint64 {
	t.Helper()
	first, err := j.Append(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func closed(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// replayed are the events that a replay without snapshot gives.
func replayed(t testing.TB, j *journal.Journal) (all []locker.Event) {
	t.Helper()
	err := j.Replay(func([]byte) error { return journal.ErrSkipSnapshot }, func(n uint64, e locker.Event) error {
		if n != uint64(len(all)) {
			t.Errorf("replayed number %d, want %d", n, len(all))
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func TestReplayGivesTheEventsThatWereAppended(t *testing.T) {
	c := config(t)
	j := create(t, c)
	if first := appendTo(t, j, events(0, 3)); first != 0 {
		t.Errorf("first is %d, want 0", first)
	}
	if first := appendTo(t, j, events(3, 40)); first != 3 {
		t.Errorf("first is %d, want 3", first)
	}
	closed(t, j)
	j = open(t, c)
	got := replayed(t, j)
	if len(got) != 40 {
		t.Fatalf("%d events, want 40", len(got))
	}
	for n, e := range got {
		if e != event(n) {
			t.Errorf("event %d is %+v, want %+v", n, e, event(n))
		}
	}
	if first := appendTo(t, j, events(40, 41)); first != 40 {
		t.Errorf("first after reopening is %d, want 40", first)
	}
}

func TestTheBytesReadAreTheBytesHashed(t *testing.T) {
	j := create(t, config(t))
	var hashes []tlog.Hash // of another implementation: a plain slice
	reader := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, err error) {
		for _, i := range indexes {
			all = append(all, hashes[i])
		}
		return all, nil
	})
	for n := range 70 {
		appendTo(t, j, events(n, n+1))
		read, err := j.Read(uint64(n), 10)
		if err != nil || len(read) != 1 {
			t.Fatalf("read %d events, %v, want 1", len(read), err)
		}
		more, err := tlog.StoredHashes(int64(n), read[0], reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
		want, err := tlog.TreeHash(int64(n+1), reader)
		if err != nil {
			t.Fatal(err)
		}
		if size, root, err := j.Tree(); err != nil || size != uint64(n+1) || root != want {
			t.Fatalf("tree is %d %v, %v, want %d %v", size, root, err, n+1, want)
		}
	}
	size, root, err := j.Verify(journal.Trust{})
	if _, want, _ := j.Tree(); err != nil || size != 70 || root != want {
		t.Errorf("verified %d %v, %v, want 70 %v", size, root, err, want)
	}
}

func TestAnEventIsACloudEvent(t *testing.T) {
	c := config(t)
	c.Entropy = strings.NewReader("0123456789abcdef")
	j := create(t, c)
	appendTo(t, j, []locker.Event{{Time: noon.In(time.FixedZone("MEZ", 3600)), Quality: locker.TimeHeld, Training: true, Fact: locker.ClockMarked{}}})
	read, err := j.Read(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","id":"0","source":"/terminal/rathaus-1",` +
		`"type":"de.nachtfach.clock.marked.v1","time":"2026-03-01T12:00:00.120000000Z",` +
		`"datacontenttype":"application/json","sequence":"00000000000000000000",` +
		`"salt":"30313233343536373839616263646566","clock":"held","training":true,"data":{}}`
	if string(read[0]) != want {
		t.Errorf("is\n%s, want\n%s", read[0], want)
	}
	sequence, source, e, err := journal.Decode(read[0])
	if err != nil || sequence != 0 || source != "/terminal/rathaus-1" || e.Fact != (locker.ClockMarked{}) || !e.Time.Equal(noon) || !e.Training {
		t.Errorf("decoded %d %s %+v, %v", sequence, source, e, err)
	}
}

func TestWhatCannotBeEncodedIsRefusedAndBreaksNothing(t *testing.T) {
	c := config(t)
	j := create(t, c)
	for name, e := range map[string]locker.Event{
		"no fact":     {Time: noon},
		"year 10000":  {Time: noon.AddDate(8000, 0, 0), Fact: locker.ClockMarked{}},
		"far too big": {Time: noon, Fact: locker.AlarmRaised{Detail: strings.Repeat("x", journal.MaxEvent)}},
	} {
		if _, err := j.Append([]locker.Event{event(0), e}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := j.Append(nil, nil); err != nil || j.Size() != 0 {
		t.Errorf("%d events, %v, want none", j.Size(), err)
	}
	appendTo(t, j, events(0, 2))
	closed(t, j)

	c.Entropy = bytes.NewReader(nil)
	j = open(t, c)
	if _, err := j.Append(events(2, 3), nil); err == nil {
		t.Error("an event without salt was taken")
	}
	if j.Size() != 2 {
		t.Errorf("%d events, want 2", j.Size())
	}
}

func TestReadIsBounded(t *testing.T) {
	j := create(t, config(t))
	big := locker.Event{Time: noon, Fact: locker.AlarmRaised{Detail: strings.Repeat("x", 200<<10)}}
	appendTo(t, j, []locker.Event{big, big, big, big, big, big, big})
	if read, err := j.Read(0, 100); err != nil || len(read) != 5 {
		t.Errorf("read %d, %v, want 5 that fit into 1 MiB", len(read), err)
	}
	if read, err := j.Read(5, 1); err != nil || len(read) != 1 {
		t.Errorf("read %d, %v, want 1", len(read), err)
	}
	if read, err := j.Read(7, 1); err != nil || len(read) != 0 {
		t.Errorf("read %d, %v, want none at the end", len(read), err)
	}
	if _, err := j.Read(8, 1); err == nil {
		t.Error("reading beyond the end is no error")
	}
}

func TestReplayStartsFromTheSnapshot(t *testing.T) {
	c := config(t)
	c.SnapshotEvery = 10
	j := create(t, c)
	taken := 0
	for n := range 25 {
		_, err := j.Append(events(n, n+1), func() ([]byte, error) {
			taken++
			return fmt.Appendf(nil, "ledger after %d", n+1), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if taken != 2 {
		t.Errorf("%d snapshots, want 2", taken)
	}
	closed(t, j)
	j = open(t, c)
	var restored string
	var numbers []uint64
	err := j.Replay(
		func(s []byte) error { restored = string(s); return nil },
		func(n uint64, e locker.Event) error { numbers = append(numbers, n); return nil })
	if err != nil || restored != "ledger after 20" || fmt.Sprint(numbers) != "[20 21 22 23 24]" {
		t.Errorf("restored %q, then %v, %v", restored, numbers, err)
	}
	if all := replayed(t, j); len(all) != 25 {
		t.Errorf("%d events where the snapshot was skipped, want 25", len(all))
	}
	mine := errors.New("mine")
	wantError(t, j.Replay(func([]byte) error { return mine }, nil), mine)
	wantError(t, j.Replay(func([]byte) error { return nil }, func(uint64, locker.Event) error { return mine }), mine)
	if _, err := j.Append(events(25, 36), func() ([]byte, error) { return nil, mine }); !errors.Is(err, mine) || j.Size() != 25 {
		t.Errorf("%d events, %v, want 25 and the snapshot's error", j.Size(), err)
	}
	if _, err := j.Append(events(25, 26), func() ([]byte, error) { return []byte("new"), nil }); err != nil {
		t.Fatal(err)
	}
	err = j.Replay(func(s []byte) error { restored = string(s); return nil }, nil)
	if err != nil || restored != "new" {
		t.Errorf("restored %q, %v, want a new snapshot in place of the skipped one", restored, err)
	}
}

func TestChangedIsToldOnceForSeveralAppends(t *testing.T) {
	j := create(t, config(t))
	told := func() bool {
		select {
		case <-j.Changed():
			return true
		default:
			return false
		}
	}
	if told() {
		t.Error("told before anything happened")
	}
	appendTo(t, j, events(0, 1))
	appendTo(t, j, events(1, 2))
	if !told() || told() {
		t.Error("want to be told once")
	}
}

func TestDumpWritesOneEventALine(t *testing.T) {
	c := config(t)
	j := create(t, c)
	appendTo(t, j, events(0, 2300))
	closed(t, j)
	j, err := journal.OpenReadOnly(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var out bytes.Buffer
	if err := j.Dump(&out, 5); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2295 {
		t.Fatalf("%d lines, want 2295", len(lines))
	}
	for i, l := range lines {
		if n, _, _, err := journal.Decode([]byte(l)); err != nil || n != uint64(i+5) || !json.Valid([]byte(l)) {
			t.Fatalf("line %d is event %d, %v", i, n, err)
		}
	}
	_, err = j.Append(events(0, 1), nil)
	wantError(t, err, journal.ErrReadOnly)
	wantError(t, j.Records().Put("b", "k", nil), journal.ErrReadOnly)
	full := errors.New("pipe is closed")
	wantError(t, j.Dump(failing{full}, 0), full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestCreateNeverTouchesAJournal(t *testing.T) {
	c := config(t)
	closed(t, create(t, c))
	before, _ := os.ReadFile(c.Path)
	wantError(t, journal.Create(c), fs.ErrExist)
	if after, _ := os.ReadFile(c.Path); !bytes.Equal(before, after) {
		t.Error("the journal was changed")
	}
	if entries, _ := os.ReadDir(filepath.Dir(c.Path)); len(entries) != 1 {
		t.Errorf("%v left behind", entries)
	}
}

func TestCreateStartsAgainAfterAPowerCut(t *testing.T) {
	c := config(t)
	if err := os.WriteFile(c.Path+".new", []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := journal.Open(c)
	wantError(t, err, fs.ErrNotExist)
	j := create(t, c)
	appendTo(t, j, events(0, 1))
}

func TestAClosedJournalRefusesEverything(t *testing.T) {
	j := create(t, config(t))
	closed(t, j)
	closed(t, j)
	_, err := j.Append(events(0, 1), nil)
	wantError(t, err, journal.ErrClosed)
	_, err = j.Read(0, 1)
	wantError(t, err, journal.ErrClosed)
	_, err = j.Records().Get("b", "k")
	wantError(t, err, journal.ErrClosed)
}

func TestRecordsAreKeptBesideTheLog(t *testing.T) {
	c := config(t)
	j := create(t, c)
	r := j.Records()
	for _, put := range [][3]string{{"slots", "2", "two"}, {"slots", "1", "one"}, {"letters", "1", ""}, {"slots", "1", "uno"}} {
		if err := r.Put(put[0], put[1], []byte(put[2])); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, j, events(0, 1))
	closed(t, j)
	j = open(t, c)
	r = j.Records()
	if v, err := r.Get("slots", "1"); err != nil || string(v) != "uno" {
		t.Errorf("got %q, %v, want uno", v, err)
	}
	if v, err := r.Get("letters", "1"); err != nil || v == nil || len(v) != 0 {
		t.Errorf("got %#v, %v, want an empty record", v, err)
	}
	if k, err := r.Keys("slots"); err != nil || fmt.Sprint(k) != "[1 2]" {
		t.Errorf("keys are %v, %v", k, err)
	}
	for range 2 {
		if err := r.Delete("slots", "1"); err != nil {
			t.Error(err)
		}
	}
	for _, absent := range [][2]string{{"slots", "1"}, {"nothing", "1"}} {
		if v, err := r.Get(absent[0], absent[1]); err != nil || v != nil {
			t.Errorf("got %q, %v, want nil for an absent record", v, err)
		}
	}
	if k, err := r.Keys("nothing"); err != nil || len(k) != 0 {
		t.Errorf("keys are %v, %v", k, err)
	}
	for _, bad := range [][2]string{{"", "k"}, {"b", ""}, {"b", strings.Repeat("k", 300)}} {
		if r.Put(bad[0], bad[1], nil) == nil || r.Delete(bad[0], bad[1]) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if r.Put("b", "k", make([]byte, 9<<20)) == nil {
		t.Error("9 MiB were taken")
	}
	if size, _, err := j.Verify(journal.Trust{}); err != nil || size != 1 {
		t.Errorf("verified %d, %v, want 1", size, err)
	}
}
