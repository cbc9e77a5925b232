package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// faces are the three pages of one terminal, each in a tab of its own.
type faces struct {
	*visitor
	screen, wall, console tab
}

func showFaces(t testing.TB, language string, width, height int64) *faces {
	t.Helper()
	b := browser(t)
	v := visit(t)
	l := v.links()
	f := &faces{
		visitor: v, screen: open(t, b, l.Kiosk, 1080, 1920), wall: open(t, b, l.Wall+"?lang="+language, width, height),
		console: open(t, b, l.Console, width, height),
	}
	f.screen.do(chromedp.Navigate(v.kiosk().URL + "/language/" + language))
	f.shows(locker.ScreenWelcome)
	f.wall.sees(`.ready [data-door="24"]`)
	var spoken string
	f.console.do(chromedp.Evaluate(`document.documentElement.lang`, &spoken))
	if spoken != language {
		f.console.click(".language button")
		f.console.sees(`html[lang=` + language + `]`)
	}
	f.console.sees(`#lamp[data-live="true"]`)
	return f
}

// shows waits until the kiosk shows a screen and takes presses.
func (f *faces) shows(name locker.ScreenName) {
	f.t.Helper()
	f.screen.sees(fmt.Sprintf(`#face[data-name=%q][data-ready]`, name))
}

// types presses the keys of the screen, and Enter.
func (f *faces) types(digits string) {
	f.t.Helper()
	for _, d := range digits {
		f.screen.click(fmt.Sprintf(`[data-digit="%c"]`, d))
	}
	f.screen.click(".enter")
}

// chooses presses a button until the next screen is there: a press on a screen
// that was about to change counts for nothing, and people press again.
func (f *faces) chooses(c locker.Choice, next locker.ScreenName) {
	f.t.Helper()
	there := fmt.Sprintf(`document.querySelector("#face")?.dataset.name === %q`, next)
	for range 30 {
		var is bool
		f.screen.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelector('button[value=%q]')?.click()`, c), nil))
		for range 40 {
			if f.screen.do(chromedp.Evaluate(there, &is)); is {
				f.shows(next)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	f.t.Fatalf("%s does not lead to %s", c, next)
}

// holds clicks on something that a person at the wall holds.
func (f *faces) holds(device, label string) {
	f.t.Helper()
	f.wall.press(fmt.Sprintf(`[...document.querySelectorAll('[data-device=%q] .thing')].find((e) => e.querySelector("b").textContent === %q)`, device, label))
}

// deed opens a door's menu and does something.
func (f *faces) deed(n locker.CompartmentID, deeds ...string) {
	f.t.Helper()
	for _, d := range deeds {
		var open bool
		f.wall.do(chromedp.Evaluate(`!document.querySelector("#menu").hidden`, &open))
		if !open {
			f.wall.click(fmt.Sprintf(`[data-door="%d"]`, n))
		}
		f.wall.click(fmt.Sprintf(`#menu [data-deed=%q]`, d))
	}
}

// opened waits for a door that the terminal has opened, and says which.
func (f *faces) opened(name locker.ScreenName) locker.CompartmentID {
	f.t.Helper()
	n := f.await(name).Compartment
	f.wall.sees(fmt.Sprintf(`[data-door="%d"].open.lit`, n))
	return n
}

// loads brings the people's documents into compartments, as two clerks.
func (f *faces) loads(people ...string) {
	f.t.Helper()
	clerks := f.cast.Clerks
	f.holds("badge", string(clerks[0].Person))
	f.shows(locker.ScreenClerk)
	f.types(clerks[0].Number)
	f.shows(locker.ScreenSecond)
	f.holds("badge", string(clerks[1].Person))
	f.shows(locker.ScreenClerk)
	f.types(clerks[1].Number)
	for _, p := range people {
		f.shows(locker.ScreenRound)
		began := time.Now()
		f.holds("barcode", p)
		n := f.opened(locker.ScreenLay)
		f.t.Logf("from the slip to the open door: %v", time.Since(began).Round(time.Millisecond))
		f.deed(n, "lay", "close")
	}
	f.shows(locker.ScreenRound)
	f.chooses(locker.ChoiceFinish, locker.ScreenConfirm)
	f.holds("badge", string(clerks[0].Person))
	f.shows(locker.ScreenClerk)
	f.types(clerks[0].Number)
	f.until("the first confirmation", func() bool { return len(f.await(locker.ScreenConfirm).Round.Confirmed) == 1 })
	f.holds("badge", string(clerks[1].Person))
	f.shows(locker.ScreenClerk)
	f.types(clerks[1].Number)
	f.until("the letters", func() bool { return len(f.offered("citizen")) == len(people)+1 })
	f.shows(locker.ScreenWelcome)
}

