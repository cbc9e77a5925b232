package locker

import "time"

// Status is the terminal as admins see it: a projection of the ledger,
// published as the retained state. No name, no order's content, no code.
type Status struct {
	Terminal     string              `json:"terminal"`
	Software     string              `json:"software,omitempty"`
	Boot         uint64              `json:"boot"`
	Time         time.Time           `json:"time"`
	Quality      TimeQuality         `json:"time_quality"`
	At           time.Duration       `json:"-"`                    // uptime at Time
	Ahead        Duration            `json:"time_ahead,omitempty"` // the part of Time that is provisional; negative if it was set back
	Open         bool                `json:"open"`                 // citizens may collect now
	Busy         bool                `json:"busy"`                 // somebody stands there
	Locked       Lock                `json:"locked,omitempty"`
	Hours        string              `json:"hours,omitempty"` // by command, in place of the configured ones
	Training     bool                `json:"training,omitempty"`
	Compartments []CompartmentStatus `json:"compartments"`
	Alarms       []AlarmRaised       `json:"alarms"`
	Detection    bool                `json:"detection"`           // every finger reader looks for fakes
	Exercise     []CompartmentID     `json:"exercise,omitempty"`  // whose locks the next round is asked to exercise
	Tripped      []Sensor            `json:"tripped,omitempty"`   // sensors of the terminal itself that speak up
	Flapping     []Object            `json:"flapping,omitempty"`  // contacts, sensors and parts whose changes are counted, not recorded
	Waiting      int                 `json:"waiting"`             // orders without their document
	Keys         int                 `json:"keys"`                // unused order keys
	Blocked      []Person            `json:"blocked,omitempty"`   // clerks who used up their tries
	Challenge    string              `json:"challenge,omitempty"` // that a command must name; new at each start
	Roster       int                 `json:"roster"`              // version
	HardwareKey  bool                `json:"hardware_key"`        // false: erasure is logical only
	Fault        string              `json:"fault,omitempty"`
	Recorded     uint64              `json:"recorded,omitempty"` // events in the journal that this state includes, at least
}

// CompartmentStatus is one door and what is behind it.
type CompartmentStatus struct {
	Number      CompartmentID `json:"number"`
	Size        Size          `json:"size"`
	Row         int           `json:"row,omitempty"`    // from the top, from 1
	Column      int           `json:"column,omitempty"` // from the left, from 1
	Use         string        `json:"use"`              // empty, reserved, occupied, vacated, doubt
	Open        bool          `json:"open"`
	Fault       Fault         `json:"fault,omitempty"`
	Waived      bool          `json:"waived,omitempty"`
	Disabled    bool          `json:"disabled,omitempty"` // by command
	Generation  Generation    `json:"generation,omitempty"`
	Order       OrderID       `json:"order,omitempty"`
	Deposit     string        `json:"deposit,omitempty"`
	Custody     Custody       `json:"custody,omitempty"`
	Loaded      time.Time     `json:"loaded,omitzero"`
	Posted      time.Time     `json:"posted,omitzero"`
	Expired     bool          `json:"expired,omitempty"`
	Revoked     bool          `json:"revoked,omitempty"`
	Charges     int           `json:"charges,omitempty"`
	Unconfirmed time.Time     `json:"unconfirmed,omitzero"` // when nobody answered whether they have it
	Incident    string        `json:"incident,omitempty"`   // number of the matter that is open here
}

// Status is the state now.
func (t *Terminal) Status() Status {
	l, c := t.ledger, t.session.clock
	v := Status{
		Terminal: l.Config.Terminal, Software: t.session.software, Boot: l.Boot, Time: c.base, At: c.at, Quality: c.quality, Ahead: l.Ahead,
		Open: t.open(), Locked: l.Locked, Hours: l.Opening, Busy: t.session.mode != idle, Training: l.Config.Training,
		Compartments: []CompartmentStatus{}, Alarms: []AlarmRaised{}, Roster: l.Roster,
		HardwareKey: l.Config.HardwareKey,
	}
	for _, s := range l.Config.Compartments {
		v.Compartments = append(v.Compartments, l.compartmentStatus(s))
	}
	for _, id := range sorted(l.Alarms) {
		v.Alarms = append(v.Alarms, *l.Alarms[id])
	}
	v.Detection = l.Config.Detection
	v.Exercise = t.exercise()
	v.Tripped = sorted(l.Tripped)
	v.Flapping = l.flappingObjects()
	v.Waiting = l.waiting()
	for _, k := range l.Keys {
		if !k.Used && !k.Lapsed {
			v.Keys++
		}
	}
	v.Blocked = sortedIf(l.Members, l.usedUp)
	return v
}

func (l *ledger) compartmentStatus(s CompartmentSpec) CompartmentStatus {
	c := l.door(s.Number)
	v := CompartmentStatus{
		Number: s.Number, Size: s.Size, Row: s.Row, Column: s.Column,
		Use: string(c.Use), Open: c.Open, Fault: c.Fault, Waived: c.Waived, Disabled: c.Disabled,
	}
	v.Incident = l.incidentAt(s.Number)
	if d := l.Deposits[c.Deposit]; d != nil {
		v.Generation, v.Order, v.Deposit, v.Custody = d.Generation, d.Order, string(d.State), d.custody()
		v.Loaded, v.Posted, v.Expired, v.Revoked, v.Charges = d.Loaded, d.Posted, d.Expired, d.Revoked, d.Charges
		v.Unconfirmed = d.Unconfirmed
	}
	return v
}

// UnusedKeys are the order keys on offer, in their order.
func (t *Terminal) UnusedKeys() []OfferedKey {
	var keys []OfferedKey
	for _, id := range sorted(t.ledger.Keys) {
		if k := t.ledger.Keys[id]; !k.Used && !k.Lapsed {
			keys = append(keys, k.OfferedKey)
		}
	}
	return keys
}

// Living is what the ledger names of the vault's holdings: all else there is a
// leftover of something that never happened, and is erased at start.
type Living struct {
	Keys        []KeyID               // offered, used or lapsed, not yet overwritten
	Orders      map[OrderID]string    // sealed order and key not yet overwritten; the hash of their event
	Generations map[Generation]string // whose slot is not yet overwritten; the hash of their event
	Letters     []Generation          // whose letter is not yet deleted
}

// Living lists them.
func (t *Terminal) Living() Living {
	l := t.ledger
	v := Living{Keys: sorted(l.Keys), Orders: map[OrderID]string{}, Generations: map[Generation]string{}}
	for _, id := range sorted(l.Orders) {
		if !l.Orders[id].Erased {
			v.Orders[id] = l.Orders[id].Hash
		}
	}
	for _, g := range sorted(l.Deposits) {
		d := l.Deposits[g]
		// What was being prepared when the power went is abandoned, not resumed.
		if d.State == depositReserved {
			continue
		}
		if d.Slot {
			v.Generations[g] = d.Hash
		}
		if d.Letter {
			v.Letters = append(v.Letters, g)
		}
	}
	return v
}

// Letters are the generations whose letter the city has not answered.
func (t *Terminal) Letters() []Generation {
	var list []Generation
	for _, g := range sorted(t.ledger.Deposits) {
		if d := t.ledger.Deposits[g]; d.Letter && d.Posted.IsZero() && !d.Loaded.IsZero() && d.State != depositEnded {
			list = append(list, g)
		}
	}
	return list
}
