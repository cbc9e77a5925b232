package firmwaresim_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// The environment of a child process that energises a lock and is killed.
const (
	childLine  = "NACHTFACH_PULSE_LINE"
	childTimed = "NACHTFACH_PULSE_TIMED"
	childCoil  = "NACHTFACH_PULSE_COIL"
)

// TestChildThatPulses is no test: it is the process that the others kill.
func TestChildThatPulses(t *testing.T) {
	path := os.Getenv(childLine)
	if path == "" {
		t.Skip("only as a child process")
	}
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: path, Baud: 115200, Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	coil, err := strconv.ParseUint(os.Getenv(childCoil), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := line.Lock(modbus.LockConfig{Board: 1, Coil: uint16(coil), Pulse: supply.MaxPulse, Timed: modbus.Timed(os.Getenv(childTimed))})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Switch(true); err != nil { // the beginning of a pulse
		t.Fatal(err)
	}
	os.Stdout.WriteString("energised\n")
	select {} // until it is killed
}

// killInPulse lets a process energise the lock of compartment 1 and kills it.
func killInPulse(t *testing.T, s *firmwaresim.Simulator, timed modbus.Timed, coil string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildThatPulses$")
	child.Env = append(os.Environ(), childLine+"="+s.Addresses().Locks, childTimed+"="+string(timed), childCoil+"="+coil)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	_ = child.Process.Kill()
	_ = child.Wait() // it was killed
	if err != nil || !strings.HasPrefix(said, "energised") {
		t.Fatalf("the child said %q, %v", said, err)
	}
}

func TestTheBoardEndsThePulseOfAKilledProcess(t *testing.T) {
	for timed, coil := range map[modbus.Timed]string{modbus.Flash: "0", modbus.Momentary: "1"} {
		t.Run(string(timed), func(t *testing.T) {
			s := newSimulator(t, 4)
			killInPulse(t, s, timed, coil)
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				d, err := s.Wall.Door(1)
				if err != nil || d.Pulses != 1 {
					t.Fatalf("door %+v, %v", d, err)
				}
				if !d.Coil {
					return // and in time: the simulator counts a coil of more than 1.5 s as a fault
				}
				if time.Now().After(deadline) {
					t.Fatal("the coil stays on")
				}
			}
		})
	}
}

// Without a timed pulse the coil stays on, until the next start switches it off.
func TestTheNextStartEndsThePulseOfAKilledProcess(t *testing.T) {
	s := ownBooks(t)
	killInPulse(t, s, modbus.Untimed, "0")
	if d, err := s.Wall.Door(1); err != nil || !d.Coil {
		t.Fatalf("the coil went off by itself: %+v, %v", d, err)
	}
	if err := lockOf(t, s, street(t, s), 1).Release(); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Wall.Door(1); err != nil || d.Coil {
		t.Errorf("door %+v, %v", d, err)
	}
}

func TestATimedPulseIsEndedByTheDriverInItsTime(t *testing.T) {
	for timed, coil := range map[modbus.Timed]uint16{modbus.Flash: 0, modbus.Momentary: 1} {
		t.Run(string(timed), func(t *testing.T) {
			s := newSimulator(t, 4)
			line := street(t, s)
			lock, err := line.Lock(modbus.LockConfig{Board: 1, Coil: coil, Pulse: supply.MinPulse, Timed: timed})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for n := 1; n <= 2; n++ { // the first pulse's timer must not end the second
				if err := lock.Pulse(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d, _ := s.Wall.Door(1); d.Pulses != n || d.Coil {
					t.Errorf("door %+v", d)
				}
			}
			if took := time.Since(began); took < 2*supply.MinPulse {
				t.Errorf("two pulses took %v", took)
			}
			if untimed := line.Untimed(); len(untimed) != 0 {
				t.Errorf("untimed boards %v", untimed)
			}
		})
	}
}

func TestLocksOfOneBoardHaveOneTimedPulse(t *testing.T) {
	s := newSimulator(t, 4)
	line := street(t, s)
	lockOf(t, s, line, 1)
	if untimed := line.Untimed(); len(untimed) != 1 || untimed[0] != 1 {
		t.Errorf("untimed boards %v", untimed)
	}
	if _, err := line.Lock(modbus.LockConfig{Board: 1, Coil: 1, Timed: modbus.Flash}); err == nil {
		t.Error("two ways on one board were taken")
	}
	if _, err := line.Lock(modbus.LockConfig{Board: 2, Timed: "sometimes"}); err == nil || !strings.Contains(err.Error(), `"flash" or "momentary"`) {
		t.Errorf("got %v", err)
	}
}
