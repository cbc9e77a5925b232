package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/api"
)

// addPruned adds to version 7 how many of a terminal's events, from the first
// on, are hashes alone.
func addPruned(tx *sql.Tx) error {
	_, err := tx.Exec(`ALTER TABLE terminals ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0`)
	return err
}

// unpruned is the first event that has a body, of the terminal that is the
// query's first argument.
const unpruned = `(SELECT pruned FROM terminals WHERE id = ?1)`

// pruneBatch is how many bodies one transaction removes: events that come in
// wait for it.
const pruneBatch = 200

// Prune removes what names people, if it is over and older than that: the bodies
// of events with their salts, whose hashes stay, so that the tree verifies as
// before; ended orders; the orders' numbers of ended deposits and letters, of
// which generation and receipt stay; alarms with their notes. It answers how
// many events were pruned. What has not ended stays, however old.
func (r *Record) Prune(ctx context.Context, before time.Time) (events int, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT id FROM terminals ORDER BY id`)
	terminals, err := collect(rows, err, func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
	if err != nil {
		return 0, fmt.Errorf("prune the record: %w", err)
	}
	for _, terminal := range terminals {
		for n := pruneBatch; n == pruneBatch; events += n {
			if n, err = r.pruneSome(ctx, terminal, before); err != nil {
				return events, fmt.Errorf("prune the events of %s: %w", terminal, err)
			}
		}
	}
	if err := r.change(ctx, func(tx *sql.Tx) error { return r.pruneOrders(ctx, tx, stamp(before)) }); err != nil {
		return events, fmt.Errorf("prune the record: %w", err)
	}
	return events, nil
}

// pruneSome takes events from the first on. One dated later than now was dated by
// a clock that was set back since; the next one that is not decides about it.
func (r *Record) pruneSome(ctx context.Context, terminal string, before time.Time) (n int, err error) {
	err = r.change(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT seq, body FROM events WHERE terminal = ?1 AND seq >= `+unpruned+` ORDER BY seq LIMIT ?`, terminal, pruneBatch)
		all, err := collect(rows, err, func(scan func(...any) error) (e api.Event, err error) { return e, scan(&e.Sequence, &e.Body) })
		if err != nil {
			return err
		}
		for i := range all {
			var event struct {
				Time time.Time `json:"time"`
			}
			if err := json.Unmarshal(all[i].Body, &event); err != nil {
				return fmt.Errorf("event %d: %w", all[i].Sequence, err)
			}
			if event.Time.After(r.now()) {
				continue
			}
			if !event.Time.Before(before) {
				break
			}
			n = i + 1
		}
		if n == 0 {
			return nil
		}
		next := all[n-1].Sequence + 1
		if _, err := tx.ExecContext(ctx, `UPDATE events SET body = x'' WHERE terminal = ?1 AND seq >= `+unpruned+` AND seq < ?`, terminal, next); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM incidents WHERE terminal = ? AND seq < ?`, terminal, next); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE terminals SET pruned = ? WHERE id = ?`, next, terminal)
		return err
	})
	return n, err
}

// pruneOrders leaves the rows of deposits and letters: their generations were
// given out, and a letter that comes once more must be known.
func (r *Record) pruneOrders(ctx context.Context, tx *sql.Tx, before string) error {
	handed := []any{api.DepositTaken, api.DepositUnloaded, api.DepositMissing, api.DepositDead}
	over := append([]any{api.DepositReplaced, api.DepositAbandoned}, handed...)
	closed := []any{api.OrderRefused, api.OrderWithdrawn, api.OrderRecovered, api.OrderMissing, api.OrderDead}
	for _, q := range []struct {
		query string
		args  [][]any
	}{
		{`DELETE FROM orders WHERE since < ? AND state IN (?, ?, ?, ?, ?)`, [][]any{{before}, closed}},
		{`DELETE FROM orders WHERE since < ? AND state = ?
			AND EXISTS (SELECT 1 FROM deposits WHERE order_id = orders.id AND state IN (?, ?, ?, ?))
			AND NOT EXISTS (SELECT 1 FROM deposits WHERE order_id = orders.id AND NOT (since < ? AND state IN (?, ?, ?, ?, ?, ?)))`,
			[][]any{{before, api.OrderAccepted}, handed, {before}, over}},
		{`DELETE FROM orders WHERE since < ? AND state = ? AND NOT EXISTS
			(SELECT 1 FROM keys WHERE terminal = orders.terminal AND key = orders.key AND NOT gone AND expires > ?)`,
			[][]any{{before, api.OrderHeld, r.stamp()}}},
		{`UPDATE deposits SET order_id = '', posted = '' WHERE order_id <> '' AND since < ? AND state IN (?, ?, ?, ?, ?, ?)`, [][]any{{before}, over}},
		{`UPDATE letters SET order_id = '', posted = '' WHERE order_id <> '' AND since < ? AND sealed IS NULL AND share IS NULL`, [][]any{{before}}},
		{`DELETE FROM raised WHERE cleared <> '' AND max(since, cleared, noted) < ?`, [][]any{{before}}},
		{`DELETE FROM alarms WHERE max(last, noted) < ?`, [][]any{{before}}},
	} {
		var args []any
		for _, a := range q.args {
			args = append(args, a...)
		}
		if _, err := tx.ExecContext(ctx, q.query, args...); err != nil {
			return err
		}
	}
	return nil
}

// Pruned gives the leaves of the terminal's events from the given one on that
// are hashes alone, at most limit.
func (r *Record) Pruned(ctx context.Context, terminal string, from uint64, limit int) ([]tlog.Hash, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT hashes FROM events WHERE terminal = ?1 AND seq >= ? AND seq < `+unpruned+` ORDER BY seq LIMIT ?`, terminal, from, limit)
	leaves, err := collect(rows, err, func(scan func(...any) error) (leaf tlog.Hash, err error) {
		var hashes []byte
		if err := scan(&hashes); err != nil {
			return leaf, err
		}
		if copy(leaf[:], hashes) < tlog.HashSize {
			err = fmt.Errorf("a hash of %d bytes", len(hashes))
		}
		return leaf, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the hashes of %s from event %d: %w", terminal, from, err)
	}
	return leaves, nil
}
