package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/nachtfach/nachtfach/locker"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	batchEvents = 1000    // read in one transaction, so that no slow reader holds up a commit
	batchBytes  = 1 << 20 // an answer of Read has no more, or a single event
)

// Read answers the bytes of at most limit events from number from on, in order,
// as they were stored, hashed and are to be published; together at most 1 MiB,
// but always one if there is one. Nothing is answered that is not on the disk.
// From the end on there is nothing; beyond it is an error, and so is [ErrPruned].
func (j *Journal) Read(from uint64, limit int) ([][]byte, error) {
	h := j.state()
	size := uint64(h.tree.size)
	if from > size {
		return nil, fmt.Errorf("read journal: event %d of %d", from, size)
	}
	if from < h.pruned {
		return nil, fmt.Errorf("read journal: event %d: %w; they begin at %d", from, ErrPruned, h.pruned)
	}
	var (
		bodies [][]byte
		total  int
	)
	limit = min(limit, batchEvents)
	err := j.scan(from, size, func(sequence uint64, hashes, body []byte) (bool, error) {
		if len(bodies) >= limit || total+len(body) > batchBytes && total > 0 {
			return false, nil
		}
		if leaf := tlog.RecordHash(body); !bytes.Equal(leaf[:], hashes[:tlog.HashSize]) {
			return false, &BadEventError{sequence, "was changed: its hash is another"}
		}
		bodies = append(bodies, bytes.Clone(body))
		total += len(body)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return bodies, nil
}

// scan visits the events from number from to before number to, until visit has
// enough. What visit is given is valid during the call.
func (j *Journal) scan(from, to uint64, visit func(sequence uint64, hashes, body []byte) (more bool, err error)) error {
	return j.view("scan", func(tx *bbolt.Tx) error {
		c := tx.Bucket(eventBucket).Cursor()
		k, v := c.Seek(key(from))
		for want := from; want < to; want++ {
			if !bytes.Equal(k, key(want)) {
				return &BadEventError{want, "is missing"}
			}
			hashes, body, err := split(want, v)
			if err != nil {
				return err
			}
			if more, err := visit(want, hashes, body); err != nil || !more {
				return err
			}
			k, v = c.Next()
		}
		return nil
	})
}

// Replay hands the latest snapshot, if there is one, to restore, and then each
// later event with its number to apply, in order. Where restore answers
// [ErrSkipSnapshot], say because the snapshot is of another version, apply gets
// all events from 0, and the next Append takes a new snapshot. An error of
// theirs ends the replay and is returned.
func (j *Journal) Replay(restore func(snapshot []byte) error, apply func(sequence uint64, e locker.Event) error) error {
	ledger, from, err := j.snapshot()
	if err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	if ledger != nil {
		switch err := restore(ledger); {
		case errors.Is(err, ErrSkipSnapshot):
			from = 0
			j.forgetSnapshot()
		case err != nil:
			return fmt.Errorf("replay journal: restore the snapshot at %d events: %w", from, err)
		}
	}
	return j.each(from, func(want uint64, body []byte) error {
		says, of, e, err := Decode(body)
		if err == nil {
			err = j.placed(want, says, of)
		}
		if err != nil {
			return fmt.Errorf("replay journal: %w", err)
		}
		if err := apply(want, e); err != nil {
			return fmt.Errorf("replay journal: apply event %d: %w", want, err)
		}
		return nil
	})
}

// placed holds what an event says of its place in a log against where it is.
func (j *Journal) placed(is, says uint64, of string) error {
	if says == is && of == source(j.config.Terminal, j.log) {
		return nil
	}
	return &BadEventError{is, fmt.Sprintf("says that it is number %d of %s", says, of)}
}

// Dump writes the events from number from on, one a line, as they are stored.
// Those that were pruned are passed over.
func (j *Journal) Dump(w io.Writer, from uint64) error {
	from = max(from, j.Pruned())
	return j.each(from, func(sequence uint64, body []byte) error {
		if _, err := w.Write(append(body, '\n')); err != nil {
			return fmt.Errorf("dump journal: event %d: %w", sequence, err)
		}
		return nil
	})
}

// forgetSnapshot makes a new one due with the next events.
func (j *Journal) forgetSnapshot() {
	j.commit.Lock()
	defer j.commit.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head.snapshot = 0
}

// each calls f for the events from number from to the present end.
func (j *Journal) each(from uint64, f func(sequence uint64, body []byte) error) error {
	for size := j.Size(); from < size; {
		bodies, err := j.Read(from, int(min(size-from, batchEvents)))
		if err != nil {
			return err
		}
		for _, body := range bodies {
			if err := f(from, body); err != nil {
				return err
			}
			from++
		}
	}
	return nil
}

// snapshot is the latest one and the number of events that it covers.
func (j *Journal) snapshot() (ledger []byte, covers uint64, err error) {
	err = j.view("read snapshot", func(tx *bbolt.Tx) error {
		k, v := tx.Bucket(snapshotBucket).Cursor().Last()
		if k == nil {
			return nil
		}
		if len(k) != 8 || len(v) < sha256.Size {
			return fmt.Errorf("%w: snapshot is cut off", ErrCorrupt)
		}
		covers = binary.BigEndian.Uint64(k)
		if sum := sha256.Sum256(v[sha256.Size:]); !bytes.Equal(sum[:], v[:sha256.Size]) {
			return fmt.Errorf("%w: snapshot at %d events was changed", ErrCorrupt, covers)
		}
		ledger = append([]byte{}, v[sha256.Size:]...)
		return nil
	})
	return ledger, covers, err
}
