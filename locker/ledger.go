package locker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ledger is what the terminal knows for ever. apply changes it, nothing else.
type ledger struct {
	Config     Config                         `json:"config"`
	Boot       uint64                         `json:"boot"`
	Time       time.Time                      `json:"time"`            // of the last event: the trusted time's mark
	Ahead      Duration                       `json:"ahead,omitempty"` // of Time: its provisional part
	Laid       bool                           `json:"laid,omitempty"`  // a document was ever laid in
	Generation Generation                     `json:"generation"`
	Attempt    AttemptID                      `json:"attempt"`
	Round      RoundID                        `json:"round"`
	Pulse      PulseID                        `json:"pulse"`
	Key        KeyID                          `json:"key"`
	Alarm      uint64                         `json:"alarm"`               // the last of each that was given out
	Incidents  uint64                         `json:"incidents,omitempty"` // that began without a visit
	Refusals   int                            `json:"refusals"`
	RefusedAt  time.Time                      `json:"refused_at"`
	Roster     int                            `json:"roster"`
	Members    map[Person]*member             `json:"members"`
	Keys       map[KeyID]*orderKey            `json:"keys"`
	Orders     map[OrderID]*order             `json:"orders"`
	Deposits   map[Generation]*deposit        `json:"deposits"`
	Doors      map[CompartmentID]*compartment `json:"doors"`
	Alarms     map[uint64]*AlarmRaised        `json:"alarms"`
	Tripped    map[Sensor]bool                `json:"tripped,omitempty"`
	Flapping   map[string]*FlappingStarted    `json:"flapping,omitempty"` // by Object.key
	Open       *openRound                     `json:"open_round,omitempty"`
	Root       rootState                      `json:"root,omitzero"`
	Locked     Lock                           `json:"locked,omitempty"`
	Opening    string                         `json:"opening,omitempty"` // by command; see ParseOpening
	Nonces     map[string]time.Time           `json:"nonces,omitempty"`  // of commands, with their expiry
	Adopted    bool                           `json:"adopted,omitempty"`
	Inventory  map[CompartmentID]OrderID      `json:"inventory,omitempty"` // to be looked into: the order that should lie there
}

// rootState is what is known of the root key in hardware that the slots lie
// under. Overwritings are counted; one root's replacement covers many, because
// the chip's memory wears.
type rootState struct {
	Overwritten uint64      `json:"overwritten,omitempty"` // slots, ever; each start counts as one
	Covered     uint64      `json:"covered,omitempty"`     // of them, by replacements
	At          time.Time   `json:"at,omitzero"`           // of the last one
	Receipts    []overwrite `json:"receipts,omitempty"`    // that wait for the next one
}

// overwrite is a slot that was overwritten as the nth.
type overwrite struct {
	ErasedSlot
	N uint64 `json:"n"`
}

// overwrote counts an overwriting, if there is a root that makes it certain.
func (l *ledger) overwrote(slots ...ErasedSlot) {
	if !l.Config.HardwareKey {
		return
	}
	l.Root.Overwritten++
	for _, s := range slots {
		l.Root.Receipts = append(l.Root.Receipts, overwrite{s, l.Root.Overwritten})
	}
}

// covered splits the receipts that wait at the first one beyond upto.
func (l *ledger) covered(upto uint64) (slots []ErasedSlot, rest []overwrite) {
	for i, r := range l.Root.Receipts {
		if r.N > upto || i == maxReceipts {
			return slots, l.Root.Receipts[i:]
		}
		slots = append(slots, r.ErasedSlot)
	}
	return slots, nil
}

// maxReceipts bounds one RootReplaced to some 100 KB.
const maxReceipts = 1000

type member struct {
	Member
	Wrong    int        `json:"wrong"`             // personal numbers in a row, wrong or unsettled
	Charged  bool       `json:"charged,omitempty"` // the last of them is not settled
	Pardoned time.Time  `json:"pardoned,omitzero"` // until then a colleague's presence unblocks them
	Tries    wrongTries `json:"tries,omitzero"`    // since the last quiet week
}

type orderKey struct {
	OfferedKey
	Used   bool `json:"used"`
	Lapsed bool `json:"lapsed"`
}

