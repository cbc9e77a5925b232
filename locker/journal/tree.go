package journal

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of the Merkle tree: the roots of the complete subtrees
// into which its size divides. It is all that an append and the root need, so
// that an append reads nothing from the disk.
type edge struct {
	size int64
	at   [63]tlog.Hash // by level; valid where the size has that bit
}

// add appends a leaf and returns the hashes that it completes, its own first.
func (e *edge) add(body []byte) ([]tlog.Hash, error) { return e.addHash(tlog.RecordHash(body)) }

// addHash is add for a leaf of which only the hash is known.
func (e *edge) addHash(leaf tlog.Hash) ([]tlog.Hash, error) {
	hashes, err := tlog.StoredHashesForRecordHash(e.size, leaf, e)
	if err != nil {
		return nil, err
	}
	e.at[len(hashes)-1] = hashes[len(hashes)-1]
	e.size++
	return hashes, nil
}

func (e *edge) root() (tlog.Hash, error) { return tlog.TreeHash(e.size, e) }

// ReadHashes is tlog.HashReader for hashes on the edge.
func (e *edge) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		if e.size>>level&1 == 0 || n != e.size>>level-1 {
			return nil, fmt.Errorf("tree of %d events: hash %d of level %d is not on its edge", e.size, n, level)
		}
		hashes[i] = e.at[level]
	}
	return hashes, nil
}

// stored reads hashes of the whole tree from the events' bucket.
type stored struct{ events *bbolt.Bucket }

// ReadHashes is tlog.HashReader.
func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		sequence := uint64(n+1)<<level - 1 // the event that completes this subtree
		own, _, err := split(sequence, s.events.Get(key(sequence)))
		if err != nil {
			return nil, err
		}
		copy(hashes[i][:], own[level*tlog.HashSize:])
	}
	return hashes, nil
}

// edgeOf reads the edge of the tree of the first size events.
func (s stored) edgeOf(size uint64) (edge, error) {
	e := edge{size: int64(size)}
	for level := range e.at {
		if e.size>>level&1 == 0 {
			continue
		}
		h, err := s.ReadHashes([]int64{tlog.StoredHashIndex(level, e.size>>level-1)})
		if err != nil {
			return edge{}, err
		}
		e.at[level] = h[0]
	}
	return e, nil
}

// join makes an event's value; split takes it apart.
func join(hashes []tlog.Hash, body []byte) []byte {
	value := make([]byte, 0, len(hashes)*tlog.HashSize+len(body))
	for _, h := range hashes {
		value = append(value, h[:]...)
	}
	return append(value, body...)
}

func split(sequence uint64, value []byte) (hashes, body []byte, err error) {
	n := tlog.HashSize * (1 + bits.TrailingZeros64(sequence+1))
	switch {
	case value == nil:
		return nil, nil, &BadEventError{sequence, "is missing"}
	case len(value) < n:
		return nil, nil, &BadEventError{sequence, "is cut off"}
	}
	return value[:n:n], value[n:], nil
}

func key(n uint64) []byte   { return binary.BigEndian.AppendUint64(nil, n) }
func keyed(k []byte) uint64 { return binary.BigEndian.Uint64(k) }
