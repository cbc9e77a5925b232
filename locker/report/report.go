// Package report tells the city what happened, over MQTT, and hears its answers.
//
// The journal is the outbox. A broker's acknowledgement proves nothing, so the
// cursor moves on the city's own signed one alone: events are published in
// order, at most [Window] beyond the cursor, each batch followed by a signed
// checkpoint that covers it; without progress for two seconds everything from
// the cursor on is published again. The city drops what it has. So it gets every
// event, in order, and once in effect, whatever brokers and networks do.
//
// A [Reporter] never blocks the machine: it reads the journal, and what the
// city sends waits in a bounded queue of its own; the city repeats what an
// overflow drops.
//
// It verifies nothing itself. Acknowledgements are the journal's to judge,
// orders, rosters and commands the vault's.
package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

const (
	// Window is the number of events that may be under way beyond the cursor.
	// Brokers bound what they hold for a receiver; Mosquitto's default is 1,000.
	Window = 100
	// batch is the number of events that one checkpoint covers at most: three
	// are under way at a time, so that the city's disk and the wire overlap.
	batch = 32
	// patience is how long the city may say nothing new before all that is
	// under way is sent again. It doubles up to maxPatience while the city is silent.
	patience    = 2 * time.Second
	maxPatience = time.Minute
	// StatePeriod is how often the state goes out at least, signed: the city takes
	// a terminal that does not say so for held back.
	StatePeriod = time.Minute
	// stateEvery bounds how often the snapshot goes out.
	stateEvery = time.Second
	// mailLimit and ackLimit bound what is received and not yet handled, in bytes.
	mailLimit = 8 << 20
	ackLimit  = 1 << 20
)

// Log is the journal as the reporter reads it. Events are counted from 0; the
// first n of them form the tree of size n.
type Log interface {
	// Size is the number of events.
	Size() uint64
	// Cursor is the number of events that the city holds.
	Cursor() uint64
	// Pruned is the number of events, from the first on, that Read gives no more.
	Pruned() uint64
	// Read gives at most limit events from the given one on, as they were hashed.
	Read(from uint64, limit int) ([][]byte, error)
	// Checkpoint is the signed note of the tree of the first size events.
	Checkpoint(size uint64) ([]byte, error)
	// Acknowledge judges the city's signed note and moves the cursor, also back
	// when the city lost events. It gives the time that the note states.
	Acknowledge(note []byte) (time.Time, error)
	// Changed has a value after events were appended.
	Changed() <-chan struct{}
}

// Terminal is what the city sees beside the events, and who hears its messages.
// The reporter calls it from goroutines of its own.
type Terminal interface {
	// State is a JSON object, not signed; nil for none yet.
	State() []byte
	// Keys are the signed lists of unused order keys; nil for none yet.
	Keys() [][]byte
	// Letters are the sealed letters that the city has not yet posted.
	Letters() [][]byte
	// Receive hands over one message as it came, unverified, at most
	// broker.MaxPacket bytes. It may block; then later ones are dropped.
	Receive(Topic, []byte)
	// Tell hands over what an acknowledgement led to: locker.CityTime,
	// locker.LogDisputed or locker.MessageRejected.
	Tell(locker.Input)
}

// Config is what a Reporter needs. All of it is required but Repeat, Device and Start.
type Config struct {
	Terminal string        // its id, part of the topics
	Broker   broker.Config // ClientID may be empty; Will is set here
	Log      Log
	Desk     Terminal
	Repeat   time.Duration // of keys and letters, which a broker may have lost; 0: one minute
	Device   note.Signer   // signs the state; nil: it goes out unsigned, and the city does not believe it
	Start    uint64        // number of this start, larger than that of every earlier one: states are counted from it
	Logger   *slog.Logger
}

// Reporter is the terminal's line to the city.
type Reporter struct {
	config  Config
	refresh chan struct{}
	again   chan struct{} // the whole journal is asked for
	mail    *broker.Inbox
	acks    *broker.Inbox

	states   uint64    // that were signed
	cityTime time.Time // of the last acknowledgement, by the city's clock

	mu     sync.Mutex
	status Status
}

// Status is how the line stands, for the local display and the log.
type Status struct {
	Connected bool
	Since     time.Time // of Connected's last change
	Heard     time.Time // when the city's last valid acknowledgement came
}

// New checks the configuration. Nothing happens before Run.
func New(config Config) (*Reporter, error) {
	if !topic.ValidTerminal(config.Terminal) {
		return nil, fmt.Errorf("report: terminal %q: wants 1 to 40 of a–z, 0–9 and hyphen", config.Terminal)
	}
	if config.Log == nil || config.Desk == nil || config.Logger == nil {
		return nil, errors.New("report: log, desk and logger are required")
	}
	if err := config.Broker.Validate(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if config.Repeat == 0 {
		config.Repeat = time.Minute
	}
	if config.Broker.ClientID == "" {
		config.Broker.ClientID = "nachtfach-" + config.Terminal
	}
	config.Broker.Will = &broker.Message{
		Topic: topic.Online.Of(config.Terminal), Payload: []byte("false"), Retained: true,
	}
	return &Reporter{
		config:  config,
		refresh: make(chan struct{}, 1),
		again:   make(chan struct{}, 1),
		mail:    broker.NewInbox(mailLimit),
		acks:    broker.NewInbox(ackLimit),
	}, nil
}

// Run reports until ctx ends, and returns its error. Everything else that can
// go wrong is logged and tried again.
func (r *Reporter) Run(ctx context.Context) error {
	var deliver sync.WaitGroup
	deliver.Go(func() { r.deliver(ctx) })
	defer deliver.Wait()
	return broker.Keep(ctx, r.config.Logger, r.config.Broker, r.serve)
}

// Refresh publishes keys and letters if they have changed, and the state, which
// also follows the events by itself. It never blocks.
func (r *Reporter) Refresh() {
	select {
	case r.refresh <- struct{}{}:
	default:
	}
}

// Resend publishes all that the city has acknowledged and the journal still has
// once more, batch by batch
// with its checkpoints, beside what is new. The city drops what it has, and
// holds each checkpoint against its own tree. It never blocks; a connection
// that is lost meanwhile ends it.
func (r *Reporter) Resend() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// Status tells how the line stands.
func (r *Reporter) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *Reporter) connected(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Connected, r.status.Since = yes, time.Now()
}

func (r *Reporter) heard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Heard = time.Now()
}

// deliver hands the city's messages over, one at a time.
func (r *Reporter) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.mail.Ready():
		}
		messages, dropped := r.mail.Take()
		if dropped > 0 {
			r.config.Logger.Warn("messages of the city dropped: more than the terminal can take", "dropped", dropped)
		}
		for _, m := range messages {
			if ctx.Err() != nil {
				return
			}
			if of, on, ok := topic.Split(m.Topic); ok && of == r.config.Terminal && len(m.Payload) > 0 {
				r.config.Desk.Receive(on, m.Payload)
			}
		}
	}
}
