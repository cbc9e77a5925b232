package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// browser keeps frames of other origins in one process: they are many.
func browser(t testing.TB) context.Context {
	t.Helper()
	return chromium.Start(t, 1440, 900, chromedp.Flag("disable-features", "IsolateOrigins,site-per-process"))
}

// tab is one page of the browser.
type tab struct {
	context.Context
	t testing.TB
}

// open opens a page in a tab of its own.
func open(t testing.TB, browser context.Context, address string, width, height int64) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := tab{ctx, t}
	if err := chromedp.Run(ctx); err != nil { // the tab lives as long as the context that opens it
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, height), emulation.SetFocusEmulationEnabled(true), chromedp.Navigate(address))
	return p
}

func (p tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p, 40*time.Second)
	defer cancel()
	for i, a := range actions {
		if err := chromedp.Run(ctx, a); err != nil {
			var shown string
			_ = chromedp.Run(p, chromedp.Evaluate(`document.body.innerText`, &shown))
			p.t.Fatalf("action %d: %v; the page shows %q", i+1, err, shown)
		}
	}
}

// sees waits for an element.
func (p tab) sees(selectors ...string) {
	p.t.Helper()
	for _, s := range selectors {
		p.do(chromedp.WaitVisible(s, chromedp.ByQuery))
	}
}

// click presses what can be seen, each as soon as it is there.
func (p tab) click(selectors ...string) {
	p.t.Helper()
	for _, s := range selectors {
		p.press(fmt.Sprintf(`document.querySelector(%q)`, s))
	}
}

// press clicks on the element that an expression finds. Finding and clicking are
// one step, because a page may be drawn anew between two.
func (p tab) press(finds string) {
	p.t.Helper()
	script := `((e) => !!e && e.checkVisibility() && !e.disabled && (e.click(), true))(` + finds + `)`
	for limit := time.Now().Add(40 * time.Second); ; time.Sleep(25 * time.Millisecond) {
		var done bool
		err := chromedp.Run(p, chromedp.Evaluate(script, &done))
		if err == nil && done {
			return
		}
		if time.Now().After(limit) {
			p.t.Fatalf("nothing to click on: %s (%v)", finds, err)
		}
	}
}

// says waits until the page says all of it, also over a page that is loaded anew.
func (p tab) says(words ...string) {
	p.t.Helper()
	var shown string
	for _, w := range words {
		for limit := time.Now().Add(40 * time.Second); ; time.Sleep(25 * time.Millisecond) {
			err := chromedp.Run(p, chromedp.Evaluate(`document.body.innerText`, &shown))
			if err == nil && strings.Contains(shown, w) {
				break
			}
			if time.Now().After(limit) {
				p.t.Fatalf("the page does not say %q (%v) but %q", w, err, shown)
			}
		}
	}
}
