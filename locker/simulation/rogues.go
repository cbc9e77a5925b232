package simulation

import (
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// slipped is a code with one digit mistyped.
func slipped(code string) string {
	b := []byte(code)
	i := len(b) - 3
	b[i] = '0' + (b[i]-'0'+1)%10
	return string(b)
}

// otherCode has the same selector and another secret.
func otherCode(code string, d *dice) string {
	c, err := pin.Parse(code)
	if err != nil {
		return code
	}
	other, err := pin.New(c.Selector(), uint32(d.upTo(pin.Secrets)))
	if err != nil {
		return code
	}
	return other.QR()
}

func anyCode(d *dice) string {
	c, err := pin.New(d.upTo(pin.Selectors), uint32(d.upTo(pin.Secrets)))
	if err != nil {
		return ""
	}
	return c.QR()
}

// thiefs is whose finger a thief lays.
const thiefs = "thief"

// thief guesses codes at the pace that the terminal allows, or has found
// somebody's letter and lays the wrong finger.
type thief struct {
	w       *world
	found   string // code of a found letter
	guesses int
}

// act implements party.
func (t *thief) act(s locker.Screen) time.Duration {
	d := t.w.chance
	switch {
	case t.guesses <= 0 || s.Name == "":
		return 0
	case s.Expects == locker.ExpectsCode:
		t.guesses--
		code := t.found
		if code == "" {
			code = anyCode(d)
			if known := t.w.oracle.selectors; len(known) > 0 && d.hits(0.3) {
				if c, err := pin.New(pick(d, known), uint32(d.upTo(pin.Secrets))); err == nil {
					code = c.QR()
				}
			}
		}
		t.w.typeIn(s, code)
	case s.Name == locker.ScreenFinger:
		t.guesses--
		t.w.reader.lay(finger{thiefs, s.Finger, good})
	case s.Name == locker.ScreenNumber:
		t.guesses--
		t.w.typeIn(s, strconv.Itoa(d.upTo(90_000_000)+10_000_000))
	case s.Name == locker.ScreenTake:
		t.w.fail("compartment %d opened for a thief", s.Compartment)
	}
	return d.between(time.Second, 4*time.Second)
}

func (t *thief) leave() {}

// dishonest is Hans alone, who would be two: with both of his cards, and with
// a colleague's card whose number he does not know.
type dishonest struct {
	w     *world
	tries int
}

// act implements party.
func (h *dishonest) act(s locker.Screen) time.Duration {
	hans := clerks[0]
	h.tries++
	switch {
	case h.tries > 14 || s.Name == "":
		return 0
	case s.Name == locker.ScreenRound:
		// He is in: now he would open what he likes.
		if len(s.Round.Tasks) > 0 {
			h.w.choose(s, locker.ChoiceNext)
		}
	case s.Name == locker.ScreenClerk && h.tries%3 == 0:
		h.w.typeIn(s, "000000")
	case s.Name == locker.ScreenClerk:
		h.w.oracle.proves(hans.person)
		h.w.typeIn(s, hans.number)
	case s.Name == locker.ScreenSecond:
		h.w.scan(locker.SourceBadge, []string{hans.cards[0], hans.cards[1], clerks[1].cards[0]}[h.tries%3])
	default:
		h.w.scan(locker.SourceBadge, hans.cards[h.tries%2])
	}
	return 2 * time.Second
}

func (h *dishonest) leave() {}

// child presses, types and scans whatever there is.
type child struct {
	w    *world
	left int
}

// act implements party.
func (c *child) act(s locker.Screen) time.Duration {
	d := c.w.chance
	if c.left--; c.left < 0 {
		return 0
	}
	texts := []string{"", "1", "000000000000", "NF1:123412341234", "ORDER-00001", "card-otto", "999999999999999", "４７１１", anyCode(d)}
	switch d.upTo(6) {
	case 0:
		if len(s.Choices) > 0 && s.Name != locker.ScreenQuestion {
			c.w.choose(s, pick(d, s.Choices))
		}
	case 1:
		s.Number -= uint64(d.upTo(3)) // an old page
		c.w.choose(s, pick(d, []locker.Choice{locker.ChoiceYes, locker.ChoiceNext, locker.ChoiceFinish, locker.ChoiceByHand, locker.ChoiceCancel}))
	case 2:
		c.w.scan(locker.SourceBarcode, pick(d, texts))
	case 3:
		c.w.scan(locker.SourceCitizen, pick(d, texts))
	default:
		c.w.typeIn(s, pick(d, texts))
	}
	return d.between(200*time.Millisecond, 2*time.Second)
}

func (c *child) leave() {}

// daily lets things happen that happen every day.
func (w *world) daily() {
	d := w.chance
	day := 24 * time.Hour
	w.every(day, func() {
		if w.calm {
			return
		}
		for range 1 + d.upTo(4) {
			w.after(d.between(0, 10*time.Hour), func() { w.city.apply(w.street.citizen()) })
		}
		if d.hits(0.25) {
			w.after(d.between(0, day), func() { w.street.arrive(&thief{w: w, guesses: 5 + d.upTo(60)}) })
		}
		if d.hits(0.1) && len(w.street.people) > 0 {
			z := pick(d, w.street.people)
			w.after(d.between(0, day), func() {
				if z.code != "" && !z.done {
					w.street.arrive(&thief{w: w, found: z.code, guesses: 3 + d.upTo(8)})
				}
			})
		}
		if d.hits(0.2) {
			w.after(d.between(0, day), func() { w.street.arrive(&dishonest{w: w}) })
		}
		if d.hits(0.2) {
			w.after(d.between(0, day), func() { w.street.arrive(&child{w, 20 + d.upTo(40)}) })
		}
		if d.hits(0.1) && len(w.city.files) > 0 {
			w.after(d.between(0, day), func() { w.city.takeBack(pick(d, w.city.files)) })
		}
		if d.hits(0.05) {
			w.city.roster.Version++
		}
		w.city.govern()
	})
	for _, hour := range []time.Duration{90 * time.Minute, 8 * time.Hour} {
		w.after(hour, func() { w.round(); w.every(day, w.round) })
	}
	w.every(10*time.Minute, w.city.repeat)
	w.every(time.Hour, w.city.tidy)
	w.every(time.Hour, func() {
		if p := w.process; p != nil && p.ready && p.line.connected {
			p.line.show()
		}
		w.oracle.inspect()
	})
}
