package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// stolen holds for the terminal ?1 while it is declared stolen.
const stolen = `EXISTS (SELECT 1 FROM stolen WHERE terminal = ?1)`

// DeclareStolen ends what the city holds for a terminal, in one transaction:
// letters and shares are overwritten, its deposits and open orders are dead,
// its keys gone, and nothing is sent to it any more. The signed command is kept
// as the reason. The same again is no error.
func (r *Record) DeclareStolen(ctx context.Context, terminal string, command []byte) error {
	return r.change(ctx, func(tx *sql.Tx) error {
		at := r.stamp()
		for _, step := range []struct {
			query string
			args  []any
		}{
			{`INSERT INTO stolen (terminal, since, command) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, []any{terminal, at, command}},
			{`UPDATE letters SET sealed = NULL, share = NULL WHERE terminal = ?`, []any{terminal}},
			{`UPDATE deposits SET state = ?, since = ? WHERE terminal = ? AND state NOT IN (?, ?, ?, ?, ?)`, []any{
				api.DepositDead, at, terminal,
				api.DepositReplaced, api.DepositAbandoned, api.DepositTaken, api.DepositUnloaded, api.DepositMissing,
			}},
			{`UPDATE orders SET state = ?, since = ?, sealed = NULL, reason = 'the terminal was declared stolen'
				WHERE terminal = ? AND (state IN (?, ?) OR state = ? AND id NOT IN (SELECT order_id FROM deposits WHERE terminal = ? AND state <> ?))`, []any{
				api.OrderDead, at, terminal, api.OrderHeld, api.OrderSent, api.OrderAccepted, terminal, api.DepositDead,
			}},
			{`UPDATE keys SET gone = 1 WHERE terminal = ?`, []any{terminal}},
			{`DELETE FROM outbox WHERE terminal = ?`, []any{terminal}},
		} {
			if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
				return fmt.Errorf("declare terminal %s stolen: %w", terminal, err)
			}
		}
		return nil
	})
}

// Recovered forgets the declaration; nothing that it ended comes back.
func (r *Record) Recovered(ctx context.Context, terminal string) error {
	done, err := r.db.ExecContext(ctx, `DELETE FROM stolen WHERE terminal = ?`, terminal)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("terminal %s was not declared stolen: %w", terminal, ErrConflict))
	}
	return nil
}

// Burglary reads the terminal's latest list of what lay inside, or gives ErrUnknown.
func (r *Record) Burglary(ctx context.Context, terminal string) (api.Burglary, error) {
	b := api.Burglary{Terminal: terminal}
	var body []byte
	err := r.db.QueryRowContext(ctx, `SELECT seq, body FROM events WHERE terminal = ?1 AND type = ? AND seq >= `+unpruned+` ORDER BY seq DESC LIMIT 1`,
		terminal, locker.BurglaryDeclared{}.Type()).Scan(&b.Sequence, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return b, fmt.Errorf("terminal %s has told of no burglary: %w", terminal, ErrUnknown)
	}
	if err != nil {
		return b, err
	}
	var event struct {
		Time time.Time               `json:"time"`
		Data locker.BurglaryDeclared `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return b, fmt.Errorf("event %d of terminal %s: %w", b.Sequence, terminal, err)
	}
	b.Time, b.Cause, b.Inside = event.Time, event.Data.Cause, event.Data.Inside
	return b, nil
}
