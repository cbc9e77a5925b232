package locker

import (
	"bytes"
	"slices"
	"time"
)

// Screen is what the person in front of the terminal is shown and may do: a
// projection of the state. It holds no digits, no name and nothing of an order
// but its short number.
type Screen struct {
	Number      uint64        `json:"number"` // a kiosk input for another number is ignored
	Name        ScreenName    `json:"name"`
	Expects     Expects       `json:"expects,omitempty"` // what may be typed
	Choices     []Choice      `json:"choices,omitempty"` // what may be pressed
	Hint        Hint          `json:"hint,omitempty"`    // about the last input
	Compartment CompartmentID `json:"compartment,omitempty"`
	Order       string        `json:"order,omitempty"`  // short number of the order that two clerks handle
	Finger      int           `json:"finger,omitempty"` // position, ISO/IEC 19794-2:2005
	Advice      FingerAdvice  `json:"advice,omitempty"`
	Reminder    bool          `json:"reminder,omitempty"` // the door should be closed by now
	Opens       time.Time     `json:"opens,omitzero"`     // when citizens may collect again
	Incident    string        `json:"incident,omitempty"` // to name when calling the desk
	Round       *RoundView    `json:"round,omitempty"`
	Key         *KeyRequest   `json:"key,omitempty"`   // what a clerk's security key is to sign
	Wrong       []WrongTries  `json:"wrong,omitempty"` // wrong tries with the cards of those who signed in, before they did
	Training    bool          `json:"training,omitempty"`
	Until       time.Duration `json:"until,omitempty"` // uptime at which the screen ends by itself; zero: never
}

// KeyRequest is what one of a clerk's security keys is to sign. Nothing in it is
// secret; the challenge is good once.
type KeyRequest struct {
	Challenge   []byte   `json:"challenge"`   // 32 bytes
	RPID        string   `json:"rp_id"`       // the town's domain
	Credentials [][]byte `json:"credentials"` // ids of the clerk's keys
}

// RoundView is what two clerks see of their round.
type RoundView struct {
	Clerks    []Person        `json:"clerks"`
	Confirmed []Person        `json:"confirmed,omitempty"`
	Tasks     []Task          `json:"tasks"`
	Laid      []Laid          `json:"laid,omitempty"`
	Waiting   int             `json:"waiting"`             // orders that wait for their document
	Free      int             `json:"free"`                // compartments that two clerks have seen empty
	Logical   bool            `json:"logical"`             // no hardware key: what is erased is overwritten, no more
	Exercised []LockExercised `json:"exercised,omitempty"` // the last results, the newest first
}

// Laid is a document that this round has put into a compartment.
type Laid struct {
	Compartment CompartmentID `json:"compartment"`
	Order       OrderID       `json:"order"`
}

// Task is a door that the round should open.
type Task struct {
	Kind        TaskKind      `json:"kind"`
	Compartment CompartmentID `json:"compartment"`
	Order       OrderID       `json:"order,omitempty"`
}

// TaskKind is why.
type TaskKind string

const (
	TaskUnload   TaskKind = "unload"  // take out what is expired, withdrawn or never announced
	TaskInspect  TaskKind = "inspect" // find out what is true
	TaskClear    TaskKind = "clear"   // see that it is empty
	TaskLoad     TaskKind = "load"
	TaskExercise TaskKind = "exercise" // measure its lock, and see that it is empty
)

// ScreenName is which screen.
type ScreenName string

const (
	ScreenStarting    ScreenName = "starting"
	ScreenWelcome     ScreenName = "welcome"
	ScreenShut        ScreenName = "shut"     // outside opening hours
	ScreenPaced       ScreenName = "paced"    // too many wrong codes; one a minute
	ScreenChecking    ScreenName = "checking" // the code, or a sign-in
	ScreenRefused     ScreenName = "refused"  // unknown, wrong, locked, replaced: one screen
	ScreenExpired     ScreenName = "expired"  // too late, but still here, and may be collected
	ScreenFinger      ScreenName = "finger"
	ScreenNumber      ScreenName = "number" // the alternative to the finger
	ScreenComparing   ScreenName = "comparing"
	ScreenClosed      ScreenName = "factor_closed"
	ScreenPINLetter   ScreenName = "pin_letter"
	ScreenOpening     ScreenName = "opening"
	ScreenTake        ScreenName = "take"
	ScreenQuestion    ScreenName = "question" // "Have you got your document?"
	ScreenDone        ScreenName = "done"
	ScreenUnconfirmed ScreenName = "unconfirmed" // nobody answered; the code stays good
	ScreenPutBack     ScreenName = "put_back"    // another's document goes back
	ScreenFoundEmpty  ScreenName = "found_empty" // the citizen says that nothing lay there
	ScreenDisputed    ScreenName = "disputed"
	ScreenLeftOpen    ScreenName = "left_open"
	ScreenDefect      ScreenName = "defect" // this compartment, or the reader, is out of order
	ScreenWithdrawn   ScreenName = "withdrawn"
	ScreenDesk        ScreenName = "desk" // custody is unknown: only the desk can help
	ScreenClerk       ScreenName = "clerk_number"
	ScreenKey         ScreenName = "clerk_key"
	ScreenSecond      ScreenName = "second_clerk"
	ScreenRound       ScreenName = "round"
	ScreenPreparing   ScreenName = "preparing"
	ScreenTaskOpens   ScreenName = "task_opening"
	ScreenUnload      ScreenName = "task_unload"
	ScreenInspect     ScreenName = "task_inspect"
	ScreenClear       ScreenName = "task_clear"
	ScreenLay         ScreenName = "task_lay"
	ScreenTaskDefect  ScreenName = "task_defect"
	ScreenConfirm     ScreenName = "round_confirm"
	ScreenRoundDone   ScreenName = "round_done"
	ScreenLocked      ScreenName = "locked"       // by command, or burglary
	ScreenKeyOpening  ScreenName = "key_opening"  // doors are opened with the mechanical key
	ScreenOutOfOrder  ScreenName = "out_of_order" // the mode without a store
)

