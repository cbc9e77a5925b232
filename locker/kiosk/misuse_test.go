package kiosk_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

func question(number uint64) locker.Screen {
	return locker.Screen{Number: number, Name: locker.ScreenQuestion, Compartment: 7, Choices: []locker.Choice{locker.ChoiceYes, locker.ChoiceAgain, locker.ChoiceNotMine}}
}

// again answers each press with the same question under another number, so
// that a press too many would find something to act on.
func again(s locker.Screen, _ locker.Input) locker.Screen { s.Number++; return s }

func TestPressesThatNobodyMeant(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	term := newStage()
	term.answer = again
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("welcome"))

	t.Run("a double press counts once", func(t *testing.T) {
		term.set(question(100))
		before := len(term.given())
		do(t, ctx, settled("question"), chromedp.Evaluate(`{ const b = document.querySelector("button[value=yes]"); b.click(); b.click(); b.click(); }`, nil),
			chromedp.WaitVisible(`#face[data-screen="101"][data-settled]`, chromedp.ByQuery))
		if got := term.given()[before:]; len(got) != 1 || got[0] != (locker.Chosen{Screen: 100, Choice: locker.ChoiceYes}) {
			t.Errorf("the terminal got %v", got)
		}
	})
	t.Run("a press as the screen changes counts for none", func(t *testing.T) {
		term.set(locker.Screen{Number: 110, Name: locker.ScreenOpening, Compartment: 7})
		do(t, ctx, settled("opening"))
		before := len(term.given())
		do(t, ctx, chromedp.Evaluate(`document.addEventListener("htmx:after:swap", () => document.querySelector("button[value=yes]").click(), {once: true})`, nil))
		term.set(question(111))
		do(t, ctx, settled("question"))
		if got := term.given()[before:]; len(got) != 0 {
			t.Errorf("the terminal got %v", got)
		}
	})
	t.Run("a key held down types once", func(t *testing.T) {
		welcome := scenes()[1].screen
		welcome.Number = 120
		term.set(welcome)
		var value string
		held := []chromedp.Action{settled("welcome"), chromedp.Focus("#field", chromedp.ByQuery)}
		for i := range 30 {
			held = append(held, &input.DispatchKeyEventParams{Type: input.KeyDown, Key: "7", Code: "Digit7", Text: "7", WindowsVirtualKeyCode: 55, AutoRepeat: i > 0})
		}
		do(t, ctx, append(held, &input.DispatchKeyEventParams{Type: input.KeyUp, Key: "7", Code: "Digit7", WindowsVirtualKeyCode: 55}, chromedp.Value("#field", &value, chromedp.ByQuery))...)
		if value != "7" {
			t.Errorf("the field holds %q", value)
		}
	})
	t.Run("ten thousand characters are twelve digits", func(t *testing.T) {
		var value string
		do(t, ctx, chromedp.KeyEvent(kb.Escape), chromedp.Focus("#field", chromedp.ByQuery), input.InsertText(strings.Repeat("4x 7-１<b>", 1_111)+"0"), chromedp.Value("#field", &value, chromedp.ByQuery))
		if len(value) > 12 || strings.Trim(value, "0123456789") != "" {
			t.Errorf("the field holds %d characters: %.40q", len(value), value)
		}
		do(t, ctx, chromedp.KeyEvent(kb.Escape), chromedp.Value("#field", &value, chromedp.ByQuery))
		if value != "" {
			t.Errorf("after Escape the field holds %q", value)
		}
	})
	t.Run("back and reload show what is true", func(t *testing.T) {
		before := len(term.given())
		do(t, ctx, chromedp.Navigate(origin(t, ctx)+"/language/en"), settled("welcome"))
		term.set(question(130))
		do(t, ctx, settled("question"), chromedp.NavigateBack(), settled("question"), chromedp.Reload(), settled("question"))
		if got := term.given()[before:]; len(got) != 0 {
			t.Errorf("the terminal got %v", got)
		}
	})
	t.Run("two tabs press once", func(t *testing.T) {
		other := secondTab(t, ctx)
		do(t, other, chromedp.Navigate(origin(t, ctx)+"/"))
		term.set(question(140))
		before := len(term.given())
		for _, tab := range []context.Context{ctx, other} {
			do(t, tab, settled("question"))
		}
		const press = `fetch("/press", {method: "POST", headers: {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}, body: "screen=140&choice=not_mine"}).then(r => r.status)`
		var first, second int
		do(t, ctx, chromedp.Evaluate(press, &first, awaited))
		do(t, other, chromedp.Evaluate(press, &second, awaited))
		if first != 200 || second != 409 || len(term.given()[before:]) != 1 {
			t.Errorf("answered %d and %d, the terminal got %v", first, second, term.given()[before:])
		}
		for _, tab := range []context.Context{ctx, other} { // both follow
			do(t, tab, chromedp.WaitVisible(`#face[data-screen="141"]`, chromedp.ByQuery))
		}
	})
}

