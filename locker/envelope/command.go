package envelope

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// CommandLife is the longest time from a command's arrival to its expiry.
const CommandLife = 10 * time.Minute

// Command is an admin's order to a terminal as it travels. What is signed says
// in full what is to be done, of what, at which terminal, since which start of
// it (the challenge) and until when; the nonce makes it one of a kind.
type Command struct {
	Terminal string
	locker.Command
	Nonce     string       // 32 hex digits, never used twice
	Challenge string       // 32 hex digits that the terminal drew at its last start
	Expires   time.Time    // to the second; at most CommandLife ahead
	Key       locker.KeyID // re-issue: one-time key that the share is sealed to
	Share     []byte       // re-issue: sealed share
}

// NewCommand makes the text's content and draws the nonce from rand.
func NewCommand(rand io.Reader, terminal, challenge string, what locker.Command, expires time.Time) (Command, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(rand, nonce[:]); err != nil {
		return Command{}, fmt.Errorf("command %s: draw a nonce: %w", what.Kind, err)
	}
	c := Command{
		Terminal: terminal, Command: what, Challenge: challenge,
		Nonce: fmt.Sprintf("%x", nonce), Expires: expires.UTC().Truncate(time.Second),
	}
	if what.Kind == locker.CommandReissue {
		return c, nil // NewReissue goes on
	}
	return c, c.validate()
}

// NewReissue makes the command that replaces a deposit's code, and seals the
// share to the public half of the terminal's one-time key.
func NewReissue(s Suite, rand io.Reader, terminal, challenge string, order locker.OrderID, g locker.Generation, expires time.Time, key PublishedKey, share Share) (Command, error) {
	c, err := NewCommand(rand, terminal, challenge, locker.Command{Kind: locker.CommandReissue, Order: order, Generation: g}, expires)
	if err != nil {
		return Command{}, err
	}
	c.Key = key.ID
	plain := share.Bytes()
	defer clear(plain)
	if c.Share, err = s.Seal(key.Public, c.info(), plain); err != nil {
		return Command{}, fmt.Errorf("re-issue of order %s: seal the share to key %d: %w", order, key.ID, err)
	}
	return c, c.validate()
}

func (c Command) info() []byte { return info("share", c.Terminal, c.Order, c.Generation, c.Key) }

// Text is what the admin signs: one line each, in this order, those about the
// object as the kind has them.
func (c Command) Text() []byte {
	b := fmt.Appendf(nil, "%s\nterminal %s\nkind %s\n", kind("command"), c.Terminal, c.Kind)
	switch c.Kind {
	case locker.CommandReissue:
		b = fmt.Appendf(b, "order %s\ngeneration %d\n", c.Order, c.Generation)
	case locker.CommandRevoke:
		b = fmt.Appendf(b, "order %s\ngeneration %d\n", c.Order, c.Generation)
	case locker.CommandExtend:
		b = fmt.Appendf(b, "order %s\ngeneration %d\ndays %d\n", c.Order, c.Generation, c.Days)
	case locker.CommandDisable, locker.CommandEnable:
		b = fmt.Appendf(b, "compartment %d\n", c.Compartment)
	case locker.CommandUnblock:
		b = fmt.Appendf(b, "person %s\n", c.Person)
	case locker.CommandHours:
		b = fmt.Appendf(b, "hours %s\n", c.Hours)
	case locker.CommandClock:
		b = fmt.Appendf(b, "shift %v\n", c.Shift)
	case locker.CommandLock, locker.CommandUnlock, locker.CommandDiagnose, locker.CommandResend, locker.CommandBurglary, locker.CommandDeclare:
	}
	b = fmt.Appendf(b, "nonce %s\nchallenge %s\nexpires %s\n", c.Nonce, c.Challenge, timeText(c.Expires))
	if c.Kind == locker.CommandReissue {
		b = fmt.Appendf(b, "key %d\nshare %s\n", c.Key, base64Text(c.Share))
	}
	return b
}

