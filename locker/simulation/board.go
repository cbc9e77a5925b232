package simulation

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// boardDies takes the board with its disk, whatever lies behind the doors. The
// city closes its log, and a new board takes over the wall: with another disk,
// empty, and with what the city has on record.
func (w *world) boardDies() {
	if w.process != nil {
		w.process.end()
	}
	w.adopted = w.city.retire()
	w.lie = 0
	w.board++
	w.store = newStore()
	w.crypto.boxes = nil // what opened them was on the disk
	w.oracle.newBoard()
	w.after(w.fate.between(time.Hour, 30*time.Hour), w.start)
}

// lying is what the city's events say lies behind the doors.
type lying struct {
	last     locker.Generation // that was given out
	key      locker.KeyID      // that was offered
	reserved map[locker.Generation]locker.HeldDocument
	inside   map[locker.Generation]bool
}

func newLying() lying {
	return lying{reserved: map[locker.Generation]locker.HeldDocument{}, inside: map[locker.Generation]bool{}}
}

func (l *lying) hears(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.KeysOffered:
		for _, k := range f.Keys {
			l.key = max(l.key, k.Key)
		}
	case locker.DepositReserved:
		l.last = max(l.last, f.Generation)
		l.reserved[f.Generation] = locker.HeldDocument{Compartment: f.Compartment, Order: f.Order}
	case locker.DocumentLaid:
		l.inside[f.Generation] = true
	case locker.DepositReissued:
		delete(l.inside, f.Replaces)
		l.inside[f.Generation] = true
	case locker.DepositAbandoned:
		delete(l.inside, f.Generation)
	case locker.DocumentTaken:
		delete(l.inside, f.Generation)
	case locker.DocumentUnloaded:
		delete(l.inside, f.Generation)
	case locker.DocumentMissing:
		delete(l.inside, f.Generation)
	}
}

// retire closes the log of a board that died, and signs what the record has of
// it. Its deposits are lost: their letters count no more, and what clerks find
// is captured anew.
func (c *city) retire() *locker.Adoption {
	root := c.root(len(c.held))
	a := &locker.Adoption{Size: uint64(len(c.held)), Root: base64.StdEncoding.EncodeToString(root[:]), Generation: c.lying.last, Key: c.lying.key}
	for _, k := range c.keys {
		a.Key = max(a.Key, k.ID)
	}
	for g, l := range c.letters {
		a.Generation, l.void = max(a.Generation, g), true
	}
	for _, g := range slices.Sorted(maps.Keys(c.lying.inside)) {
		a.Held = append(a.Held, c.lying.reserved[g])
	}
	slices.SortStableFunc(a.Held, func(x, y locker.HeldDocument) int { return int(x.Compartment) - int(y.Compartment) })
	for _, f := range c.files {
		f.reissue, f.loaded = 0, 0
		switch {
		case f.message == nil || f.closed:
		case f.withdraw != nil:
			f.withdrawn, f.closed = true, true
		default:
			f.message, f.accepted, f.refusedAt, f.lost = nil, false, 0, true
		}
	}
	c.held, c.waiting, c.keys, c.hash = nil, nil, nil, map[locker.KeyID]string{}
	c.letters = map[locker.Generation]*letter{}
	c.lying = newLying()
	c.lying.last, c.lying.key = a.Generation, a.Key // a second board may die before it has said anything
	c.office = office{disabled: map[locker.CompartmentID]bool{}, blocked: map[locker.Person]bool{}}
	c.w.broker.retained = ack{}
	return a
}

// boardBook is what the oracle knows of boards that took over, of announced
// keys, and of root keys.
type boardBook struct {
	before    locker.Generation                       // the last one of the boards before
	named     map[locker.CompartmentID]locker.OrderID // by the city's record, until two clerks have looked
	announced bool                                    // two clerks open doors with the mechanical key
	fading    []box                                   // erased, and not yet for certain
}

func newBoardBook() boardBook { return boardBook{} }

// newBoard forgets what was on the disk. What is behind the doors stays.
func (o *oracle) newBoard() {
	o.last, o.ahead, o.laid, o.right = time.Time{}, 0, false, false
	o.gens, o.attempts = map[locker.Generation]*deposited{}, map[locker.AttemptID]*attempt{}
	o.alarms, o.pulses = map[uint64]locker.AlarmRaised{}, map[locker.PulseID]bool{}
	o.round, o.unseen = openRound{}, map[locker.CompartmentID]bool{}
	issued := o.issued
	o.commandBook, o.boardBook = newCommandBook(), newBoardBook()
	o.issued = issued
	for n, b := range o.doors {
		o.doors[n] = &doorBook{looked: b.looked, opened: b.opened, moved: b.moved, saw: b.saw}
	}
	for _, b := range o.orders {
		b.accepted, b.loaded, b.erased, b.lost, b.holder, b.gen = false, false, true, true, locker.CustodyUnknown, 0
	}
}

