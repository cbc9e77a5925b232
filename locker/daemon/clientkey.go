package daemon

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// keyInTPM stands in city.tls.key for a client key that never leaves the chip.
const keyInTPM = "tpm"

// clientKey is the chip's key for the connection to the broker.
func (c Config) clientKey(chip *tpm.Chip) (*tpm.Signer, error) {
	return chip.Signer("mqtt/" + c.Terminal)
}

// withoutItsKey tells that the client key lies in a chip that cannot be used now.
func (d *Daemon) withoutItsKey() bool {
	return d.config.City.TLS.Key == keyInTPM && (d.store == nil || d.store.chip == nil)
}

// tlsFiles is how the broker is reached now; files are read again each time.
func (d *Daemon) tlsFiles() (*tls.Config, error) {
	config, err := d.loadTLS()
	if err == nil && d.control != nil { // there is trusted time
		config.Time = d.tlsTime
	}
	return config, err
}

func (d *Daemon) loadTLS() (*tls.Config, error) {
	f := d.config.City.TLS
	if f.Key != keyInTPM {
		return d.load(f)
	}
	if d.withoutItsKey() {
		return nil, fmt.Errorf("client certificate %s: its key lies in the TPM: %w", f.Certificate, errHardwareKey)
	}
	signer, err := d.config.clientKey(d.store.chip)
	if err != nil {
		return nil, err
	}
	f.Signer = signer
	return d.load(f)
}

// load reads the files, and lets the connection note the broker's certificate.
func (d *Daemon) load(f broker.TLSFiles) (*tls.Config, error) {
	config, err := f.Load()
	if err != nil {
		return nil, err
	}
	return d.shown.watchTLS(config), nil
}

// CertificateRequest is the PKCS #10 request, in PEM, for the certificate of the
// terminal's connection to the broker, signed with the key in its TPM. The
// subject's common name is the terminal's id.
func CertificateRequest(c Config) ([]byte, error) {
	if c.TPM.Path == "" || c.City.TLS.Key != keyInTPM {
		return nil, fmt.Errorf("certificate request: wants [tpm], and city.tls with key = %q; for a key in a file use openssl", keyInTPM)
	}
	chip, err := c.chip(files{c.State})
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	signer, err := c.clientKey(chip)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("certificate request: %w", err), chip.Close())
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: c.Terminal}, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}, signer)
	if err := errors.Join(err, chip.Close()); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}
