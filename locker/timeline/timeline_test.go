package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/timeline"
)

var day = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func of(order locker.OrderID, facts ...locker.Fact) []timeline.Entry {
	return timeline.Of(order, func(yield func(uint64, locker.Event) bool) {
		for n, f := range facts {
			if !yield(uint64(n), locker.Event{Time: day.Add(time.Duration(n) * time.Minute), Quality: locker.TimeConfirmed, Fact: f}) {
				return
			}
		}
	})
}

// lines are the entries as "number what custody".
func lines(entries []timeline.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%d %s %s\n", e.Sequence, e.What, e.Custody)
	}
	return b.String()
}

// story is the life of order A, beside order B in the same round.
var story = []locker.Fact{
	locker.TerminalBooted{Boot: 1},
	locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "A", Desk: "desk-1"}},
	locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "B", Desk: "desk-1"}},
	locker.RoundOpened{Round: 3, Clerks: [2]locker.Person{"clerk-1", "clerk-2"}},
	locker.DepositReserved{Generation: 11, Order: "A", Compartment: 7, Round: 3},
	locker.CompartmentReleased{Compartment: 7, Pulse: 1, Purpose: locker.ForLoading, Generation: 11, Round: 3},
	locker.CompartmentOpened{Compartment: 7, Commanded: true},
	locker.CompartmentClosed{Compartment: 7},
	locker.DocumentLaid{Generation: 11, Round: 3},
	locker.DepositReserved{Generation: 12, Order: "B", Compartment: 8, Round: 3},
	locker.CompartmentOpened{Compartment: 8, Commanded: true},
	locker.RoundConfirmed{Round: 3, Clerks: [2]locker.Person{"clerk-1", "clerk-2"}},
	locker.DepositLoaded{Generation: 11, Round: 3},
	locker.CodeProved{Attempt: 5, Generation: 11},
	locker.CompartmentReleased{Compartment: 7, Pulse: 2, Purpose: locker.ForPickup, Generation: 11, Attempt: 5},
	locker.CompartmentOpened{Compartment: 7, Commanded: true},
	locker.CompartmentClosed{Compartment: 7},
	locker.DocumentTaken{Generation: 11, Confirmed: true},
	locker.SlotErased{Generation: 11},
	locker.RoundOpened{Round: 4, Clerks: [2]locker.Person{"clerk-2", "clerk-3"}},
	locker.CompartmentOpened{Compartment: 7, Commanded: true},
	locker.CompartmentCleared{Compartment: 7, Round: 4},
	locker.DepositReserved{Generation: 13, Order: "C", Compartment: 7, Round: 4},
	locker.CompartmentOpened{Compartment: 7, Commanded: true},
}

func TestADocumentIsFollowedFromDeskToCitizen(t *testing.T) {
	const want = `1 order accepted clerks
3 round opened clerks
4 deposit reserved clerks
5 compartment released clerks
6 compartment opened clerks
7 compartment closed clerks
8 document laid compartment
11 round confirmed compartment
12 deposit loaded compartment
13 code proved compartment
14 compartment released compartment
15 compartment opened compartment
16 compartment closed compartment
17 document taken citizen
18 slot erased citizen
19 round opened citizen
20 compartment opened citizen
21 compartment cleared citizen
`
	if got := lines(of("A", story...)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBothClerksAreNamedWhereTheirRoundActed(t *testing.T) {
	for _, e := range of("A", story...) {
		if e.What == "document laid" && !slices.Equal(e.People, []locker.Person{"clerk-1", "clerk-2"}) {
			t.Errorf("the document was laid by %v", e.People)
		}
	}
}

func TestAnUncommandedOpeningBelongsToTheDocumentInside(t *testing.T) {
	forced := append(slices.Clone(story[:13]), locker.CompartmentOpened{Compartment: 7},
		locker.AlarmRaised{Alarm: 1, Kind: locker.AlarmForced, Compartment: 7, Generation: 11},
		locker.CompartmentOpened{Compartment: 8}, locker.CustodyDoubted{Generation: 11, Reason: "forced"})
	got := of("A", forced...)
	last := got[len(got)-3:]
	if want := "13 compartment opened compartment\n14 alarm raised compartment\n16 custody doubted unknown\n"; lines(last) != want {
		t.Errorf("got\n%swant\n%s", lines(last), want)
	}
}

func TestAReissuedCodeStaysTheSameDocument(t *testing.T) {
	reissued := append(slices.Clone(story[:13]),
		locker.DepositReserved{Generation: 20, Order: "A", Compartment: 7, Replaces: 11, Admin: "admin-1"},
		locker.DepositReissued{Generation: 20, Replaces: 11}, locker.CodeFailed{Generation: 20, Attempt: 9}, locker.CodeFailed{Generation: 12, Attempt: 10})
	got := of("A", reissued...)
	if last := got[len(got)-1]; last.Sequence != 15 || last.Custody != timeline.InCompartment {
		t.Errorf("last is %+v", last)
	}
}

func TestAnUnloadedDocumentLeavesItsCompartment(t *testing.T) {
	unloaded := append(slices.Clone(story[:13]),
		locker.CompartmentOpened{Compartment: 7, Commanded: true}, locker.DocumentUnloaded{Generation: 11, Round: 3},
		locker.CompartmentClosed{Compartment: 7}, locker.CompartmentOpened{Compartment: 7})
	got := of("A", unloaded...)
	if last := got[len(got)-1]; last.Sequence != 15 || last.Custody != timeline.WithClerks {
		t.Errorf("last is %+v", last)
	}
}

func TestAnOrderThatNobodyNamedHasNoHistory(t *testing.T) {
	if got := of("Z", story...); len(got) != 0 {
		t.Errorf("got\n%s", lines(got))
	}
}

func TestEveryFactHasAPhrase(t *testing.T) {
	for _, typ := range locker.FactTypes() {
		if fact, err := locker.DecodeFact(typ, []byte("{}")); err != nil || strings.Contains(timeline.What(fact), ".") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}
