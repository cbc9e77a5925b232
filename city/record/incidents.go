package record

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// incidents leads from an incident number, as a kiosk prints it, to the events
// of its matter, however long ago they were.
const incidents = `CREATE TABLE IF NOT EXISTS incidents (
	terminal TEXT NOT NULL,
	incident TEXT NOT NULL,
	seq      INTEGER NOT NULL,
	PRIMARY KEY (terminal, incident, seq)
) STRICT, WITHOUT ROWID`

func addIncidents(tx *sql.Tx) error {
	_, err := tx.Exec(incidents)
	return err
}

// incident remembers under which numbers an event is found.
func (p projection) incident(seq uint64, fact locker.Fact) error {
	if fact == nil {
		return nil
	}
	for _, number := range locker.Incidents(p.terminal, fact) {
		err := p.exec(`INSERT INTO incidents (terminal, incident, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, p.terminal, number, seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// incident gives at most limit events of a matter before the given sequence,
// the latest first; known is false for a text that is no incident's number.
func (r *Record) incident(ctx context.Context, terminal, number string, before uint64, limit int) (events []api.Event, known bool, err error) {
	number = strings.ToLower(strings.TrimSpace(number))
	err = r.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM incidents WHERE terminal = ? AND incident = ?)`, terminal, number).Scan(&known)
	if err != nil || !known {
		return nil, false, err
	}
	rows, err := r.db.QueryContext(ctx, `SELECT seq, type, body FROM events JOIN incidents USING (terminal, seq)
		WHERE terminal = ?1 AND incident = ? AND seq >= `+unpruned+` AND seq < ? ORDER BY seq DESC LIMIT ?`, terminal, number, before, limit)
	events, err = collect(rows, err, func(scan func(...any) error) (e api.Event, err error) {
		return e, scan(&e.Sequence, &e.Type, &e.Body)
	})
	if err != nil {
		return nil, false, fmt.Errorf("events of incident %q of %s: %w", number, terminal, err)
	}
	return events, true, nil
}
