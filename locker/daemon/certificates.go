package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Names of the certificates, as alarms and check have them.
const (
	kioskCertificate  = "kiosk certificate"
	clientCertificate = "broker client certificate"
	brokerAuthority   = "broker authority"
	brokerCertificate = "broker server certificate"
)

// How long before its end a certificate is told of: once, and once more.
const (
	soon    = 30 * 24 * time.Hour
	urgent  = 7 * 24 * time.Hour
	dayForm = time.DateOnly
)

// certificatesPeriod is how often the certificates are looked at.
const certificatesPeriod = 24 * time.Hour

// certificate is one that the terminal needs, and what is wrong with it.
type certificate struct {
	name  string // of the certificate, as above
	state string // whose it is, and until when it holds
	wrong error  // also: that it ends soon
}

// judge says what is wrong with a certificate at a time: its dates, and if host is
// not empty, its name.
func judge(c *x509.Certificate, host string, now time.Time) error {
	if host != "" {
		if err := c.VerifyHostname(host); err != nil {
			return fmt.Errorf("it is for another name than %s: %w", host, err)
		}
	}
	end := c.NotAfter.UTC().Format(dayForm)
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return fmt.Errorf("%s is not valid before %s: is the clock right?", subject(c), c.NotBefore.UTC().Format(dayForm))
	case left <= 0:
		return fmt.Errorf("%s ended on %s", subject(c), end)
	case left <= urgent:
		return fmt.Errorf("%s ends on %s, within 7 days", subject(c), end)
	case left <= soon:
		return fmt.Errorf("%s ends on %s, within 30 days", subject(c), end)
	}
	return nil
}

// subject is a certificate's name for people.
func subject(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return "it"
}

// readCertificates reads a PEM file.
func readCertificates(path string) (list []*x509.Certificate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return list, nil
}

// certificates are those that the configuration names, as they are now.
func (c Config) certificates(now time.Time) []certificate {
	var list []certificate
	add := func(name, path string, look func(*x509.Certificate) error) {
		if path == "" {
			return
		}
		chain, err := readCertificates(path)
		k := certificate{name: name, wrong: err}
		for i, c := range chain {
			if k.state == "" || c.NotAfter.Before(chain[0].NotAfter) {
				k.state = fmt.Sprintf("%s, until %s", subject(chain[0]), c.NotAfter.UTC().Format(dayForm))
			}
			if i == 0 && look != nil {
				k.wrong = errors.Join(k.wrong, look(c))
			}
			if k.wrong == nil {
				k.wrong = judge(c, "", now)
			}
		}
		list = append(list, k)
	}
	add(kioskCertificate, c.Kiosk.HTTPS.Certificate, func(leaf *x509.Certificate) error { return judge(leaf, c.Kiosk.HTTPS.Name, now) })
	add(brokerAuthority, c.City.TLS.CA, nil)
	add(clientCertificate, c.City.TLS.Certificate, c.named)
	return list
}

// named says if a client certificate is another terminal's. Two terminals with one
// name end each other's connections to the broker.
func (c Config) named(leaf *x509.Certificate) error {
	if leaf.Subject.CommonName == c.Terminal || slices.Contains(leaf.DNSNames, c.Terminal) {
		return nil
	}
	return fmt.Errorf("it is for %q, and this terminal is %q: another terminal's certificate?", subject(leaf), c.Terminal)
}

// brokerSeen is the certificate that the broker showed last.
type brokerSeen struct {
	mu   sync.Mutex
	leaf *x509.Certificate
}

// watchTLS lets a connection note the broker's certificate.
func (b *brokerSeen) watchTLS(config *tls.Config) *tls.Config {
	if b == nil {
		return config
	}
	config.VerifyConnection = func(s tls.ConnectionState) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.leaf = s.PeerCertificates[0] // a client's handshake has one
		return nil
	}
	return config
}

func (b *brokerSeen) certificate(now time.Time) (certificate, bool) {
	if b == nil {
		return certificate{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaf == nil {
		return certificate{}, false
	}
	state := fmt.Sprintf("%s, until %s", subject(b.leaf), b.leaf.NotAfter.UTC().Format(dayForm))
	return certificate{name: brokerCertificate, state: state, wrong: judge(b.leaf, "", now)}, true
}

// watchCertificates tells the terminal, now and every day, what is wrong with the
// certificates.
func (d *Daemon) watchCertificates(ctx context.Context) {
	look := func() {
		list := d.config.certificates(time.Now())
		if k, ok := d.shown.certificate(time.Now()); ok {
			list = append(list, k)
		}
		for _, k := range list {
			in := locker.CertificateChecked{Certificate: k.name}
			if k.wrong != nil {
				in.Detail = k.wrong.Error()
			}
			d.control.Deliver(ctx, in)
		}
	}
	look()
	tick := time.NewTicker(certificatesPeriod)
	defer tick.Stop()
	// The broker's own is known soon after the start.
	first := time.NewTimer(time.Minute)
	defer first.Stop()
	for {
		select {
		case <-first.C:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		look()
	}
}
