// Package pin is the pickup code on the letter: three groups of four digits.
//
//	4711 0815 4226
//	└──┘ └──┘ └─┘└ check digit
//	 │     └────┴─ secret, seven digits
//	 └──────────── selector, names the deposit at this terminal
//
// The check digit is computed over all eleven digits before it by Damm's
// quasigroup (H. M. Damm, Total anti-symmetrische Quasigruppen, Marburg 2004):
// every single wrong digit and every swap of neighbours is found before it
// costs an attempt.
//
// A [Code] is a secret. It has no String, text, JSON or log form: printing it
// shows "pin.Code(hidden)", writing it as text or JSON is an error. What must
// be printed, the letter, asks for [Code.Groups] or [Code.QR] by name. The
// package leaves to others which selectors are free, and what a code opens.
package pin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	// Selectors is how many selectors there are: 0 to Selectors-1.
	Selectors = 10_000
	// Secrets is how many secrets there are: 0 to Secrets-1.
	Secrets = 10_000_000

	// digits of a code: selector, secret, check
	length         = 12
	selectorLength = 4
	checkAt        = length - 1

	hidden = "pin.Code(hidden)"
	gone   = 0xff // the value of each digit after Wipe
)

var (
	// errWritten answers an encoder; the code must not get into a file or log.
	errWritten = errors.New("a pickup code has no written form")
	// errRandom tells a source of randomness that repeats itself.
	errRandom = errors.New("draw a pickup code: the source of randomness yields nothing usable")
)

// Code is a pickup code with a correct check digit. Copies share the digits:
// [Code.Wipe] of one wipes all. The zero Code is none.
type Code struct {
	// behind two pointers, because fmt prints the unexported fields of a struct
	// that holds a Code without asking the Code; it follows one for a verb
	// that does not fit, but never two
	digits **[length]byte // each 0 to 9
}

func code(d *[length]byte) Code { return Code{&d} }

// New returns the code with this selector, 0 to 9999, and this secret, 0 to 9999999.
func New(selector int, secret uint32) (Code, error) {
	if selector < 0 || selector >= Selectors {
		return Code{}, fmt.Errorf("pickup code: selector %d, wants 0 to %d", selector, Selectors-1)
	}
	if secret >= Secrets {
		return Code{}, fmt.Errorf("pickup code: the secret has more than %d digits", checkAt-selectorLength)
	}
	var d [length]byte
	rest := secret
	for i := checkAt - 1; i >= selectorLength; i-- {
		d[i] = byte(rest % 10)
		rest /= 10
	}
	for i := selectorLength - 1; i >= 0; i-- {
		d[i] = byte(selector % 10)
		selector /= 10
	}
	d[checkAt] = damm(d[:checkAt])
	return code(&d), nil
}

// Draw returns a code with this selector and a secret drawn evenly from all of
// them; rand must be fit for keys.
func Draw(rand io.Reader, selector int) (Code, error) {
	// the largest multiple of Secrets in 32 bits: above it the first secrets
	// would be more frequent than the others
	const even = (1 << 32) / Secrets * Secrets
	var b [4]byte
	defer clear(b[:])
	for range 100 { // each fails by chance once in 865 times
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return Code{}, fmt.Errorf("draw a pickup code: %w", err)
		}
		if n := binary.BigEndian.Uint32(b[:]); uint64(n) < even {
			return New(selector, n%Secrets)
		}
	}
	return Code{}, errRandom
}

// IsZero reports whether the code is none, or was wiped.
func (c Code) IsZero() bool { return c.digits == nil || (*c.digits)[0] == gone }

// Selector is the public part, 0 to 9999, which names the deposit; -1 of the zero Code.
func (c Code) Selector() int {
	if c.IsZero() {
		return -1
	}
	n := 0
	for _, d := range (*c.digits)[:selectorLength] {
		n = n*10 + int(d)
	}
	return n
}

// Secret returns the seven secret digits in ASCII, from which a seal's key is
// derived; nil of the zero Code. The caller clears it after use.
func (c Code) Secret() []byte {
	if c.IsZero() {
		return nil
	}
	return c.ascii(selectorLength, checkAt)
}

// Groups returns the three groups of four digits, for the letter only; three
// empty strings of the zero Code.
func (c Code) Groups() [3]string {
	if c.IsZero() {
		return [3]string{}
	}
	return [3]string{string(c.ascii(0, 4)), string(c.ascii(4, 8)), string(c.ascii(8, 12))}
}

// QR returns what the letter's QR code holds, "NF1:" and twelve digits (all in
// QR's alphanumeric set); empty of the zero Code.
func (c Code) QR() string { return string(c.AppendQR(nil)) }

// AppendQR appends what QR returns to b, which the caller clears. Without room
// for 16 bytes in b, append leaves a copy of its old content behind.
func (c Code) AppendQR(b []byte) []byte {
	if c.IsZero() {
		return b
	}
	b = append(b, qrPrefix...)
	for _, d := range *c.digits {
		b = append(b, '0'+d)
	}
	return b
}

// Wipe overwrites the digits of this code and of all its copies, which are
// zero Codes from then on. Nobody else may be using one of them meanwhile.
func (c Code) Wipe() {
	if c.digits == nil {
		return
	}
	for i := range *c.digits {
		(*c.digits)[i] = gone
	}
}

func (c Code) ascii(from, to int) []byte {
	b := make([]byte, 0, to-from)
	for _, d := range (*c.digits)[from:to] {
		b = append(b, '0'+d)
	}
	return b
}

// Format hides the code from every verb of fmt.
func (Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// GoString hides the code.
func (Code) GoString() string { return hidden }

// LogValue hides the code from slog.
func (Code) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON refuses.
func (Code) MarshalJSON() ([]byte, error) { return nil, errWritten }

// MarshalText refuses.
func (Code) MarshalText() ([]byte, error) { return nil, errWritten }

// quasigroup is totally anti-symmetric with zeros on its diagonal: Damm 2004, p. 111.
var quasigroup = [10][10]byte{
	{0, 3, 1, 7, 5, 9, 8, 6, 4, 2},
	{7, 0, 9, 2, 1, 5, 4, 8, 6, 3},
	{4, 2, 0, 6, 8, 7, 1, 3, 5, 9},
	{1, 7, 5, 0, 9, 8, 3, 4, 2, 6},
	{6, 1, 2, 3, 0, 4, 5, 9, 7, 8},
	{3, 6, 7, 4, 2, 0, 9, 5, 8, 1},
	{5, 8, 6, 9, 7, 2, 0, 1, 3, 4},
	{8, 9, 4, 5, 3, 6, 2, 0, 1, 7},
	{9, 4, 3, 8, 6, 1, 7, 2, 0, 5},
	{2, 5, 8, 1, 4, 3, 6, 7, 9, 0},
}

// damm returns the digit that, put behind these, takes the quasigroup to zero;
// over digits with their check digit it is zero.
func damm(digits []byte) byte {
	var at byte
	for _, d := range digits {
		at = quasigroup[at][d]
	}
	return at
}
