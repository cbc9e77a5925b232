package kiosk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// language is one that every screen has.
type language string

const (
	german  language = "de"
	english language = "en"
)

// languageCookie carries the language that was chosen at the screen. The page
// itself goes back to German when the visit has ended, or when nobody has
// touched it for a while.
const languageCookie = "nachtfach_language"

func languageOf(r *http.Request) language {
	if c, err := r.Cookie(languageCookie); err == nil && language(c.Value) == english {
		return english
	}
	return german
}

func (l language) other() language {
	if l == german {
		return english
	}
	return german
}

// texts are the words of a language by key. A key without words is a mistake
// in the program and shows as the key itself.
func (l language) texts() map[string]string {
	if l == english {
		return englishWords
	}
	return germanWords
}

// say returns the words of a key, with the names in braces filled in.
func (l language) say(key string, fill ...string) string {
	text, ok := l.texts()[key]
	if !ok {
		return key
	}
	if len(fill) == 0 {
		return text
	}
	return strings.NewReplacer(fill...).Replace(text)
}

// has tells whether the language has words for a key.
func (l language) has(key string) bool {
	_, ok := l.texts()[key]
	return ok
}

// ordinal is "zweite" or "second".
func (l language) ordinal(n int) string {
	if key := "ordinal." + strconv.Itoa(n); l.has(key) {
		return l.say(key)
	}
	if l == english {
		return strconv.Itoa(n) + "th"
	}
	return strconv.Itoa(n) + "."
}

// finger is the name of a position of ISO/IEC 19794-2:2005, table 2, with its article.
func (l language) finger(position int) string {
	if key := "finger." + strconv.Itoa(position); l.has(key) {
		return l.say(key)
	}
	return l.say("finger.any")
}

// moment is a time of the near future as people say it.
func (l language) moment(t time.Time, zone locker.Zone) string {
	t = zone.Local(t)
	day := l.say("weekday." + strconv.Itoa(int(t.Weekday())))
	if l == english {
		return fmt.Sprintf("%s, %d %s, %s", day, t.Day(), t.Month(), t.Format("15:04"))
	}
	return fmt.Sprintf("%s, %d. %s, %s Uhr", day, t.Day(), l.say("month."+strconv.Itoa(int(t.Month()))), t.Format("15:04"))
}
