// Package seal closes and opens what a pickup code protects.
//
// A box made by [Seal] opens for who has both: the code's secret digits, and
// the slot key, 32 random bytes that lie in a place that can be overwritten.
// Its key is
//
//	HKDF-SHA256(secret: argon2id(digits, salt), salt: slot key, info: "nachtfach seal v1 code")
//
// and its cipher XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). Ten million
// secrets are searched in hours by who holds the slot key; the box is not what
// protects them, the slot is: overwritten, the box is noise for ever. A box
// made by [SealShare] has a share of 32 random bytes in place of the digits,
// which needs no stretching. A box made by [SealHeld] needs both digits and a share
// that hardware gives out for few wrong digits only.
//
// The parameters of argon2id travel with each box, so that they can be raised
// while old boxes live; [Open] refuses parameters that ask for more than a
// small board has. Whatever a caller binds to a box (ad) must be given again
// to open it. [HashNumber] and [CheckNumber] keep the clerks' personal numbers.
//
// The package draws salts and nonces from the reader that it is given, and
// leaves to the caller that no two derivations run at a time.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// KeySize is the length of a slot key and of a share, in bytes.
	KeySize = 32
	// MaxPlaintext is the longest text that a box holds, in bytes.
	MaxPlaintext = 1 << 20

	saltSize = 16 // RFC 9106, 3.1

	infoCode  = "nachtfach seal v1 code"
	infoShare = "nachtfach seal v1 share"
)

var (
	// ErrWrong tells that secret, slot key or bound data are not the ones that
	// the box was closed with, or that the box was changed. Which, nobody can tell.
	ErrWrong = errors.New("the seal does not open")
	// ErrMalformed tells bytes that no version of this package wrote, or
	// parameters out of bounds; nothing was tried.
	ErrMalformed = errors.New("not a sealed box")
)

// A box starts with this header, all of which is authenticated:
//
//	"NFB" version kind | memory uint32 | time uint32 | threads uint8 | salt | nonce
//
// big-endian; a share's box has zero parameters.
const (
	magic   = "NFB"
	version = 1

	kindSecret = 's'
	kindShare  = 'h'

	paramsAt   = len(magic) + 2
	saltAt     = paramsAt + 9
	nonceAt    = saltAt + saltSize
	headerSize = nonceAt + chacha20poly1305.NonceSizeX
)

// Seal closes plaintext under the secret digits and the slot key (KeySize
// bytes), bound to ad. It takes the time and memory of one derivation.
func Seal(rand io.Reader, p Params, secret, slotKey, ad, plaintext []byte) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	header, err := newHeader(rand, kindSecret, p)
	if err != nil {
		return nil, err
	}
	stretched := p.derive(secret, header[saltAt:nonceAt])
	defer clear(stretched)
	return closeBox(header, stretched, slotKey, infoCode, ad, plaintext)
}

// Open opens a box of [Seal]. The error is [ErrWrong] or [ErrMalformed].
func Open(box, secret, slotKey, ad []byte) ([]byte, error) {
	p, err := parseHeader(box, kindSecret)
	if err != nil {
		return nil, err
	}
	stretched := p.derive(secret, box[saltAt:nonceAt])
	defer clear(stretched)
	return openBox(box, stretched, slotKey, infoCode, ad)
}

// SealShare closes plaintext under a share and the slot key, KeySize random
// bytes each, bound to ad.
func SealShare(rand io.Reader, share, slotKey, ad, plaintext []byte) ([]byte, error) {
	if len(share) != KeySize {
		return nil, fmt.Errorf("seal: share of %d bytes, wants %d", len(share), KeySize)
	}
	header, err := newHeader(rand, kindShare, Params{})
	if err != nil {
		return nil, err
	}
	return closeBox(header, share, slotKey, infoShare, ad, plaintext)
}

// OpenShare opens a box of [SealShare]. The error is [ErrWrong] or [ErrMalformed].
func OpenShare(box, share, slotKey, ad []byte) ([]byte, error) {
	if _, err := parseHeader(box, kindShare); err != nil {
		return nil, err
	}
	if len(share) != KeySize {
		return nil, ErrWrong
	}
	return openBox(box, share, slotKey, infoShare, ad)
}

