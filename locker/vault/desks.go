package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// formerDesksKey is the vault record of the desks that earlier rosters had.
const formerDesksKey = "former"

// formerDesk is a desk's key that was in an earlier roster. Orders that it signed
// before Until are still good: their documents may arrive weeks after the person
// has left.
type formerDesk struct {
	Person locker.Person `json:"person"`
	Key    string        `json:"key"` // public, in the form of envelope.PublicKey
	Until  time.Time     `json:"until"`
}

const (
	// keepFormer is the longest that rules.key_life can be: no order is older.
	keepFormer     = 366 * 24 * time.Hour
	mostFormerDesk = envelope.MaxPeople
)

func (v *Vault) readFormerDesks() error {
	v.former = nil
	value, err := v.Records.Get(bucketRoster, formerDesksKey)
	if err != nil || value == nil {
		return err
	}
	if err := json.Unmarshal(value, &v.former); err != nil {
		return fmt.Errorf("former desks: %w", err)
	}
	return nil
}

// retireDesks keeps the desks of the roster in force that the next one lacks. A
// key that the next one revokes is forgotten: nothing that it signed counts.
func (v *Vault) retireDesks(next envelope.Roster, at time.Time) error {
	former := slices.Clone(v.former)
	if v.roster != nil {
		for _, e := range v.roster.People {
			if e.Role != locker.Desk {
				continue
			}
			until := at
			if e.Left(at) {
				until = e.Leaves
			}
			for _, key := range e.Keys {
				former = append(former, formerDesk{e.Person, key, until})
			}
		}
	}
	now := map[string]bool{}
	for _, e := range next.People {
		if e.Role != locker.Desk {
			continue
		}
		for _, key := range e.Keys {
			now[key] = true
		}
	}
	former = slices.DeleteFunc(former, func(f formerDesk) bool {
		return now[f.Key] || slices.Contains(next.Revoked, f.Key) || at.Sub(f.Until) > keepFormer
	})
	if n := len(former) - mostFormerDesk; n > 0 {
		former = former[n:]
	}
	if slices.Equal(former, v.former) {
		return nil
	}
	if _, err := v.put(bucketRoster, formerDesksKey, former); err != nil {
		return fmt.Errorf("store the former desks: %w", err)
	}
	v.former = former
	return nil
}

// desks tells who held a desk's key at a time: by the roster in force, or by the
// one that was in force then.
type desks struct {
	roster *envelope.Roster
	former []formerDesk
}

// Holder implements envelope.People.
func (d desks) Holder(key string, role locker.Role, at time.Time) (locker.Person, error) {
	person, err := d.roster.Holder(key, role, at)
	if err == nil || role != locker.Desk {
		return person, err
	}
	for _, f := range d.former {
		if f.Key == key && at.Before(f.Until) {
			return f.Person, nil
		}
	}
	return "", err
}
