package daemon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
)

func TestOldAcknowledgedEventsLoseTheirBodiesAtTheStart(t *testing.T) {
	b := newBench(t, "daemon-prune")
	private, public, err := envelope.GenerateCity(rand.Reader, "town")
	if err != nil {
		t.Fatal(err)
	}
	city, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	b.config.City.Verifier = public
	b.init()
	known, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.config.State, "journal.db")
	j, err := journal.Open(journal.Config{Path: path, Terminal: b.config.Terminal, Entropy: rand.Reader, City: note.VerifierList(known)})
	if err != nil {
		t.Fatal(err)
	}
	// 600 marks of last year, and one of now.
	ledger := locker.New()
	now := time.Now().UTC()
	for n := range 601 {
		at := now.Add(-200 * 24 * time.Hour)
		if n == 600 {
			at = now
		}
		mark := locker.Event{Time: at, Quality: locker.TimeConfirmed, Fact: locker.ClockMarked{}}
		if err := ledger.Replay(mark); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append([]locker.Event{mark}, ledger.Snapshot); err != nil {
			t.Fatal(err)
		}
	}
	size, root, err := j.Tree()
	if err != nil {
		t.Fatal(err)
	}
	ack, err := envelope.SignAck(city, envelope.Ack{
		Checkpoint: envelope.Checkpoint{Terminal: b.config.Terminal, Size: int64(size), Root: root}, Time: now.Truncate(time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Acknowledge(ack); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is over its period goes at the start, before anything else is waited for
	if err := errors.Join(d.Run(ctx), d.Close()); err != nil {
		t.Fatal(err)
	}
	if j, err = journal.OpenReadOnly(path); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if n := j.Pruned(); n < 500 || n > 600 {
		t.Errorf("%d events pruned, want those that a snapshot covers", n)
	}
	if _, _, err := j.Verify(journal.Trust{City: note.VerifierList(known)}); err != nil {
		t.Errorf("what is left: %v", err)
	}
}