// ParseCommand reads a text (see [Body]) that nobody has verified. There is one
// text for each command.
func ParseCommand(body []byte) (Command, error) {
	l := readLines(body, kind("command"))
	c := Command{Terminal: l.next("terminal")}
	c.Kind = locker.CommandKind(l.next("kind"))
	switch c.Kind {
	case locker.CommandReissue, locker.CommandRevoke, locker.CommandExtend:
		c.Order, c.Generation = l.order("order"), locker.Generation(l.number("generation"))
		if c.Kind == locker.CommandExtend {
			c.Days = l.small("days")
		}
	case locker.CommandDisable, locker.CommandEnable:
		c.Compartment = locker.CompartmentID(l.small("compartment"))
	case locker.CommandUnblock:
		c.Person = locker.Person(l.next("person"))
	case locker.CommandHours:
		c.Hours = l.next("hours")
	case locker.CommandClock:
		text := l.next("shift")
		if err := c.Shift.UnmarshalText([]byte(text)); err != nil || c.Shift.String() != text {
			l.fail("shift", fmt.Errorf("%.40q: wants a form like -2h0m0s", text))
		}
	case locker.CommandLock, locker.CommandUnlock, locker.CommandDiagnose, locker.CommandResend, locker.CommandBurglary, locker.CommandDeclare:
	}
	c.Nonce, c.Challenge, c.Expires = l.next("nonce"), l.next("challenge"), l.terminalTime("expires")
	if c.Kind == locker.CommandReissue {
		c.Key, c.Share = locker.KeyID(l.number("key")), l.bytes("share")
	}
	if err := l.end(); err != nil {
		return Command{}, fmt.Errorf("command: %w", err)
	}
	if err := c.validate(); err != nil {
		return Command{}, fmt.Errorf("command: %w", err)
	}
	return c, nil
}

func (c Command) validate() error {
	if err := c.Command.Validate(); err != nil {
		return err
	}
	for _, digits := range []string{c.Nonce, c.Challenge} {
		if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
			return errors.New("nonce and challenge want 32 hex digits each")
		}
	}
	if c.Order != "" {
		if err := CheckOrderID(c.Order); err != nil {
			return err
		}
	}
	if c.Person != "" {
		if err := checkPerson(c.Person); err != nil {
			return err
		}
	}
	if c.Kind == locker.CommandReissue {
		if err := checkKey(c.Key); err != nil {
			return err
		}
	}
	return errors.Join(CheckTerminal(c.Terminal), checkTerminalTime("expires", c.Expires))
}

// SignCommand returns the message that one admin signed; a second one signs it
// with [Sign].
func SignCommand(admin Signer, c Command) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("sign command: %w", err)
	}
	return Sign(admin, NamespaceCommand, c.Text())
}

// OpenCommand verifies a message: for this terminal and this start of it, in
// time, signed by admins who have not left, by two different ones if the kind
// is grave. It returns who signed, each once; whether the nonce is new is for
// the caller. With an error it returns what could be read, verified by nobody,
// so that a refusal can name it.
func OpenCommand(s Suite, message []byte, terminal, challenge string, people People, at time.Time) (Command, []locker.Person, error) {
	if len(message) > maxText {
		return Command{}, nil, fmt.Errorf("command: %d bytes, at most %d", len(message), maxText)
	}
	c, err := ParseCommand(Body(message))
	if err != nil {
		return Command{}, nil, err
	}
	admins, err := signedBy(s, NamespaceCommand, message, people, locker.Admin, at)
	if err != nil {
		return c, nil, fmt.Errorf("command: %w", err)
	}
	if c.Kind.Grave() && len(admins) < 2 {
		return c, nil, fmt.Errorf("command: %s wants two different admins, %s signed alone", c.Kind, admins[0])
	}
	if err := checkAddressee("command", c.Terminal, terminal); err != nil {
		return c, nil, err
	}
	switch {
	case at.After(c.Expires):
		return c, nil, fmt.Errorf("command: expired at %s, here it is %s", timeText(c.Expires), timeText(at))
	case c.Expires.Sub(at) > CommandLife:
		return c, nil, fmt.Errorf("command: expires at %s, more than %v from now, %s here", timeText(c.Expires), CommandLife, timeText(at))
	case c.Challenge != challenge:
		return c, nil, errors.New("command: its challenge is of another start of the terminal; make and sign it anew")
	}
	return c, admins, nil
}

// OpenShare opens the share with the private half of the one-time key.
func (c Command) OpenShare(s Suite, private []byte) (Share, error) {
	plain, err := s.Open(private, c.info(), c.Share)
	if err != nil {
		return Share{}, fmt.Errorf("command: its share does not open with key %d: it was sealed for another terminal, order, generation or key", c.Key)
	}
	defer clear(plain)
	return NewShare(plain)
}
