package locker

import (
	"time"
)

// Fact is what happened, one of the types of this file. Facts travel and are
// kept for years: a field is added, never renamed or given another meaning.
type Fact interface {
	// Type is the CloudEvents type, de.nachtfach.<noun>.<past participle>.v1.
	Type() string
}

// The terminal itself.
type (
	// TerminalBooted is the first fact of each start.
	TerminalBooted struct {
		Boot     uint64 `json:"boot"`
		Software string `json:"software"`
	}
	// TerminalConfigured tells the layout and rules in force from here on.
	TerminalConfigured struct {
		Config Config `json:"config"`
	}
	// ClockMarked keeps the trusted time's mark when nothing else happens.
	ClockMarked struct{}
	// ClockSet tells that the trusted time was set, from Was to the event's own
	// time. It is the only event that may be earlier than the one before it: then
	// the times of the events before it are too late by at most the difference, and
	// their sequence alone orders them.
	ClockSet struct {
		Was   time.Time   `json:"was"`
		By    ClockSource `json:"by,omitempty"`
		Ahead Duration    `json:"ahead,omitempty"` // the part of the time that is provisional from here on; negative if it was set back
	}
	// ClockConfirmed tells that the provisional part of the time is certain.
	ClockConfirmed struct {
		Ahead Duration `json:"ahead"`
	}
	// AlarmRaised tells a condition that a person must look at.
	AlarmRaised struct {
		Alarm       uint64        `json:"alarm"`
		Class       AlarmClass    `json:"class"`
		Kind        AlarmKind     `json:"kind"`
		Compartment CompartmentID `json:"compartment,omitempty"`
		Generation  Generation    `json:"generation,omitempty"`
		Detail      string        `json:"detail,omitempty"`
		Incident    string        `json:"incident,omitempty"`
	}
	// AlarmCleared tells that the condition is over.
	AlarmCleared struct {
		Alarm    uint64 `json:"alarm"`
		Incident string `json:"incident,omitempty"`
	}
)

// The inventory; see inventory.go.
type (
	// TerminalAdopted tells that this log follows another one, whose terminal
	// broke: the wall is the same, the keys are new, and what lies inside is
	// what the city's record says until two clerks have looked.
	TerminalAdopted struct {
		Adoption
	}
	// DeviceRekeyed tells that another key signs for the device from here on.
	// Proof is the old key's note of it: title, verifier and roster key.
	DeviceRekeyed struct {
		Verifier  string `json:"verifier"`
		RosterKey string `json:"roster_key"` // public
		Proof     string `json:"proof"`
	}
	// InventoryOrdered tells that two clerks are to look into every compartment.
	InventoryOrdered struct {
		Round RoundID `json:"round"`
	}
	// CompartmentInspected tells what two clerks found against the record. A
	// document that was found went to the clerks, unless its deposit lives.
	CompartmentInspected struct {
		Compartment CompartmentID `json:"compartment"`
		Order       OrderID       `json:"order,omitempty"` // that the record names
		Found       bool          `json:"found"`           // a document lay there
		Round       RoundID       `json:"round"`
	}
	// KeyOpeningAnnounced tells that two clerks open doors with the mechanical
	// key: until KeyOpeningEnded or the round's end that is no alarm.
	KeyOpeningAnnounced struct {
		Round  RoundID   `json:"round"`
		Clerks [2]Person `json:"clerks"`
	}
	// KeyOpeningEnded tells that they are done.
	KeyOpeningEnded struct {
		Round RoundID `json:"round"`
	}
)

