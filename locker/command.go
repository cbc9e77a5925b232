package locker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CommandKind is what admins may order from afar. None opens a door, and none
// lets anybody in who would not be let in without it.
type CommandKind string

const (
	CommandReissue  CommandKind = "reissue"  // a new code for the deposit; comes as ReissueReceived
	CommandRevoke   CommandKind = "revoke"   // the order is taken back: its code dies, clerks take the document out
	CommandExtend   CommandKind = "extend"   // the deposit's retention, by days
	CommandDisable  CommandKind = "disable"  // the compartment is neither loaded nor opened for citizens
	CommandEnable   CommandKind = "enable"   // it is used again
	CommandLock     CommandKind = "lock"     // no citizen collects
	CommandUnlock   CommandKind = "unlock"   // ends a lock, the burglary mode and a declaration
	CommandHours    CommandKind = "hours"    // opening hours in place of the configured ones
	CommandUnblock  CommandKind = "unblock"  // the clerk may try their number anew, with a colleague beside them
	CommandDiagnose CommandKind = "diagnose" // the terminal says how its parts are
	CommandResend   CommandKind = "resend"   // the terminal publishes its whole journal again
	CommandBurglary CommandKind = "burglary" // visits end, the list of what lies inside goes out
	CommandDeclare  CommandKind = "declare"  // stolen: every deposit's code and slot dies
	CommandClock    CommandKind = "clock"    // the terminal's time is set forward or back
)

// CommandKinds lists them all.
func CommandKinds() []CommandKind {
	return []CommandKind{
		CommandReissue, CommandRevoke, CommandExtend, CommandDisable, CommandEnable, CommandLock, CommandUnlock,
		CommandHours, CommandUnblock, CommandDiagnose, CommandResend, CommandBurglary, CommandDeclare,
		CommandClock,
	}
}

// Grave commands want two different admins: they destroy what cannot be made
// again, undo a precaution, or change what the terminal judges by. Commands that
// make the terminal safer want one.
func (k CommandKind) Grave() bool {
	return k == CommandDeclare || k == CommandUnlock || k == CommandEnable || k == CommandClock
}

// Command is what is ordered, and of what.
type Command struct {
	Kind        CommandKind   `json:"kind"`
	Order       OrderID       `json:"order,omitempty"`       // reissue, revoke, extend
	Generation  Generation    `json:"generation,omitempty"`  // of the order's deposit; 0 for a revoked order that has none
	Compartment CompartmentID `json:"compartment,omitempty"` // disable, enable
	Person      Person        `json:"person,omitempty"`      // unblock
	Days        int           `json:"days,omitempty"`        // extend
	Hours       string        `json:"hours,omitempty"`       // hours; see ParseOpening
	Shift       Duration      `json:"shift,omitempty"`       // clock: by which the time is set forward, or back if negative
}

const (
	// mostDays is the longest extension of one command.
	mostDays = 90
	// mostShift is the furthest that one command sets the clock. It is relative, so
	// that the time between drafting and following the command does not matter.
	mostShift = 150 * 366 * 24 * time.Hour
)

