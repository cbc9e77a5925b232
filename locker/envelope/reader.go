package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// reader reads JSON of a known shape from a byte slice. Package encoding/json
// is not fit for what this package opens, for two reasons: it copies secrets
// into strings and buffers that nobody can clear, and it reads a hostile text to
// the end before it refuses it. A reader returns parts of the slice, allocates
// only what base64 holds, and stops at the first token that does not fit, so
// that a refusal takes no longer than the part before the fault.
//
// It is stricter than JSON: names are spelt as in the format and come once,
// strings are printable ASCII without escapes except "\/", numbers are whole,
// and there is no null. The first error stays; what is read after it is zero.
type reader struct {
	b   []byte
	at  int
	err error
}

// mostMembers bounds the members of one object. No format has as many.
const mostMembers = 24

func (r *reader) fail(form string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(form, args...)
	}
}

// mostSpace bounds white space between two tokens, in bytes.
const mostSpace = 1024

// peek skips white space and returns the next byte; zero at the end or after an error.
func (r *reader) peek() byte {
	if r.err != nil {
		return 0
	}
	for from := r.at; r.at < len(r.b); r.at++ {
		if r.at-from > mostSpace {
			r.fail("byte %d: more than %d bytes of white space", from, mostSpace)
			return 0
		}
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take consumes the next byte if it is this one.
func (r *reader) take(c byte) bool {
	if r.peek() != c || r.err != nil || r.at == len(r.b) {
		return false
	}
	r.at++
	return true
}

func (r *reader) want(c byte, what string) bool {
	if r.take(c) {
		return true
	}
	r.fail("byte %d: wants %s", r.at, what)
	return false
}

// object calls member for each member with its name; member reads the value and
// tells whether the name is known.
func (r *reader) object(member func(name string) bool) {
	if !r.want('{', "an object") {
		return
	}
	var seen []string
	for first := true; r.err == nil && !r.take('}'); first = false {
		if !first && !r.want(',', "a comma or the object's end") {
			return
		}
		name := string(r.text(40))
		switch {
		case r.err != nil || !r.want(':', "a colon"):
			return
		case slices.Contains(seen, name):
			r.fail("field %q is there twice", name)
			return
		case len(seen) == mostMembers || !member(name):
			r.fail("unknown field %q", name)
			return
		}
		seen = append(seen, name)
	}
}

// array calls element for each of at most so many elements.
func (r *reader) array(most int, element func()) {
	if !r.want('[', "an array") {
		return
	}
	for n := 0; r.err == nil && !r.take(']'); n++ {
		if n > 0 && !r.want(',', "a comma or the array's end") {
			return
		}
		if n == most {
			r.fail("an array of more than %d", most)
			return
		}
		element()
	}
}

// text returns a string's bytes, which are a part of the slice.
func (r *reader) text(most int) []byte {
	text := r.raw(most)
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' {
			r.fail("byte %d: wants a string of printable ASCII without escapes", r.at)
			return nil
		}
	}
	return text
}

// raw returns what stands between quotes.
func (r *reader) raw(most int) []byte {
	if !r.want('"', "a string") {
		return nil
	}
	n := bytes.IndexByte(r.b[r.at:min(r.at+most+1, len(r.b))], '"')
	if n < 0 {
		r.fail("byte %d: wants a string of at most %d bytes", r.at, most)
		return nil
	}
	text := r.b[r.at : r.at+n]
	r.at += n + 1
	return text
}

// bytes decodes base64 of at most so many bytes into a slice of its own, which
// the caller clears if it is a secret.
func (r *reader) bytes(most int) []byte {
	text := r.raw(2 * base64.StdEncoding.EncodedLen(most))
	if r.err != nil {
		return nil
	}
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 { // which the decoder skips
		r.fail("byte %d: a line's end in base64", r.at)
		return nil
	}
	if bytes.IndexByte(text, '\\') >= 0 { // some encoders write each slash as \/
		plain := make([]byte, 0, len(text))
		for i, c := range text {
			if c == '\\' && i+1 < len(text) && text[i+1] == '/' {
				continue
			}
			plain = append(plain, c)
		}
		defer clear(plain)
		text = plain
	}
	if len(text) > base64.StdEncoding.EncodedLen(most) {
		r.fail("base64 of more than %d bytes", most)
		return nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(out, text)
	if err != nil {
		clear(out)
		r.fail("%w", err)
		return nil
	}
	return out[:n:n]
}

// number reads a whole number without sign.
func (r *reader) number() uint64 {
	r.peek()
	from := r.at
	for r.err == nil && r.at < len(r.b) && r.b[r.at] >= '0' && r.b[r.at] <= '9' && r.at-from < 20 {
		r.at++
	}
	text := r.b[from:r.at]
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || len(text) > 1 && text[0] == '0' || r.at < len(r.b) && (r.b[r.at] == '.' || r.b[r.at]|0x20 == 'e') {
		r.fail("byte %d: wants a whole number", from)
		return 0
	}
	return n
}

// small reads a number that fits an int32.
func (r *reader) small() int {
	n := r.number()
	if n > math.MaxInt32 {
		r.fail("byte %d: the number is too large", r.at)
		return 0
	}
	return int(n)
}

// time reads a time as RFC 3339 writes it.
func (r *reader) time() time.Time {
	text := string(r.text(maxWord))
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail("byte %d: wants a time such as 2006-01-02T15:04:05Z", r.at)
	}
	return t
}

func (r *reader) boolean() bool {
	r.peek()
	for _, word := range []string{"true", "false"} {
		if rest := r.b[r.at:]; r.err == nil && len(rest) >= len(word) && string(rest[:len(word)]) == word {
			r.at += len(word)
			return word == "true"
		}
	}
	r.fail("byte %d: wants true or false", r.at)
	return false
}

// end wants that nothing follows, and returns the first error.
func (r *reader) end() error {
	if r.peek() != 0 || r.err == nil && r.at < len(r.b) {
		r.fail("something follows the JSON value")
	}
	return r.err
}

// appendBytes writes base64 in quotes. The caller has made room: growing would
// leave a copy behind.
func appendBytes(b, raw []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

// errRoom tells that an encoding outgrew its buffer, which would have left a
// copy of a secret behind.
var errRoom = errors.New("an encoding needs more room than was reckoned")
