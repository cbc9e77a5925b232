package city_test

import (
	"math"
	"testing"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
)

// TestThreatATerminalStopsTheCity has a terminal in wrong hands sign what the
// city cannot store or follow. It is that terminal's loss alone.
func TestThreatATerminalStopsTheCity(t *testing.T) {
	for name, poison := range map[string]locker.Fact{
		"a number that no record holds": locker.DepositLoaded{Generation: math.MaxUint64},
		"a key that is none":            locker.DeviceRekeyed{Verifier: "none", Proof: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := citytest.StartBroker(t)
			c := citytest.NewCity(t, b.URL())
			hostile, good := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier), citytest.NewTerminal(t, "rathaus-2", c.Config.Verifier)
			c.Add(hostile)
			c.Add(good)
			stop := c.Start()
			hostile.Append(locker.ClockMarked{})
			hostile.Report(b.URL())
			good.Report(b.URL())
			citytest.Eventually(t, "the first event", soon, func() bool { return c.Holds(hostile) == 1 })
			hostile.Append(poison)
			citytest.Eventually(t, "the city to see it", soon, func() bool {
				return c.Holds(hostile) == 2 || len(c.Alarmed(api.AlarmContent)) > 0
			})
			for range 2 { // in the same session, and in the next
				good.AppendMany(40)
				citytest.Eventually(t, "the other terminal's events", soon, func() bool { return good.Journal.Cursor() == good.Journal.Size() })
				stop()
				stop = c.Start()
			}
			all, err := c.Terminals(t.Context())
			must(t, err)
			if all[0].Verifier != hostile.Verifier {
				t.Errorf("the city follows to the key %q", all[0].Verifier)
			}
		})
	}
}
