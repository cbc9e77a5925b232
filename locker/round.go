package locker

import (
	"slices"
)

// round is the volatile part of two clerks' session; who they are and what
// they have laid is in the ledger.
type round struct {
	id         RoundID
	stage      roundStage
	task       Task
	generation Generation
	answer     Choice // given before the door was closed
	incident   string // of the matter that the task looks into
	skipped    map[CompartmentID]bool
	confirmed  []Person
	exercised  []LockExercised // of this round
	measuring  PulseID         // whose measurement has not come
	check      uint64
	card       string       // whose holder is looked for
	told       []WrongTries // to the two, until they begin
}

type roundStage int

const (
	menu roundStage = iota + 1
	preparing
	taskOpening
	taskOpen
	taskShut // the door is closed, the question is not answered
	taskDefect
	confirming
	roundDone
	keyOpening
)

// tasks is what the round should do besides loading, in the order in which it does it.
func (t *Terminal) tasks() []Task {
	l := t.ledger
	var unload, inspect, clear []Task
	for _, n := range sorted(l.Doors) {
		if !l.built(n) || t.session.round.skipped[n] {
			continue
		}
		c := l.Doors[n]
		task := Task{Compartment: n}
		d := l.Deposits[c.Deposit]
		if d != nil {
			task.Order = d.Order
		}
		switch {
		case l.listed(n):
			task.Kind, task.Order = TaskInspect, l.Inventory[n]
			inspect = append(inspect, task)
		case d != nil && l.due(d):
			task.Kind = TaskUnload
			unload = append(unload, task)
		case d != nil && (d.State == depositDoubted || d.State == depositDisputed || d.State == depositUnconfirmed), c.Use == useDoubt,
			d != nil && d.State == depositLaid && (l.Open == nil || !slices.Contains(l.Open.Laid, d.Generation)),
			d != nil && c.Fault != "":
			task.Kind = TaskInspect
			inspect = append(inspect, task)
		case d == nil && (c.Use == useVacated || c.Fault != ""):
			task.Kind = TaskClear
			clear = append(clear, task)
		}
	}
	exercise := t.exercises()
	clear = slices.DeleteFunc(clear, func(c Task) bool { // which is cleared by it
		return slices.ContainsFunc(exercise, func(e Task) bool { return e.Compartment == c.Compartment })
	})
	return slices.Concat(unload, inspect, clear, exercise)
}

func (s *step) chosenInRound(c Choice) {
	r := &s.session.round
	s.session.hint, r.told = "", nil
	s.wait(s.rules().RoundIdle)
	switch r.stage {
	case menu:
		switch c {
		case ChoiceNext:
			if tasks := s.tasks(); len(tasks) > 0 {
				s.startTask(tasks[0])
			}
		case ChoiceFinish:
			r.stage, r.confirmed = confirming, nil
		case ChoiceInventory:
			s.orderInventory()
		case ChoiceByKey:
			s.announceKey()
		}
	case keyOpening:
		s.emit(KeyOpeningEnded{Round: r.id})
		r.stage = menu
	case confirming:
		if s.session.signin.stage != 0 {
			s.confirmAgain("")
			return
		}
		r.stage = menu
	case roundDone:
		s.show(idle)
	case taskOpen, taskShut:
		if c == ChoiceDoorClosed {
			s.clerksSaidClosed(s.ledger.door(r.task.Compartment))
			return
		}
		r.answer = c
		if r.stage == taskShut {
			s.finishTask()
		}
	case taskDefect:
		if c == ChoiceByHand {
			s.emit(SensorWaived{Compartment: r.task.Compartment, Round: r.id})
			s.startTask(r.task)
			return
		}
		r.skipped[r.task.Compartment] = true
		s.backToMenu("")
	}
}

func (s *step) backToMenu(h Hint) {
	r := &s.session.round
	r.stage, r.task, r.generation, r.answer, r.incident = menu, Task{}, 0, "", ""
	s.session.hint, s.session.answers = h, 0
	s.wait(s.rules().RoundIdle)
}

