package city_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/topic"
	"github.com/nachtfach/nachtfach/pin"
)

// desk is one terminal that reports, with keys on offer, and a client of the
// city's socket.
type desk struct {
	*testing.T
	b     *citytest.Broker
	c     *citytest.City
	m     *citytest.Terminal
	r     *report.Reporter
	ask   *api.Client
	keys  map[locker.KeyID][]byte // private halves
	admin envelope.Signer
	roll  *envelope.Roster
}

func open(t *testing.T) *desk {
	t.Helper()
	t.Parallel()
	d := &desk{T: t, b: citytest.StartBroker(t), keys: map[locker.KeyID][]byte{}}
	d.c = citytest.NewCity(t, d.b.URL())
	d.c.Config.Socket = filepath.Join(t.TempDir(), "s") // a socket's path has at most 107 bytes
	d.c.Reopen()
	d.m = citytest.NewTerminal(t, "rathaus-1", d.c.Config.Verifier)
	d.c.Add(d.m)
	d.c.Start()
	d.r, _ = d.m.Report(d.b.URL())
	d.ask = api.Dial(d.c.Config.Socket)
	private, public, err := envelope.GenerateSSH(rand.Reader, "desk and admin")
	d.check(err)
	d.admin, err = envelope.ParseSSH(private)
	d.check(err)
	d.roll = &envelope.Roster{People: []envelope.Entry{{Person: "anna", Role: locker.Admin, Keys: []string{public}}}}
	citytest.Eventually(t, "the socket", soon, func() bool { _, err := d.ask.Identity(t.Context()); return err == nil })
	return d
}

func (d *desk) check(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// refused fails the test unless the city answered with this status.
func (d *desk) refused(err error, status int, says string) {
	d.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, says) {
		d.Fatalf("answered %v, wants status %d and %q", err, status, says)
	}
}

// offer makes keys as the terminal does: event first, then the signed list.
func (d *desk) offer(ids ...locker.KeyID) {
	d.Helper()
	var fact locker.KeysOffered
	var list []envelope.PublishedKey
	for _, id := range ids {
		private, public, err := envelope.Standard{}.GenerateKey()
		d.check(err)
		d.keys[id] = private
		k := envelope.PublishedKey{ID: id, Public: public, Expires: time.Now().Add(locker.KeyLife)}
		list = append(list, k)
		fact.Keys = append(fact.Keys, k.Offered())
	}
	d.m.Append(fact)
	signed, err := envelope.SignKeys(d.m.Signer, d.m.ID, list)
	d.check(err)
	d.m.Desk.Show(nil, signed)
	d.r.Refresh()
}

func (d *desk) lease() (k api.Key) {
	d.Helper()
	citytest.Eventually(d, "a key to lease", soon, func() bool {
		var err error
		k, err = d.ask.LeaseKey(d.Context(), d.m.ID)
		return err == nil
	})
	return k
}

func (d *desk) seal(id locker.OrderID, version int, key api.Key) []byte {
	d.Helper()
	sealed, err := envelope.SealOrder(envelope.Standard{}, d.admin, key.Public, envelope.Order{
		Terminal: d.m.ID, Issued: time.Now(),
		Terms: locker.OrderTerms{
			Order: id, Version: version, Key: key.Key, Size: locker.Small,
			Documents:  []locker.DocumentKind{locker.IdentityCard},
			Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorNumber}},
		},
		Factors: []envelope.Factor{{Kind: locker.FactorNumber, Number: []byte("123456")}},
	})
	d.check(err)
	return sealed
}

func (d *desk) order(id locker.OrderID) api.Order {
	d.Helper()
	o, err := d.ask.Order(d.Context(), id)
	d.check(err)
	return o
}

// silent tells how many messages of the topic came within a while.
func (d *desk) during(on topic.Topic, while time.Duration) int {
	before := len(d.m.Desk.Received(on))
	time.Sleep(while)
	return len(d.m.Desk.Received(on)) - before
}

