package locker

import "time"

// Terminal is one installation: its ledger and its session. It is not safe for
// concurrent use; one loop owns it.
type Terminal struct {
	ledger  *ledger
	session *session
	// defects are events that did not fit the ledger: a fault of this package,
	// never of its surroundings. Kept so that tests and health checks see them.
	defects []error
}

// New is a terminal that knows nothing. Restore and Replay give it its past;
// then Step with [Booted] starts it.
func New() *Terminal {
	return &Terminal{ledger: newLedger(), session: newSession()}
}

// Defects lists the events that Step decided and the ledger refused; always
// empty in a sound program.
func (t *Terminal) Defects() []error { return t.defects }

// Step takes one input and decides. The ledger has already followed the
// events that it returns; commit them, and then carry out the actions in
// their order.
func (t *Terminal) Step(now Now, in Input) ([]Event, []Action) {
	s := &step{Terminal: t, now: now}
	if boot, ok := in.(Booted); ok {
		s.boot(boot)
	} else if t.session.running {
		s.at, s.quality = t.trust(now)
		s.lapse()
		s.handle(in)
	} else {
		return nil, nil // nothing is decided before the doors are known
	}
	s.keepTime()
	s.oblige()
	t.renumber()
	return s.events, s.actions
}

// step is the work of one Step.
type step struct {
	*Terminal
	now     Now
	at      time.Time
	quality TimeQuality
	events  []Event
	actions []Action
}

// emit records a fact; from here on the ledger knows it.
func (s *step) emit(f Fact) {
	f = s.numbered(f)
	e := Event{Time: s.at, Quality: s.quality, Fact: f}
	if err := s.ledger.apply(e); err != nil {
		s.defects = append(s.defects, err)
		return
	}
	e.Training = s.ledger.Config.Training
	s.events = append(s.events, e)
}

func (s *step) do(a Action) { s.actions = append(s.actions, a) }

// in gives the uptime after d.
func (s *step) in(d Duration) time.Duration { return s.now.Uptime + time.Duration(d) }

func (s *step) rules() Rules { return s.ledger.Config.Rules }

func (s *step) handle(in Input) {
	switch in := in.(type) {
	case Tick:
	case DoorMoved:
		s.steadily(in)
	case SensorTold:
		s.steadily(in)
		s.knocked(in)
	case SpaceTold:
		s.spaceTold(in)
	case PartFailed:
		s.partFailed(in)
	case PartHealed:
		s.partHealed(in)
	case CertificateChecked:
		s.certificateChecked(in)
	case ExerciseAsked:
		s.exerciseAsked(in)
	case Chosen:
		if in.Screen == s.session.number {
			s.chosen(in.Choice)
		}
	case Typed:
		if in.Screen == s.session.number {
			s.typed(in.Text)
		}
	case Asserted:
		if in.Screen == s.session.number {
			s.asserted(in.Assertion)
		}
	case Scanned:
		s.scanned(in)
	case LockPulsed:
		s.lockPulsed(in)
	case OrderReceived, WithdrawalReceived, ReissueReceived, CommandReceived, RosterReceived, PostedReceived, CityTime, LogDisputed, MessageRejected:
		s.message(in)
	case KeysMade, KeyOverwritten, OrderOverwritten, SlotOverwritten, RootChanged, LetterRemoved:
		s.settled(in)
	case DepositReady:
		s.depositReady(in)
	case DepositFound:
		s.depositFound(in)
	case CodeTried:
		s.codeTried(in)
	case FingerCaptured:
		s.fingerCaptured(in)
	case FactorTried:
		s.factorTried(in)
	case CardFound:
		s.cardFound(in)
	case ClerkChecked:
		s.clerkChecked(in)
	case DiagnosisMade:
		s.diagnosed(in)
	}
}

// mode is who stands at the screen.
type mode int

const (
	idle mode = iota
	visiting
	signingIn
	rounding
)

