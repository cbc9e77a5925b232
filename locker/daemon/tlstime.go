package daemon

import (
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

const (
	// clockOff is a difference between two clocks that certificates do not mind.
	clockOff = 10 * time.Minute
	// longestOutage is longer than a terminal is left without power. A machine's
	// clock that is further ahead lost its time.
	longestOutage = 366 * 24 * time.Hour
)

// tlsTime is the time by which TLS judges the dates of certificates: the machine's
// clock, or trusted time where that clock is known to be wrong. Otherwise a board
// without a battery refuses the broker, and never hears the time from the city.
func (d *Daemon) tlsTime() time.Time {
	return certificateTime(d.options.Now(), d.control.Status())
}

// certificateTime chooses between the machine's clock and trusted time. The
// machine's clock is wrong if it shows a time before the last one recorded, if the
// city confirmed another time, or if it is further ahead than any outage is long.
func certificateTime(now locker.Now, s locker.Status) time.Time {
	trusted := s.Time.Add(max(0, now.Uptime-s.At))
	ahead := now.Wall.Sub(trusted)
	if ahead < -clockOff || ahead > longestOutage || ahead > clockOff && s.Quality == locker.TimeConfirmed {
		return trusted
	}
	return now.Wall
}
