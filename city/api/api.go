// Package api is what the desk's programs ask of the city: the words, and a
// client that speaks them over the daemon's Unix socket.
//
// Whoever may open the socket (mode 0600) may do everything here. That opens
// no door: orders are signed by desks and commands by admins, and the terminal
// verifies both itself.
package api

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Identity is what a terminal must know of this city.
type Identity struct {
	Verifier  string `json:"verifier"`   // of the city's notes: acknowledgements, posted letters
	LetterKey []byte `json:"letter_key"` // public; letters are sealed to it
}

// Terminal is one registered terminal.
type Terminal struct {
	ID       string          `json:"id"`
	Verifier string          `json:"verifier"`           // of the device's notes
	Size     uint64          `json:"size"`               // events that the city holds
	Pruned   uint64          `json:"pruned,omitempty"`   // of those, from the first on, hashes alone
	Online   bool            `json:"online"`             // as the broker says: a hint that nobody signs
	Since    time.Time       `json:"since,omitzero"`     // of Online's last change
	State    json.RawMessage `json:"state,omitempty"`    // as the device last signed it
	Stated   time.Time       `json:"stated,omitzero"`    // when State came, by the city's clock
	Training bool            `json:"training,omitempty"` // by the terminal's events
	Stolen   time.Time       `json:"stolen,omitzero"`    // when two admins declared it
	Closed   time.Time       `json:"closed,omitzero"`    // its log, because its board was replaced
}

// Retired is a terminal whose log was closed, and what its next board is told.
type Retired struct {
	Closed   string `json:"closed"`   // what its log is called from now on
	Adoption []byte `json:"adoption"` // the city's note, for lockerd init -adopt
}

// Key is a one-time order key, leased to whoever asked. That it is the
// terminal's, the list says and not the city; see desk.Key.
type Key struct {
	Terminal string       `json:"terminal"`
	Key      locker.KeyID `json:"key"`
	Public   []byte       `json:"public"`
	Expires  time.Time    `json:"expires"`
	List     []byte       `json:"list,omitempty"` // the device's signed list of its keys, as it last came
}

// Roster is what the city knows of the roster in force at a terminal, from the
// terminal's own event. Version 0: it has not told of one.
type Roster struct {
	Terminal string           `json:"terminal"`
	Version  int              `json:"version"`
	Since    time.Time        `json:"since,omitzero"`
	Desks    []locker.DeskKey `json:"desks"`
}

// Desk tells whose key signs orders at that time; the error says why it does not.
func (r Roster) Desk(fingerprint string, at time.Time) (locker.Person, error) {
	for _, d := range r.Desks {
		if d.Key != fingerprint {
			continue
		}
		if !d.Leaves.IsZero() && !at.Before(d.Leaves) {
			return "", fmt.Errorf("key %s is %s's, who left on %s by roster %d of terminal %s", fingerprint, d.Person, d.Leaves.Format(time.DateOnly), r.Version, r.Terminal)
		}
		return d.Person, nil
	}
	return "", fmt.Errorf("key %s is no desk's in roster %d, which is in force at terminal %s", fingerprint, r.Version, r.Terminal)
}

// OrderState is how far an order is, as the city knows.
type OrderState string

const (
	OrderHeld      OrderState = "held"      // the document has not arrived yet
	OrderSent      OrderState = "sent"      // repeated until the terminal answers
	OrderAccepted  OrderState = "accepted"  // the terminal has it
	OrderRefused   OrderState = "refused"   // the terminal will not have it; see the reason
	OrderWithdrawn OrderState = "withdrawn" // taken back
	OrderLost      OrderState = "lost"      // with the keys of its terminal's board; see the reason
	OrderRecovered OrderState = "recovered" // lost, and its document found by two clerks
	OrderMissing   OrderState = "missing"   // lost, and its document too
	OrderDead      OrderState = "dead"      // its terminal was declared stolen
)

// Order is one order without what is sealed in it.
type Order struct {
	Order    locker.OrderID `json:"order"`
	Terminal string         `json:"terminal"`
	Version  int            `json:"version"`
	Key      locker.KeyID   `json:"key"`
	State    OrderState     `json:"state"`
	Reason   string         `json:"reason,omitempty"`
	Since    time.Time      `json:"since"`
	Captured time.Time      `json:"captured,omitzero"`
	Signer   string         `json:"signer,omitempty"`   // fingerprint of the desk's key, SHA256:…; empty if nobody signed the submission
	Training bool           `json:"training,omitempty"` // a dummy: accepted as one, or before that for a terminal that trains
}

// DepositState is how far a deposit is, by the terminal's events.
type DepositState string

const (
	DepositReserved    DepositState = "reserved"
	DepositPrepared    DepositState = "prepared"
	DepositLaid        DepositState = "laid"
	DepositLoaded      DepositState = "loaded"
	DepositReplaced    DepositState = "replaced" // its code was re-issued under another generation
	DepositAbandoned   DepositState = "abandoned"
	DepositTaken       DepositState = "taken"
	DepositUnloaded    DepositState = "unloaded"
	DepositDisputed    DepositState = "disputed"
	DepositUnconfirmed DepositState = "unconfirmed" // the door is closed, and nobody said that they have it
	DepositDoubted     DepositState = "doubted"
	DepositMissing     DepositState = "missing"
	DepositDead        DepositState = "dead" // the terminal was declared stolen: no code of it counts any more
)

