package firmwaresim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// ownBooks is a simulator whose driver may leave a coil on: the test says so.
func ownBooks(t *testing.T) *firmwaresim.Simulator {
	t.Helper()
	t.Parallel()
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: t.Name(), Compartments: 8, PerBoard: 4, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestACoilThatIsAcknowledgedOffAndStaysOnIsFound(t *testing.T) {
	s := ownBooks(t)
	line := street(t, s)
	bad, good := lockOf(t, s, line, 1), lockOf(t, s, line, 5)
	s.Boards.Trouble(1, firmwaresim.Clings)
	if err := bad.Pulse(t.Context()); !errors.Is(err, supply.ErrStuck) || !errors.Is(err, modbus.ErrHeld) {
		t.Errorf("got %v", err)
	}
	if err := good.Pulse(t.Context()); !errors.Is(err, supply.ErrStuck) {
		t.Errorf("the other lock: %v", err)
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	if err := good.Pulse(t.Context()); err != nil {
		t.Errorf("after mending: %v", err)
	}
	if d, _ := s.Wall.Door(1); d.Coil {
		t.Error("the coil is still on")
	}
}

// guarded is a line whose guard tells.
func guarded(t *testing.T, line *modbus.Line) (held chan error, boards chan error) {
	t.Helper()
	held, boards = make(chan error, 100), make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = line.Guard(t.Context(), modbus.Guard{ // its error is the context's
			Held:  func(k *modbus.Lock, err error) { held <- err },
			Board: func(_ uint8, err error) { boards <- err },
		})
	}()
	t.Cleanup(func() { <-done })
	return held, boards
}

// within waits for what a guard tells.
func within(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
		return nil
	}
}

func TestACoilThatNobodySwitchedOnIsSwitchedOffAndTold(t *testing.T) {
	s := ownBooks(t)
	line := street(t, s)
	lockOf(t, s, line, 5)
	held, boards := guarded(t, line)
	if err := s.Boards.Energise(5, true); err != nil {
		t.Fatal(err)
	}
	if err := within(t, held); !errors.Is(err, modbus.ErrHeld) || !strings.Contains(err.Error(), "board 2: coil 0") || strings.Contains(err.Error(), "switching it off") {
		t.Errorf("told %v", err)
	}
	if d, _ := s.Wall.Door(5); d.Coil {
		t.Error("the coil is still on")
	}
	s.Boards.Trouble(2, firmwaresim.Clings)
	time.Sleep(modbus.GuardPeriod + modbus.GuardPeriod/2) // it has been seen off
	if err := s.Boards.Energise(5, true); err != nil {
		t.Fatal(err)
	}
	if err := within(t, held); err == nil || !strings.Contains(err.Error(), "switching it off") {
		t.Errorf("a board that keeps it on: %v", err)
	}
	if len(boards) > 0 {
		t.Errorf("boards: %v", <-boards)
	}
}

