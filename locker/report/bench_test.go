package report_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
)

// BenchmarkDrain reports a backlog of 100,000 events to a city that stores and
// acknowledges them, over an embedded broker, everything in this process.
func BenchmarkDrain(b *testing.B) {
	const backlog = 100_000
	for range b.N {
		b.StopTimer()
		_, c, m := start(b)
		m.AppendMany(backlog)
		b.StartTimer()
		_, stop := m.Report(c.Config.Broker.URL)
		for m.Journal.Cursor() < backlog {
			time.Sleep(time.Millisecond)
		}
		b.StopTimer()
		stop()
		c.Same(m)
	}
	b.ReportMetric(float64(backlog*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkStored measures from the decision, before the journal's commit, to
// the city's signed word that the event is on its disk.
func BenchmarkStored(b *testing.B) {
	_, c, m := start(b)
	m.Report(c.Config.Broker.URL)
	m.Append(locker.ClockMarked{})
	citytest.Eventually(b, "connected", soon, acknowledged(m))
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		m.Append(locker.CompartmentOpened{Compartment: 7, Commanded: true})
		for !acknowledged(m)() {
			time.Sleep(100 * time.Microsecond)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
