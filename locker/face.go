package locker

import (
	"slices"
	"time"
)

// typed takes a line of digits for whoever stands at the screen.
func (s *step) typed(text []byte) {
	switch s.view().Expects {
	case ExpectsCode:
		s.enterCode(text)
	case ExpectsNumber:
		if s.session.mode == signingIn || s.confirming() {
			s.clerkNumber(text)
			return
		}
		if !ValidNumber(text) {
			s.session.hint = HintDigits
			return
		}
		s.compare(CompareFactor{Factor: FactorNumber, Number: slices.Clone(text)})
	}
}

// ValidNumber reports whether text can be a clerk's personal number or a
// recipient's number: 6 to 12 digits. Any other line costs no attempt.
func ValidNumber[T string | []byte](text T) bool { return digits(text, 6, 12) }

// digits tells whether text is a number of this many digits.
func digits[T string | []byte](text T, from, to int) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) >= from && len(text) <= to
}

// scanned takes a line of a scanner. What is valid at one is nothing at another.
func (s *step) scanned(in Scanned) {
	switch in.Source {
	case SourceBadge:
		s.badge(string(in.Text))
	case SourceBarcode:
		s.slip(string(in.Text))
	case SourceCitizen:
		if s.view().Expects == ExpectsCode {
			s.enterCode(in.Text)
		}
	}
}

// chosen follows a press that the screen offers; no other is possible.
func (s *step) chosen(c Choice) {
	if !slices.Contains(s.view().Choices, c) {
		return
	}
	ses := s.session
	if c == ChoiceMoreTime {
		s.moreTime()
		return
	}
	switch ses.mode {
	case visiting:
		s.chosenInVisit(c)
	case signingIn:
		s.signInEnds()
	case rounding:
		s.chosenInRound(c)
	}
}

// moreTime gives the screen its time once more; for an open door also the door.
func (s *step) moreTime() {
	ses := s.session
	ses.more++
	if ses.mode == visiting && ses.visit.stage == taking {
		s.watchOpen(ses.visit.compartment)
		return
	}
	d := s.rules().Idle
	switch {
	case ses.mode == rounding:
		d = s.rules().RoundIdle
		if ses.round.stage == taskOpen {
			s.watchOpen(ses.round.task.Compartment)
		}
	case ses.visit.stage == questioning:
		d = s.rules().Question
	}
	ses.until = s.in(d)
}

func (s *step) timedOut() {
	switch s.session.mode {
	case idle:
		s.session.hint = ""
	case visiting:
		s.visitTimedOut()
	case signingIn:
		s.signInEnds()
	case rounding:
		s.roundTimedOut()
	}
}

// unanswered gives up on an action whose answer never came.
func (s *step) unanswered() {
	switch s.session.mode {
	case visiting:
		s.visitUnanswered()
	case signingIn:
		s.cardRefused(s.session.signin.person, RefusedBroken)
	case rounding:
		s.roundUnanswered()
	}
}

// view is the screen without its number.
func (t *Terminal) view() Screen {
	ses := t.session
	if !ses.running {
		return Screen{Name: ScreenStarting, Training: t.ledger.Config.Training}
	}
	v := Screen{Hint: ses.hint, Until: ses.until, Training: t.ledger.Config.Training}
	switch ses.mode {
	case visiting:
		t.viewVisit(&v)
	case signingIn:
		t.viewSignIn(&v)
	case rounding:
		t.viewRound(&v)
	default:
		t.viewIdle(&v)
	}
	if v.Until > 0 && ses.more < t.ledger.Config.Rules.Extensions && extendable(v.Name) {
		v.Choices = append(v.Choices, ChoiceMoreTime)
	}
	return v
}

// extendable screens end something; the others only fade.
func extendable(n ScreenName) bool {
	switch n {
	case ScreenWelcome, ScreenRefused, ScreenDone, ScreenUnconfirmed, ScreenDisputed, ScreenFoundEmpty, ScreenLeftOpen, ScreenDefect,
		ScreenWithdrawn, ScreenDesk, ScreenClosed, ScreenRoundDone, ScreenPaced, ScreenLocked:
		return false
	}
	return true
}

