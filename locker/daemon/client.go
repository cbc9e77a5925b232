package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/nachtfach/nachtfach/locker"
)

// Client asks a running daemon over its operators' socket.
type Client struct{ http http.Client }

// Dial makes a client for the socket at this path. It connects with each request.
func Dial(socket string) *Client {
	c := &Client{}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	return c
}

// Journal writes the events from number from on, one a line, as they are stored.
func (c *Client) Journal(ctx context.Context, from uint64, w io.Writer) error {
	return c.get(ctx, fmt.Sprintf("/journal?from=%d", from), func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// Status is the terminal's state.
func (c *Client) Status(ctx context.Context) (s locker.Status, err error) {
	err = c.get(ctx, "/status", func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) })
	return s, err
}

// Exercise asks the next round to exercise the locks of these compartments, or
// of all, and returns those that it will be asked for.
func (c *Client) Exercise(ctx context.Context, compartments []locker.CompartmentID) ([]locker.CompartmentID, error) {
	wish, err := json.Marshal(map[string]any{"compartments": compartments})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lockerd/exercise", bytes.NewReader(wish))
	if err != nil {
		return nil, err
	}
	var s locker.Status
	err = c.do(r, func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) })
	return s.Exercise, err
}

func (c *Client) get(ctx context.Context, path string, read func(io.Reader) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lockerd"+path, nil)
	if err != nil {
		return err
	}
	return c.do(r, read)
}

func (c *Client) do(r *http.Request, read func(io.Reader) error) error {
	resp, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask lockerd (does it run, and may you open its socket?): %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status says enough
		return fmt.Errorf("ask lockerd: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return read(resp.Body)
}
