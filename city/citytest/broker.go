// Package citytest is a city, a broker and terminals in one process, for tests
// of what goes between them. Terminals have a real journal and a real reporter,
// and no machine: a test appends the events itself.
package citytest

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/embedded"
)

// Broker is the embedded broker; what goes wrong with it fails the test.
type Broker struct {
	t      testing.TB
	broker *embedded.Broker
}

// StartBroker starts a broker on a free port of the loopback; the test's end stops it.
func StartBroker(t testing.TB) *Broker {
	t.Helper()
	b, err := embedded.Start()
	must(t, err)
	t.Cleanup(func() { _ = b.Stop() })
	return &Broker{t, b}
}

// FreeAddress is an address of the loopback at which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// URL is the broker's address.
func (b *Broker) URL() string { return b.broker.URL() }

// Start starts the broker after Stop.
func (b *Broker) Start() { b.t.Helper(); must(b.t, b.broker.Start()) }

// Stop ends all connections and forgets everything.
func (b *Broker) Stop() { b.t.Helper(); must(b.t, b.broker.Stop()) }

// Publish puts a message into the broker, as somebody hostile could.
func (b *Broker) Publish(topic string, payload []byte, retain bool) {
	b.t.Helper()
	must(b.t, b.broker.Publish(topic, payload, retain))
}

// Watch calls f with every message on the broker.
func (b *Broker) Watch(f func(topic string, payload []byte)) {
	b.t.Helper()
	must(b.t, b.broker.Watch(f))
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
	Eventually(b.t, "a retained message on "+topic, 30*time.Second, func() bool { return b.Retains(topic) })
}

// Retains tells whether a message is retained on the topic.
func (b *Broker) Retains(topic string) bool { return b.broker.Retained(topic) != nil }
