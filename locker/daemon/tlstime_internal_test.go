package daemon

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
)

func TestCertificatesAreJudgedByTrustedTimeWhereTheMachinesClockIsWrong(t *testing.T) {
	trusted, day := time.Now(), 24*time.Hour
	for name, c := range map[string]struct {
		wall    time.Duration // ahead of trusted time
		quality locker.TimeQuality
		trusts  bool
	}{
		"right":                                {0, locker.TimeClock, false},
		"1970":                                 {time.Unix(0, 0).Sub(trusted), locker.TimeHeld, true},
		"three days behind":                    {-3 * day, locker.TimeHeld, true},
		"ahead by an outage":                   {20 * day, locker.TimeHeld, false},
		"ahead of the time the city confirmed": {20 * day, locker.TimeConfirmed, true},
		"73 years ahead":                       {73 * 365 * day, locker.TimeHeld, true},
	} {
		now := locker.Now{Wall: trusted.Add(c.wall), Uptime: time.Hour}
		status := locker.Status{Time: trusted.Add(-time.Minute), At: time.Hour - time.Minute, Quality: c.quality}
		want := now.Wall
		if c.trusts {
			want = trusted
		}
		if got := certificateTime(now, status); !got.Equal(want) {
			t.Errorf("%s: certificates are judged by %v, want %v", name, got, want)
		}
	}
}

// A board without a battery starts in 1970 and has to reach its broker, whose
// certificate is not yet valid there.
func TestABoardThatStartsIn1970ReachesItsBroker(t *testing.T) {
	authority := citytest.NewAuthority(t)
	server := authority.Issue("127.0.0.1", time.Now().Add(time.Hour))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func(conn net.Conn) { _ = conn.(*tls.Conn).Handshake(); conn.Close() }(conn)
		}
	}()
	now := locker.Now{Wall: time.Unix(3600, 0), Uptime: time.Second}
	dial := func(at func() time.Time) error {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.Pool, ServerName: "127.0.0.1", Time: at, MinVersion: tls.VersionTLS13})
		if err == nil {
			conn.Close()
		}
		return err
	}
	var dates *tls.CertificateVerificationError
	if err := dial(func() time.Time { return now.Wall }); !errors.As(err, &dates) {
		t.Fatalf("a certificate of today in 1970: %v; this proves nothing", err)
	}
	if err := dial(func() time.Time {
		return certificateTime(now, locker.Status{Time: time.Now(), Quality: locker.TimeHeld})
	}); err != nil {
		t.Fatal(err)
	}
}