// Validate says what the kind lacks, or has too much.
func (c Command) Validate() error {
	if !slices.Contains(CommandKinds(), c.Kind) {
		return fmt.Errorf("command %.40q is not known to this version", string(c.Kind))
	}
	wrong := func(form string, args ...any) error {
		return fmt.Errorf("command %s: "+form, append([]any{c.Kind}, args...)...)
	}
	ofOrder := c.Kind == CommandReissue || c.Kind == CommandRevoke || c.Kind == CommandExtend
	ofDoor := c.Kind == CommandDisable || c.Kind == CommandEnable
	switch {
	case ofOrder != (c.Order != ""):
		return wrong("an order is wanted with reissue, revoke and extend alone")
	case !ofOrder && c.Generation != 0, ofOrder && c.Kind != CommandRevoke && c.Generation == 0:
		return wrong("generation %d does not fit", c.Generation)
	case ofDoor != (c.Compartment != 0), c.Compartment < 0 || c.Compartment > 9999:
		return wrong("compartment %d: disable and enable want one from 1 to 9999", c.Compartment)
	case (c.Kind == CommandUnblock) != (c.Person != ""):
		return wrong("a person is wanted with unblock alone")
	case (c.Kind == CommandExtend) != (c.Days != 0), c.Days < 0 || c.Days > mostDays:
		return wrong("%d days: extend wants 1 to %d", c.Days, mostDays)
	case (c.Kind == CommandHours) != (c.Hours != ""):
		return wrong("hours are wanted with hours alone")
	case (c.Kind == CommandClock) != (c.Shift != 0), time.Duration(c.Shift).Abs() > mostShift, time.Duration(c.Shift)%time.Second != 0:
		return wrong("shift %v: clock alone wants one, in whole seconds, at most %v", c.Shift, mostShift)
	}
	if c.Kind == CommandHours {
		if _, _, err := ParseOpening(c.Hours); err != nil {
			return wrong("%w", err)
		}
	}
	return nil
}

// commandReceived follows a command that the vault verified, or says why not.
func (s *step) commandReceived(in CommandReceived) {
	if _, used := s.ledger.Nonces[in.Nonce]; used && !s.at.After(in.Expires) {
		s.refuse(MessageRejected{
			Message: MessageCommand, Order: in.Command.Order, Nonce: in.Nonce,
			Reason: "this command came before, and counts once",
		})
		return
	}
	if reason := s.cannot(in); reason != "" {
		s.emit(CommandRefused{Command: in.Command, Admins: in.Admins, Nonce: in.Nonce, Expires: in.Expires, Reason: clip(reason)})
		return
	}
	s.emit(CommandFollowed{Command: in.Command, Admins: in.Admins, Nonce: in.Nonce, Expires: in.Expires})
	switch in.Command.Kind {
	case CommandDiagnose:
		s.do(Diagnose{})
	case CommandResend:
		s.do(ResendAll{})
	case CommandUnlock:
		s.clear(AlarmBurglary, 0)
	case CommandBurglary:
		s.burglary("an admin's command", "")
	case CommandDeclare:
		s.endVisit()
	case CommandClock:
		s.setClock(s.at.Add(time.Duration(in.Command.Shift)), ClockAdmins)
	case CommandUnblock, CommandHours, CommandLock, CommandDisable, CommandEnable, CommandRevoke, CommandExtend, CommandReissue:
		// The ledger knows, and the screens follow it.
	}
}

// cannot is why a command is not followed; empty if nothing speaks against it.
func (s *step) cannot(in CommandReceived) string {
	l, c := s.ledger, in.Command
	if err := c.Validate(); err != nil {
		return err.Error()
	}
	if s.at.After(in.Expires) {
		return "the command has expired"
	}
	if reason := s.notSigned(in); reason != "" {
		return reason
	}
	switch c.Kind {
	case CommandRevoke, CommandExtend:
		return s.notDeposited(c)
	case CommandDisable, CommandEnable:
		if !l.built(c.Compartment) {
			return fmt.Sprintf("there is no compartment %d", c.Compartment)
		}
		if l.door(c.Compartment).Disabled == (c.Kind == CommandDisable) {
			return fmt.Sprintf("compartment %d is %sd already", c.Compartment, c.Kind)
		}
	case CommandLock:
		if l.Locked != "" && l.Locked != LockedTamper {
			return "the terminal is locked already"
		}
	case CommandUnlock:
		if l.Locked == "" {
			return "the terminal is not locked"
		}
	case CommandUnblock:
		if m := l.Members[c.Person]; m == nil || m.Role != Clerk {
			return fmt.Sprintf("%.40q is no clerk of roster %d", string(c.Person), l.Roster)
		} else if !l.usedUp(m) {
			return fmt.Sprintf("%s is not blocked", c.Person)
		}
	case CommandBurglary:
		if l.Locked == LockedBurglary || l.Locked == LockedStolen {
			return "the terminal is in burglary mode already"
		}
	case CommandDeclare:
		if l.Locked == LockedStolen {
			return "the terminal was declared stolen already"
		}
	case CommandReissue:
		return "a re-issue needs its share"
	case CommandClock:
		if to := s.at.Add(time.Duration(c.Shift)); to.Before(oldest) || to.After(latestTime) {
			return fmt.Sprintf("the clock would be set to %s", to.Format(time.RFC3339))
		}
	case CommandDiagnose, CommandHours, CommandResend:
	}
	return ""
}

