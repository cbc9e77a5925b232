package topic_test

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/report/topic"
)

func TestATopicIsTakenApartAsItWasMade(t *testing.T) {
	terminal, last, ok := topic.Split(topic.Letter.Of("rathaus-1"))
	if !ok || terminal != "rathaus-1" || last != topic.Letter {
		t.Errorf("%q %q %v", terminal, last, ok)
	}
}

func TestForeignTopicsAreNone(t *testing.T) {
	for _, s := range []string{
		"", "nachtfach", "nachtfach/v1/", "nachtfach/v1/a", "nachtfach/v2/a/event", "nachtfach/v1//event",
		"nachtfach/v1/a/b/event", "nachtfach/v1/+/event", "nachtfach/v1/A/event", "x/nachtfach/v1/a/event",
		"nachtfach/v1/" + strings.Repeat("a", 41) + "/event",
	} {
		if terminal, last, ok := topic.Split(s); ok {
			t.Errorf("%q is taken for %q of %q", s, last, terminal)
		}
	}
}
