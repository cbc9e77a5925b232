package city

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// commitAfter bounds the events of one transaction.
const commitAfter = 512

// session is one connection to the broker. It begins with what the record says,
// so that an error of the record is answered by a new session.
type session struct {
	*City
	conn    *broker.Conn
	intakes map[string]*intake
	present map[string]bool // terminals that have said in this session whether they are there
}

func (c *City) serve(ctx context.Context, conn *broker.Conn) error {
	s := &session{City: c, conn: conn, intakes: map[string]*intake{}, present: map[string]bool{}}
	if err := s.greet(ctx); err != nil && !c.noRoom(err) {
		return err
	}
	c.connected(true)
	defer c.connected(false)
	repeat := time.NewTicker(c.config.Repeat)
	defer repeat.Stop()
	missing := time.NewTimer(c.config.Roll)
	defer missing.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Lost():
			return conn.Err()
		case <-c.inbox.Ready():
			err = s.take(ctx)
		case <-c.nudge:
			err = s.nudged(ctx)
		case <-repeat.C:
			err = s.repeatAll(ctx)
		case <-missing.C:
			err = s.callRoll(ctx)
		}
		if err != nil && !s.survives(err) {
			return err
		}
	}
}

// survives tells whether the session goes on after an error: a record without
// room can still be read, and a new connection would not make room. What was not
// stored is forgotten, so that the terminals send it again.
func (s *session) survives(err error) bool {
	if !s.noRoom(err) {
		return false
	}
	clear(s.intakes)
	return true
}

// nudged sends what is new for terminals.
func (s *session) nudged(ctx context.Context) error {
	if err := s.welcome(ctx); err != nil {
		return err
	}
	for _, terminal := range s.poked() {
		if err := s.repeat(ctx, terminal); err != nil {
			return err
		}
	}
	return nil
}

// welcome asks the broker again for what it retains of terminals that were
// registered during this session: when that came first, nobody knew them. A
// broker sends retained messages to each new subscription (MQTT 3.1.1, 3.8.4).
func (s *session) welcome(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, terminal := range s.joining() {
		var filters []string
		for _, t := range []topic.Topic{topic.Keys, topic.State, topic.Checkpoint, topic.Online} {
			filters = append(filters, t.Of(terminal))
		}
		if err := s.conn.Subscribe(within, s.inbox, filters...); err != nil {
			return err
		}
		// The session's own filters go on receiving everything.
		if err := s.conn.Unsubscribe(within, filters...); err != nil {
			return err
		}
	}
	return nil
}

// joining takes the terminals that were registered since the last call.
func (s *session) joining() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := slices.Sorted(maps.Keys(s.joined))
	clear(s.joined)
	return joined
}

// callRoll takes terminals for away that have said nothing in this session: a
// broker that lost what it held cannot tell that one went away meanwhile.
func (s *session) callRoll(ctx context.Context) error {
	all, err := s.record.Terminals(ctx)
	if err != nil {
		return err
	}
	for _, t := range all {
		if !t.Online || s.present[t.ID] {
			continue
		}
		if err := s.record.SetOnline(ctx, t.ID, false); err != nil {
			return err
		}
	}
	s.changed()
	return nil
}

// greet subscribes first, so that what the acknowledgements bring about is heard.
func (s *session) greet(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var filters []string
	for _, t := range []topic.Topic{
		topic.Event, topic.Checkpoint, topic.State,
		topic.Online, topic.Keys, topic.Letter,
	} {
		filters = append(filters, t.Of("+"))
	}
	s.joining() // terminals registered until now need no welcome: this subscription brings what is retained
	if err := s.conn.Subscribe(within, s.inbox, filters...); err != nil {
		return err
	}
	return s.repeatAll(ctx)
}