func TestAPulseIsNoCoilThatNobodySwitchedOn(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	lock := lockOf(t, s, line, 1)
	lockOf(t, s, line, 5)
	held, _ := guarded(t, line)
	for range 8 {
		if err := lock.Pulse(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(held) > 0 {
		t.Errorf("told %v", <-held)
	}
}

func TestARelayBoardWithoutPowerIsToldBeforeItIsNeeded(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	lockOf(t, s, line, 1)
	_, boards := guarded(t, line)
	s.Boards.Trouble(1, firmwaresim.Silent)
	if err := within(t, boards); err == nil || !strings.Contains(err.Error(), "board 1") {
		t.Errorf("told %v", err)
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	if err := within(t, boards); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestABoardThatCannotTellItsCoilsIsWorkedWithout(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s)
	s.Boards.Trouble(1, firmwaresim.Blind)
	lock := lockOf(t, s, line, 1)
	if err := lock.Pulse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, _ := s.Wall.Door(1); d.Pulses != 1 || d.Coil {
		t.Errorf("door %+v", d)
	}
}

// A board that switches and is silent when it is asked for its coils is found out
// once, and delays no lock after that.
func TestABoardThatIsSilentAboutItsCoilsIsWorkedWithout(t *testing.T) {
	s := newSimulator(t, 8)
	line := street(t, s)
	s.Boards.Trouble(1, firmwaresim.SilentToCoils)
	first, second := lockOf(t, s, line, 1), lockOf(t, s, line, 2)
	other := lockOf(t, s, line, 5)
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if blind := line.Blind(); len(blind) != 1 || blind[0] != 1 {
		t.Errorf("blind boards %v", blind)
	}
	for _, lock := range []*modbus.Lock{first, second, other} {
		asked := s.Boards.Requests()
		if err := lock.Pulse(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 2 // on and off; nothing that the board does not answer
		if lock == other {
			want = 3 // and read back
		}
		if n := s.Boards.Requests() - asked; n != want {
			t.Errorf("%s: %d requests, want %d", lock.Name(), n, want)
		}
	}
	for _, n := range []int{1, 2, 5} {
		if d, _ := s.Wall.Door(n); d.Pulses != 1 || d.Coil {
			t.Errorf("door %+v", d)
		}
	}
}

func TestABoardThatToldItsCoilsOnceIsNotTakenForASilentOne(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s)
	lock := lockOf(t, s, line, 1)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	s.Boards.Trouble(1, firmwaresim.SilentToCoils)
	if err := lock.Release(); err == nil {
		t.Error("a board that fell silent was taken for one that never tells")
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	if err := lock.Release(); err != nil || len(line.Blind()) > 0 {
		t.Errorf("mended: %v, blind %v", err, line.Blind())
	}
}

func TestOneLostOrDamagedAnswerOfABoardIsNoFault(t *testing.T) {
	for name, trouble := range map[string]firmwaresim.Trouble{"lost": firmwaresim.Silent, "damaged": firmwaresim.Garbled, "of a stranger": firmwaresim.Stranger} {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, 4)
			line := street(t, s)
			light, err := line.Output(1, 4)
			if err != nil {
				t.Fatal(err)
			}
			s.Boards.TroubleOnce(1, trouble)
			if err := light.Switch(true); err != nil {
				t.Errorf("a light: %v", err)
			}
			changes := watch(t, contactOf(t, s, line, 1))
			expect(t, changes, false)
			s.Boards.TroubleOnce(1, trouble)
			do(t, s, 1, firmwaresim.Force)
			expect(t, changes, true) // and no failure before it
		})
	}
}

// The answer to one question comes when the next has been asked. It has the
// right board, function and length; only that the question was another tells.
func TestALateAnswerIsNeverTakenForTheNext(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s) // 100 ms, and then 50 ms of quiet
	contact := contactOf(t, s, line, 1)
	if open, err := contact.Open(); err != nil || open {
		t.Fatal(open, err)
	}
	s.Boards.SetLateness(220 * time.Millisecond) // into the next question's time
	s.Boards.Trouble(1, firmwaresim.Late)
	for i := range 6 {
		do(t, s, 1, firmwaresim.Force)
		time.Sleep(25 * time.Millisecond) // the last reading is too old
		if open, err := contact.Open(); err == nil && !open {
			t.Errorf("question %d: told closed of an open door", i)
		}
		do(t, s, 1, firmwaresim.Close)
		time.Sleep(25 * time.Millisecond)
		if open, err := contact.Open(); err == nil && open {
			t.Errorf("question %d: told open of a closed door", i)
		}
	}
	s.Boards.Trouble(1, firmwaresim.NoTrouble)
	deadline := time.Now().Add(20 * time.Second)
	for {
		open, err := contact.Open()
		if err == nil && !open {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in time again, and still %v, %v", open, err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

func TestALightDoesNotHangOnALocksCoil(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s)
	lockOf(t, s, line, 1)
	if _, err := line.Output(1, 0); err == nil || !strings.Contains(err.Error(), "a lock hangs on this coil") {
		t.Errorf("an output on a lock's coil: %v", err)
	}
	if _, err := line.Output(1, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := line.Lock(modbus.LockConfig{Board: 1, Coil: 3}); err == nil {
		t.Error("a lock on a light's coil")
	}
}
