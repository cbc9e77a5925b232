package envelope_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/envelope/forgery"
)

// twins takes one person's two signatures for those of two.
type twins struct {
	*envelope.Roster
	seen *int
}

func (p twins) Holder(key string, role locker.Role, at time.Time) (locker.Person, error) {
	person, err := p.Roster.Holder(key, role, at)
	*p.seen++
	return person + locker.Person(rune('0'+*p.seen)), err
}

// terminalSide is what a terminal holds a command against.
type terminalSide struct {
	suite     envelope.Suite
	terminal  string
	challenge string
	people    envelope.People
	at        time.Time
}

// TestThreatForgedCommand has every command that is not one, and for each a
// terminal that lacks the one defence against it.
func TestThreatForgedCommand(t *testing.T) {
	o := newOffice(t)
	sign := func(c envelope.Command, by ...envelope.Signer) []byte {
		text := c.Text()
		for _, s := range by {
			var err error
			if text, err = envelope.Sign(s, envelope.NamespaceCommand, text); err != nil {
				t.Fatal(err)
			}
		}
		return text
	}
	kind := func(k locker.CommandKind) envelope.Command {
		all := someCommands(t)
		return all[slices.IndexFunc(all, func(c envelope.Command) bool { return c.Kind == k })]
	}
	lock, unlock := kind(locker.CommandLock), kind(locker.CommandUnlock)
	elsewhere, earlier := lock, lock
	elsewhere.Terminal, earlier.Challenge = "musterstadt-2", "f"+challenge[1:]
	signed := sign(lock, o.anna)
	gone := o.roster
	gone.People = slices.Clone(gone.People)
	gone.People[1].Leaves = now.Add(-time.Hour)
	order, err := envelope.Sign(o.anna, envelope.NamespaceOrder, lock.Text())
	if err != nil {
		t.Fatal(err)
	}

	real := terminalSide{suite, terminal, challenge, &o.roster, now}
	for name, c := range map[string]struct {
		message  []byte
		leave    bool // the signer has left
		disarmed func(*terminalSide)
	}{
		"signed with another key":     {sign(lock, forgery.Signer{Own: o.stranger, Claims: o.anna.key}), false, func(s *terminalSide) { s.suite = forgery.Gullible{} }},
		"changed after it was signed": {bytes.Replace(signed, []byte("kind lock"), []byte("kind burglary"), 1), false, func(s *terminalSide) { s.suite = forgery.Gullible{} }},
		"signed as another message":   {order, false, func(s *terminalSide) { s.suite = forgery.Gullible{} }},
		"of somebody who left":        {signed, true, func(s *terminalSide) { s.people = &o.roster }},
		"for another terminal":        {sign(elsewhere, o.anna), false, func(s *terminalSide) { s.terminal = "musterstadt-2" }},
		"of an earlier start":         {sign(earlier, o.anna), false, func(s *terminalSide) { s.challenge = earlier.Challenge }},
		"the same admin twice":        {sign(unlock, o.anna, o.anna), false, func(s *terminalSide) { s.people = twins{&o.roster, new(int)} }},
		"one real and one forged": {sign(unlock, o.anna, forgery.Signer{Own: o.stranger, Claims: o.bert.key}), false, func(s *terminalSide) {
			s.suite = forgery.Gullible{}
		}},
	} {
		open := func(s terminalSide) error {
			_, _, err := envelope.OpenCommand(s.suite, c.message, s.terminal, s.challenge, s.people, s.at)
			return err
		}
		side := real
		if c.leave {
			side.people = &gone
		}
		if open(side) == nil {
			t.Errorf("%s: is followed", name)
		}
		c.disarmed(&side)
		if err := open(side); err != nil {
			t.Errorf("%s: is refused without the defence too, so this proves nothing: %v", name, err)
		}
	}
	late := real
	late.at = lock.Expires.Add(time.Second)
	if _, _, err := envelope.OpenCommand(late.suite, signed, late.terminal, late.challenge, late.people, late.at); err == nil {
		t.Error("expired: is followed")
	}
}
