package kiosk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

// pressStale presses a button of a former screen, as a page would that missed
// everything since. It gives the answer's status.
func pressStale(t *testing.T, ctx context.Context, number uint64, c locker.Choice) int {
	t.Helper()
	var status int
	do(t, ctx, chromedp.Evaluate(`fetch("/press", {method: "POST", headers: {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}, body: "screen=`+itoa(number)+`&choice=`+string(c)+`"}).then(r => r.status)`, &status, awaited))
	return status
}

// The power goes while a document is laid, not confirmed. The next round tells
// the truth about each compartment: what lies there is inspected, what was
// withdrawn is unloaded, and a door that says nothing is worked by hand.
func TestClerksPutRightWhatWentWrong(t *testing.T) {
	t.Parallel()
	byHand(t, 2, func(t *testing.T, ctx context.Context, h *house, by hands) {
		l, err := kiosk.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		file := t.TempDir() + "/token"
		same := func(c *kiosk.Config) { c.TokenFile, c.Boot, c.Uptime = file, "one boot", h.uptime }
		at, stop := startOn(t, l, h, same)
		do(t, ctx, chromedp.Navigate(at), settled("welcome"))
		playSignIn(t, ctx, h, by)
		for range h.config.Compartments {
			do(t, ctx, settled("round"))
			by.choose(locker.ChoiceNext)
			do(t, ctx, settled("task_clear"))
			by.choose(locker.ChoiceEmpty)
			do(t, ctx, chromedp.WaitNotPresent(`button[value="empty"]`, chromedp.ByQuery))
			h.shut()
		}
		do(t, ctx, settled("round"))
		h.scan(order(0))
		do(t, ctx, settled("task_lay"), saying(".slip", order(0).Short()))
		h.shut()
		do(t, ctx, settled("round"))
		before, _ := h.Screen()

		h.powerCut()
		stop()
		do(t, ctx, chromedp.WaitVisible(`#away`, chromedp.ByQuery))
		h.boot()
		again, err := kiosk.Listen(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, stop = startOn(t, again, h, same)
		t.Cleanup(stop)
		do(t, ctx, settled("welcome"))
		if status := pressStale(t, ctx, before.Number, locker.ChoiceFinish); status != 409 {
			t.Errorf("a page from before the restart is answered with %d", status)
		}

		playSignIn(t, ctx, h, by)
		do(t, ctx, chromedp.WaitVisible(`#face[data-name="round"][data-settled] #hint`, chromedp.ByQuery))
		playTask(t, ctx, h, by, "task_inspect", locker.ChoicePresent)
		playConfirm(t, ctx, h, by)

		h.give(locker.WithdrawalReceived{Order: order(0), Desk: "desk-01"})
		h.set(func() { h.jammed[2] = true })
		playSignIn(t, ctx, h, by)
		do(t, ctx, settled("round"))
		playTask(t, ctx, h, by, "task_unload", locker.ChoiceRemoved)
		h.scan(order(1)) // goes into 1 or 2; the first that is tried may be the one that is jammed
		playJammed(t, ctx, h, by)
		playConfirm(t, ctx, h, by)
	}, func(c *locker.Config) { c.Rules.DoorOpens = locker.Duration(time.Second) })
}

// playTask opens the next compartment, answers and closes it.
func playTask(t *testing.T, ctx context.Context, h *house, by hands, task locker.ScreenName, answer locker.Choice) {
	t.Helper()
	by.choose(locker.ChoiceNext)
	do(t, ctx, settled(task))
	by.choose(answer)
	do(t, ctx, chromedp.WaitNotPresent(`button[value="`+string(answer)+`"]`, chromedp.ByQuery))
	h.shut()
	do(t, ctx, settled("round"))
}

func playConfirm(t *testing.T, ctx context.Context, h *house, by hands) {
	t.Helper()
	by.choose(locker.ChoiceFinish)
	do(t, ctx, settled("round_confirm"))
	h.badge("c2")
	do(t, ctx, settled("clerk_number"))
	by.digits("471108")
	do(t, ctx, settled("round_confirm"), chromedp.WaitVisible(`.kern-badge--success`, chromedp.ByQuery))
	h.badge("c1")
	do(t, ctx, settled("clerk_number"))
	by.digits("471108")
	do(t, ctx, settled("round_done"))
	by.cancel()
	do(t, ctx, settled("welcome"))
}

// playJammed lays a document into the sound compartment, and works the jammed
// one by hand.
func playJammed(t *testing.T, ctx context.Context, h *house, by hands) {
	t.Helper()
	do(t, ctx, settled("task_lay"))
	h.shut()
	do(t, ctx, settled("round"))
	h.give(locker.OrderReceived{Hash: "x", Terms: locker.OrderTerms{
		Order: order(9), Version: 1, Key: 5, Documents: []locker.DocumentKind{locker.IdentityCard}, Size: locker.Small, Desk: "desk-01",
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2}}},
	}})
	h.scan(order(9)) // for the jammed one: nothing opens, and the slip is to be scanned again
	do(t, ctx, chromedp.WaitVisible(`#face[data-name="round"][data-settled] #hint`, chromedp.ByQuery))
	by.choose(locker.ChoiceNext)
	do(t, ctx, settled("task_defect"))
	by.choose(locker.ChoiceByHand)
	do(t, ctx, settled("task_clear"))
	by.choose(locker.ChoiceEmpty)
	do(t, ctx, chromedp.WaitNotPresent(`button[value="empty"]`, chromedp.ByQuery), settled("task_clear"))
	by.choose(locker.ChoiceDoorClosed)
	do(t, ctx, settled("round"))
}

