package locker

import (
	"fmt"
	"time"
)

// Hours are the weekly times at which citizens may collect. Without windows
// the terminal is always open.
type Hours struct {
	Zone    Zone     `json:"zone"`
	Windows []Window `json:"windows,omitempty"`
}

// Zone is local time by rule rather than by database, so that a replay years
// later computes the same: a fixed offset and, where Summer is set, one hour
// more from the last Sunday of March, 01:00 UTC, to the last Sunday of October,
// 01:00 UTC (Directive 2000/84/EC).
type Zone struct {
	Offset int  `json:"offset_minutes"` // east of UTC
	Summer bool `json:"summer"`
}

// Window is one opening on one day of the week, in minutes of the local day;
// To may be 1440. A window never crosses midnight.
type Window struct {
	Day  time.Weekday `json:"day"`
	From int          `json:"from"`
	To   int          `json:"to"`
}

// Validate says which window is wrong.
func (h Hours) Validate() error {
	if h.Zone.Offset < -14*60 || h.Zone.Offset > 14*60 {
		return fmt.Errorf("hours: offset %d minutes, wants -840 to 840", h.Zone.Offset)
	}
	if len(h.Windows) > 50 {
		return fmt.Errorf("hours: %d windows, wants at most 50", len(h.Windows))
	}
	for _, w := range h.Windows {
		if w.Day < time.Sunday || w.Day > time.Saturday || w.From < 0 || w.To > 24*60 || w.From >= w.To {
			return fmt.Errorf("hours: window %v %d to %d, wants minutes of one day, from before to", w.Day, w.From, w.To)
		}
	}
	return nil
}

// Local is t on the clocks of the zone.
func (z Zone) Local(t time.Time) time.Time {
	offset := z.Offset * 60
	if z.Summer {
		y := t.UTC().Year()
		if !t.Before(lastSunday(y, time.March)) && t.Before(lastSunday(y, time.October)) {
			offset += 3600
		}
	}
	return t.In(time.FixedZone("", offset))
}

// lastSunday is 01:00 UTC on the month's last Sunday.
func lastSunday(year int, month time.Month) time.Time {
	t := time.Date(year, month+1, 0, 1, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, -int(t.Weekday()))
}

// Open tells whether citizens may collect at t.
func (h Hours) Open(t time.Time) bool {
	if len(h.Windows) == 0 {
		return true
	}
	l := h.Zone.Local(t)
	minute := l.Hour()*60 + l.Minute()
	for _, w := range h.Windows {
		if w.Day == l.Weekday() && minute >= w.From && minute < w.To {
			return true
		}
	}
	return false
}

// Next is the next minute after t at which Open changes; zero if it never does.
func (h Hours) Next(t time.Time) time.Time {
	if len(h.Windows) == 0 {
		return time.Time{}
	}
	was, end := h.Open(t), t.Add(8*24*time.Hour)
	for m := h.boundary(t); !m.After(end); m = h.boundary(m) {
		if h.Open(m) != was {
			return m
		}
	}
	return time.Time{}
}

// boundary is the next moment after t at which a window begins or ends, or a
// day, or at which the zone's clocks are set.
func (h Hours) boundary(t time.Time) time.Time {
	l := h.Zone.Local(t)
	minute := l.Hour()*60 + l.Minute()
	next := 24 * 60
	for _, w := range h.Windows {
		for _, m := range [...]int{w.From, w.To} {
			if w.Day == l.Weekday() && m > minute && m < next {
				next = m
			}
		}
	}
	at := t.Truncate(time.Minute).Add(time.Duration(next-minute) * time.Minute)
	if h.Zone.Summer {
		for _, month := range [...]time.Month{time.March, time.October} {
			if c := lastSunday(t.UTC().Year(), month); c.After(t) && c.Before(at) {
				at = c
			}
		}
	}
	return at
}

// between is how much of from to to is open.
func (h Hours) between(from, to time.Time) time.Duration {
	if len(h.Windows) == 0 {
		return to.Sub(from)
	}
	var open time.Duration
	for t := from; t.Before(to); {
		next := h.boundary(t)
		if next.After(to) {
			next = to
		}
		if h.Open(t) {
			open += next.Sub(t)
		}
		t = next
	}
	return open
}
