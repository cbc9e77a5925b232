package vault_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/securitykey/virtualkey"
)

const (
	town        = "musterstadt.example"
	kioskOrigin = "https://kiosk.musterstadt.example:8443"
	keyCard     = "04AAAA01"
	otherCard   = "04AAAA02"
)

// newKeyHouse has two clerks with a security key each.
func newKeyHouse(t *testing.T) (h *house, mine, theirs *virtualkey.Key) {
	t.Helper()
	h, mine, theirs = newHouse(t), virtualkey.New(), virtualkey.New()
	h.config.KioskOrigin = kioskOrigin
	h.open()
	h.roster.Version, h.roster.RPID = 4, town
	h.roster.People = append(h.roster.People,
		envelope.Entry{Person: "c-2", Role: locker.Clerk, Cards: []string{keyCard}, Number: h.roster.People[3].Number, SecurityKeys: []envelope.SecurityKey{mine.Credential()}},
		envelope.Entry{Person: "c-3", Role: locker.Clerk, Cards: []string{otherCard}, SecurityKeys: []envelope.SecurityKey{theirs.Credential()}})
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	in, err := h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))), now)
	if _, ok := in.(locker.RosterReceived); !ok || err != nil {
		t.Fatalf("roster: %+v, %v", in, err)
	}
	h.open() // as it was stored
	return h, mine, theirs
}

func ask(card string) locker.FindCard {
	return locker.FindCard{Check: 5, Card: card, Purpose: locker.KeyForSignIn, Boot: 2, Round: 9}
}

func (h *house) asks(card string) *locker.KeyRequest {
	h.t.Helper()
	r, err := h.vault.AskKey(ask(card))
	if err != nil || r == nil {
		h.t.Fatalf("ask for a key: %v, %v", r, err)
	}
	return r
}

func (h *house) wantKey(what, card string, assertion []byte, person locker.Person, proved bool) {
	h.t.Helper()
	p, ok, err := h.vault.CheckKey(card, assertion)
	if p != person || ok != proved || err != nil {
		h.t.Errorf("%s: %q, %v, %v", what, p, ok, err)
	}
}

func TestASecurityKeyProvesItsClerk(t *testing.T) {
	h, mine, _ := newKeyHouse(t)
	r := h.asks(keyCard)
	if len(r.Challenge) != 32 || r.RPID != town || len(r.Credentials) != 1 || !bytes.Equal(r.Credentials[0], mine.ID) {
		t.Fatalf("asked: %+v", r)
	}
	h.wantKey("the right answer", keyCard, mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin)), "c-2", true)
}

func TestThreatAReplayedAssertionIsRefused(t *testing.T) {
	h, mine, _ := newKeyHouse(t)
	r := h.asks(keyCard)
	mine.Count = 1000 // no counter would tell the replay
	answer := mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin))
	h.wantKey("once", keyCard, answer, "c-2", true)
	h.wantKey("again", keyCard, answer, "c-2", false)
	if next := h.asks(keyCard); bytes.Equal(next.Challenge, r.Challenge) {
		t.Error("the same challenge twice")
	}
	h.wantKey("to the next challenge", keyCard, answer, "c-2", false)

	r = h.asks(keyCard)
	h.wantKey("a wrong answer", keyCard, []byte("{}"), "c-2", false)
	h.wantKey("after a wrong one", keyCard, mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin)), "c-2", false)

	r = h.asks(keyCard)
	answer = mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin))
	h.open()
	h.wantKey("after a restart", keyCard, answer, "c-2", false)
}

func TestAnAnswerIsGoodForOneCardAndOnePlace(t *testing.T) {
	h, mine, theirs := newKeyHouse(t)
	r := h.asks(keyCard)
	h.wantKey("another's key", keyCard, theirs.Sign(virtualkey.To(r.Challenge, town, kioskOrigin)), "c-2", false)
	r = h.asks(keyCard)
	h.wantKey("with another's card", otherCard, mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin)), "c-3", false)
	r = h.asks(keyCard)
	h.wantKey("another domain", keyCard, mine.Sign(virtualkey.To(r.Challenge, "evil.example", kioskOrigin)), "c-2", false)
	r = h.asks(keyCard)
	h.wantKey("another page", keyCard, mine.Sign(virtualkey.To(r.Challenge, town, "https://evil.example")), "c-2", false)
	r = h.asks(keyCard)
	touched := virtualkey.To(r.Challenge, town, kioskOrigin)
	touched.Flags = 1
	h.wantKey("touched by somebody", keyCard, mine.Sign(touched), "c-2", false)
}

func TestWhoHasASecurityKeyIsAdmittedByNoNumber(t *testing.T) {
	h, _, _ := newKeyHouse(t)
	if p, proved, err := h.vault.CheckClerk(keyCard, []byte("246813")); p != "c-2" || proved || err != nil {
		t.Errorf("the right number: %s, %v, %v", p, proved, err)
	}
}

func TestNoKeyIsAskedWhereNoneIsWanted(t *testing.T) {
	h, _, _ := newKeyHouse(t)
	confirming := ask(keyCard)
	confirming.Purpose = ""
	for name, a := range map[string]locker.FindCard{"a clerk with a number": ask("04A1B2C3"), "an unknown card": ask("04FFFFFF"), "no purpose": confirming} {
		if r, err := h.vault.AskKey(a); r != nil || err != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	h.config.KioskOrigin = ""
	h.open()
	_, err := h.vault.AskKey(ask(keyCard))
	refused(t, err, "kiosk.https")
}

func TestASecurityKeyIsInForceUntilTheRosterTakesItBack(t *testing.T) {
	h, mine, _ := newKeyHouse(t)
	r := h.asks(keyCard)
	next := h.roster
	next.Version, next.Issued = 5, now.Add(time.Hour)
	next.People = append([]envelope.Entry(nil), h.roster.People...)
	next.People[4].SecurityKeys = []envelope.SecurityKey{virtualkey.New().Credential()}
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	if _, err := h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(next, h.anna, h.bert))), now); err != nil {
		t.Fatal(err)
	}
	h.wantKey("a lost key", keyCard, mine.Sign(virtualkey.To(r.Challenge, town, kioskOrigin)), "c-2", false)
}
