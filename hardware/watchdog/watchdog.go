// Package watchdog feeds what starts a terminal again when it hangs: systemd,
// which starts the process again, and the hardware's watchdog, which resets the
// machine when systemd cannot.
//
// It promises that a dog is fed only right after the given question was
// answered well, three times in its period; that an ordered end calls both
// dogs off, and no other end does: after a crash or a kill the hardware's goes
// on counting until a new process feeds it.
//
// It leaves to others what "well" is.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Dog bites when it was not fed for its period.
type Dog interface {
	Name() string
	Period() time.Duration
	Feed() error
}

// share is how often a dog is fed in its period.
const share = 3

// Keep asks alive, and feeds the dogs if it returns nil, until ctx ends. Why
// they are not fed, and that one cannot be, is told when it changes; nil when
// all are fed again.
func Keep(ctx context.Context, alive func() error, tell func(error), dogs ...Dog) {
	if len(dogs) == 0 {
		return
	}
	period := dogs[0].Period()
	for _, d := range dogs {
		period = min(period, d.Period())
	}
	tick := time.NewTicker(max(period/share, time.Millisecond))
	defer tick.Stop()
	told := ""
	for {
		err := feed(alive, dogs)
		switch {
		case err != nil && err.Error() != told:
			told = err.Error()
			tell(err)
		case err == nil && told != "":
			told = ""
			tell(nil)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func feed(alive func() error, dogs []Dog) error {
	if err := alive(); err != nil {
		return fmt.Errorf("not fed: %w", err)
	}
	var errs []error
	for _, d := range dogs {
		if err := d.Feed(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// Service is the service manager that started this process; see sd_notify(3).
// A nil Service is none: its methods do nothing.
type Service struct {
	conn   *net.UnixConn
	period time.Duration // 0: it does not watch
}

// Systemd returns the service manager that the environment names (NOTIFY_SOCKET,
// WATCHDOG_USEC, WATCHDOG_PID), or nil.
func Systemd(getenv func(string) string, pid int) (*Service, error) {
	address := getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil, nil //nolint:nilnil // no service manager is no error, and a nil Service works
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("service manager: %w", err)
	}
	s := &Service{conn: conn}
	text := getenv("WATCHDOG_USEC")
	if text == "" {
		return s, nil
	}
	if mine := getenv("WATCHDOG_PID"); mine != "" && mine != strconv.Itoa(pid) {
		return s, nil // meant for another process
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || micros < 1 || micros > int64(24*time.Hour/time.Microsecond) {
		return nil, errors.Join(fmt.Errorf("service manager: WATCHDOG_USEC is %q", text), s.Close())
	}
	s.period = time.Duration(micros) * time.Microsecond
	return s, nil
}

// Watches says whether it wants to be fed.
func (s *Service) Watches() bool { return s != nil && s.period > 0 }

// Name says which part this is.
func (s *Service) Name() string { return "service manager" }

// Period is what WatchdogSec says.
func (s *Service) Period() time.Duration { return s.period }

// Feed tells that the process is well.
func (s *Service) Feed() error { return s.send("WATCHDOG=1") }

// Ready tells that the process has begun its work, and what it does.
func (s *Service) Ready(status string) error { return s.send("READY=1\nSTATUS=" + status) }

// Stopping tells that it was told to end.
func (s *Service) Stopping() error { return s.send("STOPPING=1") }

// patience is how long a service manager that does not read is waited for.
const patience = time.Second

func (s *Service) send(text string) error {
	if s == nil {
		return nil
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = s.conn.Write([]byte(text))
	}
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	return nil
}

// Close lets go of the socket.
func (s *Service) Close() error {
	if s == nil {
		return nil
	}
	return s.conn.Close()
}
