package city_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// TestThreatForgedAcknowledgement has a hostile broker tell the terminal that
// the city holds what it never got: the events would be forgotten.
func TestThreatForgedAcknowledgement(t *testing.T) {
	d := open(t)
	d.m.AppendMany(50)
	citytest.Eventually(t, "all is acknowledged", soon, func() bool { return d.m.Journal.Cursor() == d.m.Journal.Size() })
	d.c.Config.Broker.URL = "tcp://" + citytest.FreeAddress(t)
	d.b.Stop()
	b := citytest.StartBroker(t) // the thief's
	_, stop := d.m.Report(b.URL())
	defer stop()
	b.WaitFor(topic.Online.Of(d.m.ID))
	before := d.m.Journal.Cursor()
	d.m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3})
	size, root, err := d.m.Journal.Tree()
	d.check(err)
	forge := func(signer note.Signer) {
		ack, err := envelope.SignAck(signer, envelope.Ack{
			Checkpoint: envelope.Checkpoint{Terminal: d.m.ID, Size: int64(size), Root: root}, Time: time.Now(),
		})
		d.check(err)
		b.Publish(topic.Ack.Of(d.m.ID), ack, true)
	}
	private, _, err := envelope.GenerateCity(rand.Reader, "teststadt")
	d.check(err)
	thief, err := note.NewSigner(private)
	d.check(err)
	forge(thief)
	citytest.Eventually(t, "the refusal is journalled", soon, func() bool { return len(d.m.Desk.Rejected()) > 0 })
	if c := d.m.Journal.Cursor(); c != before {
		t.Fatalf("the terminal believes a forged acknowledgement: %d events instead of %d", c, before)
	}
	// With the city's own key, which is the defence, the same note is believed.
	forge(d.c.Config.Signer)
	citytest.Eventually(t, "without the defence the attack succeeds", soon, func() bool { return d.m.Journal.Cursor() >= size })
}

// TestThreatHeldBackAlarm has a hostile broker leave one event out, and put
// another in its place.
func TestThreatHeldBackAlarm(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	m.AppendMany(10)
	m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3})
	m.AppendMany(10)
	events, err := m.Journal.Read(0, 100)
	must(t, err)
	const alarm = 10
	publish := func(events ...[]byte) {
		for _, e := range events {
			b.Publish(topic.Event.Of(m.ID), e, false)
		}
	}
	checkpoint := func(size uint64) {
		note, err := m.Journal.Checkpoint(size)
		must(t, err)
		b.Publish(topic.Checkpoint.Of(m.ID), note, true)
	}
	held := func() uint64 {
		all, err := c.Terminals(t.Context())
		must(t, err)
		return all[0].Size
	}
	citytest.Eventually(t, "what came before", soon, func() bool { // again until the city hears, as a terminal does
		publish(events[:alarm]...)
		checkpoint(alarm)
		return held() == alarm
	})

	publish(events[alarm+1:]...) // the alarm is missing
	checkpoint(uint64(len(events)))
	quiet, err := json.Marshal(map[string]any{"type": "de.nachtfach.clock.marked.v1"})
	must(t, err)
	publish(quiet) // something harmless in its place
	publish(events[alarm+1:]...)
	checkpoint(uint64(len(events)))
	time.Sleep(time.Second)
	if n := held(); n != alarm {
		t.Fatalf("the city took %d events over a gap at %d", n, alarm)
	}
	publish(events[alarm:]...) // and the terminal repeats until the city has it
	checkpoint(uint64(len(events)))
	citytest.Eventually(t, "the alarm", soon, func() bool { return held() == uint64(len(events)) })

	// Who has the device's key tells any story: a log without the alarm, under
	// the key that the city trusts, passes. The signature is the defence.
	thief := citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier)
	c.Add(thief)
	thief.AppendMany(20)
	story, err := thief.Journal.Read(0, 100)
	must(t, err)
	for _, e := range story {
		b.Publish(topic.Event.Of(thief.ID), e, false)
	}
	note, err := thief.Journal.Checkpoint(uint64(len(story)))
	must(t, err)
	b.Publish(topic.Checkpoint.Of(thief.ID), note, true)
	citytest.Eventually(t, "without the defence the attack succeeds", soon, func() bool {
		all, err := c.Terminals(t.Context())
		return err == nil && all[1].Size == uint64(len(story))
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
