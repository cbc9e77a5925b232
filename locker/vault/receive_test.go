package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin/seal"
)

func TestOrderThatComesAgainIsTheSame(t *testing.T) {
	h := newHouse(t)
	message := h.sealed(h.desk, anOrder("A-2026-0001", 1))
	first := must(h.vault.ReceiveOrder(message, now)).(locker.OrderReceived)
	if first.Hash != envelope.Hash(message) {
		t.Error("the hash is not the message's")
	}
	for range 2 {
		again := must(h.vault.ReceiveOrder(message, now.Add(time.Hour))).(locker.OrderReceived)
		if again.Hash != first.Hash || again.Terms.Desk != "d-1" || len(again.Terms.Recipients[0].Fingers) != 2 {
			t.Errorf("again: %+v", again)
		}
		h.open()
	}
}

func TestLiveOrderIsNeverReplaced(t *testing.T) {
	h := newHouse(t)
	first := h.arrive("A-2026-0001", 1)
	swapped := anOrder("A-2026-0001", 2)
	swapped.Terms.Version = 2
	swapped.Factors[0].Fingers[0].Enrolment = []byte("enrolled:max right")
	in, err := h.vault.ReceiveOrder(h.sealed(h.desk, swapped), now)
	rejected(t, in, err, "is here in version 1; a live order is never replaced")
	if r := in.(locker.MessageRejected); r.Order != "A-2026-0001" || r.Version != 2 || r.Message != locker.MessageOrder {
		t.Errorf("%+v", r)
	}
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err != nil {
		t.Fatal(err)
	}
	if err := h.vault.EraseOrder("A-2026-0001", first.Terms.Key); err != nil {
		t.Fatal(err)
	}
	in, err = h.vault.ReceiveOrder(h.sealed(h.desk, swapped), now)
	rejected(t, in, err, "lies here already, as generation 10")
}

func TestOrderIsRefused(t *testing.T) {
	h := newHouse(t)
	spoilt := func(spoil func(*envelope.Order)) []byte {
		o := anOrder("A-2026-0001", 1)
		spoil(&o)
		return h.sealed(h.desk, o)
	}
	for says, message := range map[string][]byte{
		"wants an object":            nil,
		"roster 3 does not know":     h.sealed(h.stranger, anOrder("A-2026-0001", 1)),
		"who is admin, wants desk":   h.sealed(h.anna, anOrder("A-2026-0001", 1)),
		`is for terminal "other"`:    spoilt(func(o *envelope.Order) { o.Terminal = "other" }),
		"issued 2026-11-24T22:00:00": spoilt(func(o *envelope.Order) { o.Issued = now.Add(96 * time.Hour) }),
		"2 documents":                spoilt(func(o *envelope.Order) { o.Terms.Documents = append(o.Terms.Documents, locker.Passport) }),
		"2 recipients": spoilt(func(o *envelope.Order) {
			o.Terms.Recipients = append(o.Terms.Recipients, o.Terms.Recipients[0])
			o.Factors = append(o.Factors, o.Factors[0])
		}),
		"finger 7: no enrolment":                      spoilt(func(o *envelope.Order) { o.Factors[0].Fingers[1].Enrolment = []byte("junk") }),
		"key 9 is spent, lapsed or was never offered": must(envelope.SealOrder(h.crypto, h.desk, h.publicKey(1).Public, anOrder("A-2026-0001", 9))),
		"does not open with key 2":                    must(envelope.SealOrder(h.crypto, h.desk, h.publicKey(1).Public, anOrder("A-2026-0001", 2))),
	} {
		in, err := h.vault.ReceiveOrder(message, now)
		rejected(t, in, err, says)
	}
	h.roster.Version, h.roster.People[0].Leaves = 4, now
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	if _, ok := must(h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))), now)).(locker.RosterReceived); !ok {
		t.Fatal("no roster")
	}
	in, err := h.vault.ReceiveOrder(h.sealed(h.desk, anOrder("A-2026-0001", 1)), now)
	rejected(t, in, err, "signed by d-1, who left on 2026-11-20")
	if got, want := h.holdings(), "roster/current, 3 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestKeySealsOneOrder(t *testing.T) {
	h := newHouse(t)
	second := h.sealed(h.desk, anOrder("A-2026-0002", 1))
	h.arrive("A-2026-0001", 1)
	in, err := h.vault.ReceiveOrder(second, now)
	rejected(t, in, err, "key 1 was used for order A-2026-0001")
}