// People.
type (
	// RosterAccepted replaces the roster.
	RosterAccepted struct {
		Version int      `json:"version"`
		Hash    string   `json:"hash"` // SHA-256 of the signed roster, hex
		People  []Member `json:"people"`
		// Desks sign orders: the city refuses at capture what another key signed.
		Desks []DeskKey `json:"desks,omitempty"`
	}
	// MessageRefused tells that a message of the city was not followed.
	MessageRefused struct {
		Message    MessageKind `json:"message"`
		Order      OrderID     `json:"order,omitempty"`
		Version    int         `json:"version,omitempty"`
		Nonce      string      `json:"nonce,omitempty"` // of a command, as it stood there
		Reason     string      `json:"reason"`
		Suppressed int         `json:"suppressed,omitempty"` // refusals before it that were only counted
	}
	// ClerkCharged counts a try of a personal number before it is made.
	ClerkCharged struct {
		Person Person `json:"person"`
	}
	// ClerkUnblocked gives a clerk new tries: an admin's command allowed it, and
	// a colleague stood beside them.
	ClerkUnblocked struct {
		Person Person `json:"person"`
		Beside Person `json:"beside"`
	}
	// ClerkAdmitted tells that a clerk proved card and personal number, or card and
	// security key: to sign in, or to confirm a round.
	ClerkAdmitted struct {
		Person     Person    `json:"person"`
		WrongTries int       `json:"wrong_tries,omitempty"` // with this card before, since the last quiet week
		WrongSince time.Time `json:"wrong_since,omitzero"`  // the first of them
		Round      RoundID   `json:"round,omitempty"`       // that this confirms; none: a sign-in
	}
	// ClerkRefused tells a sign-in that failed; Person is empty for an unknown card.
	ClerkRefused struct {
		Person Person        `json:"person,omitempty"`
		Reason RefusalReason `json:"reason"`
	}
	// AttemptsSuppressed tells how many refused tries were only counted; see guessing.go.
	AttemptsSuppressed struct {
		Kind       GuessKind `json:"kind"`
		Suppressed int       `json:"suppressed"`
	}
	// RoundOpened tells that two clerks began a round.
	RoundOpened struct {
		Round  RoundID   `json:"round"`
		Clerks [2]Person `json:"clerks"`
	}
	// RoundConfirmed tells that both clerks confirmed the round.
	RoundConfirmed struct {
		Round  RoundID   `json:"round"`
		Clerks [2]Person `json:"clerks"`
	}
	// RoundInterrupted tells that a round ended without both confirmations.
	RoundInterrupted struct {
		Round  RoundID `json:"round"`
		Reason string  `json:"reason"`
	}
)

// Commands.
type (
	// CommandFollowed tells that an admin's command is in force.
	CommandFollowed struct {
		Command
		Admins  []Person  `json:"admins"`
		Nonce   string    `json:"nonce"`
		Expires time.Time `json:"expires"`
	}
	// CommandRefused tells a command that admins did sign, and that was not
	// followed; it does not count later either.
	CommandRefused struct {
		Command
		Admins  []Person  `json:"admins"`
		Nonce   string    `json:"nonce"`
		Expires time.Time `json:"expires"`
		Reason  string    `json:"reason"`
	}
	// TerminalDiagnosed tells what the parts say of themselves.
	TerminalDiagnosed struct {
		Findings map[string]string `json:"findings"`
	}
	// BurglaryDeclared closes the terminal to citizens and tells exactly what
	// lies inside.
	BurglaryDeclared struct {
		Cause  string   `json:"cause"`
		Sensor Sensor   `json:"sensor,omitempty"` // that began it; none: an admin's command
		Inside []Inside `json:"inside"`
	}
)

// Orders, keys and letters.
type (
	// KeysOffered names new one-time order keys, before their public halves leave.
	KeysOffered struct {
		Keys []OfferedKey `json:"keys"`
	}
	// KeyLapsed tells that a key that was never used expired.
	KeyLapsed struct {
		Key KeyID `json:"key"`
	}
	// KeyErased tells that a lapsed key's private half was overwritten.
	KeyErased struct {
		Key KeyID `json:"key"`
	}
	// OrderAccepted tells that an order arrived, opened and verified.
	OrderAccepted struct {
		OrderTerms
		Hash string `json:"hash"` // SHA-256 of the sealed order, hex
	}
	// OrderWithdrawn tells that the desk took the order back; without a desk, that
	// nobody loaded it for as long as a key lives.
	OrderWithdrawn struct {
		Order OrderID `json:"order"`
		Desk  Person  `json:"desk"`
	}
	// OrderErased tells that the sealed order and its key are gone.
	OrderErased struct {
		Order OrderID `json:"order"`
	}
	// LetterPosted tells that the city sent the letter; retention starts.
	LetterPosted struct {
		Generation Generation `json:"generation"`
		Day        string     `json:"day"` // YYYY-MM-DD
	}
	// LetterDeleted tells that the terminal's copy of the letter is gone.
	LetterDeleted struct {
		Generation Generation `json:"generation"`
	}
)