func (s *step) startTask(t Task) {
	r := &s.session.round
	c := s.ledger.door(t.Compartment)
	r.stage, r.task, r.generation, r.answer = taskOpening, t, c.Deposit, ""
	r.incident = s.ledger.incidentAt(t.Compartment)
	purpose := map[TaskKind]Purpose{TaskUnload: ForUnload, TaskInspect: ForInspect, TaskClear: ForClear, TaskLoad: ForLoading, TaskExercise: ForExercise}[t.Kind]
	s.release(t.Compartment, purpose, c.Deposit)
}

// clerksSaidClosed takes the word of two clerks that a door is closed whose
// contact cannot tell. A contact that says "open" is not asked any more until it
// works again. If they have not answered what they saw, the lock may not have
// opened the door: it is driven once more.
func (s *step) clerksSaidClosed(c *compartment) {
	stuck := c.Open && !c.Waived
	if stuck {
		s.contactStuck(c)
		s.emit(SensorWaived{Compartment: c.Number, Round: s.session.round.id})
	}
	if r := &s.session.round; stuck && r.answer == "" && r.task.Kind != TaskLoad {
		delete(s.session.doors, c.Number)
		s.emit(CompartmentClosed{Compartment: c.Number, Assumed: true})
		s.startTask(r.task)
		return
	}
	s.saidClosed(c)
}

func (s *step) taskOpened() {
	s.session.round.stage = taskOpen
	s.wait(s.rules().RoundIdle)
}

// taskClosed ends a task whose question is answered. Closing the door is the
// answer to laying a document in.
func (s *step) taskClosed() {
	r := &s.session.round
	if r.stage != taskOpen {
		return
	}
	s.clear(AlarmLeftOpen, r.task.Compartment) // two clerks stood there all the time
	s.wait(s.rules().RoundIdle)
	if r.answer == "" && r.task.Kind != TaskLoad {
		r.stage = taskShut
		return
	}
	s.finishTask()
}

// taskFaulted follows a door of the task that did not open, or sprang open.
func (s *step) taskFaulted() {
	r := &s.session.round
	s.wait(s.rules().RoundIdle)
	if r.task.Kind != TaskLoad {
		r.stage = taskDefect
		return
	}
	if d := s.ledger.Deposits[r.generation]; d != nil && d.State == depositLaying {
		s.emit(DepositAbandoned{Generation: r.generation, Reason: "the compartment did not open"})
	}
	s.backToMenu(HintNotPrepared)
}

func (s *step) finishTask() {
	r := s.session.round
	n := r.task.Compartment
	d := s.ledger.Deposits[r.generation]
	switch r.task.Kind {
	case TaskLoad:
		if r.answer == ChoiceNotLaid {
			s.emit(DepositAbandoned{Generation: r.generation, Reason: "not laid in"})
		} else if d != nil && d.State == depositLaying {
			s.emit(DocumentLaid{Generation: r.generation, Round: r.id})
		}
	case TaskUnload, TaskInspect:
		s.finishLooking(d, r.answer)
		s.inspected(n, r.answer)
	case TaskClear, TaskExercise:
		s.seen(n, r.answer == ChoiceEmpty)
	}
	if s.ledger.door(n).Fault != "" {
		s.session.round.skipped[n] = true // seen, and not mended by it: once a round is enough
	}
	s.backToMenu("")
}

// seen records what two clerks saw of a compartment without a deposit.
func (s *step) seen(n CompartmentID, empty bool) {
	if !empty {
		s.emit(CompartmentQuarantined{Compartment: n, Reason: "two clerks found something in it"})
		s.session.round.skipped[n] = true
		return
	}
	s.emit(CompartmentCleared{Compartment: n, Round: s.session.round.id})
	s.clearInside(n)
}

