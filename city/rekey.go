package city

import (
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// rekeyed hears of a device whose old key signs for a new one. The event is not
// covered by a checkpoint yet; but its proof is the old key's, and the first
// checkpoint over it may be the new key's already, or that of one after it.
func (t *intake) rekeyed(fact locker.Fact) {
	f, ok := fact.(locker.DeviceRekeyed)
	if !ok {
		return
	}
	if v := t.successor(t.verifier, f); v != nil {
		t.next = v
	} else if t.next != nil {
		if v := t.successor(t.next, f); v != nil {
			t.next = v
		}
	}
}

// successor is the key that the event names, if the one before signed for it.
func (t *intake) successor(before note.Verifier, f locker.DeviceRekeyed) note.Verifier {
	r, err := envelope.OpenRekey(before, t.terminal, []byte(f.Proof))
	if err != nil || r.Verifier != f.Verifier {
		return nil
	}
	v, err := deviceVerifier(r.Verifier)
	if err != nil {
		return nil
	}
	return v
}

// inForce takes a key as the device's, from the events that are covered on.
func (t *intake) inForce(key note.Verifier) {
	t.verifier = key
	if t.next != nil && t.next.KeyHash() == key.KeyHash() {
		t.next = nil
	}
}

// signedBy runs f with the device's key, and with the next one if there is one.
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
