package broker

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
)

// dialWire opens the byte stream below MQTT.
func dialWire(ctx context.Context, u *url.URL, config *tls.Config) (*framed, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return &framed{err: err}, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		conn = prompt{tcp}
	}
	if u.Scheme == "tcp" {
		return frame(conn), nil
	}
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.MinVersion = tls.VersionTLS13
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return &framed{err: err}, err
	}
	return frame(secure), nil
}

// framed follows the packets of the incoming stream and breaks it off at one
// that announces more than MaxPacket, before memory is spent on it. Of MQTT it
// knows the fixed header: one byte of type, one to four of length (MQTT 3.1.1, 2.2).
type framed struct {
	net.Conn
	in *bufio.Reader // the client reads in pieces of a few bytes

	rest  int // bytes of the current packet still to come
	state frameState
	shift uint
	size  int

	mu  sync.Mutex
	err error
}

func frame(conn net.Conn) *framed { return &framed{Conn: conn, in: bufio.NewReaderSize(conn, 16<<10)} }

type frameState int

const (
	frameType frameState = iota
	frameLength
	frameBody
)

var (
	errTooLarge  = fmt.Errorf("the broker sends a packet of more than %d bytes", MaxPacket)
	errMalformed = errors.New("the broker sends a packet length that is none")
)

func (f *framed) Read(p []byte) (int, error) {
	n, err := f.in.Read(p)
	if bad := f.follow(p[:n]); bad != nil {
		f.Conn.Close()
		n, err = 0, bad
	}
	if err != nil {
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
	}
	return n, err
}

func (f *framed) follow(p []byte) error {
	for len(p) > 0 {
		switch f.state {
		case frameType:
			f.state, f.size, f.shift = frameLength, 0, 0
			p = p[1:]
		case frameLength:
			f.size |= int(p[0]&0x7f) << f.shift
			f.shift += 7
			more := p[0]&0x80 != 0
			p = p[1:]
			switch {
			case more && f.shift >= 28:
				return errMalformed
			case more:
			case f.size > MaxPacket:
				return errTooLarge
			case f.size == 0:
				f.state = frameType
			default:
				f.state, f.rest = frameBody, f.size
			}
		case frameBody:
			n := min(f.rest, len(p))
			p, f.rest = p[n:], f.rest-n
			if f.rest == 0 {
				f.state = frameType
			}
		}
	}
	return nil
}

// failure is the last error of the stream. With TLS 1.3 a broker's refusal of
// our certificate arrives only there, after the handshake.
func (f *framed) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// explain adds to an error of TLS what an operator can do about it; handshake
// tells that there was no connection yet.
func explain(err error, handshake bool) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the broker's certificate is not signed by the configured authority: %w", err)
	case errors.As(err, &host):
		return fmt.Errorf("the broker's certificate is for another name: %w", err)
	case errors.As(err, &invalid):
		return fmt.Errorf("the broker's certificate is not valid: %w", err)
	case errors.As(err, &header):
		return fmt.Errorf("the broker does not speak TLS on this port: %w", err)
	case handshake && errors.Is(err, io.EOF):
		return fmt.Errorf("the broker ended the TLS handshake, perhaps it does not speak TLS on this port: %w", err)
	case errors.As(err, &alert):
		return fmt.Errorf("the broker refuses the TLS connection, perhaps for the client certificate: %w", err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return fmt.Errorf("the broker refuses the TLS connection, perhaps for the client certificate: %w", err)
	}
	return err
}

// TLSFiles name the PEM files of a private authority and of our own certificate.
type TLSFiles struct {
	CA          string // empty: the system's authorities
	Certificate string // empty, with Key: no client certificate
	Key         string
	ServerName  string // empty: the address's host

	Signer crypto.Signer `toml:"-"` // in the place of the key's file, for one that lies in hardware
}

// Load reads the files. The error names the file that is wrong.
func (f TLSFiles) Load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: f.ServerName}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("read the broker's authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the broker's authority: %s holds no certificate in PEM", f.CA)
		}
	}
	if (f.Certificate == "") != (f.Key == "") {
		return nil, errors.New("client certificate: wants both certificate and key, or neither")
	}
	if f.Certificate != "" {
		pair, err := f.pair()
		if err != nil {
			return nil, fmt.Errorf("read the client certificate %s with key %s: %w", f.Certificate, f.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// pair is our certificate with its key, which must belong together.
func (f TLSFiles) pair() (tls.Certificate, error) {
	if f.Signer == nil {
		return tls.LoadX509KeyPair(f.Certificate, f.Key)
	}
	text, err := os.ReadFile(f.Certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair := tls.Certificate{PrivateKey: f.Signer}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			pair.Certificate = append(pair.Certificate, block.Bytes)
		}
	}
	if len(pair.Certificate) == 0 {
		return tls.Certificate{}, errors.New("it holds no certificate in PEM")
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return tls.Certificate{}, err
	}
	public, ok := f.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(pair.Leaf.PublicKey) {
		return tls.Certificate{}, errors.New("it belongs to another key")
	}
	return pair, nil
}
