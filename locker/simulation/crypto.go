package simulation

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// crypto is a cheap model of the vault's cryptography: what opens and what
// does not is as with the real one, what it costs is a hash. It remembers under
// which secret each box was closed that holds a factor, so that the oracle can
// ask whether such a secret still lies anywhere.
type crypto struct {
	rand    *rand.ChaCha8
	boxes   []box
	numbers map[string]locker.OrderID // of recipients without a finger
	seals   locker.Generation         // that is being prepared
}

// box is a closed text with a factor in it.
type box struct {
	order      locker.OrderID    // whose factor it holds
	secret     []byte            // slot key or private order key, without which it is noise
	hpke       bool              // sealed to an order key
	generation locker.Generation // else: of the deposit
}

var _ vault.Crypto = (*crypto)(nil)

func digest(parts ...[]byte) []byte {
	h := sha256.New()
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

// lock closes plaintext under a key: a tag and the text, which nobody in the
// model reads but open.
func lock(key, ad, plaintext []byte) []byte {
	tag := digest([]byte("tag"), key, ad, plaintext)
	text := bytes.Clone(plaintext)
	for i := range text {
		text[i] ^= tag[i%len(tag)]
	}
	return append(tag, text...)
}

func unlock(key, ad, sealed []byte) ([]byte, bool) {
	if len(sealed) < sha256.Size {
		return nil, false
	}
	tag, text := sealed[:sha256.Size], bytes.Clone(sealed[sha256.Size:])
	for i := range text {
		text[i] ^= tag[i%len(tag)]
	}
	return text, bytes.Equal(tag, digest([]byte("tag"), key, ad, text))
}

func publicOf(private []byte) []byte { return digest([]byte("public"), private) }

// GenerateKey draws a key pair.
func (c *crypto) GenerateKey() (private, public []byte, err error) {
	private = make([]byte, 32)
	_, _ = c.rand.Read(private)
	return private, publicOf(private), nil
}

// PublicKey is the public half.
func (c *crypto) PublicKey(private []byte) ([]byte, error) { return publicOf(private), nil }

// Seal closes a text to a public key.
func (c *crypto) Seal(public, info, plaintext []byte) ([]byte, error) {
	return lock(public, info, plaintext), nil
}

// Open is its inverse.
func (c *crypto) Open(private, info, sealed []byte) ([]byte, error) {
	text, ok := unlock(publicOf(private), info, sealed)
	if !ok {
		return nil, errors.New("the model's seal does not open")
	}
	c.note(text, private, true)
	return text, nil
}

// SealSecret closes under digits and slot key.
func (c *crypto) SealSecret(secret, slotKey, ad, plaintext []byte) ([]byte, error) {
	c.note(plaintext, slotKey, false)
	return lock(digest([]byte("digits"), secret, slotKey), ad, plaintext), nil
}

// OpenSecret is its inverse.
func (c *crypto) OpenSecret(sealed, secret, slotKey, ad []byte) ([]byte, error) {
	text, ok := unlock(digest([]byte("digits"), secret, slotKey), ad, sealed)
	if !ok {
		return nil, seal.ErrWrong
	}
	return text, nil
}

// SealHeld closes under digits, slot key and the holder's share.
func (c *crypto) SealHeld(secret, slotKey, ad, plaintext []byte, holder seal.Holder) ([]byte, error) {
	share, err := holder(digest([]byte("pass"), secret, slotKey))
	if err != nil {
		return nil, err
	}
	c.note(plaintext, slotKey, false)
	return lock(digest([]byte("held"), secret, share, slotKey), ad, plaintext), nil
}

// OpenHeld is its inverse.
func (c *crypto) OpenHeld(sealed, secret, slotKey, ad []byte, holder seal.Holder) ([]byte, error) {
	share, err := holder(digest([]byte("pass"), secret, slotKey))
	if err != nil {
		return nil, err
	}
	text, ok := unlock(digest([]byte("held"), secret, share, slotKey), ad, sealed)
	if !ok {
		return nil, seal.ErrWrong
	}
	return text, nil
}

// SealShare closes under share and slot key.
func (c *crypto) SealShare(share, slotKey, ad, plaintext []byte) ([]byte, error) {
	c.note(plaintext, slotKey, false)
	return lock(digest([]byte("share"), share, slotKey), ad, plaintext), nil
}

// OpenShare is its inverse.
func (c *crypto) OpenShare(sealed, share, slotKey, ad []byte) ([]byte, error) {
	text, ok := unlock(digest([]byte("share"), share, slotKey), ad, sealed)
	if !ok {
		return nil, seal.ErrWrong
	}
	return text, nil
}

// CheckNumber compares a personal number with hashNumber's hash.
func (c *crypto) CheckNumber(hash string, number []byte) (bool, error) {
	return hash == hashNumber(string(number)), nil
}

// Vain does nothing, which costs the model's derivation.
func (c *crypto) Vain([]byte) {}

// hashNumber has the form of seal.HashNumber, which the roster demands.
func hashNumber(number string) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=65536,t=3,p=1$%s$%s", b64.EncodeToString(make([]byte, 16)), b64.EncodeToString(digest([]byte(number))))
}

