package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Failure is the answer to a request that failed.
type Failure struct {
	Error string `json:"error"`
}

// Error is a request that the city refused.
type Error struct {
	Status  int    // of HTTP: 400 not usable, 404 not known, 409 not possible now
	Message string // for the operator
}

func (e *Error) Error() string { return e.Message }

// maxAnswer bounds an answer: 1000 events of 256 KiB in base64.
const maxAnswer = 512 << 20

// Client asks the city over its Unix socket.
type Client struct{ http http.Client }

// Dial makes a client for the socket at this path. It connects with each request.
func Dial(socket string) *Client {
	var dialer net.Dialer
	return &Client{http.Client{
		Timeout: 2 * time.Minute,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", socket)
			},
		},
	}}
}

// ask sends body, if any, and reads the answer into v, if any.
func (c *Client) ask(ctx context.Context, method, path string, body []byte, v any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://city"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the city: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the city (does cityd run, and may you open its socket?): %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the city's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var f Failure
		if json.Unmarshal(answer, &f) != nil || f.Error == "" {
			f.Error = "the city answers " + response.Status
		}
		return &Error{response.StatusCode, f.Error}
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("read the city's answer: %w", err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, v any) error {
	return c.ask(ctx, http.MethodGet, path, nil, v)
}

func (c *Client) post(ctx context.Context, path string, body []byte, v any) error {
	return c.ask(ctx, http.MethodPost, path, body, v)
}

func of(terminal, what string) string { return "/terminals/" + url.PathEscape(terminal) + "/" + what }

func ofOrder(id locker.OrderID, what string) string {
	return "/orders/" + url.PathEscape(string(id)) + what
}

// Identity is what a terminal must know of this city.
func (c *Client) Identity(ctx context.Context) (v Identity, err error) {
	err = c.get(ctx, "/identity", &v)
	return v, err
}

// AddTerminal registers a terminal with the verifier key of its device's notes.
func (c *Client) AddTerminal(ctx context.Context, id, verifier string) error {
	body, err := json.Marshal(Terminal{ID: id, Verifier: verifier})
	if err != nil {
		return err
	}
	return c.post(ctx, "/terminals", body, nil)
}

// Terminals lists the registered terminals.
func (c *Client) Terminals(ctx context.Context) (v []Terminal, err error) {
	err = c.get(ctx, "/terminals", &v)
	return v, err
}

// Events gives a terminal's events from the given sequence on, at most limit and 1000.
func (c *Client) Events(ctx context.Context, terminal string, from uint64, limit int) (v []Event, err error) {
	q := url.Values{"from": {strconv.FormatUint(from, 10)}, "max": {strconv.Itoa(limit)}}
	err = c.get(ctx, of(terminal, "events?"+q.Encode()), &v)
	return v, err
}

// Verify makes the city compute the terminal's tree anew and hold it against
// the device's checkpoint.
func (c *Client) Verify(ctx context.Context, terminal string) (v Tree, err error) {
	err = c.get(ctx, of(terminal, "tree"), &v)
	return v, err
}

// Retire closes a terminal's log.
func (c *Client) Retire(ctx context.Context, terminal string) (v Retired, err error) {
	err = c.ask(ctx, "POST", of(terminal, "retire"), nil, &v)
	return v, err
}

// Adoption signs once more what Retire signed of a closed log.
func (c *Client) Adoption(ctx context.Context, closed string) (v Retired, err error) {
	err = c.get(ctx, of(closed, "adoption"), &v)
	return v, err
}

// Deposits lists a terminal's deposits, the latest first.
func (c *Client) Deposits(ctx context.Context, terminal string) (v []Deposit, err error) {
	err = c.get(ctx, of(terminal, "deposits"), &v)
	return v, err
}

// Orders lists a terminal's orders, the latest first.
func (c *Client) Orders(ctx context.Context, terminal string) (v []Order, err error) {
	err = c.get(ctx, of(terminal, "orders"), &v)
	return v, err
}

// Roster tells which desks' keys sign orders for the terminal.
func (c *Client) Roster(ctx context.Context, terminal string) (v Roster, err error) {
	err = c.get(ctx, of(terminal, "roster"), &v)
	return v, err
}

// Order gives one order.
func (c *Client) Order(ctx context.Context, id locker.OrderID) (v Order, err error) {
	err = c.get(ctx, ofOrder(id, ""), &v)
	return v, err
}

// Alarms lists the alarms of the terminals, then those that the city found
// itself. The ones that somebody should look at come first.
func (c *Client) Alarms(ctx context.Context) (v []Trouble, err error) {
	err = c.get(ctx, "/alarms", &v)
	return v, err
}

// LeaseKey takes one of the terminal's one-time order keys, for ever.
func (c *Client) LeaseKey(ctx context.Context, terminal string) (v Key, err error) {
	err = c.post(ctx, of(terminal, "lease"), nil, &v)
	return v, err
}

// SubmitOrder hands over a sealed order with its desk's signature
// (envelope.SealOrder, envelope.SignSubmission), to be held until its document
// has arrived.
func (c *Client) SubmitOrder(ctx context.Context, sealed []byte) (v Order, err error) {
	err = c.post(ctx, "/orders", sealed, &v)
	return v, err
}

// Arrived sends the held order: its document is there.
func (c *Client) Arrived(ctx context.Context, id locker.OrderID) (v Order, err error) {
	err = c.post(ctx, ofOrder(id, "/arrived"), nil, &v)
	return v, err
}

// Withdraw takes an order back, with the desk's signed withdrawal.
func (c *Client) Withdraw(ctx context.Context, id locker.OrderID, signed []byte) (v Order, err error) {
	err = c.post(ctx, ofOrder(id, "/withdraw"), signed, &v)
	return v, err
}

// SubmitRoster sends a signed and sealed roster to its terminal.
func (c *Client) SubmitRoster(ctx context.Context, roster []byte) error {
	return c.post(ctx, "/rosters", roster, nil)
}

// DraftReissue makes the command that replaces the code of the order's deposit:
// the text that an admin signs.
func (c *Client) DraftReissue(ctx context.Context, id locker.OrderID) (v Draft, err error) {
	err = c.post(ctx, ofOrder(id, "/reissue/draft"), nil, &v)
	return v, err
}

// Reissue sends the signed command.
func (c *Client) Reissue(ctx context.Context, id locker.OrderID, signed []byte) error {
	return c.post(ctx, ofOrder(id, "/reissue"), signed, nil)
}

// DraftCommand makes a command to the terminal: the text that admins sign, two
// of them if its kind is grave. It fills in the generation and, for a re-issue,
// the share.
func (c *Client) DraftCommand(ctx context.Context, terminal string, what locker.Command) (v Draft, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return v, err
	}
	err = c.post(ctx, of(terminal, "commands/draft"), body, &v)
	return v, err
}

// Command sends a signed command to its terminal. One that declares the
// terminal stolen also ends at once all that the city holds for it.
func (c *Client) Command(ctx context.Context, terminal string, signed []byte) error {
	return c.post(ctx, of(terminal, "commands"), signed, nil)
}

// Burglary gives the terminal's latest list of what lay inside.
func (c *Client) Burglary(ctx context.Context, terminal string) (v Burglary, err error) {
	err = c.get(ctx, of(terminal, "burglary"), &v)
	return v, err
}

// Recovered takes back that the terminal was declared stolen. What the
// declaration ended stays dead.
func (c *Client) Recovered(ctx context.Context, terminal string) error {
	return c.post(ctx, of(terminal, "recovered"), nil, nil)
}

// Letter gives the content of the order's letter, once.
func (c *Client) Letter(ctx context.Context, id locker.OrderID) (v Letter, err error) {
	err = c.post(ctx, ofOrder(id, "/letter"), nil, &v)
	return v, err
}
