package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
)

// A city of some size: its terminals, their compartments, and what they told.
const (
	manyTerminals = 20
	manyDoors     = 96
	manyEvents    = 10_000 // of each terminal
	everyAlarm    = 500    // events between two alarms
)

// fill brings a city's record to that size.
func fill(b *testing.B, path string) {
	b.Helper()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	r, err := record.Open(path, time.Now)
	check(err)
	defer func() { check(r.Close()) }()
	now := time.Now().UTC()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for i := range manyTerminals {
		id := fmt.Sprintf("terminal-%d", i+1)
		check(r.AddTerminal(b.Context(), id, "verifier-"+id))
		check(r.SetOnline(b.Context(), id, i%7 != 6))
		check(r.SetState(b.Context(), id, marshal(b, sound(ago, id, manyEvents, manyDoors))))
		var events []record.Event
		for n := range manyEvents {
			var f locker.Fact = locker.CompartmentOpened{Compartment: locker.CompartmentID(n%manyDoors + 1), Commanded: true}
			switch {
			case n%everyAlarm == 7:
				f = locker.AlarmRaised{Alarm: uint64(n), Class: locker.Morning, Kind: locker.AlarmFault, Compartment: 3, Detail: "lock driven, door did not open within 3 s"}
			case n%20 == 3:
				f = locker.DepositReserved{Generation: locker.Generation(n), Order: "7F3A9C20QX4BZ2KM", Compartment: locker.CompartmentID(n%manyDoors + 1)}
			case n%20 == 13:
				f = locker.DocumentTaken{Generation: locker.Generation(n - 10)}
			}
			at := ago(time.Duration(manyEvents-n) * time.Minute)
			body := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/terminal/%s","type":%q,"time":%q,"sequence":"%d","data":%s}`,
				n, id, f.Type(), at.Format(time.RFC3339Nano), n, marshal(b, f))
			events = append(events, record.Event{Body: []byte(body), Type: f.Type(), Time: at, Fact: f})
		}
		for n := 0; n < len(events); n += 500 {
			check(r.Append(b.Context(), id, uint64(n), events[n:n+500], []byte("checkpoint")))
		}
	}
}

// worked is the processor time of the process so far: what else the machine
// does is not a page's fault.
func worked() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPages is each page of a console over a real record: 20 terminals of
// 96 compartments, 200,000 events, 400 alarms.
func BenchmarkPages(b *testing.B) {
	city := citytest.NewCity(b, "tcp://127.0.0.1:1")
	if err := city.Close(); err != nil {
		b.Fatal(err)
	}
	fill(b, city.Config.Record)
	city.Open()
	c, err := console.Listen(console.Config{
		City: city.City, Unknown: record.ErrUnknown, Addr: "127.0.0.1:0", Hosts: []string{"console.example"},
		Token: token, Zone: time.UTC, Now: time.Now, Logger: citytest.Logger(b),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	pages := c.Handler()
	for _, p := range []struct{ name, path string }{
		{"terminals", "/"}, {"terminal", "/terminals/terminal-1"}, {"alarms", "/alarms"}, {"events", "/terminals/terminal-1/events"},
		{"found", "/terminals/terminal-1/events?q=alarm.raised"}, {"not-found", "/terminals/terminal-1/events?q=nowhere"}, {"style", "/static/console.css"},
	} {
		b.Run(p.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "http://console.example"+p.path, strings.NewReader(""))
				admitted(r)
				w := httptest.NewRecorder()
				began := worked()
				pages.ServeHTTP(w, r)
				took = append(took, worked()-began)
				if w.Code != http.StatusOK {
					b.Fatalf("%s: %d %s", p.path, w.Code, w.Body)
				}
			}
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(took[len(took)/2]), "cpu-ms-p50")
			b.ReportMetric(ms(took[len(took)*99/100]), "cpu-ms-p99")
		})
	}
}
