package kiosk

import (
	"regexp"
	"slices"
	"testing"
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
