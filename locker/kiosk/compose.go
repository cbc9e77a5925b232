package kiosk

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/nachtfach/nachtfach/locker"
)

// page is a screen in words and pictures; the templates only lay it out.
type page struct {
	Language  language
	Number    uint64
	Name      string
	Training  bool // said on every screen
	Title     string
	Lead      string
	Emphasis  string // one short line in large type: a place, a time
	Order     string // short number that two clerks compare with the slip
	Tone      string // of the whole screen: "", success or danger
	Hint      string
	HintTone  string // info or warning
	Busy      bool
	Idle      bool // nobody is being served
	Wall      *wall
	Hand      *hand
	Field     *field
	Key       *keyPage
	Choices   []button
	Cancel    *button
	More      *button
	Remaining *int64 // milliseconds until the screen ends by itself, if that is worth saying
	Help      *help
	Round     *roundPage
}

// field takes what is typed.
type field struct {
	Label  string
	Asks   string // code, staff or number: digits typed for one are not for another
	Code   bool   // twelve digits in three groups; otherwise a number that is covered
	Length int
}

// keyPage is what the page asks a security key; bytes are in base64.
type keyPage struct {
	Challenge   string
	RPID        string
	Credentials string // with spaces in between
}

func newKeyPage(r *locker.KeyRequest) *keyPage {
	ids := make([]string, len(r.Credentials))
	for i, id := range r.Credentials {
		ids[i] = base64.StdEncoding.EncodeToString(id)
	}
	return &keyPage{base64.StdEncoding.EncodeToString(r.Challenge), r.RPID, strings.Join(ids, " ")}
}

// button is one choice. Key is what a keypad presses for it.
type button struct {
	Value   string
	Label   string
	Key     string
	Primary bool
	Enter   bool // may be taken by Enter: it commits to nothing
	Restart bool // a digit begins the next visit
}

// help is the way to a person.
type help struct {
	Desk     Desk
	Hours    string
	Incident string
}

// ending screens say how it went; they fade by themselves.
var ending = []locker.ScreenName{
	locker.ScreenRefused, locker.ScreenDone, locker.ScreenUnconfirmed, locker.ScreenDisputed, locker.ScreenFoundEmpty, locker.ScreenLeftOpen,
	locker.ScreenDefect, locker.ScreenWithdrawn, locker.ScreenDesk, locker.ScreenClosed, locker.ScreenRoundDone,
}

// troubled screens offer a way to a person.
var troubled = []locker.ScreenName{
	locker.ScreenRefused, locker.ScreenUnconfirmed, locker.ScreenDisputed, locker.ScreenFoundEmpty, locker.ScreenLeftOpen, locker.ScreenDefect, locker.ScreenWithdrawn,
	locker.ScreenDesk, locker.ScreenClosed, locker.ScreenOutOfOrder, locker.ScreenLocked,
}

var idle = []locker.ScreenName{
	locker.ScreenWelcome, locker.ScreenShut, locker.ScreenPaced, locker.ScreenStarting, locker.ScreenOutOfOrder, locker.ScreenLocked,
}

var busy = []locker.ScreenName{
	locker.ScreenStarting, locker.ScreenChecking, locker.ScreenComparing, locker.ScreenPreparing,
	locker.ScreenOpening, locker.ScreenTaskOpens,
}