// finishLooking records what two clerks found where a document was, or may have been.
func (s *step) finishLooking(d *deposit, found Choice) {
	r := s.session.round
	n := r.task.Compartment
	if d == nil {
		s.seen(n, found != ChoiceNotEmpty)
		return
	}
	unfinished, laid, unanswered := d.Loaded.IsZero(), d.Laid || d.State == depositUnloading, !d.Unconfirmed.IsZero()
	switch {
	case found == ChoicePresent && unfinished:
		s.emit(DocumentLaid{Generation: d.Generation, Round: r.id})
		s.clearInside(n)
		return
	case found == ChoicePresent:
		s.emit(DocumentLaid{Generation: d.Generation, Round: r.id})
		s.emit(DepositLoaded{Generation: d.Generation, Round: r.id})
		s.clear(AlarmUnconfirmed, n)
		return
	case found == ChoiceRemoved && unfinished:
		s.emit(DepositAbandoned{Generation: d.Generation, Reason: "taken back by the clerks"})
	case found == ChoiceRemoved:
		s.emit(DocumentUnloaded{Generation: d.Generation, Round: r.id})
	case unanswered: // whom nobody heard has it
		s.emit(DocumentTaken{Generation: d.Generation, Round: r.id})
	case unfinished && !laid:
		s.emit(DepositAbandoned{Generation: d.Generation, Reason: "never laid in"})
	default:
		s.emit(DocumentMissing{Generation: d.Generation, Round: r.id})
	}
	s.emit(CompartmentCleared{Compartment: n, Round: r.id})
	s.clearInside(n)
	if found == ChoiceNothing && !unanswered && (!unfinished || laid) {
		s.raise(Wake, AlarmMissing, n, d.Generation, "two clerks found nothing where a document should lie")
	}
}

// slip takes the barcode of the desk's slip: the order's id.
func (s *step) slip(text string) {
	r := &s.session.round
	if s.session.mode != rounding {
		return
	}
	switch r.stage {
	case menu:
	case taskOpen:
		s.session.hint = HintDoorFirst
		return
	case taskShut, taskDefect, confirming:
		s.session.hint = HintAnswerFirst
		return
	default: // a moment later the next slip is welcome
		return
	}
	s.wait(s.rules().RoundIdle)
	o := s.ledger.Orders[OrderID(text)]
	switch {
	case o == nil || o.State == orderEnded:
		s.session.hint = HintUnknownSlip
		return
	case o.State != orderOpen:
		s.session.hint = HintLoaded
		return
	case o.Training != s.ledger.Config.Training:
		s.session.hint = HintTraining
		return
	case s.ledger.misplaced(o.OrderTerms) != "":
		s.session.hint = HintKind
		return
	}
	if s.session.full { // nothing is begun that could not be ended
		s.session.hint = HintStoreFull
		return
	}
	n, hint := s.ledger.allocate(o)
	if hint != "" {
		s.session.hint = hint
		return
	}
	g := s.ledger.Generation + 1
	s.emit(DepositReserved{Generation: g, Order: o.Order, Compartment: n, Round: r.id})
	s.do(PrepareDeposit{Generation: g, Order: o.Order, At: s.at})
	r.stage, r.generation, r.told = preparing, g, nil
	r.task = Task{Kind: TaskLoad, Compartment: n, Order: o.Order}
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
}

// depositReady goes on once slot, record and letter are durable.
func (s *step) depositReady(in DepositReady) {
	d := s.ledger.Deposits[in.Generation]
	if d == nil || d.State != depositReserved {
		return
	}
	r := &s.session.round
	waits := s.session.mode == rounding && r.stage == preparing && r.generation == in.Generation
	if in.Err != "" {
		s.failed("deposit", in.Err)
		s.emit(DepositAbandoned{Generation: in.Generation, Reason: clip("not prepared: " + in.Err)})
		if waits {
			s.backToMenu(HintNotPrepared)
		}
		return
	}
	s.emit(DepositPrepared{Generation: in.Generation, Hash: in.Hash, Slot: clip(in.Slot)})
	switch {
	case d.Replaces != 0:
		s.reissued(d)
	case waits && d.Revoked:
		s.emit(DepositAbandoned{Generation: in.Generation, Reason: "withdrawn"})
		s.backToMenu(HintUnknownSlip)
	case waits:
		s.session.answers = 0
		s.startTask(r.task)
	default:
		s.emit(DepositAbandoned{Generation: in.Generation, Reason: "the round had ended"})
	}
}

