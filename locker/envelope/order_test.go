package envelope_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// printed shows values in every way that Go has.
func printed(values ...any) []string {
	var texts []string
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v), fmt.Sprintf(verb, &v))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		texts = append(texts, log.String())
	}
	return texts
}

func sealOrder(t testing.TB, by envelope.Signer, public []byte, o envelope.Order) []byte {
	t.Helper()
	message, err := envelope.SealOrder(suite, by, public, o)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func openOrder(private, message []byte, people envelope.People, at time.Time) (envelope.Order, error) {
	m, err := envelope.ParseSealedOrder(message)
	if err != nil {
		return envelope.Order{}, err
	}
	return envelope.OpenOrder(suite, private, m, people, at)
}

func TestOrderArrivesAsTheDeskSealedIt(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	sent := anOrder()
	got, err := openOrder(private, sealOrder(t, o.desk, public, sent), &o.roster, now)
	if err != nil {
		t.Fatal(err)
	}
	sent.Terms.Desk = "d-1"
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got terms %+v", got.Terms)
	}
	got.Wipe()
	if got.Factors[0].Fingers != nil {
		t.Error("fingers are left")
	}
}

func TestOrderMayHoldSeveralDocumentsAndRecipients(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	sent := anOrder()
	sent.Terms.Documents = append(sent.Terms.Documents, locker.Passport)
	sent.Terms.Recipients = append(sent.Terms.Recipients, locker.Recipient{Kind: locker.Proxy, Factor: locker.FactorNumber})
	sent.Factors = append(sent.Factors, envelope.Factor{Kind: locker.FactorNumber, Number: []byte("12345678")})
	got, err := openOrder(private, sealOrder(t, o.desk, public, sent), &o.roster, now)
	if err != nil || string(got.Factors[1].Number) != "12345678" || len(got.Terms.Documents) != 2 {
		t.Errorf("%+v, %v", got.Terms, err)
	}
}

func TestOrderIsRefusedFromAnyoneButADeskOfTheRoster(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	_, err := openOrder(private, sealOrder(t, o.stranger, public, anOrder()), &o.roster, now)
	refused(t, err, "signed with a key that roster 3 does not know")
	_, err = openOrder(private, sealOrder(t, o.anna, public, anOrder()), &o.roster, now)
	refused(t, err, "signed by a-1, who is admin, wants desk")
	gone := o.roster
	gone.People[0].Leaves = now
	_, err = openOrder(private, sealOrder(t, o.desk, public, anOrder()), &gone, now)
	refused(t, err, "who left on 2026-11-20")
	if _, err = openOrder(private, sealOrder(t, o.desk, public, anOrder()), &gone, now.Add(-time.Second)); err != nil {
		t.Errorf("on the last day: %v", err)
	}
}

