package locker_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// chooser draws numbers below n, from a seed or from a fuzzer's bytes.
type chooser func(n int) int

// mischief drives a site with whatever the chooser says: answers right, wrong,
// late, doubled or never; doors, people, messages, restarts.
type mischief struct {
	*site
	pick   chooser
	owed   []locker.Action // not answered yet
	stale  []locker.Input  // given once, perhaps given again
	roster int
	built  []locker.CompartmentSpec
}

func newMischief(t *testing.T, pick chooser) *mischief {
	m := &mischief{site: newSite(t), pick: pick, roster: 1}
	m.built = m.config.Compartments
	m.config.Rules.RoundIdle, m.config.Rules.Idle = locker.Duration(20*time.Second), locker.Duration(10*time.Second)
	m.config.Hours = locker.Hours{Zone: locker.Zone{Offset: 60, Summer: true}, Windows: []locker.Window{{Day: 1, From: 300, To: 1440}, {Day: 2, From: 0, To: 1200}}}
	m.order("ORDER-1", 1)
	m.give(locker.OrderReceived{Hash: "y", Terms: locker.OrderTerms{
		Order: "ORDER-2", Version: 1, Key: 2, Documents: []locker.DocumentKind{locker.Passport}, Size: locker.Medium, LowReach: true, PINLetter: true, Desk: "d1",
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorNumber}},
	}})
	return m
}

// feed gives one input, checks what must always hold, and keeps the actions.
func (m *mischief) feed(in locker.Input) {
	m.t.Helper()
	before := len(m.events)
	m.step(in)
	m.owed, m.pending = append(m.owed, m.pending...), nil
	m.check(in, m.events[before:])
	if len(m.stale) < 40 {
		m.stale = append(m.stale, in)
	}
}

func (m *mischief) check(in locker.Input, events []locker.Event) {
	m.t.Helper()
	at := m.term.Now()
	for _, e := range events {
		if e.Time.After(at) {
			m.t.Fatalf("after %T: event at %v, after now %v", in, e.Time, at)
		}
		if r, ok := e.Fact.(locker.CompartmentReleased); ok && (r.Attempt == 0) == (r.Round == 0) {
			m.t.Fatalf("after %T: release %+v has not exactly one authority", in, r)
		}
	}
	sc := m.term.Screen()
	if sc.Name == "" {
		m.t.Fatalf("after %T: a screen without a name", in)
	}
	if d := m.term.Deadline(); d <= m.now.Uptime {
		again := m.spin()
		if again {
			m.t.Fatalf("after %T: the deadline %v stays in the past of %v", in, d, m.now.Uptime)
		}
	}
	restful := sc.Name == locker.ScreenWelcome || sc.Name == locker.ScreenShut
	if !restful && sc.Until == 0 && len(sc.Choices) == 0 && m.term.Deadline() > m.now.Uptime+10*time.Minute {
		m.t.Fatalf("after %T: screen %s has no way out", in, sc.Name)
	}
}

// spin tells whether ticks do not bring the deadline into the future.
func (m *mischief) spin() bool {
	for range 20 {
		events, actions := m.term.Step(m.now, locker.Tick{})
		m.events, m.owed = append(m.events, events...), append(m.owed, actions...)
		if m.term.Deadline() > m.now.Uptime {
			return false
		}
	}
	return true
}

