package locker

import (
	"encoding/json"
	"time"
)

const (
	// stepAtBoot is how far the board's clock may be ahead of the last recorded
	// time at a start: a mark's period and a short outage. After a longer one the
	// time is held until the city's signed time comes.
	stepAtBoot = 15 * time.Minute
	// driftPerHour is how far it may run ahead of elapsed time: 1000 ppm, ten
	// times a poor crystal.
	driftPerHour = 3600 * time.Millisecond
	// agrees is a difference that makes no doubt.
	agrees = 2 * time.Minute
	// confirmedFor is how long the city's signed time counts as heard.
	confirmedFor = 24 * time.Hour
	// jump is a correction that is recorded.
	jump = 10 * time.Minute
	// believable is how far the city's time may be ahead of two clocks here that
	// agree with each other. Nothing moves time back: once followed, a city whose
	// clock is years ahead would have let keys and commands expire for good.
	believable = 31 * 24 * time.Hour
)

// clock keeps trusted time: the ledger's mark plus monotonic elapsed time. The
// wall clock moves it forward in small steps only, the city's signed time in any
// that is believable; nothing moves it back.
type clock struct {
	base      time.Time     // trusted time
	at        time.Duration // uptime at which base was true
	allowance time.Duration // by which the wall clock may still move it
	heard     time.Duration // uptime of the city's last signed time
	confirmed bool
	disputed  bool        // the city's time was not believed, and no better one came since
	quality   TimeQuality // of base
}

func (s *step) startClock() {
	base := s.ledger.Time
	if base.IsZero() {
		base = s.now.Wall.UTC() // the very first start, in the hands of two admins
	}
	s.session.clock = clock{base: base, at: s.now.Uptime, allowance: stepAtBoot}
	s.at, s.quality = s.trust(s.now)
}

// trust computes trusted time and its quality from the two clocks.
func (t *Terminal) trust(now Now) (time.Time, TimeQuality) {
	c := &t.session.clock
	elapsed := now.Uptime - c.at
	if elapsed < 0 {
		elapsed = 0
	}
	at := c.base.Add(elapsed)
	c.allowance = min(c.allowance+time.Duration(float64(driftPerHour)*elapsed.Hours()), stepAtBoot)
	if ahead := now.Wall.Sub(at); ahead > 0 && ahead <= c.allowance {
		c.allowance -= ahead
		at = now.Wall.UTC()
	}
	if at.Before(t.ledger.Time) {
		at = t.ledger.Time
	}
	at = at.UTC().Round(0)
	c.base, c.at = at, max(now.Uptime, c.at)
	switch off := now.Wall.Sub(at).Abs(); {
	case c.confirmed && now.Uptime-c.heard < confirmedFor:
		c.quality = TimeConfirmed
	case off <= agrees:
		c.quality = TimeClock
	default:
		c.quality = TimeHeld
	}
	return at, c.quality
}

// cityTime follows the time of a verified acknowledgement, forward only: a
// retained or held-back one is merely old.
func (s *step) cityTime(t time.Time) {
	c := &s.session.clock
	t = t.UTC()
	if t.Before(s.at.Add(-jump)) {
		return
	}
	ahead := t.Sub(s.at)
	if c.disputed = ahead > believable && s.now.Wall.Sub(s.at).Abs() <= agrees; c.disputed {
		return
	}
	c.heard, c.confirmed, c.quality = s.now.Uptime, true, TimeConfirmed
	if ahead <= 0 {
		return
	}
	c.base = t
	was := s.at
	s.at, s.quality = t, TimeConfirmed
	if ahead >= jump {
		s.emit(ClockSet{Was: was})
	}
}

// keepTime records the mark when nothing else did for a mark's period, and
// tells a clock that is not believed.
func (s *step) keepTime() {
	if s.at.Sub(s.ledger.Time) >= time.Duration(s.rules().Mark) {
		s.emit(ClockMarked{})
	}
	a, disputed := s.ledger.alarmed(AlarmClockHeld, 0, 0), s.session.clock.disputed
	switch doubted := s.quality == TimeHeld || disputed; {
	case doubted && a == nil && disputed:
		s.raise(Morning, AlarmClockHeld, 0, 0, "the city's clock is far ahead of this terminal's")
	case doubted && a == nil:
		s.raise(Morning, AlarmClockHeld, 0, 0, "")
	case !doubted && a != nil:
		s.emit(AlarmCleared{Alarm: a.Alarm})
	}
}

// nextMark is the uptime at which the mark is due.
func (c *clock) nextMark(l *ledger) time.Duration {
	return c.uptimeOf(l.Time.Add(time.Duration(l.Config.Rules.Mark)))
}

// uptimeOf is when trusted time reaches t, as far as elapsed time tells.
func (c *clock) uptimeOf(t time.Time) time.Duration { return c.at + t.Sub(c.base) }

func sameConfig(a, b Config) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
