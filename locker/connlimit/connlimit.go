// Package connlimit bounds how many connections a server keeps open at a time,
// such that idle ones never keep others out.
//
// A plain limit makes new clients wait until an old connection ends. Any local
// process can then shut everybody out with connections that send nothing. Here
// a connection is new until a handler trusts it (see [Trust]). When there are
// too many new ones, the oldest of them is closed. A trusted connection is never
// closed for another's sake.
//
// It does not stop a process that opens connections faster than a client sends
// its first request.
package connlimit

import (
	"context"
	"net"
	"sync"
)

// Listener is a [net.Listener] with bounds.
type Listener struct {
	net.Listener
	maxNew     int
	maxTrusted int

	mu      sync.Mutex
	fresh   []*conn // the oldest first
	trusted int
}

// New bounds l to maxNew connections that no handler has trusted, and
// maxTrusted others. A server that uses it sets [http.Server.ConnContext] to
// [ConnContext].
func New(l net.Listener, maxNew, maxTrusted int) *Listener {
	return &Listener{Listener: l, maxNew: maxNew, maxTrusted: maxTrusted}
}

// Accept never waits for a connection to end.
func (l *Listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, of: l}
	l.mu.Lock()
	l.fresh = append(l.fresh, c)
	var oldest *conn
	if len(l.fresh) > l.maxNew {
		oldest = l.fresh[0]
		l.fresh = l.fresh[1:]
		oldest.gone = true
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close() // its server finds it closed
	}
	return c, nil
}

// conn belongs to one of its listener's two kinds, or to neither once it is gone.
type conn struct {
	net.Conn
	of      *Listener
	trusted bool // guarded by of.mu, as is gone
	gone    bool
}

// Close makes room for another.
func (c *conn) Close() error {
	c.of.mu.Lock()
	c.leave()
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) leave() {
	switch {
	case c.gone:
		return
	case c.trusted:
		c.of.trusted--
	default:
		c.of.drop(c)
	}
	c.gone = true
}

func (l *Listener) drop(c *conn) {
	for i, other := range l.fresh {
		if other == c {
			l.fresh = append(l.fresh[:i:i], l.fresh[i+1:]...)
			return
		}
	}
}

func (c *conn) trust() {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.gone || c.trusted || l.trusted >= l.maxTrusted {
		return
	}
	l.drop(c)
	c.trusted = true
	l.trusted++
}

type key struct{}

// ConnContext is for [http.Server.ConnContext]. Without it, and on other
// listeners, [Trust] does nothing. Connections may be wrapped in others that
// have a method NetConn, such as [tls.Conn].
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	for {
		if c, ok := c.(*conn); ok {
			return context.WithValue(ctx, key{}, c)
		}
		outer, ok := c.(interface{ NetConn() net.Conn }) // as *tls.Conn
		if !ok {
			return ctx
		}
		c = outer.NetConn()
	}
}

// Trust keeps the connection of a request open from now on: its client has
// shown that it belongs here. Where too many are trusted it changes nothing.
func Trust(request context.Context) {
	if c, ok := request.Value(key{}).(*conn); ok {
		c.trust()
	}
}
