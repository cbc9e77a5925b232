package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// fifth adds to version 4 the terminals whose log is closed.
const fifth = `ALTER TABLE terminals ADD COLUMN closed TEXT NOT NULL DEFAULT '';`

func addClosed(tx *sql.Tx) error {
	_, err := tx.Exec(fifth)
	return err
}

// Why an order ends with its terminal's board.
const (
	lostInside = "the terminal's board was replaced and with it its keys; two clerks look for the document"
	lostBefore = "the terminal's board was replaced and with it its keys; capture the order anew"
)

// Retire closes a terminal's log: its board is dead, stolen or replaced, and no
// key of it will ever open anything. All that is known of it is kept under
// another name, TERMINAL.N, which is returned; the terminal's own is free for
// the next board. Letters and shares are forgotten, nothing more is sent, and
// every order that had not ended is lost.
func (r *Record) Retire(ctx context.Context, terminal string) (closed string, err error) {
	err = r.change(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM terminals WHERE id LIKE ? || '.%'`, terminal).Scan(&n)
		if err != nil {
			return err
		}
		closed = fmt.Sprintf("%s.%d", terminal, n+1)
		done, err := tx.ExecContext(ctx, `UPDATE terminals SET id = ?, closed = ?, online = 0 WHERE id = ? AND closed = ''`, closed, r.stamp(), terminal)
		if err := one(done, err); errors.Is(err, ErrConflict) {
			return fmt.Errorf("terminal %q: %w", terminal, ErrUnknown)
		} else if err != nil {
			return err
		}
		return closeRows(ctx, tx, terminal, closed, r.stamp())
	})
	if err != nil {
		return "", fmt.Errorf("close the log of %s: %w", terminal, err)
	}
	return closed, nil
}

func closeRows(ctx context.Context, tx *sql.Tx, terminal, closed, at string) error {
	lost := `UPDATE orders SET state = ?, reason = ?, since = ?, sealed = NULL WHERE terminal = ? AND state IN (?, ?, ?) AND `
	open := []any{terminal, api.OrderHeld, api.OrderSent, api.OrderAccepted}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{lost + `id IN (SELECT order_id FROM deposits WHERE terminal = ? AND state IN (?, ?, ?, ?))`,
			append(append([]any{api.OrderLost, lostInside, at}, open...), append([]any{terminal}, inside...)...)},
		{lost + `id NOT IN (SELECT order_id FROM deposits WHERE terminal = ? AND state IN (?, ?, ?))`,
			append(append([]any{api.OrderLost, lostBefore, at}, open...), terminal, api.DepositTaken, api.DepositUnloaded, api.DepositMissing)},
		{`UPDATE letters SET sealed = NULL, share = NULL WHERE terminal = ?`, []any{terminal}},
		{`UPDATE keys SET gone = 1 WHERE terminal = ?`, []any{terminal}},
		{`DELETE FROM outbox WHERE terminal = ?`, []any{terminal}},
		{`UPDATE alarms SET cleared = ? WHERE terminal = ? AND condition = 1 AND cleared = ''`, []any{at, terminal}},
	} {
		if _, err := tx.ExecContext(ctx, q.query, q.args...); err != nil {
			return err
		}
	}
	for _, table := range []string{"events", "keys", "orders", "deposits", "letters", "alarms", "raised", "stolen", "verifiers", "incidents", "desks", "rosters"} {
		if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET terminal = ? WHERE terminal = ?`, closed, terminal); err != nil { //nolint:gosec // a name of ours
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

// inside are the states of a deposit whose document lies in the terminal, or may.
var inside = []any{api.DepositLaid, api.DepositLoaded, api.DepositUnconfirmed, api.DepositDisputed, api.DepositDoubted}

// Adoption is what the next board is told of a closed log, but size and root.
func (r *Record) Adoption(ctx context.Context, closed string) (a locker.Adoption, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(MAX(generation), 0) FROM deposits WHERE terminal = id),
		(SELECT COALESCE(MAX(key), 0) FROM keys WHERE terminal = id)
		FROM terminals WHERE id = ? AND closed <> ''`, closed).Scan(&a.Generation, &a.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("closed log %q: %w", closed, ErrUnknown)
	}
	if err != nil {
		return a, fmt.Errorf("closed log %q: %w", closed, err)
	}
	rows, err := r.db.QueryContext(ctx, `SELECT compartment, order_id FROM deposits
		WHERE terminal = ? AND state IN (?, ?, ?, ?, ?) GROUP BY compartment ORDER BY compartment`, append([]any{closed}, inside...)...)
	a.Held, err = collect(rows, err, func(scan func(...any) error) (h locker.HeldDocument, err error) {
		return h, scan(&h.Compartment, &h.Order)
	})
	return a, err
}

// inspected tells an order that was lost with this terminal's former board what
// became of its document.
func (p projection) inspected(f locker.CompartmentInspected) error {
	state, reason := api.OrderMissing, "two clerks found nothing where it should lie"
	if f.Found {
		state, reason = api.OrderRecovered, "two clerks took the document out; capture the order anew, or hand it over at the desk"
	}
	return p.exec(`UPDATE orders SET state = ?, reason = ?, since = ?
		WHERE id = ? AND state = ? AND terminal LIKE ? || '.%'`, state, reason, p.at, f.Order, api.OrderLost, p.terminal)
}
