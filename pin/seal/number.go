package seal

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// minNumber is the length of the shortest personal number, in digits. Four
// digits fall to a few thousand tries.
const minNumber = 6

// HashNumber returns a personal number's argon2id hash in PHC form,
// "$argon2id$v=19$m=65536,t=3,p=1$salt$hash". A number of fewer than six digits
// is an error.
func HashNumber(rand io.Reader, p Params, number string) (string, error) {
	if len(number) < minNumber || strings.Trim(number, "0123456789") != "" {
		return "", fmt.Errorf("hash a personal number: wants at least %d digits", minNumber)
	}
	if err := p.Validate(); err != nil {
		return "", fmt.Errorf("hash a personal number: %w", err)
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("hash a personal number: draw a salt: %w", err)
	}
	return formatPHC(p, salt, p.derive([]byte(number), salt)), nil
}

// CheckNumber reports whether the number is the one that was hashed. The
// error is [ErrMalformed]; then nothing was derived.
func CheckNumber(phc string, number []byte) (bool, error) {
	p, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	got := p.derive(number, salt)
	defer clear(got)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// CheckPHC says what is wrong with a hash of [HashNumber].
func CheckPHC(phc string) error {
	_, _, _, err := parsePHC(phc)
	return err
}

func formatPHC(p Params, salt, hash []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.Memory, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(hash))
}

func parsePHC(phc string) (p Params, salt, hash []byte, err error) {
	malformed := func(what string) (Params, []byte, []byte, error) {
		return Params{}, nil, nil, fmt.Errorf("%w: hash of a personal number: %s", ErrMalformed, what)
	}
	parts := strings.Split(phc, "$")
	if len(phc) > 200 || len(parts) != 6 || parts[1] != "argon2id" {
		return malformed("wants $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil {
		return malformed("parameters")
	}
	if err := p.Validate(); err != nil {
		return malformed(err.Error())
	}
	b64 := base64.RawStdEncoding
	if salt, err = b64.DecodeString(parts[4]); err != nil || len(salt) != saltSize {
		return malformed("salt")
	}
	if hash, err = b64.DecodeString(parts[5]); err != nil || len(hash) != KeySize {
		return malformed("hash")
	}
	if formatPHC(p, salt, hash) != phc { // another version, signs, zeros, loose bits
		return malformed("not in its one canonical form")
	}
	return p, salt, hash, nil
}
