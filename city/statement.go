package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report"
)

// DefaultStale is how old the newest signed state of a connected terminal may
// be. Terminals sign one every minute, and name in it the newest acknowledgement,
// which comes every minute too.
const DefaultStale = 5 * report.StatePeriod

// statement is what the city remembers of a terminal's signed states.
type statement struct {
	fresh    time.Time // when a new one came that named a recent acknowledgement
	recorded uint64    // events in the journal by the latest
	behind   time.Time // since when events are missing without any coming; zero: none are missing
	size     uint64    // events that the city held then
}

// state believes what the device signed, once and in order. Anybody on the line
// can publish a state: an older one changes nothing, and another's is an alarm.
func (s *session) state(ctx context.Context, t *intake, payload []byte) error {
	if len(payload) > maxState || !json.Valid(payload) {
		return s.judge(ctx, t, api.AlarmContent, errors.New("state: no JSON, or too large"))
	}
	var said envelope.Statement
	err := t.signedBy(func(v note.Verifier) (err error) {
		said, err = envelope.OpenState(v, t.terminal, payload)
		return err
	})
	if err != nil {
		return s.judge(ctx, t, api.AlarmSignature, err)
	}
	var shown struct {
		Fault    string `json:"fault"`
		Boot     uint64 `json:"boot"`
		Recorded uint64 `json:"recorded"`
	}
	_ = json.Unmarshal(said.State, &shown) // one of a newer terminal is kept, too
	if shown.Fault != "" && shown.Boot == 0 {
		// A terminal without its store cannot count. Who repeats such a state makes
		// the terminal look worse than it is, and no statement of it fresh.
		defer s.changed()
		return s.record.SetState(ctx, t.terminal, said.State)
	}
	fresh, err := s.record.SetStatement(ctx, t.terminal, said.Sequence, said.State)
	if err != nil || !fresh {
		return err
	}
	s.hear(t.terminal)
	s.remember(t.terminal, said.Heard, shown.Recorded)
	s.changed()
	return nil
}

func (c *City) remember(terminal string, heard time.Time, recorded uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, st := c.config.Now(), c.stated[terminal]
	st.recorded = recorded
	if now.Sub(heard) <= c.config.Stale {
		st.fresh = now
	}
	c.stated[terminal] = st
}

// checkStatements raises an alarm about each terminal that calls itself connected
// and whose word does not arrive: no new signed state, or none of the events
// that its signed state counts.
func (c *City) checkStatements(ctx context.Context) error {
	now, line, _ := c.lastHeard()
	if !line.Connected {
		return nil
	}
	terminals, err := c.record.Terminals(ctx)
	if err != nil {
		return err
	}
	for _, t := range terminals {
		st := c.statementOf(t, now)
		quiet := !t.Online || !t.Stolen.IsZero()
		since := latest(st.fresh, line.Since, t.Since)
		err := c.hold(ctx, t.ID, api.AlarmStale, !quiet && now.Sub(since) > c.config.Stale, fmt.Sprintf(
			"the terminal calls itself connected, and for longer than %v no signed state came that answers the city: somebody on the line may hold its messages back", c.config.Stale))
		if err != nil {
			return err
		}
		held := !quiet && !st.behind.IsZero() && now.Sub(latest(st.behind, line.Since, t.Since)) > c.config.Stale
		err = c.hold(ctx, t.ID, api.AlarmHeld, held, fmt.Sprintf(
			"the terminal's signed state counts events of which none came for longer than %v: somebody on the line may hold them back", c.config.Stale))
		if err != nil {
			return err
		}
	}
	return nil
}

// statementOf also notes since when events are missing.
func (c *City) statementOf(t api.Terminal, now time.Time) statement {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stated[t.ID]
	switch {
	case st.recorded <= t.Size:
		st.behind = time.Time{}
	case st.behind.IsZero(), st.size != t.Size:
		st.behind = now
	}
	st.size = t.Size
	c.stated[t.ID] = st
	return st
}

// hold raises or clears the alarm of a condition.
func (c *City) hold(ctx context.Context, terminal, kind string, holds bool, detail string) error {
	if holds {
		return c.raise(ctx, terminal, kind, detail)
	}
	return c.clear(ctx, terminal, kind)
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