func TestDeskMayLeaveBetweenArrivalAndLoading(t *testing.T) {
	h := newHouse(t)
	h.arrive("A-2026-0001", 1)
	h.roster.Version, h.roster.People = 4, h.roster.People[1:]
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	if _, ok := must(h.vault.ReceiveRoster(must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))), now)).(locker.RosterReceived); !ok {
		t.Fatal("no roster")
	}
	if _, err := h.vault.Prepare(10, "A-2026-0001", now); err != nil {
		t.Error(err)
	}
}

func TestWithdrawalIsTheDesksWord(t *testing.T) {
	h := newHouse(t)
	withdraw := func(by person, terminal string) (locker.Input, error) {
		return h.vault.ReceiveWithdrawal(must(envelope.SignWithdrawal(by, envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now})), now)
	}
	if in, err := withdraw(h.desk, terminal); err != nil || in != (locker.WithdrawalReceived{Order: "A-2026-0001", Desk: "d-1"}) {
		t.Errorf("%+v, %v", in, err)
	}
	in, err := withdraw(h.desk, "other")
	rejected(t, in, err, "is for terminal")
	in, err = withdraw(h.stranger, terminal)
	rejected(t, in, err, "does not know")
}

func TestPostedIsForItsOrder(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	posted := func(order locker.OrderID, day string) (locker.Input, error) {
		return h.vault.ReceivePosted(must(envelope.SignPosted(h.city, envelope.Posted{Terminal: terminal, Generation: 10, Order: order, Day: day})), now)
	}
	in, err := posted("A-2026-0002", "2026-11-20")
	rejected(t, in, err, "generation 10 is of order A-2026-0001")
	in, err = posted("A-2026-0001", "2026-11-24")
	rejected(t, in, err, "here it is 2026-11-20")
	in, err = h.vault.ReceivePosted([]byte("posted"), now)
	rejected(t, in, err, "posted")
	if _, err := posted("A-2026-0001", "2026-11-19"); err != nil {
		t.Error(err)
	}
}

func TestLostLetterIsReplacedWithoutANewFinger(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	if err := h.vault.EraseOrder("A-2026-0001", 1); err != nil {
		t.Fatal(err)
	}
	old := h.read(10)
	message := h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), old.Share)
	want := locker.ReissueReceived{Order: "A-2026-0001", Generation: 10, Key: 2, Admin: "a-1", Nonce: nonceOf(t, message), Expires: now.Add(5 * time.Minute)}
	for range 2 { // the city repeats it
		if in := must(h.vault.ReceiveCommand(message, now)); in != want {
			t.Fatalf("%+v", in)
		}
	}
	if list := h.listed(); len(list) != 1 {
		t.Errorf("%d keys are listed", len(list))
	}
	hash, err := h.vault.Reissue(11, 10, "A-2026-0001", now)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.vault.Reissue(11, 10, "A-2026-0001", now); err != nil || again != hash {
		t.Errorf("again: %v", err)
	}
	in, err := h.vault.ReceiveCommand(message, now)
	rejected(t, in, err, "carried out already")

	fresh := h.read(11)
	if fresh.Code.Selector() == old.Code.Selector() || bytes.Equal(fresh.Share.Bytes(), old.Share.Bytes()) || len(fresh.Fingers) != 2 || !fresh.PINLetter {
		t.Error("the new letter is not new, or not whole")
	}
	if err := h.vault.EraseSlot(10, now); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := h.vault.Find(old.Code); ok {
		t.Error("the old code finds something")
	}
	if opened := must(h.vault.Try(1, 11, 0, fresh.Code)); !opened {
		t.Fatal("the new code does not open")
	}
	if _, err := h.vault.Capture(1, finger("erika left")); err != nil {
		t.Fatal(err)
	}
	if got := must(h.vault.Compare(1, 11, locker.FactorFinger, 7, nil, 1e-4)); !got.Accepted {
		t.Error("the finger is another")
	}
	if got := h.holdings(); !bytes.Contains([]byte(got), []byte("deposits/11 letters/10 letters/11")) || !bytes.HasSuffix([]byte(got), []byte(", 2 slots")) {
		t.Errorf("left: %s", got) // one order key and the new generation
	}
}

// stubborn fails to erase as often as it says.
type stubborn struct {
	*vault.SlotFile
	fails int
}

var errStubborn = errors.New("input/output error")

