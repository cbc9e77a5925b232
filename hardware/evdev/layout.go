package evdev

import (
	"fmt"

	"github.com/holoplot/go-evdev"
)

// Layout is what the keys mean. A scanner sends keys, not letters; which, says
// its own setting.
type Layout string

// The layouts.
const (
	US     Layout = "us"
	German Layout = "de"
)

// Validate says which layouts there are.
func (l Layout) Validate() error {
	if layouts[l] == nil {
		return fmt.Errorf("layout %q: wants %q or %q", string(l), US, German)
	}
	return nil
}

// meaning of a key: alone, with shift, with AltGr; 0 is nothing. Dead keys are
// nothing: no scanner needs an accent.
type meaning [3]rune

var layouts = map[Layout]map[evdev.EvCode]meaning{
	US: layout(`1234567890-=`, `!@#$%^&*()_+`, `qwertyuiop[]`, `QWERTYUIOP{}`, `asdfghjkl;'`, `ASDFGHJKL:"`, `zxcvbnm,./`, `ZXCVBNM<>?`, map[evdev.EvCode]meaning{
		evdev.KEY_GRAVE: {'`', '~'}, evdev.KEY_BACKSLASH: {'\\', '|'}, evdev.KEY_102ND: {'<', '>'},
	}),
	German: layout("1234567890ß\x00", "!\"§$%&/()=?\x00", `qwertzuiopü+`, `QWERTZUIOPÜ*`, `asdfghjklöä`, `ASDFGHJKLÖÄ`, `yxcvbnm,.-`, `YXCVBNM;:_`, map[evdev.EvCode]meaning{
		evdev.KEY_GRAVE: {0, '°'}, evdev.KEY_BACKSLASH: {'#', '\''}, evdev.KEY_102ND: {'<', '>', '|'},
		evdev.KEY_2: {'2', '"', '²'}, evdev.KEY_3: {'3', '§', '³'}, evdev.KEY_7: {'7', '/', '{'}, evdev.KEY_8: {'8', '(', '['},
		evdev.KEY_9: {'9', ')', ']'}, evdev.KEY_0: {'0', '=', '}'}, evdev.KEY_MINUS: {'ß', '?', '\\'},
		evdev.KEY_Q: {'q', 'Q', '@'}, evdev.KEY_E: {'e', 'E', '€'}, evdev.KEY_M: {'m', 'M', 'µ'}, evdev.KEY_RIGHTBRACE: {'+', '*', '~'},
	}),
}

// layout is the four rows of letters, alone and with shift, the keypad, the
// space bar, and what is special. The rows of keys are numbered in order
// (linux/input-event-codes.h).
func layout(digits, digitsShift, upper, upperShift, home, homeShift, lower, lowerShift string, special map[evdev.EvCode]meaning) map[evdev.EvCode]meaning {
	keys := map[evdev.EvCode]meaning{evdev.KEY_SPACE: {' ', ' '}}
	for _, row := range []struct {
		first        evdev.EvCode
		plain, shift string
	}{
		{evdev.KEY_1, digits, digitsShift}, {evdev.KEY_Q, upper, upperShift},
		{evdev.KEY_A, home, homeShift}, {evdev.KEY_Z, lower, lowerShift},
	} {
		shift := []rune(row.shift)
		for i, r := range []rune(row.plain) {
			keys[row.first+evdev.EvCode(i)] = meaning{r, shift[i]}
		}
	}
	for i, code := range []evdev.EvCode{
		evdev.KEY_KP0, evdev.KEY_KP1, evdev.KEY_KP2, evdev.KEY_KP3, evdev.KEY_KP4,
		evdev.KEY_KP5, evdev.KEY_KP6, evdev.KEY_KP7, evdev.KEY_KP8, evdev.KEY_KP9,
	} {
		keys[code] = meaning{rune('0' + i)}
	}
	keys[evdev.KEY_KPMINUS], keys[evdev.KEY_KPPLUS] = meaning{'-'}, meaning{'+'}
	keys[evdev.KEY_KPSLASH], keys[evdev.KEY_KPASTERISK] = meaning{'/'}, meaning{'*'}
	for code, m := range special {
		keys[code] = m
	}
	return keys
}
