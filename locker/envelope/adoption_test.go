package envelope_test

import (
	"bytes"
	"crypto/rand"
	"reflect"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

func TestAnAdoption(t *testing.T) {
	private, public, err := envelope.GenerateCity(rand.Reader, "town")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	city, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	a := locker.Adoption{Size: 12, Root: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", Generation: 9, Key: 77,
		Held: []locker.HeldDocument{{Compartment: 1, Order: "ORDER-0001"}, {Compartment: 24, Order: "ORDER-0002"}}}
	signed, err := envelope.SignAdoption(signer, "rathaus-1", a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenAdoption(city, "rathaus-1", signed)
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("%+v became %+v, %v", a, got, err)
	}
	if _, err := envelope.OpenAdoption(city, "rathaus-2", signed); err == nil {
		t.Error("another terminal took it")
	}
	for i := range signed {
		b := bytes.Clone(signed)
		b[i] ^= 1
		if got, err := envelope.OpenAdoption(city, "rathaus-1", b); err == nil && !reflect.DeepEqual(got, a) {
			t.Fatalf("with byte %d changed it opens as %+v", i, got)
		}
	}
	for what, bad := range map[string]locker.Adoption{
		"no root":             {Size: 1},
		"a compartment twice": {Root: a.Root, Held: []locker.HeldDocument{a.Held[0], a.Held[0]}},
		"compartment zero":    {Root: a.Root, Held: []locker.HeldDocument{{Order: "ORDER-0001"}}},
		"no order":            {Root: a.Root, Held: []locker.HeldDocument{{Compartment: 1}}},
	} {
		if _, err := envelope.SignAdoption(signer, "rathaus-1", bad); err == nil {
			t.Errorf("%s was signed", what)
		}
	}
}
