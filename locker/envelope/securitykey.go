package envelope

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nachtfach/nachtfach/locker"
)

// SecurityKey is a FIDO2 credential of one person: what the key made when it was
// enrolled, and nothing that is secret.
type SecurityKey struct {
	ID     []byte `json:"id"`     // of the credential, 1 to 1023 bytes (CTAP 2.1, 6.4)
	Public []byte `json:"public"` // PKIX, ASN.1 DER: ECDSA on P-256, or Ed25519
}

const (
	mostCredential = 1023
	mostPublic     = 128 // P-256 takes 91 bytes
)

// domain is a name with at least one dot, in lower case.
var domain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)

// ParseSecurityKey reads what fido2-cred -V writes: the credential's id in
// base64 on the first line, then the public key in PEM.
func ParseSecurityKey(text string) (SecurityKey, error) {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	id, err := base64.StdEncoding.DecodeString(strings.TrimSpace(first))
	if err != nil {
		return SecurityKey{}, errors.New("security key: wants the credential's id in base64 on the first line, as fido2-cred -V writes it")
	}
	block, after := pem.Decode([]byte(strings.TrimSpace(rest)))
	if block == nil || block.Type != "PUBLIC KEY" || len(strings.TrimSpace(string(after))) > 0 {
		return SecurityKey{}, errors.New("security key: wants one public key in PEM after the first line, as fido2-cred -V writes it")
	}
	k := SecurityKey{ID: id, Public: block.Bytes}
	return k, k.Validate()
}

// Validate says what is wrong with the credential.
func (k SecurityKey) Validate() error {
	if len(k.ID) < 1 || len(k.ID) > mostCredential {
		return fmt.Errorf("security key: id of %d bytes, wants 1 to %d", len(k.ID), mostCredential)
	}
	if len(k.Public) > mostPublic {
		return fmt.Errorf("security key: public key of %d bytes, at most %d", len(k.Public), mostPublic)
	}
	public, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return fmt.Errorf("security key: public key: %w", err)
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return nil
		}
	}
	return errors.New("security key: wants a key on P-256 (es256) or Ed25519 (eddsa)")
}

func (e Entry) checkSecurityKeys() error {
	if len(e.SecurityKeys) > 0 && e.Role != locker.Clerk {
		return fmt.Errorf("is %s, and a security key at the kiosk is for clerks", e.Role)
	}
	for _, k := range e.SecurityKeys {
		if err := k.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func credentials(keys []SecurityKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = "security key " + base64.StdEncoding.EncodeToString(k.ID)
	}
	return out
}
