// Package broker is one connection to an MQTT 3.1.1 broker, made so that it
// cannot claim what it does not know.
//
// Every connection is a new client with a clean session: nothing is resumed,
// stored or sent again behind the caller's back, and a publish that was under
// way when the connection broke has failed. Even so a publish without error
// says only that the broker took the message. Brokers lose messages that they
// acknowledged; whoever must be sure asks the receiver.
//
// TLS is 1.3, and without it nothing leaves the machine. What a broker sends is bounded per packet before
// memory is spent on it, and per connection by an [Inbox]; it never panics.
//
// The package leaves order, repetition and meaning to its callers.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Limits of a connection. A frozen broker is noticed after keepAlive and
// pingTimeout, a stuck write after writeTimeout.
const (
	keepAlive      = 10 * time.Second
	pingTimeout    = 5 * time.Second
	writeTimeout   = 3 * time.Second
	connectTimeout = 10 * time.Second

	// MaxPacket bounds what a broker may send in one packet, in bytes: the
	// largest message of package envelope, and its topic.
	MaxPacket = 2<<20 + 4<<10
)

// ErrLost tells that the connection is gone; what was under way is unknown.
var ErrLost = errors.New("the connection to the broker is lost")

// Config says where the broker is and as whom to connect.
type Config struct {
	// URL is tls://host:8883, or tcp://127.0.0.1:1883 for a broker, or a tunnel
	// to one, on the same machine.
	URL string
	// ClientID is unique at the broker: a second client of this name ends the first.
	ClientID string
	// Username and Password are sent if Username is not empty.
	Username, Password string
	// TLS is used with a tls:// address; nil means the system's authorities.
	TLS *tls.Config
	// Renew, if there is one, gives TLS anew for each connection, so that a
	// renewed certificate counts from the next one on. Its error is that of the
	// attempt, and the next one asks again.
	Renew func() (*tls.Config, error)
	// Will is published by the broker when the connection breaks; nil for none.
	Will *Message
}

// Message is what travels, always with QoS 1.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool // asked for when published; when received: it is an old one
}

// Validate says what is wrong with the address.
func (c Config) Validate() error {
	_, err := c.address()
	return err
}

func (c Config) address() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("broker address: %w", err)
	}
	if u.Scheme != "tcp" && u.Scheme != "tls" {
		return nil, fmt.Errorf("broker address %q: wants tls://host:port, or tcp://host:port on the loopback", c.URL)
	}
	if u.Hostname() == "" || u.Port() == "" {
		return nil, fmt.Errorf("broker address %q: wants a host and a port", c.URL)
	}
	if u.Scheme == "tcp" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("broker address %q: wants tls://host:port: without TLS no message leaves this machine", c.URL)
	}
	if u.User != nil {
		return nil, errors.New("broker address: holds a password; username and password have settings of their own")
	}
	return u, nil
}

// loopback is strict: a name goes through the machine's resolver, which may say
// anything.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Conn is one connection. It is used up when [Conn.Lost] is closed.
type Conn struct {
	client mqtt.Client
	lost   chan struct{}
	once   sync.Once
	reason error // set before lost is closed

	mu      sync.Mutex
	largest int    // bytes of the largest message published
	on      string // and its topic
}

// suspicious is the size in bytes from which on a message may be the reason why a
// broker ends a connection: MQTT 3.1.1 has no other way to refuse it.
const suspicious = 16 << 10

// note remembers the largest message.
func (c *Conn) note(m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.Payload) > c.largest {
		c.largest, c.on = len(m.Payload), m.Topic
	}
}

// blame is what to say of the largest message when the connection is lost.
func (c *Conn) blame() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.largest < suspicious {
		return ""
	}
	return fmt.Sprintf(" (the largest message on it had %d bytes, on %s: look at the broker's packet limit)", c.largest, c.on)
}

// Dial connects. The error names the address and the cause; a certificate that
// does not fit is explained.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	u, err := config.address()
	if err != nil {
		return nil, err
	}
	if config.Renew != nil && u.Scheme == "tls" {
		if config.TLS, err = config.Renew(); err != nil {
			return nil, fmt.Errorf("connect to broker %s: %w", u.Host, err)
		}
	}
	c := &Conn{lost: make(chan struct{})}
	var wire *framed
	open := func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		w, err := dialWire(ctx, u, config.TLS)
		wire = w
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	c.client = mqtt.NewClient(c.options(config, open))
	token := c.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
		c.Close()
		return nil, ctx.Err()
	}
	if err := token.Error(); err != nil {
		if wire != nil && wire.failure() != nil {
			err = wire.failure()
		}
		shaking := u.Scheme == "tls" && (wire == nil || wire.Conn == nil)
		return nil, fmt.Errorf("connect to broker %s: %w", u.Host, explain(err, shaking))
	}
	return c, nil
}

