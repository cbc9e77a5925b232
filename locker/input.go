package locker

import (
	"time"
)

// Input is anything that happens outside, one of the types of this file.
type Input interface{ input() }

// From the machine.
type (
	// Booted is the first input after Replay. Doors holds the level of every
	// contact that could be read; true is open.
	Booted struct {
		Config   Config
		Software string
		Doors    map[CompartmentID]bool
		Reader   bool      // a finger reader answers
		Adopted  *Adoption // nil: this board did not take over another's wall
	}
	// Tick tells that time has passed: at [Terminal.Deadline] at the latest.
	Tick struct{}
	// DoorMoved is a level of a contact, after each edge and on each poll.
	DoorMoved struct {
		Compartment CompartmentID
		Open        bool
	}
	// SensorTold is a level of a sensor, after each change and at the start.
	SensorTold struct {
		Sensor  Sensor
		Tripped bool
	}
	// ExerciseAsked is a technician's wish that the next round exercises the locks
	// of these compartments, or of all. It is no authority; see exercise.go.
	ExerciseAsked struct {
		Compartments []CompartmentID
	}
	// SpaceTold is how much the disk of the state folder can take, every few seconds.
	SpaceTold struct {
		Folder string
		Free   int64 // bytes of the file system
		Size   int64 // of all of it
		Room   int64 // bytes that the store can still write, with what it holds ready
	}
	// PartFailed tells that a part that no action asked for does not work: a
	// reader, a scanner, a contact's board.
	PartFailed struct {
		Part        string
		Compartment CompartmentID // zero if it belongs to none
		Board       string        // that a compartment's part shares with others, as the board's own Part is named; empty: none
		Detail      string
	}
	// CertificateChecked tells what is wrong with one of the terminal's
	// certificates: that it ends soon, has ended, or is for another name.
	CertificateChecked struct {
		Certificate string // which one
		Detail      string // with the name in it and the date of its end; empty: nothing is wrong
	}
	// PartHealed tells that it works again.
	PartHealed struct {
		Part        string
		Compartment CompartmentID
		Board       string
	}
)

// From people at the screen, its scanners and badge reader.
type (
	// Chosen is a press on one of the screen's choices.
	Chosen struct {
		Screen uint64
		Choice Choice
	}
	// Typed is a line of digits, completed with Enter. It never reaches the ledger,
	// and Step keeps nothing of Text: the caller clears it afterwards.
	Typed struct {
		Screen uint64
		Text   []byte
	}
	// Asserted is what a security key answered to the screen's KeyRequest: a
	// PublicKeyCredential of Web Authentication as JSON, which the vault judges.
	Asserted struct {
		Screen    uint64
		Assertion []byte
	}
	// Scanned is a line from a scanner or badge reader, which knows no screen. Step
	// keeps nothing of Text: the caller clears it afterwards.
	Scanned struct {
		Source Source
		Text   []byte
	}
)

// Source is where a scanned line came from; what is valid at one is nothing at another.
type Source string

const (
	SourceCitizen Source = "citizen" // QR of the letter
	SourceBarcode Source = "barcode" // the desk's slip
	SourceBadge   Source = "badge"   // a clerk's card
)

// From the city, verified by the vault.
type (
	// OrderReceived is a sealed order that the vault opened, verified and stored.
	OrderReceived struct {
		Terms OrderTerms
		Hash  string
	}
	// WithdrawalReceived is a desk's signed withdrawal.
	WithdrawalReceived struct {
		Order OrderID
		Desk  Person
	}
	// ReissueReceived is an admin's signed command; the share waits in the vault.
	ReissueReceived struct {
		Order      OrderID
		Generation Generation // that is to be replaced
		Key        KeyID      // that the share was sealed to; spent by this
		Admin      Person
		Nonce      string
		Expires    time.Time
	}
	// CommandReceived is a command that the vault verified: for this terminal and
	// this start of it, signed by these admins. Whether its nonce is new, and
	// whether so many admins are enough, is for Step.
	CommandReceived struct {
		Command Command
		Admins  []Person
		Nonce   string
		Expires time.Time
	}
	// RosterReceived is a signed roster that the vault opened, verified and stored.
	RosterReceived struct {
		Version int
		Hash    string
		People  []Member
		Desks   []DeskKey
	}
	// PostedReceived is the city's signed word that a letter went out.
	PostedReceived struct {
		Generation Generation
		Day        string
	}
	// CityTime is the time of the city's signed acknowledgement.
	CityTime struct{ Time time.Time }
	// LogDisputed is an acknowledgement of the city's, well signed, over a log
	// that is not ours: longer, or with another root. One of the two was
	// rewritten or put back from an old copy.
	LogDisputed struct{ Reason string }
	// MessageRejected is a message that did not verify.
	MessageRejected struct {
		Message MessageKind
		Order   OrderID
		Version int
		Nonce   string // of a command, if it could be read
		Reason  string
	}
)

