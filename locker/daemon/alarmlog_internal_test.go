package daemon

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"log/slog"

	"github.com/nachtfach/nachtfach/locker"
)

type lines struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.all = append(l.all, string(p))
	l.mu.Unlock()
	l.more <- struct{}{}
	return len(p), nil
}

func TestEachAlarmIsOneLineOfTheLogInPlainWords(t *testing.T) {
	out := &lines{more: make(chan struct{}, 100)}
	l := newAlarmLog(slog.New(slog.NewTextHandler(out, nil)))
	l.stand([]locker.AlarmRaised{{Alarm: 3, Class: locker.Morning, Kind: locker.AlarmPart, Detail: "reader: gone"}})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = l.run(ctx) }()
	at := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	l.committed([]locker.Event{
		{Time: at, Fact: locker.AlarmRaised{Alarm: 4, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 7, Detail: "no release"}},
		{Time: at, Fact: locker.CompartmentOpened{Compartment: 7}},
		{Time: at.Add(3 * time.Minute), Fact: locker.AlarmCleared{Alarm: 4}},
		{Time: at, Fact: locker.AlarmCleared{Alarm: 3}},
	})
	for range 4 {
		<-out.more
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	for i, want := range []string{
		`level=WARN msg="alarm stands: part failed" class=morning detail="reader: gone"`,
		`level=ERROR msg="alarm raised: door forced" compartment=7 class=wake detail="no release"`,
		`level=INFO msg="alarm cleared: door forced" compartment=7 after=3m0s`,
		`level=INFO msg="alarm cleared: part failed"`,
	} {
		if !strings.Contains(out.all[i], want) {
			t.Errorf("line %d is %s, want %s", i+1, out.all[i], want)
		}
	}
}

// TestALogThatTakesNoLinesHoldsUpNoDoor has a log that nobody reads.
func TestALogThatTakesNoLinesHoldsUpNoDoor(t *testing.T) {
	out := &lines{more: make(chan struct{}, 10)}
	l := newAlarmLog(slog.New(slog.NewTextHandler(out, nil)))
	raised := locker.Event{Fact: locker.AlarmRaised{Alarm: 1, Class: locker.Wake, Kind: locker.AlarmForced}}
	for range 3 * alarmLines {
		l.committed([]locker.Event{raised}) // nothing runs: it must not block
	}
	if len(l.events) != alarmLines || len(l.lost) != alarmLines {
		t.Errorf("%d wait, %d are counted as lost", len(l.events), len(l.lost))
	}
}
