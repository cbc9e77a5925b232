package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// inputError is what the caller got wrong.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

func wrong(form string, args ...any) error { return inputError{fmt.Errorf(form, args...)} }

// Identity is what a terminal must know of this city.
func (c *City) Identity(context.Context) (api.Identity, error) {
	return api.Identity{Verifier: c.config.Verifier, LetterKey: c.letter}, nil
}

// AddTerminal registers a terminal with the verifier key of its device's notes.
func (c *City) AddTerminal(ctx context.Context, id, verifier string) error {
	if !topic.ValidTerminal(id) {
		return wrong("terminal %q: wants 1 to 40 of a–z, 0–9 and hyphen", id)
	}
	if _, err := deviceVerifier(verifier); err != nil {
		return wrong("terminal %s: %w", id, err)
	}
	if err := c.record.AddTerminal(ctx, id, verifier); err != nil {
		return err
	}
	c.mu.Lock()
	c.joined[id] = true
	c.mu.Unlock()
	c.poke(id)
	return nil
}

// Terminals lists the registered terminals.
func (c *City) Terminals(ctx context.Context) ([]api.Terminal, error) {
	return c.record.Terminals(ctx)
}

// Events gives a terminal's events from the given sequence on, at most 1000.
func (c *City) Events(ctx context.Context, terminal string, from uint64, limit int) ([]api.Event, error) {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return nil, err
	}
	return c.record.Events(ctx, terminal, from, min(limit, 1000))
}

// Deposits lists a terminal's deposits, the latest first.
func (c *City) Deposits(ctx context.Context, terminal string) ([]api.Deposit, error) {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return nil, err
	}
	return c.record.Deposits(ctx, terminal)
}

// Orders lists a terminal's orders, the latest first.
func (c *City) Orders(ctx context.Context, terminal string) ([]api.Order, error) {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return nil, err
	}
	return c.record.Orders(ctx, terminal)
}

// Order gives one order.
func (c *City) Order(ctx context.Context, id locker.OrderID) (api.Order, error) {
	o, err := c.record.Order(ctx, id)
	if err == nil && (o.State == api.OrderHeld || o.State == api.OrderSent) {
		o.Training, err = c.trains(ctx, o.Terminal)
	}
	return o, err
}

// trains tells whether a terminal trains, by its events or its newest signed state.
func (c *City) trains(ctx context.Context, terminal string) (bool, error) {
	t, err := c.record.Terminal(ctx, terminal)
	if err != nil || t.Training || len(t.State) == 0 {
		return t.Training, err
	}
	var s locker.Status
	return json.Unmarshal(t.State, &s) == nil && s.Training, nil // another's state is another's words
}

// Alarms lists what the city found wrong, the latest first.
func (c *City) Alarms(ctx context.Context) ([]api.Alarm, error) { return c.record.Alarms(ctx) }

// LeaseKey gives away one of the terminal's one-time order keys, for ever.
func (c *City) LeaseKey(ctx context.Context, terminal string) (api.Key, error) {
	if err := c.usable(ctx, terminal); err != nil {
		return api.Key{}, err
	}
	return c.record.LeaseKey(ctx, terminal)
}

// Roster tells which desks' keys sign orders for the terminal.
func (c *City) Roster(ctx context.Context, terminal string) (api.Roster, error) {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return api.Roster{}, err
	}
	return c.record.Roster(ctx, terminal)
}

// SubmitOrder holds a sealed order, as envelope.SealOrder made it, until its
// document has arrived. If the terminal has told of its roster, the order must
// bear the signature of one of its desks (envelope.SignSubmission), who has not
// left: the terminal would refuse any other, weeks later.
func (c *City) SubmitOrder(ctx context.Context, submission []byte) (api.Order, error) {
	sealed, signer, err := envelope.OpenSubmission(c.config.Suite, submission)
	if err != nil {
		return api.Order{}, inputError{err}
	}
	m, err := envelope.ParseSealedOrder(sealed)
	if err != nil {
		return api.Order{}, inputError{err}
	}
	if err := c.usable(ctx, m.Terminal); err != nil {
		return api.Order{}, err
	}
	roster, err := c.record.Roster(ctx, m.Terminal)
	if err != nil {
		return api.Order{}, err
	}
	if roster.Version > 0 {
		if signer == "" {
			return api.Order{}, wrong("order %s: no desk signed its submission", m.Order)
		}
		if _, err := roster.Desk(signer, c.config.Now()); err != nil {
			return api.Order{}, wrong("order %s: the terminal would refuse it: %w", m.Order, err)
		}
	}
	o := api.Order{Order: m.Order, Terminal: m.Terminal, Version: m.Version, Key: m.Key, Signer: signer}
	if err := c.record.HoldOrder(ctx, o, sealed); err != nil {
		return api.Order{}, err
	}
	return c.record.Order(ctx, m.Order)
}

