package city_test

import (
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
)

func TestATerminalThatDoesNotComeBackWithTheBrokerIsAway(t *testing.T) {
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	c.Config.Roll = 500 * time.Millisecond
	c.Reopen()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	if c.Line().Connected {
		t.Error("connected before it runs")
	}
	c.Start()
	_, stop := m.Report(b.URL())
	online := func(want bool) func() bool {
		return func() bool {
			terminal, err := c.Terminal(t.Context(), m.ID)
			return err == nil && terminal.Online == want && c.Line().Connected
		}
	}
	citytest.Eventually(t, "the terminal", soon, online(true))
	b.Stop()
	citytest.Eventually(t, "the line to break", soon, func() bool { return !c.Line().Connected })
	stop() // and nobody can tell the city, unless the broker did with its last breath
	b.Start()
	citytest.Eventually(t, "the terminal's absence", soon, online(false))
}
