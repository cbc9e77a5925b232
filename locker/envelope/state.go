package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Statement is a terminal's word about its own state: what it says, in which
// order, and the city's time that it heard last. A relay can neither forge one,
// nor pass an old one off as new.
type Statement struct {
	Terminal string
	State    []byte    // a JSON object
	Sequence uint64    // larger than that of every earlier statement
	Heard    time.Time // of the newest acknowledgement, by the city's clock, to the second; zero: none since the start
}

// The note is the last member of the signed JSON object. It covers the bytes of
// the object as they would be without that member.
const noteMember = `"note":`

// SignState returns the statement's JSON object with the device's note as its
// last member "note". The note has four lines: title, sequence, heard, and the
// SHA-256 of the object without the note.
func SignState(device note.Signer, s Statement) ([]byte, error) {
	object := bytes.TrimSpace(s.State)
	if len(object) < 2 || object[0] != '{' || !json.Valid(object) {
		return nil, errors.New("sign state: wants a JSON object")
	}
	signed, err := signNote(device, s.text(object))
	if err != nil {
		return nil, fmt.Errorf("sign state: %w", err)
	}
	member, err := json.Marshal(string(signed))
	if err != nil {
		return nil, fmt.Errorf("sign state: %w", err)
	}
	b := bytes.Clone(object[:len(object)-1])
	if len(bytes.TrimSpace(b)) > 1 {
		b = append(b, ',')
	}
	return append(append(append(b, noteMember...), member...), '}'), nil
}

func (s Statement) text(object []byte) []byte {
	heard := "-"
	if !s.Heard.IsZero() {
		heard = timeText(s.Heard)
	}
	return fmt.Appendf(nil, "%s\n%d\nheard %s\nsha256 %s\n", title(s.Terminal, "state"), s.Sequence, heard, Hash(object))
}

// OpenState verifies a message that [SignState] made. Whether its sequence is
// new is for the caller.
func OpenState(device note.Verifier, terminal string, message []byte) (Statement, error) {
	i := bytes.LastIndex(message, []byte(noteMember))
	if i < 1 || !bytes.HasSuffix(message, []byte("}")) {
		return Statement{}, errors.New("state: it is not signed: no note")
	}
	var signed string
	if err := json.Unmarshal(message[i+len(noteMember):len(message)-1], &signed); err != nil {
		return Statement{}, fmt.Errorf("state: its note: %w", err)
	}
	text, err := openNote("state", maxNote, device, []byte(signed))
	if err != nil {
		return Statement{}, err
	}
	s := Statement{Terminal: terminal, State: append(bytes.TrimSuffix(bytes.Clone(message[:i]), []byte(",")), '}')}
	l := readLines(text, title(terminal, "state"))
	s.Sequence = l.number("")
	if heard := l.next("heard"); heard != "-" {
		s.Heard, err = time.Parse(time.RFC3339, heard)
		l.fail("heard", err)
	}
	hash := l.next("sha256")
	if err := l.end(); err != nil {
		return Statement{}, fmt.Errorf("state: %w", err)
	}
	if hash != Hash(s.State) {
		return Statement{}, errors.New("state: its note is about another state")
	}
	if !json.Valid(s.State) {
		return Statement{}, errors.New("state: it is not JSON")
	}
	return s, nil
}
