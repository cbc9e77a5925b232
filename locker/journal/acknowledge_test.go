package journal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// city signs what a test lets it say.
type city struct {
	t      *testing.T
	signer note.Signer
}

func (c city) sign(text string) []byte {
	c.t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, c.signer)
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

func (c city) ack(origin string, size uint64, root tlog.Hash, at time.Time) []byte {
	return c.sign(fmt.Sprintf("%s\n%d\n%v\ntime %s\n", origin, size, root, at.Format(time.RFC3339)))
}

// withCity is a journal of 1000 events, the root after each of them, and its city.
func withCity(t *testing.T) (journal.Config, *journal.Journal, []tlog.Hash, city) {
	c := config(t)
	signer, verifier := keys(t, "stadt.example")
	c.City = note.VerifierList(verifier)
	j := create(t, c)
	roots := make([]tlog.Hash, 0, 1001)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, err error) {
		for _, i := range indexes {
			all = append(all, stored[i])
		}
		return all, nil
	})
	appendTo(t, j, events(0, 1000))
	read, err := j.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 1001 {
		root, err := tlog.TreeHash(int64(n), reader)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
		if n < 1000 {
			more, err := tlog.StoredHashes(int64(n), read[n], reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
	}
	return c, j, roots, city{t, signer}
}

func TestTheCitysNoteMovesTheCursor(t *testing.T) {
	_, j, roots, city := withCity(t)
	for _, size := range []uint64{1, 7, 8, 999, 1000, 1000} {
		at := noon.Add(time.Duration(size) * time.Second).Truncate(time.Second)
		got, err := j.Acknowledge(city.ack(j.Origin(), size, roots[size], at))
		if err != nil || !got.Equal(at) || j.Cursor() != size {
			t.Errorf("cursor %d, time %v, %v, want %d, %v", j.Cursor(), got, err, size, at)
		}
	}
}

func TestTheJournalAndTheCityAgreeOnTheirNotes(t *testing.T) {
	c := config(t)
	device, deviceVerifier := keys(t, envelope.Origin(terminal))
	city, cityVerifier := keys(t, "stadt.example")
	c.Signer, c.City = device, note.VerifierList(cityVerifier)
	j := create(t, c)
	appendTo(t, j, events(0, 9))
	signed, err := j.Checkpoint(6)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := envelope.OpenCheckpoint(deviceVerifier, terminal, signed)
	if err != nil || checkpoint.Size != 6 {
		t.Fatalf("checkpoint of %d, %v, want 6", checkpoint.Size, err)
	}
	at := noon.Truncate(time.Second)
	ack, err := envelope.SignAck(city, envelope.Ack{Checkpoint: checkpoint, Time: at})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := j.Acknowledge(ack); err != nil || !got.Equal(at) || j.Cursor() != 6 {
		t.Errorf("cursor %d, time %v, %v, want 6, %v", j.Cursor(), got, err, at)
	}
}

func TestACityRestoredFromABackupMovesTheCursorBack(t *testing.T) {
	_, j, roots, city := withCity(t)
	for i, size := range []uint64{900, 300, 0} {
		at := noon.Add(time.Duration(i) * time.Hour)
		if _, err := j.Acknowledge(city.ack(j.Origin(), size, roots[size], at)); err != nil || j.Cursor() != size {
			t.Errorf("cursor %d, %v, want %d", j.Cursor(), err, size)
		}
	}
}

func TestANoteThatDoesNotHoldMovesNothing(t *testing.T) {
	c, j, roots, city := withCity(t)
	foreign, _ := keys(t, "stadt.example")
	good := city.ack(j.Origin(), 500, roots[500], noon)
	if _, err := j.Acknowledge(good); err != nil {
		t.Fatal(err)
	}
	o := j.Origin()
	forger := city
	forger.signer = foreign
	for name, bad := range map[string]struct {
		note []byte
		want error
	}{
		"another key":       {forger.ack(o, 600, roots[600], noon), journal.ErrForged},
		"not signed":        {[]byte(fmt.Sprintf("%s\n600\n%v\ntime 2026-03-01T12:00:00Z\n", o, roots[600])), journal.ErrForged},
		"edited":            {[]byte(strings.Replace(string(good), "\n500\n", "\n501\n", 1)), journal.ErrForged},
		"empty":             {nil, journal.ErrForged},
		"too long":          {append(good, make([]byte, 5000)...), journal.ErrMalformed},
		"another terminal":  {city.ack("nachtfach.de/rathaus-2", 600, roots[600], noon), journal.ErrForeign},
		"another tree":      {city.ack(o, 600, roots[599], noon), journal.ErrFork},
		"ahead of us":       {city.ack(o, 1001, roots[1000], noon), journal.ErrAhead},
		"replayed":          {city.ack(o, 400, roots[400], noon.Add(-time.Hour)), journal.ErrStale},
		"without time":      {city.sign(fmt.Sprintf("%s\n600\n%v\n", o, roots[600])), journal.ErrMalformed},
		"with more":         {city.sign(fmt.Sprintf("%s\n600\n%v\ntime 2026-03-01T12:00:00Z\nx\n", o, roots[600])), journal.ErrMalformed},
		"size with zero":    {city.sign(fmt.Sprintf("%s\n0600\n%v\ntime 2026-03-01T12:00:00Z\n", o, roots[600])), journal.ErrMalformed},
		"negative size":     {city.sign(fmt.Sprintf("%s\n-1\n%v\ntime 2026-03-01T12:00:00Z\n", o, roots[600])), journal.ErrMalformed},
		"root cut off":      {city.sign(fmt.Sprintf("%s\n600\nabcd\ntime 2026-03-01T12:00:00Z\n", o)), journal.ErrMalformed},
		"time not RFC 3339": {city.sign(fmt.Sprintf("%s\n600\n%v\ntime noon\n", o, roots[600])), journal.ErrMalformed},
	} {
		_, err := j.Acknowledge(bad.note)
		if wantError(t, err, bad.want); err == nil || j.Cursor() != 500 {
			t.Errorf("%s: cursor %d, %v, want 500 and an error", name, j.Cursor(), err)
		}
	}
	closed(t, j)
	c.City = nil
	j = open(t, c)
	if _, err := j.Acknowledge(good); err == nil {
		t.Error("a note was taken without a key of the city")
	}
}

func TestTheCursorIsWrittenSeldomAndAtTheEnd(t *testing.T) {
	c, j, roots, city := withCity(t)
	onDisk := func() uint64 {
		t.Helper()
		copied := c
		copied.Path = copyOf(t, c.Path)
		k := open(t, copied)
		defer k.Close()
		return k.Cursor()
	}
	ack := func(size uint64) {
		t.Helper()
		if _, err := j.Acknowledge(city.ack(j.Origin(), size, roots[size], noon)); err != nil {
			t.Fatal(err)
		}
	}
	ack(100)
	if got := onDisk(); got != 0 {
		t.Errorf("cursor on the disk is %d, want 0: one note is not worth a commit", got)
	}
	ack(300)
	if got := onDisk(); got != 300 {
		t.Errorf("cursor on the disk is %d, want 300 after more than 256 events", got)
	}
	ack(310)
	appendTo(t, j, events(1000, 1001))
	if got := onDisk(); got != 310 {
		t.Errorf("cursor on the disk is %d, want 310 with the next events", got)
	}
	ack(320)
	closed(t, j)
	if got := onDisk(); got != 320 {
		t.Errorf("cursor on the disk is %d, want 320 after Close", got)
	}
	j = open(t, c)
	_, err := j.Acknowledge(city.ack(j.Origin(), 310, roots[310], noon.Add(-time.Hour)))
	wantError(t, err, journal.ErrStale)
}

func TestVerifyHoldsTheLogAgainstTheLastAcknowledgement(t *testing.T) {
	c, j, roots, city := withCity(t)
	if _, err := j.Acknowledge(city.ack(j.Origin(), 700, roots[700], noon)); err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	// Another log of the same terminal, whole in itself, gets the note.
	other := c
	other.Path = c.Path + ".other"
	k := create(t, other)
	appendTo(t, k, events(0, 1000))
	closed(t, k)
	transplant(t, c.Path, other.Path, "ack")
	k = open(t, other)
	_, _, err := k.Verify(journal.Trust{})
	wantError(t, err, journal.ErrFork)
}

func TestACheckpointIsSignedByTheDevice(t *testing.T) {
	c := config(t)
	signer, verifier := keys(t, "nachtfach.de/rathaus-1")
	c.Signer = signer
	j := create(t, c)
	for n := range 11 {
		appendTo(t, j, events(n, n+1))
		signed, err := j.Checkpoint(uint64(n + 1))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := note.Open(signed, note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		size, root, _ := j.Tree()
		if want := fmt.Sprintf("nachtfach.de/rathaus-1\n%d\n%v\n", size, root); opened.Text != want {
			t.Errorf("checkpoint is %q, want %q", opened.Text, want)
		}
		earlier, err := j.Checkpoint(uint64(n))
		if err != nil || !strings.HasPrefix(string(earlier), fmt.Sprintf("nachtfach.de/rathaus-1\n%d\n", n)) {
			t.Errorf("earlier checkpoint is %q, %v", earlier, err)
		}
	}
	if _, err := j.Checkpoint(12); err == nil {
		t.Error("a checkpoint beyond the end was signed")
	}
	if _, err := create(t, config(t)).Checkpoint(0); err == nil {
		t.Error("a checkpoint was made without a key")
	}
}
