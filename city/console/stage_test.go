package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/locker"
)

var errUnknown = errors.New("unknown here")

// stage is a city that shows what it is told to, for looks and for figures.
type stage struct {
	mu        sync.Mutex
	now       time.Time
	terminals []api.Terminal
	deposits  []api.Deposit
	troubles  []api.Trouble
	events    []api.Event // of each terminal
	lag       api.Lag
	line      api.Line
	change    chan struct{}
}

var _ console.City = (*stage)(nil)

func (s *stage) Terminals(context.Context) ([]api.Terminal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.terminals), nil
}

func (s *stage) Terminal(_ context.Context, id string) (api.Terminal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.terminals {
		if t.ID == id {
			return t, nil
		}
	}
	return api.Terminal{}, errUnknown
}

func (s *stage) Deposits(_ context.Context, terminal string) (list []api.Deposit, err error) {
	for _, d := range s.deposits {
		if d.Terminal == terminal {
			list = append(list, d)
		}
	}
	return list, nil
}

func (s *stage) Troubles(context.Context) ([]api.Trouble, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.troubles), nil
}

func (s *stage) Note(_ context.Context, terminal, id, by, note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.troubles {
		if t.Terminal == terminal && t.ID == id {
			s.troubles[i].By, s.troubles[i].Note, s.troubles[i].Noted = by, note, s.now
			return nil
		}
	}
	return errUnknown
}

