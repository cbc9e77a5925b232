package journal_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
)

// chip counts. Stuck, it takes no bump; lax, it is asked and never bumped: the
// defence taken out.
type chip struct {
	count uint64
	key   []byte
	stuck error
	lax   bool
}

func newChip() *chip { return &chip{count: 40, key: make([]byte, 32)} }

func (c *chip) Count() (uint64, error) {
	return c.count, nil
}

func (c *chip) Bump() error {
	if c.stuck != nil {
		return c.stuck
	}
	if !c.lax {
		c.count++
	}
	return nil
}

func (c *chip) Key() ([]byte, error) { return bytes.Clone(c.key), nil }

func (c *chip) SetKey(key []byte) error {
	if c.stuck != nil {
		return c.stuck
	}
	c.key = bytes.Clone(key)
	return nil
}

var errCut = errors.New("power cut")

// counted is a journal with a hardware counter.
func counted(t *testing.T) (journal.Config, *chip) {
	c, k := config(t), newChip()
	c.Counter = k
	return c, k
}

// charge records the charge of a try.
func charge(j *journal.Journal, attempt locker.AttemptID) error {
	e := event(0)
	e.Fact = locker.CodeCharged{Attempt: attempt, Generation: 1}
	_, err := j.Append([]locker.Event{e}, nil)
	return err
}

func shut(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// restore puts an old image of the disk in place.
func restore(t *testing.T, c journal.Config, image []byte) {
	t.Helper()
	if err := os.WriteFile(c.Path, image, 0o600); err != nil {
		t.Fatal(err)
	}
}

func image(t *testing.T, c journal.Config) []byte {
	t.Helper()
	b, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// guesses has a thief try codes for ever: an image before each try, put back
// after it. It tells how many tries were free, at most ten.
func guesses(t *testing.T, c journal.Config) (free int) {
	t.Helper()
	for free < 10 {
		before := image(t, c)
		j, err := journal.Open(c)
		if err != nil {
			if !errors.Is(err, journal.ErrRolledBack) {
				t.Fatal(err)
			}
			return free
		}
		if err := charge(j, 1); err != nil {
			t.Fatal(err)
		}
		shut(t, j)
		restore(t, c, before)
		free++
	}
	return free
}

// Row 3: an old disk image is restored.
func TestThreatAnOldDiskIsRestored(t *testing.T) {
	t.Run("a thief who copies the disk before each try has one", func(t *testing.T) {
		c, _ := counted(t)
		shut(t, create(t, c))
		if n := guesses(t, c); n != 1 {
			t.Errorf("%d tries were free", n)
		}
	})
	t.Run("without the defence the tries never end", func(t *testing.T) {
		c, k := counted(t)
		shut(t, create(t, c))
		k.lax = true
		if n := guesses(t, c); n < 10 {
			t.Errorf("only %d: the test above proves nothing", n)
		}
	})
	t.Run("from before three failures", func(t *testing.T) {
		c, _ := counted(t)
		j := create(t, c)
		if _, err := j.Append(events(0, 5), nil); err != nil {
			t.Fatal(err)
		}
		old := image(t, c)
		for n := range 3 {
			if err := charge(j, locker.AttemptID(n)); err != nil {
				t.Fatal(err)
			}
		}
		shut(t, j)
		shut(t, open(t, c)) // the right disk
		restore(t, c, old)
		if _, err := journal.Open(c); !errors.Is(err, journal.ErrRolledBack) {
			t.Errorf("open says %v", err)
		}
	})
	t.Run("a cut between commit and bump is no rollback", func(t *testing.T) {
		c, k := counted(t)
		j := create(t, c)
		k.stuck = errCut
		if err := charge(j, 1); !errors.Is(err, journal.ErrBroken) || !errors.Is(err, errCut) {
			t.Errorf("a charge that was not counted: %v", err)
		}
		shut(t, j)
		k.stuck = nil
		j = open(t, c)
		if j.Size() != 1 {
			t.Errorf("%d events, want the charge", j.Size())
		}
		if err := charge(j, 2); err != nil {
			t.Error(err)
		}
		shut(t, j)
		shut(t, open(t, c))
	})
}

func TestACountOnTheDiskThatWasMendedByHandIsRefused(t *testing.T) {
	c, _ := counted(t)
	j := create(t, c)
	old := image(t, c)
	if err := charge(j, 1); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	number := countOf(t, c, nil)
	restore(t, c, old)
	countOf(t, c, number[:8])
	if _, err := journal.Open(c); !errors.Is(err, journal.ErrRolledBack) {
		t.Errorf("with the right number by hand: %v", err)
	}
	countOf(t, c, number)
	if _, err := journal.Open(c); !errors.Is(err, journal.ErrRolledBack) {
		t.Errorf("with number and proof of another tree: %v", err)
	}
}

// countOf reads what binds the count, and puts a part of another's in its place.
func countOf(t *testing.T, c journal.Config, put []byte) (is []byte) {
	t.Helper()
	db, err := bbolt.Open(c.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		is = bytes.Clone(meta.Get([]byte("count")))
		if put == nil {
			return nil
		}
		return meta.Put([]byte("count"), append(bytes.Clone(put), is[len(put):]...))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return is
}

func TestACounterIsTakenIntoUseWithAJournalThatIsThere(t *testing.T) {
	c := config(t)
	j := create(t, c)
	if err := charge(j, 1); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	k := newChip()
	c.Counter = k
	k.stuck = errCut // before its key is set
	if _, err := journal.Open(c); !errors.Is(err, errCut) {
		t.Fatalf("open says %v", err)
	}
	k.stuck = nil
	j = open(t, c)
	if err := charge(j, 2); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	shut(t, open(t, c))
	if k.count != 41 {
		t.Errorf("the chip counts %d, want one charge since 40", k.count)
	}
	k.count = 7
	if _, err := journal.Open(c); !errors.Is(err, journal.ErrRolledBack) {
		t.Errorf("with another chip: %v", err)
	}
}

func TestOnlyChargesWearTheCounter(t *testing.T) {
	c, k := counted(t)
	j := create(t, c)
	if _, err := j.Append(events(0, 50), nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Records().Put("orders", "a", []byte("b")); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	shut(t, open(t, c))
	if k.count != 40 {
		t.Errorf("the chip counts %d, want 40", k.count)
	}
}
