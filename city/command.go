package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// commandLife leaves a minute for clocks that differ: a terminal refuses a
// command that expires more than envelope.CommandLife from its own now.
const commandLife = envelope.CommandLife - time.Minute

// usable refuses what is meant for a terminal that is not known, or stolen.
func (c *City) usable(ctx context.Context, terminal string) error {
	t, err := c.record.Terminal(ctx, terminal)
	if err == nil && !t.Stolen.IsZero() {
		err = fmt.Errorf("terminal %s was declared stolen on %s: %w", terminal, t.Stolen.Format(time.DateOnly), record.ErrConflict)
	}
	return err
}

// DraftCommand makes the text that admins sign. The terminal's challenge comes
// from the state that it showed last; of an order's deposit the generation is
// filled in if it was left out. For a re-issue it leases a key and seals the
// share to it.
func (c *City) DraftCommand(ctx context.Context, terminal string, what locker.Command) (api.Draft, error) {
	t, err := c.record.Terminal(ctx, terminal)
	if err != nil {
		return api.Draft{}, err
	}
	var shown struct {
		Challenge string    `json:"challenge"`
		Time      time.Time `json:"time"`
	}
	if err := json.Unmarshal(t.State, &shown); err != nil || shown.Challenge == "" {
		return api.Draft{}, fmt.Errorf("terminal %s has not shown a challenge yet, which a command must name; it does so when it is connected: %w", terminal, record.ErrConflict)
	}
	if what.Order != "" && what.Generation == 0 {
		if what.Generation, err = c.generation(ctx, terminal, what); err != nil {
			return api.Draft{}, err
		}
	}
	if err := what.Validate(); err != nil {
		return api.Draft{}, inputError{err}
	}
	expires := c.expiry(t.Stated, shown.Time)
	var command envelope.Command
	if what.Kind == locker.CommandReissue {
		command, err = c.reissue(ctx, terminal, shown.Challenge, what, expires)
	} else {
		command, err = envelope.NewCommand(c.config.Rand, terminal, shown.Challenge, what, expires)
	}
	if err != nil {
		return api.Draft{}, err
	}
	return api.Draft{Namespace: envelope.NamespaceCommand, Text: command.Text(), Expires: command.Expires}, nil
}

// expiry is a new command's, by the terminal's own clock: the terminal showed that
// time when its state came. So a command is good although the two clocks
// differ, also the one that sets the terminal's.
func (c *City) expiry(stated, shown time.Time) time.Time {
	now := c.config.Now()
	if apart := shown.Sub(stated); !stated.IsZero() && !shown.IsZero() && apart.Abs() > time.Minute {
		now = now.Add(apart)
	}
	return now.Add(commandLife)
}

// generation is that of the order's deposit; 0 for an order without one, which
// can only be revoked.
func (c *City) generation(ctx context.Context, terminal string, what locker.Command) (locker.Generation, error) {
	d, err := c.record.Living(ctx, what.Order)
	if errors.Is(err, record.ErrUnknown) && what.Kind == locker.CommandRevoke {
		var o api.Order
		o, err = c.record.Order(ctx, what.Order)
		d = api.Deposit{Terminal: o.Terminal}
	}
	if err == nil && d.Terminal != terminal {
		err = wrong("order %s is of terminal %s, not of %s", what.Order, d.Terminal, terminal)
	}
	return d.Generation, err
}

func (c *City) reissue(ctx context.Context, terminal, challenge string, what locker.Command, expires time.Time) (envelope.Command, error) {
	if err := c.usable(ctx, terminal); err != nil {
		return envelope.Command{}, err
	}
	stored, err := c.record.Share(ctx, terminal, what.Generation)
	if err != nil {
		return envelope.Command{}, err
	}
	defer clear(stored)
	share, err := envelope.NewShare(stored)
	if err != nil {
		return envelope.Command{}, err
	}
	defer share.Wipe()
	key, err := c.record.LeaseKey(ctx, terminal)
	if err != nil {
		return envelope.Command{}, err
	}
	return envelope.NewReissue(c.config.Suite, c.config.Rand, terminal, challenge, what.Order, what.Generation,
		expires, envelope.PublishedKey{ID: key.Key, Public: key.Public, Expires: key.Expires}, share)
}

// DraftReissue drafts the command that replaces the code of an order's deposit.
func (c *City) DraftReissue(ctx context.Context, id locker.OrderID) (api.Draft, error) {
	d, err := c.record.Living(ctx, id)
	if err != nil {
		return api.Draft{}, err
	}
	return c.DraftCommand(ctx, d.Terminal, locker.Command{Kind: locker.CommandReissue, Order: id, Generation: d.Generation})
}

// Reissue sends the signed command.
func (c *City) Reissue(ctx context.Context, id locker.OrderID, signed []byte) error {
	d, err := c.record.Living(ctx, id)
	if err != nil {
		return err
	}
	return c.Command(ctx, d.Terminal, signed)
}

// Command sends a signed command, which the terminal verifies, for as long as
// it can be valid. That a terminal is stolen the city believes at once: it does
// not wait for the terminal to agree.
func (c *City) Command(ctx context.Context, terminal string, signed []byte) error {
	command, err := envelope.ParseCommand(envelope.Body(signed))
	if err != nil {
		return inputError{err}
	}
	if command.Terminal != terminal {
		return wrong("command %s is for terminal %s, not for %s", command.Kind, command.Terminal, terminal)
	}
	if n := envelope.Signatures(signed); n == 0 || command.Kind.Grave() && n < 2 {
		return wrong("command %s bears %d signatures, wants %d", command.Kind, n, 1+n)
	}
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return err
	}
	object := command.Nonce
	if command.Kind == locker.CommandReissue {
		object = string(command.Order) // a new one takes the place of an unanswered one
	}
	if command.Kind == locker.CommandDeclare {
		if err := c.record.DeclareStolen(ctx, terminal, signed); err != nil {
			return err
		}
		c.scrub(ctx)
		c.changed()
	}
	err = c.record.Send(ctx, record.Message{
		Terminal: terminal, Kind: locker.MessageCommand, Object: object, Order: command.Order,
		Payload: slices.Clone(signed), Expires: c.config.Now().Add(envelope.CommandLife),
	})
	if err == nil {
		c.poke(terminal)
	}
	return err
}

// Burglary gives the terminal's latest list of what lay inside.
func (c *City) Burglary(ctx context.Context, terminal string) (api.Burglary, error) {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return api.Burglary{}, err
	}
	return c.record.Burglary(ctx, terminal)
}

// Recovered takes back that a terminal was declared stolen.
func (c *City) Recovered(ctx context.Context, terminal string) error {
	if _, err := c.record.Terminal(ctx, terminal); err != nil {
		return err
	}
	err := c.record.Recovered(ctx, terminal)
	c.changed()
	return err
}
