package kiosk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
)

// What a scanner or a card reader says where it does not belong. None of it is
// typed into the page, and none of it opens a door.
func TestWhatIsHeldUpInTheWrongPlace(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	h := newHouse(t, 1)
	h.load()
	by := keypad{t, ctx}
	do(t, ctx, chromedp.Navigate(serve(t, h, h.clocked)), settled("welcome"))
	openings := h.openings()
	citizen := func(text string) { h.give(locker.Scanned{Source: locker.SourceCitizen, Text: []byte(text)}) }
	still := func(t *testing.T, screen locker.ScreenName) {
		t.Helper()
		var typed string
		shown, _ := h.Screen() // what is pressed on a former one counts for nothing
		do(t, ctx, settled(screen), chromedp.WaitVisible(`#face[data-screen="`+itoa(shown.Number)+`"][data-settled]`, chromedp.ByQuery),
			chromedp.Evaluate(`(document.getElementById("field") || {value: ""}).value`, &typed))
		if typed != "" {
			t.Errorf("the field holds %q", typed)
		}
		if n := h.openings(); n != openings {
			t.Fatalf("%d doors were opened", n-openings)
		}
	}
	for what, text := range map[string]string{
		"a slip's barcode":     string(order(0)),
		"a card's number":      "c1",
		"a QR full of keys":    "\x1b1\r2\r9\t\x1b[B4711\n\x00\x08\x7f",
		"a QR with a script":   `<script>document.querySelector("button").click()</script>`,
		"ten thousand letters": strings.Repeat("4x7-", 2_500),
	} {
		t.Run(what+" at the citizen's scanner is no code", func(t *testing.T) {
			screen, _ := h.Screen()
			citizen(text)
			do(t, ctx, chromedp.WaitVisible(`#face[data-settled] #hint`, chromedp.ByQuery))
			still(t, locker.ScreenWelcome)
			if after, _ := h.Screen(); after.Number < screen.Number || after.Name != locker.ScreenWelcome {
				t.Errorf("the screen is %+v", after)
			}
		})
	}
	t.Run("a slip at the clerks' scanner is nothing to a citizen", func(t *testing.T) {
		h.scan(order(0))
		still(t, locker.ScreenWelcome)
	})
	t.Run("a card in a citizen's visit waits until it is over", func(t *testing.T) {
		by.digits(h.letter(1))
		do(t, ctx, settled("finger"))
		h.badge("c1")
		do(t, ctx, saying("#hint", "Karte"))
		still(t, locker.ScreenFinger)
		by.cancel()
		do(t, ctx, settled("welcome"))
	})
	t.Run("a code in the clerks' flow is no personal number", func(t *testing.T) {
		h.badge("c1")
		do(t, ctx, settled("clerk_number"))
		citizen(h.letter(1)) // scanned, it is nothing at all
		still(t, locker.ScreenClerk)
		by.digits(h.letter(1)) // typed, it is a wrong number
		do(t, ctx, saying("#face[data-settled] #hint", "Zahl"))
		still(t, locker.ScreenClerk)
		by.digits("471108")
		do(t, ctx, settled("second_clerk"))
		citizen(h.letter(1))
		still(t, locker.ScreenSecond)
		h.badge("c2")
		do(t, ctx, settled("clerk_number"))
		by.digits("471108")
		do(t, ctx, settled("round"))
		citizen(h.letter(1))
		h.scan(locker.OrderID(h.letter(1))) // at the scanner for slips
		do(t, ctx, chromedp.WaitVisible(`#face[data-settled] #hint`, chromedp.ByQuery))
		still(t, locker.ScreenRound)
	})
}

// hostile tries all that a page can do to another on the same machine, and says
// what became of it.
const hostile = `<!doctype html><title>hostile</title><body><script>
const kiosk = %q, log = {};
const form = (screen) => new URLSearchParams({screen, choice: "yes"});
const attempt = (name, promise) => promise.then(r => { log[name] = r; }, e => { log[name] = "failed"; });
window.done = (async () => {
	await attempt("press", fetch(kiosk + "/press", {method: "POST", mode: "no-cors", credentials: "include", body: form(7)}).then(r => r.type));
	await attempt("input", fetch(kiosk + "/input", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: '{"screen":7,"choice":"yes"}'}).then(r => r.text()));
	await attempt("read", fetch(kiosk + "/screen", {credentials: "include"}).then(r => r.text()));
	await attempt("page", fetch(kiosk + "/", {credentials: "include"}).then(r => r.text()));
	await attempt("script", new Promise((yes, no) => { const s = document.createElement("script"); s.src = kiosk + "/screen"; s.onload = () => yes("loaded"); s.onerror = no; document.body.append(s); }));
	await attempt("stream", new Promise((yes, no) => { const s = new EventSource(kiosk + "/stream", {withCredentials: true}); s.onopen = () => yes("open"); s.onerror = no; }));
	await attempt("frame", new Promise(yes => {
		const f = document.createElement("iframe"); f.name = "frame"; f.src = kiosk + "/"; document.body.append(f);
		f.onload = () => { let seen = "opaque"; try { seen = f.contentDocument.body.innerText; } catch {} yes(seen); };
	}));
	await attempt("form", new Promise(yes => {
		const f = document.createElement("iframe"); f.name = "target"; document.body.append(f);
		const p = document.createElement("form"); p.method = "post"; p.action = kiosk + "/press"; p.target = "target";
		for (const [k, v] of form(7)) { const i = document.createElement("input"); i.name = k; i.value = v; p.append(i); }
		document.body.append(p); f.onload = () => yes("sent"); p.submit();
	}));
	return log;
})();
</script>`

// A page of another origin, in another tab of the same browser, with the
// kiosk's cookie at hand: it presses nothing and reads nothing.
func TestAHostilePageInAnotherTab(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1280, 800)
	term := newStage()
	term.answer = again
	term.set(question(7))
	do(t, ctx, chromedp.Navigate(serve(t, term)), settled("question"))
	at := origin(t, ctx)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, hostile, at)
	}))
	t.Cleanup(evil.Close)
	var log map[string]string
	do(t, secondTab(t, ctx), chromedp.Navigate(evil.URL), chromedp.Evaluate(`done`, &log, awaited))
	for what, want := range map[string]string{
		"press": "failed", "input": "failed", "read": "failed", "page": "failed", "script": "failed", "stream": "failed", "frame": "opaque", "form": "sent",
	} {
		if log[what] != want {
			t.Errorf("%s: %q, want %q", what, log[what], want)
		}
	}
	if got := term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
	do(t, ctx, settled("question"), chromedp.Click(`button[value="yes"]`, chromedp.ByQuery), chromedp.WaitVisible(`#face[data-screen="8"]`, chromedp.ByQuery))
	if got := term.given(); len(got) != 1 {
		t.Errorf("after it a press at the kiosk gives the terminal %v", got)
	}
}
