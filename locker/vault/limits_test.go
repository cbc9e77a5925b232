package vault_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
)

// limiter is hardware with room for so many shares, which counts wrong passes
// up to tries. A fuse cuts its power.
type limiter struct {
	room  int
	tries int
	held  map[string]*held
	made  int
	fuse  *fuse
}

type held struct {
	pass, share []byte
	wrong       int
}

func newLimiter() *limiter { return &limiter{room: 12, tries: 5, held: map[string]*held{}} }

func (l *limiter) write(f func()) {
	write := func() error { f(); return nil }
	if l.fuse == nil {
		_ = write()
		return
	}
	_ = l.fuse.burn(write, func() {}) // a command of the chip is carried out or not
}

func (l *limiter) Limit(pass, share []byte) (token []byte, err error) {
	if len(l.held) == l.room {
		return nil, fmt.Errorf("the fake: %w", vault.ErrNoRoom)
	}
	l.made++
	token = fmt.Appendf(nil, "token %d", l.made)
	l.write(func() { l.held[string(token)] = &held{pass: bytes.Clone(pass), share: bytes.Clone(share)} })
	return token, nil
}

func (l *limiter) Share(token, pass []byte) ([]byte, error) {
	s, ok := l.held[string(token)]
	switch {
	case !ok || s.wrong >= l.tries:
		return nil, fmt.Errorf("the fake: nobody gets it: %w", vault.ErrRefused)
	case !bytes.Equal(s.pass, pass):
		l.write(func() { s.wrong++ })
		return nil, fmt.Errorf("the fake: a wrong pass: %w", vault.ErrRefused)
	}
	l.write(func() { s.wrong = 0 })
	return bytes.Clone(s.share), nil
}

func (l *limiter) Forget(token []byte) error {
	l.write(func() { delete(l.held, string(token)) })
	return nil
}

func (l *limiter) Keep(tokens [][]byte) error {
	kept := map[string]*held{}
	for _, token := range tokens {
		if s, ok := l.held[string(token)]; ok {
			kept[string(token)] = s
		}
	}
	l.held = kept
	return nil
}

// limited gives the house hardware that limits tries.
func (h *house) limited() *limiter {
	h.t.Helper()
	l := newLimiter()
	h.config.Limits = l
	h.open()
	return l
}

// others are so many other codes of the same selector.
func others(c pin.Code, n int) (codes []pin.Code) {
	for range n {
		c = wrong(c)
		codes = append(codes, c)
	}
	return codes
}

// Row 6: the whole terminal is stolen: disk, chip, and all that opens the chip.
func TestThreatTheChipCountsTheThiefsTries(t *testing.T) {
	opens := func(limited bool, wrongOnes int) bool {
		h, c := newHouse(t), newChip()
		var chip vault.Limits
		if limited {
			chip = h.limited()
		}
		h.rooted(c)
		h.load("A-2026-0001", 1, 10)
		code := h.read(10).Code
		found := must(vault.Evidence{
			Terminal: terminal, Slots: []vault.Slots{h.copied()}, Records: h.kept(), Device: h.device,
			Roots: c.roots(), Limits: chip, Codes: append(others(code, wrongOnes), code),
		}.Recover(h.crypto))
		return len(found.Generations) > 0
	}
	if !opens(true, 4) {
		t.Error("the right code is no longer the right one as fifth: the test below proves nothing")
	}
	if opens(true, 5) {
		t.Error("a thief has more than five tries")
	}
	if !opens(false, 50) {
		t.Error("without the chip's share a thief does not find the code: the tests above prove nothing")
	}
}

func TestACodeOpensWithinItsLimit(t *testing.T) {
	h := newHouse(t)
	l := h.limited()
	h.load("A-2026-0001", 1, 10)
	letter := h.read(10)
	for range 3 { // a right code gives all tries back
		for _, code := range others(letter.Code, 4) {
			if opened, err := h.vault.Try(1, 10, 0, code); opened || err != nil {
				t.Fatalf("a wrong code: %v, %v", opened, err)
			}
		}
		before := h.crypto.derivations
		if opened, err := h.vault.Try(1, 10, 0, letter.Code); !opened || err != nil {
			t.Fatalf("the right code: %v, %v", opened, err)
		}
		if n := h.crypto.derivations - before; n != 1 {
			t.Errorf("a try costs %d derivations", n)
		}
	}
	if n, of, err := h.vault.Limited(); n != 1 || of != 1 || err != nil {
		t.Errorf("limited are %d of %d, %v", n, of, err)
	}
	for _, code := range append(others(letter.Code, 5), letter.Code) {
		if opened, err := h.vault.Try(1, 10, 0, code); opened || err != nil {
			t.Fatalf("past the limit: %v, %v", opened, err)
		}
	}
	// The clerks' way out needs no code: a re-issue has a new one, and its limit.
	in := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), letter.Share), now))
	if _, ok := in.(locker.ReissueReceived); !ok {
		t.Fatal(in)
	}
	must(h.vault.Reissue(11, 10, "A-2026-0001", now))
	h.must(h.vault.EraseSlot(10, now))
	if len(l.held) != 1 || l.made != 2 {
		t.Errorf("the hardware holds %d of %d shares", len(l.held), l.made)
	}
	if opened, err := h.vault.Try(2, 11, 0, h.read(11).Code); !opened || err != nil {
		t.Errorf("the new code: %v, %v", opened, err)
	}
	h.must(h.vault.EraseSlot(11, now))
	if len(l.held) != 0 {
		t.Errorf("after the end the hardware holds %d shares", len(l.held))
	}
}

