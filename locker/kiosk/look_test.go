package kiosk_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

//go:embed testdata/axe/axe.min.js
var axe string

// layoutRun finds what is cut off, covered or outside the screen. Each part of
// a page keeps to its own box; the boxes do not overlap; each button can be hit.
const layoutRun = `(() => {
	const wrong = [], box = (e) => e.getBoundingClientRect();
	const name = (e) => e.id || e.className.baseVal || e.className || e.tagName;
	const seen = (e) => e.offsetParent !== null || e instanceof SVGElement;
	const parts = [".head", ".words", ".picture", ".act", ".foot"].map(s => document.querySelector(s)).filter(Boolean);
	const real = parts.map(p => {
		let b = box(p), r = {top: b.top, left: b.left, right: b.right, bottom: b.bottom};
		if (p.matches(".words")) { // what it holds, not the room that it has
			const kids = [...p.children].filter(seen).map(box);
			r = {top: Math.min(...kids.map(k => k.top)), bottom: Math.max(...kids.map(k => k.bottom)), left: b.left, right: Math.max(b.right, ...kids.map(k => k.right))};
		} else for (const k of [...p.children].filter(seen).map(box)) { r.bottom = Math.max(r.bottom, k.bottom); r.right = Math.max(r.right, k.right); }
		return r;
	});
	parts.forEach((p, i) => parts.slice(i + 1).forEach((q, j) => {
		const a = real[i], b = real[i + 1 + j];
		if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
			wrong.push(name(p) + " overlaps " + name(q) + " by " + Math.round(Math.min(a.bottom - b.top, b.bottom - a.top)));
	}));
	for (const e of document.querySelectorAll("main *, .head *, .foot *")) {
		if (!seen(e) || e.closest(".kern-sr-only") || e.matches(".cells-input")) continue;
		const b = box(e);
		if (b.width && (b.left < -1 || b.top < -1 || b.right > innerWidth + 1 || b.bottom > innerHeight + 1)) wrong.push(name(e) + " is outside");
		if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).display !== "inline" && !e.matches("svg *, svg, input")) wrong.push(name(e) + " is too narrow for " + e.innerText?.replace(/\s+/g, ' ').slice(0, 60));
	}
	for (const e of document.querySelectorAll("button, a[href]")) {
		if (!seen(e)) continue;
		const b = box(e), hit = document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2);
		if (!e.contains(hit)) wrong.push("a press on " + e.innerText + " hits " + (hit ? name(hit) : "nothing"));
		if (b.height < 44 || b.width < 44) wrong.push(e.innerText + " is too small to hit");
	}
	for (const w of document.querySelectorAll(".wall")) if (box(w).width < 240 || box(w).height < 150) wrong.push("the wall is too small to read: " + Math.round(box(w).width) + " x " + Math.round(box(w).height));
	return [...new Set(wrong)];
})()`

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// Every screen, in both languages and on both kinds of display, has nothing
// that overlaps or is cut off, and nothing that WCAG 2.2 A or AA objects to.
// With NACHTFACH_SHOTS=DIR it also takes a picture of each; .ci/sheets puts
// them on contact sheets.
func TestEveryScreenCanBeReadAndReached(t *testing.T) {
	t.Parallel()
	for size, wh := range sizes {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			ctx := browser(t, wh[0], wh[1])
			term := newStage()
			do(t, ctx, chromedp.Navigate(serve(t, term)))
			for pass, lang := range []string{"de", "en"} {
				do(t, ctx, chromedp.Navigate(origin(t, ctx)+"/language/"+lang), ready("welcome"), chromedp.Evaluate(axe, nil))
				album := newAlbum(t, size+"-"+lang)
				for _, sc := range scenes() {
					sc.screen.Number += uint64(pass+1) * 1000
					term.set(sc.screen)
					var wrong, violations []string
					do(t, ctx, chromedp.WaitVisible(`#face[data-screen="`+itoa(sc.screen.Number)+`"][data-ready]`, chromedp.ByQuery), chromedp.Evaluate(layoutRun, &wrong), chromedp.Evaluate(chromium.AxeRun, &violations, awaited))
					if len(wrong) > 0 {
						t.Errorf("%s %s %s: %s", sc.name, lang, size, strings.Join(wrong, "; "))
					}
					if len(violations) > 0 {
						t.Errorf("%s %s %s: axe: %s", sc.name, lang, size, strings.Join(violations, "\n\t"))
					}
					album.take(ctx, sc.name)
				}
				last := scenes()[1].screen
				last.Number = uint64(pass+1)*1000 + 999
				term.set(last)
			}
		})
	}
}

// Names as long as the configuration allows, and a wall of 96 doors, fit as well.
func TestLongNamesAndManyDoorsFit(t *testing.T) {
	t.Parallel()
	long := "Bürgeramt für Ausweis- und Passangelegenheiten, Rathausgasse 12, Erdgeschoss li."
	for size, wh := range sizes {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			ctx := browser(t, wh[0], wh[1])
			term := &stage{changed: make(chan struct{}), screen: scenes()[1].screen}
			for i := range 96 {
				term.layout = append(term.layout, locker.CompartmentSpec{Number: locker.CompartmentID(i + 1), Size: locker.Small, Row: i/12 + 1, Column: i%12 + 1})
			}
			do(t, ctx, chromedp.Navigate(serve(t, term, func(c *kiosk.Config) {
				c.Place, c.Desk = long, kiosk.Desk{Name: long, Phone: "0049 7141 910 22334-1234567", Hours: long}
			})))
			album := newAlbum(t, size+"-long")
			for _, sc := range scenes() {
				sc.screen.Number += 1000
				term.set(sc.screen)
				var wrong []string
				do(t, ctx, chromedp.WaitVisible(`#face[data-screen="`+itoa(sc.screen.Number)+`"][data-ready]`, chromedp.ByQuery), chromedp.Evaluate(layoutRun, &wrong))
				if len(wrong) > 0 {
					t.Errorf("%s %s: %s", sc.name, size, strings.Join(wrong, "; "))
				}
				album.take(ctx, sc.name)
			}
		})
	}
}
