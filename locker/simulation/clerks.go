package simulation

import (
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
)

// clerk is one person of the desk, with cards and a personal number.
type clerk struct {
	person locker.Person
	cards  []string
	number string
}

// clerks are those of the first roster. Hans has two cards, and bad intentions.
var clerks = []clerk{
	{"hans", []string{"card-hans-1", "card-hans-2"}, "471108"},
	{"grete", []string{"card-grete"}, "582219"},
	{"otto", []string{"card-otto"}, "693320"},
	{"emma", []string{"card-emma"}, "704431"},
}

// pair is two clerks with what they carry.
type pair struct {
	w         *world
	two       [2]clerk
	papers    []*paper // to be laid in
	aside     []*paper // that go back to the desk
	signing   int      // who signs in
	refused   int      // cards that did not get them in
	at        *paper
	last      locker.ScreenName
	patience  int
	left      map[locker.CompartmentID]bool // where something lay that they leave for now
	answered  bool
	confirmed int
	seen      bool // the round's menu
	quits     bool // one of them is called away
	ordered   bool // an inventory, in this round
	keyed     int  // doors that they open with the mechanical key; -1: they are done
}

// round sends two clerks with what has arrived.
func (w *world) round() {
	if w.over {
		return
	}
	d := w.chance
	first := d.upTo(len(clerks))
	second := (first + 1 + d.upTo(len(clerks)-1)) % len(clerks)
	k := &pair{w: w, two: [2]clerk{clerks[first], clerks[second]}, left: map[locker.CompartmentID]bool{}}
	k.quits = !w.calm && d.hits(0.06)
	if d.hits(0.1) {
		w.wish()
	}
	for _, f := range w.city.files {
		if f.paper.place == atDesk && f.arrived && f.message != nil && f.withdraw == nil && len(k.papers) < 8 {
			f.paper.place = withClerks
			k.papers = append(k.papers, f.paper)
		}
	}
	w.street.arrive(k)
}

// wish is a technician's, over the daemon's socket: exercise the locks.
func (w *world) wish() {
	if w.process == nil {
		return
	}
	w.process.give(locker.ExerciseAsked{})
	if w.bug == WishDrivesLock {
		for _, d := range w.wall.doors {
			w.process.begin(controller.LockLane, pulseAgain(w.process, locker.CompartmentReleased{Compartment: d.n}))
		}
	}
}

// act implements party.
func (k *pair) act(s locker.Screen) time.Duration {
	pace := k.w.chance.between(time.Second, 6*time.Second)
	if s.Name == k.last {
		k.patience++
	} else {
		k.patience, k.last = 0, s.Name
	}
	if k.patience > 60 || k.quits && k.w.chance.hits(0.03) {
		k.leave()
		return 0
	}
	switch s.Name {
	case "", locker.ScreenStarting:
		if k.patience == 1 {
			k.closes()
		}
		k.signing, k.seen = 0, false
		return 5 * time.Second
	case locker.ScreenClerk:
		k.w.oracle.proves(k.two[k.signing].person)
		k.w.typeIn(s, k.two[k.signing].number)
	case locker.ScreenSecond:
		if k.refused++; k.refused > 5 {
			k.leave() // one of them is blocked
			return 0
		}
		k.signing = 1
		k.w.scan(locker.SourceBadge, k.two[1].cards[0])
	case locker.ScreenRound:
		k.seen = true
		k.menu(s)
	case locker.ScreenKeyOpening:
		k.byKey(s)
	case locker.ScreenUnload, locker.ScreenInspect, locker.ScreenClear:
		k.looks(s)
	case locker.ScreenLay:
		k.lays(s)
	case locker.ScreenTaskDefect:
		k.defect(s)
	case locker.ScreenConfirm:
		k.signing = k.confirmed % 2
		k.w.scan(locker.SourceBadge, k.two[k.signing].cards[0])
		k.confirmed++
	case locker.ScreenRoundDone:
		k.leave()
		return 0
	case locker.ScreenChecking, locker.ScreenPreparing, locker.ScreenTaskOpens:
	default: // somebody else's screen, or nobody's
		if k.refused++; k.seen || k.refused > 50 {
			k.leave() // the round was interrupted
			return 0
		}
		if s.Hint == locker.HintSignIn { // blocked: the colleague first
			k.two[0], k.two[1] = k.two[1], k.two[0]
		}
		k.signing = 0
		k.w.scan(locker.SourceBadge, k.two[0].cards[0])
	}
	return pace
}

func (k *pair) menu(s locker.Screen) {
	k.answered = false
	if k.at != nil { // what was scanned last did not go in
		if s.Hint != "" {
			k.aside = append(k.aside, k.at)
		} else {
			k.papers = append(k.papers, k.at)
		}
		k.at = nil
	}
	switch {
	case !k.w.calm && !k.ordered && slices.Contains(s.Choices, locker.ChoiceInventory) && k.w.oracle.round.id%17 == 16: // as after a burglary
		k.ordered = true
		k.w.choose(s, locker.ChoiceInventory)
	case !k.w.calm && k.keyed == 0 && slices.Contains(s.Choices, locker.ChoiceByKey) && k.emergency():
		k.keyed = 1 + k.w.chance.upTo(3)
		k.w.choose(s, locker.ChoiceByKey)
	case len(s.Round.Tasks) > 0 && k.w.chance.hits(0.9):
		k.w.choose(s, locker.ChoiceNext)
	case len(k.papers) > 0:
		k.at = k.papers[0]
		k.papers = k.papers[1:]
		k.w.scan(locker.SourceBarcode, string(k.at.file.order))
	case len(s.Round.Tasks) > 0:
		k.w.choose(s, locker.ChoiceNext)
	default:
		k.confirmed = 0
		k.w.choose(s, locker.ChoiceFinish)
	}
}

