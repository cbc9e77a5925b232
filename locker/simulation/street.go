package simulation

import (
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// street is the place in front of the terminal: one party stands there, the
// others queue.
type street struct {
	w       *world
	present party
	since   time.Duration
	queue   []party
	people  []*citizen
	names   int
}

// party is who stands at the screen. act does one thing that the screen asks
// for, and tells how long until it looks again; zero: it has left.
type party interface {
	act(s locker.Screen) (again time.Duration)
	// leave is called when the party's patience has ended, whatever is shown.
	leave()
}

// longest is how long anybody stays.
const longest = 25 * time.Minute

func newStreet(w *world) *street { return &street{w: w} }

// arrive queues a party; a queue of five is where people turn back.
func (s *street) arrive(p party) {
	if len(s.queue) >= 5 && !s.w.calm {
		p.leave()
		return
	}
	s.queue = append(s.queue, p)
	s.next()
}

func (s *street) next() {
	if s.present != nil || len(s.queue) == 0 {
		return
	}
	s.present, s.since = s.queue[0], s.w.now
	s.queue = slices.Delete(s.queue, 0, 1)
	s.w.after(time.Second, func() { s.turn(s.present) })
}

func (s *street) turn(p party) {
	if s.w.now-s.since > longest {
		p.leave()
		s.gone()
		return
	}
	again := p.act(s.w.screen())
	if again <= 0 {
		s.gone()
		return
	}
	s.w.after(again, func() { s.turn(p) })
}

func (s *street) gone() {
	s.present = nil
	s.w.reader.lying = finger{}
	s.w.after(s.w.chance.between(2*time.Second, 20*time.Second), s.next)
}

// idle tells that nobody stands or waits there.
func (s *street) idle() bool { return s.present == nil && len(s.queue) == 0 }

// The ways to the terminal from its front.

func (w *world) choose(s locker.Screen, c locker.Choice) {
	if c == locker.ChoiceYes {
		w.oracle.door(s.Compartment).yes = w.now
	}
	if w.process != nil {
		w.process.give(locker.Chosen{Screen: s.Number, Choice: c})
	}
}

func (w *world) typeIn(s locker.Screen, text string) {
	if w.process != nil {
		w.process.give(locker.Typed{Screen: s.Number, Text: []byte(text)})
	}
}

func (w *world) scan(source locker.Source, text string) {
	if w.process != nil {
		w.process.give(locker.Scanned{Source: source, Text: []byte(text)})
	}
}

// paper is the document. Where it is, is the truth.
type paper struct {
	file  *file
	place place
	door  locker.CompartmentID // behindDoor
	left  bool                 // behind by a citizen who said or seemed to have it
	taken bool                 // away by a vandal while the terminal could not see it
}

type place int

const (
	atDesk place = iota
	withClerks
	behindDoor
	withCitizen
	stolen
)

func (a *wall) put(d *door, p *paper) {
	p.place, p.door = behindDoor, d.n
	d.inside = append(d.inside, p)
}

// take empties an open compartment.
func (a *wall) take(d *door, to place) []*paper {
	if !d.open {
		return nil
	}
	taken := d.inside
	d.inside = nil
	for _, p := range taken {
		p.place, p.left = to, false
	}
	return taken
}

// citizen is who waits for a document.
type citizen struct {
	w       *world
	name    string
	fingers []int // enrolled
	file    *file
	code    string // of the newest letter
	letter  locker.Generation
	habits  habits
	visit   outing
	visits  int
	done    bool
}

// habits are what people do beside what they should.
type habits struct {
	pace        time.Duration
	slip        bool // types a wrong digit first
	forgets     bool // types another wrong code first
	wrongFinger bool // lays another finger first
	cold        bool // dry fingers at first
	again       bool // has the door opened once more
	leavesOpen  bool // walks away with the door open
	leavesIt    bool // and without the document
	silent      bool // walks away without an answer
	unsure      bool // has it, gave no answer, and comes again
	denies      bool // says: not mine
	keepsIt     bool // and does not put it back
	walksOff    bool // in the middle of it
	asksTime    bool // for more time
	other       bool // prefers the other finger
}

// outing is what has happened in one visit.
type outing struct {
	entered, slipped, forgot, laid, opened, answered int
	got                                              bool
	patience                                         int
	paced                                            time.Duration // waited for others' mischief
	dark                                             bool          // the power went meanwhile
	last                                             locker.ScreenName
	ended                                            locker.ScreenName
}

func (s *street) citizen() *citizen {
	d := s.w.chance
	s.names++
	z := &citizen{w: s.w, name: name(s.names), fingers: []int{2, 7}}
	switch n := d.upTo(10); {
	case n == 0:
		z.fingers = nil
	case n < 3:
		z.fingers = []int{7}
	}
	z.habits = habits{
		pace: d.between(time.Second, 5*time.Second),
		slip: d.hits(0.15), forgets: d.hits(0.1), wrongFinger: d.hits(0.15), cold: d.hits(0.15),
		again: d.hits(0.15), leavesOpen: d.hits(0.05), leavesIt: d.hits(0.03), silent: d.hits(0.1), unsure: d.hits(0.3), keepsIt: d.hits(0.5),
		denies: d.hits(0.03), walksOff: d.hits(0.07), asksTime: d.hits(0.1), other: d.hits(0.1),
	}
	if d.hits(0.1) {
		z.habits.pace = d.between(10*time.Second, 40*time.Second)
	}
	if s.w.calm { // applied before, comes after
		z.habits = habits{pace: time.Second}
	}
	s.people = append(s.people, z)
	return z
}

func name(n int) string {
	digits := "0123456789"
	text := []byte("p0000")
	for i := len(text) - 1; n > 0 && i > 0; i-- {
		text[i] = digits[n%10]
		n /= 10
	}
	return string(text)
}

// receives is the letter in the mailbox.
func (z *citizen) receives(g locker.Generation, code string) {
	z.code, z.letter = code, g
	d := z.w.chance
	if z.w.calm || d.hits(0.9) { // the others never come by themselves
		z.w.after(d.between(3*time.Hour, 9*24*time.Hour), z.goes)
	}
}

// goes to the terminal.
func (z *citizen) goes() { z.comesTo(false) }

func (z *citizen) comesTo(although bool) {
	if z.done && !although || z.code == "" {
		return
	}
	z.visits++
	z.visit = outing{}
	z.w.street.arrive(z)
}

// act implements party.
func (z *citizen) act(s locker.Screen) time.Duration {
	v, d := &z.visit, z.w.chance
	if s.Name == v.last {
		v.patience++
	} else {
		v.patience, v.last = 0, s.Name
	}
	if z.habits.walksOff && d.hits(0.05) || v.patience > 60 {
		return z.goesHome()
	}
	if z.habits.asksTime && slices.Contains(s.Choices, locker.ChoiceMoreTime) && d.hits(0.3) {
		z.w.choose(s, locker.ChoiceMoreTime)
		return z.habits.pace
	}
	switch s.Name {
	case "", locker.ScreenStarting: // dark
		z.closesDoors()
		v.dark = true
		return 5 * time.Second
	case locker.ScreenPaced:
		v.paced += 2 * time.Second
		return 2 * time.Second
	case locker.ScreenShut, locker.ScreenLocked:
		return z.goesHome()
	case locker.ScreenFinger:
		z.laysFinger(s)
	case locker.ScreenNumber:
		z.typesNumber(s)
	case locker.ScreenExpired:
		z.w.choose(s, locker.ChoiceGoOn)
	case locker.ScreenPINLetter:
		z.w.choose(s, locker.ChoiceConfirm)
	case locker.ScreenPutBack:
		z.putsBack(s)
	case locker.ScreenTake:
		if left := z.atDoor(s); left {
			return z.goesHome()
		}
	case locker.ScreenQuestion:
		return z.answers(s)
	default:
		if s.Expects == locker.ExpectsCode {
			return z.enters(s)
		}
		if closing(s.Name) && v.entered+v.forgot > 0 {
			v.ended = s.Name
			return z.goesHome()
		}
		if closing(s.Name) { // the words of whoever stood here before
			v.paced += 2 * time.Second
			return 2 * time.Second
		}
	}
	return z.habits.pace
}

func closing(n locker.ScreenName) bool {
	switch n {
	case locker.ScreenDone, locker.ScreenUnconfirmed, locker.ScreenDisputed, locker.ScreenFoundEmpty, locker.ScreenLeftOpen, locker.ScreenDefect, locker.ScreenWithdrawn,
		locker.ScreenDesk, locker.ScreenClosed, locker.ScreenRefused:
		return true
	default:
		return false
	}
}

func (z *citizen) enters(s locker.Screen) time.Duration {
	v, h := &z.visit, z.habits
	if v.entered > 0 {
		v.ended = s.Name
		if closing(s.Name) || v.entered > 2 {
			return z.goesHome()
		}
	}
	switch {
	case h.slip && v.slipped == 0:
		v.slipped++
		z.w.typeIn(s, slipped(z.code))
	case h.forgets && v.forgot == 0:
		v.forgot++
		z.w.typeIn(s, otherCode(z.code, z.w.chance))
	default:
		v.entered++
		if z.w.chance.hits(0.3) {
			z.w.scan(locker.SourceCitizen, z.code)
		} else {
			z.w.typeIn(s, z.code)
		}
	}
	return h.pace
}

func (z *citizen) laysFinger(s locker.Screen) {
	v, h := &z.visit, z.habits
	if h.other && v.laid == 0 && slices.Contains(s.Choices, locker.ChoiceOtherFinger) {
		v.laid++
		z.w.choose(s, locker.ChoiceOtherFinger)
		return
	}
	f := finger{z.name, s.Finger, good}
	switch {
	case h.wrongFinger && v.laid < 2:
		f.position = s.Finger%10 + 1
	case h.cold && v.laid < 3:
		f.quality = dry
	case !z.w.calm && z.w.chance.hits(0.08):
		f.quality = poor
	}
	v.laid++
	z.w.reader.lay(f)
}

func (z *citizen) typesNumber(s locker.Screen) {
	number := z.file.number
	if z.habits.wrongFinger && z.visit.laid == 0 {
		number = "99999999"
	}
	z.visit.laid++
	z.w.typeIn(s, number)
}

// atDoor takes the document out and closes; it tells if the citizen walks away.
func (z *citizen) atDoor(s locker.Screen) (left bool) {
	d := z.w.wall.door(s.Compartment)
	z.visit.opened++
	if d.open && !z.habits.leavesIt {
		for _, p := range z.w.wall.take(d, withCitizen) {
			if p.file.citizen == z {
				z.visit.got, z.done = true, true
				continue
			}
			z.w.fail("compartment %d opened for %s, and another's document of order %s lay there", d.n, z.name, p.file.order)
		}
	}
	if z.habits.leavesOpen {
		for _, p := range d.inside {
			p.left = true
		}
		return true
	}
	z.w.wall.set(d, false)
	if slices.Contains(s.Choices, locker.ChoiceDoorClosed) {
		z.w.choose(s, locker.ChoiceDoorClosed)
	}
	return false
}

// putsBack lays what is not theirs into the open compartment, or keeps it.
func (z *citizen) putsBack(s locker.Screen) {
	d := z.w.wall.door(s.Compartment)
	if z.visit.got && d.open && !z.habits.keepsIt {
		z.w.wall.put(d, z.file.paper)
		z.visit.got, z.done = false, false
	}
	z.w.wall.set(d, false)
	if slices.Contains(s.Choices, locker.ChoiceDoorClosed) {
		z.w.choose(s, locker.ChoiceDoorClosed)
	}
}

func (z *citizen) answers(s locker.Screen) time.Duration {
	v, h := &z.visit, z.habits
	v.answered++
	switch {
	case h.silent:
		for _, p := range z.w.wall.door(s.Compartment).inside {
			p.left = true
		}
		return z.goesHome()
	case (h.again && v.answered == 1 || !v.got && !z.done && !h.leavesIt) && slices.Contains(s.Choices, locker.ChoiceAgain):
		z.w.choose(s, locker.ChoiceAgain)
	case h.denies:
		z.w.choose(s, locker.ChoiceNotMine)
	case !v.got && !z.done && !h.leavesIt:
		z.w.choose(s, locker.ChoiceEmpty)
	default:
		for _, p := range z.w.wall.door(s.Compartment).inside {
			p.left = true
		}
		z.w.choose(s, locker.ChoiceYes)
	}
	return h.pace
}

// closesDoors is what people do with a door that stands open in front of them.
func (z *citizen) closesDoors() {
	if z.habits.leavesOpen {
		return
	}
	for _, d := range z.w.wall.doors {
		if d.open && z.visit.opened > 0 {
			z.w.wall.set(d, false)
		}
	}
}

func (z *citizen) goesHome() time.Duration {
	z.leave()
	return 0
}

// leave implements party: whoever has nothing comes again, or asks for a new letter.
func (z *citizen) leave() {
	z.closesDoors()
	switch z.visit.last {
	case "", locker.ScreenOpening, locker.ScreenTake, locker.ScreenQuestion, locker.ScreenPutBack:
		z.file.paper.left = z.file.paper.place == behindDoor
	default:
	}
	z.w.oracle.visited(z)
	z.w.oracle.patience(z)
	d := z.w.chance
	if z.done && z.habits.silent && z.habits.unsure && !z.w.calm {
		z.habits.silent = false
		z.w.after(d.between(time.Hour, 30*time.Hour), func() { z.comesTo(true) })
		return
	}
	if z.done || z.w.calm {
		return
	}
	z.habits.leavesIt, z.habits.walksOff, z.habits.denies = false, false, false
	switch {
	case z.visits > 4:
		if d.hits(0.5) {
			g := z.letter
			z.w.after(d.between(time.Hour, 20*time.Hour), func() { z.w.city.askReissue(z.file, g) })
		}
	case d.hits(0.85):
		z.w.after(d.between(10*time.Minute, 20*time.Hour), z.goes)
	}
}
