package kiosk

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheServersBufferHoldsNoCodeAfterAPress(t *testing.T) {
	const code = "471108154226"
	for _, forgets := range []bool{true, false} {
		var conn *forgetfulConn
		buffered := false
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _ = r.Context().Value(connKey{}).(*forgetfulConn)
			body, err := io.ReadAll(r.Body)
			if forgets {
				r.Body = io.NopCloser(bytes.NewReader(body))
				body, err = readInput(w, r)
			}
			if err != nil || !strings.Contains(string(body), code) {
				t.Errorf("the handler gets %q, %v", body, err)
			}
			conn.mu.Lock()
			buffered = bytes.Contains(conn.buffer, []byte(code))
			conn.mu.Unlock()
		}))
		srv.Listener = forgetful{srv.Listener}
		srv.Config.ConnContext = withConn
		srv.Start()
		for range 2 { // the connection is fit for the next request
			resp, err := http.Post(srv.URL, "application/x-www-form-urlencoded", strings.NewReader("screen=8&text="+code))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close() // nothing is in it
			if buffered == forgets {
				t.Errorf("readInput: %v; the server's buffer holds the code: %v", forgets, buffered)
			}
		}
		srv.Close()
	}
}

var _ net.Listener = forgetful{}
