package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/nachtfach/nachtfach/locker"
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

// Wipe overwrites the enrolments and the number.
func (f *Factor) Wipe() {
	for i := range f.Fingers {
		clear(f.Fingers[i].Enrolment)
	}
	clear(f.Number)
	*f = Factor{}
}

// Format hides the finger from every verb of fmt.
func (Finger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "envelope.Finger(hidden)") }

// The factor's form inside a seal, and inside an order, is JSON:
//
//	{"kind":"finger","fingers":[{"position":7,"enrolment":"BASE64"}]}
//	{"kind":"number","number":"123456"}
//
// It is written and read by hand, so that no copy is left that cannot be cleared.

// Encode writes the factor for a seal, and for nowhere else. The caller clears it.
func (f Factor) Encode() ([]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	room := f.room()
	b := f.append(make([]byte, 0, room))
	if cap(b) != room {
		clear(b)
		return nil, fmt.Errorf("encode a factor: %w", errRoom)
	}
	return b, nil
}

// room is more than the length of what append adds.
func (f Factor) room() int {
	n := 100 + len(f.Number)
	for _, g := range f.Fingers {
		n += 60 + base64.StdEncoding.EncodedLen(len(g.Enrolment))
	}
	return n
}

// append adds the factor's form to b; validate has bounded what is in it.
func (f Factor) append(b []byte) []byte {
	b = fmt.Appendf(b, `{"kind":"%s"`, f.Kind)
	for i, g := range f.Fingers {
		b = append(b, [...]string{`,"fingers":[`, `,`}[min(i, 1)]...)
		b = fmt.Appendf(b, `{"position":%d,"enrolment":`, g.Position)
		b = append(appendBytes(b, g.Enrolment), '}')
	}
	if len(f.Fingers) > 0 {
		b = append(b, ']')
	}
	if len(f.Number) > 0 {
		b = append(append(append(b, `,"number":"`...), f.Number...), '"')
	}
	return append(b, '}')
}

// DecodeFactor reads what Encode wrote, and copies what it keeps.
func DecodeFactor(b []byte) (Factor, error) {
	r := &reader{b: b}
	f := readFactor(r)
	if err := r.end(); err != nil {
		f.Wipe()
		return Factor{}, fmt.Errorf("decode a factor: %w", err)
	}
	if err := f.validate(); err != nil {
		f.Wipe()
		return Factor{}, fmt.Errorf("decode a factor: %w", err)
	}
	return f, nil
}

// readFactor reads a factor, which nobody has validated. The caller wipes it,
// also after an error of the reader.
func readFactor(r *reader) (f Factor) {
	r.object(func(name string) bool {
		switch name {
		case "kind":
			f.Kind = locker.FactorKind(r.text(maxWord))
		case "fingers":
			r.array(MaxFingers+1, func() { f.Fingers = append(f.Fingers, readFinger(r)) })
		case "number":
			f.Number = bytes.Clone(r.text(maxWord))
		default:
			return false
		}
		return true
	})
	return f
}

func readFinger(r *reader) (g Finger) {
	r.object(func(name string) bool {
		switch name {
		case "position":
			g.Position = r.small()
		case "enrolment":
			g.Enrolment = r.bytes(MaxEnrolment)
		default:
			return false
		}
		return true
	})
	return g
}
