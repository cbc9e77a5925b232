package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// serve runs an embedded broker, with TLS if there is a configuration.
func serve(t *testing.T, config *tls.Config, hook mqtt.Hook) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := server.AddHook(hook, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listeners.NewTCP(listeners.Config{ID: "t", Address: addr, TLSConfig: config})); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return addr
}

func dial(t *testing.T, config broker.Config) (*broker.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	config.ClientID = "test"
	c, err := broker.Dial(ctx, config)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

func TestMessagesComeInOrder(t *testing.T) {
	t.Parallel()
	c, err := dial(t, broker.Config{URL: "tcp://" + serve(t, nil, new(auth.AllowHook))})
	if err != nil {
		t.Fatal(err)
	}
	inbox := broker.NewInbox(1 << 20)
	if err := c.Subscribe(t.Context(), inbox, "a/#"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := c.Publish(broker.Message{Topic: "a/b", Payload: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < 100; {
		select {
		case <-inbox.Ready():
		case <-time.After(10 * time.Second):
			t.Fatalf("only %d messages came", got)
		}
		messages, dropped := inbox.Take()
		if dropped != 0 {
			t.Fatalf("%d dropped", dropped)
		}
		for _, m := range messages {
			if m.Topic != "a/b" || m.Payload[0] != byte(got) {
				t.Fatalf("message %d is %d on %s", got, m.Payload[0], m.Topic)
			}
			got++
		}
	}
}

func TestAFullInboxDropsAndCounts(t *testing.T) {
	t.Parallel()
	c, err := dial(t, broker.Config{URL: "tcp://" + serve(t, nil, new(auth.AllowHook))})
	if err != nil {
		t.Fatal(err)
	}
	inbox := broker.NewInbox(10_000)
	if err := c.Subscribe(t.Context(), inbox, "a"); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := c.Publish(broker.Message{Topic: "a", Payload: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	taken, lost := 0, 0
	for deadline := time.Now().Add(10 * time.Second); lost == 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		messages, dropped := inbox.Take()
		taken, lost = taken+len(messages), lost+dropped
	}
	if lost == 0 || taken > 9*50 {
		t.Errorf("%d taken, %d dropped", taken, lost)
	}
}

func TestASubscriptionThatIsRefusedIsAnError(t *testing.T) {
	t.Parallel()
	ledger := &auth.Ledger{ACL: auth.ACLRules{{Filters: auth.Filters{"mine/#": auth.ReadWrite, "#": auth.Deny}}}, Auth: auth.AuthRules{{Allow: true}}}
	addr := serve(t, nil, &ledgerHook{ledger: ledger})
	c, err := dial(t, broker.Config{URL: "tcp://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Subscribe(t.Context(), broker.NewInbox(1000), "others/secrets")
	if err == nil || !strings.Contains(err.Error(), "others/secrets") {
		t.Errorf("the refusal is told as %v", err)
	}
}

// ledgerHook is mochi's auth.Hook over a ledger of our own.
type ledgerHook struct {
	auth.Hook
	ledger *auth.Ledger
}

func (h *ledgerHook) Init(any) error { return h.Hook.Init(&auth.Options{Ledger: h.ledger}) }

func TestWhatIsWrongWithTLSIsTold(t *testing.T) {
	t.Parallel()
	ours, others := citytest.NewAuthority(t), citytest.NewAuthority(t)
	good := ours.Issue("127.0.0.1", time.Now().Add(time.Hour))
	mutual := &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.Pool}
	addr := serve(t, mutual, new(auth.AllowHook))
	plain := serve(t, nil, new(auth.AllowHook))
	expired := serve(t, &tls.Config{Certificates: []tls.Certificate{ours.Issue("127.0.0.1", time.Now().Add(-time.Hour))}}, new(auth.AllowHook))
	renamed := serve(t, &tls.Config{Certificates: []tls.Certificate{ours.Issue("broker.example", time.Now().Add(time.Hour))}}, new(auth.AllowHook))
	old := serve(t, &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, new(auth.AllowHook))
	client := &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{good}}

	if _, err := dial(t, broker.Config{URL: "tls://" + addr, TLS: client}); err != nil {
		t.Fatalf("what is right is refused: %v", err)
	}
	for _, c := range []struct {
		what, addr, says string
		config           *tls.Config
	}{
		{"a foreign authority", addr, "not signed by the configured authority", &tls.Config{RootCAs: others.Pool}},
		{"no client certificate", addr, "client certificate", &tls.Config{RootCAs: ours.Pool}},
		{"a foreign client certificate", addr, "client certificate", &tls.Config{RootCAs: ours.Pool,
			Certificates: []tls.Certificate{others.Issue("127.0.0.1", time.Now().Add(time.Hour))}}},
		{"no TLS at the broker", plain, "does not speak TLS", client},
		{"an expired certificate", expired, "not valid", client},
		{"another name", renamed, "another name", client},
		{"TLS 1.2", old, "protocol version", client},
	} {
		_, err := dial(t, broker.Config{URL: "tls://" + c.addr, TLS: c.config})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, wants %q", c.what, err, c.says)
		}
	}
}

func TestFilesThatAreNoKeysAreNamed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	junk := filepath.Join(folder, "junk.pem")
	if err := os.WriteFile(junk, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []broker.TLSFiles{
		{CA: filepath.Join(folder, "missing.pem")}, {CA: junk}, {Certificate: junk}, {Certificate: junk, Key: junk},
	} {
		if _, err := f.Load(); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

func TestAPacketThatIsTooLargeEndsTheConnection(t *testing.T) {
	t.Parallel()
	for what, header := range map[string][]byte{
		"256 MiB":     {0x30, 0xff, 0xff, 0xff, 0x7f},
		"no length":   {0x30, 0xff, 0xff, 0xff, 0xff, 0xff},
		"junk":        {0xf0, 0x00, 0x00},
		"a bad topic": {0x32, 0x02, 0xff, 0xff},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1000))
				_, _ = conn.Write([]byte{0x20, 2, 0, 0}) // CONNACK
				_, _ = conn.Write(header)
				_, _ = io.Copy(io.Discard, conn)
			}()
			c, err := dial(t, broker.Config{URL: "tcp://" + l.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Lost():
			case <-time.After(10 * time.Second):
				t.Fatal("the connection stays")
			}
			if err := c.Publish(broker.Message{Topic: "a"}); !errors.Is(err, broker.ErrLost) && err == nil {
				t.Error("a publish on a lost connection has no error")
			}
		})
	}
}

func TestAPublishThatIsCutOffFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1000))
		_, _ = conn.Write([]byte{0x20, 2, 0, 0})
		_, _ = conn.Read(make([]byte, 1000)) // the publish, which is never acknowledged
		conn.Close()
	}()
	c, err := dial(t, broker.Config{URL: "tcp://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(t.Context(), broker.Message{Topic: "a", Payload: []byte("b")}); err == nil {
		t.Error("a publish without acknowledgement on a broken connection has no error")
	}
}

