package firmwaresim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
)

// newPlace is a simulator with a configuration that the test changes.
func newPlace(t *testing.T, change func(*firmwaresim.Config)) (*control, error) {
	t.Helper()
	config := firmwaresim.Config{Terminal: t.Name(), Compartments: 4, Dir: t.TempDir(), Lines: true, Finger: stripes}
	change(&config)
	s, err := firmwaresim.New(config)
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &control{s, t, server.URL}, nil
}

func place(t *testing.T, change func(*firmwaresim.Config)) *control {
	t.Helper()
	c, err := newPlace(t, change)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *control) get(path string) *http.Response {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	c.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	c := place(t, func(*firmwaresim.Config) {})
	for path, kind := range map[string]string{"/": "text/html", "/wall": "text/html", "/wall.css": "text/css", "/wall.js": "text/javascript", "/words.js": "text/javascript"} {
		answer := c.get(path)
		if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %s, %s", path, answer.Status, answer.Header.Get("Content-Type"))
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.HasSuffix(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	if status := c.get("/wall.html").StatusCode; status != http.StatusNotFound {
		t.Errorf("/wall.html: %d", status)
	}
}

func TestOnlyNamedPagesFrameTheWall(t *testing.T) {
	c := place(t, func(c *firmwaresim.Config) { c.FrameAncestors = []string{"http://127.0.0.1:8080"} })
	policy := c.get("/").Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "frame-ancestors http://127.0.0.1:8080") {
		t.Errorf("policy %q", policy)
	}
}

// watched reads the states that come over the events.
type watched struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (c *control) watch() *watched {
	c.t.Helper()
	answer := c.get("/api/events")
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		c.t.Fatalf("%s: %s", answer.Status, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &watched{c.t, lines}
}

// until reads on until a state fits, or for half a minute.
func (w *watched) until(fits func(firmwaresim.State) bool) firmwaresim.State {
	w.t.Helper()
	for w.lines.Scan() {
		data, ok := strings.CutPrefix(w.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var s firmwaresim.State
		if err := json.Unmarshal([]byte(data), &s); err != nil {
			w.t.Fatal(err)
		}
		if fits(s) {
			return s
		}
	}
	w.t.Fatalf("the events ended: %v", w.lines.Err())
	return firmwaresim.State{}
}

func TestEveryChangeComesAsAnEvent(t *testing.T) {
	c := place(t, func(c *firmwaresim.Config) { c.People = []firmwaresim.Person{{Name: "anna", First: 3}} })
	w := c.watch()
	w.until(func(s firmwaresim.State) bool { return !s.Doors[1].Open && len(s.Layout) == 4 })
	c.ok("/api/doors/2", `{"do":"force"}`)
	w.until(func(s firmwaresim.State) bool { return s.Doors[1].Open && s.Doors[1].ContactOpen })
	c.ok("/api/doors/2", `{"do":"lay"}`)
	w.until(func(s firmwaresim.State) bool { return s.Doors[1].Document })
	c.ok("/api/finger", `{"finger":"anna"}`)
	w.until(func(s firmwaresim.State) bool { return s.Reader.Finger == "anna/3" })
	c.ok("/api/finger", `{"lift":true}`)
	w.until(func(s firmwaresim.State) bool { return s.Reader.Finger == "" })
	c.ok("/api/unplug", `{"device":"badge"}`)
	w.until(func(s firmwaresim.State) bool { return len(s.Unplugged) == 1 })
	c.ok("/api/plug", `{"device":"badge"}`)
	w.until(func(s firmwaresim.State) bool { return len(s.Unplugged) == 0 })
	if err := c.SetOffers([]firmwaresim.Offer{{Source: firmwaresim.Citizen, Label: "Anna", Text: "NF1"}}); err != nil {
		t.Fatal(err)
	}
	w.until(func(s firmwaresim.State) bool { return len(s.Offers) == 1 && s.Offers[0].Label == "Anna" })
	c.ok("/api/finger", `{"finger":"anna"}`)
	w.until(func(s firmwaresim.State) bool { return s.Reader.Finger == "anna/4" })
	c.ok("/api/finger", `{"finger":"anna","for":"20ms"}`)
	w.until(func(s firmwaresim.State) bool { return s.Reader.Finger == "" })
}

func TestALockOnTheWireIsSeenOnThePage(t *testing.T) {
	c := place(t, func(*firmwaresim.Config) {})
	w := c.watch()
	w.until(func(firmwaresim.State) bool { return true })
	lock := gpioreg.ByName(firmwaresim.LockLine(t.Name(), 3))
	if err := lock.Out(gpio.High); err != nil {
		t.Fatal(err)
	}
	w.until(func(s firmwaresim.State) bool { return s.Doors[2].Coil })
	w.until(func(s firmwaresim.State) bool { return s.Doors[2].Open })
	if err := lock.Out(gpio.Low); err != nil {
		t.Fatal(err)
	}
	w.until(func(s firmwaresim.State) bool { return !s.Doors[2].Coil && s.Doors[2].Pulses == 1 })
}

func TestTheEndOfTheSimulatorEndsItsEvents(t *testing.T) {
	c := place(t, func(*firmwaresim.Config) {})
	w := c.watch()
	w.until(func(firmwaresim.State) bool { return true })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for w.lines.Scan() { // until the stream ends
	}
	if err := w.lines.Err(); err != nil {
		t.Errorf("the events ended with %v", err)
	}
}

func TestSomePagesWatchButNotAny(t *testing.T) {
	c := place(t, func(*firmwaresim.Config) {})
	for range 32 {
		c.watch().until(func(firmwaresim.State) bool { return true })
	}
	if status := c.get("/api/events").StatusCode; status != http.StatusServiceUnavailable {
		t.Errorf("page 33: %d", status)
	}
}

func TestSwitchesTurnOnceAndAreHiddenWhereThereAreNone(t *testing.T) {
	var calls []string
	call := func(name string, err error) func(context.Context) error {
		return func(context.Context) error {
			calls = append(calls, name)
			return err
		}
	}
	c := place(t, func(c *firmwaresim.Config) {
		c.Power = &firmwaresim.Switch{Off: call("off", nil), On: call("on", errors.New("fuse blown"))}
	})
	if s := c.state(); s.Broker != nil || s.Power == nil || !*s.Power {
		t.Errorf("at first: broker %v, power %v", s.Broker, s.Power)
	}
	c.ok("/api/power", `{"on":true}`)
	c.ok("/api/power", `{"on":false}`)
	c.ok("/api/power", `{"on":false}`)
	if status, text := c.post("/api/power", "application/json", `{"on":true}`); status != 500 || !strings.Contains(text, "fuse blown") {
		t.Errorf("a failed switch: %d %s", status, text)
	}
	if s := c.state(); *s.Power || strings.Join(calls, " ") != "off on" {
		t.Errorf("power %v after %v", *s.Power, calls)
	}
	for body, want := range map[string]int{`{}`: 400, `{"on":null}`: 400, `{"on":"yes"}`: 400} {
		if status, text := c.post("/api/power", "application/json", body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if status, _ := c.post("/api/broker", "application/json", `{"on":true}`); status != http.StatusNotFound {
		t.Errorf("a switch that is not there: %d", status)
	}
}

func TestWithoutALayoutThereAreRowsOfSix(t *testing.T) {
	c := place(t, func(c *firmwaresim.Config) { c.Compartments = 8 })
	layout := c.state().Layout
	if len(layout) != 8 || layout[5] != (firmwaresim.Place{Row: 1, Column: 6, Size: "small"}) || layout[6] != (firmwaresim.Place{Row: 2, Column: 1, Size: "small"}) {
		t.Errorf("layout %v", layout)
	}
}

func TestWhatTheWallCannotShowIsRefused(t *testing.T) {
	some := func(context.Context) error { return nil }
	good := []firmwaresim.Place{{1, 1, ""}, {1, 2, "medium"}, {2, 1, "large"}, {2, 2, "small"}}
	at := func(i int, p firmwaresim.Place) []firmwaresim.Place {
		list := append([]firmwaresim.Place{}, good...)
		list[i] = p
		return list
	}
	for want, change := range map[string]func(*firmwaresim.Config){
		"3 places for 4 compartments": func(c *firmwaresim.Config) { c.Layout = good[:3] },
		"row 0":                       func(c *firmwaresim.Config) { c.Layout = at(0, firmwaresim.Place{Column: 1}) },
		"the same place":              func(c *firmwaresim.Config) { c.Layout = at(3, good[0]) },
		`size "huge"`:                 func(c *firmwaresim.Config) { c.Layout = at(1, firmwaresim.Place{Row: 9, Column: 9, Size: "huge"}) },
		"wants a name":                func(c *firmwaresim.Config) { c.People = []firmwaresim.Person{{Label: "Anna"}} },
		"unknown source":              func(c *firmwaresim.Config) { c.Offers = []firmwaresim.Offer{{Source: "reader", Label: "x", Text: "x"}} },
		"1 to 1024 can be scanned":    func(c *firmwaresim.Config) { c.Offers = []firmwaresim.Offer{{Source: "badge", Label: "x"}} },
		"at most 80 bytes":            func(c *firmwaresim.Config) { c.Offers = []firmwaresim.Offer{{Source: "badge", Text: "x"}} },
		"at most 200":                 func(c *firmwaresim.Config) { c.Offers = make([]firmwaresim.Offer, 201) },
		"both Off and On":             func(c *firmwaresim.Config) { c.Broker = &firmwaresim.Switch{Off: some} },
		"wants an origin":             func(c *firmwaresim.Config) { c.FrameAncestors = []string{"http://x; script-src *"} },
		"frame ancestor \"*\"":        func(c *firmwaresim.Config) { c.FrameAncestors = []string{"*"} },
	} {
		config := firmwaresim.Config{Terminal: t.Name(), Compartments: 4, Dir: t.TempDir()}
		change(&config)
		s, err := firmwaresim.New(config)
		if err == nil {
			err = s.Close()
			t.Errorf("%s: built, %v", want, err)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestABadOfferLeavesTheOthers(t *testing.T) {
	card := firmwaresim.Offer{Source: firmwaresim.Badge, Label: "clerk", Text: "CARD"}
	c := place(t, func(c *firmwaresim.Config) { c.Offers = []firmwaresim.Offer{card} })
	if err := c.SetOffers([]firmwaresim.Offer{card, {Source: firmwaresim.Badge, Label: "clerk", Text: strings.Repeat("x", 2000)}}); err == nil {
		t.Error("an offer that cannot be scanned was taken")
	}
	if offers := c.state().Offers; len(offers) != 1 || offers[0] != card {
		t.Errorf("offers %v", offers)
	}
}

func TestAnotherPageActsNotAtTheWall(t *testing.T) {
	c := place(t, func(*firmwaresim.Config) {})
	for _, site := range []string{"cross-site", "same-site"} {
		r, err := http.NewRequest(http.MethodPost, c.url+"/api/doors/1", strings.NewReader(`{"do":"force"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", site)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden || c.state().Doors[0].Open {
			t.Errorf("%s: %s", site, answer.Status)
		}
	}
}
