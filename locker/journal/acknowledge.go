package journal

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// acknowledgement is what the city signs.
type acknowledgement struct {
	size uint64 // events that it has stored
	root tlog.Hash
	time time.Time
}

const maxNote = 4 << 10 // bytes of a signed note

// Acknowledge takes the city's signed note, moves the cursor to its size and
// answers its time. The cursor also moves back: a city that was restored from a
// backup gets again what it lost. The note's text has four lines: origin, size,
// root hash (base64) and "time " with an RFC 3339 time. Errors, which move
// nothing: [ErrForged], [ErrMalformed], [ErrForeign], [ErrStale], [ErrFork],
// [ErrAhead], [ErrPruned]; the last three are for a person to look at.
func (j *Journal) Acknowledge(signed []byte) (time.Time, error) {
	j.commit.Lock()
	defer j.commit.Unlock()
	if err := j.writable(); err != nil {
		return time.Time{}, fmt.Errorf("acknowledge: %w", err)
	}
	h := j.state()
	ack, err := j.judge(h, signed)
	if err != nil {
		return time.Time{}, fmt.Errorf("acknowledge: %w", err)
	}
	h.cursor, h.ack, h.ackTime = ack.size, bytes.Clone(signed), ack.time
	if max(h.cursor, h.written)-min(h.cursor, h.written) >= cursorEvery {
		return ack.time, j.update("write cursor", h, nil)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head = h
	return ack.time, nil
}

// judge says whether the city signed that, and whether our tree had that root
// at that size.
func (j *Journal) judge(h head, signed []byte) (acknowledgement, error) {
	none := acknowledgement{}
	if j.config.City == nil {
		return none, errors.New("no key of the city is given")
	}
	if len(signed) > maxNote {
		return none, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(signed), maxNote)
	}
	n, err := note.Open(signed, j.config.City)
	if err != nil {
		return none, fmt.Errorf("%w: %w", ErrForged, err)
	}
	ack, err := parseAck(n.Text, j.Origin())
	if err != nil {
		return none, err
	}
	if ack.size > uint64(h.tree.size) {
		return none, fmt.Errorf("%w: %d, we have %d", ErrAhead, ack.size, h.tree.size)
	}
	if ack.size < h.pruned {
		return none, fmt.Errorf("%w: the city has %d, the bodies begin at %d", ErrPruned, ack.size, h.pruned)
	}
	if ack.size < h.cursor && ack.time.Before(h.ackTime) {
		return none, fmt.Errorf("%w: of %v, the last was of %v", ErrStale, ack.time, h.ackTime)
	}
	ours, err := j.rootAt(h, ack.size)
	if err != nil {
		return none, err
	}
	if ours != ack.root {
		return none, fmt.Errorf("%w: at %d events its root is %v, ours is %v", ErrFork, ack.size, ack.root, ours)
	}
	return ack, nil
}

// rootAt is the root of the tree of the first size events.
func (j *Journal) rootAt(h head, size uint64) (root tlog.Hash, err error) {
	if size == uint64(h.tree.size) {
		return h.tree.root()
	}
	err = j.view("read tree", func(tx *bbolt.Tx) (err error) {
		root, err = tlog.TreeHash(int64(size), stored{tx.Bucket(eventBucket)})
		return err
	})
	return root, err
}

// loadAck takes the time from the note that was kept. Its signature was
// verified when it came; the key may have been replaced since.
func (h *head) loadAck(origin string) error {
	if len(h.ack) == 0 {
		return nil
	}
	ack, err := parseKept(h.ack, origin)
	h.ackTime = ack.time
	return err
}

// parseKept reads a note without looking at its signatures.
func parseKept(signed []byte, origin string) (acknowledgement, error) {
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	ack, err := parseAck(string(text)+"\n", origin)
	if err != nil {
		return acknowledgement{}, fmt.Errorf("%w: kept acknowledgement: %w", ErrCorrupt, err)
	}
	return ack, nil
}

func parseAck(text, origin string) (acknowledgement, error) {
	none := acknowledgement{}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return none, fmt.Errorf("%w: wants the lines origin, size, root, time", ErrMalformed)
	}
	if lines[0] != origin {
		return none, fmt.Errorf("%w: origin %q, ours is %q", ErrForeign, lines[0], origin)
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return none, fmt.Errorf("%w: size %q", ErrMalformed, lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return none, fmt.Errorf("%w: root %q", ErrMalformed, lines[2])
	}
	stamp, ok := strings.CutPrefix(lines[3], "time ")
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if !ok || err != nil {
		return none, fmt.Errorf("%w: time line %q", ErrMalformed, lines[3])
	}
	return acknowledgement{size, root, t.UTC()}, nil
}
