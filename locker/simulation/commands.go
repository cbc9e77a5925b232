package simulation

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// office is what the town's admins have ordered, and what they know from events
// of how the terminal stands.
type office struct {
	heard    [][]byte // commands and rosters as a broker keeps them
	locked   bool
	disabled map[locker.CompartmentID]bool
	hours    bool // set by command
	blocked  map[locker.Person]bool
}

// issued is a command that admins did sign.
type issued struct {
	envelope.Command
	by []string
}

// order has admins sign a command and sends it, as the city does, more than once.
func (c *city) order(what locker.Command, by ...string) {
	message := c.signed(what, by...)
	c.send(locker.MessageCommand, message)
	c.w.after(time.Minute, func() { c.send(locker.MessageCommand, message) })
}

// signed is a command with its signatures, which the oracle knows of.
func (c *city) signed(what locker.Command, by ...string) []byte {
	command, err := envelope.NewCommand(c.w.crypto.rand, c.w.config.Terminal, c.challenge(), what, c.expiry())
	c.must(err)
	c.w.oracle.issued[command.Nonce] = issued{command, by}
	message := c.sign(command.Text(), by...)
	c.office.heard = append(c.office.heard, message)
	return message
}

// expiry is a new command's. It counts from the terminal's time of now, which the
// daemon puts into the signed state: the machine's own status has the time of its
// last turn, which may be minutes ago.
func (c *city) expiry() time.Time {
	at := c.w.time()
	if p := c.w.process; p != nil && p.ready {
		s := p.controller.Status()
		at = s.Time.Add(max(0, p.now().Uptime-s.At))
	}
	return at.Add(9 * time.Minute)
}

func (c *city) sign(text []byte, by ...string) []byte {
	for _, admin := range by {
		var err error
		text, err = envelope.Sign(newSigner(admin), envelope.NamespaceCommand, text)
		c.must(err)
	}
	return text
}

// govern is an admin's day.
func (c *city) govern() {
	d := c.w.chance
	some := func(often float64, what locker.Command, by ...string) {
		if d.hits(often) {
			c.w.after(d.between(0, 20*time.Hour), func() {
				if !c.w.calm {
					c.order(what, by...)
				}
			})
		}
	}
	door := locker.CompartmentID(1 + d.upTo(len(c.w.config.Compartments)))
	some(0.1, locker.Command{Kind: locker.CommandDisable, Compartment: door}, "a1")
	some(0.05, locker.Command{Kind: locker.CommandLock}, "a2")
	some(0.1, locker.Command{Kind: locker.CommandBurglary}, "a1")
	some(0.02, locker.Command{Kind: locker.CommandDeclare}, "a1", "a2")
	some(0.1, locker.Command{Kind: locker.CommandDiagnose}, "a1")
	some(0.05, locker.Command{Kind: locker.CommandResend}, "a2")
	some(0.05, locker.Command{Kind: locker.CommandHours, Hours: "mon 00:00-24:00, wed 06:00-20:00, sun 00:00-12:00"}, "a1")
	some(0.05, locker.Command{Kind: locker.CommandUnblock, Person: pick(d, clerks).person}, "a1")
	if len(c.files) > 0 {
		f := pick(d, c.files)
		if f.accepted && !f.closed && f.withdraw == nil {
			some(0.1, locker.Command{Kind: locker.CommandRevoke, Order: f.order, Generation: f.loaded}, "a1")
			if f.loaded != 0 {
				some(0.2, locker.Command{Kind: locker.CommandExtend, Order: f.order, Generation: f.loaded, Days: 1 + d.upTo(7)}, "a2")
			}
		}
	}
}

// tidy takes back what was ordered: now and then, and for good once faults have ended.
func (c *city) tidy() {
	d, o := c.w.chance, &c.office
	due := func(often float64) bool { return d.hits(often) || c.w.calm }
	if o.locked && due(0.2) {
		c.order(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	}
	for _, n := range slices.Sorted(maps.Keys(o.disabled)) {
		if due(0.05) {
			c.order(locker.Command{Kind: locker.CommandEnable, Compartment: n}, "a2", "a1")
		}
	}
	if o.hours && due(0.05) {
		c.order(locker.Command{Kind: locker.CommandHours, Hours: locker.OpeningConfigured}, "a2")
	}
	for _, p := range slices.Sorted(maps.Keys(o.blocked)) {
		c.order(locker.Command{Kind: locker.CommandUnblock, Person: p}, "a1")
	}
}

// hears follows the events about commands.
func (o *office) hears(fact locker.Fact) {
	switch f := fact.(type) {
	case locker.CommandFollowed:
		switch f.Kind {
		case locker.CommandLock, locker.CommandDeclare:
			o.locked = true
		case locker.CommandUnlock:
			o.locked = false
		case locker.CommandDisable:
			o.disabled[f.Compartment] = true
		case locker.CommandEnable:
			delete(o.disabled, f.Compartment)
		case locker.CommandHours:
			o.hours = f.Hours != locker.OpeningConfigured
		default:
		}
	case locker.CommandRefused:
		if f.Kind == locker.CommandUnlock && strings.Contains(f.Reason, "not locked") { // two clerks have looked, and that was enough
			o.locked = false
		}
	case locker.BurglaryDeclared:
		o.locked = true
	case locker.ClerkRefused:
		if f.Reason == locker.RefusedBlocked {
			o.blocked[f.Person] = true
		}
	case locker.ClerkUnblocked:
		delete(o.blocked, f.Person)
	}
}

// rogue is a command or roster from somebody who may not, or not alone, or not
// any more.
func (w *world) rogue() {
	d, c := w.fate, w.city
	forge := func(kind locker.CommandKind, by ...string) []byte {
		command, err := envelope.NewCommand(w.crypto.rand, w.config.Terminal, c.challenge(), locker.Command{Kind: kind}, w.time().Add(5*time.Minute))
		c.must(err)
		return c.sign(command.Text(), by...)
	}
	grave := pick(d, []locker.CommandKind{locker.CommandUnlock, locker.CommandDeclare})
	var message []byte
	switch d.upTo(8) {
	case 0:
		message = forge(locker.CommandLock, "d1") // a desk
	case 1:
		message = forge(locker.CommandBurglary, "hans", "grete") // two clerks
	case 2:
		message = forge(grave, "a1")
	case 3:
		message = forge(grave, "a1", "a1")
	case 4:
		message = forge(grave, "a1", "mallory")
	case 5: // signed, and then changed
		message = c.signed(locker.Command{Kind: locker.CommandDisable, Compartment: 1}, "a1")
		c.office.heard = c.office.heard[:len(c.office.heard)-1]
		message = bytes.Replace(message, []byte("compartment 1"), []byte("compartment 2"), 1)
	case 6: // a roster of one admin alone
		var err error
		message, err = envelope.SealRoster(w.crypto, publicOf(c.terminalKey), c.signedRoster(c.roster.Version+100, "a1"))
		c.must(err)
		c.send(locker.MessageRoster, message)
		return
	default: // what was sent before
		if len(c.office.heard) == 0 {
			return
		}
		message = pick(d, c.office.heard)
		if envelope.IsSealedRoster(message) {
			c.send(locker.MessageRoster, message)
			return
		}
	}
	c.send(locker.MessageCommand, message)
}
