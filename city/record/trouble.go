package record

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

func (p projection) raised(f locker.AlarmRaised) error {
	return p.exec(`INSERT INTO raised (terminal, alarm, class, kind, compartment, detail, since)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		p.terminal, f.Alarm, f.Class, f.Kind, f.Compartment, f.Detail, p.at)
}

// addRaised fills the new table from the events that are there.
func addRaised(tx *sql.Tx) error {
	if _, err := tx.Exec(second); err != nil {
		return err
	}
	type past struct {
		terminal, kind string
		body           []byte
	}
	rows, err := tx.Query(`SELECT terminal, type, body FROM events WHERE type IN (?, ?) ORDER BY terminal, seq`,
		locker.AlarmRaised{}.Type(), locker.AlarmCleared{}.Type())
	all, err := collect(rows, err, func(scan func(...any) error) (e past, err error) {
		return e, scan(&e.terminal, &e.kind, &e.body)
	})
	if err != nil {
		return err
	}
	for _, e := range all {
		var event struct {
			Time time.Time       `json:"time"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(e.body, &event); err != nil {
			return err
		}
		fact, err := locker.DecodeFact(e.kind, event.Data)
		if err != nil {
			continue // of a newer terminal: stored, and not understood, as at its arrival
		}
		p := projection{ctx: context.Background(), tx: tx, terminal: e.terminal, at: stamp(event.Time)}
		if err := p.apply(fact); err != nil {
			return err
		}
	}
	return nil
}

// mostTroubles bounds the alarms that are listed of one terminal, of its own and
// of the city's about it: one that raises thousands hides no other's.
const mostTroubles = 100

// Troubles lists the terminals' own alarms, then the city's: those that stand or
// that nobody has noted first, then the latest.
func (r *Record) Troubles(ctx context.Context) ([]api.Trouble, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT id FROM terminals UNION SELECT terminal FROM alarms`)
	terminals, err := collect(rows, err, func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("read the terminals' alarms: %w", err)
	}
	var all, own []api.Trouble
	for _, terminal := range terminals {
		raised, noticed, err := r.troubles(ctx, terminal)
		if err != nil {
			return nil, err
		}
		all, own = append(all, raised...), append(own, noticed...)
	}
	byNeed := func(a, b api.Trouble) int {
		rank := func(t api.Trouble) int {
			switch {
			case !t.Counts() && t.Cleared.IsZero():
				return 0
			case t.Noted.IsZero():
				return 1
			}
			return 2
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.Last.Compare(a.Last), b.Since.Compare(a.Since))
	}
	slices.SortStableFunc(all, byNeed)
	slices.SortStableFunc(own, byNeed)
	return append(all, own...), nil
}

func (r *Record) troubles(ctx context.Context, terminal string) (all, own []api.Trouble, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT terminal, alarm, class, kind, compartment, detail, since, cleared, note, noted_by, noted
		FROM raised WHERE terminal = ? ORDER BY cleared <> '' AND noted <> '', since DESC LIMIT ?`, terminal, mostTroubles)
	all, err = collect(rows, err, func(scan func(...any) error) (t api.Trouble, err error) {
		var since, cleared, noted string
		err = scan(&t.Terminal, &t.ID, &t.Class, &t.Kind, &t.Compartment, &t.Detail, &since, &cleared, &t.Note, &t.By, &noted)
		t.Since, t.Cleared, t.Noted = parseStamp(since), parseStamp(cleared), parseStamp(noted)
		return t, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the alarms of %s: %w", terminal, err)
	}
	rows, err = r.db.QueryContext(ctx, `SELECT terminal, kind, detail, first, last, times, note, noted_by, noted, condition, cleared
		FROM alarms WHERE terminal = ? ORDER BY condition = 0 OR cleared <> '', noted >= last, last DESC LIMIT ?`, terminal, mostTroubles)
	own, err = collect(rows, err, func(scan func(...any) error) (t api.Trouble, err error) {
		var since, last, noted, cleared string
		var condition bool
		err = scan(&t.Terminal, &t.Kind, &t.Detail, &since, &last, &t.Times, &t.Note, &t.By, &noted, &condition, &cleared)
		t.Since, t.Last, t.Noted, t.Cleared = parseStamp(since), parseStamp(last), parseStamp(noted), parseStamp(cleared)
		t.ID, t.Class = ownID(t.Kind, t.Detail), OwnClass(t.Kind)
		if noted < last { // it came again after somebody had looked
			t.Noted = time.Time{}
		}
		if condition {
			t.Times, t.Last = 0, time.Time{}
		}
		return t, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the city's alarms of %s: %w", terminal, err)
	}
	return all, own, nil
}

func ownID(kind, detail string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + detail))
	return "city-" + hex.EncodeToString(sum[:8])
}

