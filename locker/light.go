package locker

// Lit is the compartment whose light is on: the one whose door is to be used
// now, until it is closed again. Zero for none. A light is no lock: nothing is
// recorded for it, and nothing depends on it.
func (t *Terminal) Lit() CompartmentID {
	switch ses := t.session; {
	case ses.mode == visiting && (ses.visit.stage == opening || ses.visit.stage == taking):
		return ses.visit.compartment
	case ses.mode == rounding && (ses.round.stage == taskOpening || ses.round.stage == taskOpen):
		return ses.round.task.Compartment
	}
	return 0
}