func TestARenewedCertificateCountsFromTheNextConnectionOn(t *testing.T) {
	t.Parallel()
	ours := citytest.NewAuthority(t)
	names := make(chan string, 10)
	mutual := &tls.Config{
		Certificates: []tls.Certificate{ours.Issue("127.0.0.1", time.Now().Add(time.Hour))},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ours.Pool,
		VerifyConnection: func(s tls.ConnectionState) error {
			names <- s.PeerCertificates[0].Subject.CommonName
			return nil
		},
	}
	url := "tls://" + serve(t, mutual, new(auth.AllowHook))
	folder := t.TempDir()
	files, next := ours.Files(folder, "first"), ours.Files(folder, "second")
	config := broker.Config{URL: url, ClientID: "renewed", Renew: files.Load}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	served := 0
	err := broker.Keep(ctx, citytest.Logger(t), config, func(context.Context, *broker.Conn) error {
		switch served++; served {
		case 1: // a renewal that is half written when the line breaks
			if err := os.WriteFile(files.Certificate, []byte("-----BEGIN"), 0o600); err != nil {
				t.Error(err)
			}
			time.AfterFunc(500*time.Millisecond, func() {
				if err := errors.Join(os.Rename(next.Key, files.Key), os.Rename(next.Certificate, files.Certificate)); err != nil {
					t.Error(err)
				}
			})
		default:
			stop()
		}
		return errors.New("the line breaks")
	})
	if served != 2 || !errors.Is(err, context.Canceled) {
		t.Fatalf("%d connections, %v", served, err)
	}
	if first, second := <-names, <-names; first != "first" || second != "second" {
		t.Errorf("the broker saw %q, then %q", first, second)
	}
}

// TestThreatWithoutTLS: whoever is on the wire reads who took what, and answers.
func TestThreatWithoutTLS(t *testing.T) {
	for url, ok := range map[string]bool{
		"tls://mqtt.example.org:8883": true, "tcp://127.0.0.1:1883": true, "tcp://[::1]:1883": true,
		"tcp://mqtt.example.org:1883": false, "tcp://10.0.0.7:1883": false, "tcp://localhost:1883": false,
		"tcp://127.0.0.1.example.org:1883": false, "tcp://[::ffff:10.0.0.7]:1883": false, "tcp://0.0.0.0:1883": false,
		"ws://127.0.0.1:1883": false, "tcp://127.0.0.1": false,
	} {
		if err := (broker.Config{URL: url}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}
