package record

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// projection keeps what follows from a terminal's events: deposits, answered
// messages, keys and secrets that are of no use any more.
type projection struct {
	ctx      context.Context
	tx       *sql.Tx
	terminal string
	at       string
}

func (p projection) apply(fact locker.Fact) error {
	switch f := fact.(type) {
	case locker.DepositReserved:
		return p.reserved(f)
	case locker.DepositPrepared:
		return p.deposit(f.Generation, api.DepositPrepared)
	case locker.DocumentLaid:
		return p.deposit(f.Generation, api.DepositLaid)
	case locker.DepositLoaded:
		return p.deposit(f.Generation, api.DepositLoaded)
	case locker.DepositReissued:
		return p.reissued(f)
	case locker.DocumentUnconfirmed:
		return p.deposit(f.Generation, api.DepositUnconfirmed)
	case locker.DocumentDisputed:
		return p.deposit(f.Generation, api.DepositDisputed)
	case locker.CustodyDoubted:
		return p.deposit(f.Generation, api.DepositDoubted)
	case locker.DepositAbandoned:
		return p.ended(f.Generation, api.DepositAbandoned)
	case locker.DocumentTaken:
		return p.ended(f.Generation, api.DepositTaken)
	case locker.DocumentUnloaded:
		return p.ended(f.Generation, api.DepositUnloaded)
	case locker.DocumentMissing:
		return p.ended(f.Generation, api.DepositMissing)
	case locker.DepositExpired:
		return p.exec(`UPDATE deposits SET expired = 1 WHERE terminal = ? AND generation = ?`, p.terminal, f.Generation)
	case locker.SlotErased:
		return p.erased(f)
	case locker.CompartmentInspected:
		return p.inspected(f)
	case locker.DeviceRekeyed:
		return p.rekeyed(f)
	case locker.RootReplaced:
		return p.rootReplaced(f)
	case locker.LetterPosted:
		return p.posted(f)
	case locker.OrderAccepted:
		return p.accepted(f)
	case locker.OrderWithdrawn:
		if f.Desk == "" {
			return p.withdrawn(f.Order, "nobody loaded it in time")
		}
		return p.withdrawn(f.Order, "")
	case locker.CommandFollowed:
		return p.followed(f)
	case locker.CommandRefused:
		return p.answered(locker.MessageCommand, f.Nonce)
	case locker.RosterAccepted:
		return p.roster(f)
	case locker.MessageRefused:
		return p.refused(f)
	case locker.KeysOffered:
		return p.offered(f)
	case locker.TerminalConfigured:
		return p.exec(`UPDATE terminals SET training = ? WHERE id = ?`, f.Config.Training, p.terminal)
	case locker.AlarmRaised:
		return p.raised(f)
	case locker.AlarmCleared:
		return p.exec(`UPDATE raised SET cleared = ? WHERE terminal = ? AND alarm = ? AND cleared = ''`, p.at, p.terminal, f.Alarm)
	case locker.KeyLapsed:
		return p.lapsed(f)
	}
	return nil
}

func (p projection) exec(query string, args ...any) error {
	_, err := p.tx.ExecContext(p.ctx, query, args...)
	return err
}

func (p projection) answered(kind locker.MessageKind, object string) error {
	return p.exec(`DELETE FROM outbox WHERE terminal = ? AND kind = ? AND object = ?`, p.terminal, kind, object)
}

// offered names keys. A public half that came before and does not fit is dropped.
func (p projection) offered(f locker.KeysOffered) error {
	for _, k := range f.Keys {
		err := p.exec(`INSERT INTO keys (terminal, key, hash, named, expires) VALUES (?, ?, ?, 1, ?)
			ON CONFLICT DO UPDATE SET named = 1, hash = excluded.hash,
			public = CASE WHEN hash = excluded.hash THEN public END`, p.terminal, k.Key, k.Hash, stamp(k.Expires))
		if err != nil {
			return err
		}
	}
	return nil
}

// lapsed ends the held order that was sealed to a key that the terminal has
// erased: nothing can open it any more. The terminal answers one that was sent.
func (p projection) lapsed(f locker.KeyLapsed) error {
	if err := p.exec(`UPDATE keys SET gone = 1 WHERE terminal = ? AND key = ?`, p.terminal, f.Key); err != nil {
		return err
	}
	return p.exec(`UPDATE orders SET state = ?, reason = ?, since = ?, sealed = NULL WHERE terminal = ? AND key = ? AND state = ?`,
		api.OrderWithdrawn, "its key expired before its document arrived; capture the order again", p.at, p.terminal, f.Key, api.OrderHeld)
}

func (p projection) reserved(f locker.DepositReserved) error {
	err := p.exec(`INSERT INTO deposits (terminal, generation, order_id, compartment, replaces, since, state)
		VALUES (?1, ?, ?, ?, ?, ?, iif(`+stolen+`, ?, ?)) ON CONFLICT DO NOTHING`,
		p.terminal, f.Generation, f.Order, f.Compartment, f.Replaces, p.at, api.DepositDead, api.DepositReserved)
	if err == nil && f.Replaces != 0 { // the command has been followed
		err = p.answered(locker.MessageCommand, string(f.Order))
	}
	return err
}

// deposit lives on in this state; one that is dead does not, whatever a stolen
// terminal still tells.
func (p projection) deposit(g locker.Generation, state api.DepositState) error {
	return p.exec(`UPDATE deposits SET state = ?, since = ? WHERE terminal = ? AND generation = ? AND state <> ?`,
		state, p.at, p.terminal, g, api.DepositDead)
}