// turn does one thing.
func (m *mischief) turn() {
	n := locker.CompartmentID(m.pick(len(m.config.Compartments) + 1))
	if m.pick(3) > 0 {
		m.sensible()
		return
	}
	switch m.pick(24) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		m.answerOne()
	case 8, 9, 10:
		if sc := m.term.Screen(); len(sc.Choices) > 0 {
			m.feed(locker.Chosen{Screen: sc.Number, Choice: sc.Choices[m.pick(len(sc.Choices))]})
		}
	case 11:
		m.feed(locker.Scanned{Source: locker.SourceBadge, Text: []byte([]string{"c1", "c2", "c1b", "c3", "ca", "cg", "none"}[m.pick(7)])})
	case 12:
		m.feed(locker.Scanned{Source: locker.SourceBarcode, Text: []byte(fmt.Sprintf("ORDER-%d", m.pick(5)))})
	case 13, 14:
		text := []string{"471108", "471108", "081547", "12a4", "", code(m.pick(12)), code(m.pick(6) + 1), "123412341234"}[m.pick(8)]
		m.feed(locker.Typed{Screen: m.term.Screen().Number - uint64(m.pick(8)/7), Text: []byte(text)})
	case 15, 16, 17:
		m.move(n)
	case 18, 19:
		m.later(time.Duration(1+m.pick(40)) * time.Second)
	case 20:
		m.later(time.Duration(1+m.pick(30)) * time.Hour)
	case 21:
		m.hear(m.living())
	case 22:
		m.ail(n)
	case 23:
		m.oddity()
	}
}

// sensible does what the screen asks for, mostly.
func (m *mischief) sensible() {
	for len(m.owed) > 0 && m.pick(8) > 0 {
		m.answerOne()
	}
	sc := m.term.Screen()
	switch sc.Name {
	case locker.ScreenWelcome, locker.ScreenShut:
		if g := m.anyDeposit(); g != 0 && m.pick(3) > 0 {
			m.feed(locker.Typed{Screen: sc.Number, Text: []byte(code(int(g)))})
			return
		}
		m.card(1)
	case locker.ScreenClerk, locker.ScreenNumber:
		m.feed(locker.Typed{Screen: sc.Number, Text: []byte("471108")})
	case locker.ScreenSecond:
		m.card(2)
	case locker.ScreenConfirm:
		m.card(1 + m.pick(2))
	case locker.ScreenRound:
		if len(sc.Round.Tasks) == 0 && m.pick(4) > 0 {
			m.feed(locker.Scanned{Source: locker.SourceBarcode, Text: []byte(fmt.Sprintf("ORDER-%d", m.pick(9)))})
			return
		}
		m.press(sc)
	default:
		if n := sc.Compartment; n != 0 && m.doors[n] && m.pick(2) == 0 {
			m.doors[n] = false
			m.feed(locker.DoorMoved{Compartment: n})
			return
		}
		m.press(sc)
	}
}

func (m *mischief) card(n int) {
	m.feed(locker.Scanned{Source: locker.SourceBadge, Text: []byte(fmt.Sprint("c", n))})
}

func (m *mischief) press(sc locker.Screen) {
	if len(sc.Choices) > 0 {
		m.feed(locker.Chosen{Screen: sc.Number, Choice: sc.Choices[m.pick(len(sc.Choices))]})
	}
}

// anyDeposit is a generation that lies in a compartment.
func (m *mischief) anyDeposit() locker.Generation {
	var list []locker.Generation
	for _, c := range m.term.Status().Compartments {
		if c.Generation != 0 {
			list = append(list, c.Generation)
		}
	}
	if len(list) == 0 {
		return 0
	}
	return list[m.pick(len(list))]
}

// living gives the generation of a deposit, or a number that is perhaps one.
func (m *mischief) living() locker.Generation {
	if g := m.anyDeposit(); g != 0 && m.pick(5) > 0 {
		return g
	}
	return locker.Generation(m.pick(30))
}

// freeKey is a key on offer, or another.
func (m *mischief) freeKey() locker.KeyID {
	if keys := m.term.UnusedKeys(); len(keys) > 0 && m.pick(6) > 0 {
		return keys[m.pick(len(keys))].Key
	}
	return locker.KeyID(m.pick(30))
}

