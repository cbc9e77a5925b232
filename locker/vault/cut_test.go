package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// fuse cuts the power at one of the writes to slots and records.
type fuse struct {
	left int // writes until the cut; none after it
	how  string
}

var errCut = errors.New("power cut")

// The ways in which a cut leaves a write.
var cuts = []string{"not begun", "torn", "done"}

// burn runs a write, or cuts before, in or after it.
func (f *fuse) burn(write func() error, torn func()) error {
	if f.left--; f.left != 0 {
		return write()
	}
	switch f.how {
	case "torn":
		torn()
	case "done":
		if err := write(); err != nil {
			return err
		}
	}
	panic(errCut)
}

type cutRecords struct {
	*memory
	*fuse
}

func (c cutRecords) Put(bucket, key string, value []byte) error {
	return c.burn(func() error { return c.memory.Put(bucket, key, value) }, func() {})
}

func (c cutRecords) Delete(bucket, key string) error {
	return c.burn(func() error { return c.memory.Delete(bucket, key) }, func() {})
}

type cutSlots struct {
	*vault.SlotFile
	*fuse
	path string
}

// scribble writes to the middle of a slot's block, past the file's own methods.
func (c cutSlots) scribble(i, at int, b []byte) {
	f := must(os.OpenFile(c.path, os.O_WRONLY, 0))
	must(f.WriteAt(b, int64((i+1)*vault.BlockSize+at)))
	if err := f.Close(); err != nil {
		panic(err)
	}
}

func (c cutSlots) Write(i int, block []byte) error {
	return c.burn(func() error { return c.SlotFile.Write(i, block) },
		func() { c.scribble(i, 0, append([]byte{'S', 0, byte(len(block))}, block[:len(block)-5]...)) })
}

func (c cutSlots) Erase(i int) error {
	return c.burn(func() error { return c.SlotFile.Erase(i) },
		func() { c.scribble(i, vault.BlockSize/2, bytes.Repeat([]byte{0xa5}, vault.BlockSize/2)) })
}

// withPower runs f with a fuse in all writes, and tells whether it burned.
func (h *house) withPower(f *fuse, run func() error) (burned bool) {
	h.t.Helper()
	whole := h.config
	limits, _ := h.config.Limits.(*limiter)
	if limits != nil {
		limits.fuse = f
	}
	defer func() {
		h.config = whole
		if limits != nil {
			limits.fuse = nil
		}
		if r := recover(); r != nil {
			if r != errCut { //nolint:errorlint // it is the value that was thrown
				panic(r)
			}
			burned = true
		}
	}()
	h.config.Slots = cutSlots{h.slots, f, h.path}
	h.config.Records = cutRecords{h.records, f}
	h.open()
	if err := run(); err != nil {
		h.t.Fatal(err)
	}
	return false
}

// restart comes back after a cut.
func (h *house) restart(living vault.Living) {
	h.t.Helper()
	_ = h.slots.Close()
	h.slots = must(vault.OpenSlotFile(h.path))
	h.config.Slots = h.slots
	h.open()
	if err := h.vault.Reconcile(living); err != nil {
		h.t.Fatal(err)
	}
}

// clean wants every free block to be zeros.
func (h *house) clean() {
	h.t.Helper()
	disk := must(os.ReadFile(h.path))
	for i := range h.slots.Count() {
		block := disk[(i+1)*vault.BlockSize : (i+2)*vault.BlockSize]
		if must(h.slots.Read(i)) == nil && len(bytes.Trim(block, "\x00")) > 0 {
			h.t.Errorf("slot %d is free and holds %x…", i, block[:40])
		}
	}
}

// cutEverywhere cuts run at each of its writes in each way. After the cut,
// reconciled with what the events said before, check looks at what is left.
func cutEverywhere(t *testing.T, setUp func(*house) vault.Living, run func(*house) error, check func(*house)) {
	t.Helper()
	for n, burned := 1, true; burned; n++ {
		burned = false
		for _, how := range cuts {
			t.Run(fmt.Sprintf("write %d %s", n, how), func(t *testing.T) {
				h := newHouse(t)
				living := setUp(h)
				burned = h.withPower(&fuse{left: n, how: how}, func() error { return run(h) }) || burned
				if !burned {
					if n == 1 {
						t.Fatal("nothing was written")
					}
					return
				}
				h.restart(living)
				h.clean()
				check(h)
			})
		}
		if n > 50 {
			t.Fatal("it never ends")
		}
	}
}

