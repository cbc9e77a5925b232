package daemon

import (
	"context"
	"errors"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
	"github.com/nachtfach/nachtfach/locker"
)

// TestWhatHangsOnABoardIsToldWithIt: the terminal counts the failures of a
// disturbed line as those of one part, and not for each contact.
func TestWhatHangsOnABoardIsToldWithIt(t *testing.T) {
	line, err := modbus.Open(modbus.Config{Name: "doors", Path: "/dev/null", Supply: supply.New()})
	if err != nil {
		t.Fatal(err)
	}
	contacts := map[locker.CompartmentID]contact{}
	for n := range 2 {
		c, err := line.Contact(modbus.ContactConfig{Board: 3, Input: uint16(n)})
		if err != nil {
			t.Fatal(err)
		}
		contacts[locker.CompartmentID(n+1)] = c
	}
	var told []locker.Input
	tr := newTrouble(nil, func(_ context.Context, in locker.Input) { told = append(told, in) })
	tr.boards = boardsOf(contacts)
	for n := range locker.CompartmentID(2) {
		tr.failed(t.Context(), place{n + 1, partContact}, errors.New("no answer"))
		tr.healed(t.Context(), place{n + 1, partContact})
	}
	if len(told) != 4 {
		t.Fatalf("told: %v", told)
	}
	for _, in := range told {
		switch in := in.(type) {
		case locker.PartFailed:
			if in.Board != line.BoardName(3) {
				t.Errorf("told %+v", in)
			}
		case locker.PartHealed:
			if in.Board != line.BoardName(3) {
				t.Errorf("told %+v", in)
			}
		}
	}
}