// TestOneTerminalHasThreeFaces is what a newcomer does, all by clicks: the wall
// drives the kiosk, and the console sees it. On the way it takes the README's
// picture, if NACHTFACH_SHOTS names a folder.
func TestOneTerminalHasThreeFaces(t *testing.T) {
	f := showFaces(t, "en", 1120, 700)
	began := time.Now()
	f.console.click(`.card[href="/terminals/demo"]`)
	f.loads("Anna", "Bernd")
	f.console.says("ready")

	f.screen.sees(`html[lang="de"]`) // the clerks' visit is over, and their language with it
	f.screen.click("#language")
	f.screen.sees(`html[lang="en"]`)
	f.shows(locker.ScreenWelcome)
	f.holds("citizen", "Anna")
	f.shows(locker.ScreenFinger)
	f.holds("reader", "Anna")
	f.shows(locker.ScreenTake)
	n := f.opened(locker.ScreenTake)
	f.console.sees(`.wall .door.open`)
	f.pictures("demo")
	f.deed(n, "take", "close")
	f.shows(locker.ScreenQuestion)
	f.chooses(locker.ChoiceYes, locker.ScreenDone)
	f.console.says("collected")
	t.Logf("two documents loaded and one collected in %v", time.Since(began).Round(time.Second))

	f.alarm(20)
	f.sensor()
	f.outages()
}

// alarm forces a door, and an admin who sees it writes a note.
func (f *faces) alarm(door locker.CompartmentID) {
	f.t.Helper()
	f.deed(door, "force")
	began := time.Now()
	f.console.says("Door opened without release", "not acknowledged yet")
	f.t.Logf("the alarm is on the console %v after the click", time.Since(began).Round(time.Millisecond))
	f.wall.click("#hands") // the menu closes
	f.deed(door, "close")
	// In one go: between two of the browser's steps the page may be read anew,
	// until somebody writes in it.
	f.console.do(chromedp.Evaluate(`document.querySelector(".trouble details").open = true; document.querySelector(".trouble textarea").focus()`, nil),
		chromedp.SendKeys(`.trouble textarea`, "looked <b>at it</b>", chromedp.ByQuery), chromedp.SendKeys(`.trouble input[name=by]`, "mk", chromedp.ByQuery))
	f.console.click(`.trouble button`)
	f.console.says("looked <b>at it</b>")
}

// sensor takes the mains away, and gives it back.
func (f *faces) sensor() {
	f.t.Helper()
	f.wall.click(`[data-sensor="mains"][aria-pressed="false"]`)
	f.console.says("Mains voltage away")
	f.wall.click(`[data-sensor="mains"][aria-pressed="true"]`)
	f.console.says("Sensor at rest")
}

// outages pull the network, the power and the reader, and put them back.
func (f *faces) outages() {
	f.t.Helper()
	f.wall.click(`[data-switch="broker"]`)
	f.wall.sees(`[data-switch="broker"][aria-checked="false"]`)
	f.console.says("not been connected")
	f.wall.click(`[data-switch="broker"]`)
	f.wall.sees(`[data-switch="broker"][aria-checked="true"]`)
	f.console.says("connected for")

	f.wall.click(`[data-switch="power"]`)
	f.wall.sees(`[data-switch="power"][aria-checked="false"]`)
	f.wall.click(`[data-switch="power"]`)
	f.wall.sees(`[data-switch="power"][aria-checked="true"]`)
	f.await(locker.ScreenWelcome)

	f.wall.click(`[data-plug="reader"]`)
	f.wall.sees(`.device.reader.out`)
	f.wall.click(`[data-plug="reader"]`)
	f.wall.sees(`.device.reader:not(.out)`)
}

