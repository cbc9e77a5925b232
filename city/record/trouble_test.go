package record_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
)

// told makes an event as the terminal sends it.
func told(t *testing.T, fact locker.Fact) record.Event {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(map[string]any{"type": fact.Type(), "time": at, "data": fact})
	if err != nil {
		t.Fatal(err)
	}
	return record.Event{Body: body, Type: fact.Type(), Time: at, Fact: fact}
}

func troubles(t *testing.T, r *record.Record) []api.Trouble {
	t.Helper()
	all, err := r.Troubles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var forced = locker.AlarmRaised{Alarm: 7, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3, Detail: "opened"}

func TestATerminalsAlarmStandsUntilItIsClearedAndNoted(t *testing.T) {
	r, _ := open(t)
	if err := r.Append(t.Context(), "rathaus-1", 0, []record.Event{told(t, forced)}, nil); err != nil {
		t.Fatal(err)
	}
	all := troubles(t, r)
	if len(all) != 1 || all[0].ID != "7" || all[0].Class != locker.Wake || all[0].Compartment != 3 || !all[0].Cleared.IsZero() {
		t.Fatalf("the alarm is %+v", all)
	}
	if err := r.Note(t.Context(), "rathaus-1", "7", "anna", "looked, all closed"); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(t.Context(), "rathaus-1", 1, []record.Event{told(t, locker.AlarmCleared{Alarm: 7})}, nil); err != nil {
		t.Fatal(err)
	}
	if a := troubles(t, r)[0]; a.Cleared.IsZero() || a.Noted.IsZero() || a.By != "anna" || a.Note != "looked, all closed" {
		t.Errorf("the alarm is %+v", a)
	}
	for _, id := range []string{"8", "city-0", ""} {
		if err := r.Note(t.Context(), "rathaus-1", id, "anna", "x"); !errors.Is(err, record.ErrUnknown) {
			t.Errorf("a note about alarm %q is answered with %v", id, err)
		}
	}
}

func TestACityAlarmThatComesAgainWantsANoteAgain(t *testing.T) {
	now := time.Now()
	r, err := record.Open(t.TempDir()+"/r", func() time.Time { now = now.Add(time.Second); return now })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	again := func() {
		if err := r.Alarm(t.Context(), "rathaus-1", api.AlarmFork, "two histories"); err != nil {
			t.Fatal(err)
		}
	}
	again()
	a := troubles(t, r)[0]
	if a.Class != locker.Wake || !a.Noted.IsZero() {
		t.Fatalf("the alarm is %+v", a)
	}
	if err := r.Note(t.Context(), "rathaus-1", a.ID, "anna", "device replaced"); err != nil {
		t.Fatal(err)
	}
	if a := troubles(t, r)[0]; a.Noted.IsZero() {
		t.Error("the note is not kept")
	}
	again()
	if a := troubles(t, r)[0]; !a.Noted.IsZero() || a.Note != "device replaced" || a.Times != 2 {
		t.Errorf("it came again, and is %+v", a)
	}
}

// A terminal in wrong hands raises alarms by the thousand, dated as it likes.
func TestOneTerminalsAlarmsHideNoOthers(t *testing.T) {
	r, _ := open(t)
	if err := r.AddTerminal(t.Context(), "rathaus-2", "key"); err != nil {
		t.Fatal(err)
	}
	var flood []record.Event
	for n := range 1500 {
		e := told(t, locker.AlarmRaised{Alarm: uint64(n + 1), Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3})
		e.Time = time.Now().Add(1000 * 24 * time.Hour)
		flood = append(flood, e)
	}
	if err := r.Append(t.Context(), "rathaus-1", 0, flood, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(t.Context(), "rathaus-2", 0, []record.Event{told(t, forced)}, nil); err != nil {
		t.Fatal(err)
	}
	all := troubles(t, r)
	if len(all) > 200 || !slices.ContainsFunc(all, func(a api.Trouble) bool { return a.Terminal == "rathaus-2" }) {
		t.Errorf("of %d alarms none is the other terminal's", len(all))
	}
}

func TestARecordOfVersionOneLearnsItsAlarms(t *testing.T) {
	path := t.TempDir() + "/r"
	r, err := record.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddTerminal(t.Context(), "rathaus-1", "key"); err != nil {
		t.Fatal(err)
	}
	events := []record.Event{told(t, forced), told(t, locker.AlarmCleared{Alarm: 7})}
	if err := r.Append(t.Context(), "rathaus-1", 0, events, nil); err != nil {
		t.Fatal(err)
	}
	want := troubles(t, r)
	r.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, back := range []string{
		`DROP TABLE stolen`, `DROP TABLE raised`, `ALTER TABLE alarms DROP COLUMN note`, `ALTER TABLE alarms DROP COLUMN noted_by`,
		`ALTER TABLE alarms DROP COLUMN noted`,
		`ALTER TABLE deposits DROP COLUMN slot`, `ALTER TABLE deposits DROP COLUMN quality`, `ALTER TABLE deposits DROP COLUMN settled`,
		`DROP TABLE verifiers`, `ALTER TABLE terminals DROP COLUMN closed`, `ALTER TABLE terminals DROP COLUMN pruned`, `ALTER TABLE keys DROP COLUMN list`, `ALTER TABLE orders DROP COLUMN training`, `ALTER TABLE alarms DROP COLUMN condition`, `ALTER TABLE alarms DROP COLUMN cleared`, `DROP TABLE probe`, `DROP TABLE rosters`, `DROP TABLE desks`, `ALTER TABLE orders DROP COLUMN signer`, `ALTER TABLE orders DROP COLUMN captured`, `ALTER TABLE terminals DROP COLUMN statement`, `ALTER TABLE terminals DROP COLUMN stated`, `ALTER TABLE terminals DROP COLUMN training`, `PRAGMA user_version = 1`,
	} {
		if _, err := db.Exec(back); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	for range 2 { // the second time there is nothing to do
		r, err = record.Open(path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if got := troubles(t, r); len(got) != 1 || got[0] != want[0] {
			t.Errorf("the alarms are %+v, want %+v", got, want)
		}
		r.Close()
	}
}

func TestARecordOfVersionSixLearnsWhichOrdersAreDummies(t *testing.T) {
	path := t.TempDir() + "/r"
	r, err := record.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddTerminal(t.Context(), "rathaus-1", "key"); err != nil {
		t.Fatal(err)
	}
	events := []record.Event{
		told(t, locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "dummy", Version: 1, Training: true}}),
		told(t, locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "genuine", Version: 1}}),
	}
	if err := r.Append(t.Context(), "rathaus-1", 0, events, nil); err != nil {
		t.Fatal(err)
	}
	r.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, back := range []string{
		`ALTER TABLE terminals DROP COLUMN pruned`, `ALTER TABLE keys DROP COLUMN list`, `ALTER TABLE orders DROP COLUMN training`, `ALTER TABLE alarms DROP COLUMN condition`, `ALTER TABLE alarms DROP COLUMN cleared`, `DROP TABLE probe`, `DROP TABLE rosters`, `DROP TABLE desks`, `ALTER TABLE orders DROP COLUMN signer`, `ALTER TABLE orders DROP COLUMN captured`, `ALTER TABLE terminals DROP COLUMN statement`, `ALTER TABLE terminals DROP COLUMN stated`, `ALTER TABLE terminals DROP COLUMN training`, `PRAGMA user_version = 6`,
		`INSERT INTO orders (id, terminal, version, key, state, since) VALUES ('dummy', 'rathaus-1', 1, 1, 'accepted', ''), ('genuine', 'rathaus-1', 1, 2, 'accepted', '')`,
	} {
		if _, err := db.Exec(back); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	if r, err = record.Open(path, time.Now); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for id, want := range map[locker.OrderID]bool{"dummy": true, "genuine": false} {
		if o, err := r.Order(t.Context(), id); err != nil || o.Training != want {
			t.Errorf("%s: training %v, %v", id, o.Training, err)
		}
	}
}

func TestSearchFindsTheLatestFirst(t *testing.T) {
	r, _ := open(t)
	var events []record.Event
	for i := range 30 {
		events = append(events, told(t, locker.CompartmentClosed{Compartment: locker.CompartmentID(i%3 + 1)}))
	}
	if err := r.Append(t.Context(), "rathaus-1", 0, events, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text   string
		before uint64
		want   string
	}{
		{"", 30, "[29 28 27 26 25]"}, {"", 3, "[2 1 0]"}, {`"COMPARTMENT":2`, 30, "[28 25 22 19 16]"}, {"%", 30, "[]"}, {"' OR 1", 30, "[]"},
	} {
		found, err := r.Search(t.Context(), "rathaus-1", c.text, c.before, 5)
		if err != nil {
			t.Fatal(err)
		}
		got := []uint64{}
		for _, e := range found {
			got = append(got, e.Sequence)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("search for %q before %d finds %v, want %s", c.text, c.before, got, c.want)
		}
	}
}

func TestTheNumberThatTheKioskPrintedFindsItsEventsHoweverOldTheyAre(t *testing.T) {
	r, _ := open(t)
	facts := []locker.Fact{
		locker.CodeCharged{Attempt: 17, Generation: 3},
		locker.DocumentDisputed{Generation: 3, Reason: locker.DisputedEmpty, Incident: "rathaus-1-17"},
		locker.AlarmRaised{Alarm: 4, Class: locker.Wake, Kind: locker.AlarmDisputed, Compartment: 2, Incident: "rathaus-1-17"},
		locker.CodeCharged{Attempt: 170, Generation: 4},
		locker.CodeProved{Attempt: 171, Generation: 3, Incident: "rathaus-1-17"},
		locker.CompartmentQuarantined{Compartment: 5, Incident: "rathaus-1-a1"},
	}
	var events []record.Event
	for _, f := range facts {
		events = append(events, told(t, f))
	}
	for range 10_100 {
		events = append(events, told(t, locker.ClockMarked{}))
	}
	if err := r.Append(t.Context(), "rathaus-1", 0, events, nil); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string][]uint64{
		"rathaus-1-17": {4, 2, 1, 0}, " RATHAUS-1-17 ": {4, 2, 1, 0}, "rathaus-1-170": {3}, "rathaus-1-171": {4}, "rathaus-1-a1": {5}, "rathaus-1-99": nil,
	} {
		found, err := r.Search(t.Context(), "rathaus-1", number, uint64(len(events)), 50)
		var got []uint64
		for _, e := range found {
			got = append(got, e.Sequence)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q finds %v, %v; want %v", number, got, err, want)
		}
	}
}
