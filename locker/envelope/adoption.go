package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/locker"
)

// maxHeld is how many documents an adoption names; a wall has at most 500 doors.
const maxHeld = 500

// SignAdoption returns the city's word of a terminal whose log it closed, for
// the board that takes over its wall: a note of the title, the old log's size and
// root, the last generation and key, and a line "COMPARTMENT ORDER" for each
// document that should lie inside.
func SignAdoption(city note.Signer, terminal string, a locker.Adoption) ([]byte, error) {
	if err := errors.Join(CheckTerminal(terminal), checkAdoption(a)); err != nil {
		return nil, fmt.Errorf("sign adoption: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n%d\n%d\n%d\n", title(terminal, "adoption"), a.Size, a.Root, a.Generation, a.Key, len(a.Held))
	for _, h := range a.Held {
		fmt.Fprintf(&b, "%d %s\n", h.Compartment, h.Order)
	}
	return signNote(city, []byte(b.String()))
}

// OpenAdoption verifies the note.
func OpenAdoption(city note.Verifier, terminal string, message []byte) (locker.Adoption, error) {
	text, err := openNote("adoption", maxLongNote, city, message)
	if err != nil {
		return locker.Adoption{}, err
	}
	l := readLines(text, title(terminal, "adoption"))
	a := locker.Adoption{Size: l.number(""), Root: l.next(""), Generation: locker.Generation(l.number("")), Key: locker.KeyID(l.number(""))}
	n := l.number("")
	if n > maxHeld {
		return locker.Adoption{}, fmt.Errorf("adoption: %d documents, at most %d", n, maxHeld)
	}
	for range n {
		number, order, _ := strings.Cut(l.next(""), " ")
		c, err := strconv.Atoi(number)
		l.fail("compartment", err)
		a.Held = append(a.Held, locker.HeldDocument{Compartment: locker.CompartmentID(c), Order: locker.OrderID(order)})
	}
	if err := errors.Join(l.end(), checkAdoption(a)); err != nil {
		return locker.Adoption{}, fmt.Errorf("adoption: %w", err)
	}
	return a, nil
}

func checkAdoption(a locker.Adoption) error {
	if root, err := base64.StdEncoding.Strict().DecodeString(a.Root); err != nil || len(root) != tlog.HashSize {
		return fmt.Errorf("root %.60q: wants %d bytes in base64", a.Root, tlog.HashSize)
	}
	if len(a.Held) > maxHeld {
		return fmt.Errorf("%d documents, at most %d", len(a.Held), maxHeld)
	}
	seen := map[locker.CompartmentID]bool{}
	for _, h := range a.Held {
		switch {
		case h.Compartment < 1 || h.Compartment > 9999:
			return fmt.Errorf("compartment %d: wants 1 to 9999", h.Compartment)
		case seen[h.Compartment]:
			return fmt.Errorf("compartment %d is there twice", h.Compartment)
		}
		if err := CheckOrderID(h.Order); err != nil {
			return err
		}
		seen[h.Compartment] = true
	}
	return nil
}