func TestWithoutRoomTheJournalLimitsAlone(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10) // before there was a chip
	l := h.limited()
	l.room = 1
	h.load("A-2026-0002", 2, 11)
	h.load("A-2026-0003", 3, 12)
	if n, of, err := h.vault.Limited(); n != 1 || of != 3 || err != nil {
		t.Errorf("limited are %d of %d, %v", n, of, err)
	}
	for _, g := range []locker.Generation{10, 11, 12} {
		if opened, err := h.vault.Try(1, g, 0, h.read(g).Code); !opened || err != nil {
			t.Errorf("generation %d: %v, %v", g, opened, err)
		}
	}
	code := h.read(11).Code
	h.config.Limits = nil
	h.open()
	if _, err := h.vault.Try(1, 11, 0, code); err == nil {
		t.Error("a limited deposit is tried without its chip")
	}
}

// The charge is on the disk before the try, and the chip counts with the try:
// whatever a cut leaves out, the chip has counted no more than was charged.
func TestWhoHasAChargeLeftHasATryLeft(t *testing.T) {
	for _, how := range cuts {
		h := newHouse(t)
		l := h.limited()
		h.load("A-2026-0001", 1, 10)
		code := h.read(10).Code
		for range l.tries - 1 { // each charged, each cut
			if !h.withPower(&fuse{left: 1, how: how}, func() error {
				_, err := h.vault.Try(1, 10, 0, wrong(code))
				return err
			}) {
				t.Fatal("the try wrote nothing")
			}
			h.open()
		}
		if opened, err := h.vault.Try(1, 10, 0, code); !opened || err != nil {
			t.Errorf("cut %s: the last charge: %v, %v", how, opened, err)
		}
	}
}

// holds wants so many shares in the hardware, before and after another check.
func holds(before int, check func(*house), after int) func(*house) {
	return func(h *house) {
		h.t.Helper()
		l, _ := h.config.Limits.(*limiter)
		if len(l.held) != before {
			h.t.Errorf("reconciled, the hardware holds %d shares, want %d", len(l.held), before)
		}
		if check(h); len(l.held) != after {
			h.t.Errorf("in the end the hardware holds %d shares, want %d", len(l.held), after)
		}
	}
}

func TestCutWhileALimitedDepositIsPrepared(t *testing.T) {
	run := func(h *house) error {
		_, err := h.vault.Prepare(10, "A-2026-0001", now)
		return err
	}
	cutEverywhere(t, func(h *house) vault.Living {
		h.limited()
		r := h.arrive("A-2026-0001", 1)
		return vault.Living{Keys: threeKeys, Orders: map[locker.OrderID]string{"A-2026-0001": r.Hash}}
	}, run, holds(0, leaves("orders/A-2026-0001 roster/current, 3 slots", run), 1))
}

// The slot's end is in the journal before it is erased; that it was erased comes
// after. A start in between keeps it, or not, and erases it again.
func TestCutWhileALimitedSlotIsErased(t *testing.T) {
	run := func(h *house) error { return h.vault.EraseSlot(10, now) }
	for _, kept := range []bool{true, false} {
		cutEverywhere(t, func(h *house) vault.Living {
			h.limited()
			living := vault.Living{Keys: threeKeys[1:]}
			hash := h.load("A-2026-0001", 1, 10)
			h.must(h.vault.EraseOrder("A-2026-0001", 1))
			if kept {
				living.Generations = map[locker.Generation]string{10: hash}
			}
			return living
		}, run, func(h *house) {
			h.t.Helper()
			h.must(run(h))
			if l, _ := h.config.Limits.(*limiter); len(l.held) != 0 {
				h.t.Errorf("the hardware holds %d shares", len(l.held))
			}
			found := must(vault.Evidence{Terminal: terminal, Slots: []vault.Slots{h.slots}, Records: h.kept(),
				Letters: h.everyLetter(), LetterKey: h.letter, Device: h.device, Limits: h.config.Limits}.Recover(h.crypto))
			if len(found.Generations) > 0 {
				h.t.Errorf("generations %v come back", found.Generations)
			}
		})
	}
}

func TestCutWhileALimitedDepositIsReissued(t *testing.T) {
	var hash string
	var share envelope.Share
	cutEverywhere(t, func(h *house) vault.Living {
		h.limited()
		hash = h.load("A-2026-0001", 1, 10)
		h.must(h.vault.EraseOrder("A-2026-0001", 1))
		share = h.read(10).Share
		must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), share), now))
		return vault.Living{Keys: []locker.KeyID{3}, Generations: map[locker.Generation]string{10: hash}, Letters: []locker.Generation{10}}
	}, func(h *house) error {
		_, err := h.vault.Reissue(11, 10, "A-2026-0001", now)
		return err
	}, func(h *house) {
		l, _ := h.config.Limits.(*limiter)
		if len(l.held) != 1 {
			h.t.Errorf("reconciled, the hardware holds %d shares, want the old one", len(l.held))
		}
		if opened, err := h.vault.Try(1, 10, 0, h.read(10).Code); !opened || err != nil {
			h.t.Errorf("the old code: %v, %v", opened, err)
		}
	})
}
