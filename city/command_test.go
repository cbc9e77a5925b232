package city_test

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// draft has the city draft a command, once the terminal has shown its challenge.
func (d *desk) draft(what locker.Command) (draft api.Draft) {
	d.Helper()
	citytest.Eventually(d, "a draft", soon, func() bool {
		var err error
		draft, err = d.ask.DraftCommand(d.Context(), d.m.ID, what)
		return err == nil
	})
	return draft
}

func (d *desk) signed(text []byte, by ...envelope.Signer) []byte {
	d.Helper()
	for _, admin := range by {
		var err error
		text, err = envelope.Sign(admin, envelope.NamespaceCommand, text)
		d.check(err)
	}
	return text
}

// second is another admin.
func (d *desk) second() envelope.Signer {
	d.Helper()
	private, public, err := envelope.GenerateSSH(rand.Reader, "bert")
	d.check(err)
	bert, err := envelope.ParseSSH(private)
	d.check(err)
	d.roll.People = append(d.roll.People, envelope.Entry{Person: "bert", Role: locker.Admin, Keys: []string{public}})
	return bert
}

func TestACommandIsRepeatedUntilAnEventAnswersIt(t *testing.T) {
	d := open(t)
	draft := d.draft(locker.Command{Kind: locker.CommandLock})
	d.check(d.ask.Command(t.Context(), d.m.ID, d.signed(draft.Text, d.admin)))
	citytest.Eventually(t, "the command, twice", soon, func() bool { return len(d.m.Desk.Received(topic.Command)) >= 2 })
	c, admins, err := envelope.OpenCommand(envelope.Standard{}, d.m.Desk.Received(topic.Command)[0], d.m.ID, citytest.Challenge, d.roll, time.Now())
	d.check(err)
	if c.Kind != locker.CommandLock || !slices.Equal(admins, []locker.Person{"anna"}) {
		t.Fatalf("%+v by %v", c, admins)
	}
	d.m.Append(locker.CommandFollowed{Command: c.Command, Admins: admins, Nonce: c.Nonce, Expires: c.Expires})
	citytest.Eventually(t, "acknowledged", soon, func() bool { return d.m.Journal.Cursor() == d.m.Journal.Size() })
	if n := d.during(topic.Command, 500*time.Millisecond); n > 1 {
		t.Errorf("%d messages after the answer", n)
	}
	for _, answer := range []func(nonce string) locker.Fact{
		func(nonce string) locker.Fact {
			return locker.CommandRefused{Command: c.Command, Nonce: nonce, Reason: "not now"}
		},
		func(nonce string) locker.Fact {
			return locker.MessageRefused{Message: locker.MessageCommand, Nonce: nonce, Reason: "signed by nobody"}
		},
	} {
		draft := d.draft(locker.Command{Kind: locker.CommandDiagnose})
		d.check(d.ask.Command(t.Context(), d.m.ID, d.signed(draft.Text, d.admin)))
		next, err := envelope.ParseCommand(draft.Text)
		d.check(err)
		d.m.Append(answer(next.Nonce))
		citytest.Eventually(t, "acknowledged", soon, func() bool { return d.m.Journal.Cursor() == d.m.Journal.Size() })
		if n := d.during(topic.Command, 500*time.Millisecond); n > 1 {
			t.Errorf("%d messages after a refusal", n)
		}
	}
}

func TestWhatTheCityDoesNotPassOn(t *testing.T) {
	d := open(t)
	draft := d.draft(locker.Command{Kind: locker.CommandUnlock})
	d.refused(d.ask.Command(t.Context(), d.m.ID, draft.Text), http.StatusBadRequest, "0 signatures, wants 1")
	d.refused(d.ask.Command(t.Context(), d.m.ID, d.signed(draft.Text, d.admin)), http.StatusBadRequest, "1 signatures, wants 2")
	d.refused(d.ask.Command(t.Context(), "rathaus-2", d.signed(draft.Text, d.admin, d.second())), http.StatusBadRequest, "for terminal rathaus-1")
	d.refused(d.ask.Command(t.Context(), d.m.ID, []byte("open compartment 7\n")), http.StatusBadRequest, "command")
	_, err := d.ask.DraftCommand(t.Context(), "rathaus-9", locker.Command{Kind: locker.CommandLock})
	d.refused(err, http.StatusNotFound, "rathaus-9")
	_, err = d.ask.DraftCommand(t.Context(), d.m.ID, locker.Command{Kind: "open"})
	d.refused(err, http.StatusBadRequest, "not known")
	_, err = d.ask.DraftCommand(t.Context(), d.m.ID, locker.Command{Kind: locker.CommandExtend, Order: "order-0009", Days: 3})
	d.refused(err, http.StatusNotFound, "order-0009")
	if n := d.during(topic.Command, 300*time.Millisecond); n != 0 {
		t.Errorf("%d messages went out", n)
	}
}

