package envelope

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/nachtfach/nachtfach/pin/seal"
)

var errWritten = errors.New("a secret has no written form")

// Share is the half of the re-issue seal's key that the city keeps with the
// order: random bytes, seal.KeySize. It is a secret: it has no String, text,
// JSON or log form. Copies share the bytes; the zero Share is none.
type Share struct {
	bytes **[seal.KeySize]byte // behind two pointers, which fmt never follows
}

// DrawShare draws a share; rand must be fit for keys.
func DrawShare(rand io.Reader) (Share, error) {
	var b [seal.KeySize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return Share{}, fmt.Errorf("draw a re-issue share: %w", err)
	}
	p := &b
	return Share{&p}, nil
}

// NewShare takes the bytes of a share that was stored.
func NewShare(b []byte) (Share, error) {
	if len(b) != seal.KeySize {
		return Share{}, fmt.Errorf("re-issue share: %d bytes, wants %d", len(b), seal.KeySize)
	}
	p := new([seal.KeySize]byte)
	copy(p[:], b)
	return Share{&p}, nil
}

// Bytes returns a copy, nil of the zero Share.
func (s Share) Bytes() []byte {
	if s.bytes == nil {
		return nil
	}
	b := **s.bytes
	return b[:]
}

// Wipe overwrites the share and its copies.
func (s Share) Wipe() {
	if s.bytes != nil {
		clear((*s.bytes)[:])
	}
}

// Format hides the share from every verb of fmt.
func (Share) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "envelope.Share(hidden)") }

// GoString hides the share.
func (Share) GoString() string { return "envelope.Share(hidden)" }

// LogValue hides the share from slog.
func (Share) LogValue() slog.Value { return slog.StringValue("envelope.Share(hidden)") }

// MarshalJSON refuses.
func (Share) MarshalJSON() ([]byte, error) { return nil, errWritten }

// MarshalText refuses.
func (Share) MarshalText() ([]byte, error) { return nil, errWritten }

// Format hides the factor from every verb of fmt.
func (Factor) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "envelope.Factor(hidden)") }

// GoString hides the factor.
func (Factor) GoString() string { return "envelope.Factor(hidden)" }

// LogValue hides the factor from slog.
func (Factor) LogValue() slog.Value { return slog.StringValue("envelope.Factor(hidden)") }

// MarshalJSON refuses; see [Factor.Encode].
func (Factor) MarshalJSON() ([]byte, error) { return nil, errWritten }

// Wipe overwrites the enrolments and drops the number, which Go cannot overwrite.
func (f *Factor) Wipe() {
	for i := range f.Fingers {
		clear(f.Fingers[i].Enrolment)
	}
	*f = Factor{}
}

// Format hides the finger from every verb of fmt.
func (Finger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "envelope.Finger(hidden)") }

// factorJSON is a factor inside a seal.
type factorJSON struct {
	Kind    string       `json:"kind"`
	Fingers []fingerJSON `json:"fingers,omitempty"`
	Number  string       `json:"number,omitempty"`
}

type fingerJSON struct {
	Position  int    `json:"position"`
	Enrolment []byte `json:"enrolment"`
}

// Encode writes the factor for a seal, and for nowhere else.
func (f Factor) Encode() ([]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(f.wire())
	if err != nil {
		return nil, fmt.Errorf("encode a factor: %w", err)
	}
	return b, nil
}

// DecodeFactor reads what Encode wrote.
func DecodeFactor(b []byte) (Factor, error) {
	var w factorJSON
	if err := decodeStrict(b, &w); err != nil {
		return Factor{}, fmt.Errorf("decode a factor: %w", err)
	}
	f := w.factor()
	if err := f.validate(); err != nil {
		return Factor{}, fmt.Errorf("decode a factor: %w", err)
	}
	return f, nil
}