func (o *oracle) followBoard(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.TerminalAdopted:
		o.adopted(f)
	case locker.KeyOpeningAnnounced:
		if r := o.round; !r.open || r.id != f.Round || r.clerks != f.Clerks {
			o.fail(6, "the key is announced in round %d of %v, and open is %+v", f.Round, f.Clerks, r)
		}
		o.announced = true
	case locker.KeyOpeningEnded, locker.RoundConfirmed, locker.RoundInterrupted, locker.TerminalBooted:
		o.announced = false
	case locker.RootReplaced:
		o.counts.Roots++
		for _, s := range f.Slots {
			o.gone(s.Generation)
		}
	}
}

// adopted checks what a new board knows: that it is to look everywhere.
func (o *oracle) adopted(f locker.TerminalAdopted) {
	if a := o.w.adopted; a == nil || o.before != 0 || f.Generation != a.Generation || len(f.Held) != len(a.Held) {
		o.fail(7, "a board takes over %+v, and the city signed %+v", f.Adoption, a)
	}
	o.before, o.named = f.Generation, map[locker.CompartmentID]locker.OrderID{}
	for _, c := range o.w.config.Compartments {
		o.unseen[c.Number], o.named[c.Number] = true, ""
	}
	for _, h := range f.Held {
		o.named[h.Compartment] = h.Order
	}
	o.counts.Adopted++
}

// inspected checks what is said of a compartment of the inventory: that two
// clerks looked, what they saw, and that it was held against the record.
func (o *oracle) inspected(f locker.CompartmentInspected) {
	b := o.door(f.Compartment)
	switch {
	case !o.unseen[f.Compartment]:
		o.fail(7, "compartment %d was inspected, and nobody ordered it", f.Compartment)
	case f.Found != b.saw:
		o.fail(7, "in compartment %d something was found: %v; two clerks say %v", f.Compartment, f.Found, b.saw)
	}
	if named, is := o.named[f.Compartment]; is && f.Order != named {
		o.fail(7, "compartment %d is held against order %q, the city's record says %q", f.Compartment, f.Order, named)
	}
	delete(o.unseen, f.Compartment)
	delete(o.named, f.Compartment)
	if f.Found {
		o.counts.Found++
	}
	switch {
	case f.Found && f.Order == "":
		b.owes = locker.AlarmUnexpected
	case !f.Found && f.Order != "":
		b.owes = locker.AlarmMissing
	}
	if b.owes != "" && o.standing(b.owes, f.Compartment) {
		b.owes = "" // it stands already
	}
}

// foundAll checks that nothing of a board that died lies behind a door still.
func (o *oracle) foundAll() {
	for _, d := range o.w.wall.doors {
		for _, p := range d.inside {
			if b := o.orders[p.file.order]; b != nil && b.lost {
				o.w.fail("liveness: the document of order %s lies in compartment %d since its board died", p.file.order, d.n)
			}
		}
	}
}

// gone checks that no copy of the disk, however old, opens a deposit whose
// root key was replaced.
func (o *oracle) gone(g locker.Generation) {
	if d := o.gens[g]; d == nil || !d.slotErased {
		o.fail(4, "generation %d is said to be gone for certain, and its slot was not erased", g)
	}
	o.gens[g].certain = true
	o.fading = slices.DeleteFunc(o.fading, func(b box) bool {
		if b.hpke || b.generation != g {
			return false
		}
		o.unreadable(b)
		return true
	})
}

func (o *oracle) unreadable(b box) {
	for _, block := range o.w.store.old {
		if bytes.Contains(block, b.secret) {
			o.fail(4, "generation %d of order %s is said to be gone for certain, and a copy of the disk still opens its factor", b.generation, b.order)
		}
	}
}

// certain checks at the end that nothing which was erased is left to a root key.
func (o *oracle) certain() {
	if !o.w.config.HardwareKey {
		return
	}
	for _, g := range sorted(o.gens) {
		if d := o.gens[g]; d.slotErased && !d.certain {
			o.w.fail("liveness: generation %d was erased, and the root key was never replaced", g)
		}
	}
	for _, b := range o.fading {
		o.unreadable(b)
	}
}
