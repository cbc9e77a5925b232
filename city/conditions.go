package city

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
)

// DefaultSilent is how long a terminal may be silent. Terminals publish their
// state every minute.
const DefaultSilent = 15 * time.Minute

// hear notes that a terminal said something new just now, signed: an event or a
// state. A broker can repeat or make up the rest.
func (c *City) hear(terminal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[terminal] = c.config.Now()
}

// watchConditions raises and clears the alarms about conditions that no message
// tells of: silence, a lost broker, a full disk.
func (c *City) watchConditions(ctx context.Context) {
	tick := time.NewTicker(min(max(min(c.config.Silent, c.config.Stale)/20, 50*time.Millisecond), 15*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.tryRecord(ctx)
		if err := c.checkSilence(ctx); err != nil && ctx.Err() == nil && !c.noRoom(err) {
			c.config.Logger.Error("the alarms about silent terminals cannot be kept", "error", err)
		}
		if err := c.checkStatements(ctx); err != nil && ctx.Err() == nil && !c.noRoom(err) {
			c.config.Logger.Error("the alarms about held-back messages cannot be kept", "error", err)
		}
	}
}

// checkSilence holds what was heard last against the time. While the city is cut
// off from its broker, that is the alarm, and no terminal's silence is.
func (c *City) checkSilence(ctx context.Context) error {
	now, line, heard := c.lastHeard()
	if !line.Connected {
		if now.Sub(line.Since) <= c.config.Silent {
			return nil
		}
		return c.raise(ctx, "", api.AlarmBroker, fmt.Sprintf("the city has had no connection to its broker for longer than %v: no event and no alarm of a terminal arrives", c.config.Silent))
	}
	if err := c.clear(ctx, "", api.AlarmBroker); err != nil {
		return err
	}
	terminals, err := c.record.Terminals(ctx)
	if err != nil {
		return err
	}
	for _, t := range terminals {
		last, spoke := heard[t.ID]
		if last.Before(line.Since) {
			last, spoke = line.Since, false
		}
		switch {
		case !t.Stolen.IsZero(), spoke && now.Sub(last) <= c.config.Silent:
			err = c.clear(ctx, t.ID, api.AlarmSilent)
		case t.Size == 0 && t.Since.IsZero(): // it has never reported: it is not in service yet
		case now.Sub(last) > c.config.Silent:
			err = c.raise(ctx, t.ID, api.AlarmSilent, fmt.Sprintf("nothing was heard from the terminal for longer than %v: its alarms do not arrive", c.config.Silent))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *City) lastHeard() (now time.Time, line api.Line, heard map[string]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard = make(map[string]time.Time, len(c.heard))
	for terminal, at := range c.heard {
		heard[terminal] = at
	}
	return c.config.Now(), c.line, heard
}

// raise records a condition and logs it once.
func (c *City) raise(ctx context.Context, terminal, kind, detail string) error {
	raised, err := c.record.Raise(ctx, terminal, kind, detail)
	if raised {
		c.logRaised(terminal, api.Trouble{Class: record.OwnClass(kind), Kind: kind, Detail: detail})
		c.changed()
	}
	return err
}

// clear records that a condition is over and logs it once.
func (c *City) clear(ctx context.Context, terminal, kind string) error {
	cleared, err := c.record.Clear(ctx, terminal, kind)
	if cleared {
		c.logCleared(terminal, kind, 0)
		c.changed()
	}
	return err
}

// noRoom tells whether an error means that the record's disk is full. The first
// one raises an alarm, which lives in memory because no record can hold it.
func (c *City) noRoom(err error) bool {
	if !record.Full(err) {
		return false
	}
	detail := c.room()
	c.mu.Lock()
	first := c.full == nil
	if first {
		c.full = &api.Trouble{
			ID: "city-full", Class: record.OwnClass(api.AlarmFull), Kind: api.AlarmFull, Detail: detail, Since: c.config.Now(),
		}
	}
	alarm := *c.full
	c.mu.Unlock()
	if first {
		c.logRaised("", alarm)
		c.changed()
	}
	return true
}

// room says which folder is full, and how much is free.
func (c *City) room() string {
	folder := filepath.Dir(c.config.Record)
	says := fmt.Sprintf("no room for the city's record in %s", folder)
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return says
	}
	return fmt.Sprintf("%s: %d KiB and %d files are free", says, s.Bavail*uint64(s.Bsize)/1024, s.Ffree)
}

// tryRecord ends the alarm about a full disk when the record can be written
// again. What terminals said meanwhile was not stored; the broker is asked for
// what it retains, and the terminals send the rest again by themselves.
func (c *City) tryRecord(ctx context.Context) {
	c.mu.Lock()
	full := c.full != nil
	c.mu.Unlock()
	if !full || c.record.Probe(ctx) != nil {
		return
	}
	terminals, err := c.record.Terminals(ctx)
	if err != nil {
		return // tried again at the next tick
	}
	c.mu.Lock()
	c.full = nil
	for _, t := range terminals {
		c.joined[t.ID] = true
	}
	c.mu.Unlock()
	for _, t := range terminals {
		c.poke(t.ID)
	}
	c.logCleared("", api.AlarmFull, 0)
	c.changed()
}

// logAlarms writes a line for each alarm that events raised or cleared.
func (c *City) logAlarms(ctx context.Context, terminal string, events []record.Event) {
	for _, e := range events {
		switch f := e.Fact.(type) {
		case locker.AlarmRaised:
			c.logRaised(terminal, api.Trouble{Class: f.Class, Kind: string(f.Kind), Compartment: f.Compartment, Detail: f.Detail, Since: e.Time})
		case locker.AlarmCleared:
			t, err := c.record.Raised(ctx, terminal, f.Alarm)
			if err != nil {
				t.Kind = fmt.Sprintf("number %d", f.Alarm)
			}
			c.logCleared(terminal, t.Kind, t.Compartment)
		}
	}
}

func (c *City) logRaised(terminal string, t api.Trouble) {
	level := map[locker.AlarmClass]slog.Level{locker.Wake: slog.LevelError, locker.Morning: slog.LevelWarn}[t.Class]
	args := append(where(terminal, t.Compartment), "class", string(t.Class))
	if !t.Since.IsZero() {
		args = append(args, "since", t.Since.UTC().Format(time.RFC3339))
	}
	if t.Detail != "" {
		args = append(args, "detail", t.Detail)
	}
	c.config.Logger.Log(context.Background(), level, "alarm raised: "+locker.AlarmKind(t.Kind).Plain(), args...)
}

func (c *City) logCleared(terminal, kind string, n locker.CompartmentID) {
	c.config.Logger.Info("alarm cleared: "+locker.AlarmKind(kind).Plain(), where(terminal, n)...)
}

func where(terminal string, n locker.CompartmentID) []any {
	var args []any
	if terminal != "" {
		args = append(args, "terminal", terminal)
	}
	if n != 0 {
		args = append(args, "compartment", int(n))
	}
	return args
}
