package report_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// house is a broker with capabilities and rules of its own.
func house(t *testing.T, set func(*mqtt.Capabilities), rules auth.ACLRules) string {
	t.Helper()
	c := mqtt.NewDefaultServerCapabilities()
	set(c)
	server := mqtt.New(&mqtt.Options{Capabilities: c, InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ledger := &auth.Ledger{Auth: auth.AuthRules{{Allow: true}}, ACL: rules}
	if err := server.AddHook(new(auth.Hook), &auth.Options{Ledger: ledger}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listeners.NewNet("house", l)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve() }()
	t.Cleanup(func() { _ = server.Close() })
	return "tcp://" + l.Addr().String()
}

func try(t *testing.T, url string, known bool) ([]string, error) {
	t.Helper()
	m := citytest.NewTerminal(t, "rathaus-1", citytest.NewCity(t, "tcp://127.0.0.1:1").Config.Verifier)
	r, err := report.New(report.Config{Terminal: "rathaus-1", Broker: broker.Config{URL: url}, Log: m.Journal, Desk: m.Desk, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return r.Try(ctx, known)
}

var anything = auth.ACLRules{{Filters: auth.Filters{"#": auth.ReadWrite}}}

func TestABrokerThatServesATerminalIsWell(t *testing.T) {
	t.Parallel()
	notes, err := try(t, house(t, func(*mqtt.Capabilities) {}, anything), false)
	if err != nil || len(notes) > 0 {
		t.Errorf("%v, %q", err, notes)
	}
}

func TestABrokerWithOneMessageInFlightIsWell(t *testing.T) {
	t.Parallel()
	one := func(c *mqtt.Capabilities) { c.ReceiveMaximum, c.MaximumInflight = 1, 1 }
	if notes, err := try(t, house(t, one, anything), false); err != nil || len(notes) > 0 {
		t.Errorf("%v, %q", err, notes)
	}
}

func TestABrokerThatDoesNotFitIsNamed(t *testing.T) {
	none := func(*mqtt.Capabilities) {}
	for name, c := range map[string]struct {
		set   func(*mqtt.Capabilities)
		rules auth.ACLRules
		known bool
		want  error
	}{
		"packet limit":             {func(c *mqtt.Capabilities) { c.MaximumPacketSize = 16 << 10 }, anything, false, report.ErrPacketLimit},
		"no retained messages":     {func(c *mqtt.Capabilities) { c.RetainAvailable = 0 }, anything, false, report.ErrNotRetained},
		"the acknowledgement lost": {none, anything, true, report.ErrNotRetained},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if notes, err := try(t, house(t, c.set, c.rules), c.known); !errors.Is(err, c.want) {
				t.Errorf("%v, %q, want %v", err, notes, c.want)
			}
		})
	}
}

func TestWrongAccessRulesOfABrokerAreNamed(t *testing.T) {
	own := func(write, online, mail auth.Access) auth.ACLRules {
		return auth.ACLRules{{Filters: auth.Filters{
			"nachtfach/v1/rathaus-1/online": online, "nachtfach/v1/rathaus-1/ack": mail, "nachtfach/v1/rathaus-1/order": mail,
			"nachtfach/v1/rathaus-1/roster": mail, "nachtfach/v1/rathaus-1/command": mail, "nachtfach/v1/rathaus-1/posted": mail,
			"#": write,
		}}}
	}
	for name, c := range map[string]struct {
		rules auth.ACLRules
		want  string
	}{
		"another terminal's mail": {own(auth.Deny, auth.ReadWrite, auth.Deny), "subscribe to nachtfach/v1/rathaus-1/"},
		"own topic not read":      {own(auth.Deny, auth.WriteOnly, auth.ReadOnly), "may publish and messages are retained was not tried"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notes, err := try(t, house(t, func(*mqtt.Capabilities) {}, c.rules), false)
			told := strings.Join(notes, "")
			if err != nil {
				told += err.Error()
			}
			if !strings.Contains(told, c.want) {
				t.Errorf("%v, %q, want %q", err, notes, c.want)
			}
		})
	}
}
