package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
)

const (
	// maxPending bounds the events that wait for a checkpoint; a terminal has at
	// most 100 under way.
	maxPending      = 512
	maxPendingBytes = 16 << 20
	maxEvent        = 1 << 20 // bytes; the largest names all people of a roster
	// maxRecent bounds the hashes kept in memory; older ones are read again.
	maxRecent = 8192
	// maxLog bounds the name of a log in an event's source, in bytes.
	maxLog = 40
)

var (
	errFork   = errors.New("the device has signed two different histories")
	errMisfit = errors.New("the events received do not fit the device's checkpoint")
)

// intake takes one terminal's events. They wait until a checkpoint that the
// device signed covers them: then they are in the tree that the device has, or
// they are not stored at all.
type intake struct {
	terminal string
	verifier note.Verifier
	next     note.Verifier // that the old key signed for, in an event that waits; nil: none
	record   *record.Record

	size    uint64         // stored
	covered []record.Event // by a checkpoint, and not stored yet
	note    []byte         // that checkpoint
	pending map[uint64][]byte
	bytes   int // of pending
	recent  map[int64]tlog.Hash
	due     bool // an acknowledgement
	cleared bool // a roster was answered: the retained one can go
}

func newIntake(terminal string, verifier note.Verifier, size uint64, r *record.Record) *intake {
	return &intake{
		terminal: terminal, verifier: verifier, record: r, size: size,
		pending: map[uint64][]byte{}, recent: map[int64]tlog.Hash{},
	}
}

// head is the number of events that are stored or will be with the next commit.
func (t *intake) head() uint64 { return t.size + uint64(len(t.covered)) }

// event lets one wait for its checkpoint. What is known, or far ahead, is dropped.
func (t *intake) event(body []byte) error {
	e, err := parseEvent(body)
	if err != nil {
		return err
	}
	if log, ok := strings.CutPrefix(e.Source, "/terminal/"+t.terminal+"/"); !ok || log == "" || len(log) > maxLog || strings.Contains(log, "/") {
		return fmt.Errorf("event: source %q, wants /terminal/%s/<log>", e.Source, t.terminal)
	}
	seq := e.sequence
	if seq < t.head() || seq >= t.head()+maxPending || t.pending[seq] != nil || t.bytes+len(body) > maxPendingBytes {
		return nil
	}
	t.rekeyed(e.fact())
	t.pending[seq] = body
	t.bytes += len(body)
	return nil
}

// drop forgets what waits; the terminal will send it again.
func (t *intake) drop() {
	clear(t.pending)
	t.bytes = 0
}

// checkpoint accepts what the device's signed tree of this size and root
// covers. It returns errFork or errMisfit if that cannot be our history.
func (t *intake) checkpoint(ctx context.Context, size uint64, root tlog.Hash, signed []byte) error {
	if size <= t.head() {
		ours, err := t.rootAt(ctx, size)
		if err != nil {
			return err
		}
		if ours != root {
			return fmt.Errorf("%w: at %d events it signed %v, we hold %v", errFork, size, root, ours)
		}
		t.due = true
		return nil
	}
	var bodies [][]byte
	for seq := t.head(); seq < size; seq++ {
		body := t.pending[seq]
		if body == nil {
			return nil // a gap: it will come again
		}
		bodies = append(bodies, body)
	}
	events, fresh, key, err := t.extend(ctx, bodies, root)
	if err != nil {
		t.drop()
		return err
	}
	t.inForce(key)
	for seq := t.head(); seq < size; seq++ {
		t.bytes -= len(t.pending[seq])
		delete(t.pending, seq)
	}
	for index, h := range fresh {
		t.recent[index] = h
	}
	t.covered = append(t.covered, events...)
	t.note = signed
	return nil
}

