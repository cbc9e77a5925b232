package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report"
)

const (
	soon  = 20 * time.Second
	token = "0123456789abcdef"
)

// scene is a terminal that reports to a city, and an admin's browser.
type scene struct {
	*testing.T
	m       *citytest.Terminal
	r       *report.Reporter
	stop    func() // the terminal's line
	console *console.Console
	base    string
	browser *http.Client
}

func open(t *testing.T) *scene {
	t.Helper()
	b := citytest.StartBroker(t)
	c := citytest.NewCity(t, b.URL())
	s := &scene{T: t, m: citytest.NewTerminal(t, "rathaus-1", c.Config.Verifier)}
	c.Add(s.m)
	c.Start()
	var err error
	s.console, err = console.Listen(console.Config{
		City: c.City, Unknown: record.ErrUnknown, Addr: "127.0.0.1:0", Hosts: []string{"console.example"},
		Token: token, Zone: time.UTC, Now: time.Now, Logger: citytest.Logger(t),
	})
	s.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.console.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the console ended with %v", err)
		}
	})
	s.base, _, _ = strings.Cut(s.console.URL(), "/?")
	jar, err := cookiejar.New(nil)
	s.check(err)
	s.browser = &http.Client{Jar: jar, Timeout: time.Minute}
	s.r, s.stop = s.m.Report(b.URL())
	return s
}

func (s *scene) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// tell commits facts and shows a state.
func (s *scene) tell(status locker.Status, facts ...locker.Fact) {
	s.Helper()
	state, err := json.Marshal(status)
	s.check(err)
	s.m.Desk.Show(state, nil)
	s.m.Append(facts...)
	s.r.Refresh()
}

