package city_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
	"github.com/nachtfach/nachtfach/pin"
)

// letterOf is one that the terminal signed.
func letterOf(t *testing.T, c *citytest.City, m *citytest.Terminal, g locker.Generation, id locker.OrderID) []byte {
	t.Helper()
	identity, err := c.Identity(t.Context())
	must(t, err)
	code, err := pin.Draw(rand.Reader, 4711)
	must(t, err)
	share, err := envelope.DrawShare(rand.Reader)
	must(t, err)
	letter, err := envelope.SealLetter(envelope.Standard{}, m.Signer, identity.LetterKey, envelope.Letter{
		Terminal: m.ID, Order: id, Generation: g, Code: code, Share: share, Fingers: []int{2, 7},
	})
	must(t, err)
	return letter
}

// Four years after one document was taken, one was laid that is still there, and
// an alarm was over, the record has no word of what ended, and still verifies.
func TestWhatIsOverIsPrunedAfterItsPeriod(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	stop := c.Start()
	r, _ := m.Report(b.URL())
	held := func(n uint64) func() bool { return func() bool { return c.Holds(m) == n } }
	lay := func(g locker.Generation, id locker.OrderID) []locker.Fact {
		return []locker.Fact{
			locker.DepositReserved{Generation: g, Order: id, Compartment: locker.CompartmentID(g), Round: 1}, locker.DepositPrepared{Generation: g},
			locker.DocumentLaid{Generation: g, Round: 1}, locker.DepositLoaded{Generation: g, Round: 1},
		}
	}
	m.Append(lay(1, "order-over")...)
	m.Append(lay(2, "order-here")...)
	citytest.Eventually(t, "that the city listens", soon, held(m.Journal.Size())) // a letter comes again after a minute
	old := letterOf(t, c, m, 1, "order-over")
	m.Desk.Show(nil, nil, old, letterOf(t, c, m, 2, "order-here"))
	r.Refresh()
	citytest.Eventually(t, "the letters", soon, func() bool {
		_, one := c.Letter(t.Context(), "order-over")
		return one == nil
	})
	m.Desk.Show(nil, nil)
	m.Append(
		locker.DocumentTaken{Generation: 1}, locker.SlotErased{Generation: 1, Slot: "c0ffee", Quality: locker.ErasedPhysically},
		locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 9},
		locker.AlarmRaised{Alarm: 2, Class: locker.Morning, Kind: locker.AlarmForced, Compartment: 8}, locker.AlarmCleared{Alarm: 2},
	)
	citytest.Eventually(t, "all held", soon, held(m.Journal.Size()))
	must(t, c.Note(t.Context(), m.ID, "2", "Erika Beispiel", "looked"))
	stop()
	over := m.Journal.Size()

	c.Config.Now = func() time.Time { return time.Now().Add(4 * 366 * 24 * time.Hour) }
	c.Reopen()
	if n := strings.Count(files(t, c), "order-over"); n == 0 {
		t.Fatal("the order is nowhere in the record: this proves nothing")
	}
	stop = c.Start()
	citytest.Eventually(t, "the old events pruned", soon, func() bool {
		all, err := c.Terminals(t.Context())
		return err == nil && all[0].Pruned == over
	})
	b.Publish(topic.Letter.Of(m.ID), old, false) // by who kept it: the broker
	_, err := m.Journal.Append([]locker.Event{{Time: c.Config.Now().UTC(), Quality: locker.TimeConfirmed, Fact: locker.ClockMarked{}}}, nil)
	must(t, err)
	citytest.Eventually(t, "a new one beside them", soon, held(over+1))
	stop()
	for _, word := range []string{"order-over", "Erika Beispiel", string(old[len(old)/2 : len(old)/2+40])} {
		if strings.Contains(files(t, c), word) {
			t.Errorf("%q is still in the record", word)
		}
	}
	events, err := c.Events(t.Context(), m.ID, 0, 1000)
	if err != nil || len(events) != 1 || events[0].Sequence != over {
		t.Errorf("%d events, %v; wants the new one", len(events), err)
	}
	deposits, err := c.Deposits(t.Context(), m.ID)
	must(t, err)
	if len(deposits) != 2 || deposits[0].Order != "order-here" || deposits[0].State != api.DepositLoaded || deposits[1].Slot != "c0ffee" {
		t.Errorf("deposits %+v; wants what is there, and the receipt of what is not", deposits)
	}
	if _, err := c.Letter(t.Context(), "order-here"); err != nil {
		t.Errorf("the letter of what is there: %v", err)
	}
	troubles, err := c.Troubles(t.Context())
	if err != nil || len(troubles) != 1 || troubles[0].ID != "1" {
		t.Errorf("alarms %+v, %v; wants the one that stands", troubles, err)
	}
	tree, err := c.Verify(t.Context(), m.ID)
	if err != nil || tree.Size != over+1 || tree.Pruned != over {
		t.Fatalf("verify: %+v, %v", tree, err)
	}
	db, err := sql.Open("sqlite", c.Config.Record)
	must(t, err)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE events SET hashes = zeroblob(length(hashes)) WHERE seq = 5`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(t.Context(), m.ID); err == nil {
		t.Error("the hash of a pruned event was changed, and all verifies")
	}
}

func TestAPeriodThatIsNoneIsRefused(t *testing.T) {
	c := citytest.NewCity(t, "tcp://127.0.0.1:1")
	for _, keep := range []time.Duration{-time.Hour, time.Hour, 2 * city.MostKeep} {
		c.Config.Keep, c.Config.Record = keep, filepath.Join(t.TempDir(), "r")
		if o, err := city.Open(c.Config); err == nil {
			o.Close()
			t.Errorf("a period of %v is taken", keep)
		}
	}
}

// files is all that lies in the record's files.
func files(t *testing.T, c *citytest.City) string {
	t.Helper()
	must(t, c.Scrub())
	names, err := filepath.Glob(c.Config.Record + "*")
	must(t, err)
	var all bytes.Buffer
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		all.Write(text)
	}
	return all.String()
}
