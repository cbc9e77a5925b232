package vault_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// next brings the next roster into force at a time.
func (h *house) next(at time.Time, change func(*envelope.Roster)) {
	h.t.Helper()
	h.roster.Version++
	h.roster.People = slices.Clone(h.roster.People)
	change(&h.roster)
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	in := must(h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))), at))
	if _, ok := in.(locker.RosterReceived); !ok {
		h.t.Fatalf("roster %d: %+v", h.roster.Version, in)
	}
}

func withoutDesk(r *envelope.Roster) {
	r.People = slices.DeleteFunc(r.People, func(e envelope.Entry) bool { return e.Role == locker.Desk })
}

// TestAnOrderOutlivesTheDeskThatSignedIt sends an order whose desk has left since.
func TestAnOrderOutlivesTheDeskThatSignedIt(t *testing.T) {
	for name, leave := range map[string]func(*envelope.Roster){
		"no longer listed": withoutDesk,
		"a leave date":     func(r *envelope.Roster) { r.People[0].Leaves = now.Add(time.Hour) },
		"another role":     func(r *envelope.Roster) { r.People[0].Role = locker.Admin },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			before, after := anOrder("A-2026-0001", 1), anOrder("A-2026-0002", 2)
			after.Issued = now.Add(3 * time.Hour)
			signedBefore, signedAfter := h.sealed(h.desk, before), h.sealed(h.desk, after)
			h.next(now.Add(2*time.Hour), leave)
			h.next(now.Add(200*24*time.Hour), func(*envelope.Roster) {}) // and another one after that
			h.open()
			at := now.Add(200 * 24 * time.Hour)
			in := must(h.vault.ReceiveOrder(signedBefore, at))
			if r, ok := in.(locker.OrderReceived); !ok || r.Terms.Desk != "d-1" {
				t.Errorf("the order signed before: %+v", in)
			}
			if in, ok := must(h.vault.ReceiveOrder(signedAfter, at)).(locker.MessageRejected); !ok {
				t.Errorf("the order signed after: %+v", in)
			}
		})
	}
}

// TestARevokedKeysOrderIsRefused revokes the key of a desk for cause, in the
// roster that removes the person or in a later one.
func TestARevokedKeysOrderIsRefused(t *testing.T) {
	h := newHouse(t)
	signed := h.sealed(h.desk, anOrder("A-2026-0001", 1))
	h.next(now.Add(time.Hour), withoutDesk)
	h.next(now.Add(2*time.Hour), func(r *envelope.Roster) { r.Revoked = []string{h.desk.key} })
	in, err := h.vault.ReceiveOrder(signed, now.Add(3*time.Hour))
	rejected(t, in, err, "does not know")
	h.next(now.Add(4*time.Hour), func(r *envelope.Roster) { r.Revoked = nil }) // and it stays so
	h.open()
	in, err = h.vault.ReceiveOrder(signed, now.Add(5*time.Hour))
	rejected(t, in, err, "does not know")
}

func TestAKeyIsNotRevokedAndListedAtOnce(t *testing.T) {
	h := newHouse(t)
	h.roster.Version++
	h.roster.Revoked = []string{h.desk.key}
	if _, err := h.roster.Text(); err == nil {
		t.Error("the key of a desk is revoked, and the desk is listed")
	}
	h.roster.Revoked = []string{"ssh-ed25519 AAAA"}
	if _, err := h.roster.Text(); err == nil {
		t.Error("a revoked key that is none is taken")
	}
}
