package city_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// contract is docs/asyncapi.yaml, taken strictly: what it does not name is
// wrong, so that a field that is added to a fact must be added there.
type contract struct {
	Channels map[string]struct {
		Address  string
		Messages map[string]any
	}
	Components struct {
		Messages map[string]struct {
			Name        string
			ContentType string
			Payload     map[string]string
		}
	}
	schemas *jsonschema.Compiler
}

func readContract(t *testing.T) *contract {
	t.Helper()
	text, err := os.ReadFile("../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{schemas: jsonschema.NewCompiler()}
	var whole any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	strict(whole, false)
	asJSON, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	// the part that all events have in common is closed by those that join it
	asJSON = bytes.Replace(asJSON, []byte(`"CloudEvent":{"additionalProperties":false,`), []byte(`"CloudEvent":{`), 1)
	if err := json.Unmarshal(asJSON, c); err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.AssertFormat()
	if err := c.schemas.AddResource("file:///asyncapi.json", document); err != nil {
		t.Fatal(err)
	}
	return c
}

// strict closes every object that lists its properties. What an allOf joins is
// closed as a whole.
func strict(v any, joined bool) {
	switch v := v.(type) {
	case map[string]any:
		if _, listed := v["properties"]; listed && !joined {
			v["additionalProperties"] = false
		}
		for name, inner := range v {
			if parts, ok := inner.([]any); ok && name == "allOf" {
				for _, part := range parts {
					strict(part, true)
				}
				continue
			}
			strict(inner, false)
		}
		if _, ok := v["allOf"]; ok {
			v["unevaluatedProperties"] = false
		}
	case []any:
		for _, inner := range v {
			strict(inner, false)
		}
	}
}

// check holds a payload against the one of the channel's messages that it must be.
func (c *contract) check(on topic.Topic, payload []byte) error {
	channel, ok := c.Channels[string(on)]
	if !ok {
		return fmt.Errorf("topic %q has no channel", on)
	}
	var event struct{ Type string }
	_ = json.Unmarshal(payload, &event) // only events have a type
	var errs []string
	for name := range channel.Messages {
		m := c.Components.Messages[name]
		if on == topic.Event && m.Name != event.Type {
			continue
		}
		err := c.validate(m.Payload["$ref"], m.ContentType, payload)
		if err == nil {
			return nil
		}
		errs = append(errs, err.Error())
	}
	return fmt.Errorf("on %s: %s\n%.300s", on, strings.Join(errs, "\n"), payload)
}

func (c *contract) validate(ref, contentType string, payload []byte) error {
	schema, err := c.schemas.Compile("file:///asyncapi.json" + ref)
	if err != nil {
		return err
	}
	if contentType == "text/plain" {
		return schema.Validate(string(payload))
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func TestTheContractNamesEveryEventAndTopic(t *testing.T) {
	c := readContract(t)
	var named []string
	for name := range c.Channels["event"].Messages {
		named = append(named, c.Components.Messages[name].Name)
	}
	slices.Sort(named)
	if want := locker.FactTypes(); !slices.Equal(named, want) {
		t.Errorf("events of the contract\n%v\nof the machine\n%v", named, want)
	}
	for _, on := range []topic.Topic{
		topic.Event, topic.Checkpoint, topic.State, topic.Online, topic.Keys, topic.Letter,
		topic.Ack, topic.Order, topic.Roster, topic.Command, topic.Posted,
	} {
		if got := c.Channels[string(on)].Address; got != on.Of("{terminal}") {
			t.Errorf("channel %s has address %q", on, got)
		}
	}
	if len(c.Channels) != 11 {
		t.Errorf("%d channels, wants 11", len(c.Channels))
	}
}

// Every kind of message, with every field of every fact, goes over a broker and
// is held against the contract.
func TestEveryMessageFitsTheContract(t *testing.T) {
	d := open(t)
	c := readContract(t)
	var mu sync.Mutex
	seen := map[topic.Topic]int{}
	var wrong []error
	d.b.Watch(func(whole string, payload []byte) {
		_, on, ok := topic.Split(whole)
		mu.Lock()
		defer mu.Unlock()
		if !ok {
			wrong = append(wrong, fmt.Errorf("topic %s is none", whole))
			return
		}
		seen[on]++
		if on == topic.Roster && len(payload) == 0 { // cleared
			return
		}
		if err := c.check(on, payload); err != nil {
			wrong = append(wrong, err)
		}
	})
	for _, name := range locker.FactTypes() {
		empty, err := locker.DecodeFact(name, []byte("{}"))
		d.check(err)
		full := reflect.New(reflect.TypeOf(empty)).Elem()
		fill(t, full)
		fact, ok := full.Interface().(locker.Fact)
		if !ok {
			t.Fatalf("%s is no fact", name)
		}
		d.m.Append(fact)
	}
	signer := envelope.KeyFingerprint(envelope.SignerKey(d.admin))
	d.m.Append(locker.RosterAccepted{Version: 9, Desks: []locker.DeskKey{{Person: "anna", Key: signer}}})
	d.offer(101, 102)
	d.m.Desk.ShowAlso(fullStatus(t))
	submission, err := envelope.SignSubmission(d.admin, d.seal("order-0001", 1, d.lease()))
	d.check(err)
	_, err = d.ask.SubmitOrder(t.Context(), submission)
	d.check(err)
	_, err = d.ask.Arrived(t.Context(), "order-0001")
	d.check(err)
	withdrawal, err := envelope.SignWithdrawal(d.admin, envelope.Withdrawal{Terminal: d.m.ID, Order: "order-0001", Issued: time.Now()})
	d.check(err)
	_, err = d.ask.Withdraw(t.Context(), "order-0001", withdrawal)
	d.check(err)
	d.deposit(200, "order-0002")
	d.m.Desk.ShowAlso(fullStatus(t), d.m.Desk.Letters()...)
	d.print("order-0002")
	draft, err := d.ask.DraftReissue(t.Context(), "order-0002")
	d.check(err)
	command, err := envelope.Sign(d.admin, draft.Namespace, draft.Text)
	d.check(err)
	d.check(d.ask.Reissue(t.Context(), "order-0002", command))
	d.check(d.ask.SubmitRoster(t.Context(), []byte(`{"terminal":"rathaus-1","version":3,"sealed":"AAAA"}`)))

	citytest.Eventually(t, "a message of each kind", soon, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == 11 && d.m.Journal.Cursor() == d.m.Journal.Size()
	})
	mu.Lock()
	defer mu.Unlock()
	for _, err := range wrong {
		t.Error(err)
	}
	if n := len(locker.FactTypes()); seen[topic.Event] < n {
		t.Errorf("%d events seen, wants %d at least", seen[topic.Event], n)
	}
}

func fullStatus(t *testing.T) []byte {
	t.Helper()
	var s locker.Status
	fill(t, reflect.ValueOf(&s).Elem())
	s.Challenge = citytest.Challenge
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fill sets every field, so that none is left out of the JSON.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Now().UTC()
		return
	case *locker.OrderID:
		*x = "order-9999"
		return
	}
	if word, ok := words[v.Type()]; ok {
		v.Set(reflect.ValueOf(word))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"part": "well"}))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	default:
		t.Fatalf("cannot fill %v", v.Type())
	}
}

