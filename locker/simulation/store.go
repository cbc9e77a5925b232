package simulation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// store is the terminal's disk: what is in it survives a power cut.
type store struct {
	log      []entry
	snapshot []byte
	covers   int
	cursor   int // events that the city acknowledged, as far as it was written
	records  map[string]map[string][]byte
	slots    [][]byte
	old      [][]byte // blocks that were overwritten under the present root key, as flash keeps them
	free     int64    // bytes that the disk gives
	held     int64    // bytes that the journal holds ready, as the real one does
}

// Bytes of the model's disk.
const (
	diskSize   = 8 << 30
	roomy      = 4 << 30  // free, unless it is full
	reserve    = 12 << 20 // held, while the disk gives
	eventCost  = 8 << 10  // of a commit of events or of a small record
	recordCost = 1 << 20  // of an order, a deposit or a letter
)

// room is how much can still be written.
func (s *store) room() int64 { return s.held + s.free }

// spend takes the cost of a commit out of what is held. A disk with space gives
// it back.
func (s *store) spend(cost int64) {
	if s.free == 0 {
		s.held -= cost
	} else {
		s.held = reserve
	}
}

// entry is one event as it was committed. Its chain covers all before it: the
// model's Merkle root.
type entry struct {
	body  []byte
	chain [32]byte
	event locker.Event // decoded once for all starts
}

// slotCount is as large as lockerd init makes it for eight compartments and 40
// offered keys.
const slotCount = 240

func newStore() *store {
	return &store{records: map[string]map[string][]byte{}, slots: make([][]byte, slotCount), free: roomy, held: reserve}
}

// root is the model's root hash of the first size events.
func (s *store) root(size int) [32]byte {
	if size == 0 {
		return [32]byte{}
	}
	return s.log[size-1].chain
}

func (s *store) append(body []byte) locker.Event {
	e, err := decodeEvent(body)
	if err != nil {
		panic(wrong{fmt.Sprintf("an event that was committed cannot be read: %v", err)})
	}
	root := s.root(len(s.log))
	s.log = append(s.log, entry{body, [32]byte(digest(root[:], body)), e})
	return e
}

// stored is an event's form on the model's disk.
type stored struct {
	Type     string             `json:"type"`
	Time     time.Time          `json:"time"`
	Quality  locker.TimeQuality `json:"clock"`
	Training bool               `json:"training,omitempty"`
	Data     json.RawMessage    `json:"data"`
}

func encodeEvent(e locker.Event) ([]byte, error) {
	data, err := json.Marshal(e.Fact)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stored{e.Fact.Type(), e.Time, e.Quality, e.Training, data})
}

func decodeEvent(body []byte) (locker.Event, error) {
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return locker.Event{}, err
	}
	f, err := locker.DecodeFact(s.Type, s.Data)
	return locker.Event{Time: s.Time, Quality: s.Quality, Training: s.Training, Fact: f}, err
}

var (
	errCommit = fmt.Errorf("%w: input/output error", journal.ErrMedium)
	errFull   = fmt.Errorf("%w: the model's disk", journal.ErrFull)
	errDead   = errors.New("there is no power")
)

// disk is one process's way to the store. After a failed commit it answers
// errors alone, as the journal does.
type disk struct {
	*store
	p   *process
	end error // why nothing works any more
}

// breaks ends the disk's use, as a failed commit does in the journal.
func (d *disk) breaks(why error) error {
	d.end = fmt.Errorf("%w: %w", journal.ErrBroken, why)
	return d.end
}

// snapshotEvery is less than the journal's, so that many starts use one.
const snapshotEvery = 400

// commit makes one transaction durable, or not, or both: the error of a commit
// says nothing about its outcome.
func (d *disk) commit(cost int64, apply func()) error {
	if d.p.dead {
		return errDead
	}
	if d.end != nil {
		return d.end
	}
	w := d.p.w
	w.mayCut()
	switch {
	case d.room() < cost:
		return d.breaks(errFull)
	case w.fate.hits(w.faults.commitLost):
		return d.breaks(errCommit)
	case w.fate.hits(w.faults.commitAmbiguous):
		apply()
		return d.breaks(errCommit)
	}
	apply()
	d.spend(cost)
	w.mayCut()
	return nil
}

