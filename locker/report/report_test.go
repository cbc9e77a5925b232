package report_test

import (
	"bytes"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

const soon = 30 * time.Second

// start makes a broker, a city that runs, and one terminal that it knows.
func start(t testing.TB) (*citytest.Broker, *citytest.City, *citytest.Terminal) {
	b := citytest.StartBroker(t)
	c, m := startAt(t, b.URL())
	return b, c, m
}

func startAt(t testing.TB, url string) (*citytest.City, *citytest.Terminal) {
	c := citytest.NewCity(t, url)
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	return c, m
}

func acknowledged(m *citytest.Terminal) func() bool {
	return func() bool { return m.Journal.Cursor() == m.Journal.Size() }
}

func TestEventsReachTheCityInOrderAndOnce(t *testing.T) {
	t.Parallel()
	_, c, m := start(t)
	m.AppendMany(250)
	m.Report(c.Config.Broker.URL)
	for range 20 {
		m.Append(locker.ClockMarked{})
	}
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	c.Same(m)
}

func TestNothingIsLostOrDoubledWhenTheBrokerRestarts(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.Report(b.URL())
	for range 4 {
		m.AppendMany(300)
		citytest.Eventually(t, "some progress", soon, func() bool { return m.Journal.Cursor()+250 > m.Journal.Size() })
		b.Stop()
		m.AppendMany(100)
		b.Start()
	}
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	c.Same(m)
}

func TestTheCursorMovesOnTheCitysWordAlone(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL()) // does not run
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	m.AppendMany(300)
	var mu sync.Mutex
	published := 0
	b.Watch(func(on string, _ []byte) {
		if on == topic.Event.Of(m.ID) {
			mu.Lock()
			published++
			mu.Unlock()
		}
	})
	m.Report(b.URL())
	citytest.Eventually(t, "a full window published", soon, func() bool { mu.Lock(); defer mu.Unlock(); return published >= report.Window })
	time.Sleep(300 * time.Millisecond) // more than the broker needs for everything
	mu.Lock()
	if published != report.Window {
		t.Errorf("%d events published without an acknowledgement, wants %d", published, report.Window)
	}
	mu.Unlock()
	if at := m.Journal.Cursor(); at != 0 {
		t.Fatalf("the cursor is at %d, though no city answered", at)
	}
	c.Add(m)
	c.Start()
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	c.Same(m)
}

// A broker says that it has an event and loses it, or nobody listened: the
// connection stays, and only the reporter's patience brings the event again.
func TestEventsThatNobodyAcknowledgesAreSentAgainOverTheSameConnection(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL()) // does not run
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	m.AppendMany(5)
	bodies, err := m.Journal.Read(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	times, connected := map[string]int{}, 0
	b.Watch(func(on string, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		switch on {
		case topic.Event.Of(m.ID):
			times[string(payload)]++
		case topic.Online.Of(m.ID):
			connected++
		}
	})
	m.Report(b.URL())
	citytest.Eventually(t, "each event once more", soon, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, body := range bodies {
			if times[string(body)] < 2 {
				return false
			}
		}
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	if connected != 1 {
		t.Errorf("connected %d times: a new connection sends everything in any case", connected)
	}
}

func TestHostileAcknowledgementsMoveNothing(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	m.Report(b.URL())
	m.AppendMany(60)
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))

	private, _, err := envelope.GenerateCity(rand.Reader, "teststadt")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := m.Journal.Tree()
	if err != nil {
		t.Fatal(err)
	}
	ack := func(by note.Signer, terminal string, size int64, at time.Time) []byte {
		signed, err := envelope.SignAck(by, envelope.Ack{
			Checkpoint: envelope.Checkpoint{Terminal: terminal, Size: size, Root: root}, Time: at,
		})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	now := time.Now()
	for what, forged := range map[string][]byte{
		"of a stranger":        ack(stranger, m.ID, 10, now),
		"for another terminal": ack(c.Config.Signer, "rathaus-2", 10, now),
		"of a fork":            ack(c.Config.Signer, m.ID, 10, now.Add(time.Minute)),
		"ahead of the journal": ack(c.Config.Signer, m.ID, 61, now.Add(time.Minute)),
		"older":                ack(c.Config.Signer, m.ID, 10, now.Add(-time.Hour)),
		"no note at all":       []byte("\x00\xffhello"),
		"empty":                {},
		"endless":              bytes.Repeat([]byte("a\n"), 200_000),
	} {
		b.Publish(topic.Ack.Of(m.ID), forged, false)
		time.Sleep(20 * time.Millisecond)
		if at := m.Journal.Cursor(); at != 60 {
			t.Errorf("an acknowledgement %s moved the cursor to %d", what, at)
		}
	}
	citytest.Eventually(t, "a refused acknowledgement is told", soon, func() bool { return len(m.Desk.Rejected()) == 1 })
	citytest.Eventually(t, "a history that is not ours is told", soon, func() bool { return m.Desk.Disputes() == 1 })
	m.AppendMany(60)
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	c.Same(m)
}