// notSigned holds the signatures that the vault found against the roster that
// the ledger knows, and against what the kind wants.
func (s *step) notSigned(in CommandReceived) string {
	var different []Person
	for _, p := range in.Admins {
		m := s.ledger.Members[p]
		if m == nil || m.Role != Admin || !m.Leaves.IsZero() && !s.certain().Before(m.Leaves) {
			return fmt.Sprintf("%.40q is no admin of roster %d", string(p), s.ledger.Roster)
		}
		if !slices.Contains(different, p) {
			different = append(different, p)
		}
	}
	switch {
	case len(different) == 0:
		return "no admin signed it"
	case in.Command.Kind.Grave() && len(different) < 2:
		return fmt.Sprintf("%s wants two different admins, %s signed alone", in.Command.Kind, different[0])
	}
	return ""
}

func (s *step) notDeposited(c Command) string {
	o := s.ledger.Orders[c.Order]
	if o == nil {
		return "no such order"
	}
	d := s.ledger.Deposits[o.Deposit]
	switch {
	case o.State == orderEnded:
		return "the order has ended"
	case c.Generation != o.Deposit:
		return fmt.Sprintf("generation %d is not the order's deposit, which is %d", c.Generation, o.Deposit)
	case d != nil && d.Revoked:
		return "the order was taken back already"
	case c.Kind == CommandExtend && (d == nil || d.State != depositLoaded):
		return "the deposit is not in a state in which it can be extended"
	}
	return ""
}

// diagnosed records what the parts say of themselves; the texts are bounded,
// so that no part fills the journal.
func (s *step) diagnosed(in DiagnosisMade) {
	const most = 64
	found := make(map[string]string, min(len(in.Findings), most))
	for _, part := range sorted(in.Findings) {
		if len(found) == most {
			break
		}
		found[clip(part)] = clip(in.Findings[part])
	}
	s.emit(TerminalDiagnosed{Findings: found})
}

func (l *ledger) foldCommand(at time.Time, fact Fact) error {
	switch f := fact.(type) {
	case CommandRefused:
		l.burn(f.Nonce, f.Expires)
		return nil
	case CommandFollowed:
		l.burn(f.Nonce, f.Expires)
		return l.follow(at, f.Command)
	}
	return nil
}

// burn remembers a nonce beyond its command's expiry, because the clock can be
// set back: until the next start, whose challenge no earlier command names, or
// for as long as the city can set it back.
func (l *ledger) burn(nonce string, until time.Time) {
	if l.Nonces == nil {
		l.Nonces = map[string]time.Time{}
	}
	l.Nonces[nonce] = until
}

func (l *ledger) forgetNonces(before time.Time) {
	for nonce, until := range l.Nonces {
		if before.After(until) {
			delete(l.Nonces, nonce)
		}
	}
}

func (l *ledger) follow(at time.Time, c Command) error {
	switch c.Kind {
	case CommandRevoke:
		return l.withdraw(c.Order, at)
	case CommandExtend:
		d := l.Deposits[c.Generation]
		if d == nil {
			return fmt.Errorf("no deposit of generation %d", c.Generation)
		}
		d.Extended += Duration(time.Duration(c.Days) * 24 * time.Hour)
		if d.Held < l.Config.Rules.Retention+d.Extended {
			d.Expired = false
		}
	case CommandDisable, CommandEnable:
		l.door(c.Compartment).Disabled = c.Kind == CommandDisable
	case CommandLock:
		l.Locked = LockedAdmin
	case CommandUnlock:
		l.Locked = ""
	case CommandHours:
		l.Opening = c.Hours
	case CommandUnblock:
		if m := l.Members[c.Person]; m != nil {
			m.Pardoned = at.Add(pardon)
		}
	case CommandDeclare:
		l.giveUp(at)
	case CommandReissue, CommandDiagnose, CommandResend, CommandBurglary, CommandClock:
	}
	return nil
}

