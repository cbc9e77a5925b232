package kiosk_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nachtfach/nachtfach/locker/kiosk"
)

func withLog(w *bytes.Buffer) func(*kiosk.Config) {
	return func(c *kiosk.Config) { c.Logger = slog.New(slog.NewTextHandler(w, nil)) }
}

// refuses sends a request both ways and wants it to change nothing.
func refuses(t *testing.T, spoil func(*http.Request)) {
	t.Helper()
	term := newTerminal()
	f := open(t, term)
	for _, r := range []*http.Request{
		f.request("GET", "/screen", ""), f.request("POST", "/input", `{"screen":7,"choice":"yes"}`), f.request("GET", "/", ""),
	} {
		spoil(r)
		answer := f.do(r)
		if s := f.want(answer, 403); s.Screen != nil || s.Name != "" {
			t.Errorf("%s %s shows a screen: %+v", r.Method, r.URL, s)
		}
		if len(answer.Cookies()) > 0 {
			t.Errorf("%s %s sets a cookie", r.Method, r.URL)
		}
	}
	if got := term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
}

func TestRefusesWithoutToken(t *testing.T) {
	refuses(t, func(r *http.Request) { r.Header.Del("Authorization") })
}

func TestRefusesAForeignToken(t *testing.T) {
	for _, bearer := range []string{"", "x", strings.Repeat("0", 64), strings.Repeat("0", 10_000)} {
		refuses(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer) })
		refuses(t, func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "nachtfach_kiosk", Value: bearer})
		})
		refuses(t, func(r *http.Request) {
			r.Header.Del("Authorization")
			if r.URL.Path == "/" {
				r.URL.RawQuery = "token=" + bearer
			}
		})
	}
}

func TestRefusesAForeignHost(t *testing.T) {
	for _, host := range []string{"evil.example", "evil.example:8480", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8480.evil.example", "[::1]:8480", ""} {
		refuses(t, func(r *http.Request) { r.Host = host })
	}
}

func TestRefusesAForeignOrigin(t *testing.T) {
	for _, origin := range []string{
		"http://evil.example", "https://127.0.0.1:8480", "http://127.0.0.1", "http://127.0.0.1:8481", "null", "",
		"http://u@127.0.0.1:8480", "http://127.0.0.1:8480/", "file://", "%",
	} {
		refuses(t, func(r *http.Request) { r.Header.Set("Origin", origin) })
	}
}

func TestRefusesASecondOrigin(t *testing.T) {
	refuses(t, func(r *http.Request) { r.Header["Origin"] = []string{"http://" + addr, "http://evil.example"} })
}

func TestRefusesAnotherPagesPress(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	for _, site := range []string{"cross-site", "same-site"} {
		r := f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)
		r.Header.Set("Sec-Fetch-Site", site)
		f.want(f.do(r), 403)
	}
	if got := term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
}

func TestAdmitsItsOwnOriginAndName(t *testing.T) {
	f := open(t, newTerminal())
	for _, host := range []string{addr, "localhost:8480", "LOCALHOST:8480"} {
		r := f.request("GET", "/screen", "")
		r.Host = host
		r.Header.Set("Origin", "http://"+strings.ToLower(host))
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		f.want(f.do(r), 200)
	}
}

func TestTheTokenBecomesACookie(t *testing.T) {
	f := open(t, newTerminal())
	r := f.request("GET", "/?token="+f.token, "")
	r.Header.Del("Authorization")
	answer := f.do(r)
	if answer.StatusCode != http.StatusSeeOther || strings.Contains(answer.Header.Get("Location"), f.token) {
		t.Fatalf("answered %s to %s, want 303 to an address without token", answer.Status, answer.Header.Get("Location"))
	}
	cookies := answer.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Path != "/" || cookies[0].Domain != "" {
		t.Fatalf("sets %v, want one cookie, HttpOnly and SameSite=Strict", cookies)
	}
	next := f.request("GET", answer.Header.Get("Location"), "")
	next.Header.Del("Authorization")
	next.AddCookie(cookies[0])
	if got := f.do(next).StatusCode; got != 200 {
		t.Errorf("the page behind it answers %d", got)
	}
}

func TestEveryAnswerIsLockedDown(t *testing.T) {
	f := open(t, newTerminal())
	foreign := f.request("GET", "/screen", "")
	foreign.Host = "evil.example"
	for _, r := range []*http.Request{f.request("GET", "/screen", ""), f.request("GET", "/nothing", ""), foreign} {
		h := f.do(r).Header
		for name, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=()",
		} {
			if !strings.Contains(h.Get(name), part) {
				t.Errorf("%s: %s is %q, want %q", r.Host, name, h.Get(name), part)
			}
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("opened: %v", h)
		}
	}
}

