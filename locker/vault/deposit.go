package vault

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// depositRecord is what is kept of a deposit: noise without its slot's key.
type depositRecord struct {
	Generation locker.Generation `json:"generation"`
	Order      locker.OrderID    `json:"order"`
	PINLetter  bool              `json:"pin_letter,omitempty"`
	Slot       string            `json:"slot,omitempty"` // commitment to the slot's key
	Recipients []recipientRecord `json:"recipients"`

	hash string // of the record's bytes
}

type recipientRecord struct {
	Selector int               `json:"selector"`
	Factor   locker.FactorKind `json:"factor"`
	Sealed   []byte            `json:"sealed"`  // the factor, under code and slot key
	Reissue  []byte            `json:"reissue"` // the factor, under share and slot key
}

func (v *Vault) readDeposits() error {
	v.deposits = map[locker.Generation]depositRecord{}
	v.selectors = map[int]place{}
	return readAll(v.Records, bucketDeposits, func(key string, d depositRecord) error {
		g, err := parseGeneration(key)
		if err == nil && g != d.Generation {
			err = fmt.Errorf("names generation %d", d.Generation)
		}
		if err != nil {
			return err
		}
		value, err := v.Records.Get(bucketDeposits, key)
		if err != nil {
			return err
		}
		d.hash = envelope.Hash(value)
		v.enter(d)
		return nil
	})
}

// enter makes a stored deposit findable.
func (v *Vault) enter(d depositRecord) {
	v.deposits[d.Generation] = d
	for i, r := range d.Recipients {
		v.selectors[r.Selector] = place{d.Generation, i}
	}
}

// bound is what a recipient's seals are bound to.
func (v *Vault) bound(d depositRecord, recipient int) []byte {
	return fmt.Appendf(nil, "nachtfach.de/deposit/v1\n%s\n%d\n%s\n%d\n%d\n", v.Terminal, d.Generation, d.Order, recipient, d.Recipients[recipient].Selector)
}

// Prepare answers locker.PrepareDeposit: it draws code, slot key and share,
// seals the order's factors under them, and writes slot, letter and record, in
// this order. It returns the record's SHA-256 in hex. The order stays open
// under its key.
func (v *Vault) Prepare(g locker.Generation, order locker.OrderID, at time.Time) (hash string, err error) {
	v.work.Lock()
	defer v.work.Unlock()
	if hash, done := v.prepared(g, order); done {
		return hash, nil
	}
	factors, pinLetter, err := v.orderFactors(order)
	if err != nil {
		return "", fmt.Errorf("prepare generation %d: %w", g, err)
	}
	if hash, err = v.deposit(g, order, pinLetter, factors, at); err != nil {
		return "", fmt.Errorf("prepare generation %d: %w", g, err)
	}
	return hash, nil
}

// Reissue answers locker.ReissueDeposit: the factors of the old generation, to
// which slot and the command's share must both open, are sealed anew for g.
// The old generation stays as it is until [Vault.EraseSlot].
func (v *Vault) Reissue(g, old locker.Generation, order locker.OrderID, at time.Time) (hash string, err error) {
	v.work.Lock()
	defer v.work.Unlock()
	if hash, done := v.prepared(g, order); done {
		return hash, v.finishReissue(old)
	}
	factors, pinLetter, err := v.oldFactors(old, order)
	if err == nil {
		hash, err = v.deposit(g, order, pinLetter, factors, at)
	}
	if errors.Is(err, ErrShare) {
		err = errors.Join(err, v.finishReissue(old)) // it will never open
	} else if err == nil {
		err = v.finishReissue(old)
	}
	if err != nil {
		return "", fmt.Errorf("re-issue generation %d as %d: %w", old, g, err)
	}
	return hash, nil
}

func (v *Vault) finishReissue(old locker.Generation) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dropCommand(old)
}

// prepared tells whether the generation's record is there, the last thing written.
func (v *Vault) prepared(g locker.Generation, order locker.OrderID) (hash string, done bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok := v.deposits[g]
	return d.hash, ok && d.Order == order
}

