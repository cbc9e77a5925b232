package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
)

//go:embed start
var startFiles embed.FS

// links are the faces of the demo, as its start page needs them.
type links struct {
	Kiosk   string   `json:"kiosk"` // with the token; "" while the power is off
	Wall    string   `json:"wall"`
	Console string   `json:"console,omitempty"` // "" if there is none
	Numbers []string `json:"numbers"`           // the clerks' personal numbers
	Ready   bool     `json:"ready"`             // for a newcomer
	Step    int      `json:"step"`              // of those that the page names: the next one
}

func (t *town) links() links {
	l := links{Ready: t.ready.Load(), Step: max(1, int(t.step.Load())), Wall: t.controlAt + "/wall", Console: t.console(), Numbers: []string{t.cast.Clerks[0].Number, t.cast.Clerks[1].Number}}
	if k := t.kiosk(); k != (tour.Door{}) {
		l.Kiosk = k.URL + "/?token=" + k.Token
	}
	return l
}

// console is the address of the city's console.
func (t *town) console() string { return t.pages.URL() }

// openConsole lets the admins look; it is served while the city runs.
func (t *town) openConsole(ctx context.Context) (err error) {
	t.pages, err = console.Listen(console.Config{
		City: t.city, Unknown: record.ErrUnknown, Addr: "127.0.0.1:0", Token: rand.Text(),
		Zone: time.Local, Now: time.Now, Logger: t.log.With("who", "console"),
	})
	if err != nil {
		return err
	}
	go func() { _ = t.pages.Serve(ctx) }() // ends with the city
	return nil
}

// listenStart takes the start page's port, whose origin kiosk and wall must know.
func (t *town) listenStart(context.Context) (err error) {
	if t.startPort, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("start page: %w", err)
	}
	t.startAt = "http://" + t.startPort.Addr().String()
	return nil
}

// serveStart answers there. From now on the kiosk keeps its port when the
// power goes, because pages and links name it.
func (t *town) serveStart() {
	t.serving.Do(func() {
		t.config.Kiosk.Listen = t.machine.d.Kiosk()
		t.start = &http.Server{Handler: t.startPage(t.startPort.Addr().String()), ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = t.start.Serve(t.startPort) }() // ends with Close
	})
}

// steps are those of the start page, by the screens at which one is there. Other
// screens change nothing.
var steps = map[locker.ScreenName]int32{
	locker.ScreenClerk: 1, locker.ScreenKey: 1, locker.ScreenSecond: 1,
	locker.ScreenRound: 2, locker.ScreenPreparing: 2, locker.ScreenTaskOpens: 2, locker.ScreenClear: 2,
	locker.ScreenInspect: 2, locker.ScreenUnload: 2, locker.ScreenLay: 2, locker.ScreenTaskDefect: 2, locker.ScreenConfirm: 2,
	locker.ScreenRoundDone: 3,
	locker.ScreenFinger:    4, locker.ScreenNumber: 4, locker.ScreenComparing: 4, locker.ScreenOpening: 4, locker.ScreenTake: 4, locker.ScreenQuestion: 4,
	locker.ScreenDone: 1,
}

// follow looks where the visitor is. What the demo does by itself before it is
// ready is nobody's step.
func (t *town) follow(ctx context.Context) {
	k := t.kiosk()
	if !t.ready.Load() || k == (tour.Door{}) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL+"/screen", nil)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+k.Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return // the power went just now
	}
	defer answer.Body.Close()
	var screen locker.Screen
	if json.NewDecoder(answer.Body).Decode(&screen) == nil && steps[screen.Name] != 0 {
		t.step.Store(steps[screen.Name])
	}
}

// startPage answers only a browser that asks by the printed address, so that
// no foreign name in it learns the kiosk's token.
func (t *town) startPage(host string) http.Handler {
	mux := http.NewServeMux()
	for at, name := range map[string]string{"/{$}": "start.html", "/start.css": "start.css", "/start.js": "start.js"} {
		mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, startFiles, path.Join("start", name))
		})
	}
	mux.HandleFunc("GET /links", func(w http.ResponseWriter, r *http.Request) {
		t.follow(r.Context())
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.links()) // a browser that left asks again
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "the start page is at http://"+host+"/", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src "+t.framed()+
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// framed are the origins that the start page shows: the wall's and the kiosk's.
func (t *town) framed() string {
	return t.controlAt + " http://" + t.config.Kiosk.Listen
}