// session is who stands there and what is on its way: volatile, dropped at start.
type session struct {
	running  bool
	number   uint64
	shown    Screen
	clock    clock
	mode     mode
	hint     Hint
	until    time.Duration // uptime at which the screen ends; zero: never
	more     int           // extensions of this screen that were used
	answers  time.Duration // uptime at which a running check without an answer is given up
	visit    visit
	signin   signIn
	round    round
	reader   bool // a finger reader answers
	full     bool // nothing large fits into the store
	software string
	doors    map[CompartmentID]*watch
	exercise map[CompartmentID]bool   // asked for
	flight   map[string]time.Duration // obligations under way, by name: uptime at which they are tried again
	refused  window
	knocks   knocks // at the cabinet
	guesses  map[GuessKind]*guessing
	lookups  []lookup               // cards, in the background
	objects  map[string]*steadiness // what is told of contacts, sensors and parts, by key
	check    uint64                 // the last check of a card or number
	card     string                 // that was read last
	cardAt   time.Duration          // uptime of that
	cardRead int                    // how often in a row, each time soon after the last
	// reissues are the new codes under way: uptime at which they are given up.
	reissues map[Generation]time.Duration
}

func newSession() *session {
	return &session{doors: map[CompartmentID]*watch{}, flight: map[string]time.Duration{}, objects: map[string]*steadiness{}, guesses: map[GuessKind]*guessing{}, reissues: map[Generation]time.Duration{}}
}

// window bounds how many refused messages of the city are recorded an hour:
// whoever floods the topics does not fill the store.
type window struct {
	from       time.Duration
	count      int
	suppressed int
}

// boot starts the session: the configuration, then what the doors say about
// what was unfinished.
func (s *step) boot(in Booted) {
	number := (s.ledger.Boot + 1) << 20 // no page of an earlier start fits
	s.session = newSession()
	s.session.running = true
	s.session.number = number
	s.session.reader, s.session.software = in.Reader, clip(in.Software)
	s.startClock()
	s.emit(TerminalBooted{Boot: s.ledger.Boot + 1, Software: s.session.software})
	if c := s.settleTraining(in.Config); !sameConfig(s.ledger.Config, c) {
		s.emit(TerminalConfigured{Config: c})
	}
	s.adopt(in.Adopted)
	if s.ledger.Open != nil {
		s.interrupt("restart")
	}
	s.forgetParts()
	s.resumeFlapping()
	s.resumeGuessing()
	s.forgetSensors()
	s.startKnocks()
	s.reconcile(in.Doors)
}

// Deadline is the uptime at which Step wants a Tick, if nothing else comes
// before; zero before the start.
func (t *Terminal) Deadline() time.Duration {
	s := t.session
	if !s.running {
		return 0
	}
	next := s.clock.nextMark(t.ledger)
	sooner := func(d time.Duration) {
		if d > 0 && d < next {
			next = d
		}
	}
	sooner(s.until)
	sooner(s.answers)
	if s.visit.refused {
		sooner(s.visit.answerAt)
	}
	for _, w := range s.doors {
		sooner(w.opensBy)
		sooner(w.remindAt)
		sooner(w.alarmAt)
	}
	for _, at := range s.flight {
		sooner(at)
	}
	for _, at := range s.reissues {
		sooner(at)
	}
	sooner(t.nextExpiry())
	sooner(t.nextPace())
	sooner(t.nextRest())
	sooner(s.knocks.until)
	sooner(t.nextGuessing())
	if opens := t.ledger.hours().Next(s.clock.base); !opens.IsZero() {
		sooner(s.clock.uptimeOf(opens))
	}
	return next
}

// lapse acts on the deadlines that have passed.
func (s *step) lapse() {
	s.watchDoors()
	s.lapseVisit()
	if ses := s.session; ses.answers > 0 && s.now.Uptime >= ses.answers {
		ses.answers = 0
		s.unanswered()
	}
	if ses := s.session; ses.until > 0 && s.now.Uptime >= ses.until {
		ses.until = 0
		s.timedOut()
	}
	s.lapseReissues()
	s.lapseFlapping()
	s.lapseKnocks()
	s.lapseGuessing()
	s.lapseTries()
	s.lapseLedger()
}

// show changes who stands at the screen and forgets what belonged to the last.
func (s *step) show(m mode) {
	ses := s.session
	ses.mode, ses.hint, ses.until, ses.more, ses.answers = m, "", 0, 0, 0
	if m != visiting && ses.visit.attempt != 0 {
		s.do(ForgetVisit{})
	}
	if m != visiting {
		ses.visit = visit{}
	}
	if m != signingIn {
		ses.signin = signIn{}
	}
	if m != rounding {
		ses.round = round{}
	}
}

// wait sets the screen's time.
func (s *step) wait(d Duration) { s.session.until, s.session.more = s.in(d), 0 }
