package simulation

import (
	"bytes"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// line is the terminal's reporter, by the protocol of package report: events
// in order and at most window beyond the cursor, each batch with a checkpoint;
// without progress all from the cursor on once more.
type line struct {
	p         *process
	board     int
	connected bool
	cursor    int
	next      int
	patience  time.Duration
	stall     uint64 // of the timer that runs
	running   bool
	heard     time.Time     // of the last good acknowledgement
	rejected  time.Duration // when a bad one was last told
}

const (
	window      = 100
	batch       = 32
	patience    = 2 * time.Second
	maxPatience = time.Minute
)

func newLine(p *process) *line {
	return &line{p: p, board: p.w.board, cursor: p.w.store.cursor, patience: patience}
}

// dial connects, or tries again later.
func (l *line) dial() {
	if l.p.dead || l.connected {
		return
	}
	if !l.p.w.broker.up {
		l.p.after(20*time.Second, l.dial)
		return
	}
	l.connected, l.next, l.patience = true, l.cursor, patience
	w := l.p.w
	w.broker.toCity(func() { w.city.online() })
	l.show()
	l.fill()
	if len(w.broker.retained.mac) > 0 {
		l.deliver(func() { l.acknowledged(w.broker.retained) })
	}
}

// drop is the connection's end.
func (l *line) drop() {
	l.connected = false
	l.stall++
}

// show publishes keys and letters: at once, and then every hour.
func (l *line) show() {
	l.sendKeys()
	for _, g := range l.p.controller.Letters() {
		l.sendLetter(g)
	}
}

func (l *line) sendKeys() {
	if !l.connected {
		return
	}
	lists, err := l.p.vault.KeyLists(l.p.controller.UnusedKeys())
	if err != nil {
		l.p.w.fail("lists of keys: %v", err)
	}
	for _, list := range lists {
		l.toCity(func() { l.p.w.city.keyList(list) })
	}
}

func (l *line) sendLetter(g locker.Generation) {
	if !l.connected {
		return
	}
	message, err := l.p.vault.Letter(g)
	if err != nil {
		return // deleted meanwhile
	}
	l.toCity(func() { l.p.w.city.letter(message) })
}

// toCity carries what the board has signed: once it is replaced, that counts no more.
func (l *line) toCity(do func()) {
	l.p.w.broker.toCity(func() {
		if l.board == l.p.w.board {
			do()
		}
	})
}

// fill publishes what the window lets through.
func (l *line) fill() {
	if !l.connected {
		return
	}
	s := l.p.w.store
	sent := false
	for limit := min(len(s.log), l.cursor+window); l.next < limit; {
		to := min(l.next+batch, limit)
		b := parcel{board: l.board, from: l.next, checkpoint: checkpoint{to, s.root(to)}}
		for _, e := range s.log[l.next:to] {
			b.bodies = append(b.bodies, e.body)
		}
		l.next, sent = to, true
		l.p.w.broker.events(b)
	}
	if sent && !l.running {
		l.wait()
	}
}

// resend publishes all that was acknowledged once more.
func (l *line) resend() {
	if !l.connected {
		return
	}
	l.show()
	s := l.p.w.store
	for from := 0; from < l.cursor; from += batch {
		to := min(from+batch, l.cursor)
		b := parcel{board: l.board, from: from, checkpoint: checkpoint{to, s.root(to)}}
		for _, e := range s.log[from:to] {
			b.bodies = append(b.bodies, e.body)
		}
		l.p.w.broker.events(b)
	}
}

// wait starts the timer that sends again what nobody acknowledged.
func (l *line) wait() {
	l.stall++
	l.running = true
	stall := l.stall
	l.p.after(l.patience, func() {
		if stall != l.stall || !l.connected {
			return
		}
		l.running = false
		if l.next == l.cursor {
			return
		}
		l.patience = min(2*l.patience, maxPatience)
		l.next = l.cursor
		l.fill()
	})
}

// acknowledged judges an acknowledgement, as package journal does.
func (l *line) acknowledged(a ack) {
	if l.p.dead || !l.connected {
		return
	}
	s := l.p.w.store
	switch {
	case !bytes.Equal(a.mac, a.proof()):
		l.reject("no valid signature of the city")
		return
	case a.board != l.board:
		return // of a log that the city has closed
	case a.size > len(s.log):
		l.p.w.oracle.forked("the city acknowledges %d events, the terminal has %d", a.size, len(s.log))
		return
	case s.root(a.size) != a.root:
		l.p.w.oracle.forked("the city's root of %d events is not the terminal's", a.size)
		return
	}
	if a.size < l.cursor && a.time.Before(l.heard) {
		l.reject("older than the last acknowledgement")
		return
	}
	before := l.cursor
	l.cursor, l.heard = a.size, a.time
	if a.size != before {
		l.patience = patience
		l.running = false
		l.stall++
	}
	if a.size > before {
		l.next = max(l.next, a.size)
	} else if a.size < before {
		l.next = a.size
	}
	if l.next > l.cursor {
		l.wait()
	}
	l.p.give(locker.CityTime{Time: a.time})
	if !l.p.dead {
		l.fill()
	}
}

// reject passes a bad acknowledgement on, at most one in ten seconds.
func (l *line) reject(reason string) {
	if l.p.w.now-l.rejected < 10*time.Second {
		return
	}
	l.rejected = l.p.w.now
	l.p.give(locker.MessageRejected{Message: locker.MessageAck, Reason: reason})
}

// deliver brings a message of the city to this connection.
func (l *line) deliver(do func()) {
	l.p.after(l.p.w.broker.delay(), func() {
		if l.connected {
			do()
		}
	})
}

// broker loses, repeats, delays and reorders, as its faults say.
type broker struct {
	w        *world
	up       bool
	retained ack
}

// parcel is events with the checkpoint that covers them.
type parcel struct {
	board      int
	from       int
	bodies     [][]byte
	checkpoint checkpoint
}

type checkpoint struct {
	size int
	root [32]byte
}

func (b *broker) delay() time.Duration {
	d := b.w.chance.between(10*time.Millisecond, 60*time.Millisecond)
	if b.w.fate.hits(b.w.faults.reorder) {
		d += b.w.fate.between(time.Second, 10*time.Second)
	}
	return d
}

// pass carries a message zero, one or two times.
func (b *broker) pass(do func()) {
	if !b.up || b.w.fate.hits(b.w.faults.drop) {
		return
	}
	b.w.after(b.delay(), do)
	if b.w.fate.hits(b.w.faults.duplicate) {
		b.w.after(b.delay()+b.w.fate.between(0, time.Minute), do)
	}
}

// toCity carries one message to the city.
func (b *broker) toCity(do func()) { b.pass(do) }

// events carries a batch; the broker may lose one event out of it.
func (b *broker) events(p parcel) {
	if b.w.fate.hits(b.w.faults.drop) {
		lost := b.w.fate.upTo(len(p.bodies))
		first, second := p, p
		first.bodies, first.checkpoint = p.bodies[:lost], checkpoint{}
		second.from, second.bodies = p.from+lost+1, p.bodies[lost+1:]
		b.pass(func() { b.w.city.receive(first) })
		b.pass(func() { b.w.city.receive(second) })
		return
	}
	b.pass(func() { b.w.city.receive(p) })
}

// toTerminal carries a message of the city to the terminal.
func (b *broker) toTerminal(do func(p *process)) {
	b.pass(func() {
		if p := b.w.process; p != nil && p.ready && p.line.connected {
			do(p)
		}
	})
}

// set breaks or mends the broker; a connection does not outlive it.
func (b *broker) set(up bool) {
	b.up = up
	if p := b.w.process; p != nil && !up {
		p.line.drop()
		p.after(time.Second, p.line.dial)
	}
}
