package city_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

// online tells whether the city is connected and takes the terminal for online,
// or not.
func online(t *testing.T, c *citytest.City, m *citytest.Terminal, want bool) func() bool {
	return func() bool {
		terminal, err := c.Terminal(t.Context(), m.ID)
		return err == nil && terminal.Online == want && c.Line().Connected
	}
}

func TestATerminalThatDoesNotComeBackWithTheBrokerIsAway(t *testing.T) {
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	c.Config.Roll = 500 * time.Millisecond
	c.Reopen()
	m, other := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier), citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier)
	c.Add(m)
	c.Add(other)
	if c.Line().Connected {
		t.Error("connected before it runs")
	}
	c.Start()
	_, stop := m.Report(b.URL())
	other.Report(b.URL())
	citytest.Eventually(t, "the terminal", soon, online(t, c, m, true))
	citytest.Eventually(t, "the other terminal", soon, online(t, c, other, true))
	b.Stop()
	citytest.Eventually(t, "the line to break", soon, func() bool { return !c.Line().Connected })
	stop() // and nobody can tell the city, unless the broker did with its last breath
	b.Start()
	citytest.Eventually(t, "the terminal's absence", soon, online(t, c, m, false))
	// The roll takes away nobody who answered it.
	citytest.Eventually(t, "the other terminal again", soon, online(t, c, other, true))
	for range 30 {
		time.Sleep(20 * time.Millisecond)
		if !online(t, c, other, true)() {
			t.Fatal("the roll call took a terminal that had answered for absent")
		}
	}
}

// TestATerminalRegisteredAfterItConnectedIsOnline registers a terminal that has
// connected before, as happens when it is switched on first.
func TestATerminalRegisteredAfterItConnectedIsOnline(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	c.Start()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	m.AppendMany(3)
	m.Report(b.URL())
	b.WaitFor(topic.State.Of(m.ID))
	citytest.Eventually(t, "the city to be connected", soon, func() bool { return c.Line().Connected })
	c.Add(m)
	citytest.Eventually(t, "the terminal to be online", soon, online(t, c, m, true))
	citytest.Eventually(t, "its state", soon, func() bool {
		terminal, err := c.Terminal(t.Context(), m.ID)
		return err == nil && len(terminal.State) > 0
	})
	citytest.Eventually(t, "its events", soon, holds(c, m, 3))
	m.AppendMany(3) // and each message comes once, as before
	citytest.Eventually(t, "its next events", soon, holds(c, m, 6))
	c.Same(m)
}

// TestATerminalThatComesOnlineIsToldAtOnceWhatWaited waits an hour between
// repetitions.
func TestATerminalThatComesOnlineIsToldAtOnceWhatWaited(t *testing.T) {
	t.Parallel()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	c.Config.Repeat = time.Hour
	c.Reopen()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	b.WaitFor(topic.Ack.Of(m.ID))
	sent := b.Collect(topic.Roster.Of(m.ID))
	must(t, c.SubmitRoster(t.Context(), []byte(`{"terminal":"rathaus-1","version":2,"sealed":"AAAA"}`)))
	citytest.Eventually(t, "the roster", soon, func() bool { return len(sent()) == 1 })
	b.Publish(topic.Roster.Of(m.ID), nil, true) // the broker forgets it
	m.Report(b.URL())
	citytest.Eventually(t, "the roster at the terminal", soon, func() bool {
		for _, message := range m.Desk.Received(topic.Roster) {
			if len(message) > 0 {
				return true
			}
		}
		return false
	})
}

// TestTheCityHearsATerminalAfterItsWholeJournalWasSentAgain repeats more than
// the city lets wait for a checkpoint.
func TestTheCityHearsATerminalAfterItsWholeJournalWasSentAgain(t *testing.T) {
	t.Parallel()
	b, c, m := start(t)
	r, _ := m.Report(b.URL())
	for range 5 {
		facts := make([]locker.Fact, 60)
		for i := range facts {
			facts[i] = locker.MessageRefused{Message: locker.MessageOrder, Order: "order-0001", Reason: string(make([]byte, 10_000))}
		}
		m.Append(facts...)
		citytest.Eventually(t, "all acknowledged", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	}
	events := b.Collect(topic.Event.Of(m.ID))
	r.Resend()
	citytest.Eventually(t, "every event again", soon, func() bool { return len(events()) >= 300 })
	m.AppendMany(100)
	citytest.Eventually(t, "the next events", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	c.Same(m)
}
