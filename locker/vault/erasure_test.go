package vault_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/nachtfach/nachtfach/locker/vault"
)

// inUse tells whether a slot of this kind and id is in use.
func inUse(t *testing.T, s vault.Slots, kind byte, id uint64) bool {
	t.Helper()
	name := binary.BigEndian.AppendUint64([]byte{kind}, id)
	for i := range s.Count() {
		if bytes.HasPrefix(must(s.Read(i)), name) {
			return true
		}
	}
	return false
}

// watched tells before each deletion of a record.
type watched struct {
	*memory
	deletes func(bucket, key string)
}

func (w watched) Delete(bucket, key string) error {
	w.deletes(bucket, key)
	return w.memory.Delete(bucket, key)
}

func TestAnOrdersKeyIsOverwrittenBeforeTheOrderIsDeleted(t *testing.T) {
	for name, erase := range map[string]func(*house) error{
		"the order": func(h *house) error { return h.vault.EraseOrder("A-2026-0001", 1) },
		"the key":   func(h *house) error { return h.vault.EraseKey(1) },
	} {
		h := newHouse(t)
		h.arrive("A-2026-0001", 1)
		if !inUse(t, h.slots, 'k', 1) {
			t.Fatal("the key is in no slot")
		}
		deleted := false
		h.config.Records = watched{h.records, func(bucket, key string) {
			if deleted = bucket == "orders" && key == "A-2026-0001"; deleted && inUse(t, h.slots, 'k', 1) {
				t.Errorf("erase %s: a cut now leaves a key that opens the deleted order", name)
			}
		}}
		h.open()
		if err := erase(h); err != nil || !deleted {
			t.Errorf("erase %s: deleted %v, %v", name, deleted, err)
		}
	}
}

// unsure are slots whose next write reaches the medium and is told to have failed.
type unsure struct {
	*vault.SlotFile
	fails bool
}

func (u *unsure) Write(i int, block []byte) error {
	if err := u.SlotFile.Write(i, block); err != nil || !u.fails {
		return err
	}
	u.fails = false
	return errors.New("input/output error")
}

func TestASlotWhoseWritingFailedIsErased(t *testing.T) {
	h := newHouse(t)
	h.arrive("A-2026-0001", 1)
	u := &unsure{h.slots, true}
	h.config.Slots = u
	h.open()
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err == nil || u.fails {
		t.Fatalf("prepared beside a failed write: %v", err)
	}
	if inUse(t, h.slots, 'd', 10) {
		t.Error("the key of a deposit that was given up is left in a slot")
	}
}

func TestAStartOverwritesTheRootThatACutLeft(t *testing.T) {
	h, c := newHouse(t), newChip()
	s := h.rooted(c)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	idle := 0
	if bytes.Equal(c.places[1], make([]byte, vault.RootSize)) {
		idle = 1
	}
	used := bytes.Clone(c.places[1-idle])
	c.places[idle] = make([]byte, vault.RootSize)
	if _, err := rand.Read(c.places[idle]); err != nil {
		t.Fatal(err)
	}
	again, err := vault.OpenRootedSlots(h.path, c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !bytes.Equal(c.places[idle], make([]byte, vault.RootSize)) {
		t.Error("the old root is still in the chip: what was erased under it can be read from a copy")
	}
	if !bytes.Equal(c.places[1-idle], used) {
		t.Error("the root in use has changed")
	}
}
