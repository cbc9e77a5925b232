// Package citytest is a city, a broker and terminals in one process, for tests
// of what goes between them. Terminals have a real journal and a real reporter,
// and no machine: a test appends the events itself.
package citytest

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Broker is an embedded broker that can be stopped and started again at the
// same address, without memory of what it had.
type Broker struct {
	t      testing.TB
	addr   string
	server *mqtt.Server

	watchers int
}

// StartBroker starts a broker on a free port of the loopback; the test's end stops it.
func StartBroker(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{t: t, addr: FreeAddress(t)}
	b.Start()
	t.Cleanup(b.Stop)
	return b
}

// FreeAddress is an address of the loopback at which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// URL is the broker's address.
func (b *Broker) URL() string { return "tcp://" + b.addr }

// Start starts the broker after Stop.
func (b *Broker) Start() {
	b.t.Helper()
	b.server = mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := b.server.AddHook(new(auth.AllowHook), nil); err != nil {
		b.t.Fatal(err)
	}
	if err := b.server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: b.addr})); err != nil {
		b.t.Fatal(err)
	}
	if err := b.server.Serve(); err != nil {
		b.t.Fatal(err)
	}
}

// Stop ends all connections and forgets everything.
func (b *Broker) Stop() {
	if b.server != nil {
		_ = b.server.Close()
		b.server = nil
	}
}

// Publish puts a message into the broker, as somebody hostile could.
func (b *Broker) Publish(topic string, payload []byte, retain bool) {
	b.t.Helper()
	if err := b.server.Publish(topic, payload, retain, 1); err != nil {
		b.t.Fatal(err)
	}
}

// Watch calls f with every message on the broker until it stops.
func (b *Broker) Watch(f func(topic string, payload []byte)) {
	b.t.Helper()
	b.watchers++
	err := b.server.Subscribe("nachtfach/#", b.watchers, func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) { f(p.TopicName, p.Payload) })
	if err != nil {
		b.t.Fatal(err)
	}
}

// Collect gathers what is published on one topic from now on.
func (b *Broker) Collect(topic string) (all func() [][]byte) {
	b.t.Helper()
	var mu sync.Mutex
	var got [][]byte
	b.Watch(func(on string, payload []byte) {
		if on == topic {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, payload)
		}
	})
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// WaitFor waits until a message is retained on the topic.
func (b *Broker) WaitFor(topic string) {
	b.t.Helper()
	Eventually(b.t, "a retained message on "+topic, 30*time.Second, func() bool {
		return b.Retains(topic)
	})
}

// Retains tells whether a message is retained on the topic.
func (b *Broker) Retains(topic string) bool { return len(b.server.Topics.Messages(topic)) > 0 }
