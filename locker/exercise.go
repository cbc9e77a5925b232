package locker

import "slices"

// Exercise. A technician asks for it, through the daemon's own socket; it
// happens in the next round, as tasks of two clerks who have signed in, and
// nowhere else. It energises the lock of a compartment that is empty or vacated,
// never of another, and measures how the door follows. Asking authorises
// nothing: the release that each pulse wants names the round.

// Measurement is how a lock and its door moved at one pulse, as finely as the
// contact can be read.
type Measurement struct {
	Pulse   Duration // from the order until the coil was seen off
	Opened  Duration // until the contact first told that the door is open; zero: it never did
	Settled Duration // until the contact's last change
	Bounces int      // changes of the contact after the first
}

// exercisable tells whether the lock of a compartment may be energised for the
// sake of measuring it.
func (l *ledger) exercisable(n CompartmentID) bool {
	c := l.Doors[n]
	return c != nil && l.built(n) && c.Deposit == 0 && (c.Use == useEmpty || c.Use == useVacated) &&
		c.Fault == "" && !c.Waived && !c.Disabled && (c.Release == nil || c.Release.Opened) && !l.listed(n) && !l.doubtful(n)
}

// exerciseAsked remembers what a technician asks for, until a round has done it
// or the terminal starts anew.
func (s *step) exerciseAsked(in ExerciseAsked) {
	asked := in.Compartments
	if len(asked) == 0 {
		asked = sorted(s.ledger.Doors)
	}
	s.session.exercise = map[CompartmentID]bool{}
	for _, n := range asked {
		if s.ledger.built(n) {
			s.session.exercise[n] = true
		}
	}
}

// exercises are the tasks that are left of it.
func (t *Terminal) exercises() []Task {
	var tasks []Task
	for _, n := range sorted(t.session.exercise) {
		if !t.session.round.skipped[n] && t.ledger.exercisable(n) {
			tasks = append(tasks, Task{Kind: TaskExercise, Compartment: n})
		}
	}
	return tasks
}

// Exercise are the compartments whose exercise is asked for.
func (t *Terminal) exercise() []CompartmentID { return sorted(t.session.exercise) }

// measured records what a pulse of an exercise showed, also of a door that did
// not follow.
func (s *step) measured(in LockPulsed) {
	if s.ledger.Open == nil || s.session.mode != rounding || in.Pulse == 0 || in.Pulse != s.session.round.measuring {
		return
	}
	s.session.round.measuring = 0
	f := LockExercised{
		Compartment: in.Compartment, Round: s.ledger.Open.Round, Pulse: in.Pulse, Coil: in.Measured.Pulse,
		Opened: in.Measured.Opened, Settled: in.Measured.Settled, Bounces: in.Measured.Bounces, Err: clip(in.Err),
	}
	s.emit(f)
	s.session.round.exercised = append(s.session.round.exercised, f)
	delete(s.session.exercise, in.Compartment)
}

// shownExercises is how many results fit on a screen.
const shownExercises = 6

// results are the last ones of this round, the newest first.
func (r round) results() []LockExercised {
	list := slices.Clone(r.exercised[max(0, len(r.exercised)-shownExercises):])
	slices.Reverse(list)
	return list
}
