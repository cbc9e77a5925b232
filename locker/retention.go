package locker

import (
	"slices"
	"time"
)

// counts tells whether the deposit's retention runs, or the time of an
// unconfirmed one: from the letter's posting, while the document could be
// collected.
func (l *ledger) counts(d *deposit) bool {
	return (d.State == depositLoaded && !d.Posted.IsZero() || d.State == depositUnconfirmed && !d.Revoked) && l.Locked == "" &&
		l.door(d.Compartment).Fault == "" && !l.door(d.Compartment).Disabled && !l.listed(d.Compartment) &&
		(!l.failing("reader") || l.withoutReader(d))
}

// failing tells whether an alarm says that this part has failed.
func (l *ledger) failing(part string) bool {
	for _, a := range l.Alarms {
		if a.Kind == AlarmPart && isOf(a.Detail, part) {
			return true
		}
	}
	return false
}

// withoutReader tells whether one of the recipients needs no finger reader.
func (l *ledger) withoutReader(d *deposit) bool {
	o := l.Orders[d.Order]
	return o != nil && slices.ContainsFunc(o.Recipients, func(r Recipient) bool { return r.Factor != FactorFinger })
}

// retention is what is left of it, or of an unconfirmed deposit's time, and
// whether it runs at all.
func (t *Terminal) retention(d *deposit) (left time.Duration, running bool) {
	l := t.ledger
	unconfirmed := d.State == depositUnconfirmed
	if d.Expired && !unconfirmed || !l.counts(d) || unconfirmed && t.visited(d.Generation) {
		return 0, false
	}
	limit, held := l.Config.Rules.Retention+d.Extended, d.Held
	if unconfirmed {
		limit, held = l.Config.Rules.Unconfirmed, d.Unanswered
	}
	left = time.Duration(limit - held)
	if at := t.session.clock.base; at.After(l.Time) {
		left -= l.hours().between(l.Time, at)
	}
	return left, true
}

// visited tells that a citizen whose code names this deposit stands there.
func (t *Terminal) visited(g Generation) bool {
	return t.session.mode == visiting && t.session.visit.generation == g
}

// nextExpiry is the uptime at which the first deposit can expire; zero for
// none. While the gates are closed retention stands still, and the marks suffice.
func (t *Terminal) nextExpiry() time.Duration {
	c := t.session.clock
	if !t.ledger.hours().Open(c.base) {
		return 0
	}
	var next time.Duration
	for _, d := range t.ledger.Deposits {
		if left, running := t.retention(d); running {
			if at := c.at + max(left, time.Second); next == 0 || at < next {
				next = at
			}
		}
	}
	return next
}