// leaves is a check that nothing is left but this, and that doing it again works.
func leaves(want string, again func(*house) error) func(*house) {
	return func(h *house) {
		h.t.Helper()
		if got := h.holdings(); got != want {
			h.t.Errorf("left: %s, want %s", got, want)
		}
		if err := again(h); err != nil {
			h.t.Errorf("again: %v", err)
		}
	}
}

// ends is a check that doing it again ends with this.
func ends(again func(*house) error, want string) func(*house) {
	return func(h *house) {
		h.t.Helper()
		if err := again(h); err != nil {
			h.t.Errorf("again: %v", err)
		}
		if got := h.holdings(); got != want {
			h.t.Errorf("left: %s, want %s", got, want)
		}
		h.clean()
	}
}

var threeKeys = []locker.KeyID{1, 2, 3}

func TestCutWhileKeysAreMade(t *testing.T) {
	run := func(h *house) error {
		_, err := h.vault.MakeKeys(4, 2, now)
		return err
	}
	cutEverywhere(t, func(*house) vault.Living { return vault.Living{Keys: threeKeys} }, run,
		leaves("roster/current, 3 slots", run))
}

func TestCutWhileAnOrderArrives(t *testing.T) {
	var message []byte
	run := func(h *house) error {
		in, err := h.vault.ReceiveOrder(message, now)
		if _, ok := in.(locker.OrderReceived); !ok {
			return fmt.Errorf("%+v, %w", in, err)
		}
		return nil
	}
	cutEverywhere(t, func(h *house) vault.Living {
		message = h.sealed(h.desk, anOrder("A-2026-0001", 1))
		return vault.Living{Keys: threeKeys}
	}, run, leaves("roster/current, 3 slots", run))
}

func TestCutWhileADepositIsPrepared(t *testing.T) {
	run := func(h *house) error {
		_, err := h.vault.Prepare(10, "A-2026-0001", now)
		return err
	}
	cutEverywhere(t, func(h *house) vault.Living {
		r := h.arrive("A-2026-0001", 1)
		return vault.Living{Keys: threeKeys, Orders: map[locker.OrderID]string{"A-2026-0001": r.Hash}}
	}, run, leaves("orders/A-2026-0001 roster/current, 3 slots", run))
}

func TestCutWhileAnOrderIsErased(t *testing.T) {
	run := func(h *house) error { return h.vault.EraseOrder("A-2026-0001", 1) }
	cutEverywhere(t, func(h *house) vault.Living {
		r := h.arrive("A-2026-0001", 1)
		return vault.Living{Keys: threeKeys, Orders: map[locker.OrderID]string{"A-2026-0001": r.Hash}}
	}, run, ends(run, "roster/current, 2 slots"))
}

func TestCutWhileASlotIsErased(t *testing.T) {
	run := func(h *house) error { return h.vault.EraseSlot(10, now) }
	cutEverywhere(t, func(h *house) vault.Living {
		hash := h.load("A-2026-0001", 1, 10)
		_ = h.vault.EraseOrder("A-2026-0001", 1)
		_ = h.vault.DeleteLetter(10)
		return vault.Living{Keys: threeKeys[1:], Generations: map[locker.Generation]string{10: hash}}
	}, run, func(h *house) {
		h.t.Helper()
		if err := run(h); err != nil {
			h.t.Error(err)
		}
		if n := len(h.records.buckets["selectors"]); n != 1 {
			h.t.Errorf("%d selectors rest, want 1", n)
		}
		delete(h.records.buckets, "selectors")
		if got, want := h.holdings(), "roster/current, 2 slots"; got != want {
			h.t.Errorf("left: %s, want %s", got, want)
		}
		h.clean()
	})
}