func TestAKeyIsLeasedOnceAndOnlyIfAnEventNamesIt(t *testing.T) {
	d := open(t)
	_, public, err := envelope.Standard{}.GenerateKey()
	d.check(err)
	unnamed, err := envelope.SignKeys(d.m.Signer, d.m.ID, []envelope.PublishedKey{{ID: 9, Public: public, Expires: time.Now().Add(time.Hour)}})
	d.check(err)
	d.b.Publish(topic.Keys.Of(d.m.ID), unnamed, true)
	d.offer(1, 2)
	first, second := d.lease(), d.lease()
	if first.Key == second.Key || first.Key > 2 || second.Key > 2 {
		t.Fatalf("leased keys %d and %d", first.Key, second.Key)
	}
	d.r.Refresh()
	d.b.Publish(topic.Keys.Of(d.m.ID), d.m.Desk.Keys()[0], true) // the list once more
	time.Sleep(100 * time.Millisecond)
	_, err = d.ask.LeaseKey(t.Context(), d.m.ID)
	d.refused(err, http.StatusConflict, "no unused order key")
	_, err = d.ask.LeaseKey(t.Context(), "rathaus-9")
	d.refused(err, http.StatusNotFound, "rathaus-9")
}

func TestAnOrderIsHeldUntilItsDocumentArrivesAndRepeatedUntilAnswered(t *testing.T) {
	d := open(t)
	d.offer(1)
	key := d.lease()
	sealed := d.seal("order-0001", 1, key)
	o, err := d.ask.SubmitOrder(t.Context(), sealed)
	d.check(err)
	if o.State != api.OrderHeld {
		t.Fatalf("the order is %s", o.State)
	}
	if n := d.during(topic.Order, 500*time.Millisecond); n != 0 {
		t.Fatalf("%d messages before the document arrived", n)
	}
	_, err = d.ask.Arrived(t.Context(), "order-0001")
	d.check(err)
	citytest.Eventually(t, "the order twice", soon, func() bool { return len(d.m.Desk.Received(topic.Order)) >= 2 })
	if got := d.m.Desk.Received(topic.Order)[0]; !bytes.Equal(got, sealed) {
		t.Error("the terminal got something else than the desk sealed")
	}
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0001", 2, key))
	d.refused(err, http.StatusConflict, "sent")

	terms := locker.OrderTerms{Order: "order-0001", Version: 1, Key: key.Key}
	d.m.Append(locker.OrderAccepted{OrderTerms: terms, Hash: envelope.Hash(sealed)})
	citytest.Eventually(t, "accepted", soon, func() bool { return d.order("order-0001").State == api.OrderAccepted })
	if n := d.during(topic.Order, 500*time.Millisecond); n != 0 {
		t.Errorf("%d messages after the answer", n)
	}
	d.forgotten("the sealed order", m(sealed))
}

// m is the middle of a message: enough to find it again.
func m(message []byte) []byte { return message[len(message)/2 : len(message)/2+40] }

// forgotten fails the test if the bytes are in one of the record's files.
func (d *desk) forgotten(what string, text []byte) {
	d.Helper()
	d.check(d.c.Scrub())
	files, err := filepath.Glob(d.c.Config.Record + "*")
	d.check(err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		d.check(err)
		if bytes.Contains(content, text) {
			d.Errorf("%s is still in %s", what, filepath.Base(name))
		}
	}
}

func TestARefusedOrderIsToldWithItsReason(t *testing.T) {
	d := open(t)
	d.offer(1, 2)
	_, err := d.ask.SubmitOrder(t.Context(), d.seal("order-0001", 1, d.lease()))
	d.check(err)
	_, err = d.ask.Arrived(t.Context(), "order-0001")
	d.check(err)
	// somebody else's message under this name answers nothing
	d.m.Append(locker.MessageRefused{Message: locker.MessageOrder, Order: "order-0001", Version: 7, Reason: "forged"})
	citytest.Eventually(t, "the order", soon, func() bool { return len(d.m.Desk.Received(topic.Order)) > 0 })
	d.m.Append(locker.MessageRefused{Message: locker.MessageOrder, Order: "order-0001", Version: 1, Reason: "desk has left"})
	citytest.Eventually(t, "refused", soon, func() bool {
		o := d.order("order-0001")
		return o.State == api.OrderRefused && o.Reason == "desk has left"
	})
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0001", 2, d.lease()))
	d.check(err) // the next version may come
}