// Expects is what may be typed.
type Expects string

const (
	ExpectsCode   Expects = "code"
	ExpectsNumber Expects = "number"
)

// Choice is a press.
type Choice string

const (
	ChoiceCancel      Choice = "cancel"
	ChoiceMoreTime    Choice = "more_time"
	ChoiceOtherFinger Choice = "other_finger"
	ChoiceConfirm     Choice = "confirm"     // receipt of the eID PIN letter
	ChoiceGoOn        Choice = "go_on"       // collect what is still here
	ChoiceYes         Choice = "yes"         // I have got it
	ChoiceAgain       Choice = "again"       // open once more
	ChoiceNotMine     Choice = "not_mine"    // or empty
	ChoiceDoorClosed  Choice = "door_closed" // of a door without contact
	ChoiceNext        Choice = "next"        // the round's next task
	ChoiceSkip        Choice = "skip"
	ChoiceFinish      Choice = "finish"
	ChoiceBack        Choice = "back"
	ChoiceRemoved     Choice = "removed"     // the document was taken out
	ChoiceNothing     Choice = "nothing"     // there was none
	ChoicePresent     Choice = "present"     // it lies there, and stays
	ChoiceEmpty       Choice = "empty"       // the compartment is
	ChoiceNotEmpty    Choice = "not_empty"   // it is not
	ChoiceNotLaid     Choice = "not_laid"    // the document does not go in
	ChoiceInventory   Choice = "inventory"   // look into every compartment
	ChoiceByKey       Choice = "by_key"      // doors will be opened with the mechanical key
	ChoiceByHand      Choice = "open_anyway" // the door is open, its contact says no
)

// Hint tells what became of the last input.
type Hint string

const (
	HintSlip        Hint = "slip"          // the check digit does not fit; not counted
	HintLength      Hint = "length"        // twelve digits are wanted
	HintDigits      Hint = "digits"        // digits are wanted
	HintNoMatch     Hint = "no_match"      // the finger is another's
	HintWrongNumber Hint = "wrong_number"  // the number chosen at application
	HintWrongKey    Hint = "wrong_key"     // what the security key answered does not hold
	HintUnknownSlip Hint = "unknown_slip"  // no such order waits
	HintLoaded      Hint = "loaded"        // that order lies in a compartment
	HintNoSpace     Hint = "no_space"      // no compartment fits
	HintStoreFull   Hint = "store_full"    // the disk is full: no document can be laid in
	HintNotPrepared Hint = "not_prepared"  // the vault failed
	HintOtherClerk  Hint = "other_clerk"   // this card is of neither clerk
	HintSamePerson  Hint = "same_person"   // two different people are wanted
	HintSignIn      Hint = "sign_in"       // this card cannot sign in
	HintNoFit       Hint = "no_fit"        // all fitting ones are out of reach
	HintDoorFirst   Hint = "door_first"    // close the door first
	HintAnswerFirst Hint = "answer_first"  // answer the question first
	HintRoundBroken Hint = "interrupted"   // the last round was not finished
	HintCardNotHere Hint = "card_not_here" // finish this visit first
	HintKind        Hint = "kind"          // documents of this kind are not handed out here
	HintTraining    Hint = "training"      // a dummy's slip at a terminal that does not train, or the other way round
)

// Screen is what is shown now.
func (t *Terminal) Screen() Screen {
	s := t.view()
	s.Number = t.session.number
	return s
}

// renumber gives the screen a new number when what may be done on it changed.
func (t *Terminal) renumber() {
	now := t.view()
	if !sameScreen(now, t.session.shown) {
		t.session.number++
	}
	t.session.shown = now
}

func sameScreen(a, b Screen) bool {
	return a.Name == b.Name && a.Expects == b.Expects && slices.Equal(a.Choices, b.Choices) &&
		a.Hint == b.Hint && a.Compartment == b.Compartment && a.Order == b.Order && a.Training == b.Training && a.Finger == b.Finger &&
		a.Advice == b.Advice && a.Reminder == b.Reminder && a.Incident == b.Incident && a.Opens.Equal(b.Opens) &&
		sameKey(a.Key, b.Key) && slices.EqualFunc(a.Wrong, b.Wrong, sameTries) && sameRound(a.Round, b.Round)
}

func sameKey(a, b *KeyRequest) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Challenge, b.Challenge)
}

func sameRound(a, b *RoundView) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Clerks, b.Clerks) && slices.Equal(a.Confirmed, b.Confirmed) &&
		slices.Equal(a.Tasks, b.Tasks) && slices.Equal(a.Laid, b.Laid) && slices.Equal(a.Exercised, b.Exercised)
}
