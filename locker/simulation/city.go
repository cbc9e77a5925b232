package simulation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// city is the other end: it stores what a checkpoint covers, acknowledges, and
// sends what desks and admins sign. What it knows of the terminal it knows from
// events, keys and letters alone.
type city struct {
	w                      *world
	device, key            noteKey
	letterKey, terminalKey []byte

	held    []entry  // stored events
	waiting [][]byte // received, not yet covered
	hash    map[locker.KeyID]string
	keys    []*leasable
	files   []*file
	byOrder map[locker.OrderID]*file
	letters map[locker.Generation]*letter
	roster  envelope.Roster
	sent    map[int]bool // roster versions that the terminal accepted
	numbers int
	office  office
	lying   lying
}

// leasable is a one-time key of the terminal.
type leasable struct {
	envelope.PublishedKey
	leased bool
}

// file is what desk and city have on one document.
type file struct {
	order     locker.OrderID
	citizen   *citizen
	terms     locker.OrderTerms
	number    string // of FactorNumber
	paper     *paper
	message   []byte // sealed order
	arrived   bool
	accepted  bool
	refusedAt time.Duration
	withdraw  []byte // message, if the desk took it back
	withdrawn bool
	closed    bool // the terminal has done with it
	lost      bool // with a board that died
	loaded    locker.Generation
	reissue   locker.Generation // that should be replaced
}

// letter is what the city knows of one.
type letter struct {
	file   *file
	code   string
	share  envelope.Share
	posted string // the day
	lost   bool   // in the post
	void   bool   // with a board that died
}

// ack is the city's signed note.
type ack struct {
	board int // whose log it is
	size  int
	root  [32]byte
	time  time.Time
	mac   []byte
}

func (a ack) proof() []byte {
	return digest([]byte("city"), binary.BigEndian.AppendUint64(nil, uint64(a.size)), a.root[:], []byte(a.time.Format(time.RFC3339Nano)))
}

func newCity(w *world) *city {
	c := &city{
		w: w, device: noteKey{envelope.Origin(w.config.Terminal)}, key: noteKey{"nachtfach.de/city/testhausen"},
		letterKey: digest([]byte("letter key")), terminalKey: digest([]byte("terminal key")),
		hash: map[locker.KeyID]string{}, byOrder: map[locker.OrderID]*file{}, letters: map[locker.Generation]*letter{},
		sent: map[int]bool{1: true}, lying: newLying(), office: office{disabled: map[locker.CompartmentID]bool{}, blocked: map[locker.Person]bool{}},
	}
	c.roster = envelope.Roster{Terminal: w.config.Terminal, Version: 1, Issued: began, People: []envelope.Entry{
		{Person: "a1", Role: locker.Admin, Keys: []string{newSigner("a1").public}},
		{Person: "a2", Role: locker.Admin, Keys: []string{newSigner("a2").public}},
		{Person: "d1", Role: locker.Desk, Keys: []string{newSigner("d1").public}},
		{Person: "d2", Role: locker.Desk, Keys: []string{newSigner("d2").public}},
	}}
	for _, k := range clerks {
		c.roster.People = append(c.roster.People, envelope.Entry{Person: k.person, Role: locker.Clerk, Cards: k.cards, Number: hashNumber(k.number)})
	}
	return c
}

// firstRoster is given at the terminal with two admins present.
func (c *city) firstRoster() []byte { return c.signedRoster(c.roster.Version, "a1", "a2") }

func (c *city) signedRoster(version int, by ...string) []byte {
	r := c.roster
	r.Version = version
	text, err := r.Text()
	c.must(err)
	for _, admin := range by {
		text, err = envelope.Sign(newSigner(admin), envelope.NamespaceRoster, text)
		c.must(err)
	}
	return text
}

func (c *city) must(err error) {
	if err != nil {
		c.w.fail("the model city: %v", err)
	}
}

// root is the city's own root of its first size events.
func (c *city) root(size int) [32]byte {
	if size == 0 {
		return [32]byte{}
	}
	return c.held[size-1].chain
}

