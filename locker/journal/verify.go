package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// Verify reads every event, computes the tree anew and answers its size and
// root, to be compared with what the city signed. Where an event was edited,
// dropped, moved or cut off, the error is a [BadEventError] and names the
// first. A log that is whole in itself but not the one that the city last
// acknowledged is an [ErrFork]; one whose events are not those that the device
// signed is told by a BadEventError too, to the hundred events between two
// signatures that are kept. Of events that were pruned, the hashes are verified.
func (j *Journal) Verify(trust Trust) (size uint64, root tlog.Hash, err error) {
	h := j.state()
	size = uint64(h.tree.size)
	signed, err := j.witness(h, trust)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("verify journal: %w", err)
	}
	var tree edge
	for from := uint64(0); from < size; from = uint64(tree.size) {
		err := j.scan(from, min(size, from+batchEvents), func(sequence uint64, hashes, body []byte) (bool, error) {
			if err := j.verifyEvent(&tree, h.pruned, sequence, hashes, body); err != nil {
				return false, err
			}
			return true, signed.see(&tree, body)
		})
		if err != nil {
			return 0, tlog.Hash{}, fmt.Errorf("verify journal: %w", err)
		}
	}
	if root, err = tree.root(); err == nil {
		err = j.verifyEnd(size, root)
	}
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("verify journal: %w", err)
	}
	return size, root, nil
}

// verifyEvent adds the event to the tree and compares what was stored with it.
func (j *Journal) verifyEvent(tree *edge, pruned, sequence uint64, hashes, body []byte) error {
	leaf := tlog.Hash(hashes[:tlog.HashSize])
	if sequence >= pruned {
		if leaf != tlog.RecordHash(body) {
			return &BadEventError{sequence, "was changed: its hash is another"}
		}
		c, says, err := decodeEnvelope(body)
		if err != nil {
			return &BadEventError{sequence, err.Error()}
		}
		if err := j.placed(sequence, says, c.Source); err != nil {
			return err
		}
	} else if len(body) > 0 {
		return &BadEventError{sequence, "has a body, though it was pruned"}
	}
	computed, err := tree.addHash(leaf)
	if err != nil {
		return err
	}
	if !bytes.Equal(join(computed, nil), hashes) {
		return &BadEventError{sequence, "does not fit the tree: an event before it, or its hash, was changed"}
	}
	return nil
}

// verifyEnd compares what the head says with what is there.
func (j *Journal) verifyEnd(size uint64, root tlog.Hash) error {
	return j.view("read end", func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if !bytes.Equal(meta.Get(sizeKey), key(size)) {
			return nil // it has grown since
		}
		if beyond, _ := tx.Bucket(eventBucket).Cursor().Seek(key(size)); beyond != nil {
			return &BadEventError{size, "is there, but not counted"}
		}
		if !bytes.Equal(meta.Get(rootKey), root[:]) {
			return fmt.Errorf("%w: the events' root is not the recorded one", ErrCorrupt)
		}
		return nil
	})
}

// keptAck is what the city acknowledged last; nil before it did.
func (j *Journal) keptAck(h head) (*acknowledgement, error) {
	if len(h.ack) == 0 {
		return nil, nil
	}
	ack, err := parseKept(h.ack, j.Origin())
	return &ack, err
}

// compare tells whether the tree, grown to the acknowledged size, is that one.
func (a *acknowledgement) compare(tree *edge) error {
	if a == nil || a.size != uint64(tree.size) {
		return nil
	}
	root, err := tree.root()
	if err == nil && root != a.root {
		err = fmt.Errorf("%w: at %d events it signed %v, the events lead to %v", ErrFork, a.size, a.root, root)
	}
	return err
}

// Check looks for damage to the pages of a closed journal, below what Verify
// can see. On a damaged file bbolt's check may panic in a goroutine of its own
// or never end: call it in a child process with a time limit, and take the
// child's death or delay for damage.
func Check(path string) error {
	db, _, err := openFile(Config{Path: path, OpenFile: os.OpenFile}, true)
	if err != nil {
		return fmt.Errorf("check journal %s: %w", path, err)
	}
	defer db.Close()
	var found []error
	err = guard("check", func() error {
		return db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				if len(found) < 10 {
					found = append(found, err)
				}
			}
			return nil
		})
	})
	if found != nil {
		err = errors.Join(ErrCorrupt, errors.Join(found...))
	}
	if err != nil {
		return fmt.Errorf("check journal %s: %w", path, err)
	}
	return nil
}