func (t *Terminal) viewIdle(v *Screen) {
	now := t.session.clock.base
	switch {
	case t.ledger.Locked != "":
		v.Name = ScreenLocked
	case !t.ledger.hours().Open(now):
		v.Name, v.Opens = ScreenShut, t.ledger.hours().Next(now)
	case t.paced() > 0:
		v.Name, v.Until = ScreenPaced, t.nextPace()
	default:
		v.Name, v.Expects = ScreenWelcome, ExpectsCode
	}
}

func (t *Terminal) viewVisit(v *Screen) {
	visit := t.session.visit
	v.Compartment = visit.compartment
	switch visit.stage {
	case checking:
		v.Name = ScreenChecking
	case late:
		v.Name, v.Compartment = ScreenExpired, 0
		v.Choices = []Choice{ChoiceGoOn, ChoiceCancel}
	case fingering:
		v.Name, v.Finger, v.Advice, v.Compartment = ScreenFinger, visit.finger, visit.advice, 0
		v.Choices = []Choice{ChoiceCancel}
		if t.moreFingers() {
			v.Choices = append(v.Choices, ChoiceOtherFinger)
		}
	case numbering:
		v.Name, v.Expects, v.Compartment = ScreenNumber, ExpectsNumber, 0
		v.Choices = []Choice{ChoiceCancel}
	case comparing:
		v.Name, v.Compartment = ScreenComparing, 0
	case declaring:
		v.Name, v.Compartment = ScreenPINLetter, 0
		v.Choices = []Choice{ChoiceConfirm, ChoiceCancel}
	case opening:
		v.Name = ScreenOpening
	case taking:
		t.viewTaking(v)
	case questioning:
		v.Name = ScreenQuestion
		v.Choices = []Choice{ChoiceYes}
		if visit.again < reopenings && t.mayReopen() {
			v.Choices = append(v.Choices, ChoiceAgain)
		}
		v.Choices = append(v.Choices, ChoiceNotMine, ChoiceEmpty)
	case ended:
		t.viewEnded(v)
	}
}

func (t *Terminal) moreFingers() bool {
	s := step{Terminal: t}
	return len(s.openFingers()) > 1
}

func (t *Terminal) viewTaking(v *Screen) {
	v.Name = ScreenTake
	if t.session.visit.returning {
		v.Name = ScreenPutBack
	}
	if w := t.session.doors[v.Compartment]; w != nil {
		v.Reminder, v.Until = w.reminded, w.alarmAt
	}
	if t.ledger.door(v.Compartment).byWord() {
		v.Choices = append(v.Choices, ChoiceDoorClosed)
	}
}

func (t *Terminal) viewEnded(v *Screen) {
	v.Name = t.session.visit.end
	if v.Name != ScreenDone && v.Name != ScreenLeftOpen {
		v.Incident = t.session.visit.incident
	}
	if t.paced() == 0 && t.open() {
		v.Expects = ExpectsCode // the next in the queue need not wait for the words to fade
	}
	v.Choices = []Choice{ChoiceCancel}
}

func (t *Terminal) viewSignIn(v *Screen) {
	i := t.session.signin
	if i.first != "" {
		v.Round = &RoundView{Clerks: []Person{i.first}}
	}
	switch i.stage {
	case awaitingNumber:
		v.Name, v.Expects, v.Choices = ScreenClerk, ExpectsNumber, []Choice{ChoiceCancel}
	case awaitingKey:
		v.Name, v.Key, v.Choices = ScreenKey, i.key, []Choice{ChoiceCancel}
	case awaitingSecond:
		v.Name, v.Choices, v.Wrong = ScreenSecond, []Choice{ChoiceCancel}, i.told
	default:
		v.Name = ScreenChecking
	}
}

