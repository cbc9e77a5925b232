package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// addConditions adds to version 9 the city's alarms that stand until their
// condition is over.
func addConditions(tx *sql.Tx) error {
	_, err := tx.Exec(`ALTER TABLE alarms ADD COLUMN condition INTEGER NOT NULL DEFAULT 0;
		ALTER TABLE alarms ADD COLUMN cleared TEXT NOT NULL DEFAULT '';
		CREATE TABLE probe (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;`)
	return err
}

// Raise records that a condition holds at a terminal, or of the city as a whole
// (terminal ""). It reports whether that is new: a condition that stands already
// changes nothing.
func (r *Record) Raise(ctx context.Context, terminal, kind, detail string) (raised bool, err error) {
	now := r.stamp()
	err = r.change(ctx, func(tx *sql.Tx) error {
		var stands int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM alarms WHERE terminal = ? AND kind = ? AND condition = 1 AND cleared = ''`,
			terminal, kind).Scan(&stands)
		if raised = err == nil && stands == 0; !raised {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO alarms (terminal, kind, detail, first, last, condition) VALUES (?, ?, ?, ?, ?, 1)`,
			terminal, kind, detail, now, now)
		return err
	})
	return raised && err == nil, err
}

// Clear records that a condition is over, and reports whether it held.
func (r *Record) Clear(ctx context.Context, terminal, kind string) (cleared bool, err error) {
	done, err := r.db.ExecContext(ctx, `UPDATE alarms SET cleared = ? WHERE terminal = ? AND kind = ? AND condition = 1 AND cleared = ''`,
		r.stamp(), terminal, kind)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Full tells whether an error means that the record's file system has no room.
func Full(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// probeSize is more than one message of a terminal needs.
const probeSize = 1 << 20

// Probe tries whether the record can be written: it stores and deletes probeSize
// bytes.
func (r *Record) Probe(ctx context.Context) error {
	err := r.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO probe (id, content) VALUES (1, zeroblob(?))`, probeSize)
		return err
	})
	if err == nil {
		_, err = r.db.ExecContext(ctx, `DELETE FROM probe`)
	}
	if err != nil {
		return fmt.Errorf("write to the city's record: %w", err)
	}
	return nil
}
