package vault

import (
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// ErrTerminalKey tells that the stored roster is sealed to another key.
var ErrTerminalKey = errors.New("the terminal's key does not open its roster")

const rosterKey = "current"

func (v *Vault) readRoster() error {
	if err := v.readFormerDesks(); err != nil {
		return err
	}
	message, err := v.Records.Get(bucketRoster, rosterKey)
	if err != nil || message == nil {
		return err
	}
	signed, err := envelope.UnsealRoster(v.Crypto, v.TerminalKey, message)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTerminalKey, err)
	}
	defer clear(signed)
	r, err := envelope.ParseRoster(envelope.Body(signed)) // verified when it was stored
	if err != nil {
		return err
	}
	v.roster, v.rosterHash = &r, envelope.Hash(signed)
	return nil
}

// InitRoster takes the first roster, a signed text as it is or sealed, which
// two admins of itself signed. The one who calls it vouches for them: they are
// present. It refuses if there is a roster.
func (v *Vault) InitRoster(text []byte, at time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.roster != nil {
		return fmt.Errorf("first roster: version %d is in force; send the next one signed by two of its admins", v.roster.Version)
	}
	signed := text
	if len(text) > 0 && envelope.IsSealedRoster(text) {
		var err error
		if signed, err = envelope.UnsealRoster(v.Crypto, v.TerminalKey, text); err != nil {
			return fmt.Errorf("first roster: %w", err)
		}
	}
	r, err := envelope.OpenRoster(v.Crypto, signed, v.Terminal, nil, at)
	if err != nil {
		return fmt.Errorf("first roster: %w", err)
	}
	return v.storeRoster(r, signed)
}

// storeRoster keeps the roster as it travels, sealed to the terminal.
func (v *Vault) storeRoster(r envelope.Roster, signed []byte) error {
	public, err := v.Crypto.PublicKey(v.TerminalKey)
	if err != nil {
		return fmt.Errorf("store roster: %w", err)
	}
	message, err := envelope.SealRoster(v.Crypto, public, signed)
	if err != nil {
		return fmt.Errorf("store roster: %w", err)
	}
	if err := v.Records.Put(bucketRoster, rosterKey, message); err != nil {
		return fmt.Errorf("store roster: %w", err)
	}
	v.roster, v.rosterHash = &r, envelope.Hash(signed)
	return nil
}

// Rekey seals the roster to another terminal key, which takes the old one's
// place. Repeated with the same key it changes nothing.
func (v *Vault) Rekey(terminalKey []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	message, err := v.Records.Get(bucketRoster, rosterKey)
	if err != nil {
		return fmt.Errorf("seal the roster anew: %w", err)
	}
	signed, err := envelope.UnsealRoster(v.Crypto, v.TerminalKey, message)
	if err != nil {
		return fmt.Errorf("seal the roster anew: %w", err)
	}
	defer clear(signed)
	v.TerminalKey = terminalKey
	return v.storeRoster(*v.roster, signed)
}

// Roster is the roster in force, which Step is told after each start: a cut
// may have come between its storing and its event. False if there is none.
func (v *Vault) Roster() (locker.RosterReceived, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.roster == nil {
		return locker.RosterReceived{}, false
	}
	return v.rosterReceived(), true
}

func (v *Vault) rosterReceived() locker.RosterReceived {
	return locker.RosterReceived{Version: v.roster.Version, Hash: v.rosterHash, People: v.roster.Members(), Desks: v.roster.Desks()}
}

// ReceiveRoster opens, verifies and stores a roster; at is the trusted time.
// The one in force returns the same input again; an older one is refused.
func (v *Vault) ReceiveRoster(message []byte, at time.Time) (locker.Input, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	reject := func(version int, err error) (locker.Input, error) {
		return locker.MessageRejected{Message: locker.MessageRoster, Version: version, Reason: err.Error()}, nil
	}
	if v.roster == nil {
		return reject(0, errors.New("roster: this terminal has none yet; the first one is given at lockerd init, with two admins present"))
	}
	signed, err := envelope.UnsealRoster(v.Crypto, v.TerminalKey, message)
	if err != nil { // the city must know which to repeat no more
		return reject(envelope.RosterVersion(message), err)
	}
	defer clear(signed)
	if envelope.Hash(signed) == v.rosterHash {
		return v.rosterReceived(), nil
	}
	r, err := envelope.OpenRoster(v.Crypto, signed, v.Terminal, v.roster, at)
	if err != nil {
		return reject(envelope.RosterVersion(message), err)
	}
	// First the desks that it lacks: after a cut between the two, they are there twice.
	if err := v.retireDesks(r, at); err != nil {
		return nil, err
	}
	if err := v.storeRoster(r, signed); err != nil {
		return nil, err
	}
	return v.rosterReceived(), nil
}

// CheckClerk answers locker.CheckClerk: whose card it is, and whether the
// personal number is theirs. An unknown card has no person and costs the same
// derivation. Role and leave date are for Step.
func (v *Vault) CheckClerk(card string, number []byte) (person locker.Person, proved bool, err error) {
	v.work.Lock()
	defer v.work.Unlock()
	e, ok := v.card(card)
	if !ok || e.Number == "" || len(e.SecurityKeys) > 0 { // who has a key is admitted by no number
		v.Crypto.Vain(number)
		return e.Person, false, nil
	}
	proved, err = v.Crypto.CheckNumber(e.Number, number)
	if err != nil {
		return e.Person, false, fmt.Errorf("check the number of %s: %w", e.Person, err)
	}
	return e.Person, proved, nil
}

// FindCard answers locker.FindCard; the person is empty for an unknown card.
func (v *Vault) FindCard(card string) locker.Person {
	e, _ := v.card(card)
	return e.Person
}

func (v *Vault) card(card string) (envelope.Entry, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.roster == nil {
		return envelope.Entry{}, false
	}
	return v.roster.Card(card)
}
