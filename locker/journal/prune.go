package journal

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// pruneBatch is how many bodies one transaction removes: it holds up a commit
// for as long.
const pruneBatch = 200

// FirstHeader is the HTTP header by which a daemon says with which event a dump
// begins, where earlier ones were asked for and are pruned.
const FirstHeader = "Nachtfach-First"

// Pruned is the number of events, from the first on, whose bodies are gone.
func (j *Journal) Pruned() uint64 { return j.state().pruned }

// Prune removes the bodies, with their salts, of events from before the given
// time: those at the beginning that the city has acknowledged and that a
// snapshot covers, so that neither the city nor the next start misses them. It
// answers how many went. Their hashes stay, so that the log verifies as before;
// a body from a copy elsewhere can still be proved to be the one that was here.
// bbolt may keep what was removed in free pages for a while.
func (j *Journal) Prune(before time.Time) (n uint64, err error) {
	for {
		done, err := j.pruneSome(before)
		n += done
		if err != nil {
			return n, fmt.Errorf("prune journal: %w", err)
		}
		if done < pruneBatch {
			return n, nil
		}
	}
}

// newest is the time of the last event. An event of a later time was dated by a
// clock that was set back since: its time says nothing, its place does.
func (j *Journal) newest(h head) (at time.Time, err error) {
	last := uint64(h.tree.size) - 1
	err = j.scan(last, last+1, func(_ uint64, _, body []byte) (bool, error) {
		at, err = timeOf(body)
		return err == nil, err
	})
	return at, err
}

func (j *Journal) pruneSome(before time.Time) (uint64, error) {
	j.commit.Lock()
	defer j.commit.Unlock()
	if err := j.writable(); err != nil {
		return 0, err
	}
	h := j.state()
	from, values := h.pruned, [][]byte(nil)
	end := min(h.cursor, h.snapshot, from+pruneBatch)
	if end <= from {
		return 0, nil
	}
	newest, err := j.newest(h)
	if err != nil {
		return 0, err
	}
	undated := 0 // events at the end of values that a clock dated that was set back since
	err = j.scan(from, end, func(sequence uint64, hashes, body []byte) (bool, error) {
		at, err := timeOf(body)
		if err != nil {
			return false, fmt.Errorf("event %d: %w", sequence, err)
		}
		switch {
		case at.After(newest):
			undated++
		case !at.Before(before):
			return false, nil
		default:
			undated = 0 // they were before this one
		}
		values = append(values, append([]byte(nil), hashes...))
		return true, nil
	})
	values = values[:len(values)-undated]
	if err != nil || len(values) == 0 {
		return 0, err
	}
	h.pruned += uint64(len(values))
	err = j.update("write pruned events", h, func(tx *bbolt.Tx) error {
		b := tx.Bucket(eventBucket)
		for i := range values { // bbolt joins half-empty pages only after a deletion
			if err := b.Delete(key(from + uint64(i))); err != nil {
				return err
			}
		}
		return saveEvents(b, from, values)
	})
	return uint64(len(values)), err
}

func timeOf(body []byte) (time.Time, error) {
	c, _, err := decodeEnvelope(body)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, c.Time)
}
