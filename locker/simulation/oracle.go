package simulation

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// oracle holds what the terminal does against the truth. Its books are its own:
// they are kept from durable events, from what the locks, the vault and the
// disk really did, and from what people really did at the doors. It reads
// nothing of the machine's ledger.
type oracle struct {
	w         *world
	events    int
	last      time.Time     // of the last event
	ahead     time.Duration // the provisional part of the terminal's time, as the events say
	laid      bool          // a document, since the board is new
	right     bool          // the terminal's time was, since the board is new
	boot      int           // start in which the last event was committed
	gens      map[locker.Generation]*deposited
	orders    map[locker.OrderID]*filed
	attempts  map[locker.AttemptID]*attempt
	doors     map[locker.CompartmentID]*doorBook
	alarms    map[uint64]locker.AlarmRaised
	proofs    map[locker.Person]time.Duration // when a person typed their number
	round     openRound
	pulses    map[locker.PulseID]bool
	unseen    map[locker.CompartmentID]bool // of an inventory that two clerks ordered
	selectors []int                         // of letters that went out
	counts    Counts
	commandBook
	boardBook
	ready time.Duration // when the running process became ready
}

// Counts are what a run has seen, so that a test can tell that it saw anything.
type Counts struct {
	Taken, Unconfirmed, Disputed, Loaded, Unloaded, Reissued, Doubted, Forced, Refused, Expired, Restarts, Inventories int
	// Commands that were followed, and commands and rosters that were not.
	Commands, Disobeyed, Burglaries int
	// Boards that took over a wall, documents found in inventories, doors opened
	// with the announced key, root keys replaced.
	Adopted, Found, Keyed, Roots int
}

// Add counts another run's.
func (c *Counts) Add(o Counts) {
	c.Taken += o.Taken
	c.Unconfirmed += o.Unconfirmed
	c.Disputed += o.Disputed
	c.Loaded += o.Loaded
	c.Unloaded += o.Unloaded
	c.Reissued += o.Reissued
	c.Doubted += o.Doubted
	c.Forced += o.Forced
	c.Refused += o.Refused
	c.Expired += o.Expired
	c.Restarts += o.Restarts
	c.Commands += o.Commands
	c.Disobeyed += o.Disobeyed
	c.Burglaries += o.Burglaries
	c.Inventories += o.Inventories
	c.Adopted += o.Adopted
	c.Found += o.Found
	c.Keyed += o.Keyed
	c.Roots += o.Roots
}

// Blind tells that something never happened, so that nothing was proved about it.
func (c Counts) Blind() bool {
	return min(c.Taken, c.Unconfirmed, c.Loaded, c.Unloaded, c.Reissued, c.Doubted, c.Forced, c.Refused, c.Expired, c.Restarts, c.Commands, c.Disobeyed, c.Burglaries, c.Adopted, c.Found, c.Keyed, c.Roots) == 0
}

// deposited is one generation.
type deposited struct {
	order       locker.OrderID
	compartment locker.CompartmentID
	code        pin.Code // once the letter is known
	replaces    locker.Generation
	loaded      bool
	posted      time.Duration
	extended    time.Duration // of retention, by command
	ended       bool
	slotErased  bool
	unanswered  time.Duration // when nobody said whether they have it; zero: never
	certain     bool          // so that no old copy opens it
	charges     []locker.AttemptID
	failures    map[int]int // failed or unsettled comparisons, by finger
	closed      map[int]bool
}

// filed is one order, and who is said to have its document.
type filed struct {
	file   *file
	holder locker.Custody
	door   locker.CompartmentID
	gen    locker.Generation

	accepted, loaded, erased bool
	lost                     bool // with a board that died
	missed                   bool // two clerks found nothing where its document was laid: the order is over
}

// attempt is one code that was tried, or refused.
type attempt struct {
	g        locker.Generation
	charged  bool
	tried    bool
	opened   bool
	err      error
	proved   bool
	finger   finger // laid last
	compares int    // charged and not yet made
	matched  bool   // the right finger, or number
	accepted bool   // and the event says so
}