// reissued lets the new code take the old one's place, unless the old one is
// being used at this moment.
func (s *step) reissued(d *deposit) {
	old := s.ledger.Deposits[d.Replaces]
	visited := s.session.mode == visiting && s.session.visit.generation == d.Replaces
	if old == nil || old.State != depositLoaded || old.Revoked || visited {
		s.emit(DepositAbandoned{Generation: d.Generation, Reason: "the deposit was in use, or had ended"})
		return
	}
	s.emit(DepositReissued{Generation: d.Generation, Replaces: d.Replaces})
	s.clear(AlarmNotPosted, d.Compartment)
	s.clear(AlarmExhausted, d.Compartment)
}

// dismissed ends a round when a new roster takes one of its clerks out.
func (s *step) dismissed() {
	open := s.ledger.Open
	if open != nil && s.session.mode == rounding && slices.ContainsFunc(open.Clerks[:], s.mayNotConfirm) {
		s.breakOff("the roster has one of the clerks no more")
	}
}

// mayNotConfirm tells a clerk whom a new roster has taken out meanwhile.
func (s *step) mayNotConfirm(p Person) bool {
	m := s.ledger.Members[p]
	return m == nil || m.Role != Clerk || !m.Leaves.IsZero() && !s.certain().Before(m.Leaves)
}

// interrupt ends a round without both confirmations. What was laid stays
// unconfirmed; what was half done is in doubt.
func (s *step) interrupt(reason string) {
	open := s.ledger.Open
	s.emit(RoundInterrupted{Round: open.Round, Reason: reason})
	for _, g := range open.Laid {
		if d := s.ledger.Deposits[g]; d != nil && d.State == depositLaid {
			s.raise(Morning, AlarmRoundBroken, d.Compartment, g, "laid, not confirmed")
		}
	}
}

// roundTimedOut interrupts a round that nobody goes on with.
func (s *step) roundTimedOut() {
	if s.session.round.stage == roundDone {
		s.show(idle)
		return
	}
	s.breakOff("nobody went on")
}

// breakOff ends a round in its middle: whatever is half done is in doubt.
func (s *step) breakOff(reason string) {
	s.interrupt(reason)
	for _, g := range sorted(s.ledger.Deposits) {
		d := s.ledger.Deposits[g]
		switch {
		case d.unfinished():
			s.doubt(s.ledger.door(d.Compartment), "the round was not finished")
		case (d.State == depositReserved || d.State == depositPrepared) && d.Replaces == 0:
			s.emit(DepositAbandoned{Generation: g, Reason: "the round was not finished"})
		}
	}
	s.show(idle)
}

// roundUnanswered gives up on the vault.
func (s *step) roundUnanswered() {
	r := s.session.round
	if s.confirming() && s.session.signin.stage != 0 {
		s.emit(ClerkRefused{Person: s.session.signin.person, Reason: RefusedBroken})
		s.confirmAgain(HintSignIn)
		s.wait(s.rules().RoundIdle)
		return
	}
	if r.stage != preparing {
		return
	}
	if d := s.ledger.Deposits[r.generation]; d != nil && d.State == depositReserved {
		s.emit(DepositAbandoned{Generation: r.generation, Reason: "the vault did not answer"})
	}
	s.backToMenu(HintNotPrepared)
}

// allocate chooses the smallest compartment that fits. Reach is a hard
// constraint for those who need it; low compartments are kept for them and
// taken by others last.
func (l *ledger) allocate(o *order) (CompartmentID, Hint) {
	var best CompartmentSpec
	fits := false
	for _, spec := range l.Config.Compartments {
		c := l.door(spec.Number)
		if spec.Size < o.Size || c.Use != useEmpty || c.Fault != "" || c.Disabled || c.Open || c.Deposit != 0 || c.Release != nil || l.listed(spec.Number) || l.doubtful(spec.Number) {
			continue
		}
		if o.LowReach && !spec.LowReach {
			fits = true
			continue
		}
		if best.Number == 0 || closer(spec, best, o.LowReach) {
			best = spec
		}
	}
	switch {
	case best.Number != 0:
		return best.Number, ""
	case fits:
		return 0, HintNoFit
	}
	return 0, HintNoSpace
}

// closer tells whether a suits better than b.
func closer(a, b CompartmentSpec, low bool) bool {
	if !low && a.LowReach != b.LowReach {
		return b.LowReach
	}
	if a.Size != b.Size {
		return a.Size < b.Size
	}
	return a.Number < b.Number
}
