package kiosk

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/nachtfach/nachtfach/locker/connlimit"
)

// cookieName carries the token after the first request.
const cookieName = "nachtfach_kiosk"

// policy lets a page load what this server serves, and nothing else; data: is
// for the icons inside KERN's style sheet. Who may frame it follows.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "

// guard refuses requests that do not come from the kiosk's browser. Another
// page in that browser, a name that was pointed at 127.0.0.1 and another
// program on the machine each fail at a check of their own.
type guard struct {
	hosts      []string
	secureName string   // the one host over TLS; empty: none
	ancestors  []string // origins that may frame the pages
	token      string
	logger     *slog.Logger
}

func (g guard) wrap(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.secure(w.Header())
		if reason := g.foreign(r); reason != "" {
			g.refuse(w, r, reason)
			return
		}
		if err := cross.Check(r); err != nil {
			g.refuse(w, r, "this request comes from another page")
			return
		}
		if r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("token") {
			g.admit(w, r)
			return
		}
		if !g.known(r) {
			g.refuse(w, r, "this needs the token in kiosk.token of the state folder, drawn anew at each boot")
			return
		}
		connlimit.Trust(r.Context())
		next.ServeHTTP(w, r)
	})
}

// foreign tells what shows that a request was not meant for this server.
func (g guard) foreign(r *http.Request) string {
	scheme, hosts := g.site(r)
	if !slices.Contains(hosts, strings.ToLower(r.Host)) {
		return "the kiosk is not reached under this name"
	}
	for _, origin := range r.Header.Values("Origin") {
		if host, ok := strings.CutPrefix(origin, scheme); !ok || !slices.Contains(hosts, host) {
			return "this request comes from another page"
		}
	}
	return ""
}

// admit takes the token from the address, so that it stands in no history and
// in no link, and gives it back as a cookie.
func (g guard) admit(w http.ResponseWriter, r *http.Request) {
	if !g.same(r.URL.Query().Get("token")) {
		g.refuse(w, r, "this is not the token in kiosk.token of the state folder, drawn anew at each boot")
		return
	}
	http.SetCookie(w, cookie(r, cookieName, g.token))
	http.Redirect(w, r, front, http.StatusSeeOther)
}

func (g guard) known(r *http.Request) bool {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return g.same(bearer)
	}
	c, err := r.Cookie(cookieName)
	return err == nil && g.same(c.Value)
}

// same compares in a time that does not depend on how much is right.
func (g guard) same(token string) bool {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (g guard) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	g.logger.Warn("kiosk: request refused", "reason", reason, "method", r.Method, "path", cut(r.URL.Path), "host", cut(r.Host))
	refuse(w, http.StatusForbidden, reason)
}

// cut keeps a hostile request from filling the log.
func cut(s string) string { return s[:min(len(s), 80)] }

func (g guard) secure(h http.Header) {
	if len(g.ancestors) == 0 {
		h.Set("Content-Security-Policy", policy+"'none'")
		h.Set("X-Frame-Options", "DENY")
	} else { // the older header knows no list
		h.Set("Content-Security-Policy", policy+strings.Join(g.ancestors, " "))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), usb=(), serial=(), hid=()")
	h.Set("Referrer-Policy", "same-origin") // without any, a plain form would say that it comes from nowhere
	h.Set("X-Content-Type-Options", "nosniff")
}

// checkAncestors wants plain origins on loopback: anything else would say
// something different in the policy, or let a foreign page frame the kiosk.
func checkAncestors(origins []string) error {
	for _, o := range origins {
		host, ok := strings.CutPrefix(o, "http://")
		if _, err := hostsOf(host); err != nil || !ok || strings.ContainsAny(host, " ;,'*/") {
			return fmt.Errorf("frame ancestor %q: wants an origin on loopback such as http://127.0.0.1:8080", o)
		}
	}
	return nil
}

// hostsOf are the values of the Host header that belong to a loopback address.
func hostsOf(addr string) ([]string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotLoopback, err)
	}
	if host != "localhost" {
		ip, err := netip.ParseAddr(host)
		if err != nil || ip.Zone() != "" || !ip.Unmap().IsLoopback() {
			return nil, ErrNotLoopback
		}
	}
	hosts := []string{net.JoinHostPort(host, port), "localhost:" + port}
	if port == "80" { // which a browser leaves out
		hosts = append(hosts, strings.TrimSuffix(hosts[0], ":80"), "localhost")
	}
	return hosts, nil
}