func (s *scene) get(path string) (status int, body string) {
	s.Helper()
	r, err := s.browser.Get(s.base + path)
	s.check(err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	s.check(err)
	return r.StatusCode, string(text)
}

func (s *scene) admit() {
	s.Helper()
	if status, body := s.get("/?token=" + token); status != http.StatusOK || strings.Contains(body, token) {
		s.Fatalf("the token is answered with %d:\n%s", status, body)
	}
}

// sees waits until the page says all of it.
func (s *scene) sees(path string, all ...string) string {
	s.Helper()
	var body string
	citytest.Eventually(s.T, path+" with "+strings.Join(all, ", "), soon, func() bool {
		_, body = s.get(path)
		for _, w := range all {
			if !strings.Contains(body, w) {
				return false
			}
		}
		return true
	})
	return body
}

var broken = locker.Status{
	Terminal: "rathaus-1", Time: time.Now(), Quality: locker.TimeConfirmed, Open: true, Software: "1.2.3",
	Compartments: []locker.CompartmentStatus{
		{Number: 1, Size: locker.Small, Use: "empty"},
		{Number: 2, Size: locker.Small, Use: "occupied", Generation: 5, Order: "ABCD2345", Loaded: time.Now().Add(-73 * time.Hour)},
		{Number: 3, Size: locker.Large, Use: "doubt", Open: true, Fault: locker.FaultContact},
	},
}

var forced = locker.AlarmRaised{Alarm: 7, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3, Detail: `<script>alert("x")</script>`}

func TestAnAdminSeesWhatHappenedAndAcknowledgesIt(t *testing.T) {
	s := open(t)
	s.admit()
	s.tell(broken, locker.DepositReserved{Generation: 5, Order: "ABCD2345", Compartment: 2},
		locker.DepositLoaded{Generation: 5}, forced)
	s.sees("/", "rathaus-1", "Handeln", "Tür ohne Freigabe geöffnet", "noch nicht quittiert")
	page := s.sees("/terminals/rathaus-1", "Tür offen", "Kontakt gestört", "3 T", "ABCD2345", "abholbereit", "1.2.3", "alarm.raised")
	if strings.Contains(page, "<script>alert") {
		t.Error("a terminal's words become part of the page")
	}

	form := url.Values{"terminal": {"rathaus-1"}, "alarm": {"7"}, "by": {"änne"}, "note": {"Tür geprüft & verschlossen"}, "back": {"/alarms"}}
	r, err := s.browser.PostForm(s.base+"/alarms/note", form)
	s.check(err)
	r.Body.Close()
	if r.StatusCode != http.StatusOK || r.Request.URL.Path != "/alarms" {
		t.Fatalf("the note is answered with %d at %s", r.StatusCode, r.Request.URL)
	}
	if page := s.sees("/alarms", "Tür geprüft &amp; verschlossen", "änne"); strings.Contains(page, "noch nicht quittiert") || !strings.Contains(page, `value="änne"`) {
		t.Error("the alarm is not acknowledged, or the name is not kept")
	}
	s.tell(broken, locker.AlarmCleared{Alarm: 7})
	s.sees("/alarms", "Erledigt", "Kein offener Alarm")

	s.stop()
	s.sees("/", "nicht verbunden", "Handeln")
}

func TestTrainingIsMarked(t *testing.T) {
	address := staged(t, night(t))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := strings.Cut(address, "/?")
	s := &scene{T: t, base: base, browser: &http.Client{Jar: jar, Timeout: time.Minute}}
	s.admit()
	const badge = `<span class="training">`
	for path, want := range map[string]int{
		"/": 1, "/terminals/schulung": 1 + 12, "/terminals/schulung/events": 60, "/terminals/rathaus-nord": 0, "/terminals/rathaus-nord/events": 0,
	} {
		if _, page := s.get(path); strings.Count(page, badge) != want {
			t.Errorf("%s bears %d marks of training, want %d", path, strings.Count(page, badge), want)
		}
	}
	s.sees("/terminals/schulung", "Übungsbetrieb – keine echten Dokumente", badge+"Übung<")
}

func TestEventsAreFoundAndTurnedOver(t *testing.T) {
	s := open(t)
	s.admit()
	facts := []locker.Fact{forced}
	for range 220 {
		facts = append(facts, locker.CompartmentClosed{Compartment: 1})
	}
	s.tell(broken, facts...)
	s.sees("/terminals/rathaus-1/events", `id="event-220"`, `id="event-121"`, "&amp;before=121")
	s.sees("/terminals/rathaus-1/events?before=121", `id="event-120"`, "&amp;before=21")
	if page := s.sees("/terminals/rathaus-1/events?before=21", `id="event-0"`); strings.Contains(page, "&amp;before=") {
		t.Error("there are older events than the first")
	}
	if page := s.sees("/terminals/rathaus-1/events?q=DOOR_FORCED", `id="event-0"`); strings.Contains(page, `id="event-1"`) {
		t.Error("an event is found that does not hold the word")
	}
	s.sees("/terminals/rathaus-1/events?q="+strings.Repeat("%FF%22%3Cb%3E", 300), "Hier ist kein Ereignis")
}

func TestAChangeReachesAnOpenPageAtOnce(t *testing.T) {
	s := open(t)
	s.admit()
	s.tell(broken, locker.CompartmentClosed{Compartment: 1})
	s.sees("/", "rathaus-1", "Bitte ansehen")
	r, err := s.browser.Get(s.base + "/live")
	s.check(err)
	defer r.Body.Close()
	lines := make(chan string, 100)
	go func() {
		for in := bufio.NewScanner(r.Body); in.Scan(); {
			if strings.HasPrefix(in.Text(), "event: ") {
				lines <- in.Text()
			}
		}
		close(lines)
	}()
	if first := <-lines; first != "event: change" {
		t.Fatalf("the page hears %q first", first)
	}
	began := time.Now()
	s.tell(broken, forced)
	for line := range lines {
		if line != "event: change" {
			continue
		}
		if _, page := s.get("/"); strings.Contains(page, "Tür ohne Freigabe geöffnet") {
			t.Logf("seen after %v", time.Since(began))
			return
		}
		if time.Since(began) > soon {
			break
		}
	}
	t.Error("the alarm does not reach the page")
}

func TestOnlyAnAdminsOwnPageIsAnswered(t *testing.T) {
	s := open(t)
	for name, c := range map[string]func(*http.Request){
		"no token":        func(*http.Request) {},
		"a wrong token":   func(r *http.Request) { r.URL.RawQuery = "token=x" },
		"a wrong cookie":  func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "nachtfach_console", Value: "x"}) },
		"another name":    func(r *http.Request) { r.Host = "evil.example"; admitted(r) },
		"no name":         func(r *http.Request) { r.Host = "127.0.0.1"; admitted(r) },
		"another's form":  func(r *http.Request) { r.Method = "POST"; r.Header.Set("Sec-Fetch-Site", "cross-site"); admitted(r) },
		"another's own":   func(r *http.Request) { r.Method = "POST"; r.Header.Set("Origin", "http://evil.example"); admitted(r) },
		"the live events": func(r *http.Request) { r.URL.Path = "/live" },
	} {
		r, err := http.NewRequest(http.MethodGet, s.base+"/", nil)
		s.check(err)
		c(r)
		answer, err := http.DefaultClient.Do(r)
		s.check(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s is answered with %d", name, answer.StatusCode)
		}
	}
	r, err := http.NewRequest(http.MethodGet, s.base+"/?token="+token, nil)
	s.check(err)
	r.Host = "console.example"
	answer, err := http.DefaultTransport.RoundTrip(r)
	s.check(err)
	answer.Body.Close()
	if c := answer.Cookies(); len(c) != 1 || !c[0].Secure || !c[0].HttpOnly {
		t.Errorf("behind a proxy the cookies are %v", c)
	}
}