func (m *mischief) answerOne() {
	if len(m.owed) == 0 {
		return
	}
	i := 0
	if m.pick(6) == 0 {
		i = m.pick(len(m.owed))
	}
	a := m.owed[i]
	m.owed = slices.Delete(m.owed, i, i+1)
	if m.pick(12) == 0 {
		return // never answered
	}
	m.image = []locker.FingerAdvice{"", "", locker.AdviceDry}[m.pick(3)]
	if c, ok := a.(locker.CompareFactor); ok {
		m.finger[c.Generation] = m.pick(3) > 0
	}
	for _, in := range m.answer(a) {
		if m.pick(12) == 0 {
			in = broken(in)
		}
		m.feed(in)
	}
}

// broken is the same answer with an error.
func broken(in locker.Input) locker.Input {
	switch in := in.(type) {
	case locker.LockPulsed:
		in.Err = "the coil draws no current"
		return in
	case locker.KeysMade:
		return locker.KeysMade{Err: "disk full"}
	case locker.KeyOverwritten:
		in.Err = "disk full"
		return in
	case locker.DepositReady:
		in.Err = "disk full"
		return in
	case locker.SlotOverwritten:
		in.Err = "disk full"
		return in
	case locker.CodeTried:
		in.Opened, in.Err = false, "record unreadable"
		return in
	case locker.FingerCaptured:
		in.Err = "no answer"
		return in
	case locker.FactorTried:
		in.Accepted, in.Err = false, "template unreadable"
		return in
	case locker.ClerkChecked:
		in.Err = "roster unreadable"
		return in
	}
	return in
}

func (m *mischief) move(n locker.CompartmentID) {
	open := m.doors[n] && m.pick(4) == 0 || !m.doors[n] && m.pick(6) == 0
	if n != 0 {
		m.doors[n] = open
	}
	m.feed(locker.DoorMoved{Compartment: n, Open: open})
}

func (m *mischief) later(d time.Duration) {
	end := m.now.Uptime + d
	for range 50 {
		next := min(max(m.term.Deadline(), m.now.Uptime+time.Millisecond), end)
		m.now.Wall, m.now.Uptime = m.now.Wall.Add(next-m.now.Uptime), next
		m.feed(locker.Tick{})
		if m.now.Uptime >= end {
			return
		}
	}
	m.now.Wall, m.now.Uptime = m.now.Wall.Add(end-m.now.Uptime), end
	m.feed(locker.Tick{})
}

func (m *mischief) hear(g locker.Generation) {
	id := locker.OrderID(fmt.Sprintf("ORDER-%d", m.pick(9)))
	for _, c := range m.term.Status().Compartments {
		if c.Generation == g {
			id = c.Order
		}
	}
	switch m.pick(7) {
	case 0:
		m.feed(locker.PostedReceived{Generation: g, Day: "2026-03-03"})
	case 1:
		m.feed(locker.WithdrawalReceived{Order: id, Desk: "d1"})
	case 2:
		m.feed(locker.ReissueReceived{Order: id, Generation: g, Key: m.freeKey(), Admin: "a1", Expires: m.term.Now().Add(time.Minute)})
	case 3:
		m.feed(locker.CityTime{Time: m.term.Now().Add(time.Duration(m.pick(100)-20) * time.Minute)})
	case 4:
		m.feed(locker.MessageRejected{Message: locker.MessageOrder, Order: id, Reason: "signature"})
	case 5:
		m.feed(locker.OrderReceived{Hash: "z", Terms: locker.OrderTerms{
			Order: id, Version: 1, Key: m.freeKey(), Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Size(1 + m.pick(3)), Desk: "d1",
			Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
		}})
	case 6:
		m.roster++
		people := []locker.Member{{Person: "p1", Role: locker.Clerk}, {Person: "p2", Role: locker.Clerk}}
		m.feed(locker.RosterReceived{Version: m.roster - m.pick(8)/7, Hash: "r", People: people[m.pick(8)/7:]})
	}
}