func TestOrderWithoutOrWithAnotherSignatureIsRefused(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	info := []byte("nachtfach.de/order/v1\n" + terminal + "\nA-2026-0001\n1\n7\n")
	signed := func(message []byte) []byte {
		m, err := envelope.ParseSealedOrder(message)
		if err != nil {
			t.Fatal(err)
		}
		text, err := suite.Open(private, info, m.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	again := func(text []byte) error {
		sealed, err := suite.Seal(public, info, text)
		if err != nil {
			t.Fatal(err)
		}
		message, err := json.Marshal(envelope.SealedOrder{Terminal: terminal, Order: "A-2026-0001", Version: 1, Key: 7, Sealed: sealed})
		if err != nil {
			t.Fatal(err)
		}
		_, err = openOrder(private, message, &o.roster, now)
		return err
	}
	text := signed(sealOrder(t, o.desk, public, anOrder()))
	if err := again(text); err != nil {
		t.Fatalf("as it was: %v", err)
	}
	body := envelope.Body(text)
	refused(t, again(body), "bears no signature")
	twice, err := envelope.Sign(o.stranger, envelope.NamespaceOrder, text)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, again(twice), "bears 2 signatures, wants one")
	other, err := envelope.Sign(o.desk, envelope.NamespaceCommand, body)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, again(other), `made for "command@nachtfach.de"`)
	bad := bytes.Replace(text, []byte(`"position":2`), []byte(`"position":3`), 1)
	refused(t, again(bad), "ssh signature")
	flips(text, func(bad []byte) {
		if bytes.Equal(envelope.Body(bad), body) {
			return // an armour may be written in more than one way
		}
		if again(bad) == nil {
			t.Errorf("changed text is accepted: %q", bad)
		}
	})
	for _, extra := range []string{`{"terminal":"x",`, `{"Terminal":"x",`, `{"door":1,`} {
		forged, err := envelope.Sign(o.desk, envelope.NamespaceOrder, append([]byte(extra), body[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		if again(forged) == nil {
			t.Errorf("an order beginning with %s is accepted", extra)
		}
	}
}

func TestOrderIsBoundToItsEnvelope(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	other, _ := newKey(t)
	message := sealOrder(t, o.desk, public, anOrder())
	_, err := openOrder(other, message, &o.roster, now)
	refused(t, err, "does not open with key 7")
	for field, value := range map[string]string{
		`"terminal":"musterstadt-1"`: `"terminal":"musterstadt-2"`,
		`"order":"A-2026-0001"`:      `"order":"A-2026-0002"`,
		`"version":1`:                `"version":2`,
		`"key":7`:                    `"key":8`,
	} {
		bad := strings.Replace(string(message), field, value, 1)
		_, err := openOrder(private, []byte(bad), &o.roster, now)
		refused(t, err, "does not open")
	}
	flips(message, func(bad []byte) {
		if _, err := openOrder(private, bad, &o.roster, now); err == nil {
			t.Errorf("changed message is accepted: %.200q", bad)
		}
	})
}

func TestSignedOrderCannotBePutIntoAnotherEnvelope(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	m := must(envelope.ParseSealedOrder(sealOrder(t, o.desk, public, anOrder())))
	info := func(m envelope.SealedOrder) []byte {
		return fmt.Appendf(nil, "nachtfach.de/order/v1\n%s\n%s\n%d\n%d\n", m.Terminal, m.Order, m.Version, m.Key)
	}
	signed := must(suite.Open(private, info(m), m.Sealed))
	for name, move := range map[string]func(*envelope.SealedOrder){
		"terminal": func(m *envelope.SealedOrder) { m.Terminal = "musterstadt-2" },
		"order":    func(m *envelope.SealedOrder) { m.Order = "A-2026-0002" },
		"version":  func(m *envelope.SealedOrder) { m.Version = 2 },
		"key":      func(m *envelope.SealedOrder) { m.Key = 8 },
	} {
		moved := m
		move(&moved)
		moved.Sealed = must(suite.Seal(public, info(moved), signed))
		if _, err := openOrder(private, must(json.Marshal(moved)), &o.roster, now); err == nil {
			t.Errorf("an order moved to another %s is accepted", name)
		} else {
			refused(t, err, "what was signed names another terminal, order, version or key")
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSealedOrderIsReadStrictly(t *testing.T) {
	for message, says := range map[string]string{
		``:     "wants an object",
		`null`: "wants an object",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"AA==","sealed":"AA=="}`: "there twice",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"AA==","SEALED":"AA=="}`: "unknown field",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"AA==","open":true}`:     "unknown field",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"AA=="} {}`:              "follows",
		`{"terminal":"T/1","order":"A-2026-0001","version":1,"key":1,"sealed":"AA=="}`:               "terminal",
		`{"terminal":"t","order":"Erika Mustermann","version":1,"key":1,"sealed":"AA=="}`:            "order id",
		`{"terminal":"t","order":"A-2026-0001","version":0,"key":1,"sealed":"AA=="}`:                 "version 0",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":0,"sealed":"AA=="}`:                 "key 0",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":""}`:                     "0 sealed bytes",
		`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"` + zeros(3<<20) + `"}`: "at most",
		strings.Repeat("[", 100000): "wants an object",
	} {
		_, err := envelope.ParseSealedOrder([]byte(message))
		refused(t, err, says)
	}
}

func zeros(n int) string { return strings.Repeat("A", n) }

func TestOrderIsCheckedBeforeItIsSealed(t *testing.T) {
	o := newOffice(t)
	_, public := newKey(t)
	for says, spoil := range map[string]func(*envelope.Order){
		"terminal":       func(o *envelope.Order) { o.Terminal = "Muster Stadt" },
		"no date":        func(o *envelope.Order) { o.Issued = time.Time{} },
		"0 documents":    func(o *envelope.Order) { o.Terms.Documents = nil },
		"unknown kind":   func(o *envelope.Order) { o.Terms.Documents[0] = "licence" },
		"size 4":         func(o *envelope.Order) { o.Terms.Size = 4 },
		"factors for":    func(o *envelope.Order) { o.Factors = nil },
		"another factor": func(o *envelope.Order) { o.Terms.Recipients[0].Fingers = []int{7, 2} },
		"position 11":    func(o *envelope.Order) { o.Factors[0].Fingers[0].Position = 11 },
		"is there twice": func(o *envelope.Order) { o.Factors[0].Fingers[1].Position = 2 },
		"enrolment of 0": func(o *envelope.Order) { o.Factors[0].Fingers[0].Enrolment = nil },
		"3 fingers": func(o *envelope.Order) {
			o.Factors[0].Fingers = append(o.Factors[0].Fingers, envelope.Finger{Position: 1})
		},
		"6 to 12 digits": func(o *envelope.Order) {
			o.Factors[0] = envelope.Factor{Kind: locker.FactorNumber, Number: []byte("12a456")}
		},
		"no number":         func(o *envelope.Order) { o.Factors[0].Number = []byte("123456") },
		"of unknown kind":   func(o *envelope.Order) { o.Factors[0].Kind = "face" },
		"recipient 1 of un": func(o *envelope.Order) { o.Terms.Recipients[0].Kind = "cousin" },
		"at most": func(o *envelope.Order) {
			for i := range o.Factors[0].Fingers {
				o.Factors[0].Fingers[i].Enrolment = make([]byte, envelope.MaxEnrolment)
			}
			for range 2 {
				o.Terms.Recipients = append(o.Terms.Recipients, o.Terms.Recipients[0])
				o.Factors = append(o.Factors, o.Factors[0])
			}
		},
	} {
		bad := anOrder()
		spoil(&bad)
		_, err := envelope.SealOrder(suite, o.desk, public, bad)
		refused(t, err, says)
	}
}

func TestFactorSurvivesItsSeal(t *testing.T) {
	for _, f := range []envelope.Factor{anOrder().Factors[0], {Kind: locker.FactorNumber, Number: []byte("123456")}} {
		b, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := envelope.DecodeFactor(b)
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%v", err)
		}
	}
	if _, err := (envelope.Factor{}).Encode(); err == nil {
		t.Error("no factor was encoded")
	}
	_, err := envelope.DecodeFactor([]byte(`{"kind":"number","number":"1"}`))
	refused(t, err, "6 to 12 digits")
}

func FuzzParseSealedOrder(f *testing.F) {
	f.Add([]byte(`{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"AA=="}`))
	f.Add([]byte(`{"a":[{"b":1},{"b":2}],"b":{"b":"b"}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		m, err := envelope.ParseSealedOrder(message)
		if err != nil {
			return
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := envelope.ParseSealedOrder(b); err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%s: %v", b, err)
		}
	})
}

func FuzzDecodeFactor(f *testing.F) {
	f.Add([]byte(`{"kind":"number","number":"123456"}`))
	f.Add([]byte(`{"kind":"finger","fingers":[{"position":2,"enrolment":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if factor, err := envelope.DecodeFactor(b); err == nil {
			if _, err := factor.Encode(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