// OwnClass is the class of the city's own alarms. Two histories under one
// signature mean a stolen key or a copied disk. While a terminal is silent or its
// word is held back, or the city hears none of them or can store nothing, no other alarm arrives. The rest
// can wait for the morning.
func OwnClass(kind string) locker.AlarmClass {
	switch kind {
	case api.AlarmFork, api.AlarmSilent, api.AlarmBroker, api.AlarmFull, api.AlarmStale, api.AlarmHeld:
		return locker.Wake
	}
	return locker.Morning
}

// Note keeps what somebody has noted about an alarm, in place of an earlier note.
func (r *Record) Note(ctx context.Context, terminal, id, by, note string) error {
	return r.change(ctx, func(tx *sql.Tx) error {
		if alarm, err := strconv.ParseUint(id, 10, 62); err == nil {
			done, err := tx.ExecContext(ctx, `UPDATE raised SET note = ?, noted_by = ?, noted = ? WHERE terminal = ? AND alarm = ?`,
				note, by, r.stamp(), terminal, alarm)
			return known(terminal, id, done, err)
		}
		rows, err := tx.QueryContext(ctx, `SELECT kind, detail FROM alarms WHERE terminal = ?`, terminal)
		all, err := collect(rows, err, func(scan func(...any) error) (a api.Alarm, err error) { return a, scan(&a.Kind, &a.Detail) })
		if err != nil {
			return err
		}
		for _, a := range all {
			if ownID(a.Kind, a.Detail) == id {
				done, err := tx.ExecContext(ctx, `UPDATE alarms SET note = ?, noted_by = ?, noted = ? WHERE terminal = ? AND kind = ? AND detail = ?`,
					note, by, r.stamp(), terminal, a.Kind, a.Detail)
				return known(terminal, id, done, err)
			}
		}
		return fmt.Errorf("alarm %q of terminal %q: %w", id, terminal, ErrUnknown)
	})
}

func known(terminal, id string, done sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return fmt.Errorf("alarm %q of terminal %q: %w", id, terminal, ErrUnknown)
}

// searchDepth bounds how many events one search reads: the record has one
// connection, and events that come in wait for it meanwhile.
const searchDepth = 10_000

// Search gives at most limit of a terminal's events before the given sequence,
// the latest first, whose body holds the text in any case of ASCII; of the
// searchDepth before it. An incident's number finds the events of its matter
// alone, at any depth.
func (r *Record) Search(ctx context.Context, terminal, text string, before uint64, limit int) ([]api.Event, error) {
	if found, known, err := r.incident(ctx, terminal, text, before, limit); err != nil || known {
		return found, err
	}
	from := uint64(0)
	if before > searchDepth {
		from = before - searchDepth
	}
	rows, err := r.db.QueryContext(ctx, `SELECT seq, type, body FROM events WHERE terminal = ?1 AND seq >= max(?, `+unpruned+`) AND seq < ?
		AND (? = '' OR instr(lower(CAST(body AS TEXT)), lower(?)) > 0) ORDER BY seq DESC LIMIT ?`,
		terminal, from, before, text, text, limit)
	all, err := collect(rows, err, func(scan func(...any) error) (e api.Event, err error) {
		return e, scan(&e.Sequence, &e.Type, &e.Body)
	})
	if err != nil {
		return nil, fmt.Errorf("search events of %s: %w", terminal, err)
	}
	return all, nil
}

// Lag counts what is sent and not answered.
func (r *Record) Lag(ctx context.Context, terminal string) (api.Lag, error) {
	var l api.Lag
	var oldest string
	err := r.db.QueryRowContext(ctx,
		`SELECT count(*), COALESCE(min(since), '') FROM outbox WHERE terminal = ?`, terminal).Scan(&l.Messages, &oldest)
	l.Oldest = parseStamp(oldest)
	return l, err
}

// Raised gives one alarm that a terminal raised, or ErrUnknown.
func (r *Record) Raised(ctx context.Context, terminal string, alarm uint64) (api.Trouble, error) {
	t := api.Trouble{Terminal: terminal}
	err := r.db.QueryRowContext(ctx, `SELECT class, kind, compartment, detail FROM raised WHERE terminal = ? AND alarm = ?`, terminal, alarm).
		Scan(&t.Class, &t.Kind, &t.Compartment, &t.Detail)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("alarm %d of terminal %q: %w", alarm, terminal, ErrUnknown)
	}
	return t, err
}
