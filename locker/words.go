package locker

import (
	"strings"
	"time"
)

// Member is one person of the roster, as far as the ledger may know: cards,
// numbers and keys stay in the vault.
type Member struct {
	Person Person    `json:"person"`
	Role   Role      `json:"role"`
	Leaves time.Time `json:"leaves,omitzero"` // from then on refused, also offline
}

// DeskKey is a key that signs orders, by its fingerprint.
type DeskKey struct {
	Person Person    `json:"person"`
	Key    string    `json:"key"`             // SHA256:…, as ssh-keygen -l prints it
	Leaves time.Time `json:"leaves,omitzero"` // from then on refused
}

// Role is what a member of the roster may do.
type Role string

const (
	Clerk Role = "clerk" // loads and unloads, with a second one
	Admin Role = "admin" // signs rosters and commands; opens nothing
	Desk  Role = "desk"  // signs orders
)

// OfferedKey is a one-time order key, its public half by hash alone.
type OfferedKey struct {
	Key     KeyID     `json:"key"`
	Hash    string    `json:"hash"` // SHA-256 of the public key, hex
	Expires time.Time `json:"expires"`
}

// MessageKind is what the city sends.
type MessageKind string

const (
	MessageOrder      MessageKind = "order"
	MessageWithdrawal MessageKind = "withdrawal"
	MessageRoster     MessageKind = "roster"
	MessageCommand    MessageKind = "command"
	MessagePosted     MessageKind = "posted"
	MessageAck        MessageKind = "ack"
)

// RefusalReason is why a code or a sign-in was refused. For the record, never for the screen.
type RefusalReason string

const (
	RefusedUnknown    RefusalReason = "unknown"     // no such selector, or no such card
	RefusedExhausted  RefusalReason = "exhausted"   // five charges failed or unsettled
	RefusedReplaced   RefusalReason = "replaced"    // the deposit ended in the meantime
	RefusedNumber     RefusalReason = "number"      // wrong personal number
	RefusedKey        RefusalReason = "key"         // the security key's answer does not hold
	RefusedSamePerson RefusalReason = "same_person" // one person cannot be both clerks
	RefusedRole       RefusalReason = "role"        // not a clerk
	RefusedLeft       RefusalReason = "left"        // the leave date has passed
	RefusedBlocked    RefusalReason = "blocked"     // too many wrong numbers or answers of a key
	RefusedBroken     RefusalReason = "unreadable"  // the vault could not read what it needs
	RefusedAlone      RefusalReason = "alone"       // no second clerk came
)

// Dispute is what a citizen says who does not have their document.
type Dispute string

// The disputes.
const (
	DisputedNotMine Dispute = "not_mine" // another's document lay there
	DisputedEmpty   Dispute = "empty"    // nothing lay there
)

// Purpose is why a lock is released.
type Purpose string

const (
	ForPickup   Purpose = "pickup"
	ForReturn   Purpose = "return" // a citizen puts back a document that is another's
	ForLoading  Purpose = "loading"
	ForUnload   Purpose = "unloading"
	ForClear    Purpose = "clearing"   // to see it empty
	ForInspect  Purpose = "inspection" // to see what is true
	ForExercise Purpose = "exercise"   // to measure lock and door of an empty or vacated compartment
)

// Fault is a defect of a compartment.
type Fault string

const (
	FaultNotOpened Fault = "did_not_open" // released twice, the contact never told
	FaultLock      Fault = "lock"         // the lock's driver failed
	FaultContact   Fault = "contact"      // the contact cannot be read
)

// AlarmClass says who must come, and when.
type AlarmClass string

const (
	Wake       AlarmClass = "wake"       // now, also at night
	Morning    AlarmClass = "morning"    // at the next opening of the desk
	Statistics AlarmClass = "statistics" // for the maintenance list
)

// AlarmKind is what happened.
type AlarmKind string

// Plain is the kind in words, for a log.
func (k AlarmKind) Plain() string { return strings.ReplaceAll(string(k), "_", " ") }

const (
	AlarmForced        AlarmKind = "door_forced"           // opened, and nobody released it
	AlarmLeftOpen      AlarmKind = "door_left_open"        // with a document perhaps inside
	AlarmEmptyOpen     AlarmKind = "empty_door_open"       // nothing inside
	AlarmFault         AlarmKind = "compartment_fault"     // lock or contact
	AlarmCustody       AlarmKind = "custody_unknown"       // nobody knows where the document is
	AlarmDisputed      AlarmKind = "document_disputed"     // not mine, or empty
	AlarmUnconfirmed   AlarmKind = "document_unconfirmed"  // the door is closed, and nobody said that they have it
	AlarmMissing       AlarmKind = "document_missing"      // two clerks found nothing
	AlarmNotPosted     AlarmKind = "letter_not_posted"     // 14 days
	AlarmRoundBroken   AlarmKind = "round_interrupted"     // documents laid, not confirmed
	AlarmPart          AlarmKind = "part_failed"           // reader, scanner, board
	AlarmClockHeld     AlarmKind = "clock_disagrees"       // the board's clock is not believed
	AlarmVault         AlarmKind = "vault_failed"          // slots or records could not be written
	AlarmSpace         AlarmKind = "space_low"             // the disk of the state folder is nearly full, or full
	AlarmUnknownLayout AlarmKind = "layout_contradicts"    // a deposit in a compartment that the configuration lacks
	AlarmBurglary      AlarmKind = "burglary"              // tampering, or an admin's command
	AlarmExhausted     AlarmKind = "codes_exhausted"       // a deposit's five charges are used up
	AlarmLogDisputed   AlarmKind = "log_disputed"          // the city signed another history than ours
	AlarmTamper        AlarmKind = "tamper"                // somebody is at the cabinet; ends when two clerks have looked
	AlarmInventory     AlarmKind = "inventory_open"        // two clerks have not looked everywhere yet
	AlarmUnexpected    AlarmKind = "document_unexpected"   // two clerks found one that no record names
	AlarmAttack        AlarmKind = "presentation_attack"   // a reader takes a finger for a fake
	AlarmMains         AlarmKind = "mains_failed"          // the battery feeds the terminal
	AlarmEnclosure     AlarmKind = "enclosure_open"        // the electronics' door; ends when two clerks have looked
	AlarmGuessing      AlarmKind = "guessing"              // somebody tries cards, codes, factors or a clerk's number; ends when it rests
	AlarmFlapping      AlarmKind = "flapping"              // a contact, sensor or part changes all the time; ends when it rests
	AlarmCertificate   AlarmKind = "certificate"           // ends within 30 days, has ended, or is another's; ends when it was exchanged
	AlarmTraining      AlarmKind = "training_not_switched" // documents may lie in a terminal that is to begin or end training
)
