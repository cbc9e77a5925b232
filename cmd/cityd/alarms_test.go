package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
)

// TestABurglaryIsListedByAlarms has a terminal report a burglary and an alarm
// that is over, beside one that the city found itself.
func TestABurglaryIsListedByAlarms(t *testing.T) {
	const soon = 30 * time.Second
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	c.Config.Socket = filepath.Join(t.TempDir(), "s")
	c.Reopen()
	m := citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)
	c.Add(m)
	c.Start()
	m.Append(
		locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmBurglary, Detail: "sensor"},
		locker.AlarmRaised{Alarm: 2, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 7},
		locker.AlarmCleared{Alarm: 2},
	)
	m.Report(b.URL())
	citytest.Eventually(t, "the events", soon, func() bool { return c.Holds(m) == 3 })
	b.Publish("nachtfach/v1/rathaus-1/state", []byte("{"), false)
	citytest.Eventually(t, "the city's own alarm", soon, func() bool { return len(c.Alarmed(api.AlarmContent)) == 1 })
	alarms, err := c.Troubles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alarms { // somebody has looked at the one that is over
		if a.Kind == string(locker.AlarmForced) {
			err = c.Note(t.Context(), a.Terminal, a.ID, "AB", "false alarm")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "cityd.toml")
	settings := "record = \"r\"\nnote_key = \"n\"\nletter_key = \"l\"\nsocket = \"" + c.Config.Socket + "\"\n[broker]\nurl = \"tcp://127.0.0.1:1\"\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if exit := run(t.Context(), append([]string{"alarms", "-config", config}, args...), &out, &errs); exit != 0 {
			t.Fatalf("exit %d: %s", exit, errs.String())
		}
		return out.String()
	}
	for _, c := range []struct {
		args        []string
		wants, lack string
	}{
		{nil, "stands wake rathaus-1 - Burglary sensor", "Door opened"},
		{nil, "1×, last", "Door opened"},
		{[]string{"-lang", "de"}, "stands wake rathaus-1 - Einbruch sensor", "Burglary"},
		{[]string{"-all"}, "wake rathaus-1 7 Door opened without release", "Einbruch"},
	} {
		got := strings.Join(strings.Fields(ask(c.args...)), " ")
		if !strings.Contains(got, c.wants) || strings.Contains(got, c.lack) {
			t.Errorf("cityd alarms %v prints %q, want %q and no %q", c.args, got, c.wants, c.lack)
		}
	}
	var all []api.Trouble
	if err := json.Unmarshal([]byte(ask("-json")), &all); err != nil || len(all) != 2 || all[0].Kind != "burglary" {
		t.Errorf("as JSON: %+v, %v", all, err)
	}
}
