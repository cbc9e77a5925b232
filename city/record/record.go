// Package record is the city's memory, in one SQLite file: every terminal's
// events with the hashes of their tree, what follows from them, what the city
// has yet to send, and the secrets that it keeps for a while.
//
// What a call reports as done is on the disk (WAL, synchronous=FULL). Events
// and what follows from them change in one transaction. What is deleted is
// overwritten (secure_delete), and [Record.Scrub] also empties the write-ahead
// log; what a file system or a disk keeps below that is beyond it.
//
// It judges nothing: signatures and trees are checked before.
package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Sentinels for what a caller decides on.
var (
	ErrUnknown  = errors.New("not known")
	ErrConflict = errors.New("not possible now")
)

// version is that of the schema, kept in user_version.
const version = 13

const schema = `
CREATE TABLE terminals (
	id         TEXT PRIMARY KEY,
	verifier   TEXT NOT NULL,             -- of the device's notes
	size       INTEGER NOT NULL DEFAULT 0, -- events held; the next one's sequence
	checkpoint BLOB,                      -- the device's note that covers the last of them
	online     INTEGER NOT NULL DEFAULT 0,
	since      TEXT NOT NULL DEFAULT '',
	state      BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
	terminal TEXT NOT NULL,
	seq      INTEGER NOT NULL,
	type     TEXT NOT NULL,
	body     BLOB NOT NULL,
	hashes   BLOB NOT NULL, -- the tree's hashes that this event completes, leaf first, 32 bytes each
	PRIMARY KEY (terminal, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
	terminal TEXT NOT NULL,
	key      INTEGER NOT NULL,
	hash     TEXT NOT NULL,              -- of the public half
	public   BLOB,                       -- by the device's signed list
	named    INTEGER NOT NULL DEFAULT 0, -- by an event too
	expires  TEXT NOT NULL,
	leased   TEXT NOT NULL DEFAULT '',
	gone     INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (terminal, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
	id       TEXT PRIMARY KEY,
	terminal TEXT NOT NULL,
	version  INTEGER NOT NULL,
	key      INTEGER NOT NULL,
	state    TEXT NOT NULL,
	reason   TEXT NOT NULL DEFAULT '',
	since    TEXT NOT NULL,
	sealed   BLOB -- until it has arrived
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
	terminal TEXT NOT NULL,
	kind     TEXT NOT NULL,
	object   TEXT NOT NULL, -- order, generation or version, as the kind has it
	order_id TEXT NOT NULL,
	payload  BLOB NOT NULL,
	since    TEXT NOT NULL,
	expires  TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (terminal, kind, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE deposits (
	terminal    TEXT NOT NULL,
	generation  INTEGER NOT NULL,
	order_id    TEXT NOT NULL,
	compartment INTEGER NOT NULL,
	replaces    INTEGER NOT NULL DEFAULT 0,
	state       TEXT NOT NULL,
	since       TEXT NOT NULL,
	posted      TEXT NOT NULL DEFAULT '',
	expired     INTEGER NOT NULL DEFAULT 0,
	erased      INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (terminal, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX deposits_order ON deposits (order_id);

CREATE TABLE letters (
	terminal   TEXT NOT NULL,
	generation INTEGER NOT NULL,
	order_id   TEXT NOT NULL,
	sealed     BLOB, -- until it is printed
	share      BLOB, -- until the deposit ends
	since      TEXT NOT NULL,
	posted     TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (terminal, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX letters_order ON letters (order_id);

CREATE TABLE alarms (
	terminal TEXT NOT NULL,
	kind     TEXT NOT NULL,
	detail   TEXT NOT NULL,
	first    TEXT NOT NULL,
	last     TEXT NOT NULL,
	times    INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (terminal, kind, detail)
) STRICT, WITHOUT ROWID;
`

// second adds to version 1 what admins see: the terminals' own alarms, and what
// was noted about any alarm.
const second = `
CREATE TABLE raised (
	terminal    TEXT NOT NULL,
	alarm       INTEGER NOT NULL,
	class       TEXT NOT NULL,
	kind        TEXT NOT NULL,
	compartment INTEGER NOT NULL,
	detail      TEXT NOT NULL,
	since       TEXT NOT NULL,
	cleared     TEXT NOT NULL DEFAULT '',
	note        TEXT NOT NULL DEFAULT '',
	noted_by    TEXT NOT NULL DEFAULT '',
	noted       TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (terminal, alarm)
) STRICT, WITHOUT ROWID;
CREATE INDEX raised_since ON raised (since);
ALTER TABLE alarms ADD COLUMN note     TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN noted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN noted    TEXT NOT NULL DEFAULT '';
`

// fourth adds the terminals that were declared stolen.
const fourth = `
CREATE TABLE stolen (
	terminal TEXT PRIMARY KEY,
	since    TEXT NOT NULL,
	command  BLOB NOT NULL -- as two admins signed it
) STRICT, WITHOUT ROWID;
`

// Record is the open file. Its methods may be called at the same time.
type Record struct {
	db  *sql.DB
	now func() time.Time
}

// Open opens the file, or makes it with mode 0600.
func Open(path string, now func() time.Time) (*Record, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the city's record: %w", err)
	}
	f.Close()
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)",
	}}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open the city's record %s: %w", path, err)
	}
	// One connection: SQLite writes one transaction at a time anyway, and in this
	// way nobody ever meets a busy file.
	db.SetMaxOpenConns(1)
	r := &Record{db: db, now: now}
	if err := r.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the city's record %s: %w", path, err)
	}
	return r, nil
}

func (r *Record) prepare() error {
	return r.change(context.Background(), func(tx *sql.Tx) error {
		var is int
		if err := tx.QueryRow(`PRAGMA user_version`).Scan(&is); err != nil {
			return err
		}
		if is < 0 || is > version {
			return fmt.Errorf("it is of version %d, this program knows version %d", is, version)
		}
		if is == version {
			return nil
		}
		for _, step := range []func(*sql.Tx) error{
			func(tx *sql.Tx) error { _, err := tx.Exec(schema); return err },
			addRaised,
			addReceipts,
			func(tx *sql.Tx) error { _, err := tx.Exec(fourth); return err },
			addClosed,
			addVerifiers,
			addTraining,
			addPruned,
			addKeyList,
			addConditions,
			addIncidents,
			addDesks,
			addStatements,
		}[is:] {
			if err := step(tx); err != nil {
				return fmt.Errorf("bring it from version %d to %d: %w", is, version, err)
			}
		}
		_, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, version))
		return err
	})
}

// Close closes the file.
func (r *Record) Close() error { return r.db.Close() }

// Scrub empties the write-ahead log, so that what was deleted is in no file of
// SQLite's any more.
func (r *Record) Scrub(ctx context.Context) error {
	var busy, log, done int
	err := r.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done)
	if err == nil && busy != 0 {
		err = errors.New("the file is read by somebody else")
	}
	if err != nil {
		return fmt.Errorf("empty the write-ahead log: %w", err)
	}
	return nil
}

// change runs f in one transaction.
func (r *Record) change(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, rolledBack(tx.Rollback()))
	}
	return tx.Commit()
}

func rolledBack(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

const layout = "2006-01-02T15:04:05.000Z"

func (r *Record) stamp() string { return stamp(r.now()) }

// stamp writes a time so that texts sort as times do.
func stamp(t time.Time) string { return t.UTC().Format(layout) }

func parseStamp(s string) time.Time {
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{} // empty: never
	}
	return t
}
