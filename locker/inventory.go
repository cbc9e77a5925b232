package locker

import (
	"fmt"
	"slices"
)

// An inventory is two clerks' look into every compartment, against what the
// records say lies there: after a new board took over a wall whose documents it
// does not know, after a burglary, after doors were opened with the mechanical
// key. A compartment of the inventory is not assigned, and nothing in it is
// handed over, until two clerks have looked.

// Adoption is what a new board is told of the terminal that it takes over, by
// the city's signed record of it.
type Adoption struct {
	Size       uint64         `json:"size"`       // events of the log before, as the city holds it
	Root       string         `json:"root"`       // of its tree, base64
	Generation Generation     `json:"generation"` // the last one that was given out
	Key        KeyID          `json:"key"`
	Held       []HeldDocument `json:"held,omitempty"`
}

// HeldDocument is where the record says a document lies.
type HeldDocument struct {
	Compartment CompartmentID `json:"compartment"`
	Order       OrderID       `json:"order"`
}

// adopt takes over the wall of an earlier terminal, once.
func (s *step) adopt(a *Adoption) {
	if a == nil || s.ledger.Adopted {
		return
	}
	s.emit(TerminalAdopted{Adoption: *a})
	s.raise(Morning, AlarmInventory, 0, 0, "a new board does not know what lies inside")
}

func (l *ledger) foldInventory(fact Fact) {
	switch f := fact.(type) {
	case TerminalAdopted:
		l.Adopted = true
		l.Generation, l.Key = max(l.Generation, f.Generation), max(l.Key, f.Key)
		held := map[CompartmentID]OrderID{}
		for _, h := range f.Held {
			held[h.Compartment] = h.Order
		}
		for _, c := range l.Config.Compartments {
			l.look(c.Number, held[c.Number])
			l.door(c.Number).Use = useDoubt
		}
	case InventoryOrdered:
		for _, c := range l.Config.Compartments {
			var order OrderID
			if d := l.Deposits[l.door(c.Number).Deposit]; d != nil {
				order = d.Order
			}
			l.look(c.Number, order)
			if d := l.door(c.Number); d.Use == useEmpty {
				d.Use = useVacated // what was seen before does not count any more
			}
		}
	case CompartmentInspected:
		delete(l.Inventory, f.Compartment)
	case KeyOpeningAnnounced:
		if l.Open != nil {
			l.Open.ByKey = true
		}
	case KeyOpeningEnded:
		if l.Open != nil {
			l.Open.ByKey = false
		}
	}
}

// look puts a compartment on the inventory. What a record named there stays
// named until two clerks have looked.
func (l *ledger) look(n CompartmentID, order OrderID) {
	if order == "" && l.Inventory[n] != "" {
		return
	}
	if l.Inventory == nil {
		l.Inventory = map[CompartmentID]OrderID{}
	}
	l.Inventory[n] = order
}

// listed tells whether two clerks are to look into the compartment.
func (l *ledger) listed(n CompartmentID) bool {
	_, is := l.Inventory[n]
	return is
}

// looking tells whether the inventory still names a compartment that is there.
func (l *ledger) looking() bool {
	return slices.ContainsFunc(sorted(l.Inventory), l.built)
}

// byKey tells whether two clerks have announced that they open doors with the
// mechanical key.
func (l *ledger) byKey() bool { return l.Open != nil && l.Open.ByKey }

// orderInventory is two clerks' word that every compartment is to be looked into.
func (s *step) orderInventory() {
	s.emit(InventoryOrdered{Round: s.session.round.id})
	s.raise(Morning, AlarmInventory, 0, 0, "two clerks ordered it")
}

// announceKey lets doors open with the mechanical key without an alarm, until
// the clerks say that it is over or their round ends.
func (s *step) announceKey() {
	s.session.round.stage = keyOpening
	s.emit(KeyOpeningAnnounced{Round: s.session.round.id, Clerks: s.ledger.Open.Clerks})
}

// openedByKey follows a door that announced clerks opened: it is on the
// inventory, and its document in doubt, but nobody is woken.
func (s *step) openedByKey(c *compartment) {
	s.emit(CompartmentOpened{Compartment: c.Number})
	reason := fmt.Sprintf("opened with the key, announced in round %d", s.session.round.id)
	if d := s.ledger.Deposits[c.Deposit]; d != nil && d.State != depositReserved && d.State != depositPrepared && d.State != depositDoubted {
		s.emit(CustodyDoubted{Generation: d.Generation, Reason: reason})
	} else if c.Use != useDoubt {
		s.emit(CompartmentQuarantined{Compartment: c.Number, Reason: reason})
	}
	s.wait(s.rules().RoundIdle)
	s.watchOpen(c.Number)
}

// inspected records what two clerks found in a compartment of the inventory.
func (s *step) inspected(n CompartmentID, found Choice) {
	if !s.ledger.listed(n) {
		return
	}
	order := s.ledger.Inventory[n]
	lies := found == ChoicePresent || found == ChoiceRemoved || found == ChoiceNotEmpty
	s.emit(CompartmentInspected{Compartment: n, Order: order, Found: lies, Round: s.session.round.id})
	if found == ChoicePresent {
		for _, kind := range []AlarmKind{AlarmForced, AlarmCustody, AlarmUnconfirmed, AlarmDisputed, AlarmLeftOpen} {
			s.clear(kind, n) // two clerks saw where it is
		}
	}
	switch {
	case lies && order == "":
		s.raise(Morning, AlarmUnexpected, n, 0, "two clerks found a document that no record names")
	case !lies && order != "":
		s.raise(Wake, AlarmMissing, n, 0, "two clerks found nothing where the record names a document")
	}
	if !s.ledger.looking() {
		s.clear(AlarmInventory, 0)
	}
}