// receive takes a batch: what it has is dropped, a gap is never skipped, and
// only what a checkpoint covers is stored.
func (c *city) receive(p parcel) {
	if p.board != c.w.board {
		return // of a log that was closed
	}
	for i, body := range p.bodies {
		n := p.from + i
		switch {
		case n < len(c.held):
			if !bytes.Equal(c.held[n].body, body) && !p.forged() {
				c.w.oracle.forked("event %d came to the city in two forms", n)
			}
		case n == len(c.held)+len(c.waiting):
			c.waiting = append(c.waiting, body)
		}
	}
	size := p.checkpoint.size
	if size > len(c.held) {
		c.store(p.checkpoint)
	}
	if size > 0 {
		c.acknowledge()
	}
}

// forged batches come from a hostile broker; none has a checkpoint.
func (p parcel) forged() bool { return p.checkpoint.size == 0 }

func (c *city) store(k checkpoint) {
	if k.size > len(c.held)+len(c.waiting) {
		return
	}
	covered := c.held
	for _, body := range c.waiting[:k.size-len(c.held)] {
		var before [32]byte
		if len(covered) > 0 {
			before = covered[len(covered)-1].chain
		}
		covered = append(covered, entry{body: body, chain: [32]byte(digest(before[:], body))})
	}
	if covered[k.size-1].chain != k.root {
		c.waiting = nil // somebody put something in between; the terminal sends again
		return
	}
	first := len(c.held)
	c.waiting = bytesOf(c.waiting[k.size-first:])
	c.held = covered
	for _, e := range covered[first:] {
		event, err := decodeEvent(e.body)
		c.must(err)
		c.learn(event)
	}
}

func bytesOf(list [][]byte) [][]byte { return append([][]byte(nil), list...) }

func (c *city) acknowledge() {
	a := ack{board: c.w.board, size: len(c.held), root: c.root(len(c.held)), time: c.w.cityTime().Truncate(time.Second)}
	a.mac = a.proof()
	c.w.broker.retained = a
	c.w.broker.toTerminal(func(p *process) { p.line.acknowledged(a) })
}

// restored is the city's record from a backup: its last events are missing.
func (c *city) restored(lost int) {
	c.held = c.held[:max(0, len(c.held)-lost)]
	c.waiting = nil
	c.acknowledge()
}

// online is the terminal's word that it is connected: all that is open is sent.
func (c *city) online() { c.repeat() }

// learn follows one stored event.
func (c *city) learn(e locker.Event) {
	c.office.hears(e.Fact)
	c.lying.hears(e.Fact)
	switch f := e.Fact.(type) {
	case locker.KeysOffered:
		for _, k := range f.Keys {
			c.hash[k.Key] = k.Hash
		}
	case locker.OrderAccepted:
		if f := c.byOrder[f.Order]; f != nil {
			f.accepted = true
		}
	case locker.MessageRefused:
		if f := c.byOrder[f.Order]; f != nil && f.refusedAt == 0 {
			f.refusedAt = c.w.now
		}
	case locker.OrderWithdrawn:
		if f := c.byOrder[f.Order]; f != nil {
			f.withdrawn = true
		}
	case locker.DepositReissued:
		if l := c.letters[f.Replaces]; l != nil && l.file.reissue == f.Replaces {
			l.file.reissue, l.file.loaded = 0, f.Generation
		}
	case locker.LetterPosted:
		if l := c.letters[f.Generation]; l != nil {
			l.file.loaded = f.Generation
		}
	case locker.DocumentTaken:
		c.ended(f.Generation)
	case locker.DocumentUnloaded:
		c.ended(f.Generation)
	case locker.DocumentMissing:
		c.ended(f.Generation)
	case locker.CommandFollowed:
		if f.Kind == locker.CommandDeclare {
			for _, k := range c.keys {
				k.leased = true // they open nothing any more
			}
		}
	case locker.RosterAccepted:
		c.sent[f.Version] = true
	}
}

func (c *city) ended(g locker.Generation) {
	if l := c.letters[g]; l != nil {
		l.file.closed = true
	}
}

