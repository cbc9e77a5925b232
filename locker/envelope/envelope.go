// Package envelope is what travels between city and terminal, and how it is
// signed, sealed, opened and verified.
//
//	who makes it       message     signed by                      sealed to
//	desk               Order       the desk, SSHSIG               a one-time key of the terminal
//	desk               Withdrawal  the desk, SSHSIG               -
//	admins             Roster      two admins before it, SSHSIG   the terminal's lasting key
//	admins             Command     one or two admins, SSHSIG      (a share) a one-time key
//	terminal           KeyList     the device, note               -
//	terminal           Letter      the device, note               the city's letter key
//	terminal           Checkpoint  the device, note               -
//	city               Posted      the city, note                 -
//	city               Ack         the city, note                 -
//
// People sign with their SSH keys, so that a security key or an agent can hold
// them (OpenSSH's PROTOCOL.sshsig; `ssh-keygen -Y sign -n NAMESPACE`). What
// they sign is a text, followed by the armoured signatures; see [Sign].
// Daemons sign notes (golang.org/x/mod/sumdb/note), whose first line names the
// kind of note and the terminal, so that none passes for another. Sealing is
// HPKE (RFC 9180) with ML-KEM-768 and X25519; it proves nothing about the
// sender, the signature inside does.
//
// Everything is bound to one terminal, bounded in size before it is looked at,
// and strict: an unknown field, a second one of a name, a line too many is
// refused. A refusal is an error that tells an operator what was wrong with
// which message; it never shows a secret. What an order asks for may be more
// than a terminal can do: the formats hold 1 to n documents and recipients.
//
// The package keeps nothing and decides nothing: which message is new, and what
// follows from it, is for package vault and package locker.
package envelope

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

const (
	// MaxMessage is the size above which no message is looked at, in bytes. MQTT
	// allows 256 MiB; an order of two fingers with three impressions each is
	// some 200 KB.
	MaxMessage = 2 << 20

	authority = "nachtfach.de"
)

// Hash is the SHA-256 of a message's bytes in hex, as events name it.
func Hash(message []byte) string {
	h := sha256.Sum256(message)
	return hex.EncodeToString(h[:])
}

// kind is the first line of a text, and what a sealing is bound to.
func kind(name string) string { return authority + "/" + name + "/v1" }

// info is HPKE's info parameter: what a sealed text is bound to.
func info(name string, parts ...any) []byte {
	var b strings.Builder
	b.WriteString(kind(name) + "\n")
	for _, p := range parts {
		fmt.Fprintln(&b, p)
	}
	return []byte(b.String())
}

func checkSize(message []byte) error {
	if len(message) > MaxMessage {
		return fmt.Errorf("%d bytes, at most %d", len(message), MaxMessage)
	}
	return nil
}

// decodeStrict reads one JSON value of known fields into v, each name once.
func decodeStrict(data []byte, v any) error {
	if err := checkSize(data); err != nil {
		return err
	}
	if err := checkNames(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// checkNames refuses an object with two names that encoding/json takes for one
// field: two readers could see two different messages.
func checkNames(data []byte) error {
	const deepest = 10
	d := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool // of each object around; nil for an array
	isName := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		inObject := len(open) > 0 && open[len(open)-1] != nil
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{', '[':
				if len(open) == deepest {
					return fmt.Errorf("JSON nested deeper than %d", deepest)
				}
				var names map[string]bool
				if t == '{' {
					names = map[string]bool{}
				}
				open = append(open, names)
				isName = t == '{'
				continue
			default:
				open = open[:len(open)-1]
			}
		case string:
			if inObject && isName {
				name := strings.ToLower(t)
				if open[len(open)-1][name] {
					return fmt.Errorf("field %.40q is there twice", t)
				}
				open[len(open)-1][name] = true
				isName = false
				continue
			}
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

// CheckOrderID says what is wrong with an order's id.
func CheckOrderID(id locker.OrderID) error {
	if len(id) < 8 || len(id) > 40 || strings.ContainsFunc(string(id), func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return fmt.Errorf("order id %.50q: wants 8 to 40 letters, digits and hyphens", string(id))
	}
	return nil
}

// CheckTerminal says what is wrong with a terminal's name.
func CheckTerminal(name string) error {
	if len(name) < 1 || len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return fmt.Errorf("terminal %.50q: wants 1 to 40 of a–z, 0–9 and hyphen", name)
	}
	return nil
}

func checkAddressee(message, terminal, here string) error {
	if terminal != here {
		return fmt.Errorf("%s is for terminal %.50q, this is %q", message, terminal, here)
	}
	return nil
}

// checkTime refuses the zero time and years that no correct clock shows.
func checkTime(what string, t time.Time) error { return checkYear(what, t, 2020) }

// checkTerminalTime is [checkTime] for a time by a terminal's own clock. A clock
// that lost its date counts from 1970, and admins must still be able to lock that
// terminal and to set its clock.
func checkTerminalTime(what string, t time.Time) error { return checkYear(what, t, 1970) }

func checkYear(what string, t time.Time, first int) error {
	if t.Year() < first || t.Year() > 9999 {
		return fmt.Errorf("%s: %s is no date", what, t.Format(time.RFC3339))
	}
	return nil
}

// Fingerprint is the SHA-256 of a key's line, in groups of four hex digits, to be
// read aloud and compared by two people.
func Fingerprint(line string) string {
	sum := Hash([]byte(strings.TrimSpace(line)))
	var groups []string
	for ; len(sum) > 0; sum = sum[4:] {
		groups = append(groups, sum[:4])
	}
	return strings.Join(groups, " ")
}
