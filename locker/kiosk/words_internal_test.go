package kiosk

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

// Each language has the same keys, with the same names in braces.
func TestTheLanguagesSayTheSame(t *testing.T) {
	names := regexp.MustCompile(`\{[a-z]+\}`)
	fills := func(text string) []string {
		list := names.FindAllString(text, -1)
		slices.Sort(list)
		return slices.Compact(list)
	}
	for key, text := range germanWords {
		other, ok := englishWords[key]
		switch {
		case !ok:
			t.Errorf("%s has no English words", key)
		case !slices.Equal(fills(text), fills(other)):
			t.Errorf("%s fills in %v in German and %v in English", key, fills(text), fills(other))
		case text == "" || other == "":
			t.Errorf("%s is empty", key)
		}
	}
	for key := range englishWords {
		if _, ok := germanWords[key]; !ok {
			t.Errorf("%s has no German words", key)
		}
	}
}

// The town's own declaration stands in place of the built-in one, in both
// languages, and no language falls back to the other's text.
func TestATownsOwnDeclarationIsShown(t *testing.T) {
	own := Declaration{Question: "Frage?", Text: "Erklärung.", QuestionEnglish: "Question?", TextEnglish: "Explanation."}
	shown := func(d Declaration, l language) page {
		s := &Server{config: Config{Declaration: d}}
		return s.compose(view{Screen: locker.Screen{Name: locker.ScreenPINLetter}}, l)
	}
	if p := shown(own, german); p.Title != "Frage?" || p.Lead != "Erklärung." {
		t.Errorf("German: %q, %q", p.Title, p.Lead)
	}
	if p := shown(own, english); p.Title != "Question?" || p.Lead != "Explanation." {
		t.Errorf("English: %q, %q", p.Title, p.Lead)
	}
	for _, l := range []language{german, english} {
		if p := shown(Declaration{}, l); p.Title == "" || p.Lead == "" || strings.Contains(p.Lead, "dürfen wir") {
			t.Errorf("built in: %q, %q", p.Title, p.Lead)
		}
	}
}
