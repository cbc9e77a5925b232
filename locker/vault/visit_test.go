package vault_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
)

func printed(v any) (texts []string) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, v))
	}
	return texts
}

func TestEveryTryCostsOneDerivation(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	right := h.read(10).Code
	other := must(pin.New((right.Selector()+1)%pin.Selectors, 1))
	for name, try := range map[string]func() (bool, error){
		"right":            func() (bool, error) { return h.vault.Try(1, 10, 0, right) },
		"wrong":            func() (bool, error) { return h.vault.Try(2, 10, 0, wrong(right)) },
		"unknown":          func() (bool, error) { return h.vault.Try(3, 0, 0, other) },
		"another selector": func() (bool, error) { return h.vault.Try(4, 10, 0, other) },
		"no such deposit":  func() (bool, error) { return h.vault.Try(5, 99, 0, right) },
		"no recipient":     func() (bool, error) { return h.vault.Try(6, 10, 1, right) },
		"recipient -1":     func() (bool, error) { return h.vault.Try(6, 10, -1, right) },
	} {
		before := h.crypto.derivations
		opened, err := try()
		if n := h.crypto.derivations - before; n != 1 {
			t.Errorf("%s: %d derivations", name, n)
		}
		if opened != (name == "right") {
			t.Errorf("%s: opened %v, %v", name, opened, err)
		}
		if lacks := name == "no such deposit" || name == "no recipient" || name == "recipient -1"; (err != nil) != lacks {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for i := range h.slots.Count() { // its slot is gone: nobody knows, and it costs the same
		_ = h.slots.Erase(i)
	}
	before := h.crypto.derivations
	opened, err := h.vault.Try(7, 10, 0, right)
	refused(t, err, "its slot is free")
	if opened || h.crypto.derivations-before != 1 {
		t.Errorf("without its slot: opened %v, %d derivations", opened, h.crypto.derivations-before)
	}
}

func TestUnknownSelectorFindsNothing(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	right := h.read(10).Code
	if g, _, ok := h.vault.Find(must(pin.New((right.Selector()+1)%pin.Selectors, 1))); ok || g != 0 {
		t.Errorf("found %d", g)
	}
	if _, _, ok := h.vault.Find(pin.Code{}); ok {
		t.Error("no code found something")
	}
	if g, _, ok := h.vault.Find(wrong(right)); !ok || g != 10 {
		t.Error("the selector alone names the deposit")
	}
}

func TestWhatWasOpenedBelongsToItsAttempt(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	h.load("A-2026-0002", 2, 11)
	code := h.read(10).Code
	compare := func(a locker.AttemptID, g locker.Generation, f locker.FactorKind, position int) error {
		_, err := h.vault.Compare(a, g, f, position, []byte("123456"), 1e-4)
		return err
	}
	_, err := h.vault.Capture(1, finger("erika right"))
	refused(t, err, "no seal was opened")
	if opened := must(h.vault.Try(1, 10, 0, code)); !opened {
		t.Fatal("not opened")
	}
	refused(t, compare(1, 10, locker.FactorFinger, 2), "no finger was captured")
	if _, err := h.vault.Capture(1, finger("erika right")); err != nil {
		t.Fatal(err)
	}
	refused(t, compare(2, 10, locker.FactorFinger, 2), "attempt 2")
	refused(t, compare(1, 11, locker.FactorFinger, 2), "generation 10 is open")
	refused(t, compare(1, 10, locker.FactorNumber, 0), "the recipient has a finger")
	refused(t, compare(1, 10, locker.FactorFinger, 3), "finger 3 is not enrolled")
	if err := compare(1, 10, locker.FactorFinger, 2); err != nil {
		t.Error(err)
	}
	_, err = h.vault.Capture(1, finger("broken"))
	refused(t, err, "no image")
	refused(t, compare(1, 10, locker.FactorFinger, 2), "no finger was captured")
	if opened := must(h.vault.Try(2, 10, 0, wrong(code))); opened {
		t.Error("opened")
	}
	h.vault.Forget()
	refused(t, compare(1, 10, locker.FactorFinger, 2), "no seal was opened")
	if opened := must(h.vault.Try(3, 10, 0, code)); !opened {
		t.Fatal("not opened")
	}
	if err := h.vault.EraseSlot(10, now); err != nil {
		t.Fatal(err)
	}
	_, err = h.vault.Capture(3, finger("erika right"))
	refused(t, err, "no seal was opened")
}

func TestNumberServesWhoseFingersCannotBeRead(t *testing.T) {
	h := newHouse(t)
	o := anOrder("A-2026-0001", 1)
	o.Terms.Recipients[0] = locker.Recipient{Kind: locker.Applicant, Factor: locker.FactorNumber}
	o.Factors[0] = envelope.Factor{Kind: locker.FactorNumber, Number: []byte("27182818")}
	if _, ok := must(h.vault.ReceiveOrder(h.sealed(h.desk, o), now)).(locker.OrderReceived); !ok {
		t.Fatal("refused")
	}
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err != nil {
		t.Fatal(err)
	}
	letter := h.read(10)
	if letter.Fingers != nil {
		t.Errorf("the letter asks for fingers %v", letter.Fingers)
	}
	if opened := must(h.vault.Try(1, 10, 0, letter.Code)); !opened {
		t.Fatal("not opened")
	}
	for number, accepted := range map[string]bool{"27182818": true, "27182819": false, "2718281": false, "": false, "272818281": false} {
		if got, err := h.vault.Compare(1, 10, locker.FactorNumber, 0, []byte(number), 1e-4); err != nil || got.Accepted != accepted {
			t.Errorf("%q: %+v, %v", number, got, err)
		}
	}
}

// slow waits in its derivation until it is let go.
type slow struct {
	*counting
	entered, leave chan struct{}
}

func (s slow) OpenSecret(box, secret, slotKey, ad []byte) ([]byte, error) {
	s.entered <- struct{}{}
	<-s.leave
	return s.counting.OpenSecret(box, secret, slotKey, ad)
}

func TestForgettingReachesATryUnderWay(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	code := h.read(10).Code
	s := slow{h.crypto, make(chan struct{}), make(chan struct{})}
	h.config.Crypto = s
	h.open()
	done := make(chan bool)
	go func() {
		opened, _ := h.vault.Try(1, 10, 0, code)
		done <- opened
	}()
	<-s.entered
	h.vault.Forget() // and nothing quick waits for the derivation
	if _, _, ok := h.vault.Find(code); !ok {
		t.Error("not found")
	}
	close(s.leave)
	if !<-done {
		t.Error("not opened")
	}
	_, err := h.vault.Capture(1, finger("erika right"))
	refused(t, err, "what it opened was forgotten")
}

func TestClerkProvesCardAndNumber(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		card, number string
		person       locker.Person
		proved       bool
	}{
		{"04A1B2C3", "246813", "c-1", true},
		{"04A1B2C3", "246814", "c-1", false},
		{"04A1B2C3", "", "c-1", false},
		{"04FFFFFF", "246813", "", false},
		{"", "246813", "", false},
	} {
		before := h.crypto.derivations
		person, proved, err := h.vault.CheckClerk(c.card, []byte(c.number))
		if err != nil || person != c.person || proved != c.proved {
			t.Errorf("card %q with %q: %s, %v, %v", c.card, c.number, person, proved, err)
		}
		if n := h.crypto.derivations - before; n != 1 {
			t.Errorf("card %q with %q: %d derivations", c.card, c.number, n)
		}
		if got := h.vault.FindCard(c.card); got != c.person {
			t.Errorf("card %q is %s's", c.card, got)
		}
	}
}

func TestRosterIsReplacedByItsAdminsAlone(t *testing.T) {
	h := newHouse(t)
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	receive := func(r envelope.Roster, by ...person) (locker.Input, error) {
		return h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(r, by...))), now)
	}
	next := h.roster
	next.Version = 4
	next.People = append([]envelope.Entry(nil), h.roster.People...)
	next.People[3].Leaves = now.Add(time.Hour)

	in, err := receive(next, h.anna, h.anna)
	rejected(t, in, err, "signed by a-1 alone")
	in, err = receive(next, h.anna, h.stranger)
	rejected(t, in, err, "does not know")
	in, err = receive(h.roster, h.bert, h.anna) // the same text, signed anew
	rejected(t, in, err, "version 3 is in force")
	in, err = h.vault.ReceiveRoster([]byte(`{"terminal":"musterstadt-1"}`), now)
	rejected(t, in, err, "version 0")
	in, err = h.vault.ReceiveRoster(h.signed(next, h.anna, h.bert), now)
	rejected(t, in, err, "roster")
	other, _, err := h.crypto.GenerateKey() // one that the terminal had before a rekey
	if err != nil {
		t.Fatal(err)
	}
	in, err = h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, must(h.crypto.PublicKey(other)), h.signed(next, h.anna, h.bert))), now)
	rejected(t, in, err, "does not open")
	if r, _ := in.(locker.MessageRejected); r.Version != 4 {
		t.Errorf("which one does not open, the city is not told: %+v", r)
	}

	accepted, err := receive(next, h.anna, h.bert)
	r, ok := accepted.(locker.RosterReceived)
	if err != nil || !ok || r.Version != 4 || len(r.People) != 4 || !r.People[3].Leaves.Equal(now.Add(time.Hour)) {
		t.Fatalf("%+v, %v", accepted, err)
	}
	h.open()
	if got, ok := h.vault.Roster(); !ok || got.Hash != r.Hash || got.Version != 4 {
		t.Errorf("after a start: %+v", got)
	}
	again := must(h.vault.ReceiveRoster(h.records.buckets["roster"]["current"], now))
	if got, ok := again.(locker.RosterReceived); !ok || got.Hash != r.Hash {
		t.Errorf("again: %+v", again)
	}
	in, err = receive(h.roster, h.anna, h.bert)
	rejected(t, in, err, "version 4 is in force")
	refused(t, h.vault.InitRoster(h.signed(next, h.anna, h.bert), now), "version 4 is in force")
}

