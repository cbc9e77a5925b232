package daemon

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
)

// admits is the broker's side: it wants a certificate of our authority, and says whose.
func admits(t *testing.T, authority *citytest.Authority, folder string) (addr string, whose <-chan string) {
	t.Helper()
	authority.Files(folder, "127.0.0.1") // for ca.pem
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{authority.Issue("127.0.0.1", time.Now().Add(time.Hour))},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	names := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		c := conn.(*tls.Conn)
		if err := c.Handshake(); err != nil {
			names <- err.Error()
			return
		}
		names <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
		_, _ = c.Write([]byte("hello"))
	}()
	return l.Addr().String(), names
}

func TestTheClientKeyNeverLeavesTheChip(t *testing.T) {
	e := tpmtest.Start(t)
	folder := t.TempDir()
	authority := citytest.NewAuthority(t)
	addr, whose := admits(t, authority, folder)
	c := Config{Terminal: "rathaus-1", State: folder, TPM: TPM{Path: e.Path}}
	c.City.Broker = "tls://" + addr
	c.City.TLS.CA, c.City.TLS.Certificate, c.City.TLS.Key = filepath.Join(folder, "ca.pem"), filepath.Join(folder, "client.pem"), keyInTPM

	request, err := CertificateRequest(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.City.TLS.Certificate, authority.Sign(request), 0o600); err != nil {
		t.Fatal(err)
	}
	chip, err := c.chip(files{folder})
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close()
	d := &Daemon{config: c, store: &store{chip: chip}}
	b, err := d.brokerConfig()
	if err != nil {
		t.Fatal(err)
	}
	tc, err := b.Renew()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	tc.ServerName = "127.0.0.1"
	client := tls.Client(conn, tc)
	defer client.Close()
	if _, err := client.Read(make([]byte, 5)); err != nil {
		t.Fatalf("the broker refuses it: %v", err)
	}
	if name := <-whose; name != "rathaus-1" {
		t.Errorf("the broker sees %q", name)
	}

	t.Run("a certificate of another key is told", func(t *testing.T) {
		d := *d
		d.config.City.TLS.Certificate = authority.Files(t.TempDir(), "other").Certificate
		if _, err := d.brokerConfig(); err == nil || !strings.Contains(err.Error(), "belongs to another key") {
			t.Errorf("says %v", err)
		}
	})
	t.Run("without the chip the terminal starts, and says why it does not connect", func(t *testing.T) {
		d := &Daemon{config: c}
		b, err := d.brokerConfig()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Renew(); !errors.Is(err, errHardwareKey) {
			t.Errorf("says %v", err)
		}
	})
}

func TestAKeyInTheChipWantsAChip(t *testing.T) {
	c := Config{Terminal: "rathaus-1", State: t.TempDir()}
	c.City.Broker, c.City.TLS.Key = "tls://broker.example:8883", keyInTPM
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "[tpm]") {
		t.Errorf("says %v", err)
	}
	if _, err := CertificateRequest(c); err == nil || !strings.Contains(err.Error(), "[tpm]") {
		t.Errorf("the request says %v", err)
	}
}
