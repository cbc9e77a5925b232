// Package journal keeps what a terminal did: its memory, its audit trail and
// its outbox to the city, in one bbolt file.
//
// Every event is a CloudEvent 1.0 in structured JSON (see [Decode]). Its bytes
// are made once; these very bytes are stored, hashed as a leaf of a Merkle tree
// (RFC 6962, by package tlog) and published. [Journal.Append] writes all events
// of a step in one transaction and returns when they are on the disk; only then
// may the terminal act. Every [Config.SnapshotEvery] events the caller's
// snapshot is written in the same transaction, so that [Journal.Replay] is
// quick however long the log has grown.
//
// The city answers with a signed note over size, root and time
// ([Journal.Acknowledge]). It moves the cursor from which the reporter
// publishes. The cursor is written with the next events, after every 256
// acknowledged ones and by Close, never on its own for each note: flash wears,
// and a cursor that is behind after a power cut costs a few repeated messages
// that the city drops.
//
// # Checkpoints and pruning
//
// Each commit of events stores the device's signature over the tree that it
// leads to (C2SP tlog-checkpoint), so that the file on the disk is never without
// one; the signature at every hundredth event stays, so that a history
// that was rewritten can be told from where on. [Journal.Verify] needs the public
// keys alone. [Journal.Prune] removes the bodies, and with them the salts, of
// events that the city has acknowledged and that are old enough; their hashes
// stay, and with them everything that Verify and a proof need.
//
// # Failure
//
// An error from a commit is ambiguous: the events may be on the disk or not.
// After one, every method answers [ErrBroken], and the process must end, open
// the file again and see what is true. Corruption that bbolt answers with a
// panic, and pages that a truncated file lacks, come out as [ErrCorrupt]. What
// a reader is given was compared with its leaf's hash. Before bbolt reads the
// tree, opening walks every page that can be reached, without recursion: a page
// that leads back to itself, or a length that was hit, is an ErrCorrupt too.
// [Passes] tells the errors that can end by themselves.
//
// # Space
//
// The file holds some megabytes that the disk has already given. A record that
// does not fit is refused with [ErrFull] before anything is begun, and the
// journal stays usable; events use the rest. [Journal.Room] tells how much there is.
//
// # File
//
// bucket events: number (8 bytes, big-endian, from 0) → the tree's hashes that
// this event completes (32 bytes each, the leaf's first; event n completes
// 1 + the trailing zeros of n+1), then the event's bytes. One bucket for both
// keeps the pages that a commit touches few. bucket snapshots: number of events
// covered → SHA-256, then the caller's bytes; the latest one only. bucket
// meta: version, terminal, size, root, signature, cursor, ack, pruned, count; small
// enough that bbolt keeps it within the root page, which each commit writes
// anyway. An event that was pruned has its hashes and no body. bucket
// checkpoints: size → the device's signature lines over that tree. buckets
// record/…: [Records], a bucket each.
//
// The package leaves to others what an event means (package locker), when to
// publish it (package report), and keeping secrets (package vault: what is
// deleted here stays in free pages for a while).
package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Config is what a journal needs of its surroundings.
type Config struct {
	Path     string         // of the file
	Terminal string         // its id; the log's origin is "nachtfach.de/" and it
	Log      string         // names the log in each event's source (see LogID); kept by Create, ignored by Open
	Entropy  io.Reader      // of the events' salts: crypto/rand.Reader
	Signer   note.Signer    // the device's key, for checkpoints
	City     note.Verifiers // the city's keys and nobody else's, for Acknowledge
	Counter  Counter        // nil: none

	// SnapshotEvery is the number of events from one snapshot to the next; zero: 512.
	SnapshotEvery int
	// Limit is the largest size of the file in bytes; zero: what the disk has.
	Limit int
	// Disk gives the file its space; nil: SystemDisk.
	Disk Disk
	// OpenFile opens the file; nil: os.OpenFile.
	OpenFile func(name string, flag int, perm fs.FileMode) (*os.File, error)
}

const (
	snapshotEvery = 512
	cursorEvery   = 256 // events acknowledged until the cursor is written on its own
)

// Journal is an open file. Its methods may be called from several goroutines.
type Journal struct {
	config   Config
	readOnly bool
	db       *bbolt.DB
	file     *os.File // that db has open, to hold space for it
	held     int64    // bytes of the file, from its beginning, that the disk has given; guarded by commit
	changed  chan struct{}
	countKey []byte

	// commit is held while a transaction is written. bbolt lets a reader see a
	// commit before it is on the disk; who must not see that takes it as well.
	commit sync.RWMutex

	mu   sync.RWMutex // guards what follows
	head head
	end  error  // why nothing works any more
	log  string // the log's identity, part of each event's source
}

