package firmwaresim_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// browser has a window of this size.
func browser(t *testing.T, width, height int) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(chromium.Start(t, width, height, chromedp.Flag("lang", "de")), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// act does one thing after the other in the browser.
func act(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	for i, a := range actions {
		if err := chromedp.Run(ctx, a); err != nil {
			t.Fatalf("action %d: %v", i+1, err)
		}
	}
}

// picture keeps what the page shows, for people to look at.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("NACHTFACH_SHOTS")
	if dir == "" {
		return
	}
	var png []byte
	act(t, ctx, chromedp.Sleep(700*time.Millisecond), chromedp.CaptureScreenshot(&png)) // doors have swung by then
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// town is a wall as a demonstration has it.
func town(c *firmwaresim.Config) {
	c.Compartments = 24
	for i := range c.Compartments {
		c.Layout = append(c.Layout, firmwaresim.Place{Row: i/6 + 1, Column: i%6 + 1, Size: []string{"small", "small", "medium", "large"}[i/6]})
	}
	c.People = []firmwaresim.Person{{Name: "anna", Label: "Anna", Finger: 7}, {Name: "bernd", Label: "Bernd", Finger: 7}, {Name: "clara", Label: "Clara", Finger: 2}}
	c.Offers = []firmwaresim.Offer{
		{Source: firmwaresim.Badge, Label: "Müller", Text: "CARD-1", Note: "471108"}, {Source: firmwaresim.Badge, Label: "Öztürk", Text: "CARD-2", Note: "081547"},
		{Source: firmwaresim.Barcode, Label: "Anna", Text: "A1"}, {Source: firmwaresim.Barcode, Label: "Bernd", Text: "B1"}, {Source: firmwaresim.Barcode, Label: "Clara", Text: "C1"},
	}
	nothing := func(context.Context) error { return nil }
	c.Sensors, c.Heating = firmwaresim.CabinetSensors(), true
	c.Power, c.Broker = &firmwaresim.Switch{Off: nothing, On: nothing}, &firmwaresim.Switch{Off: nothing, On: nothing}
}

func TestAPersonUsesTheWallInABrowser(t *testing.T) {
	ctx := browser(t, 1440, 900)
	c := place(t, town)
	byQuery := chromedp.ByQuery
	deed := func(name string) chromedp.Action {
		return chromedp.Click(`#menu [data-deed="`+name+`"]`, byQuery)
	}
	act(t, ctx,
		chromedp.Navigate(c.url+"/wall?lang=de"),
		chromedp.WaitVisible(`.ready [data-door="24"]`, byQuery),
		chromedp.Click(`[data-door="9"]`, byQuery), deed("open"),
		chromedp.WaitVisible("#toast", byQuery)) // it is locked
	if d := c.state().Doors[8]; d.Open {
		t.Error("the lock did not hold")
	}
	picture(t, ctx, "wall-closed")
	act(t, ctx,
		chromedp.Click(`[data-door="9"]`, byQuery), deed("force"),
		chromedp.WaitVisible(`[data-door="9"].open.contact-open`, byQuery), deed("lay"),
		chromedp.WaitVisible(`[data-door="9"].document`, byQuery))
	picture(t, ctx, "wall-open-menu")
	act(t, ctx, chromedp.WaitReady(`#menu [data-deed="close"]:focus`, byQuery)) // Enter would close it
	act(t, ctx, deed("close"), chromedp.WaitVisible(`[data-door="9"].document:not(.open)`, byQuery))
	if d := c.state().Doors[8]; d.Open || !d.Document {
		t.Errorf("door 9 after force, lay and close: %+v", d)
	}
	act(t, ctx, chromedp.Click(`[data-person="anna"]`, byQuery), chromedp.WaitVisible(`[data-person="anna"][aria-pressed="true"]`, byQuery))
	if f := c.state().Reader.Finger; f != "anna/0" {
		t.Errorf("on the reader: %q", f)
	}
	picture(t, ctx, "wall-finger")
	act(t, ctx, chromedp.Click(`[data-person="anna"]`, byQuery), chromedp.WaitVisible(`[data-person="anna"][aria-pressed="false"]`, byQuery))
	if f := c.state().Reader.Finger; f != "" {
		t.Errorf("on the reader after lifting: %q", f)
	}
	act(t, ctx,
		chromedp.Click(`[data-plug="reader"]`, byQuery), chromedp.WaitVisible(`.device.reader.out`, byQuery),
		chromedp.Click(`[data-switch="broker"]`, byQuery), chromedp.WaitVisible(`[data-switch="broker"][aria-checked="false"]`, byQuery))
	if s := c.state(); s.Reader.Plugged || *s.Broker {
		t.Errorf("reader plugged in: %v, broker: %v", s.Reader.Plugged, *s.Broker)
	}
}

func TestTheCabinetIsShownAndTrippedByAClick(t *testing.T) {
	ctx := browser(t, 1280, 800)
	c := place(t, town)
	byQuery := chromedp.ByQuery
	act(t, ctx, chromedp.Navigate(c.url+"/wall?lang=de"), chromedp.WaitVisible(`.ready [data-door="24"]`, byQuery))
	for _, sensor := range firmwaresim.CabinetSensors() {
		at := `[data-sensor="` + string(sensor) + `"]`
		act(t, ctx, chromedp.Click(at+`[aria-pressed="false"]`, byQuery), chromedp.WaitVisible(at+`[aria-pressed="true"]`, byQuery))
		if !c.Wall.Tripped(sensor) {
			t.Errorf("a click did not trip %s", sensor)
		}
	}
	for _, line := range []string{firmwaresim.LightLine(c.State().Terminal, 9), firmwaresim.HeaterLine(c.State().Terminal)} {
		out := gpioreg.ByName(line)
		if out == nil {
			t.Fatalf("there is no line %s", line)
		}
		if err := out.Out(gpio.High); err != nil {
			t.Fatal(err)
		}
	}
	act(t, ctx, chromedp.WaitVisible(`[data-door="9"].lit`, byQuery), chromedp.WaitVisible(`[data-heater="true"]`, byQuery))
	picture(t, ctx, "wall-cabinet")
	act(t, ctx, chromedp.Click(`[data-sensor="mains"]`, byQuery), chromedp.WaitVisible(`[data-sensor="mains"][aria-pressed="false"]`, byQuery))
	if c.Wall.Tripped(firmwaresim.Mains) {
		t.Error("a second click did not end it")
	}
}

func TestWhatHappensAtTheWallIsShown(t *testing.T) {
	ctx := browser(t, 1280, 800)
	c := place(t, town)
	act(t, ctx, chromedp.Navigate(c.url+"/?lang=en"), chromedp.WaitVisible(`.ready [data-door="24"]`, chromedp.ByQuery))
	for n, deeds := range map[int][]firmwaresim.Deed{
		2: {firmwaresim.Force, firmwaresim.Lay, firmwaresim.Close}, 5: {firmwaresim.Force, firmwaresim.Lay, firmwaresim.Close}, 14: {firmwaresim.Jam},
		10: {firmwaresim.Force, firmwaresim.Lay}, 21: {firmwaresim.Force, firmwaresim.Lay}, 18: {firmwaresim.Deaden}, 17: {firmwaresim.Force},
	} {
		for _, deed := range deeds {
			if err := c.Wall.Do(n, deed); err != nil {
				t.Fatal(err)
			}
		}
	}
	letter := firmwaresim.Offer{Source: firmwaresim.Citizen, Label: "Anna", Text: "NF1", Note: "1234 5678 9012"}
	if err := c.SetOffers(append(c.State().Offers, letter)); err != nil {
		t.Fatal(err)
	}
	act(t, ctx,
		chromedp.WaitVisible(`[data-door="21"].open.document`, chromedp.ByQuery), chromedp.WaitVisible(`[data-door="14"].jammed:not(.open)`, chromedp.ByQuery),
		chromedp.WaitVisible(`[data-door="18"].dead`, chromedp.ByQuery), chromedp.WaitVisible(`.thing.citizen[data-text="NF1"]`, chromedp.ByQuery))
	picture(t, ctx, "wall-busy-en")
	if err := c.Wall.Do(14, firmwaresim.Heal); err != nil {
		t.Fatal(err)
	}
	act(t, ctx, chromedp.WaitVisible(`[data-door="14"]:not(.jammed)`, chromedp.ByQuery),
		chromedp.Click(`[data-lang="de"]`, chromedp.ByQuery),
		chromedp.WaitVisible(`[aria-label="Fach 21: offen, Dokument liegt drin"]`, chromedp.ByQuery))
	var said string
	act(t, ctx, chromedp.Text("#log", &said, chromedp.ByQuery))
	if !strings.Contains(said, "Fach 14: repariert") {
		t.Errorf("the log says %q", said)
	}
}
