package kiosk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// A token is 256 random bits in hexadecimal. One that may outlive a restart of
// the daemon begins with a mark of its boot.
var tokenForm = regexp.MustCompile(`^([0-9a-f]{16}\.)?[0-9a-f]{64}$`)

// bootToken reads the token of this boot, or draws one and writes it. In a folder
// that takes no file (a full disk, a read-only medium) the token of an earlier
// boot stays in use, so that the page can still say that the terminal is out of order.
func bootToken(path, boot string, random io.Reader) (string, error) {
	mark := ""
	if boot != "" {
		sum := sha256.Sum256([]byte("nachtfach kiosk\n" + boot))
		mark = hex.EncodeToString(sum[:8]) + "."
		if token, err := readToken(path); err == nil && strings.HasPrefix(token, mark) {
			return token, nil
		}
	}
	var bits [32]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", fmt.Errorf("draw a token: %w", err)
	}
	token := mark + hex.EncodeToString(bits[:])
	if err := writeToken(path, token); err != nil {
		if old, unread := readToken(path); unread == nil {
			return old, nil
		}
		for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
			if errors.Is(err, e) {
				return token, nil // no page knows it; the terminal watches its doors and tells the city
			}
		}
		return "", fmt.Errorf("write the token to %s: %w", path, err)
	}
	return token, nil
}

var errToken = errors.New("not a token of mode 0600")

// readToken reads a token that only its owner could read and write.
func readToken(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if info.Mode() != 0o600 || info.Size() > 100 {
		return "", errToken
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if !tokenForm.MatchString(token) {
		return "", errToken
	}
	return token, nil
}

// writeToken never writes into what lies there, which may be somebody's link.
func writeToken(path, token string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
