package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// Key is a one-time key with the hash by which events name it.
type Key struct {
	api.Key
	Hash string
}

// addKeyList adds to version 8 the list that names a key, as its device signed it.
func addKeyList(tx *sql.Tx) error {
	_, err := tx.Exec(`ALTER TABLE keys ADD COLUMN list BLOB`)
	return err
}

// OfferKeys notes the one-time keys of one of the device's lists, and keeps the
// list as it was signed with each key until it is leased. A key that is known stays
// as it is: leased is leased, and a public half is never replaced.
func (r *Record) OfferKeys(ctx context.Context, terminal string, keys []Key, signed []byte) error {
	return r.change(ctx, func(tx *sql.Tx) error {
		for _, k := range keys {
			_, err := tx.ExecContext(ctx, `INSERT INTO keys (terminal, key, hash, public, expires) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET public = excluded.public WHERE public IS NULL AND hash = excluded.hash`,
				k.Terminal, k.Key.Key, k.Hash, k.Public, stamp(k.Expires))
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE keys SET list = ? WHERE terminal = ? AND key = ? AND leased = '' AND list IS NOT ?`,
				signed, k.Terminal, k.Key.Key, signed)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// LeaseKey gives away the key that lives longest, of those that both an event
// and the device's list name. It is never given again.
func (r *Record) LeaseKey(ctx context.Context, terminal string) (api.Key, error) {
	k := api.Key{Terminal: terminal}
	err := r.change(ctx, func(tx *sql.Tx) error {
		var expires string
		err := tx.QueryRowContext(ctx, `SELECT key, public, expires, list FROM keys
			WHERE terminal = ? AND named AND public IS NOT NULL AND leased = '' AND NOT gone AND expires > ? ORDER BY expires DESC, key LIMIT 1`,
			terminal, r.stamp()).Scan(&k.Key, &k.Public, &expires, &k.List)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("terminal %s has no unused order key on offer: %w", terminal, ErrConflict)
		}
		if err != nil {
			return err
		}
		k.Expires = parseStamp(expires)
		_, err = tx.ExecContext(ctx, `UPDATE keys SET leased = ?, list = NULL WHERE terminal = ? AND key = ?`, r.stamp(), terminal, k.Key)
		return err
	})
	return k, err
}

// HoldOrder keeps a sealed order until its document has arrived. An order that
// is under way or at the terminal is not replaced, and its key must be leased.
func (r *Record) HoldOrder(ctx context.Context, o api.Order, sealed []byte) error {
	return r.change(ctx, func(tx *sql.Tx) error {
		var leased string
		err := tx.QueryRowContext(ctx, `SELECT leased FROM keys WHERE terminal = ? AND key = ?`, o.Terminal, o.Key).Scan(&leased)
		if errors.Is(err, sql.ErrNoRows) || err == nil && leased == "" {
			return fmt.Errorf("order %s: key %d of terminal %s was not leased: %w", o.Order, o.Key, o.Terminal, ErrConflict)
		}
		if err != nil {
			return err
		}
		var other string
		err = tx.QueryRowContext(ctx, `SELECT id FROM orders WHERE terminal = ? AND key = ? AND id <> ?`, o.Terminal, o.Key, o.Order).Scan(&other)
		if err == nil {
			return fmt.Errorf("order %s: key %d is order %s's: %w", o.Order, o.Key, other, ErrConflict)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		was, err := order(ctx, tx, o.Order)
		switch {
		case errors.Is(err, ErrUnknown):
		case err != nil:
			return err
		case was.State == api.OrderSent || was.State == api.OrderAccepted:
			return fmt.Errorf("order %s is %s: %w", o.Order, was.State, ErrConflict)
		case o.Version <= was.Version:
			return fmt.Errorf("order %s: version %d is not above %d: %w", o.Order, o.Version, was.Version, ErrConflict)
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO orders (id, terminal, version, key, state, since, sealed, signer, captured)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, o.Order, o.Terminal, o.Version, o.Key, api.OrderHeld, r.stamp(), sealed, o.Signer, r.stamp())
		return err
	})
}

const orderColumns = `id, terminal, version, key, state, reason, since, training, signer, captured`

// addTraining marks dummies' orders, those too that were accepted before there
// was a mark.
func addTraining(tx *sql.Tx) error {
	if _, err := tx.Exec(`ALTER TABLE orders ADD COLUMN training INTEGER NOT NULL DEFAULT 0`); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE orders SET training = 1 WHERE (terminal, id) IN (
			SELECT terminal, json_extract(CAST(body AS TEXT), '$.data.order') FROM events
			WHERE type = ? AND json_extract(CAST(body AS TEXT), '$.data.training'))`, locker.OrderAccepted{}.Type())
	return err
}

func scanOrder(scan func(...any) error) (o api.Order, err error) {
	var since, captured string
	err = scan(&o.Order, &o.Terminal, &o.Version, &o.Key, &o.State, &o.Reason, &since, &o.Training, &o.Signer, &captured)
	o.Since, o.Captured = parseStamp(since), parseStamp(captured)
	return o, err
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func order(ctx context.Context, q queryer, id locker.OrderID) (api.Order, error) {
	o, err := scanOrder(q.QueryRowContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE id = ?`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return o, fmt.Errorf("order %q: %w", id, ErrUnknown)
	}
	return o, err
}

// Order gives one order, or ErrUnknown.
func (r *Record) Order(ctx context.Context, id locker.OrderID) (api.Order, error) {
	return order(ctx, r.db, id)
}

// Orders lists a terminal's orders, the latest first, at most 1000.
func (r *Record) Orders(ctx context.Context, terminal string) ([]api.Order, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE terminal = ? ORDER BY since DESC, id LIMIT 1000`, terminal)
	return collect(rows, err, scanOrder)
}

// Arrived moves the held order into the outbox. The same again is no error.
func (r *Record) Arrived(ctx context.Context, id locker.OrderID) (api.Order, error) {
	var o api.Order
	err := r.change(ctx, func(tx *sql.Tx) (err error) {
		if o, err = order(ctx, tx, id); err != nil {
			return err
		}
		switch o.State {
		case api.OrderHeld:
		case api.OrderSent, api.OrderAccepted:
			return nil
		default:
			return fmt.Errorf("order %s is %s: %w", id, o.State, ErrConflict)
		}
		var sealed []byte
		if err := tx.QueryRowContext(ctx, `SELECT sealed FROM orders WHERE id = ?`, id).Scan(&sealed); err != nil {
			return err
		}
		m := Message{Terminal: o.Terminal, Kind: locker.MessageOrder, Object: string(id), Order: id, Payload: sealed}
		if err := r.send(ctx, tx, m); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE orders SET state = ?, since = ?, sealed = NULL WHERE id = ?`, api.OrderSent, r.stamp(), id)
		o.State = api.OrderSent
		return err
	})
	return o, err
}

// Withdraw forgets an order that the terminal never saw, and sends the desk's
// signed withdrawal of any other.
func (r *Record) Withdraw(ctx context.Context, id locker.OrderID, signed []byte) (api.Order, error) {
	var o api.Order
	err := r.change(ctx, func(tx *sql.Tx) (err error) {
		if o, err = order(ctx, tx, id); err != nil {
			return err
		}
		switch o.State {
		case api.OrderWithdrawn:
			return nil
		case api.OrderHeld:
			_, err := tx.ExecContext(ctx, `UPDATE orders SET state = ?, since = ?, sealed = NULL WHERE id = ?`,
				api.OrderWithdrawn, r.stamp(), id)
			o.State = api.OrderWithdrawn
			return err
		case api.OrderRefused:
			return fmt.Errorf("order %s was refused by the terminal: %w", id, ErrConflict)
		default: // sent, accepted
			return r.send(ctx, tx, Message{
				Terminal: o.Terminal, Kind: locker.MessageWithdrawal, Object: string(id), Order: id, Payload: signed,
			})
		}
	})
	return o, err
}

// Deposits lists a terminal's deposits, the latest first, at most 1000.
func (r *Record) Deposits(ctx context.Context, terminal string) ([]api.Deposit, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+depositColumns+` FROM deposits
		WHERE terminal = ? ORDER BY generation DESC LIMIT 1000`, terminal)
	return collect(rows, err, scanDeposit)
}

const depositColumns = `terminal, generation, order_id, compartment, replaces, state, since, posted, expired, erased, slot, quality, settled`

func scanDeposit(scan func(...any) error) (d api.Deposit, err error) {
	var since, settled string
	err = scan(&d.Terminal, &d.Generation, &d.Order, &d.Compartment, &d.Replaces, &d.State, &since, &d.Posted, &d.Expired, &d.Erased, &d.Slot, &d.Quality, &settled)
	d.Since, d.Settled = parseStamp(since), parseStamp(settled)
	return d, err
}

// Living gives the order's deposit whose code is still good, or ErrUnknown.
func (r *Record) Living(ctx context.Context, id locker.OrderID) (api.Deposit, error) {
	d, err := scanDeposit(r.db.QueryRowContext(ctx, `SELECT `+depositColumns+` FROM deposits
		WHERE order_id = ? AND erased = 0 AND state IN (?, ?, ?, ?) AND `+ownOrder("deposits")+` ORDER BY generation DESC LIMIT 1`, id,
		api.DepositLoaded, api.DepositUnconfirmed, api.DepositDisputed, api.DepositDoubted).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("order %q has no deposit that can be collected: %w", id, ErrUnknown)
	}
	return d, err
}

// ownOrder holds for what a terminal said of an order unless that is known to be
// another terminal's: whoever has a device's key signs what they like.
func ownOrder(table string) string {
	return `NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = ` + table + `.order_id AND orders.terminal <> ` + table + `.terminal)`
}

// Message is one that the city repeats until an event answers it or it expires.
type Message struct {
	Terminal string
	Kind     locker.MessageKind
	Object   string // what it is about: order, generation or version
	Order    locker.OrderID
	Payload  []byte
	Expires  time.Time // zero: never
}

// Send puts a message into the outbox, in place of one about the same object.
func (r *Record) Send(ctx context.Context, m Message) error {
	return r.change(ctx, func(tx *sql.Tx) error { return r.send(ctx, tx, m) })
}

func (r *Record) send(ctx context.Context, tx *sql.Tx, m Message) error {
	expires := ""
	if !m.Expires.IsZero() {
		expires = stamp(m.Expires)
	}
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO outbox (terminal, kind, object, order_id, payload, since, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, m.Terminal, m.Kind, m.Object, m.Order, m.Payload, r.stamp(), expires)
	return err
}

// Unanswered gives what is to be sent to the terminal, oldest first, and drops
// what has expired.
func (r *Record) Unanswered(ctx context.Context, terminal string) ([]Message, error) {
	now := r.stamp()
	_, err := r.db.ExecContext(ctx, `DELETE FROM outbox WHERE terminal = ? AND expires <> '' AND expires <= ?`, terminal, now)
	if err != nil && !Full(err) { // the query leaves them out as well
		return nil, err
	}
	rows, err := r.db.QueryContext(ctx, `SELECT terminal, kind, object, order_id, payload, expires FROM outbox
		WHERE terminal = ? AND (expires = '' OR expires > ?) ORDER BY since, kind, object LIMIT 1000`, terminal, now)
	return collect(rows, err, func(scan func(...any) error) (m Message, err error) {
		var expires string
		err = scan(&m.Terminal, &m.Kind, &m.Object, &m.Order, &m.Payload, &expires)
		m.Expires = parseStamp(expires)
		return m, err
	})
}
