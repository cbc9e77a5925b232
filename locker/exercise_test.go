package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// exerciseTasks are the compartments that the round offers to exercise.
func (s *site) exerciseTasks() (list []locker.CompartmentID) {
	for _, task := range s.wantScreen(locker.ScreenRound).Round.Tasks {
		if task.Kind == locker.TaskExercise {
			list = append(list, task.Compartment)
		}
	}
	return list
}

func TestAskingForAnExerciseMovesNothing(t *testing.T) {
	s := newSite(t)
	s.give(locker.ExerciseAsked{})
	if len(s.pulses) != 0 || len(has[locker.CompartmentReleased](s)) != 0 {
		t.Fatal("a wish drove a lock")
	}
	s.wantScreen(locker.ScreenWelcome)
	if got := s.term.Status().Exercise; len(got) != 6 {
		t.Errorf("asked for %v", got)
	}
	s.signIn("c1") // one clerk alone
	s.wantScreen(locker.ScreenSecond)
	if len(s.pulses) != 0 {
		t.Fatal("one clerk drove a lock")
	}
	s.boot()
	if got := s.term.Status().Exercise; len(got) != 0 {
		t.Errorf("a restart remembers %v", got)
	}
}

func TestTwoClerksExerciseTheLocksOfEmptyCompartmentsAlone(t *testing.T) {
	s, n, _ := loaded(t)
	s.give(locker.ExerciseAsked{})
	s.signIn("c1", "c2")
	tasks := s.exerciseTasks()
	if len(tasks) != 5 || slices.Contains(tasks, n) {
		t.Fatalf("a document lies in %d, and the round offers to exercise %v", n, tasks)
	}
	s.choose(locker.ChoiceNext)
	at := s.wantScreen(locker.ScreenClear).Compartment
	r := has[locker.CompartmentReleased](s)
	if last := r[len(r)-1]; last.Purpose != locker.ForExercise || last.Compartment != at || last.Round == 0 || last.Generation != 0 {
		t.Errorf("released %+v", last)
	}
	count[locker.LockExercised](s, 1)
	s.choose(locker.ChoiceEmpty)
	s.door(at, false)
	if got := s.exerciseTasks(); len(got) != 4 || slices.Contains(got, at) {
		t.Errorf("after one: %v", got)
	}
	if got := s.term.Screen().Round.Exercised; len(got) != 1 || got[0].Compartment != at || got[0].Bounces != 3 || got[0].Opened != locker.Duration(210*time.Millisecond) {
		t.Errorf("shown: %+v", got)
	}
	if got := s.at(at).Use; got != "empty" {
		t.Errorf("seen empty again, and it is %s", got)
	}
}

func TestAnExerciseThatIsBrokenOffLeavesACompartmentThatNobodySawEmpty(t *testing.T) {
	s, _, _ := loaded(t)
	s.give(locker.ExerciseAsked{Compartments: []locker.CompartmentID{6}})
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.door(6, false)
	s.boot()
	if got := s.at(6).Use; got == "empty" {
		t.Errorf("used since two clerks saw it, and it is %s", got)
	}
}

func TestADoorThatDoesNotFollowAnExerciseIsOutOfService(t *testing.T) {
	s, _, _ := loaded(t)
	s.jammed[6] = true
	s.give(locker.ExerciseAsked{Compartments: []locker.CompartmentID{6, 99}})
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	s.pass(time.Minute)
	count[locker.LockExercised](s, 2) // both pulses
	s.wantScreen(locker.ScreenTaskDefect)
	if got := s.at(6).Fault; got != locker.FaultNotOpened {
		t.Errorf("fault %q", got)
	}
}