func (s *stubborn) Erase(i int) error {
	if s.fails > 0 {
		s.fails--
		return errStubborn
	}
	return s.SlotFile.Erase(i)
}

func TestReissueThatCouldNotEraseItsKeyDoesSoWhenRepeated(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	if _, ok := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), h.read(10).Share), now)).(locker.ReissueReceived); !ok {
		t.Fatal("refused")
	}
	h.config.Slots = &stubborn{h.slots, 1}
	h.open()
	if _, err := h.vault.Reissue(11, 10, "A-2026-0001", now); !errors.Is(err, errStubborn) {
		t.Fatal(err)
	}
	letter := h.read(11)
	hash, err := h.vault.Reissue(11, 10, "A-2026-0001", now)
	if err != nil || hash != envelope.Hash(h.records.buckets["deposits"]["11"]) || h.read(11).Code.QR() != letter.Code.QR() {
		t.Errorf("again: %v", err)
	}
	if got := h.holdings(); !strings.HasSuffix(got, ", 4 slots") { // two order keys, two generations
		t.Errorf("left: %s", got)
	}
}

func TestReissueIsRefused(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	share := h.read(10).Share
	foreign := must(envelope.NewShare(bytes.Repeat([]byte{1}, seal.KeySize)))
	key := h.publicKey(2)
	unknown := key
	unknown.ID = 99
	for says, message := range map[string][]byte{
		"the share is not this deposit's":              h.reissue(h.anna, 10, "A-2026-0001", key, foreign),
		"wants admin":                                  h.reissue(h.desk, 10, "A-2026-0001", key, share),
		"does not know":                                h.reissue(h.stranger, 10, "A-2026-0001", key, share),
		"generation 11 is no deposit of order":         h.reissue(h.anna, 11, "A-2026-0001", key, share),
		"generation 10 is no deposit of order A-2026-": h.reissue(h.anna, 10, "A-2026-0009", key, share),
		"key 99 is spent":                              h.reissue(h.anna, 10, "A-2026-0001", unknown, share),
		"key 1 was used for order":                     h.reissue(h.anna, 10, "A-2026-0001", envelope.PublishedKey{ID: 1, Public: key.Public}, share),
		"share does not open with key 3":               h.reissue(h.anna, 10, "A-2026-0001", envelope.PublishedKey{ID: 3, Public: key.Public}, share),
	} {
		in, err := h.vault.ReceiveCommand(message, now)
		rejected(t, in, err, says)
	}
	late := h.reissue(h.anna, 10, "A-2026-0001", key, share)
	in, err := h.vault.ReceiveCommand(late, now.Add(6*time.Minute))
	rejected(t, in, err, "expired")
	_, err = h.vault.Reissue(11, 10, "A-2026-0001", now)
	refused(t, err, "no command to re-issue order A-2026-0001 waits")
	if got, want := h.holdings(), "deposits/10 letters/10 orders/A-2026-0001 roster/current, 4 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestShareThatDoesNotOpenStopsTheReissueItself(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	share := h.read(10).Share
	if _, ok := must(h.vault.ReceiveCommand(h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), share), now)).(locker.ReissueReceived); !ok {
		t.Fatal("refused")
	}
	for i := range h.slots.Count() { // somebody exchanges the deposit's slot meanwhile
		if block := must(h.slots.Read(i)); block != nil && block[0] == 'd' {
			block[9] ^= 1
			if err := h.slots.Write(i, block); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := len(h.records.ever)
	_, err := h.vault.Reissue(11, 10, "A-2026-0001", now)
	refused(t, err, "the share is not this deposit's")
	if len(h.records.ever) != before || h.records.buckets["commands"]["10"] != nil {
		t.Error("something was written, or the command still waits")
	}
}

func TestNewerCommandTakesTheOldersPlace(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	share := h.read(10).Share
	public := h.publicKey(2).Public
	first := h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), share)
	second := h.reissue(h.bert, 10, "A-2026-0001", h.publicKey(3), share)
	for _, m := range [][]byte{first, second} {
		if _, ok := must(h.vault.ReceiveCommand(m, now)).(locker.ReissueReceived); !ok {
			t.Fatal("refused")
		}
	}
	in, err := h.vault.ReceiveCommand(first, now)
	rejected(t, in, err, "or replaced")
	if got, want := len(h.records.buckets["nonces"]), 2; got != want {
		t.Errorf("%d nonces, want %d", got, want)
	}
	// a third one, a day later, finds all of that forgotten
	c := must(envelope.NewReissue(h.crypto, rand.Reader, terminal, h.vault.Challenge(), "A-2026-0001", 10, now.Add(24*time.Hour), envelope.PublishedKey{ID: 9, Public: public}, share))
	in, err = h.vault.ReceiveCommand(must(envelope.SignCommand(h.anna, c)), now.Add(24*time.Hour))
	rejected(t, in, err, "key 9")
	if len(h.records.buckets["nonces"]) != 0 || len(h.records.buckets["commands"]) != 0 {
		t.Errorf("left: %s", h.holdings())
	}
}

