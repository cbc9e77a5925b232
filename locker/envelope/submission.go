package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// NamespaceSubmission is that of a desk's signature over a sealed order, which
// it hands to the city.
const NamespaceSubmission = "submission@nachtfach.de"

// SignSubmission signs a sealed order (see [SealOrder]) for the city. The order's
// own signature is inside the seal, where only the terminal can read it; with
// this one the city can refuse, at capture, what the terminal would refuse weeks
// later.
func SignSubmission(by Signer, sealed []byte) ([]byte, error) {
	signed, err := Sign(by, NamespaceSubmission, submissionText(sealed))
	if err != nil {
		return nil, err
	}
	return slices.Concat(sealed, []byte("\n"), signed), nil
}

// submissionText is what the desk signs: the hash of the sealed order.
func submissionText(sealed []byte) []byte { return []byte(Hash(sealed) + "\n") }

// OpenSubmission returns the sealed order and the fingerprint of the key that
// signed the submission; it is empty for a sealed order without a signature.
func OpenSubmission(s Suite, message []byte) (sealed []byte, signer string, err error) {
	sealed, signed, found := bytes.Cut(message, []byte("\n"))
	if !found || len(signed) == 0 {
		return sealed, "", nil
	}
	body, keys, err := verified(s, NamespaceSubmission, signed)
	if err != nil {
		return nil, "", fmt.Errorf("submission: %w", err)
	}
	if len(keys) != 1 || !bytes.Equal(body, submissionText(sealed)) {
		return nil, "", errors.New("submission: wants one signature, over the hash of this order")
	}
	return sealed, KeyFingerprint(keys[0]), nil
}

// KeyFingerprint is the fingerprint of a public SSH key in the form of
// [PublicKey], as ssh-keygen -l prints it; empty if it is no key.
func KeyFingerprint(key string) string {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return ""
	}
	return ssh.FingerprintSHA256(public)
}
