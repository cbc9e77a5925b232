package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// Event is one event that the device's checkpoint covers.
type Event struct {
	Body   []byte
	Type   string
	Time   time.Time
	Fact   locker.Fact // nil for a type of a newer terminal
	Hashes []tlog.Hash // that it completes, leaf first
}

// Append stores events from sequence first on, with the checkpoint that covers
// them and all that follows from them. It refuses a gap or an overlap.
func (r *Record) Append(ctx context.Context, terminal string, first uint64, events []Event, checkpoint []byte) error {
	err := r.change(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx,
			`UPDATE terminals SET size = size + ?, checkpoint = ? WHERE id = ? AND size = ?`,
			len(events), checkpoint, terminal, first)
		if err := one(done, err); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx,
			`INSERT INTO events (terminal, seq, type, body, hashes) VALUES (?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, e := range events {
			hashes := make([]byte, 0, len(e.Hashes)*tlog.HashSize)
			for _, h := range e.Hashes {
				hashes = append(hashes, h[:]...)
			}
			if _, err := insert.ExecContext(ctx, terminal, first+uint64(i), e.Type, e.Body, hashes); err != nil {
				return err
			}
			p := projection{ctx: ctx, tx: tx, terminal: terminal, at: stamp(e.Time)}
			if err := p.apply(e.Fact); err != nil {
				return fmt.Errorf("event %d (%s): %w", first+uint64(i), e.Type, err)
			}
			if err := p.incident(first+uint64(i), e.Fact); err != nil {
				return fmt.Errorf("incident of event %d: %w", first+uint64(i), err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d events of %s from %d: %w", len(events), terminal, first, err)
	}
	return nil
}

// one makes an error of a change that did not hit exactly one row.
func one(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n != 1 {
		err = ErrConflict
	}
	return err
}

// Hashes reads hashes of a terminal's tree by their index (tlog.HashReader).
func (r *Record) Hashes(ctx context.Context, terminal string, indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		seq := (n+1)<<level - 1 // the event that completes it
		var all []byte
		err := r.db.QueryRowContext(ctx,
			`SELECT hashes FROM events WHERE terminal = ? AND seq = ?`, terminal, seq).Scan(&all)
		if err != nil {
			return nil, fmt.Errorf("read hash %d of %s: %w", index, terminal, err)
		}
		if len(all) < (level+1)*tlog.HashSize {
			return nil, fmt.Errorf("read hash %d of %s: event %d lacks it", index, terminal, seq)
		}
		copy(hashes[i][:], all[level*tlog.HashSize:])
	}
	return hashes, nil
}

// Events gives at most limit events from the given one on, without those that
// were pruned.
func (r *Record) Events(ctx context.Context, terminal string, from uint64, limit int) ([]api.Event, error) {
	rows, err := r.db.QueryContext(ctx,
		`SELECT seq, type, body FROM events WHERE terminal = ?1 AND seq >= max(?, `+unpruned+`) ORDER BY seq LIMIT ?`, terminal, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", terminal, err)
	}
	defer rows.Close()
	var events []api.Event
	for rows.Next() {
		var e api.Event
		if err := rows.Scan(&e.Sequence, &e.Type, &e.Body); err != nil {
			return nil, fmt.Errorf("read events of %s: %w", terminal, err)
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// AddTerminal registers a terminal. The same again is no error; another
// verifier for a known terminal is.
func (r *Record) AddTerminal(ctx context.Context, id, verifier string) error {
	return r.change(ctx, func(tx *sql.Tx) error {
		var known string
		err := tx.QueryRowContext(ctx, `SELECT verifier FROM terminals WHERE id = ?`, id).Scan(&known)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			_, err := tx.ExecContext(ctx, `INSERT INTO terminals (id, verifier) VALUES (?, ?)`, id, verifier)
			return err
		case err != nil:
			return err
		case known != verifier:
			return fmt.Errorf("terminal %s has another verifier key already: %w", id, ErrConflict)
		}
		return nil
	})
}

const terminalColumns = `id, verifier, size, pruned, online, since, state, stated, training, COALESCE((SELECT since FROM stolen WHERE terminal = id), ''), closed`

func scanTerminal(scan func(...any) error) (t api.Terminal, err error) {
	var since, stated, stolen, closed string
	err = scan(&t.ID, &t.Verifier, &t.Size, &t.Pruned, &t.Online, &since, (*[]byte)(&t.State), &stated, &t.Training, &stolen, &closed)
	t.Stated = parseStamp(stated)
	t.Since, t.Stolen, t.Closed = parseStamp(since), parseStamp(stolen), parseStamp(closed)
	return t, err
}

// Terminals lists the terminals whose log is open, by id.
func (r *Record) Terminals(ctx context.Context) ([]api.Terminal, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+terminalColumns+` FROM terminals WHERE closed = '' ORDER BY id`)
	return collect(rows, err, scanTerminal)
}

// Terminal gives one terminal, or ErrUnknown.
func (r *Record) Terminal(ctx context.Context, id string) (api.Terminal, error) {
	row := r.db.QueryRowContext(ctx, `SELECT `+terminalColumns+` FROM terminals WHERE id = ?`, id)
	t, err := scanTerminal(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("terminal %q: %w", id, ErrUnknown)
	}
	return t, err
}

// collect reads all rows.
func collect[T any](rows *sql.Rows, err error, scan func(func(...any) error) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Checkpoint gives the device's note that covers the last event; nil for none.
func (r *Record) Checkpoint(ctx context.Context, terminal string) ([]byte, error) {
	var note []byte
	err := r.db.QueryRowContext(ctx, `SELECT checkpoint FROM terminals WHERE id = ?`, terminal).Scan(&note)
	return note, err
}

// SetOnline notes whether the terminal is connected.
func (r *Record) SetOnline(ctx context.Context, terminal string, online bool) error {
	_, err := r.db.ExecContext(ctx,
		`UPDATE terminals SET online = ?, since = ? WHERE id = ? AND online <> ?`, online, r.stamp(), terminal, online)
	return err
}

// addStatements adds to version 12 what is known of the terminals' signed states,
// and whether they train by their events.
func addStatements(tx *sql.Tx) error {
	_, err := tx.Exec(`ALTER TABLE terminals ADD COLUMN statement INTEGER NOT NULL DEFAULT 0; -- sequence of the state
		ALTER TABLE terminals ADD COLUMN stated TEXT NOT NULL DEFAULT ''; -- when it came
		ALTER TABLE terminals ADD COLUMN training INTEGER NOT NULL DEFAULT 0;`)
	return err
}

// SetStatement keeps a terminal's verified state if its sequence is larger than that
// of the one before, and reports whether it is.
func (r *Record) SetStatement(ctx context.Context, terminal string, sequence uint64, state []byte) (fresh bool, err error) {
	done, err := r.db.ExecContext(ctx, `UPDATE terminals SET state = ?, statement = ?, stated = ? WHERE id = ? AND statement < ?`,
		state, int64(sequence), r.stamp(), terminal, int64(sequence))
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// SetState keeps a state that has no sequence, such as that of a terminal without
// a store.
func (r *Record) SetState(ctx context.Context, terminal string, state []byte) error {
	_, err := r.db.ExecContext(ctx, `UPDATE terminals SET state = ?, stated = ? WHERE id = ?`, state, r.stamp(), terminal)
	return err
}

// maxAlarms bounds what a hostile broker can fill the record with, per terminal.
const maxAlarms = 200

// Alarm notes that something is wrong. The same again only counts, and of too
// many the oldest go.
func (r *Record) Alarm(ctx context.Context, terminal, kind, detail string) error {
	now := r.stamp()
	return r.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO alarms (terminal, kind, detail, first, last) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET last = excluded.last, times = times + 1`, terminal, kind, detail, now, now)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM alarms WHERE terminal = ? AND kind <> ? AND condition = 0 AND (kind, detail) NOT IN
			(SELECT kind, detail FROM alarms WHERE terminal = ? ORDER BY last DESC LIMIT ?)`,
			terminal, api.AlarmFork, terminal, maxAlarms)
		return err
	})
}

// Alarms lists the latest 1000.
func (r *Record) Alarms(ctx context.Context) ([]api.Alarm, error) {
	rows, err := r.db.QueryContext(ctx,
		`SELECT terminal, kind, detail, first, last, times, cleared FROM alarms ORDER BY last DESC LIMIT 1000`)
	return collect(rows, err, func(scan func(...any) error) (a api.Alarm, err error) {
		var first, last, cleared string
		err = scan(&a.Terminal, &a.Kind, &a.Detail, &first, &last, &a.Times, &cleared)
		a.First, a.Last, a.Cleared = parseStamp(first), parseStamp(last), parseStamp(cleared)
		return a, err
	})
}
