package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// Need is the largest packet in bytes that a broker must take from a terminal:
// the state of 96 compartments, and some room.
const Need = 60 << 10

// settle is how long Try waits for what a broker sends by itself.
const settle = 1500 * time.Millisecond

// Errors of Try. The connection works, and the terminal would not work over it.
var (
	ErrPacketLimit = errors.New("the broker takes no packet of the size that a terminal needs")
	ErrNotRetained = errors.New("the broker keeps no retained messages")
	ErrRules       = errors.New("the broker's access rules do not let the terminal publish")
	ErrEvicted     = errors.New("the broker ended the connection at once: does another terminal use this certificate or client id?")
)

// Try connects to the broker exactly as Run does, with the same identity, will and
// subscriptions, and publishes what an ended terminal publishes: that it is not
// online. No other connection of this terminal may exist. Known says that the city
// has acknowledged something, which the broker must have retained. Notes tell what
// could not be tried.
func (r *Reporter) Try(ctx context.Context, known bool) (notes []string, err error) {
	conn, err := broker.Dial(ctx, r.config.Broker)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	t := trial{r, conn, r.message(topic.Online, []byte("false"), true)}
	if err = r.subscribe(ctx, conn); err == nil {
		err = t.evicted(ctx)
	}
	if err != nil {
		if isLost(conn) && r.lastsUnretained(ctx) {
			return nil, fmt.Errorf("%w: %w", ErrNotRetained, err)
		}
		return nil, err
	}
	for _, step := range []func(context.Context) ([]string, error){t.echoed, t.large} {
		more, err := step(ctx)
		notes = append(notes, more...)
		if err != nil {
			return notes, err
		}
	}
	if acks, _ := r.acks.Take(); known && len(acks) == 0 {
		return notes, fmt.Errorf("%w, or has lost them: the city's last acknowledgement is not there", ErrNotRetained)
	}
	return notes, nil
}

// isLost gives a connection that broke the time to say so.
func isLost(conn *broker.Conn) bool {
	select {
	case <-conn.Lost():
		return true
	case <-time.After(settle):
		return false
	}
}

// lastsUnretained says whether a connection lasts that asks the broker to retain
// nothing.
func (r *Reporter) lastsUnretained(ctx context.Context) bool {
	config := r.config.Broker
	config.Will = nil
	conn, err := broker.Dial(ctx, config)
	if err != nil {
		return false
	}
	defer conn.Close()
	err = trial{r, conn, r.message(topic.Online, []byte("false"), false)}.evicted(ctx)
	return err == nil
}

// trial is one connection that is tried.
type trial struct {
	*Reporter
	conn    *broker.Conn
	offline broker.Message
}

// evicted waits whether the connection lasts.
func (t trial) evicted(ctx context.Context) error {
	if err := t.conn.Flush(ctx, t.offline); err != nil {
		return err
	}
	select {
	case <-t.conn.Lost():
		return fmt.Errorf("%w: %w", ErrEvicted, t.conn.Err())
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// echoed reads the terminal's own message back, where the broker's rules allow it:
// at once, and, for a new subscription, as a retained one.
func (t trial) echoed(ctx context.Context) ([]string, error) {
	own := topic.Online.Of(t.config.Terminal)
	echo := broker.NewInbox(mailLimit)
	if err := t.conn.Subscribe(ctx, echo, own); err != nil {
		if t.conn.Err() != nil {
			return nil, err
		}
		return []string{"the broker's rules let the terminal not read " + own + ": whether it may publish and messages are retained was not tried"}, nil
	}
	retained := t.hears(ctx, echo)
	if err := t.conn.Flush(ctx, t.offline); err != nil {
		return nil, err
	}
	published := t.hears(ctx, echo)
	if err := t.conn.Unsubscribe(ctx, own); err != nil {
		return nil, err
	}
	switch {
	case retained:
		return nil, nil
	case published:
		return nil, ErrNotRetained
	}
	// A broker may consent to a subscription and deliver nothing.
	return []string{fmt.Sprintf("%v, or not read %s: the message did not come back", ErrRules, own)}, nil
}

func (t trial) hears(ctx context.Context, echo *broker.Inbox) bool {
	limit := time.After(settle)
	for {
		select {
		case <-echo.Ready():
			messages, _ := echo.Take()
			for _, m := range messages {
				if bytes.Equal(m.Payload, t.offline.Payload) {
					return true
				}
			}
		case <-limit:
			return false
		case <-t.conn.Lost():
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// large publishes a message of the largest size: "false" and spaces, which mean
// the same.
func (t trial) large(ctx context.Context) ([]string, error) {
	m := t.offline
	m.Retained = false
	m.Payload = append(bytes.Clone(m.Payload), bytes.Repeat([]byte(" "), Need-len(m.Payload))...)
	err := t.conn.Flush(ctx, m)
	if err == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %d bytes: %w", ErrPacketLimit, Need, err)
}
