package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// lines reads a canonical text line by line: a value each, with or without its
// name in front. The first error stays.
type lines struct {
	rest string
	err  error
}

// readLines begins a text whose first line is the title.
func readLines(text []byte, title string) *lines {
	l := &lines{rest: string(text)}
	if got := l.next(""); l.err == nil && got != title {
		l.err = fmt.Errorf("begins with %.60q, wants %q", got, title)
	}
	return l
}

// next returns the value of the next line, which starts with the name and a
// space if there is a name.
func (l *lines) next(name string) string {
	if l.err != nil {
		return ""
	}
	line, rest, ok := strings.Cut(l.rest, "\n")
	if !ok {
		l.err = errors.New("ends too early")
		return ""
	}
	l.rest = rest
	if name != "" {
		if line, ok = strings.CutPrefix(line, name+" "); !ok {
			l.err = fmt.Errorf("line %q is missing", name)
		}
	}
	return line
}

func (l *lines) fail(name string, err error) {
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("%s: %w", name, err)
	}
}

// number reads a decimal without sign or leading zero.
func (l *lines) number(name string) uint64 {
	text := l.next(name)
	if l.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err == nil && strconv.FormatUint(n, 10) != text {
		err = fmt.Errorf("%.20q is no plain number", text)
	}
	l.fail(name, err)
	return n
}

// small reads a number that fits the domain's counts.
func (l *lines) small(name string) int {
	n := l.number(name)
	if n > 1<<30 {
		l.fail(name, fmt.Errorf("%d is too many", n))
		return 0
	}
	return int(n)
}

// time reads a time of UTC as RFC 3339 writes it.
func (l *lines) time(name string) time.Time { return l.timeBy(name, checkTime) }

// terminalTime reads a time by a terminal's own clock.
func (l *lines) terminalTime(name string) time.Time { return l.timeBy(name, checkTerminalTime) }

func (l *lines) timeBy(name string, check func(string, time.Time) error) time.Time {
	text := l.next(name)
	if l.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err == nil && timeText(t) != text {
		err = fmt.Errorf("%.40q: wants the form 2006-01-02T15:04:05Z", text)
	}
	if err == nil {
		err = check("time", t)
	}
	l.fail(name, err)
	return t
}

func (l *lines) bytes(name string) []byte {
	text := l.next(name)
	if l.err != nil {
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	l.fail(name, err)
	return b
}

func (l *lines) order(name string) locker.OrderID {
	id := locker.OrderID(l.next(name))
	if l.err == nil {
		l.fail(name, CheckOrderID(id))
	}
	return id
}

// end wants the text to be at its end and tells the first error.
func (l *lines) end() error {
	if l.err == nil && l.rest != "" {
		l.err = errors.New("has more lines than it should")
	}
	return l.err
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
