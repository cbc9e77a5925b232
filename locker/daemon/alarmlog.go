package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// alarmLog writes a line for each alarm that the terminal raises or clears. The
// loop never waits for it: a log that does not take its lines loses some, and
// says how many.
type alarmLog struct {
	log    *slog.Logger
	events chan locker.Event
	lost   chan struct{}
	stands map[uint64]locker.AlarmRaised // belongs to run, once it runs
	since  map[uint64]time.Time
}

const alarmLines = 256

func newAlarmLog(log *slog.Logger) *alarmLog {
	return &alarmLog{
		log: log, events: make(chan locker.Event, alarmLines), lost: make(chan struct{}, alarmLines),
		stands: map[uint64]locker.AlarmRaised{}, since: map[uint64]time.Time{},
	}
}

// stand logs the alarms that stood before this start.
func (l *alarmLog) stand(alarms []locker.AlarmRaised) {
	for _, a := range alarms {
		l.stands[a.Alarm] = a
		l.line("alarm stands: ", a)
	}
}

// committed implements controller.Config's Committed.
func (l *alarmLog) committed(events []locker.Event) {
	for _, e := range events {
		switch e.Fact.(type) {
		case locker.AlarmRaised, locker.AlarmCleared:
			select {
			case l.events <- e:
			default:
				select {
				case l.lost <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (l *alarmLog) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-l.events:
			l.write(e)
		case <-l.lost:
			n := 1 + len(l.lost)
			for range n - 1 {
				<-l.lost
			}
			l.log.Error("the log was too slow for some alarms; the journal has them", "alarms", n)
		}
	}
}

func (l *alarmLog) write(e locker.Event) {
	switch f := e.Fact.(type) {
	case locker.AlarmRaised:
		l.stands[f.Alarm], l.since[f.Alarm] = f, e.Time
		l.line("alarm raised: ", f)
	case locker.AlarmCleared:
		a, ok := l.stands[f.Alarm]
		if !ok {
			l.log.Info("alarm cleared", "number", f.Alarm)
			return
		}
		args := atDoor(a)
		if since, ok := l.since[f.Alarm]; ok {
			args = append(args, "after", e.Time.Sub(since).Round(time.Second).String())
		}
		delete(l.stands, f.Alarm)
		delete(l.since, f.Alarm)
		l.log.Info("alarm cleared: "+a.Kind.Plain(), args...)
	}
}

func (l *alarmLog) line(what string, a locker.AlarmRaised) {
	level := map[locker.AlarmClass]slog.Level{locker.Wake: slog.LevelError, locker.Morning: slog.LevelWarn}[a.Class]
	args := append(atDoor(a), "class", string(a.Class))
	if a.Detail != "" {
		args = append(args, "detail", a.Detail)
	}
	l.log.Log(context.Background(), level, what+a.Kind.Plain(), args...)
}

func atDoor(a locker.AlarmRaised) []any {
	if a.Compartment == 0 {
		return nil
	}
	return []any{"compartment", int(a.Compartment)}
}