// Deposits.
type (
	// DepositReserved allocates generation and compartment. Replaces names the
	// generation whose code is re-issued; then no door moves.
	DepositReserved struct {
		Generation  Generation    `json:"generation"`
		Order       OrderID       `json:"order"`
		Compartment CompartmentID `json:"compartment"`
		Round       RoundID       `json:"round,omitempty"`
		Replaces    Generation    `json:"replaces,omitempty"`
		Admin       Person        `json:"admin,omitempty"` // who ordered the re-issue
		Key         KeyID         `json:"key,omitempty"`   // that the re-issue spends
	}
	// DepositPrepared tells that slot, record and letter are durable.
	DepositPrepared struct {
		Generation Generation `json:"generation"`
		Hash       string     `json:"hash"`           // SHA-256 of the vault's record, hex
		Slot       string     `json:"slot,omitempty"` // commitment to the slot's key; see vault.Commitment
	}
	// DepositAbandoned tells that nothing will lie under this generation.
	DepositAbandoned struct {
		Generation Generation `json:"generation"`
		Reason     string     `json:"reason"`
	}
	// DocumentLaid tells that the door closed on the document.
	DocumentLaid struct {
		Generation Generation `json:"generation"`
		Round      RoundID    `json:"round"`
	}
	// DepositLoaded tells that both clerks confirmed: collectable from now on.
	DepositLoaded struct {
		Generation Generation `json:"generation"`
		Round      RoundID    `json:"round"`
		Incident   string     `json:"incident,omitempty"`
	}
	// DepositReissued tells that the new generation took the old one's place.
	DepositReissued struct {
		Generation Generation `json:"generation"`
		Replaces   Generation `json:"replaces"`
	}
	// DepositExpired tells that retention ran out; collectable until taken out.
	DepositExpired struct {
		Generation Generation `json:"generation"`
	}
	// DocumentTaken ends a deposit: the citizen has the document. Confirmed is the
	// citizen's own yes. Without it nobody answered for as long as the rule
	// "unconfirmed" says, or the two clerks of Round found the compartment empty.
	DocumentTaken struct {
		Generation Generation `json:"generation"`
		Confirmed  bool       `json:"confirmed"`
		Round      RoundID    `json:"round,omitempty"`
		Incident   string     `json:"incident,omitempty"`
	}
	// DocumentUnconfirmed tells that the citizen's door is closed again and nobody
	// answered whether they have the document. Its code stays good.
	DocumentUnconfirmed struct {
		Generation Generation `json:"generation"`
		Incident   string     `json:"incident,omitempty"`
	}
	// DocumentDisputed tells that the citizen says: not mine, or empty.
	DocumentDisputed struct {
		Generation Generation `json:"generation"`
		Reason     Dispute    `json:"reason"`
		Incident   string     `json:"incident,omitempty"`
	}
	// DocumentUnloaded ends a deposit: two clerks have the document.
	DocumentUnloaded struct {
		Generation Generation `json:"generation"`
		Round      RoundID    `json:"round"`
		Incident   string     `json:"incident,omitempty"`
	}
	// DocumentMissing ends a deposit: two clerks found the compartment empty.
	DocumentMissing struct {
		Generation Generation `json:"generation"`
		Round      RoundID    `json:"round"`
		Incident   string     `json:"incident,omitempty"`
	}
	// CustodyDoubted tells that nobody knows where the document is.
	CustodyDoubted struct {
		Generation Generation `json:"generation"`
		Reason     string     `json:"reason"`
		Incident   string     `json:"incident,omitempty"`
	}
	// SlotErased tells that the deposit's key slot was overwritten: its factor is
	// gone. It is the deletion's receipt. Where the slots lie under a root key in
	// hardware, a RootReplaced with the same commitment follows.
	SlotErased struct {
		Generation Generation `json:"generation"`
		Slot       string     `json:"slot,omitempty"`    // commitment to the destroyed key, as in DepositPrepared
		Quality    Erasure    `json:"quality,omitempty"` // of this step
	}
	// RootReplaced tells that the slots' root key in hardware was replaced: what
	// was overwritten before is noise in every copy of the disk, too.
	RootReplaced struct {
		Upto  uint64       `json:"upto"` // overwritings that it covers, counted from the first
		Slots []ErasedSlot `json:"slots,omitempty"`
	}
)

// ErasedSlot is a deposit's slot that is gone for certain.
type ErasedSlot struct {
	Generation Generation `json:"generation"`
	Slot       string     `json:"slot,omitempty"`
}

// Erasure is how certain an erasure is.
type Erasure string