func TestOrdersThatCannotBeAreRefusedAtOnce(t *testing.T) {
	d := open(t)
	d.offer(1, 2)
	key := d.lease()
	_, err := d.ask.SubmitOrder(t.Context(), []byte("hello"))
	d.refused(err, http.StatusBadRequest, "sealed order")
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0001", 1, api.Key{Key: 3 - key.Key, Public: key.Public}))
	d.refused(err, http.StatusConflict, "not leased")
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0001", 1, key))
	d.check(err)
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0002", 1, key))
	d.refused(err, http.StatusConflict, "is order order-0001's")
	_, err = d.ask.Arrived(t.Context(), "order-0009")
	d.refused(err, http.StatusNotFound, "order-0009")
	_, err = d.ask.SubmitOrder(t.Context(), make([]byte, envelope.MaxMessage+1))
	d.refused(err, http.StatusBadRequest, "more than")
}

func TestAWithdrawal(t *testing.T) {
	d := open(t)
	d.offer(1, 2)
	for _, id := range []locker.OrderID{"order-held", "order-sent"} {
		_, err := d.ask.SubmitOrder(t.Context(), d.seal(id, 1, d.lease()))
		d.check(err)
	}
	_, err := d.ask.Arrived(t.Context(), "order-sent")
	d.check(err)
	sign := func(id locker.OrderID) []byte {
		signed, err := envelope.SignWithdrawal(d.admin, envelope.Withdrawal{Terminal: d.m.ID, Order: id, Issued: time.Now()})
		d.check(err)
		return signed
	}
	_, err = d.ask.Withdraw(t.Context(), "order-held", []byte("hello"))
	d.refused(err, http.StatusBadRequest, "it is none")
	o, err := d.ask.Withdraw(t.Context(), "order-held", sign("order-held"))
	d.check(err)
	if o.State != api.OrderWithdrawn {
		t.Errorf("a held order is %s", o.State)
	}
	_, err = d.ask.Arrived(t.Context(), "order-held")
	d.refused(err, http.StatusConflict, "withdrawn")

	_, err = d.ask.Withdraw(t.Context(), "order-sent", sign("order-sent"))
	d.check(err)
	withdrawals := func() (n int) {
		for _, message := range d.m.Desk.Received(topic.Order) {
			if envelope.IsWithdrawal(message) {
				n++
			}
		}
		return n
	}
	citytest.Eventually(t, "the withdrawal, twice", soon, func() bool { return withdrawals() >= 2 })
	d.m.Append(locker.OrderWithdrawn{Order: "order-sent", Desk: "anna"})
	citytest.Eventually(t, "withdrawn", soon, func() bool { return d.order("order-sent").State == api.OrderWithdrawn })
	if n := d.during(topic.Order, 500*time.Millisecond); n != 0 {
		t.Errorf("%d messages after the answer", n)
	}
}

// deposit lets the terminal load a deposit, and publish its letter.
func (d *desk) deposit(g locker.Generation, id locker.OrderID) (pin.Code, envelope.Share) {
	d.Helper()
	code, err := pin.Draw(rand.Reader, 4711)
	d.check(err)
	share, err := envelope.DrawShare(rand.Reader)
	d.check(err)
	identity, err := d.ask.Identity(d.Context())
	d.check(err)
	letter, err := envelope.SealLetter(envelope.Standard{}, d.m.Signer, identity.LetterKey, envelope.Letter{
		Terminal: d.m.ID, Order: id, Generation: g, Code: code, Share: share, Fingers: []int{2, 7},
	})
	d.check(err)
	d.m.Append(
		locker.DepositReserved{Generation: g, Order: id, Compartment: 7, Round: 1},
		locker.DepositPrepared{Generation: g}, locker.DocumentLaid{Generation: g, Round: 1}, locker.DepositLoaded{Generation: g, Round: 1},
	)
	d.m.Desk.ShowAlso(nil, letter)
	d.r.Refresh()
	return code, share
}

func (d *desk) print(id locker.OrderID) (l api.Letter) {
	d.Helper()
	citytest.Eventually(d, "a letter", soon, func() bool {
		var err error
		l, err = d.ask.Letter(d.Context(), id)
		return err == nil
	})
	return l
}

