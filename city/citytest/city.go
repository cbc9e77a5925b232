package citytest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// City is a city with keys of its own, and a folder of the test's.
type City struct {
	*city.City
	t      testing.TB
	Config city.Config
	Folder string
}

// NewCity makes one for the broker at this address; it does not run yet.
func NewCity(t testing.TB, url string) *City {
	t.Helper()
	private, public, err := envelope.GenerateCity(rand.Reader, "teststadt")
	must(t, err)
	signer, err := note.NewSigner(private)
	must(t, err)
	letter, _, err := envelope.Standard{}.GenerateKey()
	must(t, err)
	folder := t.TempDir()
	c := &City{t: t, Folder: folder, Config: city.Config{
		Record: filepath.Join(folder, "city.sqlite"), Broker: broker.Config{URL: url},
		Signer: signer, Verifier: public, LetterKey: letter, Suite: envelope.Standard{},
		Repeat: 200 * time.Millisecond, Now: time.Now, Rand: rand.Reader, Logger: Logger(t),
	}}
	c.Open()
	t.Cleanup(func() { c.Close() })
	return c
}

// Open opens the record again after Close.
func (c *City) Open() {
	c.t.Helper()
	var err error
	c.City, err = city.Open(c.Config)
	must(c.t, err)
}

// Reopen takes a changed Config into effect.
func (c *City) Reopen() {
	c.t.Helper()
	must(c.t, c.Close())
	c.Open()
}

// Scrub makes SQLite write everything into its one file.
func (c *City) Scrub() error {
	r, err := record.Open(c.Config.Record, c.Config.Now)
	if err != nil {
		return err
	}
	return errors.Join(r.Scrub(context.Background()), r.Close())
}

// Start runs it until stop.
func (c *City) Start() (stop func()) { return run(c.t, c.Run) }

// Backup copies the record while nobody writes to it.
func (c *City) Backup() []byte {
	c.t.Helper()
	must(c.t, c.Close())
	file, err := os.ReadFile(c.Config.Record)
	must(c.t, err)
	c.Open()
	return file
}

// Restore replaces the record by a backup.
func (c *City) Restore(file []byte) {
	c.t.Helper()
	must(c.t, c.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(c.Config.Record + suffix)
	}
	must(c.t, os.WriteFile(c.Config.Record, file, 0o600))
	c.Open()
}

// Add registers a terminal.
func (c *City) Add(m *Terminal) {
	c.t.Helper()
	must(c.t, c.AddTerminal(context.Background(), m.ID, m.Verifier))
}

// Holds is the number of events that the city has of a terminal.
func (c *City) Holds(m *Terminal) uint64 {
	c.t.Helper()
	all, err := c.Terminals(context.Background())
	must(c.t, err)
	for _, t := range all {
		if t.ID == m.ID {
			return t.Size
		}
	}
	return 0
}

// All gives every event that the city has of a terminal.
func (c *City) All(m *Terminal) []api.Event {
	c.t.Helper()
	var all []api.Event
	for {
		some, err := c.Events(context.Background(), m.ID, uint64(len(all)), 1000)
		must(c.t, err)
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
	}
}

// Same fails the test unless the city's record is the terminal's journal, byte
// by byte, and its tree verifies.
func (c *City) Same(m *Terminal) {
	c.t.Helper()
	held := c.All(m)
	if uint64(len(held)) != m.Journal.Size() {
		c.t.Fatalf("the city holds %d events, the journal %d", len(held), m.Journal.Size())
	}
	for at := uint64(0); at < m.Journal.Size(); {
		bodies, err := m.Journal.Read(at, 500)
		must(c.t, err)
		for _, body := range bodies {
			if string(held[at].Body) != string(body) || held[at].Sequence != at {
				c.t.Fatalf("event %d differs:\ncity    %s\njournal %s", at, held[at].Body, body)
			}
			at++
		}
	}
	tree, err := c.Verify(context.Background(), m.ID)
	must(c.t, err)
	size, root, err := m.Journal.Tree()
	must(c.t, err)
	if tree.Size != size || tree.Root != root.String() {
		c.t.Fatalf("the city's tree is %d %s, the journal's %d %v", tree.Size, tree.Root, size, root)
	}
}

// Alarmed gives the details of the city's alarms of one kind.
func (c *City) Alarmed(kind string) []string {
	c.t.Helper()
	alarms, err := c.Alarms(context.Background())
	must(c.t, err)
	var all []string
	for _, a := range alarms {
		if a.Kind == kind {
			all = append(all, a.Detail)
		}
	}
	return all
}