func TestACityRestoredFromABackupGetsWhatItLost(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	m.Report(b.URL())
	m.AppendMany(150)
	stop := c.Start()
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	stop()
	backup := c.Backup()
	m.AppendMany(150)
	stop = c.Start()
	citytest.Eventually(t, "all events acknowledged", soon, acknowledged(m))
	stop()
	time.Sleep(1100 * time.Millisecond) // an acknowledgement tells its time to the second
	c.Restore(backup)
	if held := c.Holds(m); held != 150 {
		t.Fatalf("the backup holds %d events", held)
	}
	c.Start()
	citytest.Eventually(t, "the city has all events again", soon, func() bool { return c.Holds(m) == 300 })
	c.Same(m)
}

func TestTheLastWillAndAStopInGoodOrderSayOffline(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	_, stop := m.Report(b.URL())
	online := func() bool {
		all, err := c.Terminals(t.Context())
		return err == nil && all[0].Online
	}
	citytest.Eventually(t, "online", soon, online)
	stop()
	citytest.Eventually(t, "offline", soon, func() bool { return !online() })
}

func TestStateKeysAndLettersArePublishedAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	b, _, m := start(t)
	var mu sync.Mutex
	seen, last := map[string]int{}, uint64(0)
	b.Watch(func(on string, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		if on == topic.State.Of(m.ID) {
			said, err := envelope.OpenState(device(t, m), m.ID, payload)
			if err != nil {
				t.Errorf("state %s: %v", payload, err)
			}
			if said.Sequence <= last {
				t.Errorf("state %d comes after %d", said.Sequence, last)
			}
			last, payload = said.Sequence, said.State
		}
		seen[on+" "+string(payload)]++
	})
	has := func(on topic.Topic, payload string) func() bool {
		return func() bool { // a state is signed anew after the first acknowledgement
			mu.Lock()
			defer mu.Unlock()
			n := seen[on.Of(m.ID)+" "+payload]
			return n == 1 || on == topic.State && n == 2
		}
	}
	m.Desk.Show([]byte(`{"a":1}`), []byte("keys 1"), []byte("letter 1"))
	r, _ := m.Report(b.URL())
	citytest.Eventually(t, "state", soon, has(topic.State, `{"a":1}`))
	citytest.Eventually(t, "keys", soon, has(topic.Keys, "keys 1"))
	citytest.Eventually(t, "letter", soon, has(topic.Letter, "letter 1"))
	m.Desk.Show([]byte(`{"a":2}`), []byte("keys 1"), []byte("letter 1"), []byte("letter 2"))
	r.Refresh()
	citytest.Eventually(t, "new state", soon, has(topic.State, `{"a":2}`))
	citytest.Eventually(t, "new letter", soon, has(topic.Letter, "letter 2"))
	citytest.Eventually(t, "the rest is not repeated", soon, func() bool {
		return has(topic.Keys, "keys 1")() && has(topic.Letter, "letter 1")()
	})
}

func TestTheCitysMessagesAreHandedOver(t *testing.T) {
	t.Parallel()
	b, _, m := start(t)
	r, _ := m.Report(b.URL())
	citytest.Eventually(t, "connected", soon, func() bool { return r.Status().Connected })
	citytest.Eventually(t, "each message", soon, func() bool {
		for _, on := range []topic.Topic{topic.Order, topic.Roster, topic.Command, topic.Posted} {
			if len(m.Desk.Received(on)) == 0 {
				b.Publish(on.Of(m.ID), []byte("for you"), false)
				b.Publish(on.Of("rathaus-2"), []byte("for others"), false)
				return false
			}
			for _, got := range m.Desk.Received(on) {
				if string(got) != "for you" {
					t.Fatalf("received %q on %s", got, on)
				}
			}
		}
		return true
	})
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	good := report.Config{
		Terminal: "rathaus-1", Broker: broker.Config{URL: "tcp://127.0.0.1:1"},
		Log:  citytest.NewTerminal(t, "rathaus-1", citytest.NewCity(t, "tcp://127.0.0.1:1").Config.Verifier).Journal,
		Desk: &citytest.Desk{}, Logger: citytest.Logger(t),
	}
	if _, err := report.New(good); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(*report.Config){
		"a terminal that is a filter": func(c *report.Config) { c.Terminal = "+" },
		"no journal":                  func(c *report.Config) { c.Log = nil },
		"no port":                     func(c *report.Config) { c.Broker.URL = "tcp://127.0.0.1" },
		"a foreign scheme":            func(c *report.Config) { c.Broker.URL = "ws://127.0.0.1:1" },
		"a password in the address":   func(c *report.Config) { c.Broker.URL = "tcp://a:b@127.0.0.1:1" },
	} {
		bad := good
		spoil(&bad)
		if _, err := report.New(bad); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func device(t *testing.T, m *citytest.Terminal) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(m.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
