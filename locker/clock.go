package locker

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Trusted time decides about opening hours, retention, expiry and the time of
// events. It advances with the monotonic clock. Two witnesses correct it: the
// machine's clock, and the time in the city's signed acknowledgements.
//
//   - The machine's clock alone moves it forward in small, rationed steps.
//   - Both witnesses together move it at once.
//   - The city alone moves it at once until the first document is laid in: nothing
//     can be lost before.
//   - The city against a machine's clock that agreed until then moves it after
//     hours of agreement with itself, and never further than believable from the
//     anchor.
//   - The city where the machine's clock agrees with neither, such as a board
//     without a battery, moves it forward at once, and back after some minutes.
//   - A command of two admins moves it at once by any amount.
//
// A step of the city's is provisional until the witnesses have agreed with it for
// hours. The anchor is trusted time without its provisional steps. Distances are
// measured from it, so that many steps lead no further than one.
//
// Certain time is the earlier of trusted time and anchor. It alone decides what
// cannot be undone: the expiry of keys and orders, and who has left the roster. A
// city that was wrong for a while therefore costs nothing for good.
//
// Trusted time goes back only by a ClockSet event; see there how readers treat
// the events before it.
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
	// jump is a correction that is recorded. Witnesses that differ by less agree:
	// an acknowledgement may be on its way for some minutes.
	jump = 10 * time.Minute
	// settling is how long the city's time must advance before it counts as behind.
	// A retained or held-back acknowledgement is merely old, and does not advance.
	settling = 10 * time.Minute
	// agreement is how long the city must say the same before the terminal follows
	// it against the machine's clock, and before a step is certain. A server
	// that starts with a wrong clock is set right by its time service within
	// minutes, and a person who set it wrong notices within a shift; six hours
	// cover both, and are still shorter than the night after a wrong installation.
	agreement = 6 * time.Hour
	// believable is how far from the anchor the city alone, against the
	// machine's clock, can move the time, in however many steps.
	believable = 31 * 24 * time.Hour
	// agreementFar confirms a step beyond believable for which the city is the only
	// witness: an alarm of Friday evening is seen on Monday.
	agreementFar = 72 * time.Hour
)

// oldest and latestTime bound what can be right. A machine's clock that shows an
// earlier time lost it, and is no witness.
var (
	oldest     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	latestTime = time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ClockSource is who set the trusted time.
type ClockSource string

const (
	ClockCity   ClockSource = "city"   // the signed time of acknowledgements
	ClockAdmins ClockSource = "admins" // a command of two admins
)

// clock is the volatile part of trusted time; the ledger holds the mark and the
// provisional steps.
type clock struct {
	base      time.Time     // trusted time
	at        time.Duration // uptime at which base was true
	allowance time.Duration // by which the machine's clock, or the city in small steps, may still move it
	heard     time.Duration // uptime of the last city time that agreed with trusted time
	confirmed bool          // heard is set
	city      cityRun
	disputed  time.Duration // by which the city's time is ahead and not followed; negative: behind
	quality   TimeQuality   // of base
}

// cityRun is a run of the city's signed times that advance as elapsed time does.
type cityRun struct {
	zero  time.Time     // the city's time at uptime 0, by the first of them
	since time.Duration // uptime of the first
	last  time.Duration // uptime of the latest
	begun bool
}

// add continues the run, or begins a new one if t does not fit or comes after a day's silence.
func (r *cityRun) add(t time.Time, uptime time.Duration) {
	zero := t.Add(-uptime)
	if !r.begun || zero.Sub(r.zero).Abs() > agrees || uptime-r.last > confirmedFor {
		*r = cityRun{zero: zero, since: uptime, begun: true}
	}
	r.last = uptime
}

// length is how long the city has said the same.
func (r cityRun) length() time.Duration { return r.last - r.since }

// near tells whether two clocks agree as witnesses.
func near(a, b time.Time) bool { return a.Sub(b).Abs() <= jump }

func (s *step) startClock() {
	base := s.ledger.Time
	if base.IsZero() {
		base = s.now.Wall.UTC() // the very first start, in the hands of two admins
	}
	s.session.clock = clock{base: base, at: s.now.Uptime, allowance: stepAtBoot}
	s.at, s.quality = s.trust(s.now)
}

// trust computes trusted time and its quality from the two clocks of the machine.
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
	c.judge(now)
	return at, c.quality
}

