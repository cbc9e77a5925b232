package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// chip is a TPM's two places. A fuse cuts its power; one that hoards keeps
// every key that was ever in it.
type chip struct {
	places [2][]byte
	fuse   *fuse
	writes int
	hoards bool
	ever   [][]byte
}

func newChip() *chip {
	return &chip{places: [2][]byte{make([]byte, vault.RootSize), make([]byte, vault.RootSize)}}
}

func (c *chip) Get(place int) ([]byte, error) { return bytes.Clone(c.places[place]), nil }

func (c *chip) Put(place int, key []byte) error {
	put := func() error {
		c.writes++
		if c.hoards {
			c.ever = append(c.ever, c.places[place])
		}
		c.places[place] = bytes.Clone(key)
		return nil
	}
	if c.fuse == nil {
		return put()
	}
	return c.fuse.burn(put, func() { c.places[place] = bytes.Repeat([]byte{0xa5}, vault.RootSize) })
}

// roots are the keys that are left in the chip.
func (c *chip) roots() [][]byte { return append(c.ever, c.places[0], c.places[1]) }

// rooted moves the house's slots under a root key.
func (h *house) rooted(c *chip) *vault.RootedSlots {
	h.t.Helper()
	_ = h.slots.Close()
	s, err := vault.OpenRootedSlots(h.path, c, rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	h.config.Slots = s
	h.open()
	return s
}

// copied is a copy of the disk as it is.
func (h *house) copied() vault.Slots {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "copy")
	if err := os.WriteFile(path, must(os.ReadFile(h.path)), 0o600); err != nil {
		h.t.Fatal(err)
	}
	s := must(vault.RawSlots(path))
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

// thief tries everything that is known of the house on copies of its disk.
func (h *house) thief(letters [][]byte, roots [][]byte, disks ...vault.Slots) vault.Recovered {
	h.t.Helper()
	kept := &memory{buckets: map[string]map[string][]byte{}}
	for bucket, records := range h.records.buckets {
		for key, value := range records {
			_ = kept.Put(bucket, key, value)
		}
	}
	return must(vault.Evidence{
		Terminal: terminal, Slots: disks, Records: []vault.Records{kept}, Letters: letters,
		LetterKey: h.letter, Device: h.device, Roots: roots,
	}.Recover(h.crypto))
}

func TestSlotsMoveUnderARootAndStayThere(t *testing.T) {
	h, c := newHouse(t), newChip()
	h.load("A-2026-0001", 1, 10)
	s := h.rooted(c)
	if c.writes != 1 {
		t.Errorf("the chip was written %d times, want once", c.writes)
	}
	letter := h.read(10)
	if opened, err := h.vault.Try(1, 10, 0, letter.Code); !opened || err != nil {
		t.Errorf("a code from before: %v, %v", opened, err)
	}
	if _, err := vault.OpenSlotFile(h.path); !errors.Is(err, vault.ErrRooted) {
		t.Errorf("opened without a root: %v", err)
	}
	if _, err := vault.OpenRootedSlots(h.path, newChip(), rand.Reader); !errors.Is(err, vault.ErrOtherRoot) {
		t.Errorf("opened under another chip: %v", err)
	}
	for range 3 {
		if err := h.vault.ReplaceRoot(); err != nil {
			t.Fatal(err)
		}
	}
	h.load("A-2026-0002", 2, 11)
	_ = s.Close()
	h.rooted(c)
	for g := range locker.Generation(2) {
		if opened, err := h.vault.Try(1, 10+g, 0, h.read(10+g).Code); !opened || err != nil {
			t.Errorf("generation %d: %v, %v", 10+g, opened, err)
		}
	}
	if c.writes != 7 {
		t.Errorf("the chip was written %d times, want two a replacement", c.writes)
	}
}

func TestASlotThatWasChangedIsRefused(t *testing.T) {
	h, c := newHouse(t), newChip()
	h.load("A-2026-0001", 1, 10)
	s := h.rooted(c)
	raw := must(vault.RawSlots(h.path))
	defer raw.Close()
	first, second := must(raw.Read(0)), must(raw.Read(1))
	for i, b := range [][]byte{second, first[:20], append(first[:len(first)-1:len(first)-1], first[len(first)-1]^1)} {
		if err := raw.Write(0, b); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(0); err == nil {
			t.Errorf("change %d reads as %x", i, got)
		}
	}
}

// The disk is copied at every moment; afterwards all that is left in the chip,
// the city's letter key and every letter are tried on every copy.
func TestCutWhileARootIsReplaced(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, how := range cuts {
			t.Run(fmt.Sprintf("write %d %s", n, how), func(t *testing.T) {
				h, c := newHouse(t), newChip()
				dead, alive := h.load("A-2026-0001", 1, 10), h.load("A-2026-0002", 2, 11)
				h.rooted(c)
				letters := [][]byte{must(h.vault.Letter(10))}
				disks := []vault.Slots{h.copied()}
				if got := h.thief(letters, c.roots(), disks...); len(got.Generations) != 2 {
					t.Fatalf("a thief with the root recovers %v: the test proves nothing", got.Generations)
				}
				records := bytes.Clone(h.records.buckets["deposits"]["10"])
				if err := h.vault.EraseSlot(10, now); err != nil {
					t.Fatal(err)
				}
				_ = h.records.Put("deposits", "10", records) // kept by a backup
				disks = append(disks, h.copied())
				c.fuse = &fuse{left: n, how: how}
				burned := func() (burned bool) {
					defer func() { burned = recover() != nil }()
					if err := h.vault.ReplaceRoot(); err != nil {
						t.Fatal(err)
					}
					return false
				}()
				if burned != (n < 3) {
					t.Fatalf("burned: %v", burned)
				}
				disks = append(disks, h.copied())
				c.fuse = nil
				h.config.Slots = nil
				delete(h.records.buckets["deposits"], "10")
				h.rooted(c)
				if err := h.vault.Reconcile(vault.Living{Keys: threeKeys, Generations: map[locker.Generation]string{11: alive}, Letters: []locker.Generation{11}}); err != nil {
					t.Fatal(err)
				}
				if opened, err := h.vault.Try(1, 11, 0, h.read(11).Code); !opened || err != nil {
					t.Errorf("what lives: %v, %v", opened, err)
				}
				if err := h.vault.ReplaceRoot(); err != nil { // owed until it is answered
					t.Fatal(err)
				}
				_ = h.records.Put("deposits", "10", records)
				disks = append(disks, h.copied())
				got := h.thief(letters, c.roots(), disks...)
				if len(got.Generations) != 1 || got.Generations[0] != 11 {
					t.Errorf("recovered %v, want only what lives; dead was %s", got.Generations, dead)
				}
			})
		}
	}
}
