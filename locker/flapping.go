package locker

import (
	"fmt"
	"slices"
	"time"
)

// Flapping. A loose contact, a sensor with a broken wire, a reader on a bad
// plug or a disturbed line changes its level again and again. Recording each
// change would fill the store, wear out its flash memory and hide everything
// else from the people who read the events.
//
// An object is a door's contact, a lock, a sensor or a part. It rises when it
// turns bad: the door opens uncommanded, the sensor trips, the part fails. Each
// object may rise Rules.FlappingAfter times in quick succession, and once in
// each Rules.FlappingRest afterwards. One more rise makes it flapping: one
// event and one alarm tell it, and its changes are counted, not recorded. When
// it has not changed for Rules.FlappingRest, one event tells the count, the
// alarm ends, and its level is followed again.
//
// The bound: one rise with its fall writes at most four events, and so do the
// beginning and the end of flapping together. An object therefore writes at most
//
//	4 * (FlappingAfter + 2 * 24h/FlappingRest)
//
// events a day, whatever its pattern: 408 with the default rules. See
// [Rules.FlappingBound].
//
// What is not suppressed: the first rises of a steady object, such as a burglar's
// doors; a door that was told to open; a tamper sensor's own rule (tamper.go),
// which reads every level; a flapping contact that stays open for
// Rules.DoorAlarm, which wakes somebody.

// ObjectKind says what flaps.
type ObjectKind string

const (
	ObjectContact ObjectKind = "contact" // of a door
	ObjectLock    ObjectKind = "lock"
	ObjectSensor  ObjectKind = "sensor"
	ObjectPart    ObjectKind = "part" // a reader, a scanner, a board with all that hangs on it
)

// Object is one thing outside whose level is told: contact and lock by their
// compartment, sensors and parts by their name.
type Object struct {
	Kind        ObjectKind    `json:"object"`
	Compartment CompartmentID `json:"compartment,omitempty"`
	Name        string        `json:"name,omitempty"`
}

// String names it in alarms.
func (o Object) String() string {
	switch o.Kind {
	case ObjectSensor, ObjectPart:
		return string(o.Kind) + " " + o.Name
	}
	return string(o.Kind)
}

// key tells two objects apart.
func (o Object) key() string { return fmt.Sprintf("%s %d %s", o.Kind, o.Compartment, o.Name) }

// FlappingBound is the largest number of events that one object writes in a
// day, whatever its pattern.
func (r Rules) FlappingBound() int {
	return 4 * (r.FlappingAfter + 2*int((24*time.Hour+time.Duration(r.FlappingRest)-1)/time.Duration(r.FlappingRest)))
}

// allowance is what something may do several times in quick succession, and
// then once in each period.
type allowance struct {
	full time.Duration // uptime from which all of it is there again
}

// take uses up one time, and reports whether there was one.
func (a *allowance) take(now time.Duration, times int, period Duration) bool {
	each := time.Duration(period)
	full := max(a.full, now) + each
	if full-now > time.Duration(times)*each {
		return false
	}
	a.full = full
	return true
}

// level is what a signal said last. A board's contacts are several signals of one object.
type level struct {
	in   Input
	n    CompartmentID // that it belongs to, if it is one of a board
	bad  bool
	rose bool          // at all
	at   time.Duration // uptime of its last rise
}

// steadiness is what the session knows of one object.
type steadiness struct {
	object     Object
	levels     map[string]*level
	rises      allowance
	changed    time.Duration // uptime of the last change
	suppressed int
	openAt     time.Duration // uptime at which a flapping contact has been open for too long; zero: it is closed
}

// doorLevel names the signal of a contact that tells whether the door is open;
// the other one tells whether the contact can be read.
const doorLevel = "level"

// signal is one level of an object. Shared signals are several of one object,
// which fail together: the first rise of each costs nothing.
type signal struct {
	object Object
	name   string
	n      CompartmentID
	bad    bool
	shared bool
}

// steadily hands an input on unless its object flaps.
func (s *step) steadily(in Input) {
	if g, ok := s.signalOf(in); !ok || s.steady(g, in) {
		s.follows(in)
	}
}

// follows is told each level of what is steady, and the last one of what has
// come to rest.
func (s *step) follows(in Input) {
	switch in := in.(type) {
	case DoorMoved:
		s.doorMoved(in)
	case SensorTold:
		s.sensed(in)
	case PartFailed:
		s.failedPart(in)
	case PartHealed:
		s.healedPart(in)
	}
}

