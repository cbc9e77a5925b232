package report_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/city/citytest"
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
