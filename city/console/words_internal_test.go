package console

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
)

func TestEveryEventHasWords(t *testing.T) {
	for _, f := range locker.FactTypes() {
		kind := strings.TrimSuffix(strings.TrimPrefix(f, "de.nachtfach."), ".v1")
		if w := eventWords[kind]; w[0] == "" || w[1] == "" {
			t.Errorf("%s has no words", kind)
		}
	}
	if n, have := len(locker.FactTypes()), len(eventWords); n != have {
		t.Errorf("%d events, %d words", n, have)
	}
	for key, w := range words {
		if w[0] == "" || w[1] == "" {
			t.Errorf("%s is said in one language only", key)
		}
	}
}
