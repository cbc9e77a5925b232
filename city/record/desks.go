package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// addDesks adds to version 10 which roster is in force at each terminal, its
// desks' keys, and who signed which order.
func addDesks(tx *sql.Tx) error {
	_, err := tx.Exec(`
CREATE TABLE rosters (
	terminal TEXT PRIMARY KEY,
	version  INTEGER NOT NULL,
	since    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE desks (
	terminal TEXT NOT NULL,
	key      TEXT NOT NULL, -- fingerprint
	person   TEXT NOT NULL,
	leaves   TEXT NOT NULL,
	PRIMARY KEY (terminal, key)
) STRICT, WITHOUT ROWID;
ALTER TABLE orders ADD COLUMN signer TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN captured TEXT NOT NULL DEFAULT '';
`)
	return err
}

// roster replaces what is known of the terminal's roster.
func (p projection) roster(f locker.RosterAccepted) error {
	err := p.exec(`DELETE FROM outbox WHERE terminal = ? AND kind = ? AND CAST(object AS INTEGER) <= ?`,
		p.terminal, locker.MessageRoster, f.Version)
	if err != nil {
		return err
	}
	if err := p.exec(`INSERT OR REPLACE INTO rosters (terminal, version, since) VALUES (?, ?, ?)`, p.terminal, f.Version, p.at); err != nil {
		return err
	}
	if err := p.exec(`DELETE FROM desks WHERE terminal = ?`, p.terminal); err != nil {
		return err
	}
	for _, d := range f.Desks {
		leaves := ""
		if !d.Leaves.IsZero() {
			leaves = stamp(d.Leaves)
		}
		err := p.exec(`INSERT OR REPLACE INTO desks (terminal, key, person, leaves) VALUES (?, ?, ?, ?)`, p.terminal, d.Key, d.Person, leaves)
		if err != nil {
			return err
		}
	}
	return nil
}

// Roster gives what is known of the roster in force at a terminal; version 0 if
// it has not told of one.
func (r *Record) Roster(ctx context.Context, terminal string) (api.Roster, error) {
	roster := api.Roster{Terminal: terminal, Desks: []locker.DeskKey{}}
	var since string
	err := r.db.QueryRowContext(ctx, `SELECT version, since FROM rosters WHERE terminal = ?`, terminal).Scan(&roster.Version, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return roster, nil
	}
	if err != nil {
		return roster, fmt.Errorf("read the roster of %s: %w", terminal, err)
	}
	roster.Since = parseStamp(since)
	rows, err := r.db.QueryContext(ctx, `SELECT person, key, leaves FROM desks WHERE terminal = ? ORDER BY person, key`, terminal)
	all, err := collect(rows, err, func(scan func(...any) error) (d locker.DeskKey, err error) {
		var leaves string
		err = scan(&d.Person, &d.Key, &leaves)
		d.Leaves = parseStamp(leaves)
		return d, err
	})
	if err != nil {
		return roster, fmt.Errorf("read the desks of %s: %w", terminal, err)
	}
	roster.Desks = append(roster.Desks, all...)
	return roster, nil
}
