package connlimit_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/connlimit"
)

// serve trusts whoever asks for /known.
func serve(t *testing.T, maxNew, maxTrusted int) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Hour, ConnContext: connlimit.ConnContext,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/known" {
				connlimit.Trust(r.Context())
			}
		}),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(connlimit.New(l, maxNew, maxTrusted)) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

func dial(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask tells whether a request on c is answered.
func ask(c net.Conn, path string) bool {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: here\r\n\r\n"); err != nil {
		return false
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil
}

// closed waits until the server has closed c.
func closed(c net.Conn) bool {
	n, err := c.Read(make([]byte, 1))
	return n == 0 && err != nil
}

func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	at := serve(t, 4, 4)
	page := dial(t, at)
	if !ask(page, "/known") {
		t.Fatal("no answer")
	}
	var idle []net.Conn
	for range 20 {
		idle = append(idle, dial(t, at))
	}
	for i, c := range idle[:16] {
		if !closed(c) {
			t.Errorf("idle connection %d is kept", i)
		}
	}
	if !ask(dial(t, at), "/") {
		t.Error("a new client gets no answer")
	}
	if !ask(page, "/known") {
		t.Error("the page's connection was closed for others")
	}
}

func TestARequestAloneIsNotTrusted(t *testing.T) {
	at := serve(t, 2, 2)
	stranger := dial(t, at)
	if !ask(stranger, "/") {
		t.Fatal("no answer")
	}
	for range 2 {
		dial(t, at)
	}
	if !closed(stranger) {
		t.Error("it is kept")
	}
}

func TestTrustIsBounded(t *testing.T) {
	at := serve(t, 2, 2)
	var known []net.Conn
	for range 3 {
		c := dial(t, at)
		if !ask(c, "/known") {
			t.Fatal("no answer")
		}
		known = append(known, c)
	}
	for range 2 {
		dial(t, at)
	}
	if !closed(known[2]) {
		t.Error("the third is trusted")
	}
	// One that ends makes room for another.
	_ = known[0].Close()
	for {
		c := dial(t, at)
		if !ask(c, "/known") {
			t.Fatal("no answer")
		}
		for range 2 {
			if !ask(dial(t, at), "/") {
				t.Fatal("no answer")
			}
		}
		if ask(c, "/known") { // the server has seen the end of the first
			return
		}
	}
}