// signalOf is whose level an input tells; false for one that is never held back.
func (s *step) signalOf(in Input) (signal, bool) {
	switch in := in.(type) {
	case DoorMoved:
		c := s.ledger.Doors[in.Compartment]
		return signal{object: Object{Kind: ObjectContact, Compartment: in.Compartment}, name: doorLevel, bad: in.Open}, c != nil && !c.Waived
	case SensorTold:
		return signal{object: Object{Kind: ObjectSensor, Name: string(in.Sensor)}, bad: in.Tripped}, in.Sensor.validate() == nil
	case PartFailed:
		return partSignal(in.Part, in.Compartment, in.Board, true), in.Compartment == 0 || s.ledger.Doors[in.Compartment] != nil
	case PartHealed:
		return partSignal(in.Part, in.Compartment, in.Board, false), in.Compartment == 0 || s.ledger.Doors[in.Compartment] != nil
	}
	return signal{}, false
}

// partSignal is a part's. What hangs on a board belongs to the board: a
// disturbed line is one object, not one for each of its contacts.
func partSignal(part string, n CompartmentID, board string, bad bool) signal {
	kind := ObjectContact
	if part == PartLock {
		kind = ObjectLock
	}
	switch {
	case board != "":
		return signal{object: Object{Kind: ObjectPart, Name: clip(board)}, name: fmt.Sprintf("%s %d", kind, n), n: n, bad: bad, shared: true}
	case n == 0:
		return signal{object: Object{Kind: ObjectPart, Name: clip(part)}, name: "part", bad: bad}
	}
	return signal{object: Object{Kind: kind, Compartment: n}, name: "part", bad: bad}
}

// steady notes a level, and reports whether it is to be followed.
func (s *step) steady(g signal, in Input) bool {
	key := g.object.key()
	st := s.session.objects[key]
	if st == nil {
		st = &steadiness{object: g.object, levels: map[string]*level{}}
		s.session.objects[key] = st
	}
	v := st.levels[g.name]
	if v == nil {
		v = &level{n: g.n, bad: s.ledger.known(g)}
		st.levels[g.name] = v
	}
	changed := v.bad != g.bad
	v.in, v.bad = in, g.bad
	if s.ledger.Flapping[key] != nil {
		if changed {
			st.changed = s.now.Uptime
			st.suppressed++
			s.watchOpenContact(st, g)
		}
		return false
	}
	if !changed || !g.bad || s.commanded(in) {
		return true
	}
	again := v.rose && s.now.Uptime-v.at < time.Duration(s.rules().FlappingRest)
	v.rose, v.at = true, s.now.Uptime
	if g.shared && !again || st.rises.take(s.now.Uptime, s.rules().FlappingAfter, s.rules().FlappingRest) {
		return true
	}
	st.changed, st.suppressed = s.now.Uptime, 1
	s.watchOpenContact(st, g)
	s.emit(FlappingStarted{Object: g.object, Compartments: st.compartments()})
	s.raiseFor(g.object)
	return false
}