func TestALetterIsPrintedOnceAndForgotten(t *testing.T) {
	d := open(t)
	code, share := d.deposit(1, "order-0001")
	l := d.print("order-0001")
	if l.Code != code.Groups() || l.QR != code.QR() || l.Generation != 1 || l.Terminal != d.m.ID {
		t.Error("the letter is another one")
	}
	sealed := d.m.Desk.Letters()[0]
	d.b.Publish(topic.Letter.Of(d.m.ID), sealed, false) // the terminal has not heard yet and repeats it
	time.Sleep(200 * time.Millisecond)
	_, err := d.ask.Letter(t.Context(), "order-0001")
	d.refused(err, http.StatusNotFound, "no letter that is not printed yet")
	d.forgotten("the code", []byte(strings.TrimPrefix(code.QR(), "NF1:")))
	d.forgotten("the sealed letter", m(sealed))

	citytest.Eventually(t, "the posted letter told twice", soon, func() bool { return len(d.m.Desk.Received(topic.Posted)) >= 2 })
	posted, err := envelope.OpenPosted(d.m.CityVerifier(d.c), d.m.ID, d.m.Desk.Received(topic.Posted)[0])
	d.check(err)
	if posted.Generation != 1 || posted.Order != "order-0001" || posted.Day != l.Posted {
		t.Errorf("told %+v", posted)
	}
	d.m.Append(locker.LetterPosted{Generation: 1, Day: posted.Day}, locker.LetterDeleted{Generation: 1})
	citytest.Eventually(t, "posted", soon, func() bool {
		all, err := d.ask.Deposits(t.Context(), d.m.ID)
		return err == nil && all[0].Posted == posted.Day
	})
	if n := d.during(topic.Posted, 500*time.Millisecond); n != 0 {
		t.Errorf("%d messages after the answer", n)
	}

	d.m.Append(locker.DocumentTaken{Generation: 1, Confirmed: true}, locker.SlotErased{Generation: 1})
	citytest.Eventually(t, "the end", soon, func() bool {
		all, err := d.ask.Deposits(t.Context(), d.m.ID)
		return err == nil && all[0].Erased
	})
	d.forgotten("the re-issue share", share.Bytes())
	d.b.Publish(topic.Letter.Of(d.m.ID), sealed, false) // played again much later
	time.Sleep(200 * time.Millisecond)
	d.forgotten("the re-issue share", share.Bytes())
}

func TestWhatBelongsToADummyIsMarked(t *testing.T) {
	d := open(t)
	d.offer(1, 2)
	hold := func(id locker.OrderID) api.Key {
		key := d.lease()
		_, err := d.ask.SubmitOrder(t.Context(), d.seal(id, 1, key))
		d.check(err)
		return key
	}
	dummy, genuine := hold("order-0001"), hold("order-0002")
	if d.order("order-0001").Training {
		t.Error("a mark comes from nowhere")
	}
	d.m.Desk.ShowAlso([]byte(`{"training":true}`))
	d.r.Refresh()
	citytest.Eventually(t, "the mark of a terminal that trains", soon, func() bool { return d.order("order-0001").Training })
	d.m.Append(
		locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "order-0001", Version: 1, Key: dummy.Key, Training: true}},
		locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "order-0002", Version: 1, Key: genuine.Key}},
	)
	d.r.Refresh()
	citytest.Eventually(t, "both accepted", soon, func() bool { return d.order("order-0002").State == api.OrderAccepted })
	if !d.order("order-0001").Training || d.order("order-0002").Training {
		t.Error("an accepted order is marked by its terminal and not by itself")
	}
	d.deposit(1, "order-0001")
	if !d.print("order-0001").Training {
		t.Error("a dummy's letter is not marked")
	}
	d.deposit(2, "order-0002")
	if d.print("order-0002").Training {
		t.Error("a document's letter is marked")
	}
}

func TestALetterThatTheDeviceDidNotSignIsRefused(t *testing.T) {
	d := open(t)
	d.deposit(1, "order-0001")
	other := citytest.NewTerminal(t, d.m.ID, d.c.Config.Verifier) // same name, another key
	code, err := pin.Draw(rand.Reader, 1)
	d.check(err)
	share, err := envelope.DrawShare(rand.Reader)
	d.check(err)
	identity, err := d.ask.Identity(t.Context())
	d.check(err)
	forged, err := envelope.SealLetter(envelope.Standard{}, other.Signer, identity.LetterKey, envelope.Letter{
		Terminal: d.m.ID, Order: "order-0002", Generation: 2, Code: code, Share: share,
	})
	d.check(err)
	d.b.Publish(topic.Letter.Of(d.m.ID), forged, false)
	citytest.Eventually(t, "an alarm", soon, func() bool { return len(d.c.Alarmed(api.AlarmSignature)) == 1 })
	_, err = d.ask.Letter(t.Context(), "order-0002")
	d.refused(err, http.StatusNotFound, "no letter")
}