// full fails every Put.
type full struct{ *memory }

var errFull = errors.New("no space left")

func (full) Put(string, string, []byte) error { return errFull }

func TestStorageThatFailsIsAnErrorAndNoRefusal(t *testing.T) {
	h := newHouse(t)
	h.load("A-2026-0001", 1, 10)
	order := h.sealed(h.desk, anOrder("A-2026-0002", 2))
	key, share := h.publicKey(3), h.read(10).Share
	h.roster.Version = 4
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	roster := must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert)))
	h.config.Records = full{h.records}
	h.open()
	command := h.reissue(h.anna, 10, "A-2026-0001", key, share)
	for name, receive := range map[string]func() (locker.Input, error){
		"order":   func() (locker.Input, error) { return h.vault.ReceiveOrder(order, now) },
		"command": func() (locker.Input, error) { return h.vault.ReceiveCommand(command, now) },
		"roster":  func() (locker.Input, error) { return h.vault.ReceiveRoster(roster, now) },
	} {
		if in, err := receive(); !errors.Is(err, errFull) || in != nil {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
	if _, err := h.vault.Prepare(11, "A-2026-0001", now); !errors.Is(err, errFull) {
		t.Errorf("prepare: %v", err)
	}
	if got, want := h.holdings(), "deposits/10 letters/10 orders/A-2026-0001 roster/current, 4 slots"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestWhatWasSignedForAnEarlierStartCountsForNothing(t *testing.T) {
	h := newHouse(t)
	c := must(envelope.NewCommand(rand.Reader, terminal, h.vault.Challenge(), locker.Command{Kind: locker.CommandLock}, now.Add(time.Minute)))
	message := must(envelope.SignCommand(h.anna, c))
	want := locker.CommandReceived{Command: c.Command, Admins: []locker.Person{"a-1"}, Nonce: c.Nonce, Expires: c.Expires}
	if in := must(h.vault.ReceiveCommand(message, now)); !reflect.DeepEqual(in, want) {
		t.Fatalf("%+v", in)
	}
	before := h.vault.Challenge()
	h.open()
	if h.vault.Challenge() == before {
		t.Fatal("the challenge stayed")
	}
	in, err := h.vault.ReceiveCommand(message, now)
	rejected(t, in, err, "of another start")
	if r := in.(locker.MessageRejected); r.Nonce != c.Nonce {
		t.Errorf("the refusal names nonce %q", r.Nonce)
	}
}

func FuzzReceive(f *testing.F) {
	h := newHouse(f)
	h.load("A-2026-0001", 1, 10)
	public := must(h.crypto.PublicKey(h.config.TerminalKey))
	for _, seed := range [][]byte{
		h.sealed(h.desk, anOrder("A-2026-0002", 2)),
		must(envelope.SignWithdrawal(h.desk, envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now})),
		h.reissue(h.anna, 10, "A-2026-0001", h.publicKey(2), h.read(10).Share),
		must(envelope.SealRoster(h.crypto, public, h.signed(h.roster, h.anna, h.bert))),
		must(envelope.SignPosted(h.city, envelope.Posted{Terminal: terminal, Generation: 10, Order: "A-2026-0001", Day: "2026-11-20"})),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, receive := range []func([]byte, time.Time) (locker.Input, error){
			h.vault.ReceiveOrder, h.vault.ReceiveWithdrawal, h.vault.ReceiveCommand, h.vault.ReceiveRoster, h.vault.ReceivePosted,
		} {
			in, err := receive(message, now)
			if err != nil || in == nil {
				t.Fatalf("%+v, %v", in, err)
			}
			if r, ok := in.(locker.MessageRejected); ok && r.Reason == "" {
				t.Fatalf("%+v has no reason", r)
			}
		}
	})
}