// pictures puts what the three show into one picture.
func (f *faces) pictures(name string) {
	f.t.Helper()
	dir := os.Getenv("NACHTFACH_SHOTS")
	if dir == "" {
		return
	}
	shot := func(p tab) string {
		var png []byte
		p.do(chromedp.Sleep(900*time.Millisecond), chromedp.CaptureScreenshot(&png)) // doors have swung by then
		return "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
	}
	f.wall.do(chromedp.EmulateViewport(1120, 560))
	f.console.do(chromedp.EmulateViewport(1120, 560), chromedp.Evaluate(`scrollTo(0, 0)`, nil))
	defer f.wall.do(chromedp.EmulateViewport(1120, 700))
	defer f.console.do(chromedp.EmulateViewport(1120, 700))
	sheet := open(f.t, f.wall, "about:blank", 1400, 934)
	html := fmt.Sprintf(threeFaces, shot(f.screen), shot(f.wall), shot(f.console))
	var picture []byte
	sheet.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}
		return page.SetDocumentContent(tree.Frame.ID, html).Do(ctx)
	}), chromedp.Sleep(time.Second), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatWebp).WithQuality(86).Do(ctx)
		return err
	}))
	if len(picture) > 400_000 {
		f.t.Errorf("the picture has %d bytes, more than a README should load", len(picture))
	}
	if err := os.WriteFile(filepath.Join(dir, name+".webp"), picture, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

const threeFaces = `<!doctype html><style>
* { margin: 0; box-sizing: border-box; }
body { width: 1400px; height: 934px; padding: 20px 24px; display: grid; grid-template-columns: 478px 1fr; gap: 0 26px; background: linear-gradient(#1b2a45, #0b1220 80%%); font: 600 15px/24px system-ui, sans-serif; color: #b9c6d9; }
figure { position: relative; } img { display: block; border-radius: 8px; box-shadow: 0 14px 34px #000a; }
.kiosk img { width: 478px; border: 9px solid #05080d; border-radius: 16px; }
.pages { display: grid; gap: 8px; } .pages img { width: 828px; height: 414px; object-fit: cover; object-position: top; }
figcaption { height: 26px; }
</style><body><figure class="kiosk"><figcaption>Kiosk</figcaption><img src="%s"></figure>
<div class="pages"><figure><figcaption>Wall: click to play the street</figcaption><img src="%s"></figure><figure><figcaption>Console of the city</figcaption><img src="%s"></figure></div>`

// BenchmarkWallToFaces is a door that moves at the wall until the console
// shows it, and a card held up until the kiosk shows who is asked.
func BenchmarkWallToFaces(b *testing.B) {
	f := showFaces(b, "de", 1120, 700) // in English the kiosk would load anew after each visit
	f.console.click(`.card[href="/terminals/demo"]`)
	f.console.sees(".wall")
	watch := func(p tab, is string) {
		p.do(chromedp.Evaluate(`window.is = () => `+is+`; window.was = is(); window.at = 0;
			new MutationObserver(() => { const now = is(); if (now !== was) { was = now; at = Date.now(); } }).observe(document, {subtree: true, childList: true, attributes: true}); 0`, nil))
	}
	watch(f.console, `!!document.querySelector(".wall .door.open")`)
	watch(f.screen, `document.querySelector("#face")?.dataset.name`)
	seen := func(p tab, want any, began time.Time) time.Duration {
		var at float64
		p.do(chromedp.PollFunction(`(want, began) => was === want && at >= began && at`, &at, chromedp.WithPollingArgs(want, began.UnixMilli()), chromedp.WithPollingInterval(20*time.Millisecond)))
		return time.UnixMilli(int64(at)).Sub(began)
	}
	var doors, screens []time.Duration
	for b.Loop() {
		for _, deed := range []string{"force", "close"} {
			began := time.Now()
			f.door(20, firmwaresim.Deed(deed))
			doors = append(doors, seen(f.console, deed == "force", began))
		}
		began := time.Now()
		f.hold("badge", string(f.cast.Clerks[0].Person))
		screens = append(screens, seen(f.screen, string(locker.ScreenClerk), began))
		f.at(locker.ScreenClerk, "choice", string(locker.ChoiceCancel))
		f.await(locker.ScreenWelcome)
		f.shows(locker.ScreenWelcome)
	}
	for name, list := range map[string][]time.Duration{"console": doors, "kiosk": screens} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Milliseconds()), "ms-"+name+"-p50")
		b.ReportMetric(float64(list[len(list)*95/100].Milliseconds()), "ms-"+name+"-p95")
	}
}
