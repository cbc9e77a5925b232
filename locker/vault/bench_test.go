package vault_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// BenchmarkTry is what a citizen waits for, with the default parameters.
func BenchmarkTry(b *testing.B) {
	h := newHouse(b)
	h.crypto.Standard = vault.NewStandard(rand.Reader)
	h.load("A-2026-0001", 1, 10)
	code := h.read(10).Code
	for b.Loop() {
		if opened, err := h.vault.Try(1, 10, 0, code); !opened || err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReceiveOrder opens, verifies and refuses an order of two fingers
// with 100 KB each, so that each turn does the work.
func BenchmarkReceiveOrder(b *testing.B) {
	h := newHouse(b)
	o := anOrder("A-2026-0001", 1)
	o.Factors[0].Fingers[0].Enrolment = append([]byte("enrolled:"), bytes.Repeat([]byte{1}, 100<<10)...)
	o.Factors[0].Fingers[1].Enrolment = bytes.Repeat([]byte{1}, 100<<10) // none: refused at last
	message := h.sealed(h.desk, o)
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if in, err := h.vault.ReceiveOrder(message, now); err != nil || in.(locker.MessageRejected).Reason == "" {
			b.Fatal(err)
		}
	}
}

// BenchmarkPrepare writes slot, letter and record, without the derivation.
func BenchmarkPrepare(b *testing.B) {
	h := newHouse(b)
	h.crypto.Params = seal.Params{Memory: 8, Time: 1, Threads: 1}
	h.arrive("A-2026-0001", 1)
	g := locker.Generation(10)
	for b.Loop() {
		if _, err := h.vault.Prepare(g, "A-2026-0001", now); err != nil {
			b.Fatal(err)
		}
		if err := h.vault.EraseSlot(g, now); err != nil {
			b.Fatal(err)
		}
		g++
	}
}
