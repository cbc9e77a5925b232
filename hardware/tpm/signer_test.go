package tpm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
)

func TestASigningKeyStaysInItsChip(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	signer := func(k *tpm.Chip, label string) (*tpm.Signer, *ecdsa.PublicKey) {
		t.Helper()
		s, err := k.Signer(label)
		if err != nil {
			t.Fatal(err)
		}
		return s, s.Public().(*ecdsa.PublicKey)
	}
	s, public := signer(k, "mqtt/rathaus-1")
	digest := sha256.Sum256([]byte("hello"))
	for range 20 { // no key is left behind in the chip's few places
		signature, err := s.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Fatalf("signature %x: %v", signature, err)
		}
	}
	if _, other := signer(k, "mqtt/rathaus-2"); other.Equal(public) {
		t.Error("another label has the same key")
	}
	if _, err := s.Sign(rand.Reader, digest[:20], crypto.SHA1); err == nil {
		t.Error("a digest of another hash was signed")
	}
	e.Cut()
	if _, again := signer(e.Open(t, tpm.Config{Path: e.Path, Auth: auth}), "mqtt/rathaus-1"); !again.Equal(public) {
		t.Error("after a power cut the key is another")
	}
	if _, foreign := signer(func() *tpm.Chip {
		k, err := tpm.Define(tpm.Config{Path: tpmtest.Start(t).Path, Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		return k
	}(), "mqtt/rathaus-1"); foreign.Equal(public) {
		t.Error("another chip has the same key")
	}
}
