package vault

import (
	"fmt"
	"slices"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Living is what the events name, and therefore must stay.
type Living struct {
	Keys        []locker.KeyID               // offered and unused
	Orders      map[locker.OrderID]string    // accepted and not erased, with the hash of their event
	Generations map[locker.Generation]string // prepared and their slot not erased, with the hash of their event
	Letters     []locker.Generation          // whose letter is not deleted
}

func (l Living) order(id locker.OrderID, o orderRecord) bool {
	hash, ok := l.Orders[id]
	return ok && hash == o.Hash && hash == envelope.Hash(o.Message)
}

func (l Living) generation(d depositRecord) bool {
	hash, ok := l.Generations[d.Generation]
	return ok && hash == d.hash
}

// Reconcile erases what no event names, or names with another hash: slots
// first, then records, and the limits that no slot names. It is the first call after each start, with what the
// ledger says. The keys of living orders and of waiting commands live with them.
func (v *Vault) Reconcile(living Living) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.eraseStrays(living); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	for _, order := range sorted(v.orders) {
		if !living.order(order, v.orders[order]) {
			if err := v.dropOrder(order); err != nil {
				return fmt.Errorf("reconcile: %w", err)
			}
		}
	}
	for _, g := range sorted(v.deposits) {
		if !living.generation(v.deposits[g]) {
			if err := v.dropDeposit(g); err != nil {
				return fmt.Errorf("reconcile: %w", err)
			}
		}
	}
	for _, g := range sorted(v.commands) {
		if _, ok := v.deposits[g]; !ok {
			if err := v.dropCommand(g); err != nil {
				return fmt.Errorf("reconcile: %w", err)
			}
		}
	}
	if err := v.deleteStrayLetters(living.Letters); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	if err := v.keepLimits(); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

func (v *Vault) eraseStrays(living Living) error {
	keep := map[slotName]bool{}
	for _, k := range living.Keys {
		keep[keySlot(k)] = true
	}
	for id, o := range v.orders {
		if living.order(id, o) {
			keep[keySlot(o.Terms.Key)] = true
		}
	}
	for g, d := range v.deposits {
		if !living.generation(d) {
			continue
		}
		keep[depositSlot(g)] = true
		if c, ok := v.commands[g]; ok {
			keep[keySlot(c.Key)] = true
		}
	}
	for _, name := range v.slots.names() {
		if !keep[name] {
			if err := v.eraseSlot(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Vault) deleteStrayLetters(living []locker.Generation) error {
	keys, err := v.Records.Keys(bucketLetters)
	if err != nil {
		return fmt.Errorf("letters: %w", err)
	}
	for _, key := range keys {
		if g, err := parseGeneration(key); err == nil && slices.Contains(living, g) {
			continue
		}
		if err := v.Records.Delete(bucketLetters, key); err != nil {
			return fmt.Errorf("letter %s: %w", key, err)
		}
	}
	return nil
}

// Lost tells in words what the vault lacks of what is still needed: nothing,
// unless storage was damaged or exchanged. Call it after [Vault.Reconcile],
// without what is about to be erased.
func (v *Vault) Lost(living Living) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var lost []string
	for _, id := range sorted(living.Orders) {
		o, ok := v.orders[id]
		if !ok {
			lost = append(lost, fmt.Sprintf("the sealed order %s", id))
		} else if _, ok := v.slots.at[keySlot(o.Terms.Key)]; !ok {
			lost = append(lost, fmt.Sprintf("key %d of order %s", o.Terms.Key, id))
		}
	}
	for _, g := range sorted(living.Generations) {
		if _, ok := v.deposits[g]; !ok {
			lost = append(lost, fmt.Sprintf("the record of generation %d", g))
		}
		if _, ok := v.slots.at[depositSlot(g)]; !ok {
			lost = append(lost, fmt.Sprintf("the slot of generation %d", g))
		}
	}
	return lost
}