func (s *session) repeatAll(ctx context.Context) error {
	terminals, err := s.record.Terminals(ctx)
	if err != nil {
		return err
	}
	for _, t := range terminals {
		if err := s.repeat(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// repeat sends a terminal what it has not answered, and the acknowledgement:
// its time is what the terminal's clock is held against.
func (s *session) repeat(ctx context.Context, terminal string) error {
	t, err := s.intake(ctx, terminal)
	if t == nil || err != nil {
		return err
	}
	if err := s.acknowledge(ctx, t); err != nil {
		return err
	}
	messages, err := s.record.Unanswered(ctx, terminal)
	if err != nil {
		return err
	}
	for _, m := range messages {
		err := s.conn.Publish(broker.Message{
			Topic: topics[m.Kind].Of(terminal), Payload: m.Payload, Retained: m.Kind == locker.MessageRoster,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// intake gives the terminal's, nil for one that is not registered.
func (s *session) intake(ctx context.Context, terminal string) (*intake, error) {
	s.forgetClosed()
	if t := s.intakes[terminal]; t != nil {
		return t, nil
	}
	known, err := s.record.Terminal(ctx, terminal)
	if errors.Is(err, record.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	verifier, err := deviceVerifier(known.Verifier)
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", terminal, err)
	}
	t := newIntake(terminal, verifier, known.Size, s.record)
	s.intakes[terminal] = t
	return t, nil
}

// forgetClosed drops what is known of terminals whose log was closed.
func (s *session) forgetClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for terminal := range s.closed {
		delete(s.intakes, terminal)
	}
	clear(s.closed)
}

// take handles what has come: everything that is covered goes into one
// transaction a terminal, and is acknowledged after it.
func (s *session) take(ctx context.Context) error {
	s.forgetClosed()
	messages, dropped := s.inbox.Take()
	if dropped > 0 {
		s.config.Logger.Warn("messages dropped, terminals will send again", "dropped", dropped)
	}
	for _, m := range messages {
		id, on, ok := topic.Split(m.Topic)
		if !ok {
			continue
		}
		t, err := s.intake(ctx, id)
		if err != nil {
			return err
		}
		if t == nil {
			if on == topic.Online {
				s.config.Logger.Warn("a terminal that is not registered reports", "terminal", id)
			}
			continue
		}
		err = s.handle(ctx, t, on, m.Payload)
		if err == nil && len(t.covered) >= commitAfter {
			err = s.settle(ctx, t)
		}
		if err != nil && !s.survives(err) { // without room, each of the others is tried all the same
			return err
		}
	}
	for _, terminal := range slices.Sorted(maps.Keys(s.intakes)) {
		if t := s.intakes[terminal]; t != nil {
			if err := s.settle(ctx, t); err != nil && !s.survives(err) {
				return err
			}
		}
	}
	return nil
}

// settle stores what is covered and acknowledges it. If it cannot be stored, but
// that can be noted, the record is well and the terminal says what no record
// holds: the others go on.
func (s *session) settle(ctx context.Context, t *intake) error {
	covered := t.covered
	fresh := len(covered) > 0
	if err := t.commit(ctx); errors.Is(err, record.ErrConflict) || record.Full(err) { // its log was closed meanwhile, or nothing can be noted
		return err
	} else if err != nil {
		delete(s.intakes, t.terminal)
		return s.judge(ctx, t, api.AlarmContent, err)
	}
	if fresh {
		s.hear(t.terminal)
		s.changed()
		s.logAlarms(ctx, t.terminal, covered)
	}
	if t.cleared {
		t.cleared = false
		if err := s.clearRoster(ctx, t.terminal); err != nil {
			return err
		}
	}
	if !t.due {
		return nil
	}
	return s.acknowledge(ctx, t)
}

func (s *session) acknowledge(ctx context.Context, t *intake) error {
	root, err := t.rootAt(ctx, t.size)
	if err != nil {
		return err
	}
	ack, err := s.signAck(t.terminal, t.size, root)
	if err != nil {
		return err
	}
	t.due = false
	return s.conn.Publish(broker.Message{Topic: topic.Ack.Of(t.terminal), Payload: ack, Retained: true})
}

// clearRoster takes the answered roster out of the broker, unless another is open.
func (s *session) clearRoster(ctx context.Context, terminal string) error {
	open, err := s.record.Unanswered(ctx, terminal)
	if err != nil {
		return err
	}
	for _, m := range open {
		if m.Kind == locker.MessageRoster {
			return nil
		}
	}
	return s.conn.Publish(broker.Message{Topic: topic.Roster.Of(terminal), Retained: true})
}

// handle takes one message. Its error is one of the record; what is wrong with
// the message becomes an alarm.
func (s *session) handle(ctx context.Context, t *intake, on topic.Topic, payload []byte) error {
	switch on {
	case topic.Event:
		return s.judge(ctx, t, api.AlarmContent, t.event(payload))
	case topic.Checkpoint:
		var size uint64
		var root tlog.Hash
		err := t.signedBy(func(v note.Verifier) (err error) {
			size, root, err = openCheckpoint(payload, t.terminal, v)
			return err
		})
		if err != nil {
			return s.judge(ctx, t, api.AlarmSignature, err)
		}
		err = t.checkpoint(ctx, size, root, payload)
		switch {
		case errors.Is(err, errFork):
			return s.judge(ctx, t, api.AlarmFork, err)
		case errors.Is(err, errMisfit):
			return s.judge(ctx, t, api.AlarmMisfit, err)
		}
		return err
	case topic.State:
		return s.state(ctx, t, payload)
	case topic.Online:
		online := string(payload) == "true"
		s.present[t.terminal] = true
		err := s.record.SetOnline(ctx, t.terminal, online)
		s.changed()
		if err != nil || !online {
			return err
		}
		return s.repeat(ctx, t.terminal)
	case topic.Keys:
		var keys []record.Key
		err := t.signedBy(func(v note.Verifier) (err error) {
			keys, err = openKeyList(payload, t.terminal, v)
			return err
		})
		if err != nil {
			return s.judge(ctx, t, api.AlarmSignature, err)
		}
		return s.record.OfferKeys(ctx, t.terminal, keys, payload)
	case topic.Letter:
		verifiers, err := s.record.Verifiers(ctx, t.terminal)
		if err != nil {
			return err
		}
		var letter record.Letter
		err = t.signedBy(func(v note.Verifier) (err error) {
			letter, err = s.openLetter(payload, t.terminal, v)
			return err
		})
		if err != nil {
			err = anyOf(verifiers, func(v note.Verifier) (err error) {
				letter, err = s.openLetter(payload, t.terminal, v)
				return err
			})
		}
		if err != nil {
			return s.judge(ctx, t, api.AlarmSignature, err)
		}
		_, err = s.record.KeepLetter(ctx, letter)
		return err
	default:
		return nil // not subscribed to
	}
}

// maxState bounds a terminal's snapshot, in bytes.
const maxState = 512 << 10

// judge turns what is wrong with a message into an alarm.
func (s *session) judge(ctx context.Context, t *intake, kind string, wrong error) error {
	if wrong == nil {
		return nil
	}
	s.config.Logger.Error("a terminal's message is refused", "terminal", t.terminal, "alarm", kind, "error", wrong)
	defer s.changed()
	detail := wrong.Error()
	return s.record.Alarm(ctx, t.terminal, kind, detail[:min(len(detail), 500)])
}
