package kiosk

import (
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nachtfach/nachtfach/locker"
)

// Sizes of the wall's picture, in units of its own.
const (
	doorWidth, doorHeight, doorGap, frame = 120, 76, 8, 14
)

// wall is a picture of the terminal's doors, as a person in front of it sees them.
type wall struct {
	Label         string
	Width, Height int
	Doors         []door
}

type door struct {
	Number              string
	X, Y, Width, Height int
	NumberX, NumberY    int
	Class               string // "", marked, todo or laid
}

// FrameWidth and FrameHeight are those of the line around it.
func (w *wall) FrameWidth() int  { return w.Width - 2 }
func (w *wall) FrameHeight() int { return w.Height - 2 }

// screensWithWall show it: those on which somebody looks for a door.
var screensWithWall = []locker.ScreenName{
	locker.ScreenOpening, locker.ScreenTake, locker.ScreenQuestion, locker.ScreenPutBack, locker.ScreenUnconfirmed, locker.ScreenLeftOpen, locker.ScreenDisputed, locker.ScreenFoundEmpty,
	locker.ScreenPreparing, locker.ScreenTaskOpens, locker.ScreenUnload, locker.ScreenInspect, locker.ScreenClear,
	locker.ScreenLay, locker.ScreenTaskDefect, locker.ScreenRound, locker.ScreenConfirm,
}

// layout is how the wall was built; nil if the terminal does not tell.
func (s *Server) layout() []locker.CompartmentSpec {
	if t, ok := s.config.Terminal.(Layouter); ok {
		return t.Layout()
	}
	return nil
}

// wall draws the doors; nil where no door matters, or where the layout does
// not say where they are.
func (s *Server) wall(screen locker.Screen, l language) *wall {
	if !slices.Contains(screensWithWall, screen.Name) {
		return nil
	}
	specs := s.layout()
	classes := classesOf(screen)
	w := &wall{}
	for _, c := range specs {
		if c.Row < 1 || c.Column < 1 {
			return nil
		}
		d := door{
			Number: strconv.Itoa(int(c.Number)), Class: classes[c.Number],
			X: frame + (c.Column-1)*(doorWidth+doorGap), Y: frame + (c.Row-1)*(doorHeight+doorGap), Width: doorWidth, Height: doorHeight,
		}
		d.NumberX, d.NumberY = d.X+doorWidth/2, d.Y+doorHeight/2
		w.Width = max(w.Width, d.X+doorWidth+frame)
		w.Height = max(w.Height, d.Y+doorHeight+frame)
		if d.Class == "marked" {
			w.Label = l.say("wall", "{n}", d.Number, "{row}", l.ordinal(c.Row), "{column}", l.ordinal(c.Column))
		}
		w.Doors = append(w.Doors, d)
	}
	if len(w.Doors) == 0 {
		return nil
	}
	if w.Label == "" {
		w.Label = l.say("wall.round")
	}
	return w
}

// classesOf says which doors are drawn otherwise.
func classesOf(screen locker.Screen) map[locker.CompartmentID]string {
	classes := map[locker.CompartmentID]string{}
	if r := screen.Round; r != nil {
		for _, t := range r.Tasks {
			classes[t.Compartment] = "todo"
		}
		for _, d := range r.Laid {
			classes[d.Compartment] = "laid"
		}
	}
	if screen.Compartment != 0 {
		classes[screen.Compartment] = "marked"
	}
	return classes
}

// hand is a hand seen from above with one finger marked.
type hand struct {
	Label   string
	Left    bool
	Fingers [5]bool // from the thumb; true: this one
}

func newHand(position int, l language) *hand {
	if position < 1 || position > 10 {
		return nil
	}
	h := &hand{Left: position > 5}
	h.Fingers[(position-1)%5] = true
	key := "hand.right"
	if h.Left {
		key = "hand.left"
	}
	h.Label = l.say(key, "{finger}", l.finger(position))
	return h
}

// capital writes the first letter large.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// roundPage is what two clerks see of their round.
type roundPage struct {
	Menu      bool
	Confirm   bool
	Clerks    []clerk
	Todo      []item
	MoreTodo  string
	Laid      []item
	MoreLaid  string
	LaidCount int
	Waiting   int
	Free      int
	Logical   bool
	Measured  string // the last lock that was exercised, and how
}

type clerk struct {
	Name      string
	Confirmed bool
}

type item struct{ Place, Order, Kind string }

// listed is how many tasks or laid documents are listed; the picture shows all.
const listed = 3

// measured says how a lock and its door moved.
func measured(f locker.LockExercised, l language) string {
	key := "round.measured"
	if f.Opened == 0 {
		key = "round.unmoved"
	}
	ms := func(d locker.Duration) string {
		return strconv.FormatInt(time.Duration(d).Milliseconds(), 10) + "\u00a0ms"
	}
	return l.say(key, "{n}", strconv.Itoa(int(f.Compartment)), "{coil}", ms(f.Coil), "{opened}", ms(f.Opened),
		"{settled}", ms(f.Settled), "{bounces}", strconv.Itoa(f.Bounces))
}

func newRoundPage(screen locker.Screen, l language) *roundPage {
	r := screen.Round
	p := &roundPage{
		Menu: screen.Name == locker.ScreenRound, Confirm: screen.Name == locker.ScreenConfirm,
		LaidCount: len(r.Laid), Waiting: r.Waiting, Free: r.Free, Logical: r.Logical,
	}
	for _, c := range r.Clerks {
		p.Clerks = append(p.Clerks, clerk{Name: string(c), Confirmed: slices.Contains(r.Confirmed, c)})
	}
	for _, t := range r.Tasks[:min(listed, len(r.Tasks))] {
		p.Todo = append(p.Todo, item{Place: strconv.Itoa(int(t.Compartment)), Order: t.Order.Short(), Kind: l.say("kind." + string(t.Kind))})
	}
	if n := len(r.Tasks) - listed; n > 0 {
		p.MoreTodo = l.say("round.more", "{count}", strconv.Itoa(n))
	}
	for _, d := range slices.Backward(r.Laid) { // the latest first: that is what a clerk compares
		if len(p.Laid) == listed {
			break
		}
		p.Laid = append(p.Laid, item{Place: strconv.Itoa(int(d.Compartment)), Order: d.Order.Short()})
	}
	if len(r.Exercised) > 0 {
		p.Measured = measured(r.Exercised[0], l)
	}
	if n := len(r.Laid) - listed; n > 0 {
		p.MoreLaid = l.say("round.more", "{count}", strconv.Itoa(n))
	}
	return p
}
