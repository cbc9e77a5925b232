package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// What admins hold: a screen on a desk, and a phone at night.
var displays = []struct {
	name          string
	width, height int64
	phone         bool
}{{"1440x900", 1440, 900, false}, {"390x844", 390, 844, true}}

// The pages, each with what is wanted on it.
var pages = []struct{ name, path string }{
	{"terminals", "/"}, {"terminal", "/terminals/rathaus-nord"}, {"terminal-away", "/terminals/bahnhof"}, {"terminal-new", "/terminals/stadtteil-ost"},
	{"terminal-training", "/terminals/schulung"},
	{"alarms", "/alarms"}, {"events", "/terminals/rathaus-nord/events"}, {"events-none", "/terminals/rathaus-nord/events?q=nirgends"},
	{"wrong", "/terminals/nirgends"}, {"cut", "/"},
}

// browser has a window of this size at first.
func browser(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(chromium.Start(t, 1440, 900, chromedp.Flag("lang", "de")), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i, a := range actions {
		if err := chromedp.Run(within, a); err != nil {
			var shown string
			_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &shown))
			t.Fatalf("action %d: %v; the page shows %q", i+1, err, shown)
		}
	}
}

// shade lets the browser wish for light or dark.
func shade(scheme string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}

func size(width, height int64, phone bool) chromedp.Action {
	return emulation.SetDeviceMetricsOverride(width, height, 1, phone)
}

// speak changes the language as a person does, if it is another.
func speak(language string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		var is string
		if err := chromedp.Evaluate(`document.documentElement.lang`, &is).Do(ctx); err != nil || is == language {
			return err
		}
		if err := chromedp.Click(".language button", chromedp.ByQuery).Do(ctx); err != nil {
			return err
		}
		return chromedp.WaitReady(fmt.Sprintf(`html[lang=%q]`, language), chromedp.ByQuery).Do(ctx)
	})
}

// layoutRun finds what is wider than the screen, cut off, or too small to hit.
const layoutRun = `(() => {
	const wrong = [], name = (e) => (e.id || e.className || e.tagName) + " " + JSON.stringify(e.innerText?.slice(0, 40));
	const hidden = (e) => !e.checkVisibility() || e.closest(".skip, thead") || getComputedStyle(e).clipPath !== "none";
	if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page is " + document.documentElement.scrollWidth + " wide");
	for (const e of document.querySelectorAll("header *, main *")) {
		if (hidden(e) || e.closest("pre, nav")) continue;
		const b = e.getBoundingClientRect();
		if (b.width && (b.left < -1 || b.right > innerWidth + 1)) wrong.push(name(e) + " is outside");
		if (getComputedStyle(e).display !== "inline" && e.clientWidth && e.scrollWidth > e.clientWidth + 1 && !e.matches("input, textarea")) wrong.push(name(e) + " is too narrow");
	}
	for (const e of document.querySelectorAll("header button, header a, main button, main summary, main input, main .card")) {
		const b = e.getBoundingClientRect();
		if (!hidden(e) && b.height && (b.height < 24 || b.width < 24)) wrong.push(name(e) + " is too small to hit");
	}
	return [...new Set(wrong)];
})()`

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// everyPage goes to each page as each kind of admin sees it.
func everyPage(t *testing.T, ctx context.Context, visit func(name string)) {
	t.Helper()
	s := night(t)
	address := staged(t, s)
	base, _, _ := strings.Cut(address, "/?")
	do(t, ctx, chromedp.Navigate(address))
	for _, language := range []string{"de", "en"} {
		do(t, ctx, speak(language))
		for _, p := range pages {
			s.cut(p.name == "cut")
			do(t, ctx, chromedp.Navigate(base+p.path), chromedp.WaitVisible(`#lamp[data-live="true"]`, chromedp.ByQuery))
			for _, d := range displays {
				for _, scheme := range []string{"light", "dark"} {
					do(t, ctx, size(d.width, d.height, d.phone), shade(scheme))
					visit(strings.Join([]string{d.name, language, scheme, p.name}, "-"))
				}
			}
		}
	}
}

// Every page, in both languages, in light and dark, at a desk and on a phone,
// has nothing that is cut off, and nothing that WCAG 2.2 A or AA objects to.
func TestEveryPageCanBeReadAndReached(t *testing.T) {
	axe, err := os.ReadFile("../../locker/kiosk/testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	everyPage(t, ctx, func(name string) {
		var wrong, violations []string
		do(t, ctx, chromedp.Evaluate(`document.querySelectorAll("main details").forEach((d, i) => { d.open = i < 12; })`, nil),
			chromedp.Evaluate(layoutRun, &wrong), chromedp.Evaluate("if (!window.axe) {"+string(axe)+"}\n0", nil), chromedp.Evaluate(chromium.AxeRun, &violations, awaited))
		if len(wrong) > 0 {
			t.Errorf("%s: %s", name, strings.Join(wrong, "; "))
		}
		if len(violations) > 0 {
			t.Errorf("%s: axe: %s", name, strings.Join(violations, "\n\t"))
		}
	})
}

// TestShots takes a picture of every page into the folder that NACHTFACH_SHOTS
// names.
func TestShots(t *testing.T) {
	dir := os.Getenv("NACHTFACH_SHOTS")
	if dir == "" {
		t.Skip("NACHTFACH_SHOTS names no folder")
	}
	ctx := browser(t)
	everyPage(t, ctx, func(name string) {
		var png []byte
		do(t, ctx, chromedp.CaptureScreenshot(&png))
		if err := os.WriteFile(filepath.Join(dir, "console-"+name+".png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}
