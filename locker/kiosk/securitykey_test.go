package kiosk_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/securitykey"
	"github.com/nachtfach/nachtfach/locker/securitykey/virtualkey"
)

const (
	kioskName = "kiosk.musterstadt.example"
	townName  = "musterstadt.example"
)

// certificate is the kiosk's, as the town's private authority would give it.
type certificate struct {
	cert, key []byte // PEM
	pin       string // SHA-256 of its public key, by which Chromium takes it
}

var townCertificate = sync.OnceValue(func() certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{kioskName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(key.Public())))
	return certificate{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
		pin:  base64.StdEncoding.EncodeToString(sum[:]),
	}
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// files writes it.
func (c certificate) files(t *testing.T) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(t.TempDir(), "kiosk.pem"), filepath.Join(t.TempDir(), "kiosk.key")
	for path, text := range map[string][]byte{cert: c.cert, key: c.key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// serveTLS puts a kiosk behind its name and returns its origin and token.
func serveTLS(t *testing.T, term kiosk.Terminal, config ...func(*kiosk.Config)) (origin, token string) {
	t.Helper()
	cert, key := townCertificate().files(t)
	l, err := kiosk.ListenTLS("127.0.0.1:0", cert, key)
	if err != nil {
		t.Fatal(err)
	}
	name, err := kiosk.SecureName(kioskName, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config = append([]func(*kiosk.Config){furnished, func(c *kiosk.Config) { c.SecureName = name }}, config...)
	f := open(t, term, config...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "https://" + name, f.token
}

func TestAClerkSignsInWithASecurityKey(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1080, 1920)
	h := newHouse(t, 3)
	origin, token := serveTLS(t, h, h.clocked)
	key := virtualkey.New()
	h.set(func() {
		h.keys, h.question = []envelope.SecurityKey{key.Credential()}, securitykey.Question{RPID: townName, Origin: origin}
	})
	var device webauthn.AuthenticatorID
	do(t, ctx, webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		device, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb,
			HasUserVerification: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		if err != nil {
			return err
		}
		return webauthn.AddCredential(device, &webauthn.Credential{
			CredentialID: base64.StdEncoding.EncodeToString(key.ID), RpID: townName,
			PrivateKey: base64.StdEncoding.EncodeToString(must(x509.MarshalPKCS8PrivateKey(key.Private))),
		}).Do(ctx)
	}))
	do(t, ctx, chromedp.Navigate(origin+"/?token="+token), settled("welcome"))

	h.badge("c1") // whoever holds the key does not know its PIN: it signs nothing
	do(t, ctx, settled("clerk_key"))
	h.set(func() {
		for _, e := range h.events {
			if charged, is := e.Fact.(locker.ClerkCharged); is {
				t.Errorf("%s was charged", charged.Person)
			}
		}
	})
	do(t, ctx, webauthn.SetUserVerified(device, true), chromedp.Click("#key", chromedp.ByQuery), settled("second_clerk"))
	h.badge("c2") // who has none types the number
	do(t, ctx, settled("clerk_number"))
	keypad{t, ctx}.digits("471108")
	do(t, ctx, settled("round"))
}

