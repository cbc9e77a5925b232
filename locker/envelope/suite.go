package envelope

import (
	"bytes"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Suite is the cryptography of the envelopes. [Standard] is the one in use; a
// simulation of ten years may bring a cheap model of it.
type Suite interface {
	// GenerateKey makes a key pair to seal to.
	GenerateKey() (private, public []byte, err error)
	// PublicKey returns the public half.
	PublicKey(private []byte) ([]byte, error)
	// Seal closes a text to a public key; info must be given again to open it.
	Seal(public, info, plaintext []byte) ([]byte, error)
	// Open is the inverse of Seal, with the private key.
	Open(private, info, sealed []byte) ([]byte, error)
	// Verify returns the public key that made this signature over the message
	// in this namespace, in the form of [PublicKey]; an error if none did.
	Verify(namespace string, message, signature []byte) (key string, err error)
}

// Signer is a person's key.
type Signer interface {
	// Sign returns a signature in the form that Suite.Verify reads.
	Sign(namespace string, message []byte) (signature []byte, err error)
}

// Standard is HPKE with ML-KEM-768 + X25519 (KEM 0x647a), HKDF-SHA256 and
// ChaCha20-Poly1305, and SSHSIG.
type Standard struct{}

var _ Suite = Standard{}

func kem() hpke.KEM { return hpke.MLKEM768X25519() }

// GenerateKey returns a private key of 32 and a public key of 1216 bytes.
func (Standard) GenerateKey() (private, public []byte, err error) {
	k, err := kem().GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make a sealing key: %w", err)
	}
	if private, err = k.Bytes(); err != nil {
		return nil, nil, fmt.Errorf("make a sealing key: %w", err)
	}
	return private, k.PublicKey().Bytes(), nil
}

// PublicKey returns the public half of a private key.
func (Standard) PublicKey(private []byte) ([]byte, error) {
	k, err := kem().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("private sealing key: %w", err)
	}
	return k.PublicKey().Bytes(), nil
}

// Seal returns the encapsulated key followed by the ciphertext.
func (Standard) Seal(public, info, plaintext []byte) ([]byte, error) {
	k, err := kem().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public sealing key: %w", err)
	}
	return hpke.Seal(k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, plaintext)
}

// Open opens what Seal closed.
func (Standard) Open(private, info, sealed []byte) ([]byte, error) {
	k, err := kem().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("private sealing key: %w", err)
	}
	return hpke.Open(k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, sealed)
}

// Verify checks an SSHSIG blob of an Ed25519 or ECDSA key, of a file or a
// security key. Certificates and RSA are refused.
func (Standard) Verify(namespace string, message, signature []byte) (string, error) {
	s, err := sshsig.ParseSignature(signature)
	if err != nil {
		return "", fmt.Errorf("ssh signature: %w", err)
	}
	if err := checkAlgorithm(s.PublicKey); err != nil {
		return "", err
	}
	if s.Namespace != namespace {
		return "", fmt.Errorf("ssh signature: made for %.50q, wants %q", s.Namespace, namespace)
	}
	if err := checkTouch(s); err != nil {
		return "", err
	}
	if err := sshsig.Verify(bytes.NewReader(message), s, s.PublicKey, s.HashAlgorithm, namespace); err != nil {
		return "", fmt.Errorf("ssh signature: %w", err)
	}
	return publicKeyText(s.PublicKey), nil
}

// checkTouch refuses what a security key signed without anybody touching it:
// flags, one byte, and a counter of four follow the signature (OpenSSH's
// PROTOCOL.u2f); bit 0 is user presence.
func checkTouch(s *sshsig.Signature) error {
	if t := s.PublicKey.Type(); t != ssh.KeyAlgoSKED25519 && t != ssh.KeyAlgoSKECDSA256 {
		return nil
	}
	if s.Signature == nil || len(s.Signature.Rest) != 5 || s.Signature.Rest[0]&1 == 0 {
		return errors.New("ssh signature: nobody touched the security key that made it")
	}
	return nil
}

func checkAlgorithm(k ssh.PublicKey) error {
	switch t := k.Type(); t {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256:
		return nil
	default:
		return fmt.Errorf("ssh key of type %.50q: wants ed25519 or ecdsa, of a file or a security key", t)
	}
}

func publicKeyText(k ssh.PublicKey) string {
	return k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
}

// PublicKey reads one line of an authorized_keys or .pub file and returns it
// as the roster holds it: type and base64, without options and comment.
func PublicKey(line []byte) (string, error) {
	k, _, _, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return "", fmt.Errorf("public ssh key: wants a line like \"ssh-ed25519 AAAA… name\": %w", err)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return "", fmt.Errorf("public ssh key: more than one line")
	}
	if err := checkAlgorithm(k); err != nil {
		return "", err
	}
	return publicKeyText(k), nil
}

// SSH makes a Signer of an SSH key: of a file, an agent, a security key.
func SSH(key ssh.Signer) Signer { return sshSigner{key} }

// SignerKey is the public key of a Signer that [SSH] or [ParseSSH] made, in the
// form of [PublicKey]; empty for another.
func SignerKey(s Signer) string {
	if k, ok := s.(sshSigner); ok {
		return publicKeyText(k.key.PublicKey())
	}
	return ""
}

type sshSigner struct{ key ssh.Signer }

func (s sshSigner) Sign(namespace string, message []byte) ([]byte, error) {
	if err := checkAlgorithm(s.key.PublicKey()); err != nil {
		return nil, err
	}
	sig, err := sshsig.Sign(bytes.NewReader(message), s.key, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("ssh signature: %w", err)
	}
	return sig.Marshal(), nil
}
