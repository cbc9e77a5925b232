package kiosk_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/netutil"
)

// pipes is a listener whose connections are pipes, so that time can be virtual.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8480} }

// dial waits as a client does whose connection lies in the kernel's queue.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	mine, theirs := net.Pipe()
	t.Cleanup(func() { _ = mine.Close() })
	p.next <- theirs
	return mine
}

func TestThreatIdleConnectionsKeepThePageOut(t *testing.T) {
	if waited := besideIdleConnections(t, func(l net.Listener) net.Listener { return l }); waited != 0 {
		t.Errorf("the page waited %v", waited)
	}
	// With the defence taken out: a plain limit, as low as the kiosk's own.
	if waited := besideIdleConnections(t, func(l net.Listener) net.Listener { return netutil.LimitListener(l, 16) }); waited == 0 {
		t.Error("behind a plain limit the page did not wait")
	}
}

// besideIdleConnections tells how long a page waits while somebody opens
// connections and sends nothing.
func besideIdleConnections(t *testing.T, limit func(net.Listener) net.Listener) (waited time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, newTerminal())
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Serve(ctx, limit(p)) }()
		ask := func(path string) *bufio.Reader {
			t.Helper()
			c := p.dial(t)
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, addr, f.token)
			answer := bufio.NewReader(c)
			if line, err := answer.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
				t.Fatalf("GET %s is answered %q: %v", path, line, err)
			}
			return answer
		}
		stream := ask("/stream")
		start := time.Now()
		for range 200 { // and each would be held for seconds
			p.dial(t)
		}
		_ = ask("/")
		waited = time.Since(start)
		if _, err := http.ReadResponse(bufio.NewReader(io.MultiReader(&statusLine{}, stream)), nil); err != nil {
			t.Errorf("the page's stream was cut off: %v", err)
		}
		cancel()
		for { // lets the stream's last words go
			if _, err := stream.ReadByte(); err != nil {
				break
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return waited
}

// statusLine is what was already read of an answer.
type statusLine struct{ read bool }

func (s *statusLine) Read(b []byte) (int, error) {
	if s.read {
		return 0, io.EOF
	}
	s.read = true
	return copy(b, "HTTP/1.1 200 OK\r\n"), nil
}