// compose puts a screen into words.
func (s *Server) compose(v view, l language) page {
	screen := v.Screen
	p := page{
		Language: l, Number: screen.Number, Name: string(screen.Name), Busy: slices.Contains(busy, screen.Name),
		Idle: slices.Contains(idle, screen.Name), Remaining: v.Remaining, Training: screen.Training,
	}
	fill := s.fill(screen, l)
	p.Title, p.Lead = l.say(p.Name+".title", fill...), l.say(p.Name+".lead", fill...)
	p.Order = screen.Order
	p.Wall = s.wall(screen, l)
	s.emphasise(&p, screen, l)
	p.hint(screen, l)
	s.tellTries(&p, screen, l)
	p.choices(screen)
	switch {
	case screen.Name == locker.ScreenDone, screen.Name == locker.ScreenRoundDone:
		p.Tone = "success"
	case screen.Name == locker.ScreenUnconfirmed: // nothing is wrong
	case slices.Contains(troubled, screen.Name):
		p.Tone = "danger"
	}
	if slices.Contains(troubled, screen.Name) {
		p.Help = &help{Desk: s.config.Desk, Hours: s.config.Desk.Hours, Incident: screen.Incident}
		if l == english {
			p.Help.Hours = cmp.Or(s.config.Desk.HoursEnglish, s.config.Desk.Hours)
		}
	}
	if screen.Name == locker.ScreenFinger {
		p.Hand = newHand(screen.Finger, l)
	}
	p.typing(screen)
	if slices.Contains(ending, screen.Name) || p.Idle && screen.Name != locker.ScreenPaced {
		p.Remaining = nil
	}
	if screen.Key != nil {
		p.Key = newKeyPage(screen.Key)
	}
	if screen.Round != nil {
		p.Round = newRoundPage(screen, l)
	}
	return p
}

// typing sets what may be typed. Closing words keep their place for themselves:
// there the first digit of the next person leads to the start.
func (p *page) typing(screen locker.Screen) {
	l := p.Language
	over := slices.Contains(ending, screen.Name) && screen.Name != locker.ScreenRefused
	switch {
	case screen.Expects == locker.ExpectsCode && over:
		if p.Cancel != nil {
			p.Cancel.Restart = true
		}
	case screen.Expects == locker.ExpectsCode:
		p.Field = &field{Label: l.say("field.code"), Asks: "code", Code: true, Length: 12}
	case screen.Expects == locker.ExpectsNumber && screen.Name == locker.ScreenClerk:
		p.Field = &field{Label: l.say("field.staff"), Asks: "staff", Length: 12}
	case screen.Expects == locker.ExpectsNumber:
		p.Field = &field{Label: l.say("field.number"), Asks: "number", Length: 12}
	}
}

// fill are the words of the present screen for the names in braces.
func (s *Server) fill(screen locker.Screen, l language) []string {
	fill := []string{"{n}", strconv.Itoa(int(screen.Compartment)), "{finger}", l.finger(screen.Finger), "{place}", s.place(screen.Compartment, l)}
	order, first, laid, tasks := screen.Order, "", 0, 0
	if r := screen.Round; r != nil {
		laid, tasks = len(r.Laid), len(r.Tasks)
		if len(r.Clerks) > 0 {
			first = string(r.Clerks[0])
		}
	}
	if order != "" && screen.Name == locker.ScreenInspect {
		order = l.say("order") + " " + order + "."
	}
	count := laid
	if screen.Name == locker.ScreenRound {
		count = tasks
	}
	return append(fill, "{order}", order, "{first}", first, "{count}", strconv.Itoa(count))
}

// place says where a compartment is; empty where the layout does not tell.
func (s *Server) place(n locker.CompartmentID, l language) string {
	for _, c := range s.layout() {
		if c.Number == n && c.Row > 0 && c.Column > 0 {
			return capital(l.say("place", "{row}", l.ordinal(c.Row), "{column}", l.ordinal(c.Column)))
		}
	}
	return ""
}

