package city_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// relay carries messages between a terminal's broker and the city's, as whoever
// runs a bridge between them does. Once it is hostile it holds events,
// checkpoints and letters back, and makes up a healthy state.
type relay struct {
	city *citytest.Broker

	mu      sync.Mutex
	hostile bool
	states  [][]byte // that the device signed, in order
	closed  bool
	pass    bool // states of a hostile relay are passed on as they are
}

func startRelay(t *testing.T, terminals, city *citytest.Broker) *relay {
	t.Helper()
	r := &relay{city: city}
	terminals.Watch(func(on string, payload []byte) { r.fromTerminal(on, payload) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	inbox := broker.NewInbox(8 << 20)
	conn, err := broker.Dial(ctx, broker.Config{URL: city.URL(), ClientID: "relay"})
	must(t, err)
	t.Cleanup(conn.Close)
	must(t, conn.Subscribe(ctx, inbox, topic.Ack.Of("+"), topic.Command.Of("+"), topic.Order.Of("+")))
	t.Cleanup(func() {
		cancel()
		<-done
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed = true
	})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-inbox.Ready():
			}
			messages, _ := inbox.Take()
			for _, m := range messages {
				terminals.Publish(m.Topic, m.Payload, m.Retained)
			}
		}
	}()
	return r
}

func (r *relay) fromTerminal(on string, payload []byte) {
	_, of, ok := topic.Split(on)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !ok, r.closed, of == topic.Ack, of == topic.Command, of == topic.Order:
		return
	case of == topic.State:
		r.states = append(r.states, append([]byte(nil), payload...))
		if r.hostile && !r.pass {
			return
		}
	case r.hostile && of != topic.Online:
		return
	}
	r.city.Publish(on, payload, of == topic.State || of == topic.Online)
}

func (r *relay) turn(hostile, pass bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hostile, r.pass = hostile, pass
}

func (r *relay) signed() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]byte(nil), r.states...)
}

// dressed is a signed state with another time and count, as the relay wants them.
func dressed(t *testing.T, state []byte, recorded uint64, at time.Time) []byte {
	t.Helper()
	var fields map[string]any
	must(t, json.Unmarshal(state, &fields))
	fields["time"], fields["recorded"], fields["alarms"] = at, recorded, []any{}
	forged, err := json.Marshal(fields)
	must(t, err)
	return forged
}

// relayed is a city that hears a terminal through a relay.
func relayed(t *testing.T) (*citytest.City, *clock, *citytest.Terminal, *relay) {
	t.Helper()
	far, near := citytest.StartBroker(t), citytest.StartBroker(t)
	c, at, _ := watched(t, near)
	c.Config.Stale, c.Config.Silent = 2*time.Minute, time.Hour
	c.Config.Repeat = 50 * time.Millisecond
	c.Reopen()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	near.WaitFor(topic.Ack.Of(m.ID))
	r := startRelay(t, far, near)
	m.Report(far.URL())
	m.AppendMany(1)
	citytest.Eventually(t, "its event", soon, holds(c, m, 1))
	citytest.Eventually(t, "its state", soon, func() bool { return len(state(t, c, m)) > 0 })
	return c, at, m, r
}

func state(t *testing.T, c *citytest.City, m *citytest.Terminal) []byte {
	t.Helper()
	terminal, err := c.Terminal(t.Context(), m.ID)
	must(t, err)
	return terminal.State
}

