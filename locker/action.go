package locker

import (
	"time"

	"github.com/nachtfach/nachtfach/pin"
)

// Action is one thing to do outside, after its events are durable. Each is
// answered by exactly one input, named in its comment, or by a deadline.
type Action interface{ action() }

type (
	// PulseLock energises one lock once. LockPulsed; then the contact tells.
	PulseLock struct {
		Pulse       PulseID
		Compartment CompartmentID
		Measure     bool // how the door follows: of an exercise
	}

	// MakeKeys draws one-time order keys First, First+1 … KeysMade.
	MakeKeys struct {
		First   KeyID
		Count   int
		Expires time.Time
	}
	// PublishKeys sends the signed list of unused keys; no answer, sent again on connect.
	PublishKeys struct{}
	// EraseKey overwrites a lapsed key. KeyOverwritten.
	EraseKey struct{ Key KeyID }
	// EraseOrder overwrites the order's key and the sealed order. OrderOverwritten.
	EraseOrder struct {
		Order OrderID
		Key   KeyID
	}

	// PrepareDeposit makes slot, record and letter. DepositReady.
	PrepareDeposit struct {
		Generation Generation
		Order      OrderID
		At         time.Time // trusted
	}
	// ReissueDeposit makes them anew from the old generation's and the share. DepositReady.
	ReissueDeposit struct {
		Generation Generation
		Replaces   Generation
		Order      OrderID
		At         time.Time
	}
	// EraseSlot overwrites the generation's slot and deletes its record. SlotOverwritten.
	EraseSlot struct {
		Generation Generation
		At         time.Time // from which its selector rests
	}

	// ReplaceRoot re-encrypts what lives under a new root key and puts it in the
	// old one's place in hardware. RootChanged.
	ReplaceRoot struct {
		Upto uint64 // overwritings that were recorded before
	}

	// PublishLetter sends the sealed letter; PostedReceived, and again on connect.
	PublishLetter struct{ Generation Generation }
	// DeleteLetter removes the terminal's copy. LetterRemoved.
	DeleteLetter struct{ Generation Generation }

	// FindDeposit asks which deposit the code's selector names. DepositFound.
	FindDeposit struct {
		Attempt AttemptID
		Code    pin.Code
	}
	// TryCode derives the key and tries the seal; for generation zero it does
	// the same work in vain. CodeTried. What opens waits in the vault.
	TryCode struct {
		Attempt    AttemptID
		Generation Generation
		Recipient  int
		Code       pin.Code
	}
	// CaptureFinger reads one image. FingerCaptured.
	CaptureFinger struct {
		Attempt AttemptID
		Lift    bool // wait first until the last finger is lifted
	}
	// CompareFactor compares the captured image, or the number typed, with what
	// the seal held. FactorTried.
	CompareFactor struct {
		Attempt    AttemptID
		Generation Generation
		Factor     FactorKind
		Finger     int    // position
		Number     []byte // of FactorNumber; digits; cleared afterwards
		Threshold  float64
	}
	// ForgetVisit drops everything that the vault holds of a visit. No answer.
	ForgetVisit struct{}

	// CheckClerk proves a card and its personal number, which is cleared
	// afterwards. ClerkChecked.
	CheckClerk struct {
		Check  uint64
		Card   string
		Number []byte
	}
	// CheckKey proves a card and its security key by what the key answered to the
	// last challenge for this card, which is thereby used up. ClerkChecked.
	CheckKey struct {
		Check     uint64
		Card      string
		Assertion []byte
	}
	// Diagnose asks the parts how they are. DiagnosisMade.
	Diagnose struct{}
	// ResendAll publishes the whole journal again, with state, keys and letters;
	// no answer.
	ResendAll struct{}
	// FindCard names the holder of a card and, if there is a purpose, draws a
	// challenge for the holder's security keys. CardFound.
	FindCard struct {
		Check uint64
		Card  string

		Purpose KeyPurpose
		Boot    uint64
		Round   RoundID
	}
)

func (PulseLock) action()      {}
func (MakeKeys) action()       {}
func (PublishKeys) action()    {}
func (EraseKey) action()       {}
func (EraseOrder) action()     {}
func (PrepareDeposit) action() {}
func (ReissueDeposit) action() {}
func (EraseSlot) action()      {}
func (ReplaceRoot) action()    {}
func (PublishLetter) action()  {}
func (DeleteLetter) action()   {}
func (FindDeposit) action()    {}
func (TryCode) action()        {}
func (CaptureFinger) action()  {}
func (CompareFactor) action()  {}
func (ForgetVisit) action()    {}
func (CheckClerk) action()     {}
func (CheckKey) action()       {}
func (Diagnose) action()       {}
func (ResendAll) action()      {}
func (FindCard) action()       {}

// KeyPurpose is what a security key's answer is good for.
type KeyPurpose string

// Purposes are a part of what is signed.
const (
	KeyForSignIn  KeyPurpose = "sign-in" // the way into a round
	KeyForConfirm KeyPurpose = "confirm" // a round's confirmation
)
