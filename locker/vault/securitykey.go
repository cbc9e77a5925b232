package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/securitykey"
)

// asked is the one challenge that waits for its answer.
type asked struct {
	card     string
	question securitykey.Question
}

// AskKey answers the second half of locker.FindCard: a fresh challenge for the
// keys of the card's holder, nil if they have none or none is wanted. A question
// with a purpose voids the last challenge; one without leaves it. It is an error if a holder has keys and the
// kiosk has no name under which a browser would ask them.
func (v *Vault) AskKey(ask locker.FindCard) (*locker.KeyRequest, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if ask.Purpose == "" {
		return nil, nil
	}
	v.asked = asked{}
	if v.roster == nil {
		return nil, nil
	}
	e, ok := v.roster.Card(ask.Card)
	if !ok || len(e.SecurityKeys) == 0 {
		return nil, nil
	}
	if v.KioskOrigin == "" {
		return nil, fmt.Errorf("%s signs in with a security key, and this kiosk has no HTTPS name ([kiosk.https])", e.Person)
	}
	challenge, err := v.keyChallenge(ask)
	if err != nil {
		return nil, err
	}
	v.asked = asked{ask.Card, securitykey.Question{Challenge: challenge, RPID: v.roster.RPID, Origin: v.KioskOrigin}}
	r := &locker.KeyRequest{Challenge: challenge, RPID: v.roster.RPID}
	for _, k := range e.SecurityKeys {
		r.Credentials = append(r.Credentials, k.ID)
	}
	return r, nil
}

// keyChallenge binds an answer to what it is for: this purpose, terminal, start,
// round and try, and 32 bytes that were never drawn before.
func (v *Vault) keyChallenge(ask locker.FindCard) ([]byte, error) {
	var fresh [32]byte
	if _, err := io.ReadFull(v.Rand, fresh[:]); err != nil {
		return nil, fmt.Errorf("draw a challenge: %w", err)
	}
	text := fmt.Appendf(nil, "nachtfach clerk key\n%s\n%s\n", ask.Purpose, v.Terminal)
	for _, n := range []uint64{ask.Boot, uint64(ask.Round), ask.Check} {
		text = binary.BigEndian.AppendUint64(text, n)
	}
	sum := sha256.Sum256(append(text, fresh[:]...))
	return sum[:], nil
}

// CheckKey answers locker.CheckKey: whose card it is, and whether one of their
// keys answered the challenge that was drawn last, for this card. Whatever it
// says, that challenge is used up: the same answer never holds again.
func (v *Vault) CheckKey(card string, assertion []byte) (person locker.Person, proved bool, err error) {
	v.mu.Lock()
	last := v.asked
	v.asked = asked{}
	var e envelope.Entry
	if v.roster != nil {
		e, _ = v.roster.Card(card)
	}
	v.mu.Unlock()
	if last.card == "" || last.card != card {
		return e.Person, false, nil
	}
	return e.Person, securitykey.Verify(last.question, e.SecurityKeys, assertion) == nil, nil
}