// TestThreatARelayHoldsAnAlarmBack forces a door while a relay lets nothing
// through but a healthy state, each second anew.
func TestThreatARelayHoldsAnAlarmBack(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(t *testing.T, last []byte, at time.Time) []byte{
		"and repeats the last state":         func(_ *testing.T, last []byte, _ time.Time) []byte { return last },
		"and dresses the last state up":      func(t *testing.T, last []byte, at time.Time) []byte { return dressed(t, last, 1, at) },
		"and sends nothing in place of them": func(*testing.T, []byte, time.Time) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, at, m, r := relayed(t)
			r.turn(true, false)
			m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 1})
			before := state(t, c, m)
			last := r.signed()
			if _, yes := standing(t, c, api.AlarmStale); yes {
				t.Fatal("an alarm before the period is over")
			}
			citytest.Eventually(t, "the alarm", soon, func() bool {
				at.pass(time.Second)
				if forged := forge(t, last[len(last)-1], at.now()); forged != nil {
					r.city.Publish(topic.State.Of(m.ID), forged, true)
				}
				r.city.Publish(topic.Online.Of(m.ID), []byte("true"), true)
				return stands(t, c, api.AlarmStale, true)()
			})
			alarm, _ := standing(t, c, api.AlarmStale)
			if alarm.Terminal != m.ID || alarm.Class != locker.Wake || !strings.Contains(alarm.Detail, "signed state") {
				t.Errorf("the alarm is %+v", alarm)
			}
			if got := state(t, c, m); string(got) != string(before) {
				t.Errorf("the city shows %s, and the device signed %s", got, before)
			}
			if told := len(c.Alarmed(api.AlarmSignature)) > 0; told != strings.Contains(name, "dresses") {
				t.Errorf("a forged state is told: %v", told)
			}
			r.turn(false, false)
			m.Desk.Show([]byte(`{"open":false}`), nil)
			citytest.Eventually(t, "the held-back event", soon, holds(c, m, 2))
		})
	}
}

// TestThreatARelayHoldsEventsBackAndPassesStates has the terminal's own state
// count what does not arrive.
func TestThreatARelayHoldsEventsBackAndPassesStates(t *testing.T) {
	t.Parallel()
	c, at, m, r := relayed(t)
	r.turn(true, true)
	m.Append(locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 1})
	m.Desk.Show([]byte(`{"open":true,"recorded":2}`), nil)
	citytest.Eventually(t, "the state", soon, func() bool { return strings.Contains(string(state(t, c, m)), `"recorded":2`) })
	citytest.Eventually(t, "the alarm", soon, func() bool {
		at.pass(time.Second)
		return stands(t, c, api.AlarmHeld, true)()
	})
	r.turn(false, false)
	citytest.Eventually(t, "the alarm's end", soon, stands(t, c, api.AlarmHeld, false))
}

func TestAnOlderStateOfTheDevicesChangesNothing(t *testing.T) {
	t.Parallel()
	c, _, m, r := relayed(t)
	m.Desk.Show([]byte(`{"software":"new"}`), nil)
	citytest.Eventually(t, "the new state", soon, func() bool {
		m.AppendMany(1) // a change, after which the state is published
		return string(state(t, c, m)) == `{"software":"new"}`
	})
	for _, old := range r.signed()[:1] {
		r.city.Publish(topic.State.Of(m.ID), old, true)
	}
	r.city.Publish(topic.State.Of(m.ID), []byte("{"), false) // what comes after it was read after it
	citytest.Eventually(t, "the mark", soon, func() bool { return len(c.Alarmed(api.AlarmContent)) > 0 })
	if got := string(state(t, c, m)); got != `{"software":"new"}` {
		t.Errorf("the city shows %s", got)
	}
}

func TestACommandExpiresByTheTerminalsOwnClock(t *testing.T) {
	d := open(t)
	lost := time.Until(time.Unix(30, 0)) // a clock that lost its date counts from 1970
	for _, off := range []time.Duration{2 * time.Hour, -3 * 24 * time.Hour, 73 * 365 * 24 * time.Hour, lost} {
		shown, err := json.Marshal(map[string]any{"challenge": citytest.Challenge, "time": time.Now().Add(off).UTC()})
		must(t, err)
		d.m.Desk.Show(shown, nil)
		d.r.Refresh()
		citytest.Eventually(t, "a draft by the terminal's clock", soon, func() bool {
			draft, err := d.ask.DraftCommand(t.Context(), d.m.ID, locker.Command{Kind: locker.CommandClock, Shift: locker.Duration(-time.Hour)})
			return err == nil && (time.Until(draft.Expires)-off-9*time.Minute).Abs() < 2*time.Minute
		})
	}
}
