// Package locker decides what a document pickup terminal does.
//
// One Terminal is one deterministic state machine. Everything that happens
// outside (a key pressed, a finger matched, a door moved, a message from the
// city, a deadline) arrives as an [Input]; the machine answers with [Event]s,
// facts to be recorded, and [Action]s, things to be done outside:
//
//	events, actions := terminal.Step(now, input)
//
// The caller commits the events to the journal before it carries out the
// first action; if the commit fails it carries out none and starts again.
//
// A Terminal is a ledger and a session. The ledger changes by events alone,
// so that [Terminal.Replay] of the journal rebuilds it exactly. The session is
// who stands there and what has been typed; it is dropped at a restart and
// never recorded. Unfinished work is an obligation in the ledger: Step returns
// its action again until an input answers it. A lock's pulse is no obligation
// and is never repeated after a restart.
//
// The package holds no goroutine, no clock, no I/O, no randomness and no
// secret. It leaves pickup codes and factors to package vault, storage to
// package journal, and carrying out to package controller.
package locker

import (
	"strings"
	"time"
)

// OrderID names an order; opaque, drawn by the city's desk, never a name or a
// document's number. 8 to 40 of A–Z, a–z, 0–9 and hyphen.
type OrderID string

// Short is the order's short number, which people compare by eye on slip and
// screen: the last six characters of its id in capitals, in two groups. It is
// no key: two orders may share it.
func (o OrderID) Short() string {
	s := strings.ToUpper(string(o))
	s = s[max(0, len(s)-6):]
	if len(s) < 6 {
		return s
	}
	return s[:3] + " " + s[3:]
}

// Generation names one deposit for ever: allocated at reservation and anew at
// each re-issue of the code, never reused, so that nothing meant for an
// earlier deposit acts on a later one. Zero is none.
type Generation uint64

// CompartmentID is the number on the door, from 1.
type CompartmentID int

// KeyID names a one-time order key of this terminal; never reused.
type KeyID uint64

// Person is a pseudonym from the roster.
type Person string

// AttemptID numbers the codes that were entered at this terminal.
type AttemptID uint64

// RoundID numbers the clerks' rounds at this terminal.
type RoundID uint64

// PulseID numbers the commands to open a lock.
type PulseID uint64

// Now is a reading of the machine's two clocks.
type Now struct {
	Uptime time.Duration // monotonic, since the process started
	Wall   time.Time     // the board's real-time clock; believed in small steps only
}

// TimeQuality says what an event's time rests on.
type TimeQuality string

const (
	TimeConfirmed TimeQuality = "confirmed" // the city's signed time was heard within a day
	TimeClock     TimeQuality = "clock"     // the board's clock agrees with elapsed time
	TimeHeld      TimeQuality = "held"      // the board's clock disagrees; elapsed time alone
)

// Event is one fact with the trusted time at which it was decided.
type Event struct {
	Time     time.Time
	Quality  TimeQuality
	Training bool // decided while the terminal trained: it counts for nothing
	Fact     Fact
}

// Size is a compartment's or a document's size; the smallest that fits is used.
type Size int

const (
	Small  Size = 1 // cards, letters up to C6
	Medium Size = 2 // passports, letters up to C5
	Large  Size = 3 // folders, letters up to C4
)

// DocumentKind is what is handed over; it decides the rules of its handover.
type DocumentKind string

const (
	IdentityCard    DocumentKind = "identity_card"
	Passport        DocumentKind = "passport"
	ResidencePermit DocumentKind = "residence_permit"
	OtherDocument   DocumentKind = "other"
)

// RecipientKind says who may collect.
type RecipientKind string

const (
	Applicant RecipientKind = "applicant"
	Proxy     RecipientKind = "proxy"
	Parent    RecipientKind = "parent"
)

// FactorKind is what a recipient proves beside the code.
type FactorKind string

const (
	FactorFinger FactorKind = "finger" // one of up to two enrolled fingers
	FactorNumber FactorKind = "number" // a number chosen at application, for people whose fingers cannot be read
)

// Recipient is one person who may collect, as far as the terminal may know.
// Fingers are the positions of ISO/IEC 19794-2:2005, table 5, 1 to 10, in the order
// in which they are asked for.
type Recipient struct {
	Kind    RecipientKind `json:"kind"`
	Factor  FactorKind    `json:"factor"`
	Fingers []int         `json:"fingers,omitempty"`
}

// OrderTerms are an order without its secrets.
type OrderTerms struct {
	Order      OrderID        `json:"order"`
	Version    int            `json:"version"`
	Key        KeyID          `json:"key"`
	Documents  []DocumentKind `json:"documents"`
	Recipients []Recipient    `json:"recipients"`
	Size       Size           `json:"size"`
	LowReach   bool           `json:"low_reach"`            // must lie within reach from a wheelchair
	PINLetter  bool           `json:"pin_letter,omitempty"` // the recipient confirms a declaration before handover, by default about the PIN letter (PAuswV §17)
	Training   bool           `json:"training,omitempty"`   // a dummy: for a terminal that trains, and for no other
	Desk       Person         `json:"desk"`                 // who signed
}