func TestTerminalWithoutRosterFollowsNobody(t *testing.T) {
	h := newHouse(t)
	order := h.sealed(h.desk, anOrder("A-2026-0001", 1))
	withdrawal := must(envelope.SignWithdrawal(h.desk, envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now}))
	_ = h.records.Delete("roster", "current")
	h.open()
	if _, ok := h.vault.Roster(); ok {
		t.Error("there is a roster")
	}
	in, err := h.vault.ReceiveOrder(order, now)
	rejected(t, in, err, "no roster yet")
	in, err = h.vault.ReceiveWithdrawal(withdrawal, now)
	rejected(t, in, err, "no roster yet")
	in, err = h.vault.ReceiveCommand([]byte("x"), now)
	rejected(t, in, err, "no roster yet")
	in, err = h.vault.ReceiveRoster([]byte("x"), now)
	rejected(t, in, err, "given at lockerd init")
	if person, proved, err := h.vault.CheckClerk("04A1B2C3", []byte("246813")); person != "" || proved || err != nil {
		t.Errorf("%s, %v, %v", person, proved, err)
	}
	refused(t, h.vault.InitRoster(h.signed(h.roster, h.anna), now), "two different admins")
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	if err := h.vault.InitRoster(must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))), now); err != nil {
		t.Error(err)
	}
}
