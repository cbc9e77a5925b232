package kiosk

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Another page in the kiosk's browser, a name that was pointed at 127.0.0.1,
// another program on the machine: each attack is right in all but one thing,
// and with the check of that one thing taken out it gets through.
func TestThreatKioskOnLocalhost(t *testing.T) {
	const addr = "127.0.0.1:8480"
	real := guard{hosts: []string{addr}, token: "of this boot", logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	reaches := func(g guard, attack func(*http.Request)) bool {
		r := httptest.NewRequest(http.MethodPost, "http://"+addr+"/input", nil)
		r.Header.Set("Origin", "http://"+addr)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Authorization", "Bearer of this boot")
		attack(r)
		reached := false
		w := httptest.NewRecorder()
		g.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
		if !reached && w.Code != http.StatusForbidden {
			t.Errorf("refused with %d, want 403", w.Code)
		}
		return reached
	}
	if !reaches(real, func(*http.Request) {}) {
		t.Fatal("the kiosk's own page is refused")
	}
	for name, c := range map[string]struct {
		attack  func(*http.Request)
		without func(guard) guard // the defence; nil where the standard library is the defence
	}{
		"a name pointed at the loopback": {
			func(r *http.Request) { r.Host = "evil.example" },
			func(g guard) guard { g.hosts = append(g.hosts, "evil.example"); return g },
		},
		"another page's script": {
			func(r *http.Request) { r.Header.Set("Origin", "http://evil.example"); r.Header.Del("Sec-Fetch-Site") },
			nil,
		},
		"another page's form": {
			func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "cross-site") },
			nil,
		},
		"a program without the token": {
			func(r *http.Request) { r.Header.Del("Authorization") },
			func(g guard) guard { g.token = ""; return g },
		},
		"the token of another boot": {
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer of the last boot") },
			func(g guard) guard { g.token = "of the last boot"; return g },
		},
	} {
		if reaches(real, c.attack) {
			t.Errorf("%s gets through", name)
		}
		if c.without == nil {
			continue
		}
		spoilt := c.without(real)
		if name == "a program without the token" {
			attack := c.attack
			c.attack = func(r *http.Request) { attack(r); r.Header.Set("Authorization", "Bearer ") }
		}
		if !reaches(spoilt, c.attack) {
			t.Errorf("%s is refused by something else too: the test shows nothing of its defence", name)
		}
	}
}
