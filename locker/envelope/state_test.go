package envelope_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

func device(t testing.TB, id string) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := envelope.GenerateDevice(rand.Reader, id)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestASignedStateIsWhatTheDeviceSaid(t *testing.T) {
	signer, verifier := device(t, terminal)
	for _, object := range []string{`{}`, `{"open":true}`, `{"fault":"a \"note\":\"x\" in a text","alarms":[]}`} {
		want := envelope.Statement{Terminal: terminal, State: []byte(object), Sequence: 1<<40 + 7, Heard: now}
		message, err := envelope.SignState(signer, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := envelope.OpenState(verifier, terminal, message)
		if err != nil || string(got.State) != object || got.Sequence != want.Sequence || !got.Heard.Equal(now) {
			t.Fatalf("of %s came %+v, %v", message, got, err)
		}
	}
	if _, err := envelope.SignState(signer, envelope.Statement{Terminal: terminal, State: []byte(`[]`)}); err == nil {
		t.Error("a list was signed as a state")
	}
}

func TestAForgedOrChangedStateIsRefused(t *testing.T) {
	signer, verifier := device(t, terminal)
	stranger, _ := device(t, terminal)
	sign := func(by note.Signer, object string) string {
		message, err := envelope.SignState(by, envelope.Statement{Terminal: terminal, State: []byte(object), Sequence: 3, Heard: now})
		if err != nil {
			t.Fatal(err)
		}
		return string(message)
	}
	good := sign(signer, `{"open":true,"recorded":17}`)
	for name, bad := range map[string]string{
		"unsigned":        `{"open":true,"recorded":17}`,
		"another key":     sign(stranger, `{"open":true,"recorded":17}`),
		"changed":         strings.Replace(good, "17", "18", 1),
		"longer":          strings.Replace(good, `,"note"`, `,"busy":true,"note"`, 1),
		"a member behind": strings.TrimSuffix(good, "}") + `,"recorded":99}`,
		"two objects":     `{"open":false}` + good,
		"another note":    good[:strings.Index(good, `"note"`)] + sign(signer, `{}`)[1:],
		"empty":           ``,
	} {
		if s, err := envelope.OpenState(verifier, terminal, []byte(bad)); err == nil {
			t.Errorf("%s: accepted as %s", name, s.State)
		}
	}
	if _, err := envelope.OpenState(verifier, "musterstadt-2", []byte(good)); err == nil {
		t.Error("accepted for another terminal")
	}
}

func FuzzOpenState(f *testing.F) {
	signer, verifier := device(f, terminal)
	message, err := envelope.SignState(signer, envelope.Statement{Terminal: terminal, State: []byte(`{"open":true}`), Sequence: 3, Heard: now.Add(time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) {
		if s, err := envelope.OpenState(verifier, terminal, message); err == nil && string(s.State) != `{"open":true}` {
			t.Fatalf("%q passes for signed", s.State)
		}
	})
}
