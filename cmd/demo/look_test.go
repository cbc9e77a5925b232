package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// On a small notebook's screen nothing of the start page and its frames is cut.
func TestASmallScreenShowsEverything(t *testing.T) {
	v := visit(t)
	p := open(t, browser(t), v.startAt+"/?lang=en", 1280, 720)
	p.sees("#steps li[aria-current]")
	var frame struct{ Width, Height int64 }
	p.do(chromedp.Evaluate(`(() => { const b = document.getElementById("wall").getBoundingClientRect(); return {Width: Math.floor(b.width), Height: Math.floor(b.height)}; })()`, &frame))
	if dir := os.Getenv("NACHTFACH_SHOTS"); dir != "" {
		var png []byte
		p.do(chromedp.Sleep(time.Second), chromedp.FullScreenshot(&png, 100))
		if err := os.WriteFile(filepath.Join(dir, "start-1280x720.png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.fits("start page")
	w := open(t, p, v.links().Wall, frame.Width, frame.Height)
	w.sees(`.ready [data-door="24"]`)
	w.do(chromedp.Evaluate(`document.body.classList.add("framed"), 0`, nil)) // as in the start page
	w.fits(fmt.Sprintf("wall at %d × %d", frame.Width, frame.Height))
}

// fits looks for what is cut or must be scrolled.
func (p tab) fits(page string) {
	p.t.Helper()
	var cut []string
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("*")].filter((e) => {
		const style = getComputedStyle(e), b = e.getBoundingClientRect();
		if (!b.width || !b.height || style.visibility === "hidden" || e.closest("svg, .menu, .log, .inside")) return false;
		return b.right > innerWidth + 1 || b.bottom > innerHeight + 1 || (style.overflowY !== "visible" && e.scrollHeight > e.clientHeight + 1 && e.clientHeight);
	}).map((e) => e.tagName + "#" + e.id + "." + e.className + " " + e.innerText?.slice(0, 40))`, &cut))
	for _, e := range cut {
		p.t.Errorf("%s: cut: %s", page, e)
	}
}
