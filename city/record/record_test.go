package record_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
)

func open(t *testing.T) (*record.Record, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b?#.sqlite") // a name that would be something else in an URL
	r, err := record.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.AddTerminal(t.Context(), "rathaus-1", "key"); err != nil {
		t.Fatal(err)
	}
	return r, path
}

func TestAFileThatIsNoRecordIsRefused(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte(strings.Repeat("hello ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Open(junk, time.Now); err == nil || !strings.Contains(err.Error(), junk) {
		t.Errorf("junk is answered with %v", err)
	}
	if _, err := record.Open(filepath.Join(junk, "x"), time.Now); err == nil {
		t.Error("a path through a file is taken")
	}
	r, path := open(t)
	r.Close()
	db, err := sql.Open("sqlite", filepath.Dir(path)+"/newer")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := record.Open(filepath.Dir(path)+"/newer", time.Now); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("a newer version is answered with %v", err)
	}
}

func TestTheRecordIsWhereItWasNamed(t *testing.T) {
	r, path := open(t)
	r.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	again, err := record.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if all, err := again.Terminals(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("terminals %v, %v", all, err)
	}
}

func TestEventsAreAppendedWithoutGapOrOverlap(t *testing.T) {
	r, _ := open(t)
	event := []record.Event{{Body: []byte("{}"), Type: "x", Time: time.Now()}}
	for _, step := range []struct {
		first uint64
		ok    bool
	}{{1, false}, {0, true}, {0, false}, {2, false}, {1, true}} {
		err := r.Append(t.Context(), "rathaus-1", step.first, event, nil)
		if step.ok && err != nil || !step.ok && !errors.Is(err, record.ErrConflict) {
			t.Errorf("append at %d: %v", step.first, err)
		}
	}
	if err := r.Append(t.Context(), "rathaus-9", 0, event, nil); err == nil {
		t.Error("events of an unknown terminal are stored")
	}
	if got, err := r.Events(t.Context(), "rathaus-1", 0, 10); err != nil || len(got) != 2 {
		t.Errorf("%d events, %v", len(got), err)
	}
}

func TestWhatFollowsFromAnEventIsStoredWithItOrNotAtAll(t *testing.T) {
	r, _ := open(t)
	events := []record.Event{
		{Body: []byte("{}"), Type: "x", Time: time.Now(), Fact: locker.DepositReserved{Generation: 1, Order: "order-0001", Compartment: 3}},
	}
	if err := r.Append(t.Context(), "rathaus-1", 7, events, nil); err == nil {
		t.Fatal("a gap is taken")
	}
	if d, err := r.Deposits(t.Context(), "rathaus-1"); err != nil || len(d) != 0 {
		t.Errorf("deposits %v, %v", d, err)
	}
}

