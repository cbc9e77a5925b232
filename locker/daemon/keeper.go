package daemon

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

var _ controller.Vault = keeper{}

// keeper is the vault as the controller asks for it: a message by its kind, and
// an error of slots or records as the input that raises its alarm.
type keeper struct {
	*vault.Vault
	ahead func() time.Duration             // the provisional part of trusted time
	space func() (locker.SpaceTold, error) // how the store's disk stands
}

// Receive hands a message to the method for its kind.
func (k keeper) Receive(kind locker.MessageKind, raw []byte, at time.Time) locker.Input {
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

// Compare spreads the vault's answer.
func (k keeper) Compare(attempt locker.AttemptID, g locker.Generation, factor locker.FactorKind, finger int, number []byte, threshold float64) (accepted bool, similarity, fmr float64, err error) {
	c, err := k.Vault.Compare(attempt, g, factor, finger, number, threshold)
	return c.Accepted, c.Similarity, c.FMR, err
}

// Forget also gives back what the derivations of the visit took (64 MiB each),
// which the runtime would keep for minutes.
func (k keeper) Forget() {
	k.Vault.Forget()
	debug.FreeOSMemory()
}

// Reconcile hands over what the ledger names.
func (k keeper) Reconcile(living locker.Living) error {
	return k.Vault.Reconcile(vault.Living(living))
}
