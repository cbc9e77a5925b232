// Package city is the other end of the terminals: it keeps every event, signs
// for it, and sends what the desks have to say.
//
// An event is stored when a checkpoint that the device signed covers it, in
// order, once, and never with a gap; the tree is computed anew from the very
// bytes. Then the city signs what it holds, and that moves the terminal's
// cursor. It repeats orders, withdrawals, rosters, commands and posted letters
// until an event answers them, so that neither side trusts a broker.
//
// The city opens no order, sees no template and opens no door. It does see the
// pickup code, once, when the letter is printed; before, the letter lies sealed
// in its record, and afterwards nowhere.
//
// What is over and older than its period is pruned from the record; what is left
// verifies as before.
//
// The record is package record's, the desks' interface package api's.
package city

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// Config is what a City needs; all of it is required but Socket, Name and the times.
type Config struct {
	Record    string        // path of the SQLite file; made if it is not there
	Socket    string        // path of the desks' Unix socket; empty: none
	Name      string        // of this city as MQTT client; empty: the signer's
	Broker    broker.Config // ClientID may be empty
	Signer    note.Signer   // of acknowledgements and posted letters
	Verifier  string        // its public half, as terminals are told
	LetterKey []byte        // private; letters are sealed to its public half
	Suite     envelope.Suite
	Repeat    time.Duration // of what is open; 0: one minute
	Roll      time.Duration // after which a terminal that said nothing to a new connection is away; 0: one minute
	Stale     time.Duration // after which a terminal without a new signed state is an alarm; 0: DefaultStale
	Silent    time.Duration // after which a terminal that said nothing is an alarm; 0: DefaultSilent
	Keep      time.Duration // of what is over and names people; 0: DefaultKeep
	Now       func() time.Time
	Rand      io.Reader // fit for keys
	Logger    *slog.Logger
}

// inboxLimit bounds what is received and not yet taken in, in bytes.
const inboxLimit = 64 << 20

// City is the daemon without its command line.
type City struct {
	config Config
	record *record.Record
	letter []byte // public half of LetterKey
	inbox  *broker.Inbox

	mu     sync.Mutex
	closed map[string]bool // terminals whose log was closed while a session knew it
	nudged map[string]bool // terminals for which there is something new to send
	joined map[string]bool // terminals that were registered since the session last looked
	nudge  chan struct{}
	change chan struct{}        // closed at the next change of what admins see
	line   api.Line             // to the broker
	heard  map[string]time.Time // when each terminal was last heard
	stated map[string]statement // what each terminal last signed
	full   *api.Trouble         // why the record cannot be written; nil while it can
}

// Open opens the record. Nothing is sent before Run.
func Open(config Config) (*City, error) {
	if config.Signer == nil || config.Suite == nil || config.Now == nil || config.Rand == nil || config.Logger == nil {
		return nil, errors.New("city: signer, suite, now, rand and logger are required")
	}
	if err := config.Broker.Validate(); err != nil {
		return nil, fmt.Errorf("city: %w", err)
	}
	letter, err := config.Suite.PublicKey(config.LetterKey)
	if err != nil {
		return nil, fmt.Errorf("city: letter key: %w", err)
	}
	if config.Repeat == 0 {
		config.Repeat = time.Minute
	}
	if config.Roll == 0 {
		config.Roll = time.Minute
	}
	if config.Silent == 0 {
		config.Silent = DefaultSilent
	}
	if config.Stale == 0 {
		config.Stale = DefaultStale
	}
	if config.Silent < 0 {
		return nil, fmt.Errorf("city: silent %v: wants a positive time", config.Silent)
	}
	if config.Keep == 0 {
		config.Keep = DefaultKeep
	}
	if config.Keep < LeastKeep || config.Keep > MostKeep {
		return nil, fmt.Errorf("city: keep %v: wants %v to %v", config.Keep, LeastKeep, MostKeep)
	}
	if config.Broker.ClientID == "" {
		name := config.Name
		if name == "" {
			name = config.Signer.Name()
		}
		config.Broker.ClientID = "nachtfach-city-" + name
	}
	r, err := record.Open(config.Record, config.Now)
	if err != nil {
		return nil, err
	}
	return &City{
		config: config, record: r, letter: letter,
		inbox: broker.NewInbox(inboxLimit), nudged: map[string]bool{}, joined: map[string]bool{}, closed: map[string]bool{}, nudge: make(chan struct{}, 1), change: make(chan struct{}),
		line: api.Line{Since: config.Now()}, heard: map[string]time.Time{}, stated: map[string]statement{},
	}, nil
}

// Close closes the record.
func (c *City) Close() error { return c.record.Close() }

// Run serves terminals and desks until ctx ends, and returns its error, or the
// one that makes it impossible to go on.
func (c *City) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { c.prune(ctx) })
	beside.Go(func() { c.watchConditions(ctx) })
	defer beside.Wait()
	defer cancel()
	serve := make(chan error, 1)
	if c.config.Socket != "" {
		go func() {
			serve <- c.listen(ctx)
			cancel()
		}()
	} else {
		serve <- nil
	}
	err := broker.Keep(ctx, c.config.Logger, c.config.Broker, c.serve)
	cancel()
	if listen := <-serve; listen != nil {
		return listen
	}
	return err
}

// poke makes what is new for a terminal go out at once.
func (c *City) poke(terminal string) {
	c.mu.Lock()
	c.nudged[terminal] = true
	c.mu.Unlock()
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

func (c *City) poked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for t := range c.nudged {
		all = append(all, t)
	}
	clear(c.nudged)
	return all
}

// topics says where each kind of message goes.
var topics = map[locker.MessageKind]topic.Topic{
	locker.MessageOrder:      topic.Order,
	locker.MessageWithdrawal: topic.Order,
	locker.MessageRoster:     topic.Roster,
	locker.MessageCommand:    topic.Command,
	locker.MessagePosted:     topic.Posted,
}