// Vain does the work of [Open] for a box with these parameters, and yields nothing.
func Vain(p Params, secret []byte) {
	var salt [saltSize]byte
	clear(p.derive(secret, salt[:]))
}

func newHeader(rand io.Reader, kind byte, p Params) ([]byte, error) {
	h := make([]byte, 0, headerSize)
	h = append(h, magic...)
	h = append(h, version, kind)
	h = binary.BigEndian.AppendUint32(h, p.Memory)
	h = binary.BigEndian.AppendUint32(h, p.Time)
	h = append(h, p.Threads)
	h = h[:headerSize]
	if _, err := io.ReadFull(rand, h[saltAt:]); err != nil {
		return nil, fmt.Errorf("seal: draw salt and nonce: %w", err)
	}
	return h, nil
}

func parseHeader(box []byte, kind byte) (Params, error) {
	if len(box) < headerSize+chacha20poly1305.Overhead || len(box) > headerSize+chacha20poly1305.Overhead+MaxPlaintext {
		return Params{}, fmt.Errorf("%w: %d bytes", ErrMalformed, len(box))
	}
	if string(box[:len(magic)]) != magic {
		return Params{}, fmt.Errorf("%w: starts with no %q", ErrMalformed, magic)
	}
	if v := box[len(magic)]; v != version {
		return Params{}, fmt.Errorf("%w: version %d, this program knows %d", ErrMalformed, v, version)
	}
	if box[len(magic)+1] != kind {
		return Params{}, fmt.Errorf("%w: it is of another kind", ErrMalformed)
	}
	p := Params{
		Memory:  binary.BigEndian.Uint32(box[paramsAt:]),
		Time:    binary.BigEndian.Uint32(box[paramsAt+4:]),
		Threads: box[paramsAt+8],
	}
	if kind == kindShare {
		if p != (Params{}) {
			return Params{}, fmt.Errorf("%w: a share has no parameters", ErrMalformed)
		}
		return p, nil
	}
	if err := p.Validate(); err != nil {
		return Params{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

func closeBox(header, half, slotKey []byte, info string, ad, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("seal: %d bytes, at most %d", len(plaintext), MaxPlaintext)
	}
	aead, err := cipherOf(half, slotKey, info)
	if err != nil {
		return nil, err
	}
	box := make([]byte, headerSize, headerSize+len(plaintext)+aead.Overhead())
	copy(box, header)
	return aead.Seal(box, header[nonceAt:], plaintext, bound(header, ad)), nil
}

func openBox(box, half, slotKey []byte, info string, ad []byte) ([]byte, error) {
	aead, err := cipherOf(half, slotKey, info)
	if err != nil {
		return nil, err
	}
	header := box[:headerSize]
	plaintext, err := aead.Open(nil, header[nonceAt:], box[headerSize:], bound(header, ad))
	if err != nil {
		return nil, ErrWrong
	}
	return plaintext, nil
}

// keyOf derives one of KeySize bytes from a secret and the slot key.
func keyOf(secret, slotKey []byte, info string) ([]byte, error) {
	if len(slotKey) != KeySize {
		return nil, fmt.Errorf("seal: slot key of %d bytes, wants %d", len(slotKey), KeySize)
	}
	key, err := hkdf.Key(sha256.New, secret, slotKey, info, KeySize)
	if err != nil {
		return nil, fmt.Errorf("seal: derive the key: %w", err)
	}
	return key, nil
}

func cipherOf(half, slotKey []byte, info string) (cipher.AEAD, error) {
	key, err := keyOf(half, slotKey, info)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("seal: set up the cipher: %w", err)
	}
	return aead, nil
}

func bound(header, ad []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(ad)), header...), ad...)
}

// derive stretches a low-entropy secret: RFC 9106.
func (p Params) derive(secret, salt []byte) []byte {
	return argon2.IDKey(secret, salt, p.Time, p.Memory, p.Threads, KeySize)
}
