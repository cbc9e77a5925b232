package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// visitor is a newcomer in front of the demo.
type visitor struct {
	*town
	t    testing.TB
	said *said
}

// said is what the daemons log.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func visit(t testing.TB) *visitor {
	t.Helper()
	return visitOn(t, false)
}

func visitOn(t testing.TB, expanders bool) *visitor {
	t.Helper()
	said := new(said)
	town, err := buildOn(t.Context(), expanders, usual, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := town.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := town.welcome(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &visitor{town, t, said}
}

func (v *visitor) ask(method, url, body string) (int, http.Header, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+v.kiosk().Token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// await waits until the kiosk shows a screen.
func (v *visitor) await(name locker.ScreenName) (s locker.Screen) {
	v.t.Helper()
	var text string
	defer func() {
		if v.t.Failed() {
			v.t.Logf("waited for screen %s, the kiosk shows %s", name, text)
		}
	}()
	v.until("screen "+string(name), func() bool {
		_, _, text = v.ask(http.MethodGet, v.kiosk().URL+"/screen", "")
		s = locker.Screen{}
		return json.Unmarshal([]byte(text), &s) == nil && s.Name == name
	})
	return s
}

// at acts at a screen: a key and its value, as JSON.
func (v *visitor) at(name locker.ScreenName, key, value string) {
	v.t.Helper()
	s := v.await(name)
	body := fmt.Sprintf(`{"screen":%d,%q:%q}`, s.Number, key, value)
	if status, _, text := v.ask(http.MethodPost, v.kiosk().URL+"/input", body); status != http.StatusOK {
		v.t.Fatalf("at screen %s: %d %s", name, status, text)
	}
}

func (v *visitor) until(what string, holds func() bool) {
	v.t.Helper()
	for limit := time.Now().Add(30 * time.Second); !holds(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(limit) {
			v.t.Fatalf("%s did not come", what)
		}
	}
}

// hold holds up what the wall offers.
func (v *visitor) hold(source firmwaresim.Device, label string) {
	v.t.Helper()
	for _, o := range v.sim.State().Offers {
		if o.Source == source && o.Label == label {
			if err := v.sim.Scan(source, o.Text); err != nil {
				v.t.Fatal(err)
			}
			return
		}
	}
	v.t.Fatalf("the wall offers no %s of %s: %v", source, label, v.sim.State().Offers)
}

func (v *visitor) door(n locker.CompartmentID, deeds ...firmwaresim.Deed) {
	v.t.Helper()
	for _, deed := range deeds {
		if err := v.sim.Wall.Do(int(n), deed); err != nil {
			v.t.Fatal(err)
		}
	}
}

// load brings Anna's document into a compartment, as two clerks.
func (v *visitor) load() {
	v.t.Helper()
	clerks := v.cast.Clerks
	v.await(locker.ScreenWelcome)
	v.hold(firmwaresim.Badge, string(clerks[0].Person))
	v.at(locker.ScreenClerk, "text", clerks[0].Number)
	v.await(locker.ScreenSecond)
	v.hold(firmwaresim.Badge, string(clerks[1].Person))
	v.at(locker.ScreenClerk, "text", clerks[1].Number)
	v.await(locker.ScreenRound)
	v.hold(firmwaresim.Barcode, "Anna")
	n := v.await(locker.ScreenLay).Compartment
	v.lit(n)
	v.door(n, firmwaresim.Lay, firmwaresim.Close)
	v.at(locker.ScreenRound, "choice", string(locker.ChoiceFinish))
	v.await(locker.ScreenConfirm)
	v.hold(firmwaresim.Badge, string(clerks[0].Person))
	v.at(locker.ScreenClerk, "text", clerks[0].Number)
	v.until("the first confirmation", func() bool {
		s := v.await(locker.ScreenConfirm)
		return s.Round != nil && len(s.Round.Confirmed) == 1
	})
	v.hold(firmwaresim.Badge, string(clerks[1].Person))
	v.at(locker.ScreenClerk, "text", clerks[1].Number)
}

// lit waits until these compartments are lit, and no others.
func (v *visitor) lit(want ...locker.CompartmentID) {
	v.t.Helper()
	v.until(fmt.Sprint("light in ", want), func() bool {
		var is []locker.CompartmentID
		for _, d := range v.sim.Wall.Doors() {
			if d.Light {
				is = append(is, locker.CompartmentID(d.Number))
			}
		}
		return slices.Equal(is, want)
	})
}

func (v *visitor) offered(source firmwaresim.Device) (labels []string) {
	for _, o := range v.sim.State().Offers {
		if o.Source == source {
			labels = append(labels, o.Label)
		}
	}
	return labels
}

func TestANewcomerLoadsAndCollectsWithWhatLiesReady(t *testing.T) {
	for name, expanders := range map[string]bool{"lines": false, "expanders": true} {
		t.Run(name, func(t *testing.T) { newcomer(t, visitOn(t, expanders)) })
	}
}

func newcomer(t *testing.T, v *visitor) {
	var said bytes.Buffer
	v.explain(&said)
	for _, link := range []string{v.startAt + "/\n", v.links().Kiosk + "\n", v.links().Wall + "\n"} {
		if !strings.Contains(said.String(), link) {
			t.Errorf("%s is not printed:\n%s", link, said.String())
		}
	}
	people := v.sim.State().People
	v.until("cards and slips", func() bool {
		return len(v.offered(firmwaresim.Badge)) == 2 && len(v.offered(firmwaresim.Barcode)) == 2 && len(v.offered(firmwaresim.Citizen)) == 1
	})
	if letters := v.offered(firmwaresim.Citizen); len(people) != 3 || !slices.Equal(letters, []string{"Clara"}) {
		t.Fatalf("at first there are people %v and letters %v", people, letters)
	}
	v.load()
	v.until("Anna's letter", func() bool { return slices.Equal(v.offered(firmwaresim.Citizen), []string{"Anna", "Clara"}) })
	if slips := v.offered(firmwaresim.Barcode); slices.Contains(slips, "Anna") {
		t.Errorf("slips after loading: %v", slips)
	}
	v.await(locker.ScreenWelcome)
	v.hold(firmwaresim.Citizen, "Anna")
	v.await(locker.ScreenFinger)
	if status, _, text := v.ask(http.MethodPost, v.controlAt+"/api/finger", `{"finger":"anna"}`); status != http.StatusOK {
		t.Fatalf("lay a finger: %d %s", status, text)
	}
	n := v.await(locker.ScreenTake).Compartment
	v.lit(n)
	v.door(n, firmwaresim.Take, firmwaresim.Close)
	v.at(locker.ScreenQuestion, "choice", string(locker.ChoiceYes))
	v.await(locker.ScreenDone)
	v.lit()
}

func TestTheStartPageFramesKioskAndWallAndNothingElse(t *testing.T) {
	v := visit(t)
	_, h, text := v.ask(http.MethodGet, v.startAt+"/", "")
	policy := h.Get("Content-Security-Policy")
	if !strings.Contains(text, "<iframe") || !strings.Contains(policy, "frame-src "+v.controlAt+" "+v.kiosk().URL+";") {
		t.Errorf("policy %q", policy)
	}
	for _, framed := range []string{v.kiosk().URL + "/screen", v.controlAt + "/wall"} {
		_, h, _ := v.ask(http.MethodGet, framed, "")
		if policy := h.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors "+v.startAt) || h.Get("X-Frame-Options") != "" {
			t.Errorf("%s: policy %q", framed, policy)
		}
	}
	foreign := strings.Replace(v.startAt, "127.0.0.1", "localhost", 1)
	if status, _, text := v.ask(http.MethodGet, foreign+"/links", ""); status != http.StatusForbidden || strings.Contains(text, v.kiosk().Token) {
		t.Errorf("under another name: %d %s", status, text)
	}
	before := v.links()
	if err := v.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := v.links(); l.Kiosk != "" {
		t.Errorf("without power the kiosk is at %s", l.Kiosk)
	}
	if err := v.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := v.links(); strings.Split(after.Kiosk, "?")[0] != strings.Split(before.Kiosk, "?")[0] {
		t.Errorf("the kiosk moved from %s to %s", before.Kiosk, after.Kiosk)
	}
}

func TestTheStartPageShowsKioskAndWallInABrowser(t *testing.T) {
	ctx := browser(t)
	v := visit(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.Navigate(v.startAt+"/?lang=de"), chromedp.WaitVisible("#steps li:nth-child(4)", chromedp.ByQuery))
	if err != nil {
		t.Fatal(err)
	}
	for _, sees := range []string{v.controlAt + "/wall", v.kiosk().URL + "/"} {
		v.until("the frame of "+sees, func() bool {
			var shown bool
			script := fmt.Sprintf(`[...document.querySelectorAll("iframe")].some((f) => f.src.startsWith(%q) && f.clientWidth > 200)`, sees)
			return chromedp.Run(ctx, chromedp.Evaluate(script, &shown)) == nil && shown
		})
	}
	v.load()
	v.until("Anna's letter", func() bool { return len(v.offered(firmwaresim.Citizen)) == 2 })
	v.await(locker.ScreenWelcome)
	for name, size := range map[string][2]int64{"start-1440": {1440, 900}, "start-1280": {1280, 800}} {
		var png []byte
		if err := chromedp.Run(ctx, chromedp.EmulateViewport(size[0], size[1]), chromedp.Sleep(time.Second), chromedp.CaptureScreenshot(&png)); err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("NACHTFACH_SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = chromedp.Run(ctx, chromedp.Click(`[data-lang="en"]`, chromedp.ByQuery),
		chromedp.WaitReady(`iframe#kiosk[src$="/language/en"]`, chromedp.ByQuery), chromedp.WaitReady(`iframe#wall[src$="lang=en"]`, chromedp.ByQuery))
	if err != nil {
		t.Errorf("kiosk and wall do not follow the start page's language: %v", err)
	}
	if strings.Contains(v.said.String(), "request refused") {
		t.Errorf("the kiosk refuses its frame:\n%s", v.said.String())
	}
}