func (c *Conn) options(config Config, open mqtt.OpenConnectionFunc) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.AddBroker(config.URL)
	o.SetClientID(config.ClientID)
	o.SetProtocolVersion(4)
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)
	o.SetOrderMatters(true)
	o.SetKeepAlive(keepAlive)
	o.SetPingTimeout(pingTimeout)
	o.SetWriteTimeout(writeTimeout)
	o.SetConnectTimeout(connectTimeout)
	o.SetCustomOpenConnectionFn(open)
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.lose(err) })
	if config.Username != "" {
		o.SetUsername(config.Username)
		o.SetPassword(config.Password)
	}
	if w := config.Will; w != nil {
		o.SetBinaryWill(w.Topic, w.Payload, 1, w.Retained)
	}
	return o
}

func (c *Conn) lose(err error) {
	c.once.Do(func() {
		if err == nil {
			c.reason = ErrLost
		} else {
			c.reason = fmt.Errorf("%w: %w%s", ErrLost, err, c.blame())
		}
		close(c.lost)
	})
}

// Lost is closed when the connection is gone.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err says why the connection is gone; nil while it is up.
func (c *Conn) Err() error {
	select {
	case <-c.lost:
		return c.reason
	default:
		return nil
	}
}

// Publish hands one message to the connection. A nil error says that it was
// queued for the broker, and no more.
func (c *Conn) Publish(m Message) error {
	c.note(m)
	token := c.client.Publish(m.Topic, 1, m.Retained, m.Payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("publish on %s: %w", m.Topic, err)
		}
	default:
	}
	return c.Err()
}

// Flush publishes one message and waits until the broker took it, and with it
// all that was published before on this connection.
func (c *Conn) Flush(ctx context.Context, m Message) error {
	c.note(m)
	token := c.client.Publish(m.Topic, 1, m.Retained, m.Payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("publish on %s: %w", m.Topic, err)
		}
		return nil
	case <-c.lost:
		return c.reason
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subscribe asks for the filters with QoS 1 and waits for the broker's consent.
// Messages are put into the inbox in the order in which they come.
func (c *Conn) Subscribe(ctx context.Context, inbox *Inbox, filters ...string) error {
	asked := make(map[string]byte, len(filters))
	for _, f := range filters {
		asked[f] = 1
	}
	token := c.client.SubscribeMultiple(asked, func(_ mqtt.Client, m mqtt.Message) {
		inbox.put(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
	})
	select {
	case <-token.Done():
	case <-c.lost:
		return fmt.Errorf("subscribe: %w", c.reason)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if t, ok := token.(*mqtt.SubscribeToken); ok {
		for filter, code := range t.Result() {
			if code > 2 { // MQTT 3.1.1, 3.9.3: 0x80 is a refusal
				return fmt.Errorf("subscribe to %s: the broker refuses it; look at its access rules", filter)
			}
		}
	}
	return nil
}

// Unsubscribe takes filters back and waits for the broker's consent.
func (c *Conn) Unsubscribe(ctx context.Context, filters ...string) error {
	token := c.client.Unsubscribe(filters...)
	select {
	case <-token.Done():
	case <-c.lost:
		return fmt.Errorf("unsubscribe: %w", c.reason)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	return nil
}

// Close ends the connection in good order, so that no will is published.
func (c *Conn) Close() {
	c.client.Disconnect(250)
	c.lose(nil)
}

// evicted is how many connections in a row a broker must end soon after they began,
// so that a second client of the same name is the likely reason.
const evicted = 3

// Keep holds a connection until ctx ends: it dials, hands each connection to
// serve, and when serve returns dials anew, after a pause that doubles from 250
// ms to 3 s, with jitter, as long as no connection lasts ten seconds. It returns
// the error of ctx, or that of a configuration that cannot work.
func Keep(ctx context.Context, log *slog.Logger, config Config, serve func(context.Context, *Conn) error) error {
	if err := config.Validate(); err != nil {
		return err
	}
	const shortest, longest = 250 * time.Millisecond, 3 * time.Second
	pause, short := shortest, 0
	for ctx.Err() == nil {
		began := time.Now()
		c, err := Dial(ctx, config)
		if err == nil {
			log.Info("connected to the broker", "broker", config.URL)
			err = serve(ctx, c)
			c.Close()
		}
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			pause, short = shortest, 0
		} else if errors.Is(err, ErrLost) {
			if short++; short >= evicted {
				err = fmt.Errorf("%w: the broker ended %d connections in a row after a few seconds: does another terminal use the same client id or certificate?", err, short)
			}
		}
		wait := pause/2 + rand.N(pause)
		log.Warn("no connection to the broker", "broker", config.URL, "error", err, "again_in", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		pause = min(2*pause, longest)
	}
	return ctx.Err()
}
