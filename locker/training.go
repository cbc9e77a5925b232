package locker

import "slices"

// Training. A terminal that trains is used like any other, by two clerks and
// by people with a letter, but with dummies: it takes and loads orders that
// their desk marked as such, and no others, and a terminal in service takes
// none of those. Each of its screens and events is marked; nothing of it goes
// on the list for statistics.
//
// The configuration switches training at a start, and only over an empty wall:
// no document lies here, and two clerks have seen each compartment empty since
// it was last used, or none was used ever. So nobody who practises can open a
// door with a document behind it, and no dummy lies in a terminal in service.
// After the switch every compartment has to be seen empty again: neither side
// relies on what was said on the other.

// settleTraining gives the configuration as it can be followed: over a wall
// that is not known to be empty, training neither begins nor ends.
func (s *step) settleTraining(c Config) Config {
	is := s.ledger.Config.Training
	if c.Training == is || s.ledger.bare(c.Compartments) {
		s.clear(AlarmTraining, 0)
		return c
	}
	detail := "training does not begin: documents may lie here; unload them and see each compartment empty"
	if is {
		detail = "training does not end: dummies may lie here; unload them and see each compartment empty"
	}
	s.raise(Morning, AlarmTraining, 0, 0, detail)
	c.Training = is
	return c
}

// bare tells whether nothing can lie behind these doors.
func (l *ledger) bare(doors []CompartmentSpec) bool {
	for _, d := range l.Deposits {
		if d.State != depositEnded {
			return false
		}
	}
	for _, spec := range doors {
		c := l.Doors[spec.Number]
		switch {
		case c == nil: // a new one
		case c.Use == useDoubt, c.Use != useEmpty && l.Generation > 0:
			return false
		}
	}
	return true
}

// switchTraining makes every compartment one that has to be seen empty.
func (l *ledger) switchTraining(to bool) {
	if to == l.Config.Training {
		return
	}
	for _, c := range l.Doors {
		if c.Use == useEmpty {
			c.Use = useVacated
		}
	}
}

// misplaced says why an order cannot be loaded here; empty if it can.
func (l *ledger) misplaced(o OrderTerms) string {
	switch {
	case o.Training && !l.Config.Training:
		return "a dummy order; this terminal does not train"
	case !o.Training && l.Config.Training:
		return "this terminal trains and takes dummy orders only"
	}
	for _, d := range o.Documents {
		if !l.handsOut(d) {
			return "this terminal does not hand out documents of the kind " + string(d)
		}
	}
	return ""
}

// handsOut tells whether the configuration allows a kind of document here.
func (l *ledger) handsOut(d DocumentKind) bool {
	return len(l.Config.Documents) == 0 || slices.Contains(l.Config.Documents, d)
}

// waiting counts the orders whose document two clerks can lay in.
func (l *ledger) waiting() int {
	n := 0
	for _, o := range l.Orders {
		if o.State == orderOpen && l.misplaced(o.OrderTerms) == "" {
			n++
		}
	}
	return n
}
