package desk_test

import (
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

const terminal = "rathaus-1"

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestThreatTheCityGivesAwayItsOwnKey has a hostile operator of cityd lease keys
// whose other half they have: with one, they would read what the desk captured.
func TestThreatTheCityGivesAwayItsOwnKey(t *testing.T) {
	suite := envelope.Standard{}
	device := func() (note.Signer, note.Verifier) {
		private, public, err := envelope.GenerateDevice(rand.Reader, terminal)
		if err != nil {
			t.Fatal(err)
		}
		return must[note.Signer](t)(note.NewSigner(private)), must[note.Verifier](t)(note.NewVerifier(public))
	}
	key := func(id locker.KeyID) (private []byte, k envelope.PublishedKey) {
		private, public, err := suite.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		return private, envelope.PublishedKey{ID: id, Public: public, Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	}
	list := func(by note.Signer, keys ...envelope.PublishedKey) []byte {
		return must[[]byte](t)(envelope.SignKeys(by, terminal, keys))
	}
	lease := func(k envelope.PublishedKey, list []byte) api.Key {
		return api.Key{Terminal: terminal, Key: k.ID, Public: k.Public, Expires: k.Expires, List: list}
	}
	signer, known := device()
	thief, _ := device() // of the same name
	_, real := key(1)
	_, next := key(2)
	private, own := key(1)

	if k, err := desk.Key(lease(next, list(signer, real, next)), known); err != nil || k.ID != 2 || k.Expires != next.Expires {
		t.Fatalf("the terminal's own: %+v, %v", k, err)
	}
	late := lease(real, list(signer, real))
	late.Key = 3
	elsewhere := lease(real, list(signer, real))
	elsewhere.Terminal = "rathaus-2"
	for name, leased := range map[string]api.Key{
		"the operator's own":            lease(own, list(signer, real)),
		"signed by the operator":        lease(own, list(thief, own)),
		"without a list":                lease(real, nil),
		"under another number":          late,
		"for another terminal":          elsewhere,
		"that the terminal has dropped": lease(next, list(signer, real)),
	} {
		if _, err := desk.Key(leased, known); err == nil {
			t.Errorf("a key %s is taken", name)
		}
	}

	// Without the defence the desk seals to what it is given, and the operator reads it.
	ssh, _, err := envelope.GenerateSSH(rand.Reader, "desk")
	if err != nil {
		t.Fatal(err)
	}
	a := desk.Application{Terminal: terminal, Document: locker.IdentityCard, Size: locker.Small, Number: []byte("481516")}
	_, sealed, err := a.Order(must[envelope.Signer](t)(envelope.ParseSSH(ssh)), own, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	unwrapped, by, err := envelope.OpenSubmission(suite, sealed)
	if err != nil || by == "" {
		t.Fatalf("the submission is signed by %q, %v", by, err)
	}
	read, err := envelope.OpenOrder(suite, private, must[envelope.SealedOrder](t)(envelope.ParseSealedOrder(unwrapped)), anybody{}, time.Now())
	if err != nil || string(read.Factors[0].Number) != "481516" {
		t.Errorf("the operator reads nothing: this proves nothing: %v", err)
	}
}

type anybody struct{}

func (anybody) Holder(string, locker.Role, time.Time) (locker.Person, error) { return "desk", nil }
