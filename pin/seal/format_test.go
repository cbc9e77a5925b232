package seal_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nachtfach/nachtfach/pin/seal"
)

// Boxes outlive programs: what the package documents is what opens them, the
// header bound in front of the caller's data included.
func TestABoxOpensByItsDocumentedFormat(t *testing.T) {
	const (
		saltAt     = 5 + 9
		nonceAt    = saltAt + 16
		headerSize = nonceAt + chacha20poly1305.NonceSizeX
	)
	open := func(box, half []byte, info string, ad []byte) ([]byte, error) {
		key, err := hkdf.Key(sha256.New, half, slot, info, seal.KeySize)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			t.Fatal(err)
		}
		return aead.Open(nil, box[nonceAt:headerSize], box[headerSize:], ad)
	}
	box := sealed(t)
	stretched := argon2.IDKey(secret, box[saltAt:nonceAt], cheap.Time, cheap.Memory, cheap.Threads, seal.KeySize)
	for name, c := range map[string]struct {
		box, half []byte
		info      string
	}{
		"a code's box":  {box, stretched, "nachtfach seal v1 code"},
		"a share's box": {sealedShare(t), share, "nachtfach seal v1 share"},
	} {
		if got, err := open(c.box, c.half, c.info, slices.Concat(c.box[:headerSize], ad)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s opens as %q, %v", name, got, err)
		}
		if _, err := open(c.box, c.half, c.info, ad); err == nil {
			t.Errorf("%s opens without its header", name)
		}
	}
}