// note remembers the secret over a text that holds a factor. The factor names
// its order, as no real one does: that is how the oracle knows it again.
func (c *crypto) note(plaintext, secret []byte, hpke bool) {
	order := c.markedOrder(plaintext)
	if order == "" {
		return
	}
	for _, b := range c.boxes {
		if b.order == order && bytes.Equal(b.secret, secret) {
			return
		}
	}
	b := box{order: order, secret: bytes.Clone(secret), hpke: hpke}
	if !hpke {
		b.generation = c.seals
	}
	c.boxes = append(c.boxes, b)
}

// The model's factors. An enrolment names person, position and order in 48
// bytes, so that its base64 can be found in JSON; a number is looked up.
const enrolmentSize = 48

func enrol(person string, position int, order locker.OrderID) []byte {
	e := fmt.Appendf(nil, "finger|%s|%d|%s|", person, position, order)
	return append(e, bytes.Repeat([]byte("."), enrolmentSize-len(e))...)
}

var (
	enrolmentStart = []byte(base64.StdEncoding.EncodeToString([]byte("finger")))
	numberStart    = []byte(`"number":"`)
)

// markedOrder finds the order that an encoded factor names.
func (c *crypto) markedOrder(text []byte) locker.OrderID {
	if _, rest, ok := bytes.Cut(text, numberStart); ok {
		number, _, _ := bytes.Cut(rest, []byte(`"`))
		return c.numbers[string(number)]
	}
	at := bytes.Index(text, enrolmentStart)
	if at < 0 {
		return ""
	}
	const size = enrolmentSize / 3 * 4
	if len(text) < at+size {
		return ""
	}
	e, err := base64.StdEncoding.DecodeString(string(text[at : at+size]))
	if err != nil {
		return ""
	}
	fields := strings.Split(string(e), "|")
	if len(fields) < 4 {
		return ""
	}
	return locker.OrderID(fields[3])
}

// matcher compares the model's fingers by name.
type matcher struct{}

var _ vault.Matcher = matcher{}

// Check wants the form that enrol gives.
func (matcher) Check(e []byte) error {
	if len(e) != enrolmentSize || !bytes.HasPrefix(e, []byte("finger|")) {
		return errors.New("no enrolment of the model")
	}
	return nil
}

// finger is what lies on the reader.
type finger struct {
	person   string
	position int
	quality  fingerQuality
}

type fingerQuality int

const (
	good fingerQuality = iota
	dry
	poor // good enough to be compared, and not recognised
)

func (f finger) image() biometrics.Image {
	return biometrics.Image{Pix: fmt.Appendf(nil, "%s|%d|%d", f.person, f.position, f.quality)}
}

// Extract reads an image of the model.
func (matcher) Extract(image biometrics.Image) (vault.Probe, locker.FingerAdvice, error) {
	fields := strings.Split(string(image.Pix), "|")
	if len(fields) != 3 {
		return nil, locker.AdviceLay, nil
	}
	var f finger
	f.person = fields[0]
	if _, err := fmt.Sscan(fields[1], &f.position); err != nil {
		return nil, "", err
	}
	if _, err := fmt.Sscan(fields[2], &f.quality); err != nil {
		return nil, "", err
	}
	if f.quality == dry {
		return nil, locker.AdviceDry, nil
	}
	return f, "", nil
}

// Compare knows the same finger of the same person. It never errs in favour of
// another: false matches are measured on images, not simulated.
func (f finger) Compare(e []byte) (similarity, fmr float64, err error) {
	fields := strings.Split(string(e), "|")
	if len(fields) < 4 {
		return 0, 1, errors.New("no enrolment of the model")
	}
	if fields[1] == f.person && fields[2] == fmt.Sprint(f.position) && f.quality == good {
		return 60, 1e-6, nil
	}
	return 5, 0.3, nil
}

// signer is a person's SSH key in the model.
type signer struct{ public string }

func newSigner(person string) signer {
	const kind = "ssh-ed25519"
	var wire []byte
	for _, field := range [][]byte{[]byte(kind), digest([]byte(person))} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(field)))
		wire = append(wire, field...)
	}
	return signer{kind + " " + base64.StdEncoding.EncodeToString(wire)}
}

// Sign is verified by crypto.Verify.
func (s signer) Sign(namespace string, message []byte) ([]byte, error) {
	return fmt.Appendf(nil, "%s\n%s", s.public, s.proof(namespace, message)), nil
}

func (s signer) proof(namespace string, message []byte) string {
	return hex.EncodeToString(digest([]byte(s.public), []byte(namespace), message))
}

var _ envelope.Signer = signer{}

// Verify returns the key that signed.
func (c *crypto) Verify(namespace string, message, signature []byte) (string, error) {
	key, proof, _ := strings.Cut(string(signature), "\n")
	if proof != (signer{key}).proof(namespace, message) {
		return "", errors.New("the model's signature does not fit")
	}
	return key, nil
}

// noteKey signs and verifies notes.
type noteKey struct{ name string }

var (
	_ note.Signer   = noteKey{}
	_ note.Verifier = noteKey{}
)

// Name is the note's signer.
func (k noteKey) Name() string { return k.name }

// KeyHash tells keys of one name apart.
func (k noteKey) KeyHash() uint32 { return binary.BigEndian.Uint32(digest([]byte(k.name))) }

// Sign is verified by Verify.
func (k noteKey) Sign(text []byte) ([]byte, error) { return digest([]byte(k.name), text), nil }

// Verify tells whether Sign made it.
func (k noteKey) Verify(text, signature []byte) bool {
	return bytes.Equal(signature, digest([]byte(k.name), text))
}
