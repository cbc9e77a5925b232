package report_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
)

// BenchmarkDrain reports a backlog of 100,000 events to a city that stores and
// acknowledges them; terminal and city are in this process.
func BenchmarkDrain(b *testing.B) {
	b.Run("embedded", func(b *testing.B) {
		drain(b, citytest.StartBroker(b).URL())
	})
	b.Run("mosquitto", func(b *testing.B) {
		drain(b, startMosquitto(b).url())
	})
}

func drain(b *testing.B, url string) {
	const backlog = 100_000
	for range b.N {
		b.StopTimer()
		c, m := startAt(b, url)
		m.AppendMany(backlog)
		b.StartTimer()
		_, stop := m.Report(url)
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
	b.Run("embedded", func(b *testing.B) {
		stored(b, citytest.StartBroker(b).URL())
	})
	b.Run("mosquitto", func(b *testing.B) {
		stored(b, startMosquitto(b).url())
	})
}

func stored(b *testing.B, url string) {
	_, m := startAt(b, url)
	m.Report(url)
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