func TestAnExtensionAndARevocationShowInTheRecord(t *testing.T) {
	d := open(t)
	d.offer(1)
	d.deposit(1, "order-0001")
	d.m.Append(locker.DepositExpired{Generation: 1})
	state := func() api.Deposit {
		all, err := d.ask.Deposits(t.Context(), d.m.ID)
		if err != nil || len(all) != 1 {
			return api.Deposit{}
		}
		return all[0]
	}
	citytest.Eventually(t, "expired", soon, func() bool { return state().Expired })
	what, err := envelope.ParseCommand(d.draft(locker.Command{Kind: locker.CommandExtend, Order: "order-0001", Days: 3}).Text)
	d.check(err)
	if what.Generation != 1 {
		t.Fatalf("the city drafts generation %d", what.Generation)
	}
	d.m.Append(locker.CommandFollowed{Command: what.Command, Nonce: what.Nonce})
	citytest.Eventually(t, "extended", soon, func() bool { return state().Generation == 1 && !state().Expired })
	d.offer(2)
	key := d.lease()
	_, err = d.ask.SubmitOrder(t.Context(), d.seal("order-0002", 1, key))
	d.check(err)
	_, err = d.ask.Arrived(t.Context(), "order-0002")
	d.check(err)
	revoke, err := envelope.ParseCommand(d.draft(locker.Command{Kind: locker.CommandRevoke, Order: "order-0002"}).Text)
	d.check(err)
	if revoke.Generation != 0 {
		t.Errorf("an order without a deposit has generation %d", revoke.Generation)
	}
	d.m.Append(locker.CommandFollowed{Command: revoke.Command, Nonce: revoke.Nonce})
	citytest.Eventually(t, "withdrawn", soon, func() bool { return d.order("order-0002").State == api.OrderWithdrawn })
}

func TestAStolenTerminalIsDeadAtOnceAndWithoutItsConsent(t *testing.T) {
	d := open(t)
	d.offer(1, 2, 3)
	_, share := d.deposit(1, "order-0001")
	held := d.seal("order-0002", 1, d.lease())
	_, err := d.ask.SubmitOrder(t.Context(), held)
	d.check(err)
	citytest.Eventually(t, "the deposit and its share", soon, func() bool {
		all, err := d.ask.Deposits(t.Context(), d.m.ID)
		_, none := d.ask.DraftReissue(t.Context(), "order-0001")
		return err == nil && len(all) == 1 && all[0].State == api.DepositLoaded && none == nil
	})
	text := d.draft(locker.Command{Kind: locker.CommandDeclare}).Text
	d.check(d.ask.Command(t.Context(), d.m.ID, d.signed(text, d.admin, d.second())))

	all, err := d.ask.Deposits(t.Context(), d.m.ID)
	if err != nil || len(all) != 1 || all[0].State != api.DepositDead {
		t.Fatalf("deposits %+v, %v", all, err)
	}
	if o := d.order("order-0002"); o.State != api.OrderDead || !strings.Contains(o.Reason, "stolen") {
		t.Errorf("the held order is %s: %s", o.State, o.Reason)
	}
	_, err = d.ask.LeaseKey(t.Context(), d.m.ID)
	d.refused(err, http.StatusConflict, "declared stolen")
	_, err = d.ask.Letter(t.Context(), "order-0001")
	d.refused(err, http.StatusNotFound, "letter")
	_, err = d.ask.DraftReissue(t.Context(), "order-0001")
	d.refused(err, http.StatusNotFound, "no deposit")
	d.forgotten("the share", share.Bytes())
	d.forgotten("the held order", held)
	citytest.Eventually(t, "the terminal is told, should it ever be heard of again", soon, func() bool { return len(d.m.Desk.Received(topic.Command)) > 0 })
	list, err := d.ask.Terminals(t.Context())
	if err != nil || list[0].Stolen.IsZero() {
		t.Errorf("terminals %+v, %v", list, err)
	}

	_, late := d.deposit(2, "order-0002") // on its way meanwhile, or told by the thief
	d.m.Append(locker.DepositLoaded{Generation: 1}, locker.DepositExpired{Generation: 1})
	citytest.Eventually(t, "its last word at the city", soon, func() bool {
		all, err = d.ask.Deposits(t.Context(), d.m.ID)
		return err == nil && len(all) == 2 && (all[0].Expired || all[1].Expired)
	})
	for _, now := range all {
		if now.State != api.DepositDead {
			t.Errorf("deposit %+v", now)
		}
	}
	if o := d.order("order-0002"); o.State != api.OrderDead {
		t.Errorf("the held order is %s", o.State)
	}
	_, err = d.ask.Letter(t.Context(), "order-0002")
	d.refused(err, http.StatusNotFound, "letter")
	d.forgotten("a share that came late", late.Bytes())

	d.check(d.ask.Recovered(t.Context(), d.m.ID))
	d.refused(d.ask.Recovered(t.Context(), d.m.ID), http.StatusConflict, "not declared")
	d.offer(8)
	if k := d.lease(); k.Key != 8 {
		t.Errorf("key %d came back to life", k.Key)
	}
}

func TestTheListOfABurglaryIsTheJournals(t *testing.T) {
	d := open(t)
	_, err := d.ask.Burglary(t.Context(), d.m.ID)
	d.refused(err, http.StatusNotFound, "no burglary")
	inside := []locker.Inside{{Compartment: 7, Order: "order-0001", Generation: 4, Custody: locker.CustodyCompartment}}
	d.m.Append(locker.BurglaryDeclared{Cause: "sensor tamper", Sensor: locker.SensorTamper, Inside: inside})
	citytest.Eventually(t, "the list", soon, func() bool {
		b, err := d.ask.Burglary(t.Context(), d.m.ID)
		return err == nil && b.Cause == "sensor tamper" && slices.Equal(b.Inside, inside)
	})
}