// giveUp lets every code, slot and key of a stolen terminal die. The documents
// stay on the books until clerks say where they are.
func (l *ledger) giveUp(at time.Time) {
	l.Locked = LockedStolen
	for _, id := range sorted(l.Orders) {
		if o := l.Orders[id]; o.State == orderOpen {
			o.end(at)
		}
	}
	for _, g := range sorted(l.Deposits) {
		if d := l.Deposits[g]; d.State != depositEnded {
			d.Revoked = true
		}
	}
	for _, id := range sorted(l.Keys) {
		if k := l.Keys[id]; !k.Used {
			k.Lapsed = true
		}
	}
}

// Lock is why no citizen can collect.
type Lock string

const (
	LockedAdmin    Lock = "admin"    // an admin's command
	LockedTamper   Lock = "tamper"   // a sensor of the cabinet; ends when two clerks have looked
	LockedBurglary Lock = "burglary" // an admin's command
	LockedStolen   Lock = "stolen"   // two admins gave the terminal up
)

// Opening hours set by a command: in place of the configured ones until another
// command says "configured".
const (
	OpeningConfigured = "configured"
	OpeningAlways     = "always"
)

// mostWindows bounds the openings of a week.
const mostWindows = 50

// ParseOpening reads "configured", "always", or windows like
// "mon 06:00-22:00, sat 08:00-14:00" in local time, in the one form in which
// they are written: by day from Monday on, by time, not overlapping.
func ParseOpening(text string) (windows []Window, configured bool, err error) {
	switch text {
	case OpeningConfigured:
		return nil, true, nil
	case OpeningAlways:
		return nil, false, nil
	}
	parts := strings.Split(text, ", ")
	if len(parts) > mostWindows {
		return nil, false, fmt.Errorf("hours: %d windows, at most %d", len(parts), mostWindows)
	}
	rank := func(w Window) int { return (int(w.Day)+6)%7*24*60 + w.From }
	for _, part := range parts {
		w, err := parseWindow(part)
		if err != nil {
			return nil, false, err
		}
		if n := len(windows); n > 0 && rank(w) < rank(windows[n-1])+windows[n-1].To-windows[n-1].From {
			return nil, false, fmt.Errorf("hours: %q does not come after what precedes it", part)
		}
		windows = append(windows, w)
	}
	return windows, false, nil
}

func parseWindow(text string) (Window, error) {
	wrong := fmt.Errorf(`hours: %.40q: wants a form like "mon 06:00-22:00"`, text)
	day, span, _ := strings.Cut(text, " ")
	from, to, _ := strings.Cut(span, "-")
	w := Window{Day: -1}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if day == strings.ToLower(d.String()[:3]) {
			w.Day = d
		}
	}
	var ok [2]bool
	w.From, ok[0] = minuteOf(from)
	w.To, ok[1] = minuteOf(to)
	if w.Day < 0 || !ok[0] || !ok[1] || w.From >= w.To {
		return Window{}, wrong
	}
	return w, nil
}

// minuteOf reads 00:00 to 24:00.
func minuteOf(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' || !digits(text[:2]+text[3:], 4, 4) {
		return 0, false
	}
	n := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	m := n(0)*60 + n(3)
	return m, n(3) < 60 && m <= 24*60
}

// hours are those in force.
func (l *ledger) hours() Hours {
	if l.Opening == "" {
		return l.Config.Hours
	}
	windows, configured, err := ParseOpening(l.Opening)
	if err != nil || configured {
		return l.Config.Hours
	}
	return Hours{Zone: l.Config.Hours.Zone, Windows: windows}
}
