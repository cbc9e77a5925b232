package vault

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// MakeKeys draws the one-time order keys first, first+1 … and answers
// locker.MakeKeys. Keys that are there already are offered as they are.
func (v *Vault) MakeKeys(first locker.KeyID, count int, expires time.Time) ([]locker.OfferedKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var offered []locker.OfferedKey
	for i := range count {
		id := first + locker.KeyID(i)
		public, err := v.publicKey(id)
		if errors.Is(err, errNoSlot) {
			public, err = v.makeKey(id)
		}
		if err != nil {
			return nil, fmt.Errorf("make order keys: %w", err)
		}
		offered = append(offered, envelope.PublishedKey{ID: id, Public: public, Expires: expires}.Offered())
	}
	return offered, nil
}

func (v *Vault) makeKey(id locker.KeyID) ([]byte, error) {
	private, public, err := v.Crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	defer clear(private)
	return public, v.putSlot(keySlot(id), private)
}

func (v *Vault) publicKey(id locker.KeyID) ([]byte, error) {
	private, err := v.readSlot(keySlot(id))
	if err != nil {
		return nil, err
	}
	defer clear(private)
	return v.Crypto.PublicKey(private)
}

// listKeys is how many numbers of keys one list spans. A key takes 1.7 KB of it,
// so that a list stays below 32 KiB: many brokers take no packet above 64 KiB.
const listKeys = 16

// KeyLists are the signed lists of those of the unused keys that can still be
// sealed to, for locker.PublishKeys. Each list holds the keys of one range of
// numbers, so that a key that is used changes one list alone. Without a key there
// is one empty list.
func (v *Vault) KeyLists(unused []locker.OfferedKey) ([][]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	keys, err := v.published(unused)
	if err != nil {
		return nil, fmt.Errorf("list order keys: %w", err)
	}
	var lists [][]byte
	for first := true; first || len(keys) > 0; first = false {
		n := 0
		for n < len(keys) && keys[n].ID/listKeys == keys[0].ID/listKeys {
			n++
		}
		list, err := envelope.SignKeys(v.Device, v.Terminal, keys[:n])
		if err != nil {
			return nil, err
		}
		lists, keys = append(lists, list), keys[n:]
	}
	return lists, nil
}

// published are the keys to list, in the order of their numbers.
func (v *Vault) published(unused []locker.OfferedKey) ([]envelope.PublishedKey, error) {
	var keys []envelope.PublishedKey
	for _, k := range unused {
		if v.boundTo(k.Key) != "" {
			continue
		}
		public, err := v.publicKey(k.Key)
		if errors.Is(err, errNoSlot) {
			continue // spent by a command
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, envelope.PublishedKey{ID: k.Key, Public: public, Expires: k.Expires})
	}
	slices.SortFunc(keys, func(a, b envelope.PublishedKey) int { return cmp.Compare(a.ID, b.ID) })
	return keys, nil
}

// boundTo names what was sealed to a key; empty for nothing.
func (v *Vault) boundTo(k locker.KeyID) string {
	for id, o := range v.orders {
		if o.Terms.Key == k {
			return "order " + string(id)
		}
	}
	for g, c := range v.commands {
		if c.Key == k {
			return fmt.Sprintf("the re-issue of generation %d", g)
		}
	}
	return ""
}

// EraseKey overwrites a key, deletes what only it could open, and answers
// locker.EraseKey.
func (v *Vault) EraseKey(id locker.KeyID) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.eraseSlot(keySlot(id)); err != nil {
		return err
	}
	for order, o := range v.orders {
		if o.Terms.Key == id {
			return v.dropOrder(order)
		}
	}
	for g, c := range v.commands {
		if c.Key == id {
			return v.dropCommand(g)
		}
	}
	return nil
}

// EraseOrder overwrites the order's key, deletes the sealed order, and answers
// locker.EraseOrder.
func (v *Vault) EraseOrder(order locker.OrderID, key locker.KeyID) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.eraseSlot(keySlot(key)); err != nil {
		return err
	}
	return v.dropOrder(order)
}

func (v *Vault) dropOrder(order locker.OrderID) error {
	if _, ok := v.orders[order]; !ok {
		return nil
	}
	if err := v.Records.Delete(bucketOrders, string(order)); err != nil {
		return fmt.Errorf("delete order %s: %w", order, err)
	}
	delete(v.orders, order)
	return nil
}
