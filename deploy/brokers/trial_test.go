package brokers_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/report/topic"
)

var (
	reports = []topic.Topic{topic.Event, topic.Checkpoint, topic.State, topic.Online, topic.Keys, topic.Letter}
	mail    = []topic.Topic{topic.Ack, topic.Order, topic.Roster, topic.Command, topic.Posted}
)

// as is a connection's configuration with the certificate of this name.
func (s *site) as(name, client string) broker.Config {
	return broker.Config{URL: s.url(), ClientID: client, TLS: &tls.Config{
		RootCAs: s.authority.Pool, Certificates: []tls.Certificate{s.authority.Issue(name, time.Now().Add(time.Hour))},
	}}
}

func (s *site) dial(c broker.Config) (*broker.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	return broker.Dial(ctx, c)
}

// trial is what every broker must pass.
func (s *site) trial() {
	s.t.Helper()
	s.strangers()
	s.worksFor()
	if reached := s.reach(); len(reached) > 0 {
		s.t.Errorf("a hostile terminal reaches:\n%s", strings.Join(reached, "\n"))
	}
}

// strangers have no certificate, one of another authority, or an older TLS.
func (s *site) strangers() {
	s.t.Helper()
	foreign := s.as(terminals[0], "nachtfach-"+terminals[0])
	foreign.TLS.Certificates = []tls.Certificate{citytest.NewAuthority(s.t).Issue(terminals[0], time.Now().Add(time.Hour))}
	none := s.as(terminals[0], "nachtfach-"+terminals[0])
	none.TLS.Certificates = nil
	nobody := s.as("rathaus-9", "nachtfach-rathaus-9")
	for what, c := range map[string]broker.Config{"no certificate": none, "a foreign certificate": foreign} {
		if conn, err := s.dial(c); err == nil {
			conn.Close()
			s.t.Errorf("%s gets in", what)
		}
	}
	// A good certificate of a name without topics may connect, and do nothing.
	if conn, err := s.dial(nobody); err == nil {
		inbox := broker.NewInbox(1 << 20)
		_ = subscribe(s.t, conn, inbox, topic.Ack.Of(terminals[0]))
		conn.Close()
		if messages, _ := inbox.Take(); len(messages) > 0 {
			s.t.Errorf("a name without topics reads %d messages", len(messages))
		}
	}
	conn, err := tls.Dial("tcp", s.address, &tls.Config{
		RootCAs: s.authority.Pool, MaxVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{s.authority.Issue(terminals[0], time.Now().Add(time.Hour))},
	})
	if err == nil {
		conn.Close()
		s.t.Error("TLS 1.2 is spoken")
	}
}

// worksFor runs a real terminal and a real city through the broker: events are
// acknowledged, and mail arrives.
func (s *site) worksFor() {
	s.t.Helper()
	c := citytest.NewCity(s.t, s.url())
	c.Config.Broker = s.as("city.nachtfach", "nachtfach-city")
	c.Reopen()
	m := citytest.NewTerminal(s.t, terminals[0], c.Config.Verifier)
	s.check(c.AddTerminal(s.t.Context(), m.ID, m.Verifier))
	stopCity := c.Start()
	_, stopTerminal := m.ReportTo(s.as(terminals[0], "nachtfach-"+terminals[0]))
	defer stopCity()
	defer stopTerminal()
	m.AppendMany(200)
	citytest.Eventually(s.t, "all events are acknowledged", soon, func() bool { return m.Journal.Cursor() == m.Journal.Size() })
	draft := func() bool {
		d, err := c.DraftCommand(s.t.Context(), m.ID, locker.Command{Kind: locker.CommandLock})
		if err != nil {
			return false // the state has not come yet
		}
		file, _, err := envelope.GenerateSSH(rand.Reader, "anna")
		s.check(err)
		anna, err := envelope.ParseSSH(file)
		s.check(err)
		signed, err := envelope.Sign(anna, d.Namespace, d.Text)
		s.check(err)
		s.check(c.Command(s.t.Context(), m.ID, signed))
		return true
	}
	citytest.Eventually(s.t, "the terminal's state", soon, draft)
	citytest.Eventually(s.t, "a command arrives", soon, func() bool { return len(m.Desk.Received(topic.Command)) > 0 })
}

