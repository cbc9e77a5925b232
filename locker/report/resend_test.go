package report_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

func TestTheWholeJournalIsSentOnceMore(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	r, _ := m.Report(b.URL())
	m.AppendMany(150)
	citytest.Eventually(t, "all is acknowledged", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	events, checkpoints := b.Collect(topic.Event.Of(m.ID)), b.Collect(topic.Checkpoint.Of(m.ID))
	r.Resend()
	citytest.Eventually(t, "every event", soon, func() bool {
		seen := map[string]bool{}
		for _, e := range events() {
			seen[string(e)] = true
		}
		return len(seen) == 150
	})
	m.AppendMany(10) // what is new goes on beside it
	citytest.Eventually(t, "the new ones", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	if n := len(checkpoints()); n < 5 {
		t.Errorf("%d checkpoints for 150 events", n)
	}
	if alarms, err := c.Alarms(t.Context()); err != nil || len(alarms) > 0 {
		t.Errorf("the city's alarms: %+v, %v", alarms, err)
	}
}

// Two commands in a row ask again while the first is still on its way.
func TestAskingAgainMeanwhileBeginsAnew(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	r, _ := m.Report(b.URL())
	m.AppendMany(700)
	citytest.Eventually(t, "all is acknowledged", soon, acknowledged(m))
	checkpoints := b.Collect(topic.Checkpoint.Of(m.ID))
	citytest.Eventually(t, "batches once more", soon, func() bool { r.Resend(); return len(checkpoints()) > 40 })
	m.AppendMany(10)
	citytest.Eventually(t, "what is new", soon, acknowledged(m))
	c.Same(m)
}

func TestAPrunedJournalIsSentFromItsFirstBodyOn(t *testing.T) {
	t.Parallel()
	b, _, m := start(t)
	r, _ := m.Report(b.URL())
	for range 7 {
		facts := make([]locker.Event, 100)
		for i := range facts {
			facts[i] = locker.Event{Time: time.Now().UTC(), Quality: locker.TimeConfirmed, Fact: locker.ClockMarked{}}
		}
		if _, err := m.Journal.Append(facts, func() ([]byte, error) { return []byte("{}"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	citytest.Eventually(t, "all is acknowledged", soon, acknowledged(m))
	if n, err := m.Journal.Prune(time.Now().Add(time.Hour)); err != nil || n == 0 || n == 700 {
		t.Fatalf("%d pruned, %v", n, err)
	}
	events := b.Collect(topic.Event.Of(m.ID))
	r.Resend()
	citytest.Eventually(t, "every event that has its body", soon, func() bool {
		seen := map[string]bool{}
		for _, e := range events() {
			seen[string(e)] = true
		}
		return len(seen) == int(m.Journal.Size()-m.Journal.Pruned())
	})
}
