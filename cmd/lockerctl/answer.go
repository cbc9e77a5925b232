package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// errNoAnswer tells that the terminal did not answer in time. It may still follow
// the command: until that expires, the city repeats it.
var errNoAnswer = errors.New("no answer")

const (
	defaultWait = time.Minute
	askEvery    = 200 * time.Millisecond
)

// awaitAnswer waits for the event by which the terminal answers a command, among
// those from the given one on, and prints it. A refusal is an error; no answer
// is errNoAnswer.
func (t tool) awaitAnswer(ctx context.Context, city *api.Client, c envelope.Command, from uint64, wait time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errNoAnswer)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		events, err := city.Events(ctx, c.Terminal, from, 1000)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for the answer: %w", err)
		}
		for _, e := range events {
			from = e.Sequence + 1
			answers, refused, err := answerOf(e, c)
			switch {
			case err != nil:
				return fmt.Errorf("event %d: %w", e.Sequence, err)
			case refused != "":
				return fmt.Errorf("terminal %s refuses %s in event %d: %s", c.Terminal, c.Kind, e.Sequence, refused)
			case answers:
				return t.print("terminal %s has followed %s: event %d, %s\n", c.Terminal, c.Kind, e.Sequence, e.Type)
			}
		}
		if len(events) == 1000 {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errNoAnswer) {
				return hint(fmt.Errorf("%w of terminal %s to %s within %v", errNoAnswer, c.Terminal, c.Kind, wait),
					"the terminal may still follow it until it expires; cityd events %s shows what became of it", c.Terminal)
			}
			return ctx.Err()
		}
	}
}

// answerOf tells whether an event answers a command, and why it was refused.
func answerOf(e api.Event, c envelope.Command) (answers bool, refused string, err error) {
	var event struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(e.Body, &event); err != nil {
		return false, "", err
	}
	if !slices.Contains(locker.FactTypes(), e.Type) {
		return false, "", nil // of a newer terminal
	}
	fact, err := locker.DecodeFact(e.Type, event.Data)
	if err != nil {
		return false, "", err
	}
	switch f := fact.(type) {
	case locker.CommandFollowed:
		return f.Nonce == c.Nonce, "", nil
	case locker.CommandRefused:
		if f.Nonce == c.Nonce {
			return true, orNone(f.Reason), nil
		}
	case locker.MessageRefused:
		if f.Message == locker.MessageCommand && f.Nonce == c.Nonce {
			return true, orNone(f.Reason), nil
		}
	case locker.DepositReserved: // the answer to a re-issue
		return c.Kind == locker.CommandReissue && f.Order == c.Order && f.Replaces == c.Generation, "", nil
	}
	return false, "", nil
}

func orNone(reason string) string {
	if reason == "" {
		return "it gives no reason"
	}
	return reason
}

// recorded is the number of a terminal's events that the city holds.
func recorded(ctx context.Context, city *api.Client, terminal string) (uint64, error) {
	all, err := city.Terminals(ctx)
	if err != nil {
		return 0, err
	}
	for _, known := range all {
		if known.ID == terminal {
			return known.Size, nil
		}
	}
	return 0, fmt.Errorf("terminal %q is not registered", terminal)
}
