package citytest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// Terminal is one without a machine.
type Terminal struct {
	t        testing.TB
	ID       string
	Verifier string // of its device key
	Signer   note.Signer
	Journal  *journal.Journal
	Desk     *Desk
	config   journal.Config
	starts   uint64 // of reporters
}

// NewTerminal makes one with an empty journal in a folder of the test's.
func NewTerminal(t testing.TB, id, cityVerifier string) *Terminal {
	t.Helper()
	private, public, err := envelope.GenerateDevice(rand.Reader, id)
	must(t, err)
	signer, err := note.NewSigner(private)
	must(t, err)
	city, err := note.NewVerifier(cityVerifier)
	must(t, err)
	config := journal.Config{
		Path: filepath.Join(t.TempDir(), "journal"), Terminal: id, Log: journal.LogID(signer), Entropy: rand.Reader,
		Signer: signer, City: note.VerifierList(city),
	}
	must(t, journal.Create(config))
	terminal := &Terminal{t: t, ID: id, Verifier: public, Signer: signer, Desk: &Desk{}, config: config}
	terminal.open()
	t.Cleanup(func() { terminal.Journal.Close() })
	return terminal
}

func (m *Terminal) open() {
	m.t.Helper()
	var err error
	m.Journal, err = journal.Open(m.config)
	must(m.t, err)
}

// Backup copies the journal's file as it is now, and Restore brings it back.
func (m *Terminal) Backup() []byte {
	m.t.Helper()
	must(m.t, m.Journal.Close())
	file, err := os.ReadFile(m.config.Path)
	must(m.t, err)
	m.open()
	return file
}

// Restore replaces the journal by a backup.
func (m *Terminal) Restore(file []byte) {
	m.t.Helper()
	must(m.t, m.Journal.Close())
	must(m.t, os.WriteFile(m.config.Path, file, 0o600))
	m.open()
}

// Append commits facts, all in one step.
func (m *Terminal) Append(facts ...locker.Fact) {
	m.t.Helper()
	events := make([]locker.Event, len(facts))
	for i, f := range facts {
		events[i] = locker.Event{Time: time.Now().UTC(), Quality: locker.TimeConfirmed, Fact: f}
	}
	_, err := m.Journal.Append(events, nil)
	must(m.t, err)
}

// CityVerifier reads the city's key as the terminal does.
func (m *Terminal) CityVerifier(c *City) note.Verifier {
	m.t.Helper()
	v, err := note.NewVerifier(c.Config.Verifier)
	must(m.t, err)
	return v
}

// AppendMany commits n events, a hundred a step.
func (m *Terminal) AppendMany(n int) {
	m.t.Helper()
	for n > 0 {
		facts := make([]locker.Fact, min(n, 100))
		for i := range facts {
			facts[i] = locker.CompartmentClosed{Compartment: locker.CompartmentID(i%24 + 1)}
		}
		m.Append(facts...)
		n -= len(facts)
	}
}

// Report runs a reporter until the returned function stops it.
func (m *Terminal) Report(url string) (r *report.Reporter, stop func()) {
	m.t.Helper()
	return m.ReportTo(broker.Config{URL: url})
}

// ReportTo is Report with more than an address.
func (m *Terminal) ReportTo(b broker.Config) (r *report.Reporter, stop func()) {
	m.t.Helper()
	m.starts++
	r, err := report.New(report.Config{
		Terminal: m.ID, Broker: b, Log: m.Journal, Desk: m.Desk, Logger: Logger(m.t), Device: m.Signer, Start: m.starts,
	})
	must(m.t, err)
	return r, run(m.t, r.Run)
}

// run calls f in the background until stop, or the test's end.
func run(t testing.TB, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// Desk is what a reporter shows and hears.
type Desk struct {
	mu       sync.Mutex
	state    []byte
	keys     []byte
	letters  [][]byte
	received []Received
	told     []locker.Input
}

// Received is one message of the city.
type Received struct {
	Topic   report.Topic
	Payload []byte
}

var _ report.Terminal = (*Desk)(nil)

// Show sets what is published.
func (d *Desk) Show(state, keys []byte, letters ...[]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.keys, d.letters = state, keys, letters
}

// ShowAlso shows a state and letters beside the keys that are shown already.
func (d *Desk) ShowAlso(state []byte, letters ...[]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.letters = state, letters
}

// Challenge is what a command to a Terminal must name.
const Challenge = "00112233445566778899aabbccddeeff"

// State implements report.Terminal: before Show gave another, an idle terminal's.
func (d *Desk) State() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil {
		state, err := json.Marshal(locker.Status{
			Time: time.Now().UTC(), Quality: locker.TimeConfirmed, Open: true, Challenge: Challenge,
			Compartments: []locker.CompartmentStatus{}, Alarms: []locker.AlarmRaised{},
		})
		if err != nil {
			return nil
		}
		d.state = state
	}
	return d.state
}

// Keys implements report.Terminal.
func (d *Desk) Keys() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		return nil
	}
	return [][]byte{d.keys}
}

// Letters implements report.Terminal.
func (d *Desk) Letters() [][]byte { d.mu.Lock(); defer d.mu.Unlock(); return d.letters }

// Receive implements report.Terminal.
func (d *Desk) Receive(topic report.Topic, payload []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.received = append(d.received, Received{topic, payload})
}

// Tell implements report.Terminal.
func (d *Desk) Tell(in locker.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, in)
}

// Received gives the messages of one topic so far.
func (d *Desk) Received(topic report.Topic) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all [][]byte
	for _, r := range d.received {
		if r.Topic == topic {
			all = append(all, r.Payload)
		}
	}
	return all
}

// Rejected gives the reasons of refused acknowledgements so far.
func (d *Desk) Rejected() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, in := range d.told {
		if r, ok := in.(locker.MessageRejected); ok {
			all = append(all, r.Reason)
		}
	}
	return all
}

// Disputes counts the acknowledgements of another history so far.
func (d *Desk) Disputes() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, in := range d.told {
		if _, ok := in.(locker.LogDisputed); ok {
			n++
		}
	}
	return n
}

// Eventually waits until the condition holds.
func Eventually(t testing.TB, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

// Logger writes into the test's log.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(&testWriter{t: t}, nil))
}

// testWriter is silent when the test is over: brokers' clients log late.
type testWriter struct{ t testing.TB }

func (w *testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("set up: %w", err))
	}
}
