package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// written is a PEM file with a certificate.
func written(t *testing.T, name string, begin, end time.Time) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: begin, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCertificatesAreToldByDateAndName(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2031, 1, 1, 12, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		name  string
		begin time.Duration
		end   time.Duration
		want  string // empty: nothing is wrong
	}{
		"a year":             {"rathaus-1", -day, 365 * day, ""},
		"31 days":            {"rathaus-1", -day, 31 * day, ""},
		"30 days":            {"rathaus-1", -day, 30 * day, "rathaus-1 ends on 2031-01-31, within 30 days"},
		"a week":             {"rathaus-1", -day, 7 * day, "rathaus-1 ends on 2031-01-08, within 7 days"},
		"over":               {"rathaus-1", -day, -time.Hour, "rathaus-1 ended on 2031-01-01"},
		"not begun":          {"rathaus-1", day, 365 * day, "not valid before 2031-01-02"},
		"another terminal's": {"rathaus-2", -day, 365 * day, `it is for "rathaus-2", and this terminal is "rathaus-1"`},
	} {
		path := written(t, c.name, now.Add(c.begin), now.Add(c.end))
		config := Config{Terminal: "rathaus-1", City: City{TLS: broker.TLSFiles{Certificate: path}}, Kiosk: Kiosk{HTTPS: HTTPS{Name: "rathaus-1", Certificate: path}}}
		list := config.certificates(now)
		if len(list) != 2 {
			t.Fatalf("%s: %d certificates", what, len(list))
		}
		for _, k := range list {
			want := c.want
			if k.name == kioskCertificate && strings.HasPrefix(want, "it is for") {
				want = "it is for another name than rathaus-1"
			}
			told := ""
			if k.wrong != nil {
				told = k.wrong.Error()
			}
			if (want == "") != (told == "") || !strings.Contains(told, want) {
				t.Errorf("%s: %s: told %q, want %q", what, k.name, told, want)
			}
		}
	}
	missing := Config{City: City{TLS: broker.TLSFiles{CA: "/nonexistent/ca.pem"}}}.certificates(now)
	if len(missing) != 1 || missing[0].name != brokerAuthority || missing[0].wrong == nil {
		t.Errorf("a file that is not there: %+v", missing)
	}
}
