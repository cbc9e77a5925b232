package daemon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/daemon"
)

// certify writes a certificate for a name and its key, and gives who trusts it.
func certify(t *testing.T, name string) (certificate, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "kiosk.pem"), filepath.Join(dir, "kiosk.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certificate, key, trust
}

func TestTheScreenIsServedUnderItsHTTPSNameToo(t *testing.T) {
	const name = "kiosk.musterstadt.example"
	b := newBench(t, "https")
	l, err := net.Listen("tcp", "127.0.0.1:0") // the name in the configuration has the port
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	certificate, key, trust := certify(t, name)
	b.config.Kiosk.HTTPS = daemon.HTTPS{Name: name, Listen: address, Certificate: certificate, Key: key}
	b.init()
	d := b.run()
	plain := b.screen(d)

	// The browser's way: the name leads to the loopback, the token into a cookie.
	_, port, _ := net.SplitHostPort(address)
	origin := "https://" + net.JoinHostPort(name, port)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS13}}
	var dialer net.Dialer
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: transport, Jar: jar}
	t.Cleanup(browser.CloseIdleConnections)
	token, err := os.ReadFile(b.config.Token())
	if err != nil {
		t.Fatal(err)
	}
	page := get(t, browser, origin+"/?token="+strings.TrimSpace(string(token)))
	if !strings.Contains(page, `data-name="`+string(plain.Name)+`"`) {
		t.Errorf("under its HTTPS name it shows another page than %q:\n%.2000s", plain.Name, page)
	}
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(text)
}