// reach lists what the second terminal can read or write of what is not its own.
func (s *site) reach() (reached []string) {
	s.t.Helper()
	city, err := s.dial(s.as("city.nachtfach", "nachtfach-city"))
	s.check(err)
	defer city.Close()
	toCity := broker.NewInbox(8 << 20)
	var filters []string
	for _, r := range reports {
		filters = append(filters, r.Of("+"))
	}
	s.check(subscribe(s.t, city, toCity, filters...))
	victim, err := s.dial(s.as(terminals[0], "nachtfach-"+terminals[0]))
	s.check(err)
	defer victim.Close()
	toVictim := broker.NewInbox(8 << 20)
	filters = nil
	for _, m := range mail {
		filters = append(filters, m.Of(terminals[0]))
	}
	s.check(subscribe(s.t, victim, toVictim, filters...))

	reached = append(reached, s.reads(city, victim)...)
	return append(reached, s.writes(toCity, toVictim)...)
}

// reads has the hostile terminal listen while city and victim talk.
func (s *site) reads(city, victim *broker.Conn) (reached []string) {
	s.t.Helper()
	heard := broker.NewInbox(8 << 20)
	var open []*broker.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	var filters []string
	for _, t := range append(slices.Clone(reports), mail...) {
		filters = append(filters, t.Of(terminals[0]), t.Of("+"))
	}
	filters = append(filters, "#", "nachtfach/#", "nachtfach/v1/"+terminals[0]+"/#", "nachtfach/v1/+/+", "+/+/+/+", "$SYS/#")
	for _, filter := range filters { // a refusal may end the connection: one each
		c, err := s.dial(s.as(terminals[1], "nachtfach-"+terminals[1]))
		s.check(err)
		within, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		_ = c.Subscribe(within, heard, filter) // refused, ended, or taken and nothing delivered
		cancel()
		s.talk(city, victim)
		open = append(open, c)
		c.Close()
	}
	messages, _ := heard.Take()
	for _, m := range messages {
		if of, _, ok := topic.Split(m.Topic); !ok || of != terminals[1] {
			reached = append(reached, "reads "+m.Topic)
		}
	}
	slices.Sort(reached)
	return slices.Compact(reached)
}

// talk is one message of each kind between the city and the victim.
func (s *site) talk(city, victim *broker.Conn) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	for _, t := range reports {
		s.check(victim.Flush(ctx, broker.Message{Topic: t.Of(terminals[0]), Payload: []byte("report")}))
	}
	for _, t := range mail {
		s.check(city.Flush(ctx, broker.Message{Topic: t.Of(terminals[0]), Payload: []byte("mail")}))
	}
	time.Sleep(50 * time.Millisecond) // what the broker forwards is forwarded by now, or the control test fails
}

// writes has the hostile terminal write where it may not, and where it may.
func (s *site) writes(toCity, toVictim *broker.Inbox) (reached []string) {
	s.t.Helper()
	var topics []string
	for _, t := range append(slices.Clone(reports), mail...) {
		topics = append(topics, t.Of(terminals[0]))
	}
	for _, name := range topics { // a refusal may end the connection: one each
		s.write(name)
	}
	own := topic.Event.Of(terminals[1])
	s.write(own)
	var seen []string
	heard := map[string]bool{} // by those who should
	citytest.Eventually(s.t, "the hostile terminal's own report", soon, func() bool {
		for _, inbox := range []*broker.Inbox{toCity, toVictim} {
			messages, _ := inbox.Take()
			for _, m := range messages {
				if strings.HasPrefix(string(m.Payload), "hostile on ") {
					seen = append(seen, string(m.Payload))
				} else {
					heard[m.Topic] = true
				}
			}
		}
		return slices.Contains(seen, string(marker(own)))
	})
	for _, name := range topics {
		if !heard[name] {
			s.t.Errorf("nothing on %s came to whom it is for: the trial sees nothing", name)
		}
		if slices.Contains(seen, string(marker(name))) {
			reached = append(reached, fmt.Sprintf("writes %s", name))
		}
	}
	return reached
}

func (s *site) write(name string) {
	s.t.Helper()
	c, err := s.dial(s.as(terminals[1], "nachtfach-"+terminals[1]))
	s.check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Second)
	defer cancel()
	_ = c.Flush(ctx, broker.Message{Topic: name, Payload: marker(name)}) // refused, dropped, or the connection ended
}

func subscribe(t *testing.T, c *broker.Conn, inbox *broker.Inbox, filters ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	return c.Subscribe(ctx, inbox, filters...)
}
