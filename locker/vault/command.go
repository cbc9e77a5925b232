package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// commandRecord is a re-issue that was verified and waits for locker.ReissueDeposit.
type commandRecord struct {
	Command envelope.Command `json:"command"` // its share is sealed to Key
	Key     locker.KeyID     `json:"key"`
	Admin   locker.Person    `json:"admin"`
	Hash    string           `json:"hash"` // of the message
}

// nonceRecord remembers a nonce.
type nonceRecord struct {
	Expires time.Time `json:"expires"`
}

// settle is how long after its expiry a command may still be carried out.
const settle = time.Hour

func (c commandRecord) input() locker.ReissueReceived {
	return locker.ReissueReceived{
		Order: c.Command.Order, Generation: c.Command.Generation, Key: c.Key,
		Admin: c.Admin, Nonce: c.Command.Nonce, Expires: c.Command.Expires,
	}
}

func (v *Vault) readCommands() error {
	v.commands = map[locker.Generation]commandRecord{}
	return readAll(v.Records, bucketCommands, func(key string, c commandRecord) error {
		g, err := parseGeneration(key)
		v.commands[g] = c
		return err
	})
}

// Challenge is what a command must name. It is drawn anew whenever the vault is
// opened, so that what was signed for an earlier start, or for a disk that was
// put back, counts for nothing, whatever any clock says.
func (v *Vault) Challenge() string { return v.challenge }

// ReceiveCommand verifies the admins' command. Of a re-issue it proves that the
// share opens the deposit's re-issue seal, and keeps it, the share still
// sealed, for [Vault.Reissue]; while it waits, the same message returns the
// same input, after that its nonce is used. The nonces of all others the ledger
// keeps.
func (v *Vault) ReceiveCommand(message []byte, at time.Time) (locker.Input, error) {
	return v.ReceiveCommandAt(message, at, at)
}

// ReceiveCommandAt is [Vault.ReceiveCommand] where trusted time has a provisional
// part: the command expires by trusted time, its admins leave by certain time. So
// a clock that is far ahead does not keep them from setting it back.
func (v *Vault) ReceiveCommandAt(message []byte, at, certain time.Time) (locker.Input, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.roster == nil {
		return rejected(envelope.Command{}, errors.New("command: this terminal has no roster yet")), nil
	}
	c, admins, err := envelope.OpenCommand(v.Crypto, message, v.Terminal, v.challenge, peopleAt{v.roster, certain}, at)
	if err != nil {
		return rejected(c, err), nil
	}
	if c.Kind == locker.CommandReissue {
		return v.receiveReissue(message, c, admins[0], at)
	}
	return locker.CommandReceived{Command: c.Command, Admins: admins, Nonce: c.Nonce, Expires: c.Expires}, nil
}

// peopleAt are those who had not left at a fixed time.
type peopleAt struct {
	envelope.People
	at time.Time
}

// Holder implements [envelope.People].
func (p peopleAt) Holder(key string, role locker.Role, _ time.Time) (locker.Person, error) {
	return p.People.Holder(key, role, p.at)
}

func rejected(c envelope.Command, err error) locker.MessageRejected {
	return locker.MessageRejected{Message: locker.MessageCommand, Order: c.Order, Nonce: c.Nonce, Reason: err.Error()}
}

func (v *Vault) receiveReissue(message []byte, c envelope.Command, admin locker.Person, at time.Time) (locker.Input, error) {
	if err := v.forgetCommands(at); err != nil {
		return nil, err
	}
	r := commandRecord{Command: c, Key: c.Key, Admin: admin, Hash: envelope.Hash(message)}
	waiting, ok := v.commands[c.Generation]
	if ok && waiting.Hash == r.Hash {
		return waiting.input(), v.rememberNonce(c)
	}
	if used, err := v.Records.Get(bucketNonces, c.Nonce); err != nil {
		return nil, fmt.Errorf("nonce of a command: %w", err)
	} else if used != nil {
		return rejected(c, errors.New("command: it was carried out already, or replaced; a new one is needed")), nil
	}
	if err := v.checkReissue(c); err != nil {
		return rejected(c, err), nil
	}
	if ok {
		if err := v.dropCommand(c.Generation); err != nil {
			return nil, err
		}
	}
	if _, err := v.put(bucketCommands, generationKey(c.Generation), r); err != nil {
		return nil, fmt.Errorf("store command: %w", err)
	}
	v.commands[c.Generation] = r
	return r.input(), v.rememberNonce(c)
}

