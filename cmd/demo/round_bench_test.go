package main

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// What two clerks' hands take, which is assumed and not measured: a card held
// up and put away, a number of four or five digits typed, a button found and
// pressed, a look into a compartment, a slip found and scanned, a document laid
// in, a door pushed shut.
const (
	handsCard   = 3 * time.Second
	handsNumber = 4 * time.Second
	handsPress  = time.Second
	handsLook   = time.Second
	handsScan   = 2 * time.Second
	handsLay    = 5 * time.Second
	handsShut   = time.Second
)

// roundDocuments is what a round has to manage in ten minutes.
const roundDocuments = 30

// shift is a round of two clerks, and whom its time belongs to.
type shift struct {
	*visitor
	hands    time.Duration // assumed
	clearing time.Duration // the machine's: until two clerks may act again
	loading  time.Duration
}

// waits is how long the machine keeps the clerks waiting for a screen, to the
// 25 ms in which it is looked for.
func (s *shift) waits(name locker.ScreenName, act func()) (locker.Screen, time.Duration) {
	s.t.Helper()
	began := time.Now()
	act()
	screen := s.await(name)
	return screen, time.Since(began)
}

// BenchmarkARoundOfThirty is a round by two clerks in which thirty compartments
// that others have emptied are seen empty, and thirty documents laid in, over
// the kiosk's interface, the drivers and the vault at its usual cost.
func BenchmarkARoundOfThirty(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s, slips := arrivals(b, roundDocuments)
		b.StartTimer()
		began, before := time.Now(), used(b)
		s.signIn()
		for range slips {
			s.clear()
		}
		for _, slip := range slips {
			s.load(slip)
		}
		s.finish()
		machine, processor := time.Since(began), used(b)-before
		b.StopTimer()
		deposits, err := s.site().City.Deposits(b.Context(), terminal)
		for limit := time.Now().Add(time.Minute); err == nil && loaded(deposits) < len(slips); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(limit) {
				b.Fatalf("the city knows of %d documents in %d", loaded(deposits), len(deposits))
			}
			deposits, err = s.site().City.Deposits(b.Context(), terminal)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.clearing.Milliseconds())/roundDocuments, "ms/clear")
		b.ReportMetric(float64(s.loading.Milliseconds())/roundDocuments, "ms/document")
		b.ReportMetric(processor.Seconds(), "s-processor")
		b.ReportMetric(machine.Seconds(), "s-machine")
		b.ReportMetric((machine + s.hands).Seconds(), "s-round")
		if whole := machine + s.hands; whole > 10*time.Minute {
			b.Errorf("thirty documents take %s", whole)
		}
		b.StartTimer()
	}
}

// used is the processor time of everything here: terminal, city, broker,
// simulator and clerks.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func loaded(deposits []api.Deposit) (n int) {
	for _, d := range deposits {
		if d.State == api.DepositLoaded {
			n++
		}
	}
	return n
}

// arrivals is a town with a wall for so many documents, and their slips. All of
// them are one person's, because enrolling is not what is measured.
func arrivals(b *testing.B, n int) (*shift, []string) {
	b.Helper()
	said := new(said)
	wide := plan{perRow: (n + len(rows) - 1) / len(rows)}
	rules := func(r *locker.Rules) { r.KeysOffered = n }
	town, err := buildTo(b.Context(), wide, rules, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := town.Close(); err != nil {
			b.Error(err)
		}
	})
	finger, err := town.people[0].Enrolled()
	if err != nil {
		b.Fatal(err)
	}
	var slips []string
	for range n {
		id, err := town.apply(b.Context(), finger)
		if err != nil {
			b.Fatal(err)
		}
		slips = append(slips, string(id))
	}
	v := &visitor{town, b, said}
	if err := tour.FirstRound(b.Context(), town.site(), 0); err != nil { // its badge reader reads
		b.Fatal(err)
	}
	return &shift{visitor: v}, slips
}

func (s *shift) signIn() {
	s.t.Helper()
	for i, next := range []locker.ScreenName{locker.ScreenSecond, locker.ScreenRound} {
		s.waits(locker.ScreenClerk, func() { s.scan(firmwaresim.Badge, s.cast.Clerks[i].Card) })
		s.waits(next, func() { s.at(locker.ScreenClerk, "text", s.cast.Clerks[i].Number) })
		s.hands += handsCard + handsNumber
	}
}

func (s *shift) clear() {
	s.t.Helper()
	screen, opening := s.waits(locker.ScreenClear, func() { s.at(locker.ScreenRound, "choice", string(locker.ChoiceNext)) })
	s.at(locker.ScreenClear, "choice", string(locker.ChoiceEmpty))
	_, closing := s.waits(locker.ScreenRound, func() { s.door(screen.Compartment, firmwaresim.Close) })
	s.clearing += opening + closing
	s.hands += 2*handsPress + handsLook + handsShut
}

func (s *shift) load(slip string) {
	s.t.Helper()
	screen, opening := s.waits(locker.ScreenLay, func() { s.scan(firmwaresim.Barcode, slip) })
	_, closing := s.waits(locker.ScreenRound, func() { s.door(screen.Compartment, firmwaresim.Lay, firmwaresim.Close) })
	s.loading += opening + closing
	s.hands += handsScan + handsLay + handsShut
}

func (s *shift) finish() {
	s.t.Helper()
	s.waits(locker.ScreenConfirm, func() { s.at(locker.ScreenRound, "choice", string(locker.ChoiceFinish)) })
	s.scan(firmwaresim.Badge, s.cast.Clerks[0].Card)
	s.until("the first confirmation", func() bool {
		screen := s.await(locker.ScreenConfirm)
		return screen.Round != nil && len(screen.Round.Confirmed) == 1
	})
	s.waits(locker.ScreenRoundDone, func() { s.scan(firmwaresim.Badge, s.cast.Clerks[1].Card) })
	s.hands += handsPress + 2*handsCard
}

func (s *shift) scan(source firmwaresim.Device, text string) {
	s.t.Helper()
	if err := s.sim.Scan(source, text); err != nil {
		s.t.Fatal(err)
	}
}
