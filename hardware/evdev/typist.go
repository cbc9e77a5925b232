package evdev

import (
	"slices"
	"unicode/utf8"

	"github.com/holoplot/go-evdev"

	"github.com/nachtfach/nachtfach/hardware/scanner"
)

// Values of a key's event (Linux, Documentation/input/event-codes.rst).
const (
	released = 0
	pressed  = 1
)

// synDropped is the code of an EV_SYN event that says that events were lost:
// what is held down is unknown from there on.
const synDropped = 3

// typist makes lines of keys. It never holds more than scanner.MaxLength bytes.
type typist struct {
	layout Layout
	line   []byte
	keys   int   // that were pressed for it
	wrong  error // why the line is refused at its end
	ends   bool  // the device ends its texts

	shift, altgr, other map[evdev.EvCode]bool // held down
	caps                bool
}

// follow returns a text when the event ends one that is good, an error when it
// ends one that is not, and neither otherwise.
func (t *typist) follow(e evdev.InputEvent) ([]byte, error) {
	switch {
	case e.Type == evdev.EV_SYN && e.Code == synDropped:
		t.let()
		t.wrong = scanner.ErrBroken
		return nil, nil
	case e.Type != evdev.EV_KEY:
		return nil, nil
	}
	if held := t.holds(e.Code); held != nil {
		if e.Value == released {
			delete(held, e.Code)
		} else {
			held[e.Code] = true
		}
		return nil, nil
	}
	switch {
	case e.Value != pressed: // a scanner lets go; what repeats is a stuck key
		return nil, nil
	case e.Code == evdev.KEY_CAPSLOCK:
		t.caps = !t.caps
		return nil, nil
	case e.Code == evdev.KEY_ENTER || e.Code == evdev.KEY_KPENTER || e.Code == evdev.KEY_TAB:
		t.ends = t.ends || t.keys > 0
		return t.end()
	}
	t.keys++
	t.add(t.letter(e.Code))
	return nil, nil
}

// holds is the set of held keys that a modifier belongs to.
func (t *typist) holds(code evdev.EvCode) map[evdev.EvCode]bool {
	if t.shift == nil {
		t.let()
	}
	switch code {
	case evdev.KEY_LEFTSHIFT, evdev.KEY_RIGHTSHIFT:
		return t.shift
	case evdev.KEY_RIGHTALT:
		return t.altgr
	case evdev.KEY_LEFTALT, evdev.KEY_LEFTCTRL, evdev.KEY_RIGHTCTRL, evdev.KEY_LEFTMETA, evdev.KEY_RIGHTMETA:
		return t.other
	}
	return nil
}

// letter is what a key means now; zero for nothing.
func (t *typist) letter(code evdev.EvCode) rune {
	keys, ok := layouts[t.layout][code]
	switch {
	case !ok || len(t.other) > 0:
		return 0
	case len(t.altgr) > 0:
		return keys[2]
	}
	shifted := len(t.shift) > 0
	if t.caps && isLetter(keys[0]) {
		shifted = !shifted
	}
	if shifted {
		return keys[1]
	}
	return keys[0]
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r == 'ä' || r == 'ö' || r == 'ü' }

func (t *typist) add(r rune) {
	switch {
	case r == 0:
		t.refuse(ErrKey)
	case len(t.line)+utf8.RuneLen(r) > scanner.MaxLength:
		t.refuse(scanner.ErrTooLong)
	default:
		if t.line == nil {
			t.line = make([]byte, 0, scanner.MaxLength) // growing would leave a copy behind
		}
		t.line = utf8.AppendRune(t.line, r)
	}
}

// refuse keeps the first reason.
func (t *typist) refuse(why error) {
	if t.wrong == nil {
		t.wrong = why
	}
}

func (t *typist) end() ([]byte, error) {
	defer t.clear()
	if t.wrong != nil {
		return nil, &scanner.RefusedError{Reason: t.wrong, Length: t.keys}
	}
	return slices.Clone(scanner.Trim(t.line)), nil
}

// pause ends a text that the device does not end, and refuses an unfinished one of
// a device that does.
func (t *typist) pause() ([]byte, error) {
	if t.ends && t.keys > 0 && t.wrong == nil {
		t.wrong = scanner.ErrBroken
	}
	return t.end()
}

// let forgets what is held down.
func (t *typist) let() {
	t.shift, t.altgr, t.other = map[evdev.EvCode]bool{}, map[evdev.EvCode]bool{}, map[evdev.EvCode]bool{}
}

// clear also overwrites the text: it may be a code.
func (t *typist) clear() {
	clear(t.line)
	t.line, t.keys, t.wrong = t.line[:0], 0, nil
}