// words has one value of each type that takes certain words only.
var words = map[reflect.Type]any{
	reflect.TypeFor[locker.TimeQuality]():   locker.TimeConfirmed,
	reflect.TypeFor[locker.ClockSource]():   locker.ClockCity,
	reflect.TypeFor[locker.DocumentKind]():  locker.Passport,
	reflect.TypeFor[locker.RecipientKind](): locker.Proxy,
	reflect.TypeFor[locker.FactorKind]():    locker.FactorFinger,
	reflect.TypeFor[locker.Role]():          locker.Clerk,
	reflect.TypeFor[locker.MessageKind]():   locker.MessageOrder,
	reflect.TypeFor[locker.RefusalReason](): locker.RefusedUnknown,
	reflect.TypeFor[locker.Purpose]():       locker.ForPickup,
	reflect.TypeFor[locker.Dispute]():       locker.DisputedEmpty,
	reflect.TypeFor[locker.Fault]():         locker.FaultLock,
	reflect.TypeFor[locker.Erasure]():       locker.ErasedLogically,
	reflect.TypeFor[locker.AlarmClass]():    locker.Wake,
	reflect.TypeFor[locker.AlarmKind]():     locker.AlarmForced,
	reflect.TypeFor[locker.CommandKind]():   locker.CommandLock,
	reflect.TypeFor[locker.Lock]():          locker.LockedAdmin,
	reflect.TypeFor[locker.Custody]():       locker.CustodyClerks,
	reflect.TypeFor[locker.Sensor]():        locker.SensorTamper,
	reflect.TypeFor[locker.GuessKind]():     locker.GuessCards,
	reflect.TypeFor[locker.ObjectKind]():    locker.ObjectContact,
}