// Append implements controller.Journal.
func (d *disk) Append(events []locker.Event, snapshot func() ([]byte, error)) (uint64, error) {
	first := uint64(len(d.log))
	switch {
	case d.p.dead:
		return 0, errDead
	case d.end != nil:
		return 0, d.end
	case len(events) == 0:
		return first, nil
	}
	bodies := make([][]byte, len(events))
	for i, e := range events {
		body, err := encodeEvent(e)
		if err != nil {
			return 0, fmt.Errorf("encode event: %w", err)
		}
		bodies[i] = body
	}
	var ledger []byte
	covers := len(d.log) + len(bodies)
	if covers-d.covers >= snapshotEvery {
		var err error
		if ledger, err = snapshot(); err != nil {
			return 0, err
		}
	}
	return first, d.commit(eventCost, func() {
		if ledger != nil {
			d.snapshot, d.covers = ledger, covers
		}
		d.cursor = max(d.cursor, d.p.line.cursor)
		for _, b := range bodies {
			d.p.w.hash.Write(b)
			d.p.w.oracle.follow(d.append(b))
		}
	})
}

var _ controller.Journal = (*disk)(nil)

// Put implements vault.Records.
func (d *disk) Put(bucket, key string, value []byte) error {
	value = bytes.Clone(value)
	cost := int64(eventCost)
	if bucket == "orders" || bucket == "deposits" || bucket == "letters" {
		if cost = recordCost; d.room() < cost+journal.EventRoom { // refused before anything is begun
			return errFull
		}
	}
	return d.commit(cost, func() {
		if d.records[bucket] == nil {
			d.records[bucket] = map[string][]byte{}
		}
		d.records[bucket][key] = value
		d.p.w.oracle.kept(bucket, key, value)
	})
}

// Get implements vault.Records.
func (d *disk) Get(bucket, key string) ([]byte, error) {
	if d.p.dead {
		return nil, errDead
	}
	return bytes.Clone(d.records[bucket][key]), nil
}

// Delete implements vault.Records.
func (d *disk) Delete(bucket, key string) error {
	if _, ok := d.records[bucket][key]; !ok && d.end == nil && !d.p.dead {
		return nil
	}
	return d.commit(eventCost, func() { delete(d.records[bucket], key) })
}

// Keys implements vault.Records.
func (d *disk) Keys(bucket string) ([]string, error) {
	if d.p.dead {
		return nil, errDead
	}
	return slices.Sorted(maps.Keys(d.records[bucket])), nil
}

var _ vault.Records = (*disk)(nil)

// slots is one process's way to the slot file. A cut in the middle of a write
// leaves the old block, the new one, or a torn one, which reads as free; an
// erasure that was cut leaves the old block or none.
type slots struct{ d *disk }

var _ vault.Slots = slots{}

// slotsOf are the slots as the vault wants them: under a root key, if there is one.
func (d *disk) slotsOf() vault.Slots {
	if d.p.w.config.HardwareKey {
		return rooted{slots{d}}
	}
	return slots{d}
}

// rooted are slots under a root key: once it is replaced, what was overwritten
// before is noise.
type rooted struct{ slots }

var _ vault.Rooted = rooted{}

// ReplaceRoot implements vault.Rooted.
func (r rooted) ReplaceRoot() error {
	d, w := r.d, r.d.p.w
	if d.p.dead {
		return errDead
	}
	if w.fate.hits(w.faults.slotFails) {
		return errCommit
	}
	w.mayCut()
	if w.bug != RootKept {
		d.old = nil
	}
	w.mayCut()
	return nil
}

// Count implements vault.Slots.
func (s slots) Count() int { return len(s.d.slots) }

// Read implements vault.Slots.
func (s slots) Read(i int) ([]byte, error) {
	if s.d.p.dead {
		return nil, errDead
	}
	return bytes.Clone(s.d.slots[i]), nil
}

// Write implements vault.Slots.
func (s slots) Write(i int, block []byte) error { return s.set(i, bytes.Clone(block), true) }

// Erase implements vault.Slots.
func (s slots) Erase(i int) error {
	if s.d.p.w.bug == OrderKeyKept && s.d.slots[i] != nil && s.d.slots[i][0] == 'k' {
		return nil
	}
	return s.set(i, nil, false)
}

func (s slots) set(i int, block []byte, torn bool) error {
	d, w := s.d, s.d.p.w
	if d.p.dead {
		return errDead
	}
	if d.end != nil {
		return d.end
	}
	if w.fate.hits(w.faults.slotFails) {
		return d.breaks(errCommit) // the daemon ends, as after a failed commit
	}
	old := d.slots[i]
	if old != nil && w.config.HardwareKey {
		d.old = append(d.old, old)
	}
	if w.cutsNow() {
		switch n := w.fate.upTo(3); {
		case n == 0:
			d.slots[i] = old
		case n == 1 && torn:
			d.slots[i] = nil
		default:
			d.slots[i] = block
		}
		w.cut()
	}
	d.slots[i] = block
	w.mayCut()
	return nil
}
