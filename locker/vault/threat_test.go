package vault_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/envelope/forgery"
)

// gullible believes whose key a signature says it is.
type gullible struct {
	*counting
	forgery.Gullible
}

// believe takes the defence "signatures are verified" out.
func (h *house) believe() {
	h.t.Helper()
	h.config.Crypto = gullible{counting: h.crypto}
	h.open()
}

// TestThreatForgedOrder brings orders and rosters that nobody may have made.
// Each attack is repeated on a terminal that lacks the one defence against it,
// where it must succeed.
func TestThreatForgedOrder(t *testing.T) {
	order := func(h *house, at time.Time, message []byte) bool {
		_, taken := must(h.vault.ReceiveOrder(message, at)).(locker.OrderReceived)
		return taken
	}
	sealedRoster := func(h *house, signed []byte) []byte {
		return must(envelope.SealRoster(h.crypto, must(h.crypto.PublicKey(h.config.TerminalKey)), signed))
	}
	roster := func(h *house, version int, by ...envelope.Signer) bool {
		r := h.roster
		r.Version = version
		text := must(r.Text())
		for _, s := range by {
			text = must(envelope.Sign(s, envelope.NamespaceRoster, text))
		}
		in, ok := must(h.vault.ReceiveRoster(sealedRoster(h, text), now)).(locker.RosterReceived)
		return ok && in.Version == version
	}
	for name, threat := range map[string]struct {
		attack func(h *house) bool
		disarm func(h *house)
	}{
		"an order that the desk did not sign": {
			func(h *house) bool {
				forged := person{forgery.Signer{Own: h.stranger, Claims: h.desk.key}, h.desk.key}
				return order(h, now, h.sealed(forged, anOrder("A-2026-0001", 1)))
			},
			(*house).believe,
		},
		"an order of a stranger": {
			func(h *house) bool { return order(h, now, h.sealed(h.stranger, anOrder("A-2026-0001", 1))) },
			func(h *house) { // who takes anybody into the roster
				h.roster.Version++
				h.roster.People = append(h.roster.People, envelope.Entry{Person: "x", Role: locker.Desk, Keys: []string{h.stranger.key}})
				must(h.vault.ReceiveRoster(sealedRoster(h, h.signed(h.roster, h.anna, h.bert)), now))
			},
		},
		"another finger for a document that is here": {
			func(h *house) bool {
				swapped := anOrder("A-2026-0001", 2)
				swapped.Terms.Version = 2
				swapped.Factors[0].Fingers[0].Enrolment = []byte("enrolled:max right")
				first := order(h, now, h.sealed(h.desk, anOrder("A-2026-0001", 1)))
				if h.records.buckets["forget"] != nil { // a vault that keeps no book of what is here
					delete(h.records.buckets, "orders")
					h.open()
				}
				return first && order(h, now, h.sealed(h.desk, swapped))
			},
			func(h *house) { h.records.buckets["forget"] = map[string][]byte{} },
		},
		"a roster of one admin": {
			func(h *house) bool { return roster(h, 4, h.anna, forgery.Signer{Own: h.stranger, Claims: h.bert.key}) },
			(*house).believe,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if threat.attack(newHouse(t)) {
				t.Error("the attack succeeds")
			}
			h := newHouse(t)
			threat.disarm(h)
			if !threat.attack(h) {
				t.Error("the attack fails without the defence too: this proves nothing")
			}
		})
	}
	h := newHouse(t)
	if !roster(h, 5, h.anna, h.bert) || roster(h, 4, h.anna, h.bert) {
		t.Error("a roster is rolled back")
	}
	// The book against rollback is the roster in force itself: without it the
	// older one, which two of its admins did sign, is as good as any.
	delete(h.records.buckets, "roster")
	h.open()
	older := h.roster
	older.Version = 1
	if err := h.vault.InitRoster(h.signed(older, h.anna, h.bert), now); err != nil {
		t.Errorf("rollback is refused without the defence too: %v", err)
	}
}

// TestThreatADeskThatLeft signs on the day after; the leave date counts offline.
func TestThreatADeskThatLeft(t *testing.T) {
	h := newHouse(t)
	h.roster.Version++
	h.roster.People[0].Leaves = now.Add(time.Hour)
	must(h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, must(h.crypto.PublicKey(h.config.TerminalKey)), h.signed(h.roster, h.anna, h.bert))), now))
	late := anOrder("A-2026-0001", 1)
	late.Issued = now.Add(90 * time.Minute)
	message := h.sealed(h.desk, late)
	in, err := h.vault.ReceiveOrder(message, now.Add(2*time.Hour))
	rejected(t, in, err, "left on")
	// On a clock that was set back the same order passes: see trusted time.
	if _, ok := must(h.vault.ReceiveOrder(message, now)).(locker.OrderReceived); !ok {
		t.Error("the order is refused for another reason: this proves nothing")
	}
}