func TestCutWhileACodeIsMadeAnew(t *testing.T) {
	cutEverywhere(t, func(h *house) vault.Living {
		hash := h.load("A-2026-0001", 1, 10)
		_ = h.vault.EraseOrder("A-2026-0001", 1)
		in := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), h.read(10).Share), now))
		if _, ok := in.(locker.ReissueReceived); !ok {
			h.t.Fatal(in)
		}
		return vault.Living{Keys: threeKeys[1:], Generations: map[locker.Generation]string{10: hash}, Letters: []locker.Generation{10}}
	}, func(h *house) error {
		_, err := h.vault.Reissue(11, 10, "A-2026-0001", now)
		return err
	}, func(h *house) {
		h.t.Helper()
		if h.records.buckets["deposits"]["11"] != nil || h.records.buckets["letters"]["11"] != nil {
			h.t.Errorf("left: %s", h.holdings())
		}
		letter := h.read(10)
		if opened, err := h.vault.Try(1, 10, 0, letter.Code); !opened || err != nil {
			h.t.Errorf("the old code: %v, %v", opened, err)
		}
		in := must(h.vault.ReceiveCommand(h.reissue(h.bert, 10, "A-2026-0001", h.publicKey(3), letter.Share), now))
		if _, ok := in.(locker.ReissueReceived); !ok {
			h.t.Errorf("another command: %+v", in)
		}
		if _, err := h.vault.Reissue(12, 10, "A-2026-0001", now); err != nil {
			h.t.Error(err)
		}
	})
}

func TestCutWhileACommandArrives(t *testing.T) {
	var key envelope.PublishedKey
	var share envelope.Share
	run := func(h *house) error {
		in, err := h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", key, share), now)
		if _, ok := in.(locker.ReissueReceived); !ok {
			return fmt.Errorf("%+v, %w", in, err)
		}
		return nil
	}
	cutEverywhere(t, func(h *house) vault.Living {
		hash := h.load("A-2026-0001", 1, 10)
		key, share = h.publicKey(2), h.read(10).Share
		return vault.Living{Keys: threeKeys, Generations: map[locker.Generation]string{10: hash}, Letters: []locker.Generation{10}}
	}, run, func(h *house) {
		h.t.Helper()
		// What was signed before the cut counts for nothing; a new one finds its way.
		key, share = h.publicKey(3), h.read(10).Share
		if err := run(h); err != nil {
			h.t.Errorf("again: %v", err)
		}
	})
}

func TestCutWhileReconciling(t *testing.T) {
	none := vault.Living{Keys: []locker.KeyID{3}}
	run := func(h *house) error { return h.vault.Reconcile(none) }
	cutEverywhere(t, func(h *house) vault.Living {
		h.load("A-2026-0001", 1, 10)
		in := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), h.read(10).Share), now))
		if _, ok := in.(locker.ReissueReceived); !ok {
			h.t.Fatal(in)
		}
		delete(h.records.buckets, "nonces")
		return none
	}, run, leaves("roster/current, 1 slots", run))
}

func TestWhatIsNamedWithAnotherHashIsErased(t *testing.T) {
	h := newHouse(t)
	order := h.arrive("A-2026-0001", 1)
	hash := h.load("A-2026-0002", 2, 10)
	named := vault.Living{
		Keys:        []locker.KeyID{3},
		Orders:      map[locker.OrderID]string{"A-2026-0001": order.Hash},
		Generations: map[locker.Generation]string{10: hash}, Letters: []locker.Generation{10},
	}
	h.restart(named)
	if lost := h.vault.Lost(named); lost != nil {
		t.Errorf("lost: %q", lost)
	}
	if got, want := h.holdings(), "deposits/10 letters/10 orders/A-2026-0001 roster/current, 3 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	named.Orders["A-2026-0001"], named.Generations[10] = hash, order.Hash
	h.restart(named)
	if got, want := h.holdings(), "letters/10 roster/current, 1 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	if lost := h.vault.Lost(named); len(lost) != 3 {
		t.Errorf("lost: %q", lost)
	}
}
