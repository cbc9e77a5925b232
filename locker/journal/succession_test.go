package journal_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
)

// rekeyed is a closed journal whose device got a new key after 130 of 260
// events; word is what the old key signed about the new one.
func rekeyed(t *testing.T, word func(oldKey note.Signer, next string) string) (path string, before, after journal.Trust) {
	t.Helper()
	name := "nachtfach.de/" + terminal
	oldSigner, oldKey := keys(t, name)
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	newSigner, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	newKey, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.Signer = oldSigner
	j := create(t, c)
	appendTo(t, j, events(0, 130))
	next := event(130)
	next.Fact = locker.DeviceRekeyed{Verifier: public, RosterKey: "rk", Proof: word(oldSigner, public)}
	appendTo(t, j, []locker.Event{next})
	closed(t, j)
	c.Signer = newSigner
	j = open(t, c)
	for n := 131; n < 260; n++ {
		appendTo(t, j, events(n, n+1))
	}
	closed(t, j)
	return c.Path, journal.Trust{Device: note.VerifierList(oldKey)}, journal.Trust{Device: note.VerifierList(newKey)}
}

func oldKeysWord(t *testing.T) func(note.Signer, string) string {
	return func(old note.Signer, next string) string {
		signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("nachtfach.de/%s/rekey\n%s\nrk\n", terminal, next)}, old)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
}

func TestTheOldKeyLeadsToTheNewOne(t *testing.T) {
	path, before, after := rekeyed(t, oldKeysWord(t))
	if err := verify(t, path, before); err != nil {
		t.Errorf("by the first key: %v", err)
	}
	if err := verify(t, path, after); err != nil {
		t.Errorf("by the present key: %v", err)
	}
	_, stranger := keys(t, "nachtfach.de/"+terminal)
	if err := verify(t, path, journal.Trust{Device: note.VerifierList(stranger)}); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("by another's key: %v", err)
	}
}

func TestANewKeyThatTheOldOneDidNotSignForIsNotFollowed(t *testing.T) {
	_, other, err := note.GenerateKey(rand.Reader, "nachtfach.de/"+terminal)
	if err != nil {
		t.Fatal(err)
	}
	strangerSigner, _ := keys(t, "nachtfach.de/"+terminal)
	for name, word := range map[string]func(note.Signer, string) string{
		"nothing":        func(note.Signer, string) string { return "" },
		"another key":    func(old note.Signer, _ string) string { return oldKeysWord(t)(old, other) },
		"a stranger":     func(_ note.Signer, next string) string { return oldKeysWord(t)(strangerSigner, next) },
		"its own word":   func(note.Signer, string) string { return "nachtfach.de/rathaus-1/rekey\n" },
		"a changed note": func(old note.Signer, next string) string { return "x" + oldKeysWord(t)(old, next) },
	} {
		path, before, _ := rekeyed(t, word)
		if err := verify(t, path, before); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