// head is the committed state.
type head struct {
	tree      edge
	signature []byte // lines of the device's over the tree; nil without its key
	snapshot  uint64 // events covered by the latest one
	pruned    uint64 // events, from the first on, whose bodies are gone
	count     uint64 // of the hardware counter, once this is committed
	stamp     []byte // binds it to the tree; nil without a counter

	cursor  uint64 // events that the city has acknowledged
	written uint64 // the cursor on the disk
	ack     []byte // the note that moved the cursor
	ackTime time.Time
}

// Open opens the journal of the terminal for writing. It writes once, and makes
// sure that there is room for some hundred events. Errors: fs.ErrNotExist (see [Create]),
// [ErrLocked], [ErrForeign], [ErrVersion], [ErrCorrupt], [ErrFull], [ErrUnwritable],
// [ErrMedium], [ErrRolledBack].
func Open(c Config) (*Journal, error) {
	if c.Terminal == "" || c.Entropy == nil {
		return nil, errors.New("open journal: wants a terminal and a source of randomness")
	}
	return open(c, false)
}

// OpenReadOnly opens a journal that no daemon holds, to read, dump and verify
// it. It forgives damage to the tree, so that [Journal.Verify] can name it.
func OpenReadOnly(path string) (*Journal, error) {
	return open(Config{Path: path}, true)
}

func open(c Config, readOnly bool) (*Journal, error) {
	if c.SnapshotEvery <= 0 {
		c.SnapshotEvery = snapshotEvery
	}
	if c.OpenFile == nil {
		c.OpenFile = os.OpenFile
	}
	if c.Disk == nil {
		c.Disk = SystemDisk{}
	}
	db, file, err := openFile(c, readOnly)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", c.Path, err)
	}
	j := &Journal{config: c, readOnly: readOnly, db: db, file: file, changed: make(chan struct{}, 1)}
	if err := j.load(); err != nil {
		db.Close()
		return nil, fmt.Errorf("open journal %s: %w", c.Path, err)
	}
	if !readOnly {
		if err := j.checkCount(); err != nil {
			return nil, fmt.Errorf("open journal %s: %w", c.Path, errors.Join(err, guard("close", db.Close)))
		}
	}
	return j, nil
}

// Close writes the cursor and closes the file. A second call does nothing.
func (j *Journal) Close() error {
	j.commit.Lock()
	defer j.commit.Unlock()
	end := j.ended()
	if errors.Is(end, ErrClosed) {
		return nil
	}
	var err error
	if h := j.state(); end == nil && !j.readOnly && h.cursor != h.written {
		err = j.update("write cursor", h, nil)
	}
	j.stop(ErrClosed)
	return errors.Join(err, guard("close journal", j.db.Close))
}

// Terminal is the id of the terminal whose journal this is.
func (j *Journal) Terminal() string { return j.config.Terminal }

// Origin is the log's name in checkpoints and acknowledgements (C2SP
// tlog-checkpoint), "nachtfach.de/<terminal>".
func (j *Journal) Origin() string { return "nachtfach.de/" + j.config.Terminal }

// Size is the number of events.
func (j *Journal) Size() uint64 { return uint64(j.state().tree.size) }

// Tree is the number of events and the root hash of their Merkle tree.
func (j *Journal) Tree() (size uint64, root tlog.Hash, err error) {
	h := j.state()
	root, err = h.tree.root()
	return uint64(h.tree.size), root, err
}

// Cursor is the number of events that the city has acknowledged.
func (j *Journal) Cursor() uint64 { return j.state().cursor }

// Changed tells that events were appended; several appends may be told as one.
// There is one channel, for one receiver.
func (j *Journal) Changed() <-chan struct{} { return j.changed }

func (j *Journal) state() head {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.head
}

func (j *Journal) ended() error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.end
}

func (j *Journal) stop(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.end = why
}

// view reads in one transaction.
func (j *Journal) view(what string, f func(tx *bbolt.Tx) error) error {
	if err := j.ended(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return guard(what, func() error { return j.db.View(f) })
}

// writable says why nothing can be written, if so.
func (j *Journal) writable() error {
	if j.readOnly {
		return ErrReadOnly
	}
	return j.ended()
}

// update commits what f writes, if there is f, and the head, which becomes the
// journal's. The caller holds commit. Any failure is for ever.
func (j *Journal) update(what string, h head, f func(tx *bbolt.Tx) error) error {
	h.written = h.cursor
	var err error
	if h.stamp, err = j.stamp(h); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = guard(what, func() error {
		return j.db.Update(func(tx *bbolt.Tx) error {
			if f != nil {
				if err := f(tx); err != nil {
					return err
				}
			}
			return h.save(tx.Bucket(metaBucket))
		})
	})
	if err != nil {
		err = fmt.Errorf("%s: %w: %w", what, ErrBroken, named(err))
		j.stop(err)
		return err
	}
	j.holdSpace()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head = h
	return nil
}
