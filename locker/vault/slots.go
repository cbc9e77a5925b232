package vault

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/nachtfach/nachtfach/locker"
)

// What a slot holds: kind, id (8 bytes, big-endian), secret bytes.
const (
	slotKey     = 'k' // private half of a one-time order key, by KeyID
	slotDeposit = 'd' // key of a deposit's seals and its limit's token, by Generation
	slotHead    = 9
)

// ErrFull tells that every slot is in use.
var ErrFull = errors.New("no free slot")

type slotName struct {
	kind byte
	id   uint64
}

func keySlot(k locker.KeyID) slotName          { return slotName{slotKey, uint64(k)} }
func depositSlot(g locker.Generation) slotName { return slotName{slotDeposit, uint64(g)} }
func (n slotName) String() string {
	if n.kind == slotKey {
		return fmt.Sprintf("key %d", n.id)
	}
	return fmt.Sprintf("generation %d", n.id)
}

// slotIndex knows what lies where; the secrets stay in the slots.
type slotIndex struct {
	at   map[slotName]int
	used []bool
}

// names lists what there is in the order of the slots.
func (x slotIndex) names() []slotName {
	names := make([]slotName, 0, len(x.at))
	for name := range x.at {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b slotName) int { return cmp.Compare(x.at[a], x.at[b]) })
	return names
}

func (v *Vault) readSlots() error {
	v.slots = slotIndex{at: map[slotName]int{}, used: make([]bool, v.Slots.Count())}
	for i := range v.slots.used {
		block, err := v.Slots.Read(i)
		if err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
		if block == nil {
			continue
		}
		name, err := parseSlot(block)
		clear(block)
		if err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
		if other, ok := v.slots.at[name]; ok {
			return fmt.Errorf("slots %d and %d both hold %v", other, i, name)
		}
		v.slots.at[name] = i
		v.slots.used[i] = true
	}
	return nil
}

func parseSlot(block []byte) (slotName, error) {
	if len(block) <= slotHead || (block[0] != slotKey && block[0] != slotDeposit) {
		return slotName{}, fmt.Errorf("%d bytes of no known kind", len(block))
	}
	return slotName{block[0], binary.BigEndian.Uint64(block[1:slotHead])}, nil
}

// putSlot writes a secret, in place if there is one of this name.
func (v *Vault) putSlot(name slotName, secret []byte) error {
	i, ok := v.slots.at[name]
	if !ok {
		for i = 0; i < len(v.slots.used) && v.slots.used[i]; i++ {
		}
		if i == len(v.slots.used) {
			return fmt.Errorf("write %v: %w: all %d are in use", name, ErrFull, i)
		}
	}
	block := binary.BigEndian.AppendUint64([]byte{name.kind}, name.id)
	block = append(block, secret...)
	defer clear(block)
	// in use from here on, even if the write fails: something may lie there
	v.slots.used[i] = true
	v.slots.at[name] = i
	if err := v.Slots.Write(i, block); err != nil {
		return fmt.Errorf("write %v to slot %d: %w", name, i, err)
	}
	return nil
}

// errNoSlot tells that there is no slot of a name.
var errNoSlot = errors.New("its slot is free")

// readSlot returns a secret, which the caller clears.
func (v *Vault) readSlot(name slotName) ([]byte, error) {
	i, ok := v.slots.at[name]
	if !ok {
		return nil, fmt.Errorf("%v: %w", name, errNoSlot)
	}
	block, err := v.Slots.Read(i)
	if err != nil {
		return nil, fmt.Errorf("%v: slot %d: %w", name, i, err)
	}
	if block == nil {
		return nil, fmt.Errorf("%v: slot %d: %w", name, i, errNoSlot)
	}
	if got, err := parseSlot(block); err != nil || got != name {
		clear(block)
		return nil, fmt.Errorf("%v: slot %d holds something else", name, i)
	}
	return block[slotHead:], nil
}

// eraseSlot overwrites the slot of this name, if there is one, after its limit,
// if it has one, was forgotten.
func (v *Vault) eraseSlot(name slotName) error {
	i, ok := v.slots.at[name]
	if !ok {
		return nil
	}
	if err := v.forgetLimit(name); err != nil {
		return err
	}
	if err := v.Slots.Erase(i); err != nil {
		return fmt.Errorf("erase %v in slot %d: %w", name, i, err)
	}
	delete(v.slots.at, name)
	v.slots.used[i] = false
	return nil
}