// Commitment is the SHA-256, in hex, of "nachtfach.de/slot/v1", terminal and
// generation, each with a line's end, and the slot's key of 32 random bytes. It
// gives nothing away; but whoever finds a key somewhere can tell whether it is
// the one that a receipt calls destroyed.
func Commitment(terminal string, g locker.Generation, key []byte) string {
	text := fmt.Appendf(nil, "nachtfach.de/slot/v1\n%s\n%d\n", terminal, g)
	defer clear(text[:cap(text)])
	return envelope.Hash(append(text, key...))
}

// Commitment is the one to the key of the generation's slot; empty if there is none.
func (v *Vault) Commitment(g locker.Generation) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.deposits[g].Slot
}

// ReplaceRoot answers locker.ReplaceRoot: where the slots lie under a root key,
// a new one takes its place, and what was erased before is noise in every copy.
func (v *Vault) ReplaceRoot() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.Slots.(Rooted)
	if !ok {
		return errors.New("replace the root key: these slots have none")
	}
	if err := r.ReplaceRoot(); err != nil {
		return fmt.Errorf("replace the root key: %w", err)
	}
	return nil
}

// orderFactors opens a stored order, which was verified when it arrived.
func (v *Vault) orderFactors(order locker.OrderID) (factors []envelope.Factor, pinLetter bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.orders[order]
	if !ok {
		return nil, false, fmt.Errorf("order %s is not here", order)
	}
	m, err := envelope.ParseSealedOrder(r.Message)
	if err != nil {
		return nil, false, err
	}
	private, err := v.readSlot(keySlot(r.Terms.Key))
	if err != nil {
		return nil, false, fmt.Errorf("order %s: %w", order, err)
	}
	defer clear(private)
	o, err := envelope.OpenOrder(v.Crypto, private, m, verifiedBefore(r.Terms.Desk), time.Time{})
	if err != nil {
		return nil, false, err
	}
	return o.Factors, o.Terms.PINLetter, nil
}

// verifiedBefore stands for the roster at the time of an order's arrival: the
// desk may have left since.
type verifiedBefore locker.Person

func (p verifiedBefore) Holder(string, locker.Role, time.Time) (locker.Person, error) {
	return locker.Person(p), nil
}

func (v *Vault) oldFactors(old locker.Generation, order locker.OrderID) (factors []envelope.Factor, pinLetter bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.commands[old]
	if !ok || c.Command.Order != order {
		return nil, false, fmt.Errorf("no command to re-issue order %s waits here", order)
	}
	d, ok := v.deposits[old]
	if !ok || d.Order != order {
		return nil, false, fmt.Errorf("generation %d is no deposit of order %s here", old, order)
	}
	factors, err = v.openReissue(c.Command)
	return factors, d.PINLetter, err
}

// deposit seals the factors and wipes them, then writes. Nothing is written
// until all is sealed, and nothing but the slot is a secret.
func (v *Vault) deposit(g locker.Generation, order locker.OrderID, pinLetter bool, factors []envelope.Factor, at time.Time) (hash string, err error) {
	defer func() {
		for i := range factors {
			factors[i].Wipe()
		}
	}()
	if len(factors) != 1 {
		return "", fmt.Errorf("%d recipients; this version serves one", len(factors))
	}
	selector, err := v.drawSelector(at)
	if err != nil {
		return "", err
	}
	code, err := pin.Draw(v.Rand, selector)
	if err != nil {
		return "", err
	}
	defer code.Wipe()
	share, err := envelope.DrawShare(v.Rand)
	if err != nil {
		return "", err
	}
	defer share.Wipe()
	key := make([]byte, seal.KeySize)
	defer clear(key)
	if _, err := io.ReadFull(v.Rand, key); err != nil {
		return "", fmt.Errorf("draw a slot key: %w", err)
	}
	d := depositRecord{Generation: g, Order: order, PINLetter: pinLetter, Recipients: []recipientRecord{{Selector: selector, Factor: factors[0].Kind}}}
	d.Slot = Commitment(v.Terminal, g, key)
	token, err := v.sealFactor(&d, 0, factors[0], code, share, key)
	defer func() {
		if err != nil {
			err = errors.Join(err, v.forgetToken(token))
		}
	}()
	if err != nil {
		return "", err
	}
	var fingers []int
	for _, f := range factors[0].Fingers {
		fingers = append(fingers, f.Position)
	}
	letter, err := envelope.SealLetter(v.Crypto, v.Device, v.LetterKey, envelope.Letter{
		Terminal: v.Terminal, Order: order, Generation: g, Recipient: 0,
		Code: code, Share: share, Fingers: fingers, PINLetter: pinLetter,
	})
	if err != nil {
		return "", err
	}
	if hash, err = v.write(d, key, token, letter); err != nil {
		return "", errors.Join(err, v.undo(g))
	}
	return hash, nil
}