const (
	// ErasedLogically: overwritten in place. Flash media may keep the old block.
	ErasedLogically Erasure = "logical"
	// ErasedPhysically: what the key was encrypted under is gone from the chip.
	ErasedPhysically Erasure = "physical"
)

// A citizen's visit.
type (
	// CodeRefused tells a code that belongs to no deposit, or was not tried.
	CodeRefused struct {
		Attempt    AttemptID     `json:"attempt"`
		Reason     RefusalReason `json:"reason"`
		Generation Generation    `json:"generation,omitempty"`
	}
	// CodeCharged counts a try before it is made.
	CodeCharged struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
	}
	// CodeFailed settles a charge: the seal did not open.
	CodeFailed struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
	}
	// CodeProved refunds a charge: the seal opened.
	CodeProved struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
		Incident   string     `json:"incident,omitempty"`
	}
	// FactorCharged counts a comparison before it is made.
	FactorCharged struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
		Factor     FactorKind `json:"factor"`
		Finger     int        `json:"finger,omitempty"` // position, ISO/IEC 19794-2:2005
	}
	// FactorCompared settles it, with the evidence of the decision.
	FactorCompared struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
		Factor     FactorKind `json:"factor"`
		Finger     int        `json:"finger,omitempty"`
		Accepted   bool       `json:"accepted"`
		Similarity float64    `json:"similarity,omitempty"`
		FMR        float64    `json:"fmr,omitempty"`       // false match rate that the similarity stands for
		Threshold  float64    `json:"threshold,omitempty"` // largest false match rate that is accepted

		Scored      bool    `json:"attack_scored,omitempty"` // the reader looked for a fake
		AttackScore float64 `json:"attack_score,omitempty"`  // 0, living, to 100, fake
	}
	// PresentationRefused settles a charge in its place: the reader takes the
	// finger for a fake, and it was not compared.
	PresentationRefused struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
		Finger     int        `json:"finger"` // position, ISO/IEC 19794-2:2005
		Score      float64    `json:"score"`
		Limit      float64    `json:"limit"` // largest score that is accepted
	}
	// FactorClosed tells that this finger, or the number, is not asked for again.
	FactorClosed struct {
		Generation Generation `json:"generation"`
		Factor     FactorKind `json:"factor"`
		Finger     int        `json:"finger,omitempty"`
		Incident   string     `json:"incident,omitempty"`
	}
	// PINLetterConfirmed is the recipient's declaration before handover. Version
	// names the text that was shown; by default it is about the PIN letter
	// (PAuswV §17).
	PINLetterConfirmed struct {
		Attempt    AttemptID  `json:"attempt"`
		Generation Generation `json:"generation"`
		Version    string     `json:"version,omitempty"`
	}
)