func (m *mischief) ail(n locker.CompartmentID) {
	switch m.pick(5) {
	case 0:
		m.feed(locker.PartFailed{Part: "contact", Compartment: n, Detail: "no answer \xff"})
	case 1:
		m.feed(locker.PartHealed{Part: "contact", Compartment: n})
	case 2:
		m.feed(locker.PartFailed{Part: "reader", Detail: "unplugged"})
	case 3:
		m.feed(locker.PartHealed{Part: "reader"})
	case 4:
		if n != 0 {
			m.jammed[n] = !m.jammed[n]
		}
	}
}

// oddity is a restart, a clock that jumps, or an input that came before.
func (m *mischief) oddity() {
	switch m.pick(6) {
	case 0:
		m.now.Wall = m.now.Wall.Add(time.Duration(m.pick(2000)-1000) * time.Hour)
	case 1:
		if m.boots <= 30 {
			m.restart(m.pick(2) == 0)
		}
	case 2:
		if m.boots > 30 { // each reads the journal from its beginning
			return
		}
		m.config.Compartments = m.built[:4+m.pick(3)]
		m.restart(false)
	default:
		if len(m.stale) > 0 {
			i := m.pick(len(m.stale))
			in := m.stale[i]
			m.stale = slices.Delete(m.stale, i, i+1)
			if _, boot := in.(locker.Booted); !boot {
				m.feed(in)
			}
		}
	}
}

// restart checks that what the journal gives is what was there, through JSON
// and back, and starts a new process from it.
func (m *mischief) restart(wallSet bool) {
	m.t.Helper()
	want, err := m.term.Snapshot()
	if err != nil {
		m.t.Fatal(err)
	}
	m.term = locker.New()
	for _, e := range m.events {
		if err := m.term.Replay(throughJSON(m.t, e)); err != nil {
			m.t.Fatalf("replay: %v", err)
		}
	}
	got, err := m.term.Snapshot()
	if err != nil {
		m.t.Fatal(err)
	}
	if string(got) != string(want) {
		m.t.Fatalf("the replayed ledger differs:\n%s\n%s", got, want)
	}
	m.boots++
	m.owed, m.stale = nil, nil
	m.now.Uptime = time.Second
	if wallSet {
		m.now.Wall = m.now.Wall.Add(time.Duration(m.pick(48)) * time.Hour)
	}
	m.feed(locker.Booted{Config: m.config, Software: "test", Doors: m.doors, Reader: m.pick(5) > 0})
	for _, a := range m.owed {
		if p, ok := a.(locker.PulseLock); ok {
			m.t.Fatalf("the start drives a lock: %+v", p)
		}
	}
}

func throughJSON(t *testing.T, e locker.Event) locker.Event {
	t.Helper()
	data, err := json.Marshal(e.Fact)
	if err != nil {
		t.Fatal(err)
	}
	fact, err := locker.DecodeFact(e.Fact.Type(), data)
	if err != nil {
		t.Fatal(err)
	}
	e.Fact = fact
	return e
}

// bounded checks that little is left of what came and went.
func (m *mischief) bounded() {
	m.t.Helper()
	data, err := m.term.Snapshot()
	if err != nil {
		m.t.Fatal(err)
	}
	if len(data) > 64<<10 {
		m.t.Fatalf("the ledger of six compartments has grown to %d bytes", len(data))
	}
}

func TestRandomInputsNeverBreakTheMachine(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			m := newMischief(t, r.IntN)
			m.config.Hours.Windows = m.config.Hours.Windows[:r.IntN(3)]
			for range 1500 {
				m.turn()
			}
			m.restart(false)
			m.bounded()
		})
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte("a round, a visit, a restart"))
	r := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		seed := make([]byte, 900)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4000 {
			t.Skip("longer than a story")
		}
		pick := func(n int) int {
			if len(script) == 0 {
				return 0
			}
			b := int(script[0])
			script = script[1:]
			return b % n
		}
		m := newMischief(t, pick)
		for len(script) > 0 {
			m.turn()
		}
		m.restart(false)
	})
}
