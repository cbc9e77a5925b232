package journal_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// pruned is a journal of n events, all acknowledged, whose bodies before the
// given one are gone.
func pruned(t *testing.T, n, before int) (journal.Config, *journal.Journal, city) {
	t.Helper()
	c := config(t)
	c.SnapshotEvery, c.Entropy = 10, zeros{}
	signer, verifier := keys(t, "stadt.example")
	c.City = note.VerifierList(verifier)
	c.Signer, _ = keys(t, "nachtfach.de/"+terminal)
	j := create(t, c)
	for from := range n {
		if _, err := j.Append([]locker.Event{event(from)}, func() ([]byte, error) { return []byte("ledger"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	size, root, err := j.Tree()
	if err != nil {
		t.Fatal(err)
	}
	authority := city{t, signer}
	if _, err := j.Acknowledge(authority.ack(j.Origin(), size, root, noon)); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Prune(event(before).Time); err != nil {
		t.Fatal(err)
	}
	return c, j, authority
}

func TestWhatIsLeftAfterPruningStillVerifies(t *testing.T) {
	_, whole, _ := pruned(t, 700, 0)
	_, want, err := whole.Verify(journal.Trust{})
	if err != nil {
		t.Fatal(err)
	}
	c, j, _ := pruned(t, 700, 500)
	if n := j.Pruned(); n != 500 {
		t.Fatalf("%d pruned, want 500", n)
	}
	size, root, err := j.Verify(journal.Trust{})
	if err != nil || size != 700 {
		t.Fatalf("verify: %d events, %v", size, err)
	}
	if root != want {
		t.Errorf("root %v, that of the same events unpruned is %v", root, want)
	}
	closed(t, j)
	j = open(t, c)
	if _, root, err := j.Verify(journal.Trust{}); err != nil || root != want {
		t.Errorf("after a new start: root %v, %v; want %v", root, err, want)
	}
	appendTo(t, j, events(700, 720))
	if _, _, err := j.Verify(journal.Trust{}); err != nil {
		t.Errorf("after it grew: %v", err)
	}
}

func TestPrunedBodiesAreNotReadAndNotInTheFileAsAnEvent(t *testing.T) {
	_, j, _ := pruned(t, 60, 40)
	if _, err := j.Read(39, 1); !errors.Is(err, journal.ErrPruned) {
		t.Errorf("read event 39: %v, want ErrPruned", err)
	}
	bodies, err := j.Read(40, 100)
	if err != nil || len(bodies) != 20 {
		t.Errorf("from 40 on: %d events, %v", len(bodies), err)
	}
	var dump bytes.Buffer
	if err := j.Dump(&dump, 0); err != nil || bytes.Count(dump.Bytes(), []byte("\n")) != 20 {
		t.Errorf("dump: %d lines, %v", bytes.Count(dump.Bytes(), []byte("\n")), err)
	}
}

func TestOnlyWhatTheCityHoldsAndASnapshotCoversIsPruned(t *testing.T) {
	c := config(t)
	c.SnapshotEvery = 10
	j := create(t, c)
	for n := range 40 {
		if _, err := j.Append([]locker.Event{event(n)}, func() ([]byte, error) { return []byte("ledger"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := j.Prune(noon.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("unacknowledged events: %d pruned, %v", n, err)
	}
	_, j, _ = pruned(t, 46, 46) // the latest snapshot covers fewer
	if n := j.Pruned(); n == 0 || n > 45 {
		t.Errorf("%d pruned", n)
	}
	replay := func() error {
		return j.Replay(func([]byte) error { return nil }, func(uint64, locker.Event) error { return nil })
	}
	if err := replay(); err != nil {
		t.Errorf("replay after pruning: %v", err)
	}
	err := j.Replay(func([]byte) error { return journal.ErrSkipSnapshot }, func(uint64, locker.Event) error { return nil })
	if !errors.Is(err, journal.ErrPruned) {
		t.Errorf("replay without the snapshot: %v, want ErrPruned", err)
	}
}

func TestACityThatLostWhatWasPrunedIsToldSo(t *testing.T) {
	_, j, authority := pruned(t, 60, 40)
	// The city was restored to fewer events than have no body any more: it cannot
	// get them from here again.
	acknowledge := func(size uint64) error {
		root, err := rootOf(j, size)
		if err != nil {
			t.Fatal(err)
		}
		_, err = j.Acknowledge(authority.ack(j.Origin(), size, root, noon.Add(time.Hour)))
		return err
	}
	for _, size := range []uint64{20, 39} {
		wantError(t, acknowledge(size), journal.ErrPruned)
	}
	if j.Cursor() != 60 {
		t.Errorf("cursor %d, want 60", j.Cursor())
	}
	if err := acknowledge(40); err != nil { // the first event that it lacks has its body
		t.Error(err)
	}
	if j.Cursor() != 40 {
		t.Errorf("cursor %d, want 40", j.Cursor())
	}
}

// rootOf is the root of the tree of the first size events, from its checkpoint.
func rootOf(j *journal.Journal, size uint64) (tlog.Hash, error) {
	signed, err := j.Checkpoint(size)
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.ParseHash(string(bytes.Split(signed, []byte("\n"))[2]))
}

// signedLog is a closed journal of n events, written seven at a time, that a
// device signed. Equal events have equal bytes.
func signedLog(t *testing.T, all []locker.Event) (string, journal.Trust) {
	t.Helper()
	c := config(t)
	signer, device := keys(t, "nachtfach.de/"+terminal)
	c.Signer, c.Entropy = signer, zeros{}
	j := create(t, c)
	for step := range slices.Chunk(all, 7) {
		appendTo(t, j, step)
	}
	closed(t, j)
	return c.Path, journal.Trust{Device: note.VerifierList(device)}
}

func verify(t *testing.T, path string, trust journal.Trust) error {
	t.Helper()
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer j.Close()
	_, _, err = j.Verify(trust)
	return err
}

func TestAFileIsNeverWithoutTheDevicesSignature(t *testing.T) {
	path, trust := signedLog(t, events(0, 333))
	if err := verify(t, path, trust); err != nil {
		t.Errorf("with the device's key: %v", err)
	}
	_, stranger := keys(t, "nachtfach.de/"+terminal)
	if err := verify(t, path, journal.Trust{Device: note.VerifierList(stranger)}); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("with another's key: %v", err)
	}
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	signed, err := j.Signed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, trust.Device); err != nil {
		t.Errorf("the checkpoint in the file: %v\n%s", err, signed)
	}
}

func TestARewrittenHistoryIsToldFromWhereOn(t *testing.T) {
	path, trust := signedLog(t, events(0, 450))
	// Somebody with the program, but without the device's key, writes the log
	// anew from event 250 on and puts the old signatures beside it.
	forged, _ := signedLog(t, append(events(0, 250), events(251, 451)...))
	transplant(t, path, forged, "signature")
	transplantSignatures(t, path, forged)
	var first *journal.BadEventError
	if err := verify(t, forged, trust); !errors.As(err, &first) || first.Sequence != 203 {
		t.Errorf("got %v, want the first event after the last signature that holds", err)
	}
	if err := verify(t, forged, journal.Trust{}); err != nil {
		t.Errorf("without a key the forgery is a log like another: %v", err)
	}
	// Without the old signatures it bears none that holds.
	change(t, forged, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("signature")) })
	if err := verify(t, forged, trust); !errors.Is(err, journal.ErrRewritten) {
		t.Errorf("unsigned: %v, want ErrRewritten", err)
	}
}

// transplantSignatures copies the signatures that are kept for good.
func transplantSignatures(t *testing.T, from, to string) {
	t.Helper()
	kept := map[string][]byte{}
	change(t, from, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("checkpoints")).ForEach(func(k, v []byte) error {
			kept[string(k)] = bytes.Clone(v)
			return nil
		})
	})
	if len(kept) == 0 {
		t.Fatal("no signature was kept")
	}
	change(t, to, func(tx *bbolt.Tx) error {
		for k, v := range kept {
			if err := tx.Bucket([]byte("checkpoints")).Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestEventsOfAClockThatWasYearsAheadAreDeletedWithTheirNeighbours(t *testing.T) {
	c := config(t)
	c.SnapshotEvery, c.Entropy = 10, zeros{}
	signer, verifier := keys(t, "stadt.example")
	c.City = note.VerifierList(verifier)
	c.Signer, _ = keys(t, "nachtfach.de/"+terminal)
	j := create(t, c)
	for i := range 100 {
		e := event(i)
		if i < 20 || i >= 50 && i < 60 { // a first start in another century, and a mistake later
			e.Time = e.Time.AddDate(73, 0, 0)
		}
		if _, err := j.Append([]locker.Event{e}, func() ([]byte, error) { return []byte("ledger"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	size, root, err := j.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Acknowledge(city{t, signer}.ack(j.Origin(), size, root, noon)); err != nil {
		t.Fatal(err)
	}
	for _, before := range []int{30, 55, 70} {
		if _, err := j.Prune(event(before).Time); err != nil {
			t.Fatal(err)
		}
		want := uint64(before)
		if before == 55 {
			want = 50 // the next event with a right date is younger
		}
		if n := j.Pruned(); n != want {
			t.Errorf("%d pruned, want %d", n, want)
		}
	}
}
