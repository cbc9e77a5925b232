package record

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/nachtfach/nachtfach/locker"
)

// sixth adds to version 5 the keys that devices had before.
const sixth = `
CREATE TABLE verifiers (
	terminal TEXT NOT NULL,
	verifier TEXT NOT NULL,
	until    TEXT NOT NULL,
	PRIMARY KEY (terminal, verifier)
) STRICT, WITHOUT ROWID;
`

func addVerifiers(tx *sql.Tx) error {
	_, err := tx.Exec(sixth)
	return err
}

// rekeyed lets the device's new key take the old one's place.
func (p projection) rekeyed(f locker.DeviceRekeyed) error {
	if err := p.exec(`INSERT INTO verifiers (terminal, verifier, until)
		SELECT id, verifier, ? FROM terminals WHERE id = ? AND verifier <> ? ON CONFLICT DO NOTHING`, p.at, p.terminal, f.Verifier); err != nil {
		return err
	}
	return p.exec(`UPDATE terminals SET verifier = ? WHERE id = ?`, f.Verifier, p.terminal)
}

// Verifiers are the keys of a terminal's device: the present one, then those
// that it had before, the latest first.
func (r *Record) Verifiers(ctx context.Context, terminal string) ([]string, error) {
	t, err := r.Terminal(ctx, terminal)
	if err != nil {
		return nil, err
	}
	rows, err := r.db.QueryContext(ctx, `SELECT verifier FROM verifiers WHERE terminal = ? ORDER BY until DESC`, terminal)
	before, err := collect(rows, err, func(scan func(...any) error) (v string, err error) { return v, scan(&v) })
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", terminal, err)
	}
	return append([]string{t.Verifier}, before...), nil
}