// undo erases what a failed write left.
func (v *Vault) undo(g locker.Generation) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return errors.Join(v.eraseSlot(depositSlot(g)),
		v.Records.Delete(bucketDeposits, generationKey(g)),
		v.Records.Delete(bucketLetters, generationKey(g)))
}

// sealFactor closes a recipient's factor under the code, within a limit of tries
// if there is room for one, and again under the share.
func (v *Vault) sealFactor(d *depositRecord, recipient int, f envelope.Factor, code pin.Code, share envelope.Share, key []byte) (token []byte, err error) {
	plain, err := f.Encode()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	secret, half := code.Secret(), share.Bytes()
	defer clear(secret)
	defer clear(half)
	r := &d.Recipients[recipient]
	ad := v.bound(*d, recipient)
	if r.Sealed, token, err = v.sealCode(secret, key, ad, plain); err != nil {
		return token, err
	}
	r.Reissue, err = v.Crypto.SealShare(half, key, ad, plain)
	return token, err
}

// write makes a deposit durable: slot, letter, record.
func (v *Vault) write(d depositRecord, key, token, letter []byte) (hash string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	secret := append(append(make([]byte, 0, len(key)+len(token)), key...), token...)
	defer clear(secret)
	if err := v.putSlot(depositSlot(d.Generation), secret); err != nil {
		return "", err
	}
	if err := v.Records.Put(bucketLetters, generationKey(d.Generation), letter); err != nil {
		return "", fmt.Errorf("store the letter: %w", err)
	}
	value, err := v.put(bucketDeposits, generationKey(d.Generation), d)
	if err != nil {
		return "", err
	}
	d.hash = envelope.Hash(value)
	v.enter(d)
	return d.hash, nil
}

// EraseSlot answers locker.EraseSlot: the generation's slot is overwritten, and
// its factor gone; its record is deleted, and its selectors rest from at on.
func (v *Vault) EraseSlot(g locker.Generation, at time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.deposits[g].Recipients {
		if err := v.rest(r.Selector, at); err != nil {
			return err
		}
	}
	return v.dropDeposit(g)
}

// dropDeposit erases limit, slot, waiting command and record, in this order.
func (v *Vault) dropDeposit(g locker.Generation) error {
	if v.visit.generation == g {
		v.visit.wipe()
	}
	if err := v.eraseSlot(depositSlot(g)); err != nil {
		return err
	}
	if err := v.dropCommand(g); err != nil {
		return err
	}
	d, ok := v.deposits[g]
	if !ok {
		return nil
	}
	if err := v.Records.Delete(bucketDeposits, generationKey(g)); err != nil {
		return fmt.Errorf("delete the record of generation %d: %w", g, err)
	}
	for _, r := range d.Recipients {
		if v.selectors[r.Selector].generation == g {
			delete(v.selectors, r.Selector)
		}
	}
	delete(v.deposits, g)
	return nil
}

// Letter is the generation's sealed and signed letter, for locker.PublishLetter.
func (v *Vault) Letter(g locker.Generation) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	letter, err := v.Records.Get(bucketLetters, generationKey(g))
	if err != nil {
		return nil, fmt.Errorf("letter of generation %d: %w", g, err)
	}
	if letter == nil {
		return nil, fmt.Errorf("letter of generation %d: is not here", g)
	}
	return letter, nil
}

// DeleteLetter answers locker.DeleteLetter.
func (v *Vault) DeleteLetter(g locker.Generation) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.Records.Delete(bucketLetters, generationKey(g)); err != nil {
		return fmt.Errorf("delete the letter of generation %d: %w", g, err)
	}
	return nil
}
