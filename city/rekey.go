package city

import (
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// rekeyed follows a device whose old key signs for a new one. The event is not
// covered by a checkpoint yet; but its proof is the old key's, and the first
// checkpoint over it may be the new key's already.
func (t *intake) rekeyed(fact locker.Fact) {
	f, ok := fact.(locker.DeviceRekeyed)
	if !ok {
		return
	}
	r, err := envelope.OpenRekey(t.verifier, t.terminal, []byte(f.Proof))
	if err != nil || r.Verifier != f.Verifier {
		return
	}
	if v, err := deviceVerifier(r.Verifier); err == nil {
		t.next = v
	}
}

// signedBy runs f with the device's key, and with the next one if there is one.
// Once a checkpoint of the next one fits, it takes the old one's place.
func (t *intake) signedBy(f func(note.Verifier) error) error {
	err := f(t.verifier)
	if err != nil && t.next != nil && f(t.next) == nil {
		return nil
	}
	return err
}

// anyOf runs f with the device's present key and, if that fails, with those that
// it had before: what it signed then is still its word.
func anyOf(verifiers []string, f func(note.Verifier) error) error {
	var first error
	for _, line := range verifiers {
		v, err := deviceVerifier(line)
		if err == nil {
			err = f(v)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}