func TestATerminalKeepsItsKey(t *testing.T) {
	r, _ := open(t)
	if err := r.AddTerminal(t.Context(), "rathaus-1", "key"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := r.AddTerminal(t.Context(), "rathaus-1", "other"); !errors.Is(err, record.ErrConflict) {
		t.Errorf("another key: %v", err)
	}
}

func TestAlarmsAreBounded(t *testing.T) {
	r, _ := open(t)
	if err := r.Alarm(t.Context(), "rathaus-1", "fork", "the one that counts"); err != nil {
		t.Fatal(err)
	}
	for i := range 250 {
		if err := r.Alarm(t.Context(), "rathaus-1", "content", strings.Repeat("x", i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Alarm(t.Context(), "rathaus-1", "content", "again"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.Alarms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 202 {
		t.Errorf("%d alarms", len(all))
	}
	if all[0].Detail != "again" || all[0].Times != 2 {
		t.Errorf("the last is %+v", all[0])
	}
}

// Each key is leased with the list that names it: the desk looks for it there.
func TestAKeyIsLeasedWithItsOwnList(t *testing.T) {
	r, _ := open(t)
	expires := time.Now().Add(time.Hour)
	var offered []locker.OfferedKey
	for id := range locker.KeyID(2) {
		offered = append(offered, locker.OfferedKey{Key: id + 1, Hash: fmt.Sprint("hash ", id+1), Expires: expires})
	}
	fact := locker.KeysOffered{Keys: offered}
	if err := r.Append(t.Context(), "rathaus-1", 0, []record.Event{{Body: []byte("{}"), Type: fact.Type(), Time: time.Now(), Fact: fact}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, o := range offered {
		key := record.Key{Hash: o.Hash}
		key.Terminal, key.Key.Key, key.Public, key.Expires = "rathaus-1", o.Key, []byte("public"), expires
		if err := r.OfferKeys(t.Context(), "rathaus-1", []record.Key{key}, []byte(fmt.Sprint("list of ", o.Key))); err != nil {
			t.Fatal(err)
		}
	}
	for range offered {
		k, err := r.LeaseKey(t.Context(), "rathaus-1")
		if err != nil || string(k.List) != fmt.Sprint("list of ", k.Key) {
			t.Errorf("key %d with %q, %v", k.Key, k.List, err)
		}
	}
}

// TestThreatATerminalClaimsAnothersOrder has a terminal in wrong hands sign what
// it likes: that another's order lies in it, and a letter that would send the
// citizen there.
func TestThreatATerminalClaimsAnothersOrder(t *testing.T) {
	r, _ := open(t)
	const order locker.OrderID = "order-0001"
	size := map[string]uint64{}
	tell := func(terminal string, facts ...locker.Fact) {
		t.Helper()
		for _, f := range facts {
			event := []record.Event{{Body: []byte("{}"), Type: f.Type(), Time: time.Now(), Fact: f}}
			if err := r.Append(t.Context(), terminal, size[terminal], event, nil); err != nil {
				t.Fatal(err)
			}
			size[terminal]++
		}
	}
	lay := func(terminal string, g locker.Generation) {
		t.Helper()
		tell(terminal, locker.DepositReserved{Generation: g, Order: order, Compartment: 3}, locker.DepositLoaded{Generation: g})
		if _, err := r.KeepLetter(t.Context(), record.Letter{Terminal: terminal, Generation: g, Order: order, Sealed: []byte(terminal), Share: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	told := func() (letter, deposit string) {
		t.Helper()
		l, err := r.Letter(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Living(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		return l.Terminal, d.Terminal
	}
	if err := r.AddTerminal(t.Context(), "rathaus-2", "key"); err != nil {
		t.Fatal(err)
	}
	lay("rathaus-1", 1)
	lay("rathaus-2", 9)
	if l, d := told(); l != "rathaus-2" || d != "rathaus-2" {
		t.Fatalf("of an order that nobody knows the letter of %s and the deposit of %s count: this proves nothing", l, d)
	}
	key := record.Key{Hash: "h"}
	key.Terminal, key.Key.Key, key.Public, key.Expires = "rathaus-1", 1, []byte("public"), time.Now().Add(time.Hour)
	tell("rathaus-1", locker.KeysOffered{Keys: []locker.OfferedKey{{Key: 1, Hash: "h", Expires: key.Expires}}})
	if err := r.OfferKeys(t.Context(), "rathaus-1", []record.Key{key}, []byte("list")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.LeaseKey(t.Context(), "rathaus-1"); err != nil {
		t.Fatal(err)
	}
	if err := r.HoldOrder(t.Context(), api.Order{Order: order, Terminal: "rathaus-1", Version: 1, Key: 1}, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if l, d := told(); l != "rathaus-1" || d != "rathaus-1" {
		t.Errorf("the letter of %s and the deposit of %s count, for an order of rathaus-1", l, d)
	}
	if _, err := r.Retire(t.Context(), "rathaus-1"); err != nil {
		t.Fatal(err)
	}
	tell("rathaus-2", locker.CompartmentInspected{Compartment: 3, Order: order, Found: true})
	if o, err := r.Order(t.Context(), order); err != nil || o.State != api.OrderLost {
		t.Errorf("another terminal says what became of it: the order is %s, %v", o.State, err)
	}
	if err := r.AddTerminal(t.Context(), "rathaus-1", "next key"); err != nil {
		t.Fatal(err)
	}
	size["rathaus-1"] = 0
	tell("rathaus-1", locker.CompartmentInspected{Compartment: 3, Order: order, Found: true})
	if o, err := r.Order(t.Context(), order); err != nil || o.State != api.OrderRecovered {
		t.Errorf("its next board says that it was found: the order is %s, %v", o.State, err)
	}
}
