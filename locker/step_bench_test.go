package locker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// full is a terminal of 96 compartments with a posted document in each.
func full(b *testing.B) (*locker.Terminal, *locker.Now) {
	b.Helper()
	term, now := locker.New(), locker.Now{Wall: start}
	config := locker.Config{Terminal: "rathaus", Rules: locker.DefaultRules()}
	doors := map[locker.CompartmentID]bool{}
	for n := range 96 {
		config.Compartments = append(config.Compartments, locker.CompartmentSpec{Number: locker.CompartmentID(n + 1), Size: locker.Small})
		doors[locker.CompartmentID(n+1)] = false
	}
	term.Step(now, locker.Booted{Config: config, Doors: doors, Reader: true})
	for n := range 96 {
		id, g, c := locker.OrderID(fmt.Sprintf("ORDER-%03d", n)), locker.Generation(n+1), locker.CompartmentID(n+1)
		terms := locker.OrderTerms{Order: id, Version: 1, Size: locker.Small, Recipients: []locker.Recipient{{Factor: locker.FactorFinger, Fingers: []int{2}}}}
		for _, f := range []locker.Fact{
			locker.OrderAccepted{OrderTerms: terms}, locker.CompartmentCleared{Compartment: c},
			locker.DepositReserved{Generation: g, Order: id, Compartment: c}, locker.DepositPrepared{Generation: g},
			locker.DocumentLaid{Generation: g}, locker.DepositLoaded{Generation: g}, locker.OrderErased{Order: id},
			locker.LetterPosted{Generation: g}, locker.LetterDeleted{Generation: g},
		} {
			if err := term.Replay(locker.Event{Time: start, Fact: f}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return term, &now
}

// BenchmarkStep is one input at a terminal of 96 compartments with a document in each.
func BenchmarkStep(b *testing.B) {
	for name, input := range map[string]func(*locker.Terminal) locker.Input{
		"tick":         func(*locker.Terminal) locker.Input { return locker.Tick{} },
		"door unmoved": func(*locker.Terminal) locker.Input { return locker.DoorMoved{Compartment: 3} },
		"slip of digit": func(t *locker.Terminal) locker.Input {
			return locker.Typed{Screen: t.Screen().Number, Text: []byte("123412341230")}
		},
	} {
		b.Run(name, func(b *testing.B) {
			term, now := full(b)
			b.ReportAllocs()
			for b.Loop() {
				now.Uptime += time.Microsecond
				term.Step(*now, input(term))
			}
		})
	}
}

// BenchmarkStepCode is a citizen's wrong code, from the entry to the settled charge: three inputs.
func BenchmarkStepCode(b *testing.B) {
	term, now := full(b)
	code, err := pin.New(1, 2)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		now.Uptime += 2 * time.Minute
		_, actions := term.Step(*now, locker.Typed{Screen: term.Screen().Number, Text: []byte(code.QR())})
		for _, a := range actions {
			if find, ok := a.(locker.FindDeposit); ok {
				term.Step(*now, locker.DepositFound{Attempt: find.Attempt})
				term.Step(*now, locker.CodeTried{Attempt: find.Attempt})
			}
		}
	}
}
