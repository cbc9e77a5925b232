// Package forgery is for tests that show what verifying a signature is good for:
// a signer who claims to be somebody else, and a terminal that believes it.
package forgery

import (
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Gullible is the standard suite, but believes whose key a signature says it is.
type Gullible struct{ envelope.Standard }

// Verify looks at no message.
func (Gullible) Verify(_ string, _, signature []byte) (string, error) {
	s, err := sshsig.ParseSignature(signature)
	if err != nil {
		return "", err
	}
	return envelope.PublicKey(ssh.MarshalAuthorizedKey(s.PublicKey))
}

// Signer signs with a key of their own and claims another's.
type Signer struct {
	Own    envelope.Signer
	Claims string // a public key, as the roster holds it
}

// Sign implements envelope.Signer.
func (f Signer) Sign(namespace string, message []byte) ([]byte, error) {
	signature, err := f.Own.Sign(namespace, message)
	if err != nil {
		return nil, err
	}
	s, err := sshsig.ParseSignature(signature)
	if err != nil {
		return nil, err
	}
	if s.PublicKey, _, _, _, err = ssh.ParseAuthorizedKey([]byte(f.Claims)); err != nil {
		return nil, err
	}
	return s.Marshal(), nil
}
