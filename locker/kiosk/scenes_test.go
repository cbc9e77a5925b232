package kiosk_test

import (
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

// scene is a screen as people can meet it.
type scene struct {
	name   string
	screen locker.Screen
}

// wall is 24 compartments in four columns; the second row from the bottom is
// the one that a wheelchair reaches.
func wall() []locker.CompartmentSpec {
	var specs []locker.CompartmentSpec
	for i := range 24 {
		row := i/4 + 1
		specs = append(specs, locker.CompartmentSpec{
			Number: locker.CompartmentID(i + 1), Size: locker.Small, Height: 170 - 25*row, Row: row, Column: i%4 + 1, LowReach: row == 5,
		})
	}
	return specs
}

var desk = kiosk.Desk{
	Name: "Bürgerbüro, Zimmer 12", Phone: "07141 910-0",
	Hours: "Montag bis Freitag 8–12 Uhr, Donnerstag auch 14–18 Uhr", HoursEnglish: "Monday to Friday 8 am – 12 noon, Thursday also 2–6 pm",
}

func order(n int) locker.OrderID { return locker.OrderID(fmt.Sprintf("K3V7QXTRW2M5%04X", 0xA3F0+n*7)) }

func tasks(n int) []locker.Task {
	kinds := []locker.TaskKind{locker.TaskUnload, locker.TaskInspect, locker.TaskClear}
	var list []locker.Task
	for i := range n {
		t := locker.Task{Kind: kinds[i%3], Compartment: locker.CompartmentID(3 + i)}
		if i%3 != 2 {
			t.Order = order(i)
		}
		list = append(list, t)
	}
	return list
}

func laid(n int) []locker.Laid {
	var list []locker.Laid
	for i := range n {
		list = append(list, locker.Laid{Compartment: locker.CompartmentID(24 - i), Order: order(20 + i)})
	}
	return list
}

var keyRequest = &locker.KeyRequest{Challenge: make([]byte, 32), RPID: "musterstadt.example", Credentials: [][]byte{{1, 2, 3}}}

func round() *locker.RoundView {
	return &locker.RoundView{Clerks: []locker.Person{"clerk-07", "clerk-12"}, Tasks: tasks(3), Laid: laid(2), Waiting: 27, Free: 14}
}

// scenes is every screen of the terminal, most with what people see most, some
// in several states.
func scenes() []scene {
	const until = 75 * time.Second // of an uptime of 30 s: 45 s remain
	visit := []locker.Choice{locker.ChoiceCancel, locker.ChoiceMoreTime}
	ended := []locker.Choice{locker.ChoiceCancel}
	menu := []locker.Choice{locker.ChoiceNext, locker.ChoiceFinish, locker.ChoiceInventory, locker.ChoiceByKey, locker.ChoiceMoreTime}
	const incident = "rathaus-1-4711"
	opens := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	full := round()
	full.Tasks, full.Laid = tasks(14), laid(9)
	confirmed := round()
	confirmed.Confirmed = []locker.Person{"clerk-07"}
	list := []scene{
		{"starting", locker.Screen{Name: locker.ScreenStarting}},
		{"welcome", locker.Screen{Name: locker.ScreenWelcome, Expects: locker.ExpectsCode}},
		{"welcome-slip", locker.Screen{Name: locker.ScreenWelcome, Expects: locker.ExpectsCode, Hint: locker.HintSlip}},
		{"welcome-card", locker.Screen{Name: locker.ScreenWelcome, Expects: locker.ExpectsCode, Hint: locker.HintSignIn}},
		{"training", locker.Screen{Name: locker.ScreenWelcome, Expects: locker.ExpectsCode, Training: true}},
		{"shut", locker.Screen{Name: locker.ScreenShut, Opens: opens}},
		{"shut-for-good", locker.Screen{Name: locker.ScreenShut}},
		{"paced", locker.Screen{Name: locker.ScreenPaced, Until: until}},
		{"checking", locker.Screen{Name: locker.ScreenChecking}},
		{"refused", locker.Screen{Name: locker.ScreenRefused, Expects: locker.ExpectsCode, Incident: incident, Choices: ended, Until: until}},
		{"expired", locker.Screen{Name: locker.ScreenExpired, Choices: []locker.Choice{locker.ChoiceGoOn, locker.ChoiceCancel, locker.ChoiceMoreTime}, Until: until}},
		{"training-refused", locker.Screen{Name: locker.ScreenRefused, Expects: locker.ExpectsCode, Incident: incident, Choices: ended, Until: until, Training: true}},
		{"training-question", locker.Screen{Name: locker.ScreenQuestion, Compartment: 7, Until: until, Training: true, Choices: []locker.Choice{locker.ChoiceYes, locker.ChoiceAgain, locker.ChoiceNotMine, locker.ChoiceEmpty, locker.ChoiceMoreTime}}},
		{"training-round", locker.Screen{Name: locker.ScreenRound, Round: full, Until: until, Training: true, Hint: locker.HintTraining, Choices: menu}},
		{"training-inspect", locker.Screen{Name: locker.ScreenInspect, Compartment: 4, Round: round(), Until: until, Training: true, Reminder: true, Choices: []locker.Choice{locker.ChoicePresent, locker.ChoiceRemoved, locker.ChoiceNothing, locker.ChoiceDoorClosed, locker.ChoiceMoreTime}}},
		{"number", locker.Screen{Name: locker.ScreenNumber, Expects: locker.ExpectsNumber, Choices: visit, Until: until}},
		{"number-wrong", locker.Screen{Name: locker.ScreenNumber, Expects: locker.ExpectsNumber, Choices: visit, Until: until, Hint: locker.HintWrongNumber}},
		{"comparing", locker.Screen{Name: locker.ScreenComparing}},
		{"factor-closed", locker.Screen{Name: locker.ScreenClosed, Expects: locker.ExpectsCode, Incident: incident, Choices: ended, Until: until}},
		{"pin-letter", locker.Screen{Name: locker.ScreenPINLetter, Choices: []locker.Choice{locker.ChoiceConfirm, locker.ChoiceCancel, locker.ChoiceMoreTime}, Until: until}},
		{"opening", locker.Screen{Name: locker.ScreenOpening, Compartment: 7}},
		{"take", locker.Screen{Name: locker.ScreenTake, Compartment: 7, Until: until, Choices: []locker.Choice{locker.ChoiceMoreTime}}},
		{"take-reminder", locker.Screen{Name: locker.ScreenTake, Compartment: 7, Until: 48 * time.Second, Reminder: true, Choices: []locker.Choice{locker.ChoiceDoorClosed, locker.ChoiceMoreTime}}},
		{"question", locker.Screen{Name: locker.ScreenQuestion, Compartment: 7, Until: until, Choices: []locker.Choice{locker.ChoiceYes, locker.ChoiceAgain, locker.ChoiceNotMine, locker.ChoiceEmpty, locker.ChoiceMoreTime}}},
		{"done", locker.Screen{Name: locker.ScreenDone, Expects: locker.ExpectsCode, Compartment: 7, Choices: ended, Until: until}},
		{"unconfirmed", locker.Screen{Name: locker.ScreenUnconfirmed, Expects: locker.ExpectsCode, Compartment: 7, Incident: incident, Choices: ended, Until: until}},
		{"put-back", locker.Screen{Name: locker.ScreenPutBack, Compartment: 7, Until: until, Choices: []locker.Choice{locker.ChoiceMoreTime}}},
		{"put-back-reminder", locker.Screen{Name: locker.ScreenPutBack, Compartment: 7, Until: until, Reminder: true, Choices: []locker.Choice{locker.ChoiceDoorClosed, locker.ChoiceMoreTime}}},
		{"found-empty", locker.Screen{Name: locker.ScreenFoundEmpty, Expects: locker.ExpectsCode, Compartment: 7, Incident: incident, Choices: ended, Until: until}},
		{"disputed", locker.Screen{Name: locker.ScreenDisputed, Expects: locker.ExpectsCode, Compartment: 7, Incident: incident, Choices: ended, Until: until}},
		{"left-open", locker.Screen{Name: locker.ScreenLeftOpen, Expects: locker.ExpectsCode, Compartment: 7, Choices: ended, Until: until}},
		{"defect", locker.Screen{Name: locker.ScreenDefect, Expects: locker.ExpectsCode, Incident: incident, Choices: ended, Until: until}},
		{"withdrawn", locker.Screen{Name: locker.ScreenWithdrawn, Expects: locker.ExpectsCode, Incident: incident, Choices: ended, Until: until}},
		{"desk", locker.Screen{Name: locker.ScreenDesk, Incident: incident, Choices: ended, Until: until}},
		{"locked", locker.Screen{Name: locker.ScreenLocked}},
		{"out-of-order", locker.Screen{Name: locker.ScreenOutOfOrder}},
		{"clerk-number", locker.Screen{Name: locker.ScreenClerk, Expects: locker.ExpectsNumber, Choices: visit, Until: until}},
		{"second-clerk-tries", locker.Screen{Name: locker.ScreenSecond, Choices: []locker.Choice{locker.ChoiceCancel, locker.ChoiceMoreTime}, Until: until, Round: &locker.RoundView{Clerks: []locker.Person{"clerk-07"}}, Wrong: []locker.WrongTries{{Person: "clerk-07", Count: 4, Since: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)}}}},
		{"clerk-number-second", locker.Screen{Name: locker.ScreenClerk, Expects: locker.ExpectsNumber, Choices: visit, Until: until, Round: &locker.RoundView{Clerks: []locker.Person{"clerk-07"}}}},
		{"clerk-key", locker.Screen{Name: locker.ScreenKey, Key: keyRequest, Choices: visit, Until: until}},
		{"clerk-key-second", locker.Screen{Name: locker.ScreenKey, Key: keyRequest, Choices: visit, Until: until, Hint: locker.HintWrongKey, Round: &locker.RoundView{Clerks: []locker.Person{"clerk-07"}}}},
		{"second-clerk", locker.Screen{Name: locker.ScreenSecond, Choices: visit, Until: until, Round: &locker.RoundView{Clerks: []locker.Person{"clerk-07"}}}},
		{"second-clerk-same", locker.Screen{Name: locker.ScreenSecond, Choices: visit, Until: until, Hint: locker.HintSamePerson, Round: &locker.RoundView{Clerks: []locker.Person{"clerk-07"}}}},
		{"round", locker.Screen{Name: locker.ScreenRound, Round: round(), Until: until, Choices: menu}},
		{"round-full", locker.Screen{Name: locker.ScreenRound, Round: full, Until: until, Hint: locker.HintRoundBroken, Choices: menu}},
		{"round-empty", locker.Screen{Name: locker.ScreenRound, Round: &locker.RoundView{Clerks: round().Clerks, Free: 24}, Until: until, Hint: locker.HintUnknownSlip, Choices: []locker.Choice{locker.ChoiceFinish, locker.ChoiceMoreTime}}},
		{"preparing", locker.Screen{Name: locker.ScreenPreparing, Compartment: 18, Round: round()}},
		{"task-opening", locker.Screen{Name: locker.ScreenTaskOpens, Compartment: 18, Round: round()}},
		{"task-unload", locker.Screen{Name: locker.ScreenUnload, Compartment: 3, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceRemoved, locker.ChoiceNothing, locker.ChoiceMoreTime}}},
		{"task-unload-answered", locker.Screen{Name: locker.ScreenUnload, Compartment: 3, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceMoreTime}}},
		{"task-inspect", locker.Screen{Name: locker.ScreenInspect, Compartment: 4, Round: round(), Until: until, Reminder: true, Choices: []locker.Choice{locker.ChoicePresent, locker.ChoiceRemoved, locker.ChoiceNothing, locker.ChoiceDoorClosed, locker.ChoiceMoreTime}}},
		{"round-exercised", locker.Screen{Name: locker.ScreenRound, Round: exercised(), Until: until, Choices: menu}},
		{"round-exercised-stuck", locker.Screen{Name: locker.ScreenRound, Round: stuck(), Until: until, Hint: locker.HintRoundBroken, Choices: menu}},
		{"task-clear", locker.Screen{Name: locker.ScreenClear, Compartment: 5, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceEmpty, locker.ChoiceNotEmpty, locker.ChoiceMoreTime}}},
		{"task-lay", locker.Screen{Name: locker.ScreenLay, Compartment: 18, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceNotLaid, locker.ChoiceMoreTime}}},
		{"key-opening", locker.Screen{Name: locker.ScreenKeyOpening, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceBack, locker.ChoiceMoreTime}}},
		{"task-defect", locker.Screen{Name: locker.ScreenTaskDefect, Compartment: 18, Round: round(), Until: until, Choices: []locker.Choice{locker.ChoiceByHand, locker.ChoiceSkip, locker.ChoiceMoreTime}}},
		{"round-confirm", locker.Screen{Name: locker.ScreenConfirm, Round: confirmed, Until: until, Choices: []locker.Choice{locker.ChoiceBack, locker.ChoiceMoreTime}}},
		{"round-done", locker.Screen{Name: locker.ScreenRoundDone, Round: round(), Until: until}},
	}
	for i := range list { // a door's screens name the slip that both clerks compare
		switch s := &list[i].screen; s.Name {
		case locker.ScreenPreparing, locker.ScreenTaskOpens, locker.ScreenUnload, locker.ScreenInspect, locker.ScreenLay, locker.ScreenTaskDefect:
			s.Order = order(7).Short()
		}
	}
	fingers := []scene{
		{"finger", locker.Screen{Finger: 7}},
		{"finger-right", locker.Screen{Finger: 1, Hint: locker.HintNoMatch}},
	}
	for _, a := range []locker.FingerAdvice{locker.AdviceLay, locker.AdviceLonger, locker.AdviceDry, locker.AdviceWet, locker.AdviceCentre, locker.AdviceFlat, locker.AdviceTurn, locker.AdviceClean} {
		fingers = append(fingers, scene{"finger-" + string(a), locker.Screen{Finger: 2, Advice: a}})
	}
	for _, f := range fingers {
		f.screen.Name, f.screen.Until = locker.ScreenFinger, until
		f.screen.Choices = []locker.Choice{locker.ChoiceCancel, locker.ChoiceOtherFinger, locker.ChoiceMoreTime}
		list = append(list, f)
	}
	for i := range list {
		list[i].screen.Number = uint64(i + 1)
	}
	return list
}

// stuck is one with much left to do, in which a door did not follow its lock.
func stuck() *locker.RoundView {
	v := exercised()
	for n := range 9 {
		v.Tasks = append(v.Tasks, locker.Task{Kind: locker.TaskExercise, Compartment: locker.CompartmentID(8 + n)})
	}
	v.Laid = laid(9)
	v.Exercised = append([]locker.LockExercised{{Compartment: 18, Coil: 501 * locker.Duration(time.Millisecond), Err: "the door did not open"}}, v.Exercised...)
	return v
}

// exercised is a round that measures locks.
func exercised() *locker.RoundView {
	v := round()
	ms := locker.Duration(time.Millisecond)
	v.Tasks = []locker.Task{{Kind: locker.TaskExercise, Compartment: 4}, {Kind: locker.TaskExercise, Compartment: 6}}
	v.Exercised = []locker.LockExercised{{Compartment: 3, Coil: 501 * ms, Opened: 255 * ms, Settled: 267 * ms, Bounces: 6}}
	return v
}
