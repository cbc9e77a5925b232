package locker_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// filled gives every field of a value something that is not its zero.
func filled(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(start))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(key)
		filled(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(time.Minute))
	case reflect.Uint64:
		v.SetUint(7)
	default:
		panic("no filling for " + v.Type().String())
	}
}

func TestEveryFactSurvivesItsJSON(t *testing.T) {
	form := regexp.MustCompile(`^de\.nachtfach\.[a-z]+\.[a-z_]+\.v1$`)
	types := locker.FactTypes()
	if len(types) < 40 || !slices.IsSorted(types) {
		t.Fatalf("%d types, sorted: %v", len(types), slices.IsSorted(types))
	}
	for _, typ := range types {
		zero, err := locker.DecodeFact(typ, []byte("{}"))
		if err != nil || zero.Type() != typ || !form.MatchString(typ) {
			t.Fatalf("%s: decoded %T: %v", typ, zero, err)
		}
		v := reflect.New(reflect.TypeOf(zero)).Elem()
		filled(v)
		want := v.Interface().(locker.Fact)
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := locker.DecodeFact(typ, data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s became %+v: %v", typ, data, got, err)
		}
	}
}

func TestFactsThatCannotBeRead(t *testing.T) {
	if _, err := locker.DecodeFact("de.nachtfach.door.sung.v2", []byte("{}")); err == nil || !strings.Contains(err.Error(), "door.sung") {
		t.Errorf("an unknown type: %v", err)
	}
	if _, err := locker.DecodeFact(locker.CodeCharged{}.Type(), []byte(`{"attempt":"one"}`)); err == nil {
		t.Error("a body of another shape was read")
	}
}

func TestReplayRefusesWhatDoesNotFit(t *testing.T) {
	for _, f := range []locker.Fact{
		locker.CodeCharged{Generation: 9}, locker.DocumentTaken{Generation: 9}, locker.DepositReserved{Order: "NO-SUCH"},
		locker.OrderErased{Order: "NO-SUCH"}, locker.KeyLapsed{Key: 9},
	} {
		term := locker.New()
		if err := term.Replay(locker.Event{Time: start, Fact: f}); err == nil || !strings.Contains(err.Error(), f.Type()) {
			t.Errorf("%T: error %v, want one that names it", f, err)
		}
	}
}

func TestASnapshotIsWorthTheEventsBeforeIt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := newMischief(t, r.IntN)
	m.config.Hours.Windows = nil
	for range 600 {
		m.turn()
	}
	for _, cut := range []int{0, len(m.events) / 3, len(m.events) - 1, len(m.events)} {
		term := locker.New()
		for i, e := range m.events {
			if i == cut {
				snapshot, err := term.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				term = locker.New()
				if err := term.Restore(snapshot); err != nil {
					t.Fatal(err)
				}
			}
			if err := term.Replay(e); err != nil {
				t.Fatal(err)
			}
		}
		got, err := term.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.term.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("with a snapshot after %d of %d events:\n%s\n%s", cut, len(m.events), got, want)
		}
	}
}

func TestASnapshotThatIsNoneIsRefused(t *testing.T) {
	if err := locker.New().Restore([]byte(`{"boot":"two"}`)); err == nil {
		t.Fatal("nonsense was restored")
	}
}
