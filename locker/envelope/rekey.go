package envelope

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Rekey is a device's word that another key signs for it from now on.
type Rekey struct {
	Verifier  string // of the new key's notes
	RosterKey string // public; rosters are sealed to it from now on
}

// SignRekey returns the note that the old key signs: the title, the new verifier
// and the new roster key, a line each.
func SignRekey(old note.Signer, terminal string, r Rekey) ([]byte, error) {
	if err := errors.Join(CheckTerminal(terminal), r.validate(terminal)); err != nil {
		return nil, fmt.Errorf("sign rekey: %w", err)
	}
	return signNote(old, fmt.Appendf(nil, "%s\n%s\n%s\n", title(terminal, "rekey"), r.Verifier, r.RosterKey))
}

func (r Rekey) validate(terminal string) error {
	v, err := note.NewVerifier(r.Verifier)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	if v.Name() != Origin(terminal) {
		return fmt.Errorf("verifier is that of %q", v.Name())
	}
	_, err = DecodeKey(TerminalKey, false, r.RosterKey)
	return err
}

// OpenRekey verifies the note by the old key.
func OpenRekey(old note.Verifier, terminal string, message []byte) (Rekey, error) {
	text, err := openNote("rekey", maxLetter, old, message)
	if err != nil {
		return Rekey{}, err
	}
	l := readLines(text, title(terminal, "rekey"))
	r := Rekey{Verifier: l.next(""), RosterKey: l.next("")}
	if err := l.end(); err != nil {
		return Rekey{}, fmt.Errorf("rekey: %w", err)
	}
	return r, r.validate(terminal)
}