// keyList takes the terminal's list of unused keys.
func (c *city) keyList(message []byte) {
	list, err := envelope.OpenKeys(c.device, c.w.config.Terminal, message)
	c.must(err)
	known := map[locker.KeyID]bool{}
	for _, k := range c.keys {
		known[k.ID] = true
	}
	for _, k := range list {
		if !known[k.ID] {
			c.keys = append(c.keys, &leasable{PublishedKey: k})
		}
	}
}

// lease gives a key that the terminal's events name and nobody has used.
func (c *city) lease() (envelope.PublishedKey, bool) {
	for _, k := range c.keys {
		if !k.leased && c.hash[k.ID] == envelope.Hash(k.Public) && k.Expires.After(c.w.time().Add(48*time.Hour)) {
			k.leased = true
			return k.PublishedKey, true
		}
	}
	return envelope.PublishedKey{}, false
}

// apply is a citizen's application at a desk: the order is sealed at once and
// sent when the document has arrived.
func (c *city) apply(z *citizen) {
	f := &file{citizen: z, paper: &paper{}}
	f.paper.file = f
	z.file = f
	c.files = append(c.files, f)
	c.sealed(f)
	c.w.after(c.w.chance.between(time.Hour, 30*time.Hour), func() { f.arrived = true })
}

// sealed makes the order's message, for a new id if there was one before.
func (c *city) sealed(f *file) {
	key, ok := c.lease()
	if !ok {
		c.w.after(2*time.Hour, func() {
			if f.message == nil && !f.closed { // nobody has captured it since
				c.sealed(f)
			}
		})
		return
	}
	c.numbers++
	d := c.w.chance
	f.order = locker.OrderID(fmt.Sprintf("ORDER-%05d", c.numbers))
	c.byOrder[f.order] = f
	f.refusedAt, f.accepted = 0, false
	desk := pick(d, []string{"d1", "d2"})
	f.terms = locker.OrderTerms{
		Order: f.order, Version: 1, Key: key.ID, Documents: []locker.DocumentKind{locker.IdentityCard},
		Size: locker.Size(1 + d.upTo(8)/6 + d.upTo(12)/11), LowReach: d.upTo(10) == 0, PINLetter: d.upTo(4) == 0,
	}
	factor := envelope.Factor{Kind: locker.FactorFinger}
	for _, position := range f.citizen.fingers {
		factor.Fingers = append(factor.Fingers, envelope.Finger{Position: position, Enrolment: enrol(f.citizen.name, position, f.order)})
	}
	if len(f.citizen.fingers) == 0 {
		f.number = fmt.Sprintf("%08d", 10_000_000+c.numbers)
		c.w.crypto.numbers[f.number] = f.order
		factor = envelope.Factor{Kind: locker.FactorNumber, Number: []byte(f.number)}
	}
	f.terms.Recipients = []locker.Recipient{{Kind: locker.Applicant, Factor: factor.Kind, Fingers: f.citizen.fingers}}
	var err error
	f.message, err = envelope.SealOrder(c.w.crypto, newSigner(desk), key.Public, envelope.Order{
		Terminal: c.w.config.Terminal, Issued: c.w.time(), Terms: f.terms, Factors: []envelope.Factor{factor},
	})
	c.must(err)
	c.w.oracle.sealed(f)
}

// repeat sends all that no event has answered yet.
func (c *city) repeat() {
	for _, f := range c.files {
		switch {
		case f.lost && f.paper.place == atDesk && !f.citizen.done:
			f.lost = false // what the clerks found is captured anew
			c.sealed(f)
		case f.message == nil || !f.arrived || f.closed:
		case f.withdraw != nil && !f.withdrawn:
			c.send(locker.MessageOrder, f.withdraw)
		case f.accepted || f.withdraw != nil:
		case f.refusedAt != 0 && c.w.now-f.refusedAt > time.Hour && f.paper.place == atDesk:
			c.sealed(f) // refused for good: the desk seals anew
		default:
			c.send(locker.MessageOrder, f.message)
		}
	}
	if v := c.roster.Version; v > 1 && !c.sent[v] {
		message, err := envelope.SealRoster(c.w.crypto, publicOf(c.terminalKey), c.signedRoster(v, "a1", "a2"))
		c.must(err)
		c.send(locker.MessageRoster, message)
		c.office.heard = append(c.office.heard, message)
	}
}