// Arrived sends the held order: its document is there.
func (c *City) Arrived(ctx context.Context, id locker.OrderID) (api.Order, error) {
	o, err := c.record.Arrived(ctx, id)
	if err == nil {
		c.scrub(ctx)
		c.poke(o.Terminal)
	}
	return o, err
}

// Withdraw takes an order back, with the desk's signed withdrawal, which the
// terminal verifies. An order that was never sent is only forgotten.
func (c *City) Withdraw(ctx context.Context, id locker.OrderID, signed []byte) (api.Order, error) {
	if !envelope.IsWithdrawal(signed) {
		return api.Order{}, wrong("withdrawal of order %s: it is none", id)
	}
	o, err := c.record.Withdraw(ctx, id, signed)
	if err == nil {
		c.scrub(ctx)
		c.poke(o.Terminal)
	}
	return o, err
}

// SubmitRoster sends a signed and sealed roster to a terminal.
func (c *City) SubmitRoster(ctx context.Context, roster []byte) error {
	terminal, version, err := parseRoster(roster)
	if err != nil {
		return inputError{err}
	}
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return err
	}
	err = c.record.Send(ctx, record.Message{
		Terminal: terminal, Kind: locker.MessageRoster, Object: strconv.Itoa(version), Payload: roster,
	})
	if err == nil {
		c.poke(terminal)
	}
	return err
}

// Letter gives the content of the order's letter to be printed: once. It is
// forgotten before it is given, and the terminal is told that the letter went
// out today. A letter that is lost after that is replaced by a re-issue. The
// strings of an api.Letter cannot be cleared; the HTTP interface does without them.
func (c *City) Letter(ctx context.Context, id locker.OrderID) (api.Letter, error) {
	l, err := c.printLetter(ctx, id)
	if err != nil {
		return api.Letter{}, err
	}
	defer l.content.Wipe()
	return api.Letter{
		Terminal: l.content.Terminal, Order: l.content.Order, Generation: l.content.Generation, Recipient: l.content.Recipient,
		Code: l.content.Code.Groups(), QR: l.content.Code.QR(), Fingers: l.content.Fingers, PINLetter: l.content.PINLetter,
		Posted: l.posted, Training: l.training,
	}, nil
}

// printed is a letter on its way to paper. The caller wipes its content.
type printed struct {
	content  envelope.Letter
	posted   string
	training bool
}

func (c *City) printLetter(ctx context.Context, id locker.OrderID) (p printed, err error) {
	defer func() {
		if err != nil {
			p.content.Wipe()
		}
	}()
	l, err := c.record.Letter(ctx, id)
	if err != nil {
		return p, err
	}
	t, err := c.record.Terminal(ctx, l.Terminal)
	if err != nil {
		return p, err
	}
	verifiers, err := c.record.Verifiers(ctx, t.ID)
	if err != nil {
		return p, err
	}
	err = anyOf(verifiers, func(v note.Verifier) (err error) {
		p.content, err = c.readLetter(l, v)
		return err
	})
	if err != nil {
		return p, err
	}
	o, err := c.Order(ctx, id)
	if err != nil && !errors.Is(err, record.ErrUnknown) {
		return p, err
	}
	p.training = o.Training
	p.posted = c.config.Now().Format("2006-01-02")
	signed, err := c.signPosted(l, p.posted)
	if err != nil {
		return p, err
	}
	if err = c.record.Posted(ctx, l, p.posted, signed); err != nil {
		return p, err
	}
	c.scrub(ctx)
	c.poke(l.Terminal)
	return p, nil
}

// scrub empties the write-ahead log of what was just deleted. If it fails the
// log is emptied by a later one, so that is nothing to fail for.
func (c *City) scrub(ctx context.Context) {
	if err := c.record.Scrub(context.WithoutCancel(ctx)); err != nil {
		c.config.Logger.Warn("deleted secrets may still lie in the write-ahead log", "error", err)
	}
}