// order lives from its arrival until its document has left and its key is gone.
type order struct {
	OrderTerms
	Hash    string     `json:"hash"`
	State   orderState `json:"state"`
	Deposit Generation `json:"deposit,omitempty"`
	Since   time.Time  `json:"since,omitzero"` // it waits; none: from before this was kept
	Erased  bool       `json:"erased"`         // sealed order and key
	Ended   time.Time  `json:"ended,omitzero"`
}

type orderState string

const (
	orderOpen      orderState = "open"      // waits for two clerks
	orderReserved  orderState = "reserved"  // a deposit is being made of it
	orderDeposited orderState = "deposited" // confirmed by both
	orderEnded     orderState = "ended"     // the document has left, or the order was withdrawn
)

// orderMemory is how long an ended order is remembered, so that a late copy of
// its message is nothing new.
const orderMemory = 30 * 24 * time.Hour

type deposit struct {
	Generation  Generation        `json:"generation"`
	Order       OrderID           `json:"order"`
	Compartment CompartmentID     `json:"compartment"`
	State       depositState      `json:"state"`
	Hash        string            `json:"hash,omitempty"`       // of the vault's record
	Commitment  string            `json:"commitment,omitempty"` // to its slot's key
	Replaces    Generation        `json:"replaces,omitempty"`
	Charges     int               `json:"charges"` // failed or unsettled
	Pending     []AttemptID       `json:"pending,omitempty"`
	Factors     map[int]int       `json:"factors"` // failed or unsettled comparisons by finger; 0 is the number
	Comparing   map[AttemptID]int `json:"comparing"`
	Closed      map[int]bool      `json:"closed"`
	Loaded      time.Time         `json:"loaded,omitzero"`
	Posted      time.Time         `json:"posted,omitzero"`
	Held        Duration          `json:"held"`               // of retention, while the terminal could be used
	Extended    Duration          `json:"extended,omitempty"` // of retention, by command
	Expired     bool              `json:"expired"`
	Revoked     bool              `json:"revoked"`
	Doubts      int               `json:"doubts"`
	Unconfirmed time.Time         `json:"unconfirmed,omitzero"` // nobody answered whether they have it
	Unanswered  Duration          `json:"unanswered,omitempty"` // since then, while the terminal could be used
	Laid        bool              `json:"laid,omitempty"`       // two clerks closed the door over it
	Attempt     AttemptID         `json:"attempt,omitempty"`    // that released it last
	Slot        bool              `json:"slot"`                 // a slot may exist
	Letter      bool              `json:"letter"`               // a letter may exist
}

type depositState string

const (
	depositReserved    depositState = "reserved"    // the vault prepares
	depositPrepared    depositState = "prepared"    // slot, record and letter are durable
	depositLaying      depositState = "laying"      // released for the clerks
	depositLaid        depositState = "laid"        // inside, not confirmed
	depositLoaded      depositState = "loaded"      // inside, collectable
	depositReleased    depositState = "released"    // released for the citizen
	depositOpened      depositState = "opened"      // the citizen's door is open
	depositClosed      depositState = "closed"      // "have you got it?"
	depositUnconfirmed depositState = "unconfirmed" // the door is closed, and nobody answered
	depositDisputed    depositState = "disputed"    // the citizen says no
	depositDoubted     depositState = "doubted"     // custody unknown
	depositUnloading   depositState = "unloading"   // released for the clerks
	depositEnded       depositState = "ended"
)

type compartment struct {
	Number   CompartmentID `json:"number"`
	Use      use           `json:"use"`
	Deposit  Generation    `json:"deposit,omitempty"`
	Open     bool          `json:"open"` // as the contact says; if it is waived, as people say
	Fault    Fault         `json:"fault,omitempty"`
	Waived   bool          `json:"waived,omitempty"` // worked without its contact
	Release  *release      `json:"release,omitempty"`
	Incident string        `json:"incident,omitempty"` // number of the last matter here; see incidentAt
	// Disabled by command: neither loaded nor opened for citizens.
	Disabled bool `json:"disabled,omitempty"`
}

// release is an authority that has not come to its end: the door has not opened
// and closed since.
type release struct {
	CompartmentReleased
	Opened  bool `json:"opened"`
	Assumed bool `json:"assumed,omitempty"` // opened, as far as the lock tells: no contact has shown it
}