// Compartments.
type (
	// CompartmentReleased authorises exactly one pulse of one lock.
	CompartmentReleased struct {
		Compartment CompartmentID `json:"compartment"`
		Pulse       PulseID       `json:"pulse"`
		Purpose     Purpose       `json:"purpose"`
		Generation  Generation    `json:"generation,omitempty"`
		Attempt     AttemptID     `json:"attempt,omitempty"` // the proved pickup
		Round       RoundID       `json:"round,omitempty"`   // or the two clerks
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentOpened tells that the door opened; Commanded is false for one that
	// nobody released. Assumed is true if the lock was driven and the contact
	// cannot tell: it is faulty, waived, or said "open" before.
	CompartmentOpened struct {
		Compartment CompartmentID `json:"compartment"`
		Commanded   bool          `json:"commanded"`
		Assumed     bool          `json:"assumed,omitempty"`
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentClosed tells that the door closed. Assumed is true if the person
	// at the door said so and the contact did not.
	CompartmentClosed struct {
		Compartment CompartmentID `json:"compartment"`
		Assumed     bool          `json:"assumed,omitempty"`
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentCleared tells that two clerks saw it empty.
	CompartmentCleared struct {
		Compartment CompartmentID `json:"compartment"`
		Round       RoundID       `json:"round"`
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentQuarantined takes it out of use until two clerks look.
	CompartmentQuarantined struct {
		Compartment CompartmentID `json:"compartment"`
		Reason      string        `json:"reason"`
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentFaulted tells a defect of lock or contact.
	CompartmentFaulted struct {
		Compartment CompartmentID `json:"compartment"`
		Fault       Fault         `json:"fault"`
		Detail      string        `json:"detail,omitempty"`
		Incident    string        `json:"incident,omitempty"`
	}
	// CompartmentRestored tells that the defect is gone.
	CompartmentRestored struct {
		Compartment CompartmentID `json:"compartment"`
	}
	// SensorWaived tells that two clerks work this door without its contact.
	SensorWaived struct {
		Compartment CompartmentID `json:"compartment"`
		Round       RoundID       `json:"round"`
	}
)

// LockExercised tells what a pulse of an exercise showed. Lengths of time begin
// with the order to energise, and are as fine as the contact can be read.
type LockExercised struct {
	Compartment CompartmentID `json:"compartment"`
	Round       RoundID       `json:"round"`
	Pulse       PulseID       `json:"pulse"`
	Coil        Duration      `json:"coil"`              // until the coil was seen off
	Opened      Duration      `json:"opened,omitempty"`  // until the contact told that the door is open; zero: it never did
	Settled     Duration      `json:"settled,omitempty"` // until the contact's last change
	Bounces     int           `json:"bounces,omitempty"` // changes of the contact after the first
	Err         string        `json:"error,omitempty"`   // why the lock was not driven as it should be
}

// Sensors.
type (
	// SensorTripped tells that a sensor of the terminal itself spoke up.
	SensorTripped struct {
		Sensor Sensor `json:"sensor"`
	}
	// SensorRested tells that it shows nothing any more, or is not there any more.
	SensorRested struct {
		Sensor Sensor `json:"sensor"`
	}
)

// Flapping; see flapping.go.
type (
	// FlappingStarted tells that an object changes its level so often that its
	// changes are counted from here on, not recorded.
	FlappingStarted struct {
		Object
		Compartments []CompartmentID `json:"compartments,omitempty"` // whose contact or lock hangs on this board and failed
	}
	// FlappingEnded tells that it has rested; its level is followed again.
	FlappingEnded struct {
		Object
		Suppressed int `json:"suppressed"` // changes that were not recorded, since the last start at most
	}
)

func (TerminalBooted) Type() string         { return "de.nachtfach.terminal.booted.v1" }
func (TerminalConfigured) Type() string     { return "de.nachtfach.terminal.configured.v1" }
func (ClockMarked) Type() string            { return "de.nachtfach.clock.marked.v1" }
func (ClockSet) Type() string               { return "de.nachtfach.clock.set.v1" }
func (ClockConfirmed) Type() string         { return "de.nachtfach.clock.confirmed.v1" }
func (AlarmRaised) Type() string            { return "de.nachtfach.alarm.raised.v1" }
func (AlarmCleared) Type() string           { return "de.nachtfach.alarm.cleared.v1" }
func (TerminalAdopted) Type() string        { return "de.nachtfach.terminal.adopted.v1" }
func (DeviceRekeyed) Type() string          { return "de.nachtfach.device.rekeyed.v1" }
func (InventoryOrdered) Type() string       { return "de.nachtfach.inventory.ordered.v1" }
func (CompartmentInspected) Type() string   { return "de.nachtfach.compartment.inspected.v1" }
func (KeyOpeningAnnounced) Type() string    { return "de.nachtfach.keyopening.announced.v1" }
func (KeyOpeningEnded) Type() string        { return "de.nachtfach.keyopening.ended.v1" }
func (RosterAccepted) Type() string         { return "de.nachtfach.roster.accepted.v1" }
func (MessageRefused) Type() string         { return "de.nachtfach.message.refused.v1" }
func (ClerkCharged) Type() string           { return "de.nachtfach.clerk.charged.v1" }
func (ClerkUnblocked) Type() string         { return "de.nachtfach.clerk.unblocked.v1" }
func (CommandFollowed) Type() string        { return "de.nachtfach.command.followed.v1" }
func (CommandRefused) Type() string         { return "de.nachtfach.command.refused.v1" }
func (TerminalDiagnosed) Type() string      { return "de.nachtfach.terminal.diagnosed.v1" }
func (BurglaryDeclared) Type() string       { return "de.nachtfach.burglary.declared.v1" }
func (ClerkAdmitted) Type() string          { return "de.nachtfach.clerk.admitted.v1" }
func (ClerkRefused) Type() string           { return "de.nachtfach.clerk.refused.v1" }
func (RoundOpened) Type() string            { return "de.nachtfach.round.opened.v1" }
func (RoundConfirmed) Type() string         { return "de.nachtfach.round.confirmed.v1" }
func (RoundInterrupted) Type() string       { return "de.nachtfach.round.interrupted.v1" }
func (KeysOffered) Type() string            { return "de.nachtfach.keys.offered.v1" }
func (KeyLapsed) Type() string              { return "de.nachtfach.key.lapsed.v1" }
func (KeyErased) Type() string              { return "de.nachtfach.key.erased.v1" }
func (OrderAccepted) Type() string          { return "de.nachtfach.order.accepted.v1" }
func (OrderWithdrawn) Type() string         { return "de.nachtfach.order.withdrawn.v1" }
func (OrderErased) Type() string            { return "de.nachtfach.order.erased.v1" }
func (LetterPosted) Type() string           { return "de.nachtfach.letter.posted.v1" }
func (LetterDeleted) Type() string          { return "de.nachtfach.letter.deleted.v1" }
func (DepositReserved) Type() string        { return "de.nachtfach.deposit.reserved.v1" }
func (DepositPrepared) Type() string        { return "de.nachtfach.deposit.prepared.v1" }
func (DepositAbandoned) Type() string       { return "de.nachtfach.deposit.abandoned.v1" }
func (DocumentLaid) Type() string           { return "de.nachtfach.document.laid.v1" }
func (DepositLoaded) Type() string          { return "de.nachtfach.deposit.loaded.v1" }
func (DepositReissued) Type() string        { return "de.nachtfach.deposit.reissued.v1" }
func (DepositExpired) Type() string         { return "de.nachtfach.deposit.expired.v1" }
func (DocumentTaken) Type() string          { return "de.nachtfach.document.taken.v1" }
func (DocumentUnconfirmed) Type() string    { return "de.nachtfach.document.unconfirmed.v1" }
func (DocumentDisputed) Type() string       { return "de.nachtfach.document.disputed.v1" }
func (DocumentUnloaded) Type() string       { return "de.nachtfach.document.unloaded.v1" }
func (DocumentMissing) Type() string        { return "de.nachtfach.document.missed.v1" }
func (CustodyDoubted) Type() string         { return "de.nachtfach.custody.doubted.v1" }
func (SlotErased) Type() string             { return "de.nachtfach.slot.erased.v1" }
func (RootReplaced) Type() string           { return "de.nachtfach.root.replaced.v1" }
func (CodeRefused) Type() string            { return "de.nachtfach.code.refused.v1" }
func (CodeCharged) Type() string            { return "de.nachtfach.code.charged.v1" }
func (CodeFailed) Type() string             { return "de.nachtfach.code.failed.v1" }
func (CodeProved) Type() string             { return "de.nachtfach.code.proved.v1" }
func (FactorCharged) Type() string          { return "de.nachtfach.factor.charged.v1" }
func (FactorCompared) Type() string         { return "de.nachtfach.factor.compared.v1" }
func (PresentationRefused) Type() string    { return "de.nachtfach.presentation.refused.v1" }
func (FactorClosed) Type() string           { return "de.nachtfach.factor.closed.v1" }
func (PINLetterConfirmed) Type() string     { return "de.nachtfach.pinletter.confirmed.v1" }
func (CompartmentReleased) Type() string    { return "de.nachtfach.compartment.released.v1" }
func (CompartmentOpened) Type() string      { return "de.nachtfach.compartment.opened.v1" }
func (CompartmentClosed) Type() string      { return "de.nachtfach.compartment.closed.v1" }
func (CompartmentCleared) Type() string     { return "de.nachtfach.compartment.cleared.v1" }
func (CompartmentQuarantined) Type() string { return "de.nachtfach.compartment.quarantined.v1" }
func (CompartmentFaulted) Type() string     { return "de.nachtfach.compartment.faulted.v1" }
func (CompartmentRestored) Type() string    { return "de.nachtfach.compartment.restored.v1" }
func (SensorWaived) Type() string           { return "de.nachtfach.sensor.waived.v1" }
func (LockExercised) Type() string          { return "de.nachtfach.lock.exercised.v1" }
func (SensorTripped) Type() string          { return "de.nachtfach.sensor.tripped.v1" }
func (SensorRested) Type() string           { return "de.nachtfach.sensor.rested.v1" }
func (AttemptsSuppressed) Type() string     { return "de.nachtfach.attempts.suppressed.v1" }
func (FlappingStarted) Type() string        { return "de.nachtfach.flapping.started.v1" }
func (FlappingEnded) Type() string          { return "de.nachtfach.flapping.ended.v1" }