// extend recomputes the tree over the very bytes received and compares its root.
// It answers with the device's key after them: an event that names one for which
// the key before it did not sign is stored, and not followed.
func (t *intake) extend(ctx context.Context, bodies [][]byte, root tlog.Hash) ([]record.Event, map[int64]tlog.Hash, note.Verifier, error) {
	key := t.verifier
	fresh := map[int64]tlog.Hash{}
	reader := t.reader(ctx, fresh)
	n := int64(t.head())
	events := make([]record.Event, 0, len(bodies))
	for _, body := range bodies {
		hashes, err := tlog.StoredHashes(n, body, reader)
		if err != nil {
			return nil, nil, nil, err
		}
		first := tlog.StoredHashIndex(0, n)
		for i, h := range hashes {
			fresh[first+int64(i)] = h
		}
		e, err := parseEvent(body)
		if err != nil {
			return nil, nil, nil, err
		}
		fact := e.fact()
		if f, ok := fact.(locker.DeviceRekeyed); ok {
			if v := t.successor(key, f); v != nil {
				key = v
			} else {
				fact = nil
			}
		}
		events = append(events, record.Event{
			Body: body, Type: e.Type, Time: e.Time, Fact: fact, Hashes: hashes,
		})
		n++
	}
	ours, err := tlog.TreeHash(n, reader)
	if err != nil {
		return nil, nil, nil, err
	}
	if ours != root {
		return nil, nil, nil, fmt.Errorf("%w: of %d events", errMisfit, n)
	}
	return events, fresh, key, nil
}

// commit stores what is covered, in one transaction.
func (t *intake) commit(ctx context.Context) error {
	if len(t.covered) == 0 {
		return nil
	}
	events := t.covered
	t.covered = nil
	if err := t.record.Append(ctx, t.terminal, t.size, events, t.note); err != nil {
		t.drop()
		clear(t.recent) // they may be of events that are not there
		return err
	}
	t.size += uint64(len(events))
	t.due = true
	for _, e := range events {
		switch f := e.Fact.(type) {
		case locker.RosterAccepted:
			t.cleared = true
		case locker.MessageRefused:
			t.cleared = t.cleared || f.Message == locker.MessageRoster
		}
	}
	if len(t.recent) > maxRecent {
		clear(t.recent)
	}
	return nil
}

func (t *intake) rootAt(ctx context.Context, size uint64) (tlog.Hash, error) {
	return tlog.TreeHash(int64(size), t.reader(ctx, nil))
}

// reader finds hashes among the fresh ones, the recent ones, and in the record.
func (t *intake) reader(ctx context.Context, fresh map[int64]tlog.Hash) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			h, ok := fresh[index]
			if !ok {
				h, ok = t.recent[index]
			}
			if !ok {
				stored, err := t.record.Hashes(ctx, t.terminal, indexes[i:i+1])
				if err != nil {
					return nil, err
				}
				h = stored[0]
				t.recent[index] = h
			}
			hashes[i] = h
		}
		return hashes, nil
	})
}

// cloudEvent is what the city reads of an event (CloudEvents 1.0, JSON format).
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	Sequence    string          `json:"sequence"`
	Data        json.RawMessage `json:"data"`

	sequence uint64
}

func parseEvent(body []byte) (cloudEvent, error) {
	var e cloudEvent
	if len(body) > maxEvent {
		return e, fmt.Errorf("event: %d bytes, at most %d", len(body), maxEvent)
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("event: %w", err)
	}
	if e.SpecVersion != "1.0" {
		return e, fmt.Errorf("event: specversion %q, wants 1.0", e.SpecVersion)
	}
	var err error
	e.sequence, err = strconv.ParseUint(e.Sequence, 10, 62)
	if err != nil {
		return e, fmt.Errorf("event: sequence %q is no number", e.Sequence)
	}
	return e, nil
}

// fact is nil for one that a newer terminal tells: it is stored all the same.
func (e cloudEvent) fact() locker.Fact {
	f, err := locker.DecodeFact(e.Type, e.Data)
	if err != nil {
		return nil
	}
	return f
}