// doorBook is what the oracle knows of one door.
type doorBook struct {
	seenEmpty bool // by two clerks, since it was last used
	looked    time.Duration
	opened    time.Duration // physically, the last time
	moved     time.Duration
	believed  bool // open, as the events say
	waived    bool
	faulted   bool
	forced    bool // and no alarm has told it yet
	keyed     bool // opened last with the key that was announced
	saw       bool // a document, where two clerks looked last
	owes      locker.AlarmKind
	yes       time.Duration // when somebody last said here that they have their document
	told      time.Duration // of the last event about it
	released  []authority
}

// authority is a durable event that allows one pulse.
type authority struct {
	locker.CompartmentReleased
	boot int
}

type openRound struct {
	id     locker.RoundID
	clerks [2]locker.Person
	open   bool
}

func newOracle(w *world) *oracle {
	return &oracle{
		w: w, gens: map[locker.Generation]*deposited{}, orders: map[locker.OrderID]*filed{},
		attempts: map[locker.AttemptID]*attempt{}, doors: map[locker.CompartmentID]*doorBook{},
		alarms: map[uint64]locker.AlarmRaised{}, proofs: map[locker.Person]time.Duration{}, pulses: map[locker.PulseID]bool{},
		unseen:      map[locker.CompartmentID]bool{},
		commandBook: newCommandBook(), boardBook: newBoardBook(),
	}
}

// sorted are a map's keys in order: no map's own order decides what is found
// first.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func (o *oracle) fail(invariant int, format string, args ...any) {
	o.w.fail("invariant %d: "+format, append([]any{invariant}, args...)...)
}

func (o *oracle) door(n locker.CompartmentID) *doorBook {
	if o.doors[n] == nil {
		o.doors[n] = &doorBook{}
	}
	return o.doors[n]
}

func (o *oracle) attempt(a locker.AttemptID) *attempt {
	if o.attempts[a] == nil {
		o.attempts[a] = &attempt{}
	}
	return o.attempts[a]
}

// How far certain time may be ahead of the truth: what the clock's jumps may
// move it by, see clockJumps and the rule of small steps.
const aheadAtMost = 36 * time.Minute

// followClock checks that time goes back by an event that says so alone, and
// that no lie of the city's reaches what decides about expiry.
func (o *oracle) followClock(e locker.Event) {
	set, isSet := e.Fact.(locker.ClockSet)
	switch e.Fact.(type) {
	case locker.ClockSet:
		o.ahead = time.Duration(set.Ahead)
	case locker.ClockConfirmed:
		o.ahead = 0
	case locker.DocumentLaid:
		o.laid = true
	}
	certain := e.Time.Add(-max(o.ahead, 0))
	o.right = o.right || e.Time.Sub(o.w.time()).Abs() < aheadAtMost
	switch {
	case e.Time.Before(o.last) && !(isSet && !set.Was.Before(o.last)):
		o.fail(5, "event %d (%s) is of %v, before the one of %v that precedes it", o.events-1, e.Fact.Type(), e.Time, o.last)
	case o.right && certain.Sub(o.w.time()) > aheadAtMost:
		o.fail(5, "event %d (%s) says %v, %v of it provisional, and it is %v", o.events-1, e.Fact.Type(), e.Time, o.ahead, o.w.time())
	}
	o.last = e.Time
}

// follow is told each event once it is durable.
func (o *oracle) follow(e locker.Event) {
	o.events++
	o.boot = o.w.starts
	o.followClock(e)
	o.followBoard(e.Fact)
	o.followPeople(e.Fact)
	o.followCommand(e)
	o.followOrder(e.Fact)
	o.followDeposit(e.Fact)
	o.followVisit(e.Fact)
	o.followDoor(e.Fact)
}

func (o *oracle) followPeople(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.RoundOpened:
		o.round = openRound{f.Round, f.Clerks, true}
	case locker.RoundConfirmed:
		o.round.open = false
	case locker.RoundInterrupted:
		o.round.open = false
	case locker.TerminalBooted:
		o.counts.Restarts++
		o.round.open = false
	case locker.AlarmRaised:
		if f.Compartment != 0 {
			o.numbered(f.Compartment, f.Incident)
		}
		o.alarms[f.Alarm] = f
		b := o.door(f.Compartment)
		if f.Kind == locker.AlarmForced {
			if b.keyed {
				o.fail(6, "the door of compartment %d was opened with the key, as announced, and somebody is woken", f.Compartment)
			}
			b.forced = false
		}
		if f.Kind == b.owes {
			b.owes = ""
		}
	case locker.AlarmCleared:
		delete(o.alarms, f.Alarm)
	}
}

