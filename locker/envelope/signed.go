package envelope

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// The namespaces of people's signatures (ssh-keygen -Y sign -n …): a signature
// for one kind of message is none for another.
const (
	NamespaceOrder      = "order@nachtfach.de"
	NamespaceWithdrawal = "withdrawal@nachtfach.de"
	NamespaceCommand    = "command@nachtfach.de"
	NamespaceRoster     = "roster@nachtfach.de"
)

const (
	pemType       = "SSH SIGNATURE"
	pemBegin      = "-----BEGIN " + pemType + "-----\n"
	mostSigners   = 4
	mostSignature = 4 << 10  // bytes of one armoured signature
	maxText       = 64 << 10 // bytes of a signed command or withdrawal
)

// A text ends with a newline and is followed by its signatures, each armoured
// as ssh-keygen does. The text's bytes are what is signed.

// Sign adds a person's signature to a text, or to one that bears some already.
func Sign(by Signer, namespace string, text []byte) ([]byte, error) {
	body, signatures := splitSigned(text)
	if len(body) == 0 || body[len(body)-1] != '\n' {
		return nil, errors.New("sign a text: it does not end with a newline")
	}
	if len(signatures) == mostSigners {
		return nil, fmt.Errorf("sign a text: it bears %d signatures already", mostSigners)
	}
	sig, err := by.Sign(namespace, body)
	if err != nil {
		return nil, fmt.Errorf("sign a text: %w", err)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: sig})
	out := make([]byte, 0, len(text)+len(armoured)) // growing would leave a copy of a secret text behind
	return append(append(out, text...), armoured...), nil
}

// Body is the text without its signatures: what ssh-keygen signs. An armoured
// signature that it made is appended to the signed text as it is.
func Body(text []byte) []byte {
	body, _ := splitSigned(text)
	return body
}

// Signatures counts the signatures of a text; whose they are, and whether they
// are any, nobody has looked at.
func Signatures(text []byte) int {
	_, signatures := splitSigned(text)
	return len(signatures)
}

// splitSigned cuts a text before its first signature. A body never holds the
// line that begins one: JSON has no such line, the other texts are checked.
func splitSigned(text []byte) (body []byte, signatures [][]byte) {
	at := bytes.Index(text, []byte("\n"+pemBegin))
	if at < 0 {
		return text, nil
	}
	body, rest := text[:at+1], text[at+1:]
	for len(rest) > 0 {
		next := bytes.Index(rest[1:], []byte("\n"+pemBegin))
		if next < 0 {
			return body, append(signatures, rest)
		}
		signatures = append(signatures, rest[:next+2])
		rest = rest[next+2:]
	}
	return body, signatures
}

// mostSigned bounds a signed text of a kind, in bytes.
func mostSigned(namespace string) int {
	switch namespace {
	case NamespaceOrder:
		return maxOrder
	case NamespaceRoster:
		return maxRoster
	}
	return maxText
}

// verified returns a signed text's body and the keys that signed it.
func verified(s Suite, namespace string, text []byte) (body []byte, keys []string, err error) {
	if most := mostSigned(namespace); len(text) > most {
		return nil, nil, fmt.Errorf("%d bytes, at most %d", len(text), most)
	}
	body, signatures := splitSigned(text)
	if len(signatures) == 0 {
		return nil, nil, errors.New("bears no signature")
	}
	if len(signatures) > mostSigners {
		return nil, nil, fmt.Errorf("bears more than %d signatures", mostSigners)
	}
	for i, armoured := range signatures {
		if len(armoured) > mostSignature {
			return nil, nil, fmt.Errorf("signature %d: %d bytes, at most %d", i+1, len(armoured), mostSignature)
		}
		block, rest := pem.Decode(armoured)
		if block == nil || block.Type != pemType || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
			return nil, nil, fmt.Errorf("signature %d: not armoured as ssh-keygen does", i+1)
		}
		key, err := s.Verify(namespace, body, block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return body, keys, nil
}

// People tells who holds a key; [Roster] does.
type People interface {
	// Holder returns the member with this public key who has the role and has
	// not left at that time; the error says which of these fails.
	Holder(key string, role locker.Role, at time.Time) (locker.Person, error)
}

// verifiedBy returns the body of a text that one person of this role signed.
func verifiedBy(s Suite, namespace string, text []byte, people People, role locker.Role, at time.Time) ([]byte, locker.Person, error) {
	body, keys, err := verified(s, namespace, text)
	if err != nil {
		return nil, "", err
	}
	if len(keys) != 1 {
		return nil, "", fmt.Errorf("bears %d signatures, wants one", len(keys))
	}
	person, err := people.Holder(keys[0], role, at)
	if err != nil {
		return nil, "", err
	}
	return body, person, nil
}

// signedBy returns the different people of this role who signed a text. A
// signature of anybody else makes it no text of theirs.
func signedBy(s Suite, namespace string, text []byte, people People, role locker.Role, at time.Time) ([]locker.Person, error) {
	_, keys, err := verified(s, namespace, text)
	if err != nil {
		return nil, err
	}
	return holders(keys, people, role, at)
}

// holders are the different people of this role who hold the keys.
func holders(keys []string, people People, role locker.Role, at time.Time) ([]locker.Person, error) {
	var signers []locker.Person
	for _, key := range keys {
		p, err := people.Holder(key, role, at)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(signers, p) {
			signers = append(signers, p)
		}
	}
	return signers, nil
}