func (s *stage) Events(_ context.Context, _ string, from uint64, limit int) ([]api.Event, error) {
	var list []api.Event
	for _, e := range s.events {
		if e.Sequence >= from && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (s *stage) Search(_ context.Context, terminal, text string, before uint64, limit int) ([]api.Event, error) {
	var list []api.Event
	for _, e := range slices.Backward(s.events) {
		if e.Sequence < before && len(list) < limit && strings.Contains(string(e.Body), text) {
			if terminal == "schulung" {
				e.Body = bytes.Replace(e.Body, []byte(`{`), []byte(`{"training":true,`), 1)
			}
			list = append(list, e)
		}
	}
	return list, nil
}

func (s *stage) Line() api.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line
}

// cut takes the city's line to the broker away, or gives it back.
func (s *stage) cut(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Connected = !yes
}

func (s *stage) Lag(context.Context, string) (api.Lag, error) { return s.lag, nil }

func (s *stage) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

// night is a town with three terminals, of which one has trouble and one is away.
func night(t testing.TB) *stage {
	t.Helper()
	now := time.Date(2026, 11, 20, 3, 12, 41, 0, time.UTC)
	s := &stage{now: now, change: make(chan struct{}), lag: api.Lag{Messages: 2, Oldest: now.Add(-4 * time.Minute)}}
	s.line = api.Line{Connected: true, Since: now.Add(-time.Hour)}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	facts := []locker.Fact{
		locker.CompartmentReleased{Compartment: 7, Pulse: 41, Purpose: locker.ForPickup, Generation: 18, Attempt: 30},
		locker.CompartmentOpened{Compartment: 7, Commanded: true}, locker.CompartmentClosed{Compartment: 7},
		locker.DocumentTaken{Generation: 18}, locker.SlotErased{Generation: 18},
		locker.CodeRefused{}, locker.CompartmentOpened{Compartment: 3},
		locker.AlarmRaised{Alarm: 7, Class: locker.Wake, Kind: locker.AlarmForced, Compartment: 3, Detail: "opened without a release"},
	}
	for i := range 60 {
		f := facts[i%len(facts)]
		at := ago(time.Duration(60-i) * 37 * time.Second)
		body := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/terminal/rathaus-nord","type":"%s","time":%q,"sequence":"%06d","data":%s}`,
			i, f.Type(), at.Format(time.RFC3339Nano), i, marshal(t, f))
		s.events = append(s.events, api.Event{Sequence: uint64(i), Type: f.Type(), Body: []byte(body)})
	}
	size := uint64(len(s.events))
	s.terminals = []api.Terminal{
		{ID: "rathaus-nord", Size: size, Online: true, Since: ago(51 * time.Hour), State: marshal(t, wall(ago, size, 24))},
		{ID: "buergeramt-sued", Size: size, Online: true, Since: ago(9 * time.Minute), State: marshal(t, sound(ago, "buergeramt-sued", size, 24))},
		{ID: "bahnhof", Size: size, Online: false, Since: ago(47 * time.Minute), State: marshal(t, sound(ago, "bahnhof", size+31, 96))},
		{ID: "stadtteil-ost", Size: 0},
		{ID: "schulung", Size: size, Online: true, Since: ago(3 * time.Hour), State: marshal(t, trains(sound(ago, "schulung", size, 12)))},
	}
	states := []api.DepositState{api.DepositLoaded, api.DepositLoaded, api.DepositDoubted, api.DepositLoaded, api.DepositReserved, api.DepositTaken, api.DepositUnloaded}
	for i, state := range states {
		d := api.Deposit{
			Terminal: "rathaus-nord", Generation: locker.Generation(40 - i), Order: locker.OrderID(fmt.Sprintf("7F3A9C20QX4BZ2K%d", i)), Compartment: locker.CompartmentID(2 + 3*i),
			State: state, Since: ago(time.Duration(1+i*i*9) * time.Hour), Erased: state == api.DepositTaken || state == api.DepositUnloaded, Expired: i == 3,
		}
		if i != 1 && i != 4 {
			d.Posted = "2026-11-18"
		}
		s.deposits = append(s.deposits, d)
	}
	s.troubles = []api.Trouble{
		{Terminal: "rathaus-nord", ID: "7", Class: locker.Wake, Kind: string(locker.AlarmForced), Compartment: 3, Detail: "door 3 opened, and nobody had released it", Since: ago(4 * time.Minute)},
		{Terminal: "rathaus-nord", ID: "6", Class: locker.Morning, Kind: string(locker.AlarmFault), Compartment: 16, Detail: "lock driven, door did not open within 3 s", Since: ago(6 * time.Hour), Note: "Schlosser bestellt, kommt Freitag um 9.", By: "mk", Noted: ago(5 * time.Hour)},
		{Terminal: "buergeramt-sued", ID: "3", Class: locker.Morning, Kind: string(locker.AlarmPart), Detail: "reader: no answer for 10 s", Since: ago(40 * time.Minute)},
		{Terminal: "bahnhof", ID: "city-0011223344556677", Class: locker.Morning, Kind: api.AlarmSignature, Detail: "checkpoint: signature of an unknown key", Since: ago(30 * time.Hour), Last: ago(20 * time.Hour), Times: 3, Note: "alte Karte im Gerät, getauscht", By: "änne", Noted: ago(19 * time.Hour)},
		{Terminal: "rathaus-nord", ID: "5", Class: locker.Wake, Kind: string(locker.AlarmLeftOpen), Compartment: 9, Since: ago(40 * time.Hour), Cleared: ago(39 * time.Hour), Note: "war da, Tür zugedrückt", By: "mk", Noted: ago(39 * time.Hour)},
	}
	return s
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sound is a terminal in order with rows of six.
func sound(ago func(time.Duration) time.Time, id string, recorded uint64, doors int) locker.Status {
	s := locker.Status{
		Terminal: id, Software: "1.2.3", Boot: 4, Time: ago(20 * time.Second), Quality: locker.TimeConfirmed, Open: true, Waiting: 3, Keys: 14, Roster: 2,
		Recorded: recorded, Alarms: []locker.AlarmRaised{},
	}
	for i := range doors {
		d := locker.CompartmentStatus{Number: locker.CompartmentID(i + 1), Size: locker.Small, Row: i/6 + 1, Column: i%6 + 1, Use: "empty"}
		if doors > 24 {
			d.Row, d.Column = i/16+1, i%16+1
		}
		if last := doors / 6; d.Row >= 3 && doors <= 24 {
			d.Size = locker.Size(min(d.Row-1, last-1))
		}
		if i%3 == 1 {
			d.Use, d.Generation, d.Order, d.Loaded = "occupied", locker.Generation(i+1), "7F3A9C20QX4BZ2KM", ago(time.Duration(i)*5*time.Hour)
		}
		if i%11 == 6 {
			d.Use = "vacated"
		}
		s.Compartments = append(s.Compartments, d)
	}
	return s
}

func trains(s locker.Status) locker.Status {
	s.Training = true
	return s
}

// wall is the same with one of each thing that can be wrong.
func wall(ago func(time.Duration) time.Time, recorded uint64, doors int) locker.Status {
	s := sound(ago, "rathaus-nord", recorded, doors)
	at := func(n int) *locker.CompartmentStatus { return &s.Compartments[n-1] }
	s.Busy = true
	at(3).Open, at(3).Use = true, "doubt"
	at(5).Expired, at(8).Revoked = true, true
	at(10).Use = "reserved"
	at(16).Fault = locker.FaultNotOpened
	at(17).Waived, at(17).Fault = true, locker.FaultContact
	return s
}

// staged serves a stage, and gives the address with the token.
func staged(t testing.TB, s *stage) string {
	t.Helper()
	c, err := console.Listen(console.Config{
		City: s, Unknown: errUnknown, Addr: "127.0.0.1:0", Token: token, Zone: time.UTC,
		Now: func() time.Time { return s.now }, Logger: citytest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the console ended with %v", err)
		}
	})
	return c.URL()
}