// judge says what trusted time rests on.
func (c *clock) judge(now Now) {
	switch off := now.Wall.Sub(c.base).Abs(); {
	case c.confirmed && now.Uptime-c.heard < confirmedFor:
		c.quality = TimeConfirmed
	case off <= agrees:
		c.quality = TimeClock
	default:
		c.quality = TimeHeld
	}
}

// anchor is trusted time without its provisional steps.
func (s *step) anchor() time.Time { return s.at.Add(-time.Duration(s.ledger.Ahead)) }

// certain is the time that decides what cannot be undone.
func (l *ledger) certain(at time.Time) time.Time { return at.Add(-max(time.Duration(l.Ahead), 0)) }

func (s *step) certain() time.Time { return s.ledger.certain(s.at) }

// Certain is the certain time of the last Step: see [Terminal.Now].
func (t *Terminal) Certain() time.Time { return t.ledger.certain(t.session.clock.base) }

// cityTime weighs the time of a verified acknowledgement.
func (s *step) cityTime(t time.Time) {
	c := &s.session.clock
	t = t.UTC()
	c.city.add(t, s.now.Uptime)
	off := t.Sub(s.at)
	if off.Abs() <= jump {
		c.heard, c.confirmed, c.disputed = s.now.Uptime, true, 0
		s.nudge(off)
		return
	}
	if s.believes(t) {
		c.heard, c.confirmed = s.now.Uptime, true
		s.setClock(t, ClockCity)
		return
	}
	if off > 0 || c.city.length() >= settling {
		c.disputed = off
	}
}

// nudge follows the city in a small step forward, as far as the ration allows.
func (s *step) nudge(ahead time.Duration) {
	c := &s.session.clock
	if s.ledger.Laid {
		ahead = min(ahead, c.allowance)
		c.allowance -= max(ahead, 0)
	}
	if ahead > 0 {
		s.at = s.at.Add(ahead)
		c.base = s.at
	}
	c.judge(s.now)
	s.quality = c.quality
}

// believes decides whether the city's time, which differs from trusted time by
// more than jump, is followed now.
func (s *step) believes(t time.Time) bool {
	said := s.session.clock.city.length()
	forward := t.After(s.at)
	far := t.Sub(s.anchor()).Abs() > believable
	switch {
	case !s.ledger.Laid: // nothing is lost by a wrong time, but it would show
		return !s.opposed(t) || forward && !far || said >= settling
	case near(s.now.Wall, t):
		return forward || said >= settling
	case s.opposed(t):
		return said >= agreement && !far
	case forward:
		return true
	}
	return said >= settling && !far
}

// opposed tells whether the machine's clock speaks against t: it shows trusted time
// or the anchor, or is much nearer to one of them than to t.
func (s *step) opposed(t time.Time) bool {
	wall := s.now.Wall
	off := min(wall.Sub(s.at).Abs(), wall.Sub(s.anchor()).Abs())
	return wall.After(oldest) && (off <= jump || off < wall.Sub(t).Abs()/4)
}

// setClock sets trusted time, in either direction, and records it.
func (s *step) setClock(t time.Time, by ClockSource) {
	c := &s.session.clock
	t = t.UTC().Round(0)
	f := ClockSet{Was: s.at, By: by}
	if by == ClockCity && s.ledger.Laid {
		if ahead := t.Sub(s.anchor()); ahead.Abs() > jump {
			f.Ahead = Duration(ahead)
		}
	}
	if t.Before(s.at) {
		c.allowance = 0 // the clock that was wrong does not move it ahead again
	}
	c.base, c.at, c.disputed = t, max(s.now.Uptime, c.at), 0
	c.judge(s.now)
	s.at, s.quality = t, c.quality
	s.emit(f)
}

