// Package embedded is an MQTT broker in the same process, for the demo and for
// tests that need no other program. It listens on loopback, remembers nothing
// across a stop, and lets everybody in: no town runs on it.
package embedded

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Broker is a broker at one address, which can be stopped and started again.
type Broker struct {
	addr string

	mu       sync.Mutex
	server   *mqtt.Server // nil while stopped
	turns    *turns       // of the server
	watchers []func(topic string, payload []byte)
}

// Start starts a broker on a free port of the loopback.
func Start() (*Broker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	b := &Broker{addr: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return b, b.Start()
}

// URL is the broker's address.
func (b *Broker) URL() string { return "tcp://" + b.addr }

// Start starts the broker after Stop.
func (b *Broker) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	b.turns = new(turns)
	if err := s.AddHook(&identifiers{away: map[*mqtt.Client]packets.Packet{}}, nil); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := s.AddHook(b.turns, nil); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := s.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: b.addr})); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := s.Serve(); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	b.server = s
	for i, f := range b.watchers {
		if err := b.subscribe(i, f); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all connections and forgets all messages.
func (b *Broker) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.server
	b.server = nil
	if s == nil {
		return nil
	}
	return s.Close()
}

// Publish puts a message into the broker, as anybody on its network could.
func (b *Broker) Publish(topic string, payload []byte, retain bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return fmt.Errorf("embedded broker: stopped")
	}
	return b.server.Publish(topic, payload, retain, 1)
}

// Watch calls f with every message under nachtfach/, also after a new start.
func (b *Broker) Watch(f func(topic string, payload []byte)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(b.watchers, f)
	if b.server == nil {
		return nil
	}
	return b.subscribe(len(b.watchers)-1, f)
}

func (b *Broker) subscribe(id int, f func(string, []byte)) error {
	b.turns.mu.Lock()
	defer b.turns.mu.Unlock()
	err := b.server.Subscribe("nachtfach/#", id+1, func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) { f(p.TopicName, p.Payload) })
	if err != nil {
		return fmt.Errorf("embedded broker: watch: %w", err)
	}
	return nil
}

// Retained is what the broker keeps for a topic; nil for nothing.
func (b *Broker) Retained(topic string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return nil
	}
	b.turns.mu.Lock()
	defer b.turns.mu.Unlock()
	for _, p := range b.server.Topics.Messages(topic) {
		return p.Payload
	}
	return nil
}