func (o *oracle) followOrder(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.OrderAccepted:
		b := o.orders[f.Order]
		if b == nil {
			o.fail(5, "order %s was accepted, which no desk has made", f.Order)
		}
		b.holder, b.accepted = locker.CustodyClerks, true
	case locker.OrderErased:
		o.orders[f.Order].erased = true
		o.noise("order", f.Order, func(b box) bool { return b.hpke && b.order == f.Order })
	}
}

// sealed is told each order that a desk makes.
func (o *oracle) sealed(f *file) { o.orders[f.order] = &filed{file: f, holder: locker.CustodyClerks} }

// lettered is told each letter that reached the city.
func (o *oracle) lettered(g locker.Generation, l *letter) {
	d := o.gens[g]
	if d == nil || !d.loaded {
		o.fail(5, "a letter of generation %d came, which was never loaded", g)
	}
	code, err := pin.Parse(l.code)
	if err != nil {
		o.fail(5, "the letter of generation %d holds no code: %v", g, err)
	}
	for _, id := range sorted(o.gens) {
		other := o.gens[id]
		if id != g && !other.code.IsZero() && other.code.Selector() == code.Selector() {
			o.fail(4, "generations %d and %d have the same selector: an old letter names a new deposit", id, g)
		}
	}
	d.code = code
	o.selectors = append(o.selectors, code.Selector())
}

func (o *oracle) followDeposit(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.DepositReserved:
		o.reserved(f)
	case locker.DepositAbandoned:
		o.abandoned(f)
	case locker.DocumentLaid:
		o.claim(f.Generation, locker.CustodyCompartment)
	case locker.DepositLoaded:
		d := o.gens[f.Generation]
		d.loaded, o.orders[d.order].loaded = true, true
		o.counts.Loaded++
	case locker.DepositReissued:
		d := o.gens[f.Generation]
		d.loaded = true
		d.closed, d.failures = o.gens[f.Replaces].closed, o.gens[f.Replaces].failures
		o.end(f.Replaces)
		o.orders[d.order].gen = f.Generation
		o.counts.Reissued++
	case locker.LetterPosted:
		if d := o.gens[f.Generation]; d.posted == 0 {
			d.posted = o.w.now
		}
	case locker.DepositExpired:
		d := o.gens[f.Generation]
		if held := o.w.now - d.posted; d.posted == 0 || held < time.Duration(o.w.config.Rules.Retention)+d.extended-time.Hour {
			o.fail(5, "generation %d expired after %v", f.Generation, held)
		}
		o.counts.Expired++
	case locker.DocumentUnconfirmed:
		d := o.gens[f.Generation]
		d.unanswered = o.w.now
		o.claim(f.Generation, locker.CustodyUnknown)
		o.numbered(d.compartment, f.Incident)
		o.counts.Unconfirmed++
	case locker.DocumentDisputed:
		o.claim(f.Generation, locker.CustodyUnknown)
		o.numbered(o.gens[f.Generation].compartment, f.Incident)
		o.counts.Disputed++
	case locker.DocumentTaken:
		o.taken(f)
		o.claim(f.Generation, locker.CustodyCitizen)
		o.end(f.Generation)
		o.counts.Taken++
	case locker.DocumentUnloaded:
		o.claim(f.Generation, locker.CustodyClerks)
		o.end(f.Generation)
		o.counts.Unloaded++
	case locker.DocumentMissing:
		o.claim(f.Generation, locker.CustodyUnknown)
		o.orders[o.gens[f.Generation].order].missed = true
		o.end(f.Generation)
	case locker.CustodyDoubted:
		o.claim(f.Generation, locker.CustodyUnknown)
		b := o.door(o.gens[f.Generation].compartment)
		b.seenEmpty, b.told = false, o.w.now
		o.counts.Doubted++
	case locker.InventoryOrdered:
		for _, c := range o.w.config.Compartments {
			o.unseen[c.Number] = true
		}
		o.counts.Inventories++
	case locker.CompartmentInspected:
		o.inspected(f)
	case locker.SlotErased:
		o.gens[f.Generation].slotErased = true
		o.noise("generation", f.Generation, func(b box) bool { return b.generation == f.Generation })
	}
}

