package citytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// Authority is a private certificate authority.
type Authority struct {
	Pool *x509.CertPool
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewAuthority makes one that is valid for an hour.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &Authority{pool, t, key, cert}
}

// Issue makes a certificate for a server or client of this name or address,
// valid for the two hours before the given time.
func (a *Authority) Issue(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	cert, key := a.issue(name, until)
	pair, err := tls.X509KeyPair(cert, key)
	must(a.t, err)
	return pair
}

// Files writes a certificate, valid for an hour, its key and the authority's
// certificate into a folder.
func (a *Authority) Files(folder, name string) broker.TLSFiles {
	a.t.Helper()
	cert, key := a.issue(name, time.Now().Add(time.Hour))
	files := broker.TLSFiles{
		CA:          filepath.Join(folder, "ca.pem"),
		Certificate: filepath.Join(folder, name+".pem"),
		Key:         filepath.Join(folder, name+".key"),
	}
	must(a.t, os.WriteFile(files.CA, encode("CERTIFICATE", a.cert.Raw), 0o600))
	must(a.t, os.WriteFile(files.Certificate, cert, 0o600))
	must(a.t, os.WriteFile(files.Key, key, 0o600))
	return files
}

// Sign is the certificate, valid for an hour, that a request (PKCS #10, PEM) asks for.
func (a *Authority) Sign(request []byte) []byte {
	a.t.Helper()
	block, _ := pem.Decode(request)
	if block == nil {
		a.t.Fatalf("no request in PEM: %s", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	must(a.t, err)
	must(a.t, csr.CheckSignature())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: csr.Subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, csr.PublicKey, a.key)
	must(a.t, err)
	return encode("CERTIFICATE", der)
}

func (a *Authority) issue(name string, until time.Time) (cert, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	must(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(a.t, err)
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