// confirmClock makes a provisional step certain once the witnesses have agreed
// with it for long enough.
func (s *step) confirmClock() {
	c, l := &s.session.clock, s.ledger
	if l.Ahead == 0 || !c.confirmed || !near(c.city.zero.Add(s.now.Uptime), s.at) {
		return
	}
	wait := agreement
	if wall := s.now.Wall; !near(wall, s.at) {
		if wall.After(oldest) && wall.Sub(s.anchor()).Abs() < wall.Sub(s.at).Abs()/4 {
			return // it speaks against the step
		}
		if time.Duration(l.Ahead).Abs() > believable {
			wait = agreementFar
		}
	}
	if c.city.length() >= wait {
		s.emit(ClockConfirmed{Ahead: l.Ahead})
	}
}

// Reasons of the alarm, as its detail begins. The amounts change all the time;
// the alarm is raised again only when its reason changes.
const (
	doubtCity        = "the city's clock"
	doubtProvisional = "the city alone set the time"
	doubtBoard       = "this machine's clock"
)

// clockDoubt is why the time is in doubt, as a reason and in full; empty for no doubt.
func (s *step) clockDoubt() (reason, detail string) {
	c, l := &s.session.clock, s.ledger
	wall := s.now.Wall.Sub(s.at)
	switch {
	case c.disputed != 0:
		return doubtCity, fmt.Sprintf("%s is %s this terminal's time, and is not followed", doubtCity, apart(c.disputed))
	case l.Ahead != 0 && !near(s.now.Wall, s.at):
		return doubtProvisional, fmt.Sprintf("%s, which is %s the last certain time; nothing expires for good by it until it is confirmed", doubtProvisional, apart(time.Duration(l.Ahead)))
	case s.quality == TimeHeld:
		return doubtBoard, fmt.Sprintf("%s is %s the terminal's time, which is held", doubtBoard, apart(wall))
	}
	return "", ""
}

// apart says by how much one clock differs from another.
func apart(d time.Duration) string {
	if d < 0 {
		return span(-d) + " behind"
	}
	return span(d) + " ahead of"
}

// span writes a difference between clocks in the units that matter.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Round(time.Second); {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	default:
		return d.String()
	}
}

// keepTime records the mark when nothing else did for a mark's period, and
// tells a clock that is not believed.
func (s *step) keepTime() {
	if s.at.Sub(s.ledger.Time) >= time.Duration(s.rules().Mark) {
		s.emit(ClockMarked{})
	}
	s.confirmClock()
	a := s.ledger.alarmed(AlarmClockHeld, 0, 0)
	reason, detail := s.clockDoubt()
	if a != nil && (reason == "" || !strings.HasPrefix(a.Detail, reason)) {
		s.emit(AlarmCleared{Alarm: a.Alarm})
		a = nil
	}
	if a == nil && reason != "" {
		s.raise(Morning, AlarmClockHeld, 0, 0, detail)
	}
}

// nextMark is the uptime at which the mark is due.
func (c *clock) nextMark(l *ledger) time.Duration {
	return c.uptimeOf(l.Time.Add(time.Duration(l.Config.Rules.Mark)))
}

// uptimeOf is when trusted time reaches t, as far as elapsed time tells.
func (c *clock) uptimeOf(t time.Time) time.Duration { return c.at + t.Sub(c.base) }

// setBack corrects what the ledger dated later than now by a clock that was
// ahead: what has happened did not happen after now, and no period that began
// before now ends later than one that begins now.
func (l *ledger) setBack(now time.Time) {
	latest := func(t *time.Time, most time.Time) {
		if t.After(most) {
			*t = most
		}
	}
	latest(&l.RefusedAt, now)
	latest(&l.Root.At, now)
	for _, m := range l.Members {
		latest(&m.Pardoned, now.Add(pardon))
	}
	for _, k := range l.Keys {
		latest(&k.Expires, now.Add(time.Duration(l.Config.Rules.KeyLife)).Truncate(time.Second))
	}
	for _, o := range l.Orders {
		latest(&o.Since, now)
		latest(&o.Ended, now)
	}
	for _, d := range l.Deposits {
		latest(&d.Loaded, now)
		latest(&d.Posted, now)
	}
}

func sameConfig(a, b Config) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