// use says what two clerks know of a compartment's inside.
type use string

const (
	useEmpty    use = "empty"    // seen by two clerks
	useReserved use = "reserved" // seen empty, a deposit is on its way
	useOccupied use = "occupied"
	useVacated  use = "vacated" // used since; also a new compartment
	useDoubt    use = "doubt"
)

type openRound struct {
	Round  RoundID      `json:"round"`
	Clerks [2]Person    `json:"clerks"`
	Laid   []Generation `json:"laid,omitempty"`
	ByKey  bool         `json:"by_key,omitempty"` // doors are opened with the mechanical key
}

func newLedger() *ledger {
	return &ledger{
		Members:  map[Person]*member{},
		Keys:     map[KeyID]*orderKey{},
		Orders:   map[OrderID]*order{},
		Deposits: map[Generation]*deposit{},
		Doors:    map[CompartmentID]*compartment{},
		Alarms:   map[uint64]*AlarmRaised{},
		Tripped:  map[Sensor]bool{},
		Flapping: map[string]*FlappingStarted{},
	}
}

// sorted gives a map's keys in order: no map's own order ever decides.
func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := slices.AppendSeq(make([]K, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

// sortedIf gives the keys of those that fit, in order. Most turns find none,
// and pay for no order.
func sortedIf[K cmp.Ordered, V any](m map[K]V, fits func(V) bool) []K {
	var keys []K
	for k, v := range m {
		if fits(v) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Snapshot is the ledger as JSON, for [Terminal.Restore]; equal ledgers give equal bytes.
func (t *Terminal) Snapshot() ([]byte, error) {
	data, err := json.Marshal(t.ledger)
	if err != nil {
		return nil, fmt.Errorf("snapshot of the ledger: %w", err)
	}
	return data, nil
}

// Restore replaces the ledger by a snapshot, before Replay of what came after it.
func (t *Terminal) Restore(snapshot []byte) error {
	l := newLedger()
	if err := json.Unmarshal(snapshot, l); err != nil {
		return fmt.Errorf("restore the ledger: %w", err)
	}
	t.ledger = l
	return nil
}

// Replay applies one event of the journal.
func (t *Terminal) Replay(e Event) error { return t.ledger.apply(e) }

func (l *ledger) built(n CompartmentID) bool {
	return slices.ContainsFunc(l.Config.Compartments, func(s CompartmentSpec) bool { return s.Number == n })
}

// door gives the compartment's entry, making one for a number that is new.
func (l *ledger) door(n CompartmentID) *compartment {
	c := l.Doors[n]
	if c == nil {
		c = &compartment{Number: n, Use: useVacated}
		l.Doors[n] = c
	}
	return c
}

// custody of a document that lies, or is to lie, at this terminal.
func (d *deposit) custody() Custody {
	switch d.State {
	case depositReserved, depositPrepared, depositLaying, depositUnloading:
		return CustodyClerks
	case depositLaid, depositLoaded, depositReleased:
		return CustodyCompartment
	case depositOpened, depositClosed:
		return CustodyCitizen
	}
	return CustodyUnknown
}

// Custody is who has a document: always exactly one of these.
type Custody string

const (
	CustodyClerks      Custody = "clerks"
	CustodyCompartment Custody = "compartment"
	CustodyCitizen     Custody = "citizen"
	CustodyUnknown     Custody = "unknown"
)

// due tells whether clerks should take the document out.
func (l *ledger) due(d *deposit) bool {
	if d.State != depositLoaded {
		return false
	}
	return d.Expired || d.Revoked || l.overdue(d)
}

// overdue tells whether the letter was not posted in time.
func (l *ledger) overdue(d *deposit) bool {
	return d.State == depositLoaded && d.Posted.IsZero() && l.certain(l.Time).Sub(d.Loaded) >= time.Duration(l.Config.Rules.PostingOverdue)
}

// alarmed finds the active alarm of this kind at this place.
func (l *ledger) alarmed(kind AlarmKind, c CompartmentID, g Generation) *AlarmRaised {
	var first *AlarmRaised
	for _, a := range l.Alarms {
		if a.Kind == kind && a.Compartment == c && (g == 0 || a.Generation == g) && (first == nil || a.Alarm < first.Alarm) {
			first = a
		}
	}
	return first
}
