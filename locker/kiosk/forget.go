package kiosk

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// What is typed is a code, and the document is behind it until somebody has
// collected it. Package net/http reads requests into buffers that it keeps for
// the next ones and never clears. So the kiosk's connections remember where they
// read to, and readInput clears that place after it has taken an input.
// Over TLS the server's buffer is out of reach: there the input stays in it until
// the next request of the same connection overwrites it.

// forgetful is a listener of connections whose buffers can be cleared.
type forgetful struct{ net.Listener }

func (l forgetful) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &forgetfulConn{Conn: c}, nil
}

type forgetfulConn struct {
	net.Conn
	mu     sync.Mutex
	buffer []byte // the largest that was read into: the server's own
}

// NetConn is the connection beneath.
func (c *forgetfulConn) NetConn() net.Conn { return c.Conn }

// Read remembers the buffer. A read of one byte is the server's look whether the
// browser is still there.
func (c *forgetfulConn) Read(p []byte) (int, error) {
	if len(p) > 1 {
		c.mu.Lock()
		if len(p) > len(c.buffer) {
			c.buffer = p
		}
		c.mu.Unlock()
	}
	return c.Conn.Read(p)
}

// forget clears the server's buffer. It belongs to the goroutine that answers a
// request whose body was read to its end.
func (c *forgetfulConn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.buffer)
}

type connKey struct{}

// withConn lets a handler find its connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// readInput reads a request's body, which the caller clears, and clears what the
// server still holds of it.
func readInput(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, in := make([]byte, 0, maxBody), http.MaxBytesReader(w, r.Body, maxBody)
	defer func() {
		if c, ok := r.Context().Value(connKey{}).(*forgetfulConn); ok {
			c.forget()
		}
	}()
	// In parts smaller than the server's buffer: it reads a larger one past that.
	const part = 512
	for {
		n, err := in.Read(body[len(body):min(len(body)+part, cap(body))])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			clear(body)
			return nil, err
		case len(body) == cap(body): // is there more?
			var more [1]byte
			if n, err = in.Read(more[:]); n > 0 || !errors.Is(err, io.EOF) {
				clear(body)
				return nil, &http.MaxBytesError{Limit: maxBody}
			}
			return body, nil
		}
	}
}
