package city

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/nachtfach/nachtfach/city/api"
)

// Changed gives a channel that is closed when something changes that admins
// see. Take it before reading, so that no change falls between.
func (c *City) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.change
}

func (c *City) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.change)
	c.change = make(chan struct{})
}

// Line tells how the city's own line to the broker stands. Without it, what the
// city knows of its terminals is old.
func (c *City) Line() api.Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line
}

func (c *City) connected(yes bool) {
	c.mu.Lock()
	if c.line.Connected != yes {
		c.line = api.Line{Connected: yes, Since: c.config.Now()}
	}
	c.mu.Unlock()
	c.changed()
}

// Terminal gives one registered terminal.
func (c *City) Terminal(ctx context.Context, id string) (api.Terminal, error) {
	return c.record.Terminal(ctx, id)
}

// Troubles lists all alarms, the terminals' and the city's; those that stand or
// that nobody has noted come first.
func (c *City) Troubles(ctx context.Context) ([]api.Trouble, error) {
	all, err := c.record.Troubles(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full != nil { // no record can hold this one
		all = append([]api.Trouble{*c.full}, all...)
	}
	return all, err
}

// Bounds of a note, in bytes.
const (
	maxNote = 1000
	maxBy   = 60
)

// Note keeps what somebody has seen or done about an alarm. It changes nothing
// at the terminal: the alarm stands until its cause is gone.
func (c *City) Note(ctx context.Context, terminal, id, by, note string) error {
	by, note = strings.TrimSpace(by), strings.TrimSpace(note)
	switch {
	case by == "" || len(by) > maxBy || !utf8.ValidString(by):
		return wrong("note about alarm %s: wants who notes it, at most %d bytes", id, maxBy)
	case note == "" || len(note) > maxNote || !utf8.ValidString(note):
		return wrong("note about alarm %s: wants a text, at most %d bytes", id, maxNote)
	}
	if err := c.record.Note(ctx, terminal, id, by, note); err != nil {
		return err
	}
	c.changed()
	return nil
}

// Search gives at most limit (up to 200) of a terminal's events before the given
// sequence, the latest first, whose text holds the given one.
func (c *City) Search(ctx context.Context, terminal, text string, before uint64, limit int) ([]api.Event, error) {
	if len(text) > 200 || !utf8.ValidString(text) {
		return nil, wrong("search for more than 200 bytes, or for no text")
	}
	return c.record.Search(ctx, terminal, text, before, min(limit, 200))
}

// Lag is what a terminal has not answered.
func (c *City) Lag(ctx context.Context, terminal string) (api.Lag, error) {
	return c.record.Lag(ctx, terminal)
}
