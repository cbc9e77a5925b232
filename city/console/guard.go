package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/nachtfach/nachtfach/locker/connlimit"
)

const (
	maxConnections    = 512 // that brought the token
	maxNewConnections = 64  // that did not yet; the oldest is closed for the next

	cookieName = "nachtfach_console"
	policy     = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// guard refuses what does not come from an admin's browser: other names that
// point here, other pages, other users of the machine.
type guard struct {
	hosts  []string
	public []string // of those, served by a proxy over HTTPS
	token  string
	logger *slog.Logger
	cross  *http.CrossOriginProtection
}

func newGuard(addr string, config Config) guard {
	_, port, _ := net.SplitHostPort(addr) // a listener's address has one
	return guard{
		hosts:  append([]string{addr, "localhost:" + port}, config.Hosts...),
		public: config.Hosts, token: config.Token, logger: config.Logger, cross: http.NewCrossOriginProtection(),
	}
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return errors.New("wants one on loopback, like 127.0.0.1:8481")
	}
	return nil
}

func (g guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !slices.Contains(g.hosts, strings.ToLower(r.Host)):
			g.refuse(w, r, "the console is not reached under this name")
		case g.cross.Check(r) != nil:
			g.refuse(w, r, "this request comes from another page")
		case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("token"):
			g.admit(w, r)
		case !g.known(r):
			g.refuse(w, r, "this needs the console's token: open the address that cityd has written into console.url")
		default:
			connlimit.Trust(r.Context())
			next.ServeHTTP(w, r)
		}
	})
}

// admit turns the token of the address into a cookie, so that it stays in no
// history and in no link.
func (g guard) admit(w http.ResponseWriter, r *http.Request) {
	if !g.same(r.URL.Query().Get("token")) {
		g.refuse(w, r, "this is not the console's token")
		return
	}
	//nolint:gosec // G124: on loopback there is no TLS, and Secure where a proxy has it
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: g.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: slices.Contains(g.public, strings.ToLower(r.Host)), MaxAge: 30 * 24 * 3600,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (g guard) known(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	return err == nil && g.same(c.Value)
}

// same compares in a time that does not depend on how much is right.
func (g guard) same(token string) bool {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (g guard) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	path := r.URL.Path
	g.logger.Warn("console: request refused", "reason", reason, "method", r.Method, "path", path[:min(len(path), 80)])
	http.Error(w, reason, http.StatusForbidden)
}