// compartments are those of a board, as far as they failed.
func (st *steadiness) compartments() []CompartmentID {
	var list []CompartmentID
	for _, name := range sorted(st.levels) {
		if n := st.levels[name].n; n != 0 && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// known is the level that the ledger has of a signal.
func (l *ledger) known(g signal) bool {
	switch {
	case g.object.Kind == ObjectContact && g.name == doorLevel:
		c := l.Doors[g.object.Compartment]
		return c != nil && c.Open
	case g.object.Kind == ObjectSensor:
		return l.Tripped[Sensor(g.object.Name)]
	}
	return false
}

// commanded tells a door that was told to open: two clerks or a proved pickup
// stand behind it, and bound it.
func (s *step) commanded(in Input) bool {
	moved, ok := in.(DoorMoved)
	if !ok {
		return false
	}
	c := s.ledger.Doors[moved.Compartment]
	return c != nil && c.Release != nil && (!c.Release.Opened || c.byWord())
}

// watchOpenContact sets the time at which a flapping contact has been open for
// so long that a person should look.
func (s *step) watchOpenContact(st *steadiness, g signal) {
	switch {
	case g.object.Kind != ObjectContact || g.name != doorLevel:
	case g.bad:
		st.openAt = s.in(s.rules().DoorAlarm)
	default:
		st.openAt = 0
	}
}

// raiseFor raises the alarm of a flapping object; several objects of one place
// have one each.
func (s *step) raiseFor(o Object) {
	if s.ledger.alarmFor(o) == nil {
		s.emit(AlarmRaised{Alarm: s.ledger.Alarm + 1, Class: Morning, Kind: AlarmFlapping, Compartment: o.Compartment, Detail: clip(o.String())})
	}
}

func (l *ledger) alarmFor(o Object) *AlarmRaised {
	for _, id := range sorted(l.Alarms) {
		if a := l.Alarms[id]; a.Kind == AlarmFlapping && a.Compartment == o.Compartment && a.Detail == clip(o.String()) {
			return a
		}
	}
	return nil
}

// resumeFlapping goes on after a restart with what flapped before it: an object
// has to rest from now on.
func (s *step) resumeFlapping() {
	for _, key := range sorted(s.ledger.Flapping) {
		s.session.objects[key] = &steadiness{object: s.ledger.Flapping[key].Object, levels: map[string]*level{}, changed: s.now.Uptime}
	}
}

// lapseFlapping ends the flapping of objects that have rested, and wakes
// somebody for a contact that no longer flaps but stays open.
func (s *step) lapseFlapping() {
	for _, key := range sorted(s.ledger.Flapping) {
		st := s.session.objects[key]
		if st.openAt > 0 && s.now.Uptime >= st.openAt {
			st.openAt = 0
			if c := s.ledger.door(st.object.Compartment); c.Release == nil && !s.ledger.byKey() {
				s.raise(Wake, AlarmForced, c.Number, c.Deposit, "its contact flapped and now stays open")
			}
		}
		if s.now.Uptime >= st.changed+time.Duration(s.rules().FlappingRest) {
			s.endFlapping(st)
		}
	}
}

func (s *step) endFlapping(st *steadiness) {
	s.emit(FlappingEnded{Object: st.object, Suppressed: st.suppressed})
	if a := s.ledger.alarmFor(st.object); a != nil {
		s.emit(AlarmCleared{Alarm: a.Alarm})
	}
	st.suppressed, st.openAt = 0, 0
	for _, name := range sorted(st.levels) {
		if v := st.levels[name]; v.in != nil {
			s.follows(v.in)
		}
	}
}

// nextRest is the uptime at which lapseFlapping has something to do; zero for never.
func (t *Terminal) nextRest() time.Duration {
	var next time.Duration
	sooner := func(d time.Duration) {
		if d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	for key := range t.ledger.Flapping {
		st := t.session.objects[key]
		sooner(st.changed + time.Duration(t.ledger.Config.Rules.FlappingRest))
		sooner(st.openAt)
	}
	return next
}

// flaps tells whether a compartment's contact or lock flaps.
func (l *ledger) flaps(kind ObjectKind, n CompartmentID) bool {
	return len(l.Flapping) > 0 && l.Flapping[Object{Kind: kind, Compartment: n}.key()] != nil
}

// doubtful tells whether a compartment is not to be loaded, because its contact,
// its lock or their board flaps. A document that lies there stays collectable.
func (l *ledger) doubtful(n CompartmentID) bool {
	for _, f := range l.Flapping {
		if f.Compartment == n || slices.Contains(f.Compartments, n) {
			return true
		}
	}
	return false
}

// defect tells whether a fault keeps citizens from a compartment. A contact's does
// not, because it locks nothing: people say when the door is closed. Nor does the
// fault of a lock that flaps: it is driven, and may open.
func (l *ledger) defect(c *compartment) bool {
	return c.Fault == FaultNotOpened || c.Fault == FaultLock && !l.doubtful(c.Number)
}

// flappingObjects lists what flaps now, by key.
func (l *ledger) flappingObjects() []Object {
	var list []Object
	for _, key := range sorted(l.Flapping) {
		list = append(list, l.Flapping[key].Object)
	}
	return list
}

func (l *ledger) foldFlapping(fact Fact) error {
	switch f := fact.(type) {
	case FlappingStarted:
		l.Flapping[f.key()] = &f
	case FlappingEnded:
		delete(l.Flapping, f.key())
	}
	return nil
}

// outranks tells whether a fault takes another's place: the graver one stands,
// so that two that fail in turn are not told in turn.
func (f Fault) outranks(other Fault) bool {
	rank := []Fault{"", FaultContact, FaultNotOpened, FaultLock}
	return slices.Index(rank, f) > slices.Index(rank, other)
}
