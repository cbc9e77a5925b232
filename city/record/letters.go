package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/locker"
)

// Letter is what the city keeps of one: sealed as it came until it is printed,
// and the re-issue share until the deposit ends.
type Letter struct {
	Terminal   string
	Generation locker.Generation
	Order      locker.OrderID
	Sealed     []byte
	Share      []byte
}

// KeepLetter stores a letter. One that is known, printed or not, one of a
// deposit that has ended and one of a stolen terminal are left alone; the answer
// tells whether it was new.
func (r *Record) KeepLetter(ctx context.Context, l Letter) (kept bool, err error) {
	err = r.change(ctx, func(tx *sql.Tx) error {
		var state string
		var erased bool
		err := tx.QueryRowContext(ctx, `SELECT state, erased FROM deposits WHERE terminal = ? AND generation = ?`,
			l.Terminal, l.Generation).Scan(&state, &erased)
		switch {
		case errors.Is(err, sql.ErrNoRows): // the letter overtook its event
		case err != nil:
			return err
		case erased || ends[state]:
			return nil
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO letters (terminal, generation, order_id, sealed, share, since)
			SELECT ?1, ?, ?, ?, ?, ? WHERE NOT `+stolen+` ON CONFLICT DO NOTHING`,
			l.Terminal, l.Generation, l.Order, l.Sealed, l.Share, r.stamp())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		kept = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep the letter of order %s: %w", l.Order, err)
	}
	return kept, nil
}

// Letter gives the order's latest letter that is not printed yet.
func (r *Record) Letter(ctx context.Context, id locker.OrderID) (Letter, error) {
	l := Letter{Order: id}
	err := r.db.QueryRowContext(ctx, `SELECT terminal, generation, sealed FROM letters
		WHERE order_id = ? AND sealed IS NOT NULL AND `+ownOrder("letters")+` ORDER BY generation DESC LIMIT 1`, id).
		Scan(&l.Terminal, &l.Generation, &l.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("order %q has no letter that is not printed yet (the terminal sends one when two clerks have confirmed the deposit; instead of a printed one, re-issue the code): %w", id, ErrUnknown)
	}
	return l, err
}

// Posted forgets the letter's content, once, and puts the signed word into the
// outbox. Whoever comes second gets ErrConflict. Scrub should follow.
func (r *Record) Posted(ctx context.Context, l Letter, day string, signed []byte) error {
	err := r.change(ctx, func(tx *sql.Tx) error {
		err := one(tx.ExecContext(ctx, `UPDATE letters SET sealed = NULL, posted = ?
			WHERE terminal = ? AND generation = ? AND sealed IS NOT NULL`, day, l.Terminal, l.Generation))
		if err != nil {
			return err
		}
		return r.send(ctx, tx, Message{
			Terminal: l.Terminal, Kind: locker.MessagePosted, Object: number(l.Generation), Order: l.Order, Payload: signed,
		})
	})
	if err != nil {
		return fmt.Errorf("mark the letter of order %s posted: %w", l.Order, err)
	}
	return nil
}

// Share gives the re-issue share of one generation, or ErrUnknown.
func (r *Record) Share(ctx context.Context, terminal string, g locker.Generation) ([]byte, error) {
	var share []byte
	err := r.db.QueryRowContext(ctx, `SELECT share FROM letters WHERE terminal = ? AND generation = ? AND share IS NOT NULL`,
		terminal, g).Scan(&share)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("re-issue share of generation %d at %s (it ends with the order and with its terminal's keys): %w", g, terminal, ErrUnknown)
	}
	return share, err
}
