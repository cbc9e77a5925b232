package daemon

import (
	"errors"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/secretmem"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
)

var _ controller.Vault = keeper{}

// keeper is the vault as the controller asks for it: a message by its kind, and
// an error of slots or records as the input that raises its alarm.
type keeper struct {
	*vault.Vault
	ahead   func() time.Duration             // the provisional part of trusted time
	space   func() (locker.SpaceTold, error) // how the store's disk stands
	cleaner *secretmem.Cleaner
}

// Receive takes a message, with cleaning afterwards: also a refused one may have
// been opened.
func (k keeper) Receive(kind locker.MessageKind, raw []byte, at time.Time) (in locker.Input) {
	secretmem.Do(func() { in = k.receive(kind, raw, at) })
	k.cleaner.Ask()
	return in
}

// receive hands a message to the method for its kind.
func (k keeper) receive(kind locker.MessageKind, raw []byte, at time.Time) locker.Input {
	certain := at.Add(-max(k.ahead(), 0))
	if kind == locker.MessageCommand {
		return k.received(k.ReceiveCommandAt(raw, at, certain))
	}
	receive := map[locker.MessageKind]func([]byte, time.Time) (locker.Input, error){
		locker.MessageOrder:  k.ReceiveOrder,
		locker.MessageRoster: k.ReceiveRoster,
		locker.MessagePosted: k.ReceivePosted,
	}[kind]
	if kind == locker.MessageOrder && envelope.IsWithdrawal(raw) {
		receive = k.ReceiveWithdrawal
	}
	if receive == nil {
		return locker.MessageRejected{Message: kind, Reason: "no such kind of message"}
	}
	return k.received(receive(raw, certain))
}

func (k keeper) received(in locker.Input, err error) locker.Input {
	if errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrBroken) {
		// Nothing was begun. The alarm tells, and the city sends it again.
		if told, err := k.space(); err == nil {
			return told
		}
	}
	if err != nil {
		return locker.PartFailed{Part: "vault", Detail: err.Error()}
	}
	return in
}

// MakeKeys works in erased memory, as all that follow here do.
func (k keeper) MakeKeys(first locker.KeyID, count int, expires time.Time) (keys []locker.OfferedKey, err error) {
	secretmem.Do(func() { keys, err = k.Vault.MakeKeys(first, count, expires) })
	k.cleaner.Ask()
	return keys, err
}

// Prepare is the vault's, with cleaning afterwards.
func (k keeper) Prepare(g locker.Generation, order locker.OrderID, at time.Time) (hash string, err error) {
	secretmem.Do(func() { hash, err = k.Vault.Prepare(g, order, at) })
	k.cleaner.Ask()
	return hash, err
}

// Reissue is the vault's, with cleaning afterwards.
func (k keeper) Reissue(g, old locker.Generation, order locker.OrderID, at time.Time) (hash string, err error) {
	secretmem.Do(func() { hash, err = k.Vault.Reissue(g, old, order, at) })
	k.cleaner.Ask()
	return hash, err
}

// Try is the vault's; the visit's end cleans.
func (k keeper) Try(attempt locker.AttemptID, g locker.Generation, recipient int, code pin.Code) (opened bool, err error) {
	secretmem.Do(func() { opened, err = k.Vault.Try(attempt, g, recipient, code) })
	return opened, err
}

// Capture is the vault's. The picture is cleared afterwards.
func (k keeper) Capture(attempt locker.AttemptID, image biometrics.Image) (advice locker.FingerAdvice, err error) {
	defer clear(image.Pix)
	secretmem.Do(func() { advice, err = k.Vault.Capture(attempt, image) })
	return advice, err
}

// CheckClerk is the vault's, with cleaning afterwards.
func (k keeper) CheckClerk(card string, number []byte) (person locker.Person, proved bool, err error) {
	secretmem.Do(func() { person, proved, err = k.Vault.CheckClerk(card, number) })
	k.cleaner.Ask()
	return person, proved, err
}

// Compare spreads the vault's answer.
func (k keeper) Compare(attempt locker.AttemptID, g locker.Generation, factor locker.FactorKind, finger int, number []byte, threshold float64) (accepted bool, similarity, fmr float64, err error) {
	var c vault.Comparison
	secretmem.Do(func() { c, err = k.Vault.Compare(attempt, g, factor, finger, number, threshold) })
	return c.Accepted, c.Similarity, c.FMR, err
}

// Forget also gives back what the derivations of the visit took (64 MiB each),
// which the runtime would keep for minutes.
func (k keeper) Forget() {
	k.Vault.Forget()
	secretmem.Scrub()
}

// Reconcile hands over what the ledger names.
func (k keeper) Reconcile(living locker.Living) error {
	return k.Vault.Reconcile(vault.Living(living))
}
