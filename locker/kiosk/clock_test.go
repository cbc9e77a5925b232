package kiosk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
)

// A machine without a battery clock is set by its time service some time after
// its start. The page's intervals must not follow the wall clock.
func TestAButtonWorksWhenTheMachinesClockIsSet(t *testing.T) {
	var question locker.Screen
	for _, scene := range scenes() {
		if scene.screen.Name == locker.ScreenQuestion {
			question = scene.screen
			break
		}
	}
	if question.Name == "" {
		t.Fatal("no scene shows the question")
	}
	question.Number = 1000
	for name, by := range map[string]time.Duration{
		"not at all": 0, "back by a minute": -time.Minute, "back by 50 years": -50 * 365 * 24 * time.Hour,
		"forward by a minute": time.Minute, "forward by 50 years": 50 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			s.set(question)
			tab := browser(t, 1080, 1920)
			var seconds int
			var away bool
			do(t, tab,
				chromedp.Navigate(serve(t, s)), settled(question.Name),
				chromedp.Evaluate(fmt.Sprintf(`(() => {
					const real = Date.now;
					Date.now = () => real() + %d;
					window.ticks = 0;
					setInterval(() => window.ticks++, 250);
				})()`, by.Milliseconds()), nil),
				chromedp.Poll(`window.ticks > 2`, nil), // the page has counted by the new clock
				chromedp.Evaluate(`parseInt(document.getElementById("left").innerText.match(/\d+/)[0])`, &seconds),
				chromedp.Evaluate(`!!document.getElementById("away") && !document.getElementById("away").hidden`, &away),
				chromedp.Evaluate(`document.querySelector("[name=choice]").click()`, nil),
			)
			if away {
				t.Error("the page says that the terminal is away")
			}
			if seconds < 1 || seconds > 45 {
				t.Errorf("%d seconds are left of 45", seconds)
			}
			eventually(t, "the button's press", func() bool { return len(s.given()) == 1 })
		})
	}
}
