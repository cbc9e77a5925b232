package tour

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Cast is a town hall's people with their keys, cards and numbers, made up
// anew for each story.
type Cast struct {
	Admins   [2]envelope.Signer
	Desk     envelope.Signer
	Stranger envelope.Signer // a desk of another town
	Clerks   [2]Clerk
	Spare    string   // a second card of the first clerk
	Roster   []byte   // signed by both admins
	Private  [][]byte // the admins' and the desk's keys, as OpenSSH writes them
	roster   envelope.Roster
}

// NewCast makes the people of one terminal. The personal numbers are hashed at
// the given cost.
func NewCast(terminal string, cost seal.Params) (*Cast, error) {
	c := &Cast{
		Clerks: [2]Clerk{{"clerk-1", "CARD-0001", "471108"}, {"clerk-2", "CARD-0002", "081547"}},
		Spare:  "CARD-0101",
		roster: envelope.Roster{Terminal: terminal, Version: 1, Issued: time.Now().UTC().Truncate(time.Second)},
	}
	for i := range c.Admins {
		if err := c.add(&c.Admins[i], fmt.Sprintf("admin-%d", i+1), locker.Admin); err != nil {
			return nil, err
		}
	}
	if err := c.add(&c.Desk, "desk-1", locker.Desk); err != nil {
		return nil, err
	}
	for i, clerk := range c.Clerks {
		number, err := seal.HashNumber(rand.Reader, cost, clerk.Number)
		if err != nil {
			return nil, err
		}
		e := envelope.Entry{Person: clerk.Person, Role: locker.Clerk, Cards: []string{clerk.Card}, Number: number}
		if i == 0 {
			e.Cards = append(e.Cards, c.Spare)
		}
		c.roster.People = append(c.roster.People, e)
	}
	text, err := c.roster.Text()
	if err != nil {
		return nil, err
	}
	c.Roster = text
	for _, admin := range c.Admins {
		if c.Roster, err = envelope.Sign(admin, envelope.NamespaceRoster, c.Roster); err != nil {
			return nil, err
		}
	}
	private, _, err := envelope.GenerateSSH(rand.Reader, "another town's desk")
	if err != nil {
		return nil, err
	}
	c.Stranger, err = envelope.ParseSSH(private)
	return c, err
}

func (c *Cast) add(signer *envelope.Signer, name string, role locker.Role) error {
	private, public, err := envelope.GenerateSSH(rand.Reader, name)
	if err != nil {
		return err
	}
	if *signer, err = envelope.ParseSSH(private); err != nil {
		return err
	}
	c.Private = append(c.Private, private)
	c.roster.People = append(c.roster.People, envelope.Entry{Person: locker.Person(name), Role: role, Keys: []string{public}})
	return nil
}
