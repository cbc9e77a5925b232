package daemon_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// clerks is a terminal with a badge reader, its screen and two clerks.
type clerks struct {
	*bench
	d    *daemon.Daemon
	cast *tour.Cast
}

func newClerks(t *testing.T, terminal string) *clerks {
	t.Helper()
	b := newBench(t, terminal)
	b.config.Scanners = []daemon.Scanner{{Source: daemon.Source(locker.SourceBadge), Path: b.sim.Addresses().Badge}}
	cast, err := tour.NewCast(terminal, seal.Params{Memory: 64, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Init(b.config, cast.Roster); err != nil {
		t.Fatal(err)
	}
	return &clerks{b, b.run(), cast}
}

// await waits for a screen and returns it.
func (c *clerks) await(name locker.ScreenName) (s locker.Screen) {
	c.t.Helper()
	eventually(c.t, string(name), func() bool { s = c.screen(c.d); return s.Name == name })
	return s
}

// does presses or types on the screen that is shown.
func (c *clerks) does(on locker.ScreenName, key string, value any) {
	c.t.Helper()
	token, err := os.ReadFile(c.config.Token())
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, key+" on "+string(on), func() bool {
		body, err := json.Marshal(map[string]any{"screen": c.await(on).Number, key: value})
		if err != nil {
			c.t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, "http://"+c.d.Kiosk()+"/input", bytes.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent
	})
}

func (c *clerks) signIn() {
	c.t.Helper()
	c.await(locker.ScreenWelcome)
	for i, clerk := range c.cast.Clerks {
		if i == 1 {
			c.await(locker.ScreenSecond)
		}
		c.holdUp(c.d, clerk.Card)
		c.does(locker.ScreenClerk, "text", clerk.Number)
	}
	c.await(locker.ScreenRound)
}

func TestTwoClerksExerciseALockThatATechnicianAskedFor(t *testing.T) {
	c := newClerks(t, "exercise-1")
	client := daemon.Dial(c.config.Socket())
	if _, err := client.Exercise(t.Context(), []locker.CompartmentID{2}); err != nil {
		t.Fatal(err)
	}
	c.signIn()
	if d, _ := c.sim.Wall.Door(2); d.Pulses != 0 {
		t.Fatal("the lock moved before the clerks began")
	}
	tasks := c.await(locker.ScreenRound).Round.Tasks
	if last := tasks[len(tasks)-1]; len(tasks) != 2 || last.Kind != locker.TaskExercise || last.Compartment != 2 {
		t.Fatalf("tasks %+v", tasks)
	}
	for range tasks { // compartment 1 is looked into first: nobody has seen it empty yet
		c.does(locker.ScreenRound, "choice", locker.ChoiceNext)
		at := c.await(locker.ScreenClear).Compartment
		c.does(locker.ScreenClear, "choice", locker.ChoiceEmpty)
		eventually(t, "the closed door", func() bool { // on a busy machine the lock may be pulsed once more, and the door open again
			return c.sim.Wall.Do(int(at), firmwaresim.Close) == nil && c.screen(c.d).Name == locker.ScreenRound
		})
	}
	eventually(t, "the result on the screen", func() bool { return len(c.await(locker.ScreenRound).Round.Exercised) > 0 })
	if r := c.await(locker.ScreenRound).Round.Exercised[0]; r.Compartment != 2 || r.Coil == 0 || r.Err != "" {
		t.Errorf("shown %+v", r)
	}
	var journal bytes.Buffer
	if err := client.Journal(t.Context(), 0, &journal); err != nil {
		t.Fatal(err)
	}
	released := strings.Index(journal.String(), `"purpose":"exercise"`)
	measured := strings.Index(journal.String(), locker.LockExercised{}.Type())
	if released < 0 || measured < released {
		t.Errorf("released at %d, measured at %d of\n%s", released, measured, journal.String())
	}
	for n := 1; n <= 2; n++ {
		if d, _ := c.sim.Wall.Door(n); d.Pulses == 0 {
			t.Errorf("door %+v", d)
		}
	}
}