func admitted(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: "nachtfach_console", Value: token})
}

func TestBadInputGetsAClearPage(t *testing.T) {
	s := open(t)
	s.admit()
	s.m.Desk.Show([]byte(`{"compartments": "none"}`), nil)
	for path, want := range map[string]int{
		"/nothing": 404, "/terminals/rathaus-9": 404, "/terminals/%2e%2e": 404, "/terminals/rathaus-1/events?before=x": 404,
		"/terminals/rathaus-1": 200, "/alarms": 200, "/static/console.js": 200, "/static/none": 404,
	} {
		if status, _ := s.get(path); status != want {
			t.Errorf("%s is answered with %d, want %d", path, status, want)
		}
	}
	for name, form := range map[string]url.Values{
		"nothing":          {},
		"no text":          {"terminal": {"rathaus-1"}, "alarm": {"7"}, "by": {"a"}, "note": {"  "}},
		"an endless text":  {"terminal": {"rathaus-1"}, "alarm": {"7"}, "by": {"a"}, "note": {strings.Repeat("x", 1001)}},
		"a flood":          {"note": {strings.Repeat("x", 1<<20)}},
		"an unknown alarm": {"terminal": {"rathaus-1"}, "alarm": {"7"}, "by": {"a"}, "note": {"b"}},
	} {
		r, err := s.browser.PostForm(s.base+"/alarms/note", form)
		s.check(err)
		page, err := io.ReadAll(r.Body)
		s.check(err)
		r.Body.Close()
		if r.StatusCode/100 != 4 || !strings.Contains(string(page), `name="back" value="/"`) {
			t.Errorf("%s is answered with %d and %s", name, r.StatusCode, page)
		}
	}
	for _, back := range []string{"//evil.example/", "/\\evil.example/", "/\t/evil.example/", "https://evil.example/", "", "/\n/evil.example"} {
		r, err := s.browser.PostForm(s.base+"/language", url.Values{"language": {"en"}, "back": {back}})
		s.check(err)
		r.Body.Close()
		if r.Request.URL.String() != s.base+"/" {
			t.Errorf("a form leads from %q to %s", back, r.Request.URL)
		}
	}
	s.sees("/", `lang="en"`, "Terminals", "No open alarm")
}

func TestAnAddressForTheWholeNetworkIsRefused(t *testing.T) {
	c := citytest.NewCity(t, "tcp://127.0.0.1:1")
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "localhost", ""} {
		_, err := console.Listen(console.Config{
			City: c.City, Unknown: record.ErrUnknown, Addr: addr, Token: token, Zone: time.UTC, Now: time.Now, Logger: citytest.Logger(t),
		})
		if err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("%q is answered with %v", addr, err)
		}
	}
}

func TestAnAdminSeesWhatCommandsHaveDone(t *testing.T) {
	s := open(t)
	s.admit()
	locked := broken
	locked.Open, locked.Locked, locked.Blocked = false, locker.LockedBurglary, []locker.Person{"clerk-7"}
	locked.Compartments = slices.Clone(broken.Compartments)
	locked.Compartments[0].Disabled = true
	s.tell(locked, locker.BurglaryDeclared{Cause: "an admin's command", Inside: []locker.Inside{}})
	s.sees("/terminals/rathaus-1", "Einbruchsmodus", "clerk-7", "gesperrt</em>", "Einbruchsmodus")
}
