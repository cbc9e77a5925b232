package vault_test

import (
	"bytes"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// Row 6: the terminal's disk or card is stolen, with a letter.
func TestThreatADiskIsStolenWithItsCode(t *testing.T) {
	stolen := func(t *testing.T, rooted bool) int {
		h, c := newHouse(t), newChip()
		h.load("A-2026-0001", 1, 10)
		if rooted {
			h.rooted(c)
		}
		letters := [][]byte{must(h.vault.Letter(10))}
		return len(h.thief(letters, nil, h.copied()).Generations) // the chip stays behind
	}
	if n := stolen(t, true); n != 0 {
		t.Errorf("a disk without its chip opens %d deposits", n)
	}
	if n := stolen(t, false); n != 1 {
		t.Errorf("without the root key it opens %d: the test above proves nothing", n)
	}
}

// Row 7: a template is kept. However a deposit ends, all copies of disk,
// records and letters, with every key that survives, give nothing back.
func TestThreatATemplateIsKept(t *testing.T) {
	ends := map[string]func(h *house){
		"taken, unloaded or withdrawn": func(h *house) {
			h.must(h.vault.EraseSlot(10, now))
		},
		"re-issued": func(h *house) {
			in := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), h.read(10).Share), now))
			if _, ok := in.(locker.ReissueReceived); !ok {
				h.t.Fatal(in)
			}
			must(h.vault.Reissue(11, 10, "A-2026-0001", now))
			h.must(h.vault.EraseSlot(10, now))
			h.must(h.vault.EraseSlot(11, now)) // and taken
		},
	}
	for how, end := range ends {
		for _, hoards := range []bool{false, true} {
			t.Run(how, func(t *testing.T) {
				h, c := newHouse(t), newChip()
				c.hoards = hoards
				var sent [][]byte
				order := h.sealed(h.desk, anOrder("A-2026-0001", 1))
				if in := must(h.vault.ReceiveOrder(order, now)); in == nil {
					t.Fatal("no order")
				}
				h.rooted(c)
				must(h.vault.Prepare(10, "A-2026-0001", now))
				sent = append(sent, must(h.vault.Letter(10)))
				disks := []vault.Slots{h.copied()}
				h.must(h.vault.EraseOrder("A-2026-0001", 1))
				kept := h.kept()
				code := h.read(10).Code
				end(h)
				if g, _, ok := h.vault.Find(code); ok {
					t.Errorf("the code still finds generation %d", g)
				}
				if opened, err := h.vault.Try(1, 0, 0, code); opened || err != nil {
					t.Errorf("the code opens: %v, %v", opened, err)
				}
				disks = append(disks, h.copied())
				h.must(h.vault.ReplaceRoot())
				disks = append(disks, h.copied())
				got := must(vault.Evidence{
					Terminal: terminal, Slots: disks, Records: append(kept, h.kept()...), Orders: [][]byte{order},
					Letters: append(sent, h.everyLetter()...), LetterKey: h.letter, Device: h.device, Roots: c.roots(),
				}.Recover(h.crypto))
				found := len(got.Orders) + len(got.Generations)
				if !hoards && found != 0 {
					t.Errorf("recovered orders %v and generations %v", got.Orders, got.Generations)
				}
				if hoards && found == 0 {
					t.Error("a chip that forgets nothing gives nothing back: the test proves nothing")
				}
			})
		}
	}
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// kept is a backup of the records as they are.
func (h *house) kept() []vault.Records {
	copied := &memory{buckets: map[string]map[string][]byte{}}
	for bucket, records := range h.records.buckets {
		for key, value := range records {
			_ = copied.Put(bucket, key, bytes.Clone(value))
		}
	}
	return []vault.Records{copied}
}

// everyLetter is each that ever lay in the records: what was put last is tried
// as a letter, whatever it is.
func (h *house) everyLetter() [][]byte { return h.records.ever }
