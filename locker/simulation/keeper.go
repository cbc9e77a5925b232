package simulation

import (
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
)

// keeper shows the real vault as the controller wants it, and lets the oracle
// see what is done with it.
type keeper struct {
	*vault.Vault
	p *process
}

var _ controller.Vault = (*keeper)(nil)

// Prepare implements controller.Vault.
func (k *keeper) Prepare(g locker.Generation, order locker.OrderID, at time.Time) (string, error) {
	k.p.w.crypto.seals = g
	return k.Vault.Prepare(g, order, at)
}

// Reissue implements controller.Vault.
func (k *keeper) Reissue(g, replaces locker.Generation, order locker.OrderID, at time.Time) (string, error) {
	k.p.w.crypto.seals = g
	return k.Vault.Reissue(g, replaces, order, at)
}

// Try implements controller.Vault.
func (k *keeper) Try(a locker.AttemptID, g locker.Generation, recipient int, code pin.Code) (bool, error) {
	k.p.w.oracle.tries(a, g, code)
	opened, err := k.Vault.Try(a, g, recipient, code)
	k.p.w.oracle.tried(a, g, opened, err)
	return opened, err
}

// Compare implements controller.Vault.
func (k *keeper) Compare(a locker.AttemptID, g locker.Generation, factor locker.FactorKind, finger int, number []byte, threshold float64) (bool, float64, float64, error) {
	k.p.w.oracle.compares(a, g, finger)
	c, err := k.Vault.Compare(a, g, factor, finger, number, threshold)
	if err == nil {
		k.p.w.oracle.compared(a, g, finger, string(number), c.Accepted)
	}
	return c.Accepted, c.Similarity, c.FMR, err
}

// CheckClerk implements controller.Vault.
func (k *keeper) CheckClerk(card string, number []byte) (locker.Person, bool, error) {
	k.p.w.oracle.checks(k.Vault.FindCard(card))
	return k.Vault.CheckClerk(card, number)
}

// Receive implements controller.Vault.
func (k *keeper) Receive(kind locker.MessageKind, raw []byte, at time.Time) locker.Input {
	certain := at.Add(-max(time.Duration(k.p.controller.Status().Ahead), 0))
	receive := map[locker.MessageKind]func([]byte, time.Time) (locker.Input, error){
		locker.MessageOrder: k.order, locker.MessageRoster: k.ReceiveRoster,
		locker.MessageCommand: func(raw []byte, certain time.Time) (locker.Input, error) { return k.ReceiveCommandAt(raw, at, certain) },
		locker.MessagePosted:  k.ReceivePosted,
	}[kind]
	if receive == nil {
		return nil
	}
	in, err := receive(raw, certain)
	if err != nil {
		return nil // storage failed; the city repeats
	}
	return in
}

func (k *keeper) order(raw []byte, at time.Time) (locker.Input, error) {
	if envelope.IsWithdrawal(raw) {
		return k.ReceiveWithdrawal(raw, at)
	}
	return k.ReceiveOrder(raw, at)
}

// Reconcile implements controller.Vault.
func (k *keeper) Reconcile(l locker.Living) error { return k.Vault.Reconcile(vault.Living(l)) }