func TestTheSecureNameIsAsClosedAsTheLoopback(t *testing.T) {
	origin, token := serveTLS(t, newTerminal())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(townCertificate().cert)
	address := strings.Replace(origin, kioskName, "127.0.0.1", 1)
	config := &tls.Config{RootCAs: pool, ServerName: kioskName, MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(path string, change func(*http.Request)) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = strings.TrimPrefix(origin, "https://")
		r.Header.Set("Authorization", "Bearer "+token)
		change(r)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	good := ask("/screen", func(r *http.Request) { r.Header.Set("Origin", origin) })
	if good.StatusCode != http.StatusOK || good.TLS.Version != tls.VersionTLS13 {
		t.Errorf("under its name: %d, TLS %x", good.StatusCode, good.TLS.Version)
	}
	for name, change := range map[string]func(*http.Request){
		"the address":    func(r *http.Request) { r.Host = r.URL.Host },
		"localhost":      func(r *http.Request) { r.Host = "localhost:" + r.URL.Port() },
		"another name":   func(r *http.Request) { r.Host = "evil.example:" + r.URL.Port() },
		"another port":   func(r *http.Request) { r.Host = kioskName },
		"another page":   func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"plain HTTP":     func(r *http.Request) { r.Header.Set("Origin", strings.Replace(origin, "https", "http", 1)) },
		"no token":       func(r *http.Request) { r.Header.Del("Authorization") },
		"another token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", 64)) },
		"the town's own": func(r *http.Request) { r.Header.Set("Origin", "https://www.musterstadt.example") },
	} {
		if answer := ask("/screen", change); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
	cookies := ask("/?token="+token, func(r *http.Request) { r.Header.Del("Authorization") }).Cookies()
	if len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly {
		t.Errorf("cookies: %v", cookies)
	}
	config = &tls.Config{RootCAs: pool, ServerName: kioskName, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(address, "https://"), config); err == nil {
		_ = c.Close()
		t.Error("takes TLS 1.2")
	}
}

func TestTheSecureNameIsNoWayInOverPlainHTTP(t *testing.T) {
	f := open(t, newTerminal(), func(c *kiosk.Config) { c.SecureName = kioskName + ":8443" })
	r := f.request("GET", "/screen", "")
	r.Host = kioskName + ":8443"
	f.want(f.do(r), 403)
	r = f.request("GET", "/screen", "")
	r.Header.Set("Origin", "https://"+kioskName+":8443")
	f.want(f.do(r), 403)
	f = open(t, newTerminal()) // without a name nothing is answered over TLS
	r = f.request("GET", "/screen", "")
	r.TLS = &tls.ConnectionState{}
	f.want(f.do(r), 403)
}

func TestSecureNamesAndCertificatesAreChecked(t *testing.T) {
	for _, bad := range []string{"", "kiosk", "Kiosk.example", "kiosk.example/x", "kiosk.example:1:2", "a b.example"} {
		if name, err := kiosk.SecureName(bad, "127.0.0.1:8443"); err == nil {
			t.Errorf("%q is taken as %q", bad, name)
		}
	}
	if name, err := kiosk.SecureName(kioskName, "127.0.0.1:443"); name != kioskName || err != nil {
		t.Errorf("port 443: %q, %v", name, err)
	}
	cert, key := townCertificate().files(t)
	if l, err := kiosk.ListenTLS("0.0.0.0:0", cert, key); err == nil {
		_ = l.Close()
		t.Error("listens beyond the loopback")
	}
	if l, err := kiosk.ListenTLS("127.0.0.1:0", key, cert); err == nil {
		_ = l.Close()
		t.Error("takes a key for a certificate")
	}
}

func TestAnAssertionReachesTheTerminalWhereOneIsAsked(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	const body = `{"screen":7,"assertion":{"id":"AQ"}}`
	f.want(f.do(f.request("POST", "/input", body)), 422)
	term.screen.Key = keyRequest
	for _, bad := range []string{
		`{"screen":7,"assertion":null}`, `{"screen":7,"assertion":"x"}`, `{"screen":7,"assertion":[]}`, `{"screen":7,"assertion":{},"text":"1"}`, `{"screen":7,"assertion":{},"assertion":{}}`,
	} {
		f.want(f.do(f.request("POST", "/input", bad)), 400)
	}
	f.want(f.do(f.request("POST", "/input", body)), 200)
	given := term.given()
	if len(given) != 1 {
		t.Fatalf("the terminal got %v", given)
	}
	in, ok := given[0].(locker.Asserted)
	if !ok || in.Screen != 7 || !json.Valid(in.Assertion) || !bytes.Contains(in.Assertion, []byte(`"AQ"`)) {
		t.Errorf("the terminal got %+v", given[0])
	}
}
