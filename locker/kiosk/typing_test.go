package kiosk_test

import (
	"context"
	"reflect"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nachtfach/nachtfach/locker"
)

// meets runs a script in the first task after a new screen came: the earliest
// moment at which a finger or a key can meet it.
const meets = `window.meets = (act) => new MutationObserver((_, o) => {
	o.disconnect();
	const c = new MessageChannel();
	c.port1.onmessage = act;
	c.port2.postMessage(0);
}).observe(document.getElementById("screen"), {childList: true});`

// holds lets a test hold back what the stream brings, or the answer to a press:
// release("/stream") lets go of what was held.
const holds = `(() => {
	const held = {}, real = window.fetch;
	window.hold = (path) => { held[path] = []; };
	window.release = (path) => { const all = held[path] || []; delete held[path]; for (const go of all) go(); };
	const gate = (path) => held[path] ? new Promise((go) => held[path].push(go)) : undefined;
	window.fetch = async (to, ...more) => {
		const answer = await real(to, ...more);
		const path = new URL(to, location).pathname;
		await gate(path);
		if (path !== "/stream") return answer;
		const body = answer.body.pipeThrough(new TransformStream({ async transform(chunk, out) { await gate(path); out.enqueue(chunk); } }));
		return new Response(body, { status: answer.status, headers: answer.headers });
	};
})();`

// typist is a browser at a stage, with a keypad.
type typist struct {
	*testing.T
	ctx  context.Context
	term *stage
}

func newTypist(t *testing.T) typist {
	t.Helper()
	k := typist{t, browser(t, 1280, 800), newStage()}
	do(t, k.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(holds).Do(ctx)
		return err
	}), chromedp.Navigate(serve(t, k.term)), settled("welcome"), chromedp.Evaluate(meets, nil), chromedp.Evaluate(`window.same = true`, nil))
	return k
}

func (k typist) keys(keys string) { k.Helper(); do(k.T, k.ctx, chromedp.KeyEvent(keys)) }

// run evaluates a script in the page.
func (k typist) run(script string) {
	k.Helper()
	do(k.T, k.ctx, chromedp.Evaluate(script+"; 0", nil))
}

// shows waits for a screen and looks at its field, and whether this is still the
// page that was loaded first.
func (k typist) shows(screen locker.Screen, want string) {
	k.Helper()
	var value string
	var same bool
	do(k.T, k.ctx, chromedp.WaitVisible(`#face[data-screen="`+itoa(screen.Number)+`"][data-settled]`, chromedp.ByQuery),
		chromedp.Value("#field", &value, chromedp.ByQuery), chromedp.Evaluate(`window.same === true`, &same))
	if value != want {
		k.Errorf("on %s %d the field holds %q, want %q", screen.Name, screen.Number, value, want)
	}
	if !same {
		k.Errorf("on %s %d the page was loaded again", screen.Name, screen.Number)
	}
}

// welcome, and the same with a hint about a mistyped code.
func welcomeScreen(number uint64, hint locker.Hint) locker.Screen {
	return locker.Screen{Number: number, Name: locker.ScreenWelcome, Expects: locker.ExpectsCode, Hint: hint}
}

// slips answers every code with a hint that it is mistyped.
func slips(s locker.Screen, in locker.Input) locker.Screen {
	if _, ok := in.(locker.Typed); ok {
		return welcomeScreen(s.Number+1, locker.HintSlip)
	}
	return s
}

const mistyped = "471108154221"

// A new screen takes the place of the former one between any two keys.
func TestAKeyThatMeetsANewScreenCounts(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	k.term.answer = slips
	k.term.set(welcomeScreen(100, ""))
	k.shows(welcomeScreen(100, ""), "")

	t.Run("a digit after a slip starts again", func(t *testing.T) {
		k := typist{t, k.ctx, k.term}
		k.run(`meets(() => document.querySelector("[data-digit='7']").click())`)
		k.keys(mistyped + kb.Enter)
		k.shows(welcomeScreen(101, ""), "7")
		k.keys(kb.Escape)
	})
	t.Run("Enter submits and leaves the page where it is", func(t *testing.T) {
		k := typist{t, k.ctx, k.term}
		k.keys(mistyped)
		k.run(`meets(() => document.querySelector(".enter").click())`)
		before := len(k.term.given())
		k.term.set(welcomeScreen(110, ""))
		k.shows(welcomeScreen(111, ""), mistyped)
		if got := k.term.given()[before:]; len(got) != 1 || !reflect.DeepEqual(got[0], locker.Typed{Screen: 110, Text: []byte(mistyped)}) {
			t.Errorf("the terminal got %v", got)
		}
	})
}

// Enter after the digit of a button presses that button, and submits nothing.
func TestEnterDoesOneThing(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	k.term.set(welcomeScreen(100, ""))
	k.shows(welcomeScreen(100, ""), "")
	k.keys("0" + kb.Enter)
	do(t, k.ctx, chromedp.WaitVisible(`html[lang="en"]`, chromedp.ByQuery))
	k.keys(mistyped + kb.Enter)
	eventually(t, "submission", func() bool { return len(k.term.given()) > 0 })
	k.term.set(welcomeScreen(101, locker.HintSlip))
	k.shows(welcomeScreen(101, ""), mistyped)
	if got := k.term.given(); len(got) != 1 || !reflect.DeepEqual(got[0], locker.Typed{Screen: 100, Text: []byte(mistyped)}) {
		t.Errorf("the terminal got %v", got)
	}
}

