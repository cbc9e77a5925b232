package city_test

import (
	"encoding/json"
	"testing"

	"github.com/nachtfach/nachtfach/city/citytest"
)

// TestNoSourceAndIDRepeatAfterABoardIsReplaced lets two boards report as one
// terminal, the second after the first one's log was closed.
func TestNoSourceAndIDRepeatAfterABoardIsReplaced(t *testing.T) {
	t.Parallel()
	b, c, dead := start(t)
	_, stop := dead.Report(b.URL())
	dead.AppendMany(30)
	citytest.Eventually(t, "the first board's events", soon, holds(c, dead, 30))
	stop()
	retired, err := c.Retire(t.Context(), dead.ID)
	must(t, err)
	board := citytest.NewTerminal(t, dead.ID, c.Config.Verifier)
	c.Add(board)
	board.Report(b.URL())
	board.AppendMany(30)
	citytest.Eventually(t, "the second board's events", soon, holds(c, board, 30))
	seen := map[[2]string]string{}
	for _, terminal := range []string{retired.Closed, board.ID} {
		events, err := c.Events(t.Context(), terminal, 0, 1000)
		must(t, err)
		if len(events) != 30 {
			t.Fatalf("%d events of %s", len(events), terminal)
		}
		for _, e := range events {
			var event struct{ Source, ID string }
			must(t, json.Unmarshal(e.Body, &event))
			pair := [2]string{event.Source, event.ID}
			if other := seen[pair]; other != "" {
				t.Fatalf("source %s and id %s name an event of %s and one of %s", event.Source, event.ID, other, terminal)
			}
			seen[pair] = terminal
		}
	}
}
