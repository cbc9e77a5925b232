// Package virtualkey is a FIDO2 security key together with its browser, in
// software, for tests. It signs whatever it is told to, which is its use.
package virtualkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Key is one security key with one credential.
type Key struct {
	ID      []byte
	Private crypto.Signer
	Count   uint32 // of signatures; each answer's is greater
}

// New makes a key on P-256, as most have it.
func New() *Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system's randomness does not fail
	}
	return with(private)
}

// NewEd25519 makes a key on Ed25519.
func NewEd25519() *Key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return with(private)
}

func with(private crypto.Signer) *Key {
	k := &Key{ID: make([]byte, 32), Private: private}
	_, _ = rand.Read(k.ID) // never fails
	return k
}

// Credential is what the roster holds of it.
func (k *Key) Credential() envelope.SecurityKey {
	public, err := x509.MarshalPKIXPublicKey(k.Private.Public())
	if err != nil {
		panic(err) // of a kind that New made
	}
	return envelope.SecurityKey{ID: k.ID, Public: public}
}

// Answer is what an answer says.
type Answer struct {
	Challenge []byte
	RPID      string
	Origin    string
	Type      string // of the ceremony
	Flags     byte   // user present 1, user verified 4
}

// To is the right answer: the user was there, and verified.
func To(challenge []byte, rpID, origin string) Answer {
	return Answer{Challenge: challenge, RPID: rpID, Origin: origin, Type: "webauthn.get", Flags: 1 | 4}
}

// Sign signs an answer and gives it as the browser does: a PublicKeyCredential
// as JSON.
func (k *Key) Sign(a Answer) []byte {
	k.Count++
	encode := base64.RawURLEncoding.EncodeToString
	client := mustJSON(map[string]any{"type": a.Type, "challenge": encode(a.Challenge), "origin": a.Origin, "crossOrigin": false})
	rp, hash := sha256.Sum256([]byte(a.RPID)), sha256.Sum256(client)
	data := binary.BigEndian.AppendUint32(append(rp[:], a.Flags), k.Count)
	signed := append(append([]byte{}, data...), hash[:]...)
	sum, options := sha256.Sum256(signed), crypto.SignerOpts(crypto.SHA256)
	message := sum[:]
	if _, ok := k.Private.(ed25519.PrivateKey); ok {
		message, options = signed, crypto.Hash(0)
	}
	signature, err := k.Private.Sign(rand.Reader, message, options)
	if err != nil {
		panic(err)
	}
	return mustJSON(map[string]any{
		"id": encode(k.ID), "rawId": encode(k.ID), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature)},
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
