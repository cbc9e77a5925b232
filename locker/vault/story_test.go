package vault_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
)

func TestADepositsWholeLife(t *testing.T) {
	h := newHouse(t)
	received := h.arrive("A-2026-0001", 2)
	if received.Terms.Desk != "d-1" || received.Terms.Key != 2 {
		t.Errorf("terms %+v", received.Terms)
	}
	hash, err := h.vault.Prepare(10, "A-2026-0001", now)
	if c := h.vault.Commitment(10); len(c) != 64 || c == h.vault.Commitment(11) {
		t.Errorf("commitment %q", c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if hash != envelope.Hash(h.records.buckets["deposits"]["10"]) {
		t.Error("the hash is not the record's")
	}
	if err := h.vault.EraseOrder("A-2026-0001", 2); err != nil {
		t.Fatal(err)
	}
	h.open()
	living := vault.Living{Keys: []locker.KeyID{1, 3}, Generations: map[locker.Generation]string{10: hash}, Letters: []locker.Generation{10}}
	if err := h.vault.Reconcile(living); err != nil {
		t.Fatal(err)
	}
	letter := h.read(10)
	if letter.Order != "A-2026-0001" || !slices.Equal(letter.Fingers, []int{2, 7}) || !letter.PINLetter {
		t.Errorf("letter %+v", letter)
	}
	posted := must(envelope.SignPosted(h.city, envelope.Posted{Terminal: terminal, Generation: 10, Order: "A-2026-0001", Day: "2026-11-21"}))
	if in, err := h.vault.ReceivePosted(posted, now); err != nil || in != (locker.PostedReceived{Generation: 10, Day: "2026-11-21"}) {
		t.Errorf("%+v, %v", in, err)
	}
	if err := h.vault.DeleteLetter(10); err != nil {
		t.Fatal(err)
	}

	g, recipient, ok := h.vault.Find(letter.Code)
	if g != 10 || recipient != 0 || !ok {
		t.Fatalf("found generation %d, recipient %d, %v", g, recipient, ok)
	}
	if opened, err := h.vault.Try(1, g, recipient, letter.Code); !opened || err != nil {
		t.Fatalf("%v, %v", opened, err)
	}
	if advice, err := h.vault.Capture(1, finger("dry")); advice != locker.AdviceDry || err != nil {
		t.Errorf("%s, %v", advice, err)
	}
	// A finger that looks upside down is asked for once more, and then compared.
	for _, want := range []locker.FingerAdvice{locker.AdviceTurn, ""} {
		if advice, err := h.vault.Capture(1, finger("turned")); advice != want || err != nil {
			t.Errorf("a finger upside down: %q, %v, want %q", advice, err, want)
		}
	}
	for _, c := range []struct {
		finger   string
		position int
		accepted bool
	}{{"erika right", 2, true}, {"erika right", 7, false}, {"max right", 2, false}, {"erika left", 7, true}} {
		if advice, err := h.vault.Capture(1, finger(c.finger)); advice != "" || err != nil {
			t.Fatalf("%s, %v", advice, err)
		}
		got, err := h.vault.Compare(1, 10, locker.FactorFinger, c.position, nil, 1e-4)
		if err != nil || got.Accepted != c.accepted || got.FMR == 0 || got.Similarity == 0 {
			t.Errorf("%s as %d: %+v, %v", c.finger, c.position, got, err)
		}
	}
	h.vault.Forget()
	if err := h.vault.EraseSlot(10, now); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := h.vault.Find(letter.Code); ok {
		t.Error("the code still finds something")
	}
	if got, want := h.holdings(), "roster/current selectors/"+selectorKey(letter.Code)+", 2 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func selectorKey(c pin.Code) string {
	return strings.TrimLeft(c.Groups()[0][:3], "0") + c.Groups()[0][3:]
}

// thief has every byte that was ever stored, the file of slots as it is now,
// the letter with code and share, every key that survives, and the sealed
// order. recovers tells whether that opens anything with Erika's fingers in it.
type thief struct {
	h       *house
	letter  envelope.Letter
	message []byte
}

func (f thief) recovers() (how []string) {
	h := f.h
	disk := must(os.ReadFile(h.path))
	keys := [][]byte{h.letter, h.config.TerminalKey, make([]byte, 32)}
	for i := range h.slots.Count() {
		if block := must(h.slots.Read(i)); block != nil {
			keys = append(keys, block[9:])
		}
	}
	for i := 0; i+32 <= len(disk); i += 1 { // any window that is not zero
		if w := disk[i : i+32]; w[0] != 0 && w[31] != 0 && i%vault.BlockSize < 64 {
			keys = append(keys, w)
		}
	}
	found := func(plain []byte, name string) {
		if bytes.Contains(plain, []byte("enrolled:")) || bytes.Contains(plain, []byte("ZW5yb2xsZWQ6")) {
			how = append(how, name)
		}
	}
	found(disk, "in the clear in a slot")
	m := must(envelope.ParseSealedOrder(f.message))
	info := []byte("nachtfach.de/order/v1\n" + terminal + "\n" + string(m.Order) + "\n1\n1\n")
	for _, key := range keys {
		if plain, err := h.crypto.Open(key, info, m.Sealed); err == nil {
			found(plain, "the sealed order")
		}
	}
	secret, share := f.letter.Code.Secret(), f.letter.Share.Bytes()
	for _, value := range h.records.ever {
		found(value, "in the clear in a record")
		var d struct {
			Generation int
			Order      string
			Recipients []struct {
				Selector        int
				Sealed, Reissue []byte
			}
		}
		if json.Unmarshal(value, &d) != nil || len(d.Recipients) == 0 {
			continue
		}
		ad := []byte(strings.Join([]string{"nachtfach.de/deposit/v1", terminal, itoa(d.Generation), d.Order, "0", itoa(d.Recipients[0].Selector), ""}, "\n"))
		for _, key := range keys {
			if len(key) != 32 {
				continue
			}
			if plain, err := h.crypto.Standard.OpenSecret(d.Recipients[0].Sealed, secret, key, ad); err == nil {
				found(plain, "the seal, by the code")
			}
			if plain, err := h.crypto.OpenShare(d.Recipients[0].Reissue, share, key, ad); err == nil {
				found(plain, "the seal, by the share")
			}
		}
	}
	slices.Sort(how)
	return slices.Compact(how)
}

func itoa(n int) string { return string(must(json.Marshal(n))) }

func TestNothingOpensAfterTheEnd(t *testing.T) {
	h := newHouse(t)
	message := h.sealed(h.desk, anOrder("A-2026-0001", 1))
	if in := must(h.vault.ReceiveOrder(message, now)); in.(locker.OrderReceived).Hash == "" {
		t.Fatal(in)
	}
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err != nil {
		t.Fatal(err)
	}
	f := thief{h, h.read(10), message}
	if got := f.recovers(); !slices.Equal(got, []string{"the seal, by the code", "the seal, by the share", "the sealed order"}) {
		t.Fatalf("with slots and keys alive the thief finds %q: the test is blind", got)
	}
	if err := h.vault.EraseOrder("A-2026-0001", 1); err != nil {
		t.Fatal(err)
	}
	if got := f.recovers(); !slices.Equal(got, []string{"the seal, by the code", "the seal, by the share"}) {
		t.Errorf("after the order's end: %q", got)
	}
	h.load("A-2026-0002", 2, 11) // another deposit lives on, with slots of its own
	if err := h.vault.EraseSlot(10, now); err != nil {
		t.Fatal(err)
	}
	h.records.ever = slices.DeleteFunc(h.records.ever, func(v []byte) bool { return bytes.Contains(v, []byte("A-2026-0002")) })
	if got := f.recovers(); got != nil {
		t.Errorf("after the deposit's end: %q", got)
	}
	if opened, err := h.vault.Try(1, 10, 0, f.letter.Code); opened || err == nil {
		t.Errorf("the dead generation's seal: %v, %v", opened, err)
	}
	if again, err := h.vault.ReceiveOrder(message, now); err != nil {
		t.Error(err)
	} else {
		rejected(t, again, nil, "key 1 is spent")
	}
}

func TestSelectorRestsAfterItsDeposit(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	selector := h.read(10).Code.Selector()
	if err := h.vault.EraseSlot(10, now); err != nil {
		t.Fatal(err)
	}
	// take all others, so that the only free one is drawn or none
	for s := range pin.Selectors {
		if s != selector {
			until := must(json.Marshal(map[string]time.Time{"until": now.Add(365 * 24 * time.Hour)}))
			_ = h.records.Put("selectors", itoa(s), until)
		}
	}
	h.open()
	h.arrive("A-2026-0002", 2)
	_, err := h.vault.Prepare(11, "A-2026-0002", now.Add(vault.SelectorRest-time.Second))
	refused(t, err, "all 10000 selectors are in use or rest for 90 days")
	if _, err := h.vault.Prepare(11, "A-2026-0002", now.Add(vault.SelectorRest)); err != nil {
		t.Fatal(err)
	}
	if got := h.read(11).Code.Selector(); got != selector {
		t.Errorf("selector %d, free is %d", got, selector)
	}
}

func TestPreparingTwiceChangesNothing(t *testing.T) {
	h := newHouse(t)
	hash := h.load("A-2026-0001", 1, 10)
	before := h.holdings()
	code := h.read(10).Code
	again, err := h.vault.Prepare(10, "A-2026-0001", now)
	if err != nil || again != hash || h.holdings() != before || h.read(10).Code.QR() != code.QR() {
		t.Errorf("%s, %v", again, err)
	}
	for range 2 {
		if err := h.vault.EraseSlot(10, now); err != nil {
			t.Error(err)
		}
		if err := h.vault.DeleteLetter(10); err != nil {
			t.Error(err)
		}
		if err := h.vault.EraseOrder("A-2026-0001", 1); err != nil {
			t.Error(err)
		}
		if err := h.vault.EraseKey(2); err != nil {
			t.Error(err)
		}
	}
	_, err = h.vault.Prepare(11, "A-2026-0001", now)
	refused(t, err, "order A-2026-0001 is not here")
	_, err = h.vault.Letter(10)
	refused(t, err, "is not here")
}

func TestKeysAreOfferedOnceAndListedWhileTheyLive(t *testing.T) {
	h := newHouse(t)
	again := must(h.vault.MakeKeys(1, 3, now.Add(time.Hour)))
	if !slices.Equal(again, h.offered) {
		t.Error("making keys again made other keys")
	}
	for _, k := range h.offered {
		if p := h.publicKey(k.Key); envelope.Hash(p.Public) != k.Hash || !p.Expires.Equal(k.Expires) {
			t.Errorf("key %d is listed as another", k.Key)
		}
	}
	h.arrive("A-2026-0001", 1)
	if err := h.vault.EraseKey(2); err != nil {
		t.Fatal(err)
	}
	list := h.listed()
	if len(list) != 1 || list[0].ID != 3 {
		t.Errorf("%d keys are listed", len(list))
	}
	_, err := h.vault.MakeKeys(4, 20, now)
	refused(t, err, "no free slot: all 12 are in use")
}

func TestLapsedKeyTakesItsOrderAlong(t *testing.T) {
	h := newHouse(t)
	h.arrive("A-2026-0001", 1)
	if err := h.vault.EraseKey(1); err != nil {
		t.Fatal(err)
	}
	if got, want := h.holdings(), "roster/current, 2 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestVaultIsNeverPrinted(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	code := h.read(10).Code
	if opened := must(h.vault.Try(1, 10, 0, code)); !opened {
		t.Fatal("not opened")
	}
	if b, err := json.Marshal(h.vault); err == nil {
		t.Errorf("written as %s", b)
	}
	for _, text := range printed(h.vault) {
		if text != "vault.Vault(hidden)" {
			t.Errorf("printed as %.100q", text)
		}
	}
}
