package pin

import (
	"bytes"
	"errors"
	"unicode"
	"unicode/utf8"
)

// Why a text is no code. None of them costs an attempt: nothing was tried.
var (
	// ErrSlip tells that the check digit does not fit: a digit is wrong, or two are swapped.
	ErrSlip = errors.New("the check digit does not fit")
	// ErrLength tells more or fewer than twelve digits.
	ErrLength = errors.New("a pickup code has twelve digits")
	// ErrDigits tells a character that is neither digit, space nor hyphen.
	ErrDigits = errors.New("a pickup code has digits only")
)

const (
	qrPrefix  = "NF1:"
	aimLength = 3   // "]Q1": the symbology, as some scanners put it before the text
	longest   = 100 // bytes of a text that is looked at: twelve full-width digits, each spaced
)

// Parse reads a code as people type it and scanners read it: twelve digits,
// also full-width ones, with any spaces and hyphens between and around them;
// or a letter's QR code, see [Code.QR], its prefix in either case and with or
// without the symbology's identifier before it. The error is [ErrLength], [ErrDigits]
// or [ErrSlip] and tells nothing of the text.
func Parse[T string | []byte](entry T) (Code, error) {
	if len(entry) > longest {
		return Code{}, ErrLength
	}
	var buf [longest]byte
	defer clear(buf[:])
	text := bytes.TrimSpace(buf[:copy(buf[:], entry)])
	if len(text) > aimLength && text[0] == ']' {
		text = text[aimLength:]
	}
	if len(text) >= len(qrPrefix) && bytes.EqualFold(text[:len(qrPrefix)], []byte(qrPrefix)) {
		text = text[len(qrPrefix):]
	}
	var d [length]byte
	defer clear(d[:])
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r >= '0' && r <= '9':
			r -= '0'
		case r >= '０' && r <= '９': // full-width, U+FF10 to U+FF19
			r -= '０'
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), r == '−': // U+2212, no dash to Unicode
			continue
		default:
			return Code{}, ErrDigits
		}
		if n < length {
			d[n] = byte(r)
		}
		n++
	}
	if n != length {
		return Code{}, ErrLength
	}
	if damm(d[:]) != 0 {
		return Code{}, ErrSlip
	}
	kept := d
	return code(&kept), nil
}