// taken checks that silence was no yes: somebody said it, or two clerks found
// nothing where nobody had answered, or the time for an answer is over.
func (o *oracle) taken(f locker.DocumentTaken) {
	d := o.gens[f.Generation]
	since := o.w.now - d.unanswered
	switch b := o.door(d.compartment); {
	case f.Confirmed && (b.yes == 0 || o.w.now-b.yes > time.Minute):
		o.fail(7, "generation %d is called taken and confirmed, and nobody said so", f.Generation)
	case f.Confirmed:
	case d.unanswered == 0:
		o.fail(7, "generation %d is called taken, and nobody was asked", f.Generation)
	case f.Round != 0 && (!o.round.open || o.round.id != f.Round || b.saw || b.looked < b.opened):
		o.fail(7, "generation %d is called taken by round %d, and two clerks did not see that it is gone", f.Generation, f.Round)
	case f.Round == 0 && since < time.Duration(o.w.config.Rules.Unconfirmed)-aheadAtMost:
		o.fail(7, "generation %d is called taken %v after a question that nobody answered", f.Generation, since)
	}
}

// numbered checks that an event about a matter has the number of the matter.
func (o *oracle) numbered(n locker.CompartmentID, number string) {
	if number == "" {
		o.fail(6, "a matter at compartment %d has no incident number", n)
	}
	for _, id := range sorted(o.alarms) {
		if a := o.alarms[id]; a.Compartment == n && a.Incident != number {
			o.fail(6, "one matter at compartment %d has the incident numbers %s and %s", n, a.Incident, number)
		}
	}
}

// reserved checks that a compartment is given only if two clerks saw it empty.
func (o *oracle) reserved(f locker.DepositReserved) {
	if o.gens[f.Generation] != nil || f.Generation <= o.before {
		o.fail(2, "generation %d was given twice", f.Generation)
	}
	d := &deposited{order: f.Order, compartment: f.Compartment, replaces: f.Replaces, failures: map[int]int{}, closed: map[int]bool{}}
	o.gens[f.Generation] = d
	if f.Replaces != 0 {
		return
	}
	b := o.door(f.Compartment)
	switch {
	case !b.seenEmpty:
		o.fail(3, "compartment %d was given to generation %d, and two clerks have not seen it empty since it was used", f.Compartment, f.Generation)
	case len(o.w.wall.door(f.Compartment).inside) > 0 && !b.waived:
		o.fail(3, "compartment %d was given to generation %d, and a document lies there", f.Compartment, f.Generation)
	}
	o.orders[f.Order].gen = f.Generation
}

func (o *oracle) abandoned(f locker.DepositAbandoned) {
	d := o.gens[f.Generation]
	d.ended = true
	if d.replaces == 0 {
		b := o.orders[d.order]
		if b.holder != locker.CustodyUnknown {
			b.holder = locker.CustodyClerks
		}
		b.gen = 0
	}
}

func (o *oracle) end(g locker.Generation) { o.gens[g].ended = true }

func (o *oracle) claim(g locker.Generation, c locker.Custody) {
	d := o.gens[g]
	b := o.orders[d.order]
	b.holder, b.door = c, d.compartment
}

// noise checks that nothing in the slots opens the boxes that hold a factor, and
// then forgets them: they are noise for ever.
func (o *oracle) noise(what string, id any, sealed func(box) bool) {
	c := o.w.crypto
	c.boxes = slices.DeleteFunc(c.boxes, func(b box) bool {
		if !sealed(b) {
			return false
		}
		for i, block := range o.w.store.slots {
			if bytes.Contains(block, b.secret) {
				o.fail(4, "%s %v is said to be erased, and slot %d still opens its factor", what, id, i)
			}
		}
		if o.w.config.HardwareKey {
			o.fading = append(o.fading, b)
		}
		return true
	})
}

// kept is told each record: nothing in it may be a secret in clear.
func (o *oracle) kept(bucket, key string, value []byte) {
	if o.w.crypto.markedOrder(value) != "" {
		o.fail(4, "record %s/%s holds a factor in clear", bucket, key)
	}
	for _, block := range o.w.store.slots {
		if len(block) > 9 && bytes.Contains(value, block[9:]) {
			o.fail(4, "record %s/%s holds the secret of a slot", bucket, key)
		}
	}
}

func (o *oracle) forked(format string, args ...any) { o.fail(5, format, args...) }