func TestTheLanguageOfAVisitEndsWithIt(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1080, 1920)
	term := newStage()
	show := func(n uint64, name locker.ScreenName, lang string) {
		t.Helper()
		term.set(locker.Screen{Number: n, Name: name})
		do(t, ctx, chromedp.WaitVisible(`html[lang="`+lang+`"] #face[data-name="`+string(name)+`"][data-settled]`, chromedp.ByQuery))
	}
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("welcome"), chromedp.Click("#language", chromedp.ByQuery))
	show(101, locker.ScreenPaced, "en")
	show(102, locker.ScreenWelcome, "en")
	show(103, locker.ScreenChecking, "en")
	show(104, locker.ScreenRefused, "en")
	show(105, locker.ScreenTake, "en")
	show(106, locker.ScreenDone, "en")
	show(107, locker.ScreenWelcome, "de")
	show(108, locker.ScreenChecking, "de")
}

// A page that frames the kiosk, as the demonstration's, chooses the language that
// comes after each visit.
func TestAFramedKioskKeepsTheLanguageOfItsPage(t *testing.T) {
	t.Parallel()
	frames := func(c *kiosk.Config) { c.FrameAncestors = []string{"http://127.0.0.1:1"} }
	for _, c := range []struct {
		name, dest, home string
		config           func(*kiosk.Config)
	}{
		{"loaded into the frame", "iframe", "en", frames},
		{"chosen on the kiosk itself", "empty", "de", frames},
		{"where nobody may frame it", "iframe", "de", func(*kiosk.Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := open(t, newTerminal(), c.config)
			r := f.request("GET", "/language/en", "")
			r.Header.Set("Sec-Fetch-Dest", c.dest)
			page := f.request("GET", "/", "")
			for _, cookie := range f.do(r).Cookies() {
				page.AddCookie(cookie)
			}
			text, err := io.ReadAll(f.do(page).Body)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), `lang="en"`) || !strings.Contains(string(text), `data-home="`+c.home+`"`) {
				t.Errorf("the page is not in English, or goes back to another language than %s", c.home)
			}
		})
	}
}

func TestThePageComesBackByItself(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1080, 1920)
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/token"
	same := func(c *kiosk.Config) { c.TokenFile, c.Boot = file, "one boot" }
	term := newStage()
	term.set(question(900))
	gone, stop := startOn(t, l, term, same)
	do(t, ctx, chromedp.Navigate(gone), settled("question"))
	stop()
	do(t, ctx, chromedp.WaitVisible(`#away`, chromedp.ByQuery), chromedp.KeyEvent("0")) // the other language leads nowhere now

	again, err := kiosk.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fresh := newStage()
	start := scenes()[1].screen
	start.Number = 3 // a terminal that starts anew counts anew
	fresh.set(start)
	_, stop = startOn(t, again, fresh, same)
	defer stop()
	do(t, ctx, chromedp.WaitVisible(`html[lang="de"] #face[data-screen="3"][data-settled]`, chromedp.ByQuery), chromedp.WaitNotVisible(`#away`, chromedp.ByQuery))
}

func TestTheCountdownIsSaidAndCanBeExtended(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	term := newStage()
	term.answer = func(s locker.Screen, in locker.Input) locker.Screen {
		if in == (locker.Chosen{Screen: s.Number, Choice: locker.ChoiceMoreTime}) {
			s.Until += 60 * time.Second
		}
		return s
	}
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("welcome"))
	screen := question(50)
	screen.Until, screen.Choices = 48*time.Second, append(screen.Choices, locker.ChoiceMoreTime) // 18 s remain
	term.set(screen)
	do(t, ctx, settled("question"), saying("#say", "Sekunden"), saying("#say", "Taste 9"))
	do(t, ctx, chromedp.KeyEvent("9"), chromedp.WaitNotPresent(".count--soon", chromedp.ByQuery), saying("#left", " 7"))
}

// Of many changes in a row the page shows each, or a later one, and ends at the last.
func TestThePageKeepsUpWithManyChanges(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	term := newStage()
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("welcome"), chromedp.Evaluate(`window.seen = []; document.addEventListener("htmx:after:swap", () => seen.push(Number(document.getElementById("face").dataset.screen)))`, nil))
	const last = 1200
	for n := uint64(1000); n <= last; n++ {
		term.set(question(n))
	}
	var seen []uint64
	do(t, ctx, chromedp.WaitVisible(`#face[data-screen="1200"][data-settled]`, chromedp.ByQuery), chromedp.Evaluate(`seen`, &seen))
	if !slices.IsSorted(seen) || len(seen) == 0 || seen[len(seen)-1] != last {
		t.Errorf("the page showed %v", seen)
	}
}

// A press before the scripts are there is an ordinary form, and counts too.
func TestAPressWithoutScriptCounts(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	term := newStage()
	term.answer = again
	term.set(question(20))
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("question"),
		chromedp.Evaluate(`{ const f = document.querySelector(".choices"), b = f.querySelector("[value=yes]"); const h = document.createElement("input"); h.type = "hidden"; h.name = "choice"; h.value = b.value; f.append(h); HTMLFormElement.prototype.submit.call(f); }`, nil),
		chromedp.WaitVisible(`#face[data-screen="21"][data-settled]`, chromedp.ByQuery))
	if got := term.given(); len(got) != 1 || got[0] != (locker.Chosen{Screen: 20, Choice: locker.ChoiceYes}) {
		t.Errorf("the terminal got %v", got)
	}
}
