package envelope

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Withdrawal is a desk's word that an order is taken back. It holds no secret
// and may be repeated.
type Withdrawal struct {
	Terminal string
	Order    locker.OrderID
	Issued   time.Time // to the second
}

// Text is what the desk signs.
func (w Withdrawal) Text() []byte {
	return fmt.Appendf(nil, "%s\nterminal %s\norder %s\nissued %s\n", kind("withdrawal"), w.Terminal, w.Order, timeText(w.Issued))
}

// SignWithdrawal returns the message.
func SignWithdrawal(desk Signer, w Withdrawal) ([]byte, error) {
	if err := errors.Join(CheckTerminal(w.Terminal), CheckOrderID(w.Order), checkTime("issued", w.Issued)); err != nil {
		return nil, fmt.Errorf("sign withdrawal: %w", err)
	}
	return Sign(desk, NamespaceWithdrawal, w.Text())
}

// IsWithdrawal tells the two messages apart that share the topic of orders.
func IsWithdrawal(message []byte) bool {
	return strings.HasPrefix(string(message[:min(len(message), 100)]), kind("withdrawal")+"\n")
}

// OpenWithdrawal verifies a message: for this terminal, signed by a desk who
// has not left. It returns who signed.
func OpenWithdrawal(s Suite, message []byte, terminal string, people People, at time.Time) (Withdrawal, locker.Person, error) {
	body, desk, err := verifiedBy(s, NamespaceWithdrawal, message, people, locker.Desk, at)
	if err != nil {
		return Withdrawal{}, "", fmt.Errorf("withdrawal: %w", err)
	}
	l := readLines(body, kind("withdrawal"))
	w := Withdrawal{Terminal: l.next("terminal"), Order: l.order("order"), Issued: l.time("issued")}
	if err := l.end(); err != nil {
		return Withdrawal{}, "", fmt.Errorf("withdrawal: %w", err)
	}
	return w, desk, checkAddressee("withdrawal", w.Terminal, terminal)
}

// CommandLife is the longest time from a command's arrival to its expiry. Its
// nonce is kept that long.
const CommandLife = 10 * time.Minute

// CommandReissue makes a deposit's code anew.
const CommandReissue = "reissue"

// Command is an admin's order to a terminal. There is one kind: re-issue. None
// opens a door.
type Command struct {
	Terminal   string
	Kind       string
	Order      locker.OrderID
	Generation locker.Generation // whose code is to be replaced
	Nonce      string            // 32 hex digits, never used twice
	Expires    time.Time         // to the second; at most CommandLife ahead
	Key        locker.KeyID      // one-time key that the share is sealed to
	Share      []byte            // sealed re-issue share
}

// NewReissue makes the text's content: it draws the nonce from rand, and seals
// the share to the public half of the terminal's one-time key.
func NewReissue(s Suite, rand io.Reader, terminal string, order locker.OrderID, g locker.Generation, expires time.Time, key PublishedKey, share Share) (Command, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(rand, nonce[:]); err != nil {
		return Command{}, fmt.Errorf("re-issue of order %s: draw a nonce: %w", order, err)
	}
	c := Command{
		Terminal: terminal, Kind: CommandReissue, Order: order, Generation: g,
		Nonce: fmt.Sprintf("%x", nonce), Expires: expires.UTC().Truncate(time.Second), Key: key.ID,
	}
	plain := share.Bytes()
	defer clear(plain)
	var err error
	if c.Share, err = s.Seal(key.Public, c.info(), plain); err != nil {
		return Command{}, fmt.Errorf("re-issue of order %s: seal the share to key %d: %w", order, key.ID, err)
	}
	return c, c.validate()
}

func (c Command) info() []byte { return info("share", c.Terminal, c.Order, c.Generation, c.Key) }

// Text is what the admin signs.
func (c Command) Text() []byte {
	return fmt.Appendf(nil, "%s\nterminal %s\nkind %s\norder %s\ngeneration %d\nnonce %s\nexpires %s\nkey %d\nshare %s\n",
		kind("command"), c.Terminal, c.Kind, c.Order, c.Generation, c.Nonce, timeText(c.Expires), c.Key, base64Text(c.Share))
}

func (c Command) validate() error {
	if c.Kind != CommandReissue {
		return fmt.Errorf("command %.40q is not known to this version", c.Kind)
	}
	if c.Generation == 0 {
		return errors.New("generation 0 is none")
	}
	if len(c.Nonce) != 32 || strings.Trim(c.Nonce, "0123456789abcdef") != "" {
		return errors.New("nonce wants 32 hex digits")
	}
	return errors.Join(CheckTerminal(c.Terminal), CheckOrderID(c.Order), checkKey(c.Key), checkTime("expires", c.Expires))
}

// SignCommand returns the message.
func SignCommand(admin Signer, c Command) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("sign command: %w", err)
	}
	return Sign(admin, NamespaceCommand, c.Text())
}

// OpenCommand verifies a message: for this terminal, in time, signed by an
// admin who has not left. It returns who signed; whether the nonce is new is
// for the caller.
func OpenCommand(s Suite, message []byte, terminal string, people People, at time.Time) (Command, locker.Person, error) {
	body, admin, err := verifiedBy(s, NamespaceCommand, message, people, locker.Admin, at)
	if err != nil {
		return Command{}, "", fmt.Errorf("command: %w", err)
	}
	l := readLines(body, kind("command"))
	c := Command{
		Terminal: l.next("terminal"), Kind: l.next("kind"), Order: l.order("order"),
		Generation: locker.Generation(l.number("generation")), Nonce: l.next("nonce"),
		Expires: l.time("expires"), Key: locker.KeyID(l.number("key")), Share: l.bytes("share"),
	}
	if err := l.end(); err != nil {
		return Command{}, "", fmt.Errorf("command: %w", err)
	}
	if err := c.validate(); err != nil {
		return Command{}, "", fmt.Errorf("command: %w", err)
	}
	if err := checkAddressee("command", c.Terminal, terminal); err != nil {
		return Command{}, "", err
	}
	switch {
	case at.After(c.Expires):
		return Command{}, "", fmt.Errorf("command: expired at %s, here it is %s", timeText(c.Expires), timeText(at))
	case c.Expires.Sub(at) > CommandLife:
		return Command{}, "", fmt.Errorf("command: expires at %s, more than %v from now, %s here", timeText(c.Expires), CommandLife, timeText(at))
	}
	return c, admin, nil
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