func (v *Vault) rememberNonce(c envelope.Command) error {
	if _, err := v.put(bucketNonces, c.Nonce, nonceRecord{Expires: c.Expires}); err != nil {
		return fmt.Errorf("store nonce: %w", err)
	}
	return nil
}

// checkReissue proves that the command can be carried out.
func (v *Vault) checkReissue(c envelope.Command) error {
	if d, ok := v.deposits[c.Generation]; !ok || d.Order != c.Order {
		return fmt.Errorf("command: generation %d is no deposit of order %s here", c.Generation, c.Order)
	}
	if other := v.boundTo(c.Key); other != "" {
		return fmt.Errorf("command: key %d was used for %s; each key seals one share", c.Key, other)
	}
	factors, err := v.openReissue(c)
	for i := range factors {
		factors[i].Wipe()
	}
	return err
}

// openReissue opens the factors of the deposit that a command replaces. The
// error is ErrShare if the share is not that deposit's.
func (v *Vault) openReissue(c envelope.Command) (factors []envelope.Factor, err error) {
	private, err := v.readSlot(keySlot(c.Key))
	if err != nil {
		return nil, fmt.Errorf("command: key %d is spent, lapsed or was never offered", c.Key)
	}
	defer clear(private)
	share, err := c.OpenShare(v.Crypto, private)
	if err != nil {
		return nil, err
	}
	defer share.Wipe()
	plain := share.Bytes()
	defer clear(plain)
	key, _, err := v.depositKey(c.Generation)
	if err != nil {
		return nil, fmt.Errorf("re-issue: %w", err)
	}
	defer clear(key)
	d := v.deposits[c.Generation]
	for i, r := range d.Recipients {
		text, err := v.Crypto.OpenShare(r.Reissue, plain, key, v.bound(d, i))
		if errors.Is(err, seal.ErrWrong) {
			return factors, fmt.Errorf("re-issue of generation %d: %w", c.Generation, ErrShare)
		}
		if err != nil {
			return factors, fmt.Errorf("re-issue of generation %d: %w", c.Generation, err)
		}
		f, err := envelope.DecodeFactor(text)
		clear(text)
		if err != nil {
			return factors, fmt.Errorf("re-issue of generation %d: %w", c.Generation, err)
		}
		factors = append(factors, f)
	}
	return factors, nil
}

// ErrShare tells that a re-issue share is not the deposit's.
var ErrShare = errors.New("the share is not this deposit's")

// dropCommand overwrites a waiting command's one-time key and deletes it.
func (v *Vault) dropCommand(g locker.Generation) error {
	c, ok := v.commands[g]
	if !ok {
		return nil
	}
	if err := v.eraseSlot(keySlot(c.Key)); err != nil {
		return err
	}
	if err := v.Records.Delete(bucketCommands, generationKey(g)); err != nil {
		return fmt.Errorf("delete the command for generation %d: %w", g, err)
	}
	delete(v.commands, g)
	return nil
}

// forgetCommands drops commands that nobody carried out in time, and nonces of
// commands that have expired. Even if the clock is set back, such a command is
// refused: its one-time key is spent.
func (v *Vault) forgetCommands(at time.Time) error {
	for _, g := range sorted(v.commands) {
		if at.Sub(v.commands[g].Command.Expires) > settle {
			if err := v.dropCommand(g); err != nil {
				return err
			}
		}
	}
	nonces, err := v.Records.Keys(bucketNonces)
	if err != nil {
		return fmt.Errorf("nonces: %w", err)
	}
	for _, nonce := range nonces {
		value, err := v.Records.Get(bucketNonces, nonce)
		if err != nil {
			return fmt.Errorf("nonces: %w", err)
		}
		var r nonceRecord
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("nonces: %w", err)
		}
		if at.Sub(r.Expires) > settle {
			if err := v.Records.Delete(bucketNonces, nonce); err != nil {
				return fmt.Errorf("nonces: %w", err)
			}
		}
	}
	return nil
}