// The answer to a press and the stream bring the same screen, in either order.
func TestAMistypedCodeStaysWhicheverWayTheScreenComes(t *testing.T) {
	t.Parallel()
	for first, last := range map[string]string{"/press": "/stream", "/stream": "/press"} {
		t.Run(first[1:]+" first", func(t *testing.T) {
			t.Parallel()
			k := newTypist(t)
			k.term.answer = slips
			k.term.set(welcomeScreen(100, ""))
			k.shows(welcomeScreen(100, ""), "")
			k.run(`hold("` + last + `")`)
			k.keys(mistyped + kb.Enter)
			k.shows(welcomeScreen(101, ""), mistyped)
			k.run(`release("` + last + `")`)
			// What was held comes before this screen, which has no hint any more.
			k.term.set(welcomeScreen(102, locker.HintLength))
			k.shows(welcomeScreen(102, ""), mistyped)
			k.keys("3")
			k.shows(welcomeScreen(102, ""), "3")
		})
	}
}

// Digits typed before the answer to the last submission are for the next screen.
func TestDigitsTypedBeforeTheAnswerAreKept(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	k.term.answer = func(s locker.Screen, _ locker.Input) locker.Screen {
		return locker.Screen{Number: s.Number + 1, Name: locker.ScreenNumber, Expects: locker.ExpectsNumber, Choices: []locker.Choice{locker.ChoiceCancel}}
	}
	k.term.set(welcomeScreen(100, ""))
	k.shows(welcomeScreen(100, ""), "")
	k.run(`hold("/press"); hold("/stream")`)
	k.keys(mistyped + kb.Enter)
	eventually(t, "submission", func() bool { return len(k.term.given()) == 1 })
	k.keys("2580")
	k.shows(welcomeScreen(100, ""), mistyped) // the submitted digits are left alone
	k.run(`release("/stream"); release("/press")`)
	k.shows(locker.Screen{Name: locker.ScreenNumber, Number: 101}, "2580")
}

// A screen is drawn again when anything on it changes, also while somebody types.
func TestDigitsStayWhenTheScreenIsDrawnAgain(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	cancel := []locker.Choice{locker.ChoiceCancel}
	number := uint64(100)
	for _, screen := range []locker.Screen{
		{Name: locker.ScreenWelcome, Expects: locker.ExpectsCode},
		{Name: locker.ScreenClerk, Expects: locker.ExpectsNumber, Choices: cancel},
		{Name: locker.ScreenNumber, Expects: locker.ExpectsNumber, Choices: cancel},
		{Name: locker.ScreenRefused, Expects: locker.ExpectsCode, Choices: cancel},
	} {
		number++
		screen.Number = number
		k.term.set(screen)
		k.shows(screen, "") // another field: nothing of the last one
		k.keys("471")
		number++
		screen.Number, screen.Hint = number, locker.HintCardNotHere
		k.term.set(screen)
		k.shows(screen, "471")
		k.keys("1")
		k.shows(screen, "4711")
	}
	// The words of a refusal fade; the next code has been begun.
	number++
	k.term.set(welcomeScreen(number, ""))
	k.shows(welcomeScreen(number, ""), "4711")
}

// A submission that the terminal never took, because the screen changed under it.
func TestACodeIsNotLostToAScreenThatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	k.term.set(welcomeScreen(100, ""))
	k.shows(welcomeScreen(100, ""), "")
	k.run(`hold("/stream")`)
	k.term.set(welcomeScreen(101, ""))
	k.keys(mistyped + kb.Enter)
	k.shows(welcomeScreen(101, ""), mistyped)
	if got := k.term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
}

// A clerk types on while the card is looked up. A number is never shown in the
// code's field, whose digits anybody can read.
func TestDigitsTypedWhileTheTerminalWorksGoIntoTheNextField(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	checking := locker.Screen{Number: 100, Name: locker.ScreenChecking}
	k.term.set(checking)
	do(t, k.ctx, settled("checking"))
	k.keys("2580")
	clerk := locker.Screen{Number: 101, Name: locker.ScreenClerk, Expects: locker.ExpectsNumber, Choices: []locker.Choice{locker.ChoiceCancel}}
	k.term.set(clerk)
	k.shows(clerk, "2580")

	checking.Number = 102
	k.term.set(checking)
	do(t, k.ctx, settled("checking"))
	k.keys("2580")
	k.term.set(welcomeScreen(103, locker.HintSignIn))
	k.shows(welcomeScreen(103, ""), "")
}

// The words change and the terminal is away for a moment without a new page.
func TestDigitsStayWhenTheWordsChange(t *testing.T) {
	t.Parallel()
	k := newTypist(t)
	k.term.set(welcomeScreen(100, ""))
	k.shows(welcomeScreen(100, ""), "")
	k.keys("4711")
	do(t, k.ctx, chromedp.Click("#language", chromedp.ByQuery), chromedp.WaitVisible(`html[lang="en"] #face[data-settled]`, chromedp.ByQuery))
	k.shows(welcomeScreen(100, ""), "4711")
	k.keys("08")
	k.term.set(welcomeScreen(101, "")) // the new stream brings it
	k.shows(welcomeScreen(101, ""), "471108")
	k.run(`document.dispatchEvent(new CustomEvent("htmx:sse:error", {detail: {}})); document.getElementById("face").removeAttribute("data-settled")`)
	k.shows(welcomeScreen(101, ""), "471108")
	var english bool
	do(t, k.ctx, chromedp.Evaluate(`document.documentElement.lang === "en" && document.title.includes("Collect")`, &english))
	if !english {
		t.Error("the page forgot its language")
	}
}
