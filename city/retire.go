package city

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Retire closes a terminal's log, because its board is dead or its keys are to
// be believed no more, and signs what the next board must know of it: where
// documents should lie, and which numbers were given out. The letters of its
// deposits are dead; each order that had not ended is lost until two clerks
// have looked.
func (c *City) Retire(ctx context.Context, terminal string) (api.Retired, error) {
	if strings.Contains(terminal, ".") {
		return api.Retired{}, wrong("terminal %q: its log is closed already", terminal)
	}
	if _, err := c.Verify(ctx, terminal); err != nil {
		return api.Retired{}, err // what is signed below must be true
	}
	closed, err := c.record.Retire(ctx, terminal)
	if err != nil {
		return api.Retired{}, err
	}
	c.mu.Lock()
	c.closed[terminal] = true
	c.mu.Unlock()
	err = c.record.Scrub(ctx) // of letters and shares
	adopted, signed := c.Adoption(ctx, closed)
	c.changed()
	return adopted, errors.Join(err, signed)
}

// Adoption signs once more what [City.Retire] signed of a closed log.
func (c *City) Adoption(ctx context.Context, closed string) (api.Retired, error) {
	a, err := c.record.Adoption(ctx, closed)
	if err != nil {
		return api.Retired{}, err
	}
	tree, err := c.Verify(ctx, closed)
	if err != nil {
		return api.Retired{}, err
	}
	a.Size, a.Root = tree.Size, tree.Root
	terminal, _, _ := strings.Cut(closed, ".")
	signed, err := envelope.SignAdoption(c.config.Signer, terminal, a)
	if err != nil {
		return api.Retired{}, fmt.Errorf("adoption of %s: %w", terminal, err)
	}
	return api.Retired{Closed: closed, Adoption: signed}, nil
}