// Each way that a visit can end without a document, and what is said to it.
func TestEveryDeadEndShowsAWayOut(t *testing.T) {
	t.Parallel()
	byHand(t, 4, func(t *testing.T, ctx context.Context, h *house, by hands) {
		h.load()
		h.pass(8 * 24 * time.Hour)
		do(t, ctx, chromedp.Navigate(serve(t, h, h.clocked)), settled("welcome"))
		ends := func(screen locker.ScreenName) {
			t.Helper()
			var help string
			do(t, ctx, settled(screen), textOf(".help", &help))
			if !strings.Contains(help, "115") || !strings.Contains(help, desk.Phone) || screen != locker.ScreenLeftOpen && !strings.Contains(help, "rathaus-") {
				t.Errorf("%s names no way to a person: %q", screen, help)
			}
			by.cancel()
			do(t, ctx, settled("welcome"))
		}
		late := func(g locker.Generation) { // all have expired, and are still here
			t.Helper()
			by.digits(h.letter(g))
			do(t, ctx, settled("expired"))
			by.choose(locker.ChoiceGoOn)
		}

		late(1) // who goes away from it finds it again
		do(t, ctx, settled("finger"))
		by.cancel()
		do(t, ctx, settled("welcome"))
		by.digits(h.letter(1))
		do(t, ctx, settled("expired"))
		by.cancel()
		do(t, ctx, settled("welcome"))

		late(1) // not mine: it goes back, and then nobody but the desk can help
		do(t, ctx, settled("finger"))
		h.finger <- ""
		do(t, ctx, settled("take"))
		h.shut()
		do(t, ctx, settled("question"))
		by.choose(locker.ChoiceNotMine)
		do(t, ctx, settled("put_back"))
		h.shut()
		ends(locker.ScreenDisputed)
		by.digits(h.letter(1))
		ends(locker.ScreenDesk)

		late(2) // who answers no gets no card
		do(t, ctx, settled("finger"))
		h.finger <- ""
		do(t, ctx, settled("pin_letter"))
		by.cancel()
		do(t, ctx, settled("welcome"))
		late(2) // and with it a door that is left open
		do(t, ctx, settled("finger"))
		h.finger <- ""
		do(t, ctx, settled("pin_letter"))
		by.choose(locker.ChoiceConfirm)
		do(t, ctx, settled("take"))
		h.pass(30 * time.Second)
		do(t, ctx, chromedp.WaitVisible(`#hint`, chromedp.ByQuery))
		h.pass(time.Minute)
		do(t, ctx, settled(locker.ScreenLeftOpen))
		h.shut()
		ends(locker.ScreenLeftOpen)

		h.set(func() { h.stranger = true }) // two fingers, none of them the right one
		late(3)
		do(t, ctx, settled("finger"))
		h.finger <- ""
		do(t, ctx, chromedp.WaitVisible(`#face[data-settled] #hint`, chromedp.ByQuery))
		h.finger <- ""
		ends(locker.ScreenClosed)

		by.digits(h.letter(4)) // withdrawn while the citizen reads
		do(t, ctx, settled("expired"))
		h.give(locker.WithdrawalReceived{Order: order(3), Desk: "desk-01"})
		by.choose(locker.ChoiceGoOn)
		ends(locker.ScreenWithdrawn)

		h.give(locker.PartFailed{Part: "reader", Detail: "no answer"})
		h.set(func() { h.stranger = false })
		by.digits(h.letter(3))
		ends(locker.ScreenClosed) // says what is true for good, not what fails just now
	}, func(c *locker.Config) { c.Rules.FactorTries = 1 })
}

// A reader that fails in the middle of a visit.
func TestAReaderOutOfOrderIsNobodysFault(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	h := newHouse(t, 1)
	h.load()
	by := keypad{t, ctx}
	do(t, ctx, chromedp.Navigate(serve(t, h, h.clocked)), settled("welcome"))
	h.give(locker.PartFailed{Part: "reader", Detail: "no answer"})
	by.digits(h.letter(1))
	do(t, ctx, settled("defect"), saying("#face", "115"))
	by.cancel()
	h.give(locker.PartHealed{Part: "reader"})
	do(t, ctx, settled("welcome"))
	by.digits(h.letter(1))
	do(t, ctx, settled("finger"))
}
