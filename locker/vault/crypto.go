package vault

import (
	"io"

	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Crypto is the cryptography that a vault works with. [Standard] is the one in
// use; a simulation of ten years may bring a cheap model of it.
type Crypto interface {
	envelope.Suite
	// SealSecret closes under a code's secret digits and a slot key. One derivation.
	SealSecret(secret, slotKey, ad, plaintext []byte) ([]byte, error)
	// OpenSecret is its inverse; seal.ErrWrong for another secret or slot key. One derivation.
	OpenSecret(box, secret, slotKey, ad []byte) ([]byte, error)
	// SealHeld closes under digits, slot key and the holder's share. One derivation.
	SealHeld(secret, slotKey, ad, plaintext []byte, holder seal.Holder) ([]byte, error)
	// OpenHeld is its inverse; the holder's error, or seal.ErrWrong. One derivation.
	OpenHeld(box, secret, slotKey, ad []byte, holder seal.Holder) ([]byte, error)
	// SealShare closes under a re-issue share and a slot key.
	SealShare(share, slotKey, ad, plaintext []byte) ([]byte, error)
	// OpenShare is its inverse; seal.ErrWrong for another share or slot key.
	OpenShare(box, share, slotKey, ad []byte) ([]byte, error)
	// CheckNumber compares a personal number with its hash. One derivation.
	CheckNumber(hash string, number []byte) (bool, error)
	// Vain does the work of one derivation.
	Vain(secret []byte)
}

// Standard is the envelope's standard suite and package seal.
type Standard struct {
	envelope.Standard
	Params seal.Params // of new seals
	Rand   io.Reader   // of their salts and nonces
}

var _ Crypto = Standard{}

// NewStandard returns it with the default parameters.
func NewStandard(rand io.Reader) Standard {
	return Standard{Params: seal.DefaultParams(), Rand: rand}
}

// SealSecret is seal.Seal.
func (s Standard) SealSecret(secret, slotKey, ad, plaintext []byte) ([]byte, error) {
	return seal.Seal(s.Rand, s.Params, secret, slotKey, ad, plaintext)
}

// OpenSecret is seal.Open.
func (s Standard) OpenSecret(box, secret, slotKey, ad []byte) ([]byte, error) {
	return seal.Open(box, secret, slotKey, ad)
}

// SealHeld is seal.SealHeld.
func (s Standard) SealHeld(secret, slotKey, ad, plaintext []byte, holder seal.Holder) ([]byte, error) {
	return seal.SealHeld(s.Rand, s.Params, secret, slotKey, ad, plaintext, holder)
}

// OpenHeld is seal.OpenHeld.
func (s Standard) OpenHeld(box, secret, slotKey, ad []byte, holder seal.Holder) ([]byte, error) {
	return seal.OpenHeld(box, secret, slotKey, ad, holder)
}

// SealShare is seal.SealShare.
func (s Standard) SealShare(share, slotKey, ad, plaintext []byte) ([]byte, error) {
	return seal.SealShare(s.Rand, share, slotKey, ad, plaintext)
}

// OpenShare is seal.OpenShare.
func (s Standard) OpenShare(box, share, slotKey, ad []byte) ([]byte, error) {
	return seal.OpenShare(box, share, slotKey, ad)
}

// CheckNumber is seal.CheckNumber.
func (s Standard) CheckNumber(hash string, number []byte) (bool, error) {
	return seal.CheckNumber(hash, number)
}

// Vain is seal.Vain.
func (s Standard) Vain(secret []byte) { seal.Vain(s.Params, secret) }