// Answers to actions. Each carries what the action carried, so that a late one
// finds nothing to act on.
type (
	// LockPulsed answers PulseLock.
	LockPulsed struct {
		Pulse       PulseID
		Compartment CompartmentID
		Err         string // empty: the coil was energised and released

		Measured Measurement // of a pulse that was to be measured
	}
	// KeysMade answers MakeKeys.
	KeysMade struct {
		Keys []OfferedKey // empty with Err
		Err  string
	}
	// KeyOverwritten answers EraseKey.
	KeyOverwritten struct {
		Key KeyID
		Err string
	}
	// OrderOverwritten answers EraseOrder.
	OrderOverwritten struct {
		Order OrderID
		Err   string
	}
	// DepositReady answers PrepareDeposit and ReissueDeposit.
	DepositReady struct {
		Generation Generation
		Hash       string
		Slot       string // commitment to the slot's key
		Err        string
	}
	// SlotOverwritten answers EraseSlot.
	SlotOverwritten struct {
		Generation Generation
		Err        string
	}
	// RootChanged answers ReplaceRoot.
	RootChanged struct {
		Upto uint64
		Err  string
	}
	// LetterRemoved answers DeleteLetter.
	LetterRemoved struct {
		Generation Generation
		Err        string
	}
	// DepositFound answers FindDeposit; Generation is zero for an unknown selector.
	DepositFound struct {
		Attempt    AttemptID
		Generation Generation
		Recipient  int
	}
	// CodeTried answers TryCode. With Err nothing was tried or nobody knows.
	CodeTried struct {
		Attempt    AttemptID
		Generation Generation
		Opened     bool
		Err        string
	}
	// FingerCaptured answers CaptureFinger; the image waits in the vault.
	FingerCaptured struct {
		Attempt AttemptID
		Advice  FingerAdvice // empty: good enough to compare
		Err     string       // the reader failed

		Presentation Presentation
	}
	// FactorTried answers CompareFactor.
	FactorTried struct {
		Attempt    AttemptID
		Generation Generation
		Accepted   bool
		Similarity float64
		FMR        float64
		Err        string
	}
	// ClerkChecked answers CheckClerk and CheckKey; Person is empty for an unknown card.
	ClerkChecked struct {
		Check  uint64
		Person Person
		Proved bool
		Err    string
	}
	// DiagnosisMade answers Diagnose: what each part says of itself.
	DiagnosisMade struct{ Findings map[string]string }
	// CardFound answers FindCard; Person is empty for an unknown card. Key is there
	// if the holder has security keys: one of them then takes the number's place.
	CardFound struct {
		Check  uint64
		Person Person
		Key    *KeyRequest
		Err    string // the holder's keys cannot be asked
	}
)

// Presentation is what a reader says of whether a living finger lies on it
// (presentation attack detection, ISO/IEC 30107-1).
type Presentation struct {
	Scored bool    // the reader looks for fakes
	Score  float64 // 0, living without a doubt, to 100, fake without a doubt
}

// FingerAdvice is what the reader's image says the person should do.
type FingerAdvice string

const (
	AdviceLay    FingerAdvice = "lay"     // no finger on the reader
	AdviceLonger FingerAdvice = "longer"  // moved or lifted too early
	AdviceDry    FingerAdvice = "dry"     // press more, breathe on it
	AdviceWet    FingerAdvice = "wet"     // wipe it
	AdviceCentre FingerAdvice = "centre"  // too far off the middle
	AdviceFlat   FingerAdvice = "flat"    // too little of it
	AdviceTurn   FingerAdvice = "turn"    // upside down
	AdviceClean  FingerAdvice = "unclear" // anything else
)

func (Booted) input()             {}
func (Tick) input()               {}
func (DoorMoved) input()          {}
func (SensorTold) input()         {}
func (ExerciseAsked) input()      {}
func (SpaceTold) input()          {}
func (PartFailed) input()         {}
func (CertificateChecked) input() {}
func (PartHealed) input()         {}
func (Chosen) input()             {}
func (Typed) input()              {}
func (Scanned) input()            {}
func (OrderReceived) input()      {}
func (WithdrawalReceived) input() {}
func (ReissueReceived) input()    {}
func (CommandReceived) input()    {}
func (DiagnosisMade) input()      {}
func (RosterReceived) input()     {}
func (PostedReceived) input()     {}
func (CityTime) input()           {}
func (LogDisputed) input()        {}
func (MessageRejected) input()    {}
func (LockPulsed) input()         {}
func (KeysMade) input()           {}
func (KeyOverwritten) input()     {}
func (OrderOverwritten) input()   {}
func (DepositReady) input()       {}
func (SlotOverwritten) input()    {}
func (RootChanged) input()        {}
func (LetterRemoved) input()      {}
func (DepositFound) input()       {}
func (CodeTried) input()          {}
func (FingerCaptured) input()     {}
func (FactorTried) input()        {}
func (ClerkChecked) input()       {}
func (Asserted) input()           {}
func (CardFound) input()          {}