func (t *Terminal) viewRound(v *Screen) {
	r := t.session.round
	v.Compartment, v.Order = r.task.Compartment, r.task.Order.Short()
	v.Round = t.roundView()
	byWord := r.stage == taskOpen && t.ledger.door(v.Compartment).byWord()
	switch r.stage {
	case menu:
		v.Name, v.Wrong = ScreenRound, r.told
		if len(v.Round.Tasks) > 0 {
			v.Choices = append(v.Choices, ChoiceNext)
		}
		v.Choices = append(v.Choices, ChoiceFinish)
		if !t.ledger.looking() {
			v.Choices = append(v.Choices, ChoiceInventory)
		}
		v.Choices = append(v.Choices, ChoiceByKey)
	case keyOpening:
		v.Name, v.Choices = ScreenKeyOpening, []Choice{ChoiceBack}
	case preparing:
		v.Name = ScreenPreparing
	case taskOpening:
		v.Name = ScreenTaskOpens
	case taskOpen, taskShut:
		v.Name, v.Choices = t.question()
		if w := t.session.doors[v.Compartment]; w != nil {
			v.Reminder = w.reminded
		}
	case taskDefect:
		v.Name, v.Choices = ScreenTaskDefect, []Choice{ChoiceByHand, ChoiceSkip}
	case confirming:
		t.viewConfirm(v)
	case roundDone:
		v.Name, v.Choices = ScreenRoundDone, []Choice{ChoiceCancel}
	}
	if byWord {
		v.Choices = append(v.Choices, ChoiceDoorClosed)
	}
}

func (t *Terminal) viewConfirm(v *Screen) {
	i := t.session.signin
	v.Choices = []Choice{ChoiceBack}
	switch i.stage {
	case awaitingNumber:
		v.Name, v.Expects = ScreenClerk, ExpectsNumber
	case awaitingKey:
		v.Name, v.Key = ScreenKey, i.key
	case checkingNumber:
		v.Name, v.Choices = ScreenChecking, nil
	default:
		v.Name = ScreenConfirm
	}
}

// question is what the clerks are asked about the open compartment.
func (t *Terminal) question() (ScreenName, []Choice) {
	r := t.session.round
	d := t.ledger.Deposits[r.generation]
	switch {
	case r.answer != "":
		return taskScreen(r.task.Kind), nil
	case r.task.Kind == TaskLoad:
		return ScreenLay, []Choice{ChoiceNotLaid}
	case r.task.Kind == TaskUnload:
		return ScreenUnload, []Choice{ChoiceRemoved, ChoiceNothing}
	case d == nil && t.ledger.listed(r.task.Compartment):
		return ScreenInspect, []Choice{ChoiceRemoved, ChoiceNothing}
	case d != nil && t.ledger.listed(r.task.Compartment):
		return ScreenInspect, []Choice{ChoicePresent, ChoiceRemoved, ChoiceNothing}
	case r.task.Kind == TaskClear, r.task.Kind == TaskExercise, d == nil:
		return taskScreen(r.task.Kind), []Choice{ChoiceEmpty, ChoiceNotEmpty}
	case d.Loaded.IsZero(), d.State == depositUnloading:
		return ScreenInspect, []Choice{ChoicePresent, ChoiceRemoved, ChoiceNothing}
	}
	return ScreenInspect, []Choice{ChoiceRemoved, ChoiceNothing}
}

func taskScreen(k TaskKind) ScreenName {
	switch k {
	case TaskUnload:
		return ScreenUnload
	case TaskInspect:
		return ScreenInspect
	case TaskClear, TaskExercise:
		return ScreenClear
	}
	return ScreenLay
}

func (t *Terminal) roundView() *RoundView {
	l, r := t.ledger, t.session.round
	v := &RoundView{Logical: !l.Config.HardwareKey, Tasks: t.tasks(), Confirmed: slices.Clone(r.confirmed), Exercised: r.results()}
	if l.Open != nil {
		v.Clerks = slices.Clone(l.Open.Clerks[:])
		for _, g := range l.Open.Laid {
			if d := l.Deposits[g]; d != nil {
				v.Laid = append(v.Laid, Laid{Compartment: d.Compartment, Order: d.Order})
			}
		}
	}
	v.Waiting = l.waiting()
	for _, c := range l.Doors {
		if c.Use == useEmpty && c.Fault == "" && !c.Disabled && !l.doubtful(c.Number) {
			v.Free++
		}
	}
	return v
}

// open tells whether citizens may collect now.
func (t *Terminal) open() bool {
	return t.ledger.Locked == "" && t.ledger.hours().Open(t.session.clock.base)
}

// Now is the trusted time of the last Step.
func (t *Terminal) Now() time.Time { return t.session.clock.base }
