package console

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

func TestEventsAreSaidInBothLanguages(t *testing.T) {
	known := map[string]bool{}
	for _, f := range locker.FactTypes() {
		kind := strings.TrimSuffix(strings.TrimPrefix(f, "de.nachtfach."), ".v1")
		known[kind] = true
		if eventWords[kind] == [2]string{} {
			t.Logf("%s has no words yet and is shown as it is", kind)
		}
	}
	for kind, w := range eventWords {
		if !known[kind] || w[0] == "" || w[1] == "" {
			t.Errorf("%s is no event, or is said in one language only", kind)
		}
	}
	for key, w := range words {
		if w[0] == "" || w[1] == "" {
			t.Errorf("%s is said in one language only", key)
		}
	}
}
