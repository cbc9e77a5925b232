// Package securitykey verifies what a clerk's FIDO2 key answered at the kiosk
// (Web Authentication Level 3, section 7.2). The ceremony's rules are the
// library's; what they are held against is set here: one RP ID, one origin, one
// challenge, one person's keys, a user whom the key itself has verified.
//
// It keeps nothing. That a challenge is good once is the vault's to see to; a
// key's signature counter is not looked at, for it tells a replay from an answer
// only on keys that count.
package securitykey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// MaxAssertion bounds an answer, in bytes.
const MaxAssertion = 4 << 10

// Question is what an answer must be to.
type Question struct {
	Challenge []byte
	RPID      string // the town's domain
	Origin    string // of the kiosk's pages: https://NAME or https://NAME:PORT
}

// Verify tells whether one of the keys answered the question, after it has
// verified its user. The assertion is a PublicKeyCredential as JSON. The error
// is the reason why it does not hold.
func Verify(q Question, keys []envelope.SecurityKey, assertion []byte) error {
	if len(assertion) > MaxAssertion {
		return fmt.Errorf("assertion: %d bytes, at most %d", len(assertion), MaxAssertion)
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes(assertion)
	if err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	for _, k := range keys {
		if !bytes.Equal(k.ID, answer.RawID) {
			continue
		}
		public, err := cose(k.Public)
		if err != nil {
			return fmt.Errorf("assertion: %w", err)
		}
		err = answer.Verify(base64.RawURLEncoding.EncodeToString(q.Challenge), q.RPID, "", []string{q.Origin}, nil, nil,
			protocol.TopOriginExplicitVerificationMode, false, true, true, public, protocol.SignaturePolicy{})
		if err != nil {
			return fmt.Errorf("assertion: %w", err)
		}
		return nil
	}
	return errors.New("assertion: made with a key that is not this person's")
}

// cose is a public key as CBOR (RFC 9053, sections 2 and 7), which the library reads.
func cose(public []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return webauthncbor.Marshal(webauthncose.OKPPublicKeyData{
			PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.OctetKey), Algorithm: int64(webauthncose.AlgEdDSA)},
			Curve:         int64(webauthncose.Ed25519), XCoord: key,
		})
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			return nil, err
		}
		half := len(point) / 2
		return webauthncbor.Marshal(webauthncose.EC2PublicKeyData{
			PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.EllipticKey), Algorithm: int64(webauthncose.AlgES256)},
			Curve:         int64(webauthncose.P256), XCoord: point[1 : 1+half], YCoord: point[1+half:],
		})
	}
	return nil, fmt.Errorf("public key of kind %T", key)
}
