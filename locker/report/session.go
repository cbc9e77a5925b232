package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// session is what one connection knows.
type session struct {
	*Reporter
	conn *broker.Conn

	next     uint64        // the next event to publish
	patience time.Duration // how long to wait for progress
	silent   bool          // the city let patience run out since it last moved the cursor
	stall    *time.Timer   // runs while events are under way

	resent uint64        // the next event to publish once more
	resend uint64        // and where that ends
	more   chan struct{} // has a value while there are some

	keys     map[[sha256.Size]byte]bool // as last published
	letters  map[[sha256.Size]byte]bool
	state    []byte
	stated   time.Time // when the state was last published
	greeted  bool      // by an acknowledgement of this connection
	stale    bool      // the state may have changed since
	rejected time.Time // when a bad acknowledgement was last told
	disputed time.Time // when one of another history was
}

// serve reports over one connection until it is lost.
func (r *Reporter) serve(ctx context.Context, conn *broker.Conn) error {
	r.connected(true)
	defer r.connected(false)
	s := &session{
		Reporter: r, conn: conn,
		next: r.config.Log.Cursor(), patience: patience, stall: time.NewTimer(patience),
		more: make(chan struct{}, 1),
	}
	defer s.stall.Stop()
	if err := s.greet(ctx); err != nil {
		return err
	}
	err := s.loop(ctx)
	if ctx.Err() != nil { // a stop in good order says so itself; the will is for the others
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := conn.Flush(bye, r.message(topic.Online, []byte("false"), true)); err != nil {
			r.config.Logger.Warn("could not sign off from the broker", "error", err)
		}
	}
	return err
}

// greet subscribes before it says that the terminal is online, because that is
// what makes the city repeat what is open. Events go first: one of them may name
// the key that signed the rest.
func (s *session) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.subscribe(ctx, s.conn); err != nil {
		return err
	}
	if err := s.publish(topic.Online, []byte("true"), true); err != nil {
		return err
	}
	cursor := s.next
	if err := s.fill(); err != nil {
		return err
	}
	if err := s.showAll(); err != nil {
		return err
	}
	if cursor == 0 {
		return nil
	}
	return s.checkpoint(s.next) // shows the city at once whether its record and ours agree
}

// subscribe asks for all that the city sends.
func (r *Reporter) subscribe(ctx context.Context, conn *broker.Conn) error {
	id := r.config.Terminal
	if err := conn.Subscribe(ctx, r.acks, topic.Ack.Of(id)); err != nil {
		return err
	}
	return conn.Subscribe(ctx, r.mail, topic.Order.Of(id), topic.Roster.Of(id), topic.Command.Of(id), topic.Posted.Of(id))
}

func (s *session) loop(ctx context.Context) error {
	repeat := time.NewTicker(s.config.Repeat)
	defer repeat.Stop()
	calm := time.NewTicker(stateEvery)
	defer calm.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.conn.Lost():
			return s.conn.Err()
		case <-s.config.Log.Changed():
			s.stale = true
			err = s.fill()
		case <-s.acks.Ready():
			err = s.acknowledge()
		case <-s.stall.C:
			err = s.rewind()
		case <-s.refresh:
			s.stale = true
			err = s.offer(false)
		case <-s.again:
			s.resent, s.resend = 0, s.next
			if err = s.showAll(); err == nil {
				err = s.repeatBatch(ctx)
			}
		case <-s.more:
			err = s.repeatBatch(ctx)
		case <-repeat.C:
			err = s.showAll()
		case <-calm.C:
			if time.Since(s.stated) >= StatePeriod {
				err = s.show(true)
			}
		}
		if err == nil && s.stale && time.Since(s.stated) >= stateEvery {
			err = s.show(false)
		}
		if err != nil {
			return err
		}
	}
}

// fill publishes what the window lets through, in order, each batch with the
// checkpoint that covers it.
func (s *session) fill() error {
	log := s.config.Log
	began := s.next
	for {
		limit := min(log.Size(), log.Cursor()+Window)
		if s.next >= limit {
			break
		}
		events, err := log.Read(s.next, int(min(limit-s.next, batch)))
		if err != nil {
			return fmt.Errorf("read the journal from event %d: %w", s.next, err)
		}
		if len(events) == 0 {
			return fmt.Errorf("read the journal: event %d of %d is not there", s.next, log.Size())
		}
		for _, e := range events {
			if err := s.publish(topic.Event, e, false); err != nil {
				return err
			}
			s.next++
		}
		if err := s.checkpoint(s.next); err != nil {
			return err
		}
	}
	if began == log.Cursor() && s.next > began {
		s.stall.Reset(s.patience)
	}
	return nil
}

// repeatBatch publishes the next batch of a resend and waits until the broker
// has it, so that a journal of years floods nobody.
func (s *session) repeatBatch(ctx context.Context) error {
	log := s.config.Log
	s.resent = max(s.resent, log.Pruned()) // what is before has no body any more, and the city holds it
	if s.resent >= s.resend {
		return nil
	}
	events, err := log.Read(s.resent, int(min(s.resend-s.resent, batch)))
	if err != nil || len(events) == 0 {
		s.config.Logger.Error("resend ends early", "event", s.resent, "of", s.resend, "error", err)
		s.resend = 0
		return nil
	}
	for _, e := range events {
		if err := s.publish(topic.Event, e, false); err != nil {
			return err
		}
		s.resent++
	}
	note, err := log.Checkpoint(s.resent)
	if err != nil {
		return fmt.Errorf("checkpoint of %d events: %w", s.resent, err)
	}
	within, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// Not retained: the broker keeps the latest one for those who come later.
	if err := s.conn.Flush(within, s.message(topic.Checkpoint, note, false)); err != nil {
		return err
	}
	select {
	case s.more <- struct{}{}:
	default: // asked for again while there were some
	}
	return nil
}