func (c *city) send(kind locker.MessageKind, raw []byte) {
	c.w.broker.toTerminal(func(p *process) { p.receive(kind, raw) })
}

// takeBack is the desk's withdrawal.
func (c *city) takeBack(f *file) {
	if f.message == nil || f.withdraw != nil || f.closed {
		return
	}
	var err error
	f.withdraw, err = envelope.SignWithdrawal(newSigner("d1"), envelope.Withdrawal{Terminal: c.w.config.Terminal, Order: f.order, Issued: c.w.time()})
	c.must(err)
}

// letter takes a letter, and answers when it went out.
func (c *city) letter(message []byte) {
	head, err := envelope.OpenLetterHead(c.device, c.w.config.Terminal, message)
	c.must(err)
	if l := c.letters[head.Generation]; l != nil {
		c.answer(head.Generation, l)
		return
	}
	content, err := head.Open(c.w.crypto, c.letterKey)
	c.must(err)
	f := c.byOrder[content.Order]
	if f == nil {
		c.w.fail("a letter for order %s, which no desk has made", content.Order)
	}
	l := &letter{file: f, code: content.Code.QR(), share: content.Share}
	c.letters[head.Generation] = l
	c.w.oracle.lettered(head.Generation, l)
	d := c.w.chance
	if !c.w.calm && d.hits(0.02) {
		return // never posted
	}
	c.w.after(d.between(2*time.Hour, 24*time.Hour), func() { c.post(head.Generation, l) })
}

func (c *city) post(g locker.Generation, l *letter) {
	d := c.w.chance
	if l.posted != "" || l.void {
		return
	}
	l.posted = c.w.time().Format(time.DateOnly)
	l.lost = !c.w.calm && d.hits(0.1)
	c.answer(g, l)
	z := l.file.citizen
	if l.lost {
		c.w.after(d.between(72*time.Hour, 100*time.Hour), func() { c.askReissue(l.file, g) })
		return
	}
	c.w.after(d.between(12*time.Hour, 48*time.Hour), func() { z.receives(g, l.code) })
}

func (c *city) answer(g locker.Generation, l *letter) {
	if l.posted == "" || l.void {
		return
	}
	message, err := envelope.SignPosted(c.key, envelope.Posted{Terminal: c.w.config.Terminal, Generation: g, Order: l.file.order, Day: l.posted})
	c.must(err)
	c.send(locker.MessagePosted, message)
}

// challenge is what the terminal shows in its state.
func (c *city) challenge() string {
	if p := c.w.process; p != nil && p.vault != nil {
		return p.vault.Challenge()
	}
	return "00000000000000000000000000000000"
}

// askReissue is an admin's command, repeated anew until an event answers.
func (c *city) askReissue(f *file, g locker.Generation) {
	if f.closed || f.reissue == g || f.withdraw != nil || c.letters[g] == nil {
		return
	}
	f.reissue = g
	c.command(f, g, 0)
}

func (c *city) command(f *file, g locker.Generation, tries int) {
	l := c.letters[g]
	if f.reissue != g || f.closed || tries > 20 {
		f.reissue = 0
		return
	}
	c.w.after(3*time.Hour, func() { c.command(f, g, tries+1) })
	key, ok := c.lease()
	if !ok {
		return
	}
	command, err := envelope.NewReissue(c.w.crypto, c.w.crypto.rand, c.w.config.Terminal, c.challenge(), f.order, g, c.expiry(), key, l.share)
	c.must(err)
	message, err := envelope.SignCommand(newSigner("a1"), command)
	c.must(err)
	c.send(locker.MessageCommand, message)
	c.w.after(3*time.Minute, func() { c.send(locker.MessageCommand, message) })
}
