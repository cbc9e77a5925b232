package record_test

import (
	"database/sql"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
)

func TestAConditionStandsOnceAndComesAgain(t *testing.T) {
	at := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	r, err := record.Open(t.TempDir()+"/r", func() time.Time { at = at.Add(time.Minute); return at })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raise := func(want bool) {
		t.Helper()
		if raised, err := r.Raise(t.Context(), "rathaus-1", api.AlarmSilent, "nothing was heard"); raised != want || err != nil {
			t.Errorf("raised %v, %v", raised, err)
		}
	}
	over := func(want bool) {
		t.Helper()
		if cleared, err := r.Clear(t.Context(), "rathaus-1", api.AlarmSilent); cleared != want || err != nil {
			t.Errorf("cleared %v, %v", cleared, err)
		}
	}
	over(false)
	raise(true)
	raise(false)
	first := troubles(t, r)[0]
	if !first.Open() || first.Counts() || !first.Cleared.IsZero() {
		t.Errorf("it stands as %+v", first)
	}
	if err := r.Note(t.Context(), "rathaus-1", first.ID, "AB", "called"); err != nil {
		t.Fatal(err)
	}
	if got := troubles(t, r)[0]; !got.Open() || got.Noted.IsZero() {
		t.Errorf("noted, and it stands as %+v", got)
	}
	over(true)
	over(false)
	if got := troubles(t, r)[0]; got.Open() {
		t.Errorf("over and noted, and it stands as %+v", got)
	}
	raise(true)
	if got := troubles(t, r); len(got) != 1 || !got[0].Open() || !got[0].Noted.IsZero() || !got[0].Since.After(first.Since) {
		t.Errorf("it comes again as %+v", got)
	}
	// A flood of messages that nobody signed does not push it out.
	for i := range 300 {
		if err := r.Alarm(t.Context(), "rathaus-1", api.AlarmSignature, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := troubles(t, r)[0]; got.Kind != api.AlarmSilent {
		t.Errorf("after a flood the first alarm is %+v", got)
	}
}

// TestARecordWithoutRoomSaysSo has SQLite itself answer that the file may not grow.
func TestARecordWithoutRoomSaysSo(t *testing.T) {
	db, err := sql.Open("sqlite", t.TempDir()+"/r")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE t (b BLOB); PRAGMA max_page_count = 3; INSERT INTO t VALUES (zeroblob(100000))`)
	if !record.Full(fmt.Errorf("store: %w", err)) {
		t.Errorf("SQLite answers %v, which is not taken for a full disk", err)
	}
	_, err = db.Exec(`INSERT INTO missing VALUES (1)`)
	if err == nil || record.Full(err) || record.Full(nil) || !record.Full(fmt.Errorf("write: %w", syscall.ENOSPC)) {
		t.Errorf("%v is taken for a full disk, or ENOSPC is not", err)
	}
}