func (s *session) checkpoint(size uint64) error {
	note, err := s.config.Log.Checkpoint(size)
	if err != nil {
		return fmt.Errorf("checkpoint of %d events: %w", size, err)
	}
	return s.publish(topic.Checkpoint, note, true)
}

// acknowledge lets the journal judge what the city sent, and goes on from the
// cursor that results.
func (s *session) acknowledge() error {
	log := s.config.Log
	messages, _ := s.acks.Take()
	for _, m := range messages {
		before := log.Cursor()
		at, err := log.Acknowledge(m.Payload)
		if errors.Is(err, journal.ErrStale) { // what a broker that lost its memory still retains
			s.config.Logger.Info("acknowledgement ignored", "error", err)
			continue
		}
		if err != nil {
			s.reject(err)
			continue
		}
		s.heard()
		s.cityTime = at
		s.config.Desk.Tell(locker.CityTime{Time: at})
		if !s.greeted { // the city waits for a state that names an acknowledgement of now
			s.greeted = true
			if err := s.show(true); err != nil {
				return err
			}
		}
		after := log.Cursor()
		switch {
		case after > before: // progress
			s.patience, s.silent = patience, false
			s.next = max(s.next, after)
			s.stall.Reset(s.patience)
		case after < before: // the city lost events
			s.config.Logger.Warn("the city has fewer events than it had, sending them again", "had", before, "has", after)
			s.next = after
		case s.silent: // it is there again, and has nothing of what is under way
			s.silent = false
			s.next = after
		}
	}
	return s.fill()
}

// reject passes a bad acknowledgement on, at most one of its sort in ten
// seconds: whoever can send one can send many.
func (s *session) reject(err error) {
	if errors.Is(err, journal.ErrFork) || errors.Is(err, journal.ErrAhead) { // only the city can sign one
		if time.Since(s.disputed) < 10*time.Second {
			return
		}
		s.disputed = time.Now()
		s.config.Logger.Error("the city holds another history than this journal", "error", err)
		s.config.Desk.Tell(locker.LogDisputed{Reason: err.Error()})
		return
	}
	if time.Since(s.rejected) < 10*time.Second {
		return
	}
	s.rejected = time.Now()
	s.config.Logger.Error("acknowledgement refused", "error", err)
	s.config.Desk.Tell(locker.MessageRejected{Message: locker.MessageAck, Reason: err.Error()})
}

// rewind starts again from the cursor, because nothing came of what was sent.
func (s *session) rewind() error {
	cursor := s.config.Log.Cursor()
	if s.next == cursor {
		return nil
	}
	s.config.Logger.Info("no acknowledgement, sending again", "from", cursor, "after", s.patience)
	s.patience, s.silent = min(2*s.patience, maxPatience), true
	s.next = cursor
	return s.fill()
}

func (s *session) showAll() error {
	if err := s.show(true); err != nil {
		return err
	}
	return s.offer(true)
}

// show publishes the state, again or if it has changed.
func (s *session) show(again bool) error {
	s.stated, s.stale = time.Now(), false
	state := s.config.Desk.State()
	if state == nil || !again && bytes.Equal(state, s.state) {
		return nil
	}
	s.state = state
	signed, err := s.signState(state)
	if err != nil {
		return err
	}
	return s.publish(topic.State, signed, true)
}

// startBits leaves room for four billion states of one start.
const startBits = 32

func (r *Reporter) signState(state []byte) ([]byte, error) {
	if r.config.Device == nil {
		return state, nil
	}
	r.states++
	return envelope.SignState(r.config.Device, envelope.Statement{
		Terminal: r.config.Terminal, State: state, Sequence: r.config.Start<<startBits + r.states, Heard: r.cityTime,
	})
}

// offer publishes keys and letters, again or what is new.
func (s *session) offer(again bool) error {
	listed := make(map[[sha256.Size]byte]bool)
	for _, list := range s.config.Desk.Keys() {
		id := sha256.Sum256(list)
		listed[id] = true
		if !again && s.keys[id] {
			continue
		}
		// The broker retains the last list; the others come again with Repeat.
		if err := s.publish(topic.Keys, list, true); err != nil {
			return err
		}
	}
	s.keys = listed
	sent := make(map[[sha256.Size]byte]bool)
	for _, letter := range s.config.Desk.Letters() {
		id := sha256.Sum256(letter)
		sent[id] = true
		if !again && s.letters[id] {
			continue
		}
		if err := s.publish(topic.Letter, letter, false); err != nil {
			return err
		}
	}
	s.letters = sent
	return nil
}

func (s *session) publish(t Topic, payload []byte, retained bool) error {
	return s.conn.Publish(s.message(t, payload, retained))
}

func (r *Reporter) message(t Topic, payload []byte, retained bool) broker.Message {
	return broker.Message{Topic: t.Of(r.config.Terminal), Payload: payload, Retained: retained}
}