// Deposit is one generation at one terminal.
type Deposit struct {
	Terminal    string               `json:"terminal"`
	Generation  locker.Generation    `json:"generation"`
	Order       locker.OrderID       `json:"order"`
	Compartment locker.CompartmentID `json:"compartment"`
	Replaces    locker.Generation    `json:"replaces,omitempty"`
	State       DepositState         `json:"state"`
	Since       time.Time            `json:"since"`
	Posted      string               `json:"posted,omitempty"` // day; retention runs
	Expired     bool                 `json:"expired,omitempty"`
	Erased      bool                 `json:"erased,omitempty"` // its slot was overwritten
	// The receipt of that: a commitment to the destroyed key (vault.Commitment),
	// how certain its erasure is, and since when.
	Slot    string         `json:"slot,omitempty"`
	Quality locker.Erasure `json:"quality,omitempty"`
	Settled time.Time      `json:"settled,omitzero"`
}

// Event is one event as the terminal hashed and published it.
type Event struct {
	Sequence uint64 `json:"sequence"` // its place in the tree, from 0
	Type     string `json:"type"`
	Body     []byte `json:"body"` // the CloudEvent, byte by byte
}

// Alarm is what the city itself found wrong. A terminal's own alarms are events.
type Alarm struct {
	Terminal string    `json:"terminal"`
	Kind     string    `json:"kind"`
	Detail   string    `json:"detail"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Times    int       `json:"times"`
	Cleared  time.Time `json:"cleared,omitzero"` // of a condition that is over
}

// Kinds of alarm.
const (
	AlarmFork      = "fork"      // two histories under the device's signature
	AlarmMisfit    = "misfit"    // events that do not fit the signed checkpoint
	AlarmSignature = "signature" // a message that the device did not sign
	AlarmContent   = "content"   // a signed message that cannot be used
)

// Kinds of alarm that stand until their condition is over.
const (
	AlarmSilent = "silent"      // nothing was heard from the terminal for too long
	AlarmBroker = "broker_lost" // the city is not connected to its broker
	AlarmFull   = "record_full" // the city cannot write its record
	AlarmStale  = "state_stale" // no signed statement comes from a terminal that calls itself connected
	AlarmHeld   = "events_held" // a terminal's signed state counts events that do not arrive
)

// Tree is a terminal's tree, recomputed from the events that the city holds.
type Tree struct {
	Size       uint64 `json:"size"`
	Pruned     uint64 `json:"pruned,omitempty"` // of those, from the first on, hashes alone
	Root       string `json:"root"`             // base64
	Checkpoint []byte `json:"checkpoint"`       // the device's note that covers it
}

// Letter is what is printed, once. It is a secret.
type Letter struct {
	Terminal   string            `json:"terminal"`
	Order      locker.OrderID    `json:"order"`
	Generation locker.Generation `json:"generation"`
	Recipient  int               `json:"recipient"` // index in the order
	Code       [3]string         `json:"code"`      // the Abholcode's groups
	QR         string            `json:"qr"`
	Fingers    []int             `json:"fingers,omitempty"` // ISO/IEC 19794-2:2005, table 5
	PINLetter  bool              `json:"pin_letter,omitempty"`
	Posted     string            `json:"posted"`             // the day that counts, YYYY-MM-DD
	Training   bool              `json:"training,omitempty"` // a dummy's
}

// Draft is a command that an admin is to sign: envelope.Sign, or ssh-keygen -Y
// sign with this namespace, whose armoured signature is appended to the text.
type Draft struct {
	Namespace string    `json:"namespace"`
	Text      []byte    `json:"text"`
	Expires   time.Time `json:"expires"`
}

// Burglary is the terminal's own list of what lay inside, from its journal.
type Burglary struct {
	Terminal string          `json:"terminal"`
	Sequence uint64          `json:"sequence"` // of the event
	Time     time.Time       `json:"time"`
	Cause    string          `json:"cause"`
	Inside   []locker.Inside `json:"inside"`
}

// Trouble is an alarm as admins see it: a terminal's own, or one of the city's.
type Trouble struct {
	Terminal    string               `json:"terminal"`
	ID          string               `json:"id"` // names it at this terminal
	Class       locker.AlarmClass    `json:"class"`
	Kind        string               `json:"kind"` // locker.AlarmKind, or one of Alarm's kinds
	Compartment locker.CompartmentID `json:"compartment,omitempty"`
	Detail      string               `json:"detail,omitempty"`
	Since       time.Time            `json:"since"`
	Last        time.Time            `json:"last,omitzero"`    // of the city's own that count incidents
	Times       int                  `json:"times,omitempty"`  // of the city's own that count incidents
	Cleared     time.Time            `json:"cleared,omitzero"` // when the condition was over
	Note        string               `json:"note,omitempty"`
	By          string               `json:"by,omitempty"`
	Noted       time.Time            `json:"noted,omitzero"` // zero: nobody has looked yet
}

// Counts tells an alarm that counts incidents from one that stands until its
// condition is over.
func (t Trouble) Counts() bool { return t.Times > 0 }

// Open tells whether somebody should look at the alarm: it stands, or nobody has
// noted it yet.
func (t Trouble) Open() bool {
	return t.Noted.IsZero() && t.Class != locker.Statistics || !t.Counts() && t.Cleared.IsZero()
}

// Line is how the city stands with the broker.
type Line struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"` // of Connected's last change
}

// Lag is what the city has sent and a terminal has not answered.
type Lag struct {
	Messages int       `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"`
}
