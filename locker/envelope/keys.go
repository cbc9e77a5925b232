package envelope

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"
)

// GenerateDevice makes the key with which a terminal signs its notes; private
// and public halves are lines for note.NewSigner and note.NewVerifier.
func GenerateDevice(rand io.Reader, terminal string) (private, public string, err error) {
	if err := CheckTerminal(terminal); err != nil {
		return "", "", fmt.Errorf("make a device key: %w", err)
	}
	return note.GenerateKey(rand, Origin(terminal))
}

// GenerateCity makes the key with which a city's daemon signs its notes.
func GenerateCity(rand io.Reader, city string) (private, public string, err error) {
	if err := CheckTerminal(city); err != nil {
		return "", "", fmt.Errorf("make a city's key: %w", err)
	}
	return note.GenerateKey(rand, authority+"/city/"+city)
}

// GenerateSSH makes a person's SSH key, Ed25519: the private half in OpenSSH's
// file format without passphrase, the public half in the form of [PublicKey].
func GenerateSSH(rand io.Reader, comment string) (private []byte, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, "", fmt.Errorf("make an ssh key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(priv, comment)
	if err != nil {
		return nil, "", fmt.Errorf("make an ssh key: %w", err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", fmt.Errorf("make an ssh key: %w", err)
	}
	return pem.EncodeToMemory(block), publicKeyText(key), nil
}

// ParseSSH reads a private SSH key's file, which has no passphrase.
func ParseSSH(file []byte) (Signer, error) {
	key, err := ssh.ParsePrivateKey(file)
	if err != nil {
		return nil, fmt.Errorf("private ssh key: %w", err)
	}
	if err := checkAlgorithm(key.PublicKey()); err != nil {
		return nil, err
	}
	return SSH(key), nil
}

// The sealing keys that live in files.
const (
	LetterKey   = "letter"   // of the city: letters are sealed to it
	TerminalKey = "terminal" // of a terminal: rosters are sealed to it
)

// EncodeKey writes half of a sealing key as a line that says which it is:
// "nachtfach-letter-public:BASE64".
func EncodeKey(use string, private bool, key []byte) string {
	return keyPrefix(use, private) + base64.RawStdEncoding.EncodeToString(key) + "\n"
}

// DecodeKey reads what EncodeKey wrote, for this use.
func DecodeKey(use string, private bool, line string) ([]byte, error) {
	want := keyPrefix(use, private)
	text, ok := strings.CutPrefix(strings.TrimSpace(line), want)
	if !ok {
		return nil, fmt.Errorf("sealing key: wants a line that starts with %q", want)
	}
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s…: %w", want, err)
	}
	return key, nil
}

func keyPrefix(use string, private bool) string {
	half := "public"
	if private {
		half = "private"
	}
	return "nachtfach-" + use + "-" + half + ":"
}