// emphasise sets the line in large type, and the words that depend on more
// than the screen's name.
func (s *Server) emphasise(p *page, screen locker.Screen, l language) {
	n := []string{"{n}", strconv.Itoa(int(screen.Compartment))}
	switch screen.Name {
	case locker.ScreenPINLetter:
		if d := s.config.Declaration; d != (Declaration{}) && l == english {
			p.Title, p.Lead = d.QuestionEnglish, d.TextEnglish
		} else if d != (Declaration{}) {
			p.Title, p.Lead = d.Question, d.Text
		}
	case locker.ScreenOpening, locker.ScreenTaskOpens:
		p.Lead, p.Emphasis = "", s.place(screen.Compartment, l)
	case locker.ScreenTake, locker.ScreenPutBack, locker.ScreenUnload, locker.ScreenInspect, locker.ScreenClear, locker.ScreenLay, locker.ScreenPreparing:
		p.Emphasis = s.place(screen.Compartment, l)
	case locker.ScreenShut:
		if screen.Opens.IsZero() {
			p.Lead = l.say("shut.always")
		} else {
			p.Emphasis = l.say("shut.opens", "{when}", l.moment(screen.Opens, s.config.Zone))
		}
	case locker.ScreenClerk, locker.ScreenKey:
		if screen.Round != nil {
			p.Lead = l.say(p.Name + ".second")
			if len(screen.Round.Clerks) == 2 {
				p.Lead = l.say(p.Name + ".confirm")
			}
		}
	case locker.ScreenRound:
		if screen.Round != nil && len(screen.Round.Tasks) > 0 {
			p.Emphasis = l.say("round.tasks", "{count}", strconv.Itoa(len(screen.Round.Tasks)))
		}
	}
	answered := len(screen.Choices) == 0 || slices.Equal(screen.Choices, []locker.Choice{locker.ChoiceMoreTime})
	switch screen.Name {
	case locker.ScreenUnload, locker.ScreenInspect, locker.ScreenClear, locker.ScreenLay:
		if answered {
			p.Lead = l.say("task.answered", n...)
		}
		if screen.Reminder {
			p.Hint, p.HintTone, p.Lead = l.say("task.reminder", n...), "warning", ""
		}
	case locker.ScreenTake, locker.ScreenPutBack:
		if screen.Reminder {
			p.Hint, p.HintTone = l.say("take.reminder", n...), "warning"
		}
	}
}

// tellTries says what was tried with the cards of those who have just signed in.
func (s *Server) tellTries(p *page, screen locker.Screen, l language) {
	if p.Hint != "" {
		return
	}
	var told []string
	for _, w := range screen.Wrong {
		told = append(told, l.say("wrong.tries", "{who}", string(w.Person), "{count}", strconv.Itoa(w.Count), "{since}", l.moment(w.Since, s.config.Zone)))
	}
	if len(told) > 0 {
		p.Hint, p.HintTone = strings.Join(told, " "), "warning"
	}
}

// hint sets what is said about the last input; it stands above a reminder.
func (p *page) hint(screen locker.Screen, l language) {
	var key string
	switch {
	case screen.Advice != "":
		key = "advice." + string(screen.Advice)
	case screen.Hint != "":
		key = "hint." + string(screen.Hint)
	default:
		return
	}
	p.Hint, p.HintTone = l.say(key), "warning"
	if screen.Hint == locker.HintRoundBroken || screen.Advice == locker.AdviceLay {
		p.HintTone = "info"
	}
}

// harmless choices commit to nothing, so that Enter may take them.
var harmless = []locker.Choice{locker.ChoiceNext, locker.ChoiceBack, locker.ChoiceGoOn}

// choices gives each choice its words and its key: Escape cancels, 9 asks for
// more time, the others count from 1.
func (p *page) choices(screen locker.Screen) {
	l := p.Language
	for _, c := range screen.Choices {
		b := button{Value: string(c), Label: l.say("choice." + string(c))}
		switch c {
		case locker.ChoiceCancel:
			b.Key = "Esc"
			if slices.Contains(ending, screen.Name) {
				b.Label = l.say("choice.cancel.ended")
			} else if screen.Name == locker.ScreenPINLetter {
				b.Label = l.say("choice.cancel.pin")
			}
			p.Cancel = &b
		case locker.ChoiceMoreTime:
			b.Key = "9"
			p.More = &b
		default:
			if screen.Expects == "" {
				b.Key = strconv.Itoa(len(p.Choices) + 1)
			}
			b.Primary = len(p.Choices) == 0 && c != locker.ChoiceOtherFinger && c != locker.ChoiceNotLaid
			b.Enter = b.Primary && slices.Contains(harmless, c)
			p.Choices = append(p.Choices, b)
		}
	}
}