// followed is what an admin's command changed.
func (p projection) followed(f locker.CommandFollowed) error {
	if err := p.answered(locker.MessageCommand, f.Nonce); err != nil {
		return err
	}
	switch f.Kind {
	case locker.CommandRevoke:
		return p.withdrawn(f.Order, "")
	case locker.CommandExtend:
		return p.exec(`UPDATE deposits SET expired = 0 WHERE terminal = ? AND generation = ?`, p.terminal, f.Generation)
	default:
		return nil
	}
}

// ended also forgets the share and the letter: they belong to a code that is dead.
func (p projection) ended(g locker.Generation, state api.DepositState) error {
	err := p.exec(`UPDATE deposits SET state = ?, since = ? WHERE terminal = ? AND generation = ?`, state, p.at, p.terminal, g)
	if err != nil {
		return err
	}
	return p.forget(g)
}

func (p projection) forget(g locker.Generation) error {
	if err := p.exec(`UPDATE letters SET share = NULL, sealed = NULL WHERE terminal = ? AND generation = ?`, p.terminal, g); err != nil {
		return err
	}
	return p.answered(locker.MessagePosted, number(g))
}

// reissued lets the new generation stand where the old one stood.
func (p projection) reissued(f locker.DepositReissued) error {
	err := p.exec(`UPDATE deposits SET since = ?, state =
		COALESCE((SELECT o.state FROM deposits o WHERE o.terminal = deposits.terminal AND o.generation = ?), ?)
		WHERE terminal = ? AND generation = ? AND state <> ?`,
		p.at, f.Replaces, api.DepositLoaded, p.terminal, f.Generation, api.DepositDead)
	if err != nil {
		return err
	}
	return p.ended(f.Replaces, api.DepositReplaced)
}

func (p projection) posted(f locker.LetterPosted) error {
	err := p.exec(`UPDATE deposits SET posted = ? WHERE terminal = ? AND generation = ?`, f.Day, p.terminal, f.Generation)
	if err != nil {
		return err
	}
	return p.answered(locker.MessagePosted, number(f.Generation))
}

func (p projection) accepted(f locker.OrderAccepted) error {
	if err := p.answered(locker.MessageOrder, string(f.Order)); err != nil {
		return err
	}
	if f.Training {
		if err := p.exec(`UPDATE orders SET training = 1 WHERE id = ? AND terminal = ?`, f.Order, p.terminal); err != nil {
			return err
		}
	}
	return p.order(f.Order, f.Version, api.OrderAccepted, "")
}

func (p projection) order(id locker.OrderID, version int, state api.OrderState, reason string) error {
	return p.exec(`UPDATE orders SET state = ?, reason = ?, since = ?, sealed = NULL
		WHERE id = ? AND terminal = ? AND version = ? AND state <> ?`, state, reason, p.at, id, p.terminal, version, api.OrderDead)
}

func (p projection) withdrawn(id locker.OrderID, reason string) error {
	for _, kind := range []locker.MessageKind{locker.MessageWithdrawal, locker.MessageOrder} {
		if err := p.answered(kind, string(id)); err != nil {
			return err
		}
	}
	return p.exec(`UPDATE orders SET state = ?, reason = ?, since = ?, sealed = NULL WHERE id = ? AND terminal = ?`,
		api.OrderWithdrawn, reason, p.at, id, p.terminal)
}

// refused ends the repetition: the terminal will not change its mind. A refused
// order must be made anew, the others' reason stands in the event.
func (p projection) refused(f locker.MessageRefused) error {
	switch f.Message {
	case locker.MessageOrder:
		var open int
		err := p.tx.QueryRowContext(p.ctx, `SELECT count(*) FROM orders WHERE id = ? AND terminal = ? AND version = ? AND state = ?`,
			f.Order, p.terminal, f.Version, api.OrderSent).Scan(&open)
		if err != nil || open == 0 { // somebody else's message under this order's name
			return err
		}
		if err := p.answered(f.Message, string(f.Order)); err != nil {
			return err
		}
		return p.order(f.Order, f.Version, api.OrderRefused, f.Reason)
	case locker.MessageRoster:
		return p.answered(f.Message, strconv.Itoa(f.Version))
	case locker.MessageCommand:
		if f.Nonce == "" {
			return nil // it could not be read: whose it was, nobody knows
		}
		if err := p.answered(f.Message, f.Nonce); err != nil {
			return err
		}
		// A re-issue is kept by its order, because a new one takes its place.
		return p.exec(`DELETE FROM outbox WHERE terminal = ? AND kind = ? AND object = ? AND instr(payload, ?) > 0`,
			p.terminal, f.Message, f.Order, "\nnonce "+f.Nonce+"\n")
	case locker.MessageWithdrawal, locker.MessagePosted:
		return p.exec(`DELETE FROM outbox WHERE terminal = ? AND kind = ? AND order_id = ?`, p.terminal, f.Message, f.Order)
	default: // an acknowledgement is not repeated for an answer
		return nil
	}
}

// ends are the states after which no code opens the deposit any more.
var ends = map[string]bool{
	string(api.DepositReplaced): true, string(api.DepositAbandoned): true, string(api.DepositTaken): true,
	string(api.DepositUnloaded): true, string(api.DepositMissing): true, string(api.DepositDead): true,
}

func number(g locker.Generation) string { return strconv.FormatUint(uint64(g), 10) }
