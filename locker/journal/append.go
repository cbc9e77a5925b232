package journal

import (
	"crypto/sha256"
	"fmt"

	"github.com/nachtfach/nachtfach/locker"
	"go.etcd.io/bbolt"
)

// Append writes the events of one step in one transaction and returns the
// number of the first once they are on the disk. No events: nothing is done.
//
// When a snapshot is due, the ledger's bytes are asked for and written in the
// same transaction; they must hold the state *after* these events. A nil
// snapshot, or one that answers nil bytes, is asked again next time.
//
// An error that is not [ErrBroken] (an event that cannot be encoded, no
// snapshot, no randomness) came before anything was written.
func (j *Journal) Append(events []locker.Event, snapshot func() ([]byte, error)) (first uint64, err error) {
	j.commit.Lock()
	defer j.commit.Unlock()
	if err := j.writable(); err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	h := j.state()
	first = uint64(h.tree.size)
	if len(events) == 0 {
		return first, nil
	}
	values, err := j.encode(&h.tree, events)
	if err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	var ledger []byte
	covers := uint64(h.tree.size)
	if snapshot != nil && covers-h.snapshot >= uint64(j.config.SnapshotEvery) {
		if ledger, err = snapshot(); err != nil {
			return 0, fmt.Errorf("append to journal: take snapshot: %w", err)
		}
	}
	if ledger != nil {
		h.snapshot = covers
	}
	if h.signature, err = j.sign(&h.tree); err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	counts := j.config.Counter != nil && charges(events)
	if counts {
		h.count++
	}
	err = j.update("append to journal", h, func(tx *bbolt.Tx) error {
		if ledger != nil {
			if err := saveSnapshot(tx.Bucket(snapshotBucket), covers, ledger); err != nil {
				return err
			}
		}
		if err := keepSignature(tx, first, h); err != nil {
			return err
		}
		return saveEvents(tx.Bucket(eventBucket), first, values)
	})
	if err == nil && counts {
		err = j.bump()
	}
	if err != nil {
		return 0, err
	}
	select {
	case j.changed <- struct{}{}:
	default:
	}
	return first, nil
}

// encode makes the values of the events and adds them to the tree.
func (j *Journal) encode(tree *edge, events []locker.Event) ([][]byte, error) {
	values := make([][]byte, len(events))
	for i, e := range events {
		body, err := encode(uint64(tree.size), source(j.config.Terminal, j.log), e, j.config.Entropy)
		if err != nil {
			return nil, err
		}
		hashes, err := tree.add(body)
		if err != nil {
			return nil, err
		}
		values[i] = join(hashes, body)
	}
	return values, nil
}

func saveEvents(b *bbolt.Bucket, first uint64, values [][]byte) error {
	b.FillPercent = 1 // keys only grow: a page that was left is never written again
	for i, v := range values {
		if err := b.Put(key(first+uint64(i)), v); err != nil {
			return err
		}
	}
	return nil
}

// saveSnapshot replaces the snapshot.
func saveSnapshot(b *bbolt.Bucket, covers uint64, ledger []byte) error {
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(ledger)
	return b.Put(key(covers), append(sum[:], ledger...))
}
