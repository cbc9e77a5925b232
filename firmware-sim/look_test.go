package firmwaresim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// The wall, whatever it shows, has nothing that WCAG 2.2 A or AA objects to.
func TestTheWallIsForEverybody(t *testing.T) {
	axe, err := os.ReadFile("../locker/kiosk/testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, 1280, 800)
	c := place(t, town)
	letter := firmwaresim.Offer{Source: firmwaresim.Citizen, Label: "Anna", Text: "NF1", Note: "1234 5678 9012"}
	if err := c.SetOffers(append(c.State().Offers, letter)); err != nil {
		t.Fatal(err)
	}
	awaited := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	byQuery := chromedp.ByQuery
	for _, language := range []string{"de", "en"} {
		act(t, ctx, chromedp.Navigate(c.url+"/wall?lang="+language), chromedp.WaitVisible(`.ready [data-door="24"]`, byQuery),
			chromedp.Evaluate(string(axe)+"\n0", nil))
		look := func(what string) {
			t.Helper()
			var violations, wide []string
			act(t, ctx, chromedp.Evaluate(chromium.AxeRun, &violations, awaited), chromedp.Evaluate(`[...document.querySelectorAll("header *, .thing, .thing *, .menu *, h4, .legend *")]
				.filter(e => e.clientWidth && getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1).map(e => e.className + " " + e.innerText)`, &wide))
			if len(violations) > 0 {
				t.Errorf("%s, %s: axe: %s", what, language, strings.Join(violations, "\n\t"))
			}
			if len(wide) > 0 {
				t.Errorf("%s, %s: too narrow: %s", what, language, strings.Join(wide, "; "))
			}
		}
		look("at rest")
		act(t, ctx, chromedp.EmulateViewport(960, 620)) // beside the kiosk, on the demo's start page
		look("in little room")
		act(t, ctx, chromedp.EmulateViewport(1280, 800))
		act(t, ctx, chromedp.Click(`[data-door="3"]`, byQuery), chromedp.WaitVisible("#menu", byQuery))
		look("with a menu")
		act(t, ctx, chromedp.Click(`#menu [data-deed="open"]`, byQuery), chromedp.WaitVisible("#toast", byQuery))
		look("with a refusal")
		for n, deeds := range map[int][]firmwaresim.Deed{4: {firmwaresim.Force, firmwaresim.Lay}, 5: {firmwaresim.Jam}, 6: {firmwaresim.Deaden}} {
			for _, deed := range deeds {
				if err := c.Wall.Do(n, deed); err != nil {
					t.Fatal(err)
				}
			}
		}
		act(t, ctx, chromedp.Click(`[data-person="anna"]`, byQuery), chromedp.WaitVisible(`[data-person="anna"][aria-pressed="true"]`, byQuery),
			chromedp.Click(`[data-plug="badge"]`, byQuery), chromedp.WaitVisible(`.device.badge.out`, byQuery),
			chromedp.Click(`[data-switch="power"]`, byQuery), chromedp.WaitVisible(`[data-switch="power"][aria-checked="false"]`, byQuery))
		look("with all kinds of trouble")
		act(t, ctx, chromedp.Click(`[data-person="anna"]`, byQuery), chromedp.WaitVisible(`[data-person="anna"][aria-pressed="false"]`, byQuery),
			chromedp.Click(`[data-plug="badge"]`, byQuery), chromedp.WaitVisible(`.device.badge:not(.out)`, byQuery),
			chromedp.Click(`[data-switch="power"]`, byQuery), chromedp.WaitVisible(`[data-switch="power"][aria-checked="true"]`, byQuery))
		for n, deeds := range map[int][]firmwaresim.Deed{4: {firmwaresim.Take, firmwaresim.Close}, 5: {firmwaresim.Heal}, 6: {firmwaresim.Heal}} {
			for _, deed := range deeds {
				if err := c.Wall.Do(n, deed); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Every deed that a door knows is a click away, and the wall shows what it did.
func TestEveryDeedIsAClickAway(t *testing.T) {
	ctx := browser(t, 1280, 800)
	c := place(t, town)
	act(t, ctx, chromedp.Navigate(c.url+"/wall?lang=de"), chromedp.WaitVisible(`.ready [data-door="24"]`, chromedp.ByQuery))
	for _, step := range []struct{ deed, shows string }{
		{"force", ".open"}, {"lay", ".document"}, {"take", ":not(.document)"}, {"jam", ".jammed"}, {"heal", ":not(.jammed)"},
		{"bounce", ".bouncing"}, {"heal", ":not(.bouncing)"}, {"dead", ".dead"}, {"heal", ":not(.dead)"}, {"close", ":not(.open)"}, {"jam", ".jammed:not(.open)"},
	} {
		act(t, ctx,
			chromedp.Evaluate(`if (document.querySelector("#menu").hidden) document.querySelector('[data-door="9"]').click()`, nil),
			chromedp.Click(`#menu [data-deed="`+step.deed+`"]`, chromedp.ByQuery), chromedp.WaitVisible(`[data-door="9"]`+step.shows, chromedp.ByQuery))
	}
	if d := c.state().Doors[8]; d.Open || d.Document || !d.Jammed || d.Contact != "sound" {
		t.Errorf("at the end door 9 is %+v", d)
	}
}
