package kiosk

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"

	"github.com/nachtfach/nachtfach/locker/connlimit"
)

// A browser asks a security key only for a page that it got over TLS under a
// name of the town's domain. That name resolves to the loopback, on this machine
// at least, and is a second way to the same pages, as closed as the first.

// hostName is a name with at least one dot, in lower case, with a port or without.
var hostName = regexp.MustCompile(`^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+(:[0-9]{1,5})?$`)

// SecureName is NAME:PORT, as a browser writes it, of a name that leads to addr.
func SecureName(name, addr string) (string, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotLoopback, err)
	}
	if port != "443" { // which a browser leaves out
		name = net.JoinHostPort(name, port)
	}
	if !hostName.MatchString(name) {
		return "", fmt.Errorf("kiosk: name %.80q: wants a name of the town's domain in lower case, such as kiosk.musterstadt.example", name)
	}
	return name, nil
}

// ListenTLS is [Listen] with TLS 1.3. The certificate and its key are PEM files;
// they are read at each handshake, so that a renewed one needs no restart.
func ListenTLS(addr, certificate, key string) (net.Listener, error) {
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		return &pair, err
	}
	if _, err := load(nil); err != nil {
		return nil, fmt.Errorf("kiosk: certificate: %w", err)
	}
	l, err := Listen(addr)
	if err != nil {
		return nil, err
	}
	return secureListener{l, &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: load, NextProtos: []string{"http/1.1"}}}, nil
}

// secureListener accepts connections as they come; Serve speaks TLS on them.
type secureListener struct {
	net.Listener
	config *tls.Config
}

// limit bounds how many connections there are at a time, and lets none that is
// idle keep the page out. TLS lies outermost: by it the server knows how a
// request came.
func limit(l net.Listener) net.Listener {
	limited := connlimit.New(l, maxNewConnections, maxConnections)
	if s, ok := l.(secureListener); ok {
		return tls.NewListener(limited, s.config)
	}
	return forgetful{limited}
}

var errSecureName = errors.New("kiosk: secure name: wants NAME or NAME:PORT in lower case, such as kiosk.musterstadt.example:8443")

// site is the scheme and the names under which a request may have come.
func (g guard) site(r *http.Request) (scheme string, hosts []string) {
	if r.TLS == nil {
		return "http://", g.hosts
	}
	if g.secureName == "" {
		return "https://", nil
	}
	return "https://", []string{g.secureName}
}

// cookie is one for the kiosk's pages alone. Secure would keep it from a browser
// that speaks plain HTTP on loopback.
func cookie(r *http.Request, name, value string) *http.Cookie {
	//nolint:gosec // G124: Secure is set where the browser came over TLS
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
}