func TestALostLetterIsReplaced(t *testing.T) {
	d := open(t)
	d.offer(1)
	_, share := d.deposit(1, "order-0001")
	d.print("order-0001")
	draft, err := d.ask.DraftReissue(t.Context(), "order-0001")
	d.check(err)
	signed, err := envelope.Sign(d.admin, draft.Namespace, draft.Text)
	d.check(err)
	d.check(d.ask.Reissue(t.Context(), "order-0001", signed))
	citytest.Eventually(t, "the command, twice", soon, func() bool { return len(d.m.Desk.Received(topic.Command)) >= 2 })

	command, admins, err := envelope.OpenCommand(envelope.Standard{}, d.m.Desk.Received(topic.Command)[0], d.m.ID, citytest.Challenge, d.roll, time.Now())
	d.check(err)
	if admins[0] != "anna" || command.Order != "order-0001" || command.Generation != 1 {
		t.Fatalf("command %+v of %s", command, admins)
	}
	opened, err := command.OpenShare(envelope.Standard{}, d.keys[command.Key])
	d.check(err)
	if !bytes.Equal(opened.Bytes(), share.Bytes()) {
		t.Error("the share is another one")
	}
	d.m.Append(locker.DepositReserved{Generation: 2, Order: "order-0001", Compartment: 7, Replaces: 1, Admin: admins[0]},
		locker.DepositPrepared{Generation: 2}, locker.DepositReissued{Generation: 2, Replaces: 1})
	citytest.Eventually(t, "replaced", soon, func() bool {
		all, err := d.ask.Deposits(t.Context(), d.m.ID)
		return err == nil && len(all) == 2 && all[1].State == api.DepositReplaced && all[0].State == api.DepositLoaded
	})
	if n := d.during(topic.Command, 500*time.Millisecond); n != 0 {
		t.Errorf("%d messages after the answer", n)
	}
	d.forgotten("the old share", share.Bytes())
	_, err = d.ask.DraftReissue(t.Context(), "order-0009")
	d.refused(err, http.StatusNotFound, "no deposit")
}

func TestARosterIsRetainedUntilItIsAnswered(t *testing.T) {
	d := open(t)
	d.check(d.ask.SubmitRoster(t.Context(), []byte(`{"terminal":"rathaus-1","version":3,"sealed":"AAAA"}`)))
	d.b.WaitFor(topic.Roster.Of(d.m.ID))
	citytest.Eventually(t, "the roster", soon, func() bool { return len(d.m.Desk.Received(topic.Roster)) > 0 })
	d.m.Append(locker.RosterAccepted{Version: 3, Hash: "00"})
	citytest.Eventually(t, "nothing retained", soon, func() bool { return !d.b.Retains(topic.Roster.Of(d.m.ID)) })
	time.Sleep(300 * time.Millisecond)
	if n := d.during(topic.Roster, 500*time.Millisecond); n != 0 {
		t.Errorf("%d messages after the answer", n)
	}
	d.refused(d.ask.SubmitRoster(t.Context(), []byte(`{"terminal":"rathaus-9","version":3,"sealed":"AAAA"}`)), http.StatusNotFound, "rathaus-9")
	d.refused(d.ask.SubmitRoster(t.Context(), []byte(`{}`)), http.StatusBadRequest, "version 0")
}

func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	d := open(t)
	info, err := os.Stat(d.c.Config.Socket)
	d.check(err)
	if info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("mode %v", info.Mode())
	}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(d.c.Config.Record + suffix)
		d.check(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the record's file %q has mode %v", suffix, info.Mode())
		}
	}
}

// TestAHeldOrderEndsWithItsKey waits for a document that never comes: when the
// terminal has erased the order's key, the city forgets the sealed order too.
func TestAHeldOrderEndsWithItsKey(t *testing.T) {
	d := open(t)
	d.offer(1)
	sealed := d.seal("order-0001", 1, d.lease())
	_, err := d.ask.SubmitOrder(t.Context(), sealed)
	d.check(err)
	d.m.Append(locker.KeyLapsed{Key: 1})
	citytest.Eventually(t, "the order's end", soon, func() bool { return d.order("order-0001").State == api.OrderWithdrawn })
	if reason := d.order("order-0001").Reason; !strings.Contains(reason, "capture the order again") {
		t.Errorf("the reason is %q", reason)
	}
	d.forgotten("the sealed order", m(sealed))
}