func TestTellsTheLogOfRefusals(t *testing.T) {
	var log bytes.Buffer
	f := open(t, newTerminal(), withLog(&log))
	r := f.request("GET", "/screen", "")
	r.Host = strings.Repeat("evil.", 1000)
	f.want(f.do(r), 403)
	if !strings.Contains(log.String(), "refused") || log.Len() > 500 || strings.Contains(log.String(), f.token) {
		t.Errorf("the log says %q", log.String())
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, a := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0", "127.0.0.1", "", "localhost.example:0", "[fe80::1%lo]:0", "[::1%lo]:0"} {
		if l, err := kiosk.Listen(a); !errors.Is(err, kiosk.ErrNotLoopback) {
			t.Errorf("Listen(%q): %v, %v; want ErrNotLoopback", a, l, err)
		}
	}
	l, err := kiosk.Listen("127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// public is a listener that says that it is reached from everywhere.
type public struct{ net.Listener }

func (public) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

func TestServesOnLoopbackOnly(t *testing.T) {
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, newTerminal())
	if err := f.Serve(t.Context(), public{l}); !errors.Is(err, kiosk.ErrNotLoopback) {
		t.Errorf("Serve: %v, want ErrNotLoopback", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is left open: %v", err)
	}
}

func TestTheTokenIsSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	f := open(t, newTerminal(), func(c *kiosk.Config) { c.TokenFile = path })
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", info.Mode(), err)
	}
	if len(f.token) != 64 {
		t.Errorf("the token has %d characters, want 256 bits in hexadecimal", len(f.token))
	}
	again := open(t, newTerminal(), func(c *kiosk.Config) { c.TokenFile = path })
	if again.token == f.token {
		t.Error("two tokens are equal")
	}
}

func TestTheTokenLastsAsLongAsTheBoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	at := func(boot string) string {
		return open(t, newTerminal(), func(c *kiosk.Config) { c.TokenFile, c.Boot = path, boot }).token
	}
	first := at("a")
	if at("a") != first {
		t.Error("a restart of the daemon replaced the token")
	}
	if at("b") == first {
		t.Error("the token outlived its boot")
	}
	second := at("b")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if at("b") == second {
		t.Error("a token that all could read is still used")
	}
	third := at("b")
	if err := os.WriteFile(path, []byte(third[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	if at("b") == third[:40] {
		t.Error("a shortened token is used")
	}
}

func TestTheTokenIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "token")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	open(t, newTerminal(), func(c *kiosk.Config) { c.TokenFile = link })
	if text, _ := os.ReadFile(victim); string(text) != "mine" {
		t.Errorf("the link's target now holds %q", text)
	}
}

func TestRefusesAConfigurationThatCannotWork(t *testing.T) {
	good := kiosk.Config{
		Terminal: newTerminal(), Addr: addr, TokenFile: filepath.Join(t.TempDir(), "token"),
		Rand: rand.Reader, Uptime: func() time.Duration { return 0 },
	}
	for name, spoil := range map[string]func(*kiosk.Config){
		"no terminal":     func(c *kiosk.Config) { c.Terminal = nil },
		"no clock":        func(c *kiosk.Config) { c.Uptime = nil },
		"no randomness":   func(c *kiosk.Config) { c.Rand = nil },
		"dry randomness":  func(c *kiosk.Config) { c.Rand = iotest.ErrReader(errors.New("dry")) },
		"public address":  func(c *kiosk.Config) { c.Addr = "0.0.0.0:8480" },
		"no folder":       func(c *kiosk.Config) { c.TokenFile = filepath.Join(t.TempDir(), "none", "token") },
		"token is folder": func(c *kiosk.Config) { c.TokenFile = t.TempDir() },
	} {
		c := good
		spoil(&c)
		if _, err := kiosk.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNobodyFramesTheKioskButNamedOrigins(t *testing.T) {
	for _, ancestors := range [][]string{nil, {"http://127.0.0.1:8080"}, {"http://127.0.0.1:8080", "http://localhost:9000"}} {
		f := open(t, newTerminal(), func(c *kiosk.Config) { c.FrameAncestors = ancestors })
		h := f.do(f.request("GET", "/screen", "")).Header
		want, older := "frame-ancestors 'none'", "DENY"
		if ancestors != nil {
			want, older = "frame-ancestors "+strings.Join(ancestors, " "), ""
		}
		if policy := h.Get("Content-Security-Policy"); !strings.HasSuffix(policy, want) || h.Get("X-Frame-Options") != older {
			t.Errorf("%v: policy %q, X-Frame-Options %q", ancestors, policy, h.Get("X-Frame-Options"))
		}
	}
}

func TestFrameAncestorsAreOriginsOnLoopback(t *testing.T) {
	for _, origin := range []string{"*", "", "http://evil.example:80", "https://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080; script-src *", "'self'"} {
		_, err := kiosk.New(kiosk.Config{
			Terminal: newTerminal(), Addr: addr, TokenFile: filepath.Join(t.TempDir(), "token"), Rand: rand.Reader,
			Uptime: func() time.Duration { return 0 }, FrameAncestors: []string{origin},
		})
		if err == nil || !strings.Contains(err.Error(), "frame ancestor") {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