// emergency tells whether they have come for what a lock does not let out: now
// and then, and in the first round of every other new board.
func (k *pair) emergency() bool {
	id := k.w.oracle.round.id
	return id%11 == 10 || id == 1 && k.w.board%2 == 1
}

// byKey opens doors with the mechanical key, takes out what lies there or leaves
// it, and closes them.
func (k *pair) byKey(s locker.Screen) {
	d := k.w.chance
	for _, door := range k.w.wall.doors {
		if door.open {
			if d.hits(0.5) {
				papers := k.w.wall.take(door, withClerks)
				k.w.oracle.robbed(door, papers) // a contact that is stuck tells of no key either
				k.papers = append(k.papers, papers...)
			}
			k.w.wall.set(door, false)
			return
		}
	}
	if k.keyed--; k.keyed < 0 {
		k.w.choose(s, locker.ChoiceBack)
		return
	}
	k.w.wall.force(pick(d, k.w.wall.doors))
}

// looks answers what is asked about an open compartment, and closes it.
func (k *pair) looks(s locker.Screen) {
	d := k.w.wall.door(s.Compartment)
	can := func(c locker.Choice) bool { return slices.Contains(s.Choices, c) }
	if can(locker.ChoiceDoorClosed) && k.answered && !d.open {
		k.w.choose(s, locker.ChoiceDoorClosed)
		return
	}
	if len(s.Choices) == 0 || k.answered && d.open {
		k.w.wall.set(d, false)
		return
	}
	if !d.open { // closed before the answer: they remember what they saw
		k.answer(s, d, false)
		return
	}
	if k.w.chance.hits(0.3) && can(locker.ChoiceNothing) && len(d.inside) == 0 {
		k.w.wall.set(d, false)
		return
	}
	k.answer(s, d, true)
}

func (k *pair) answer(s locker.Screen, d *door, open bool) {
	can := func(c locker.Choice) bool { return slices.Contains(s.Choices, c) }
	take := func() {
		k.papers = append(k.papers, k.w.wall.take(d, withClerks)...)
	}
	k.answered = true
	there := len(d.inside) > 0
	k.w.oracle.looks(d, k.two[0].person, k.two[1].person)
	switch {
	case there && can(locker.ChoicePresent) && (!open || k.w.chance.hits(0.5)):
		k.w.choose(s, locker.ChoicePresent)
	case there && can(locker.ChoiceRemoved) && open:
		take()
		k.w.choose(s, locker.ChoiceRemoved)
	case there && can(locker.ChoiceNotEmpty) && (!open || !k.left[d.n] && k.w.chance.hits(0.5)):
		k.left[d.n] = true
		k.w.choose(s, locker.ChoiceNotEmpty)
	case there && can(locker.ChoiceEmpty) && open:
		take()
		k.w.choose(s, locker.ChoiceEmpty)
	case !there && can(locker.ChoiceNothing):
		k.w.choose(s, locker.ChoiceNothing)
	case !there && can(locker.ChoiceEmpty):
		k.w.choose(s, locker.ChoiceEmpty)
	case can(locker.ChoiceDoorClosed):
		k.w.wall.set(d, false)
		k.w.choose(s, locker.ChoiceDoorClosed)
	default:
		k.answered = false
		k.w.wall.set(d, false)
	}
}

// lays the document in, and closes.
func (k *pair) lays(s locker.Screen) {
	d := k.w.wall.door(s.Compartment)
	can := func(c locker.Choice) bool { return slices.Contains(s.Choices, c) }
	switch {
	case can(locker.ChoiceDoorClosed) && !d.open && k.at == nil:
		k.w.choose(s, locker.ChoiceDoorClosed)
		return
	case k.at != nil && (!d.open || !k.w.calm && k.w.chance.hits(0.03)):
		k.w.choose(s, locker.ChoiceNotLaid)
	case k.at != nil && d.open:
		k.w.wall.put(d, k.at)
		k.at = nil
	}
	k.w.wall.set(d, false)
}

func (k *pair) defect(s locker.Screen) {
	if k.w.wall.door(s.Compartment).open {
		k.w.choose(s, locker.ChoiceByHand)
		return
	}
	k.w.choose(s, locker.ChoiceSkip)
}

// closes all doors that stand open.
func (k *pair) closes() {
	for _, d := range k.w.wall.doors {
		k.w.wall.set(d, false)
	}
}

// leave implements party: what is left over goes back to the desk.
func (k *pair) leave() {
	if k.at != nil {
		k.aside, k.at = append(k.aside, k.at), nil
	}
	k.papers = append(k.papers, k.aside...)
	if k.seen {
		k.closes()
		k.w.oracle.rounded(k.papers)
	}
	for _, p := range k.papers {
		p.place = atDesk
		if p.file.closed || p.file.withdraw != nil {
			p.file.citizen.done = true // collects it at the desk
		}
	}
	k.papers, k.aside = nil, nil
}
