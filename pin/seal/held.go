package seal

import (
	"fmt"
	"io"
)

const (
	kindHeld = 'c'

	infoHolder = "nachtfach seal v1 holder"
	infoHeld   = "nachtfach seal v1 code and share"
)

// Holder keeps a share of KeySize random bytes for who shows its pass, KeySize
// bytes: hardware that counts. It is given the pass when a box is closed, draws
// a share and returns it; and again when one is tried.
type Holder func(pass []byte) (share []byte, err error)

// SealHeld is [Seal] for a box that a holder's share must open, too. With s the
// stretched digits,
//
//	pass: HKDF-SHA256(secret: s, salt: slot key, info: "nachtfach seal v1 holder")
//	key:  HKDF-SHA256(secret: s and share, salt: slot key, info: "nachtfach seal v1 code and share")
//
// so that pass and key tell nothing of each other. Who has the slot key and not
// the share cannot tell a right code from a wrong one: they must ask the holder.
func SealHeld(rand io.Reader, p Params, secret, slotKey, ad, plaintext []byte, holder Holder) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	header, err := newHeader(rand, kindHeld, p)
	if err != nil {
		return nil, err
	}
	both, err := p.held(secret, header[saltAt:nonceAt], slotKey, holder)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer clear(both)
	return closeBox(header, both, slotKey, infoHeld, ad, plaintext)
}

// OpenHeld opens a box of [SealHeld]. The error is the holder's, [ErrWrong] or
// [ErrMalformed]; the holder is asked only if the box is well formed.
func OpenHeld(box, secret, slotKey, ad []byte, holder Holder) ([]byte, error) {
	p, err := parseHeader(box, kindHeld)
	if err != nil {
		return nil, err
	}
	both, err := p.held(secret, box[saltAt:nonceAt], slotKey, holder)
	if err != nil {
		return nil, err
	}
	defer clear(both)
	return openBox(box, both, slotKey, infoHeld, ad)
}

// held is the stretched secret and the share. One derivation.
func (p Params) held(secret, salt, slotKey []byte, holder Holder) ([]byte, error) {
	stretched := p.derive(secret, salt)
	defer clear(stretched)
	pass, err := keyOf(stretched, slotKey, infoHolder)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	share, err := holder(pass)
	if err != nil {
		return nil, err
	}
	defer clear(share)
	if len(share) != KeySize {
		return nil, fmt.Errorf("share of %d bytes, wants %d", len(share), KeySize)
	}
	return append(append(make([]byte, 0, 2*KeySize), stretched...), share...), nil
}
