package city_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

const soon = 30 * time.Second

// start makes a broker, a city that runs and a terminal whose events the test
// publishes itself, through the broker.
func start(t *testing.T) (*citytest.Broker, *citytest.City, *citytest.Terminal) {
	t.Helper()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	b.WaitFor(topic.Ack.Of(m.ID))
	return b, c, m
}

func bodies(t *testing.T, m *citytest.Terminal, from uint64, n int) [][]byte {
	t.Helper()
	all, err := m.Journal.Read(from, n)
	if err != nil || len(all) != n {
		t.Fatalf("read %d events from %d: %d, %v", n, from, len(all), err)
	}
	return all
}

func publish(t *testing.T, b *citytest.Broker, m *citytest.Terminal, bodies ...[]byte) {
	t.Helper()
	for _, body := range bodies {
		b.Publish(topic.Event.Of(m.ID), body, false)
	}
}

func checkpoint(t *testing.T, b *citytest.Broker, m *citytest.Terminal, size uint64) {
	t.Helper()
	note, err := m.Journal.Checkpoint(size)
	if err != nil {
		t.Fatal(err)
	}
	b.Publish(topic.Checkpoint.Of(m.ID), note, true)
}

func holds(c *citytest.City, m *citytest.Terminal, n uint64) func() bool {
	return func() bool { return c.Holds(m) == n }
}

// stays fails the test if the city takes more than n events in a while.
func stays(t *testing.T, c *citytest.City, m *citytest.Terminal, n uint64) {
	t.Helper()
	for range 15 {
		time.Sleep(10 * time.Millisecond)
		if held := c.Holds(m); held != n {
			t.Fatalf("the city holds %d events, wants %d", held, n)
		}
	}
}

func TestNothingIsStoredWithoutASignedCheckpoint(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.AppendMany(10)
	publish(t, b, m, bodies(t, m, 0, 10)...)
	stays(t, c, m, 0)
	checkpoint(t, b, m, 4)
	citytest.Eventually(t, "four stored", soon, holds(c, m, 4))
	checkpoint(t, b, m, 10)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 10))
	c.Same(m)
}

func TestDuplicatedAndReorderedEventsAreStoredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.AppendMany(40)
	all := bodies(t, m, 0, 40)
	shuffled := slices.Concat(all[20:], all[:20], all[5:15], all)
	slices.Reverse(shuffled)
	publish(t, b, m, shuffled...)
	checkpoint(t, b, m, 40)
	checkpoint(t, b, m, 20)
	checkpoint(t, b, m, 40)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 40))
	publish(t, b, m, all...)
	checkpoint(t, b, m, 40)
	stays(t, c, m, 40)
	c.Same(m)
	if alarms := c.Alarmed(api.AlarmMisfit); len(alarms) > 0 {
		t.Errorf("alarms: %v", alarms)
	}
}

func TestAGapIsNeverSkipped(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.AppendMany(10)
	all := bodies(t, m, 0, 10)
	publish(t, b, m, slices.Concat(all[:3], all[4:])...)
	checkpoint(t, b, m, 3)
	checkpoint(t, b, m, 10)
	citytest.Eventually(t, "what is before the gap stored", soon, holds(c, m, 3))
	stays(t, c, m, 3)
	publish(t, b, m, all[3])
	checkpoint(t, b, m, 10)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 10))
	c.Same(m)
}

func TestAForgedEventNeverGetsIn(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.AppendMany(5)
	all := bodies(t, m, 0, 5)
	forged := []byte(strings.Replace(string(all[2]), `"compartment":3`, `"compartment":4`, 1))
	if string(forged) == string(all[2]) {
		t.Fatal("the test changes nothing")
	}
	publish(t, b, m, all[0], all[1], forged, all[3], all[4])
	checkpoint(t, b, m, 5)
	citytest.Eventually(t, "an alarm", soon, func() bool { return len(c.Alarmed(api.AlarmMisfit)) == 1 })
	stays(t, c, m, 0)
	publish(t, b, m, all...)
	checkpoint(t, b, m, 5)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 5))
	c.Same(m)
}

func TestHostilePayloadsDoNothing(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	other := citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier)
	m.AppendMany(1)
	other.AppendMany(1)
	foreign, err := other.Journal.Checkpoint(1)
	if err != nil {
		t.Fatal(err)
	}
	own, err := m.Journal.Checkpoint(1)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(own)
	flipped[len(flipped)-5] ^= 1
	deep := []byte(strings.Repeat("[", 100_000))
	for _, on := range []topic.Topic{
		topic.Event, topic.Checkpoint, topic.State, topic.Keys, topic.Letter, topic.Online, "nonsense",
	} {
		for _, payload := range [][]byte{
			nil, {0}, []byte("{"), []byte("null"), []byte("{}"), []byte(`{"specversion":"1.0","sequence":"-1"}`),
			[]byte(`{"specversion":"1.0","sequence":"99999999999999999999","source":"/terminal/rathaus-1/0badcafe"}`),
			[]byte(`{"specversion":"1.0","sequence":"0","source":"/terminal/rathaus-1/0badcafe","data":17}`),
			deep, foreign, flipped, bodies(t, other, 0, 1)[0],
		} {
			b.Publish(on.Of(m.ID), payload, false)
		}
	}
	b.Publish("nachtfach/v1/rathaus-9/event", []byte("x"), false)
	b.Publish("nachtfach/v1/rathaus-1/event/more", []byte("x"), false)
	stays(t, c, m, 0)
	m.Report(b.URL()) // and it still works; what lay at place 0 does not fit, and comes again
	citytest.Eventually(t, "the event stored", soon, holds(c, m, 1))
	c.Same(m)
}

func TestAForkRaisesAnAlarmAndIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.AppendMany(20)
	backup := m.Backup()
	_, stop := m.Report(b.URL())
	m.AppendMany(20)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 40))
	citytest.Eventually(t, "all acknowledged", soon, func() bool { return m.Journal.Cursor() == 40 })
	stop()

	m.Restore(backup) // an old disk goes back into the terminal
	m.Append(locker.ClockMarked{}, locker.ClockMarked{})
	m.Report(b.URL())
	citytest.Eventually(t, "an alarm", soon, func() bool { return len(c.Alarmed(api.AlarmFork)) > 0 })
	stays(t, c, m, 40)
	if at := m.Journal.Cursor(); at > 20 {
		t.Errorf("the fork's cursor is at %d", at)
	}
	citytest.Eventually(t, "the terminal knows too", soon, func() bool { return m.Desk.Disputes() > 0 })
}

func TestAnOldAcknowledgementPlayedAgainLosesNothing(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	acks := b.Collect(topic.Ack.Of(m.ID))
	m.Report(b.URL())
	for range 3 {
		m.AppendMany(50)
		citytest.Eventually(t, "all acknowledged", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	}
	for _, old := range acks() {
		b.Publish(topic.Ack.Of(m.ID), old, true)
	}
	m.AppendMany(50)
	citytest.Eventually(t, "all stored", soon, holds(c, m, 200))
	citytest.Eventually(t, "all acknowledged", soon, func() bool { return m.Journal.Cursor() == 200 })
	c.Same(m)
}

func TestAnEventOfANewerTerminalIsStored(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.Append(newer{})
	m.Append(locker.DepositReserved{Generation: 1, Order: "order-0001", Compartment: 3})
	m.Report(b.URL())
	citytest.Eventually(t, "both stored", soon, holds(c, m, 2))
	c.Same(m)
	if d, err := c.Deposits(t.Context(), m.ID); err != nil || len(d) != 1 {
		t.Errorf("deposits %v, %v", d, err)
	}
}

type newer struct{}

func (newer) Type() string { return "de.nachtfach.drone.landed.v1" }

func TestTheAcknowledgementCarriesTheCitysTime(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	acks := b.Collect(topic.Ack.Of(m.ID))
	b.Publish(topic.Online.Of(m.ID), []byte("true"), true)
	citytest.Eventually(t, "an acknowledgement", soon, func() bool { return len(acks()) > 0 })
	verifier := m.CityVerifier(c)
	ack, err := envelope.OpenAck(verifier, m.ID, acks()[0])
	if err != nil {
		t.Fatal(err)
	}
	if ack.Size != 0 || time.Since(ack.Time).Abs() > time.Minute {
		t.Errorf("acknowledgement of %d events at %v", ack.Size, ack.Time)
	}
}

func TestDepositsFollowTheEvents(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.Append(
		locker.DepositReserved{Generation: 1, Order: "order-0001", Compartment: 3, Round: 1},
		locker.DepositPrepared{Generation: 1},
		locker.DocumentLaid{Generation: 1, Round: 1},
		locker.DepositLoaded{Generation: 1, Round: 1},
		locker.LetterPosted{Generation: 1, Day: "2026-11-20"},
		locker.DepositReserved{Generation: 2, Order: "order-0002", Compartment: 4, Round: 1},
		locker.DepositAbandoned{Generation: 2, Reason: "door"},
		locker.DepositReserved{Generation: 3, Order: "order-0001", Compartment: 3, Replaces: 1, Admin: "admin-1"},
		locker.DepositPrepared{Generation: 3},
		locker.DepositReissued{Generation: 3, Replaces: 1},
		locker.SlotErased{Generation: 1, Slot: "c1", Quality: locker.ErasedLogically},
		locker.RootReplaced{Upto: 1, Slots: []locker.ErasedSlot{{Generation: 1, Slot: "c1"}, {Generation: 2, Slot: "c2"}}},
		locker.DepositExpired{Generation: 3},
	)
	m.Report(b.URL())
	citytest.Eventually(t, "all stored", soon, holds(c, m, 13))
	deposits, err := c.Deposits(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range deposits {
		got = append(got, fmt.Sprintf("%d %s %d %s posted=%s expired=%v erased=%v %s %s", d.Generation, d.Order, d.Compartment, d.State, d.Posted, d.Expired, d.Erased, d.Slot, d.Quality))
	}
	want := []string{
		"3 order-0001 3 loaded posted= expired=true erased=false  ",
		"2 order-0002 4 abandoned posted= expired=false erased=false  ",
		"1 order-0001 3 replaced posted=2026-11-20 expired=false erased=true c1 physical",
	}
	if !slices.Equal(got, want) {
		t.Errorf("deposits\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheStateIsKept(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.Desk.Show([]byte(`{"software":"0.1.0"}`), nil)
	m.Report(b.URL())
	citytest.Eventually(t, "the state", soon, func() bool {
		all, err := c.Terminals(t.Context())
		var state struct{ Software string }
		return err == nil && json.Unmarshal(all[0].State, &state) == nil && state.Software == "0.1.0"
	})
}
