package locker

import (
	"errors"
	"time"

	"github.com/nachtfach/nachtfach/pin"
)

// patience is how long the vault or the reader may take for one answer.
const patience = 30 * time.Second

// reopenings is how often a citizen may have the door opened once more.
const reopenings = 3

// stage is how far a citizen's visit has come.
type stage int

const (
	checking  stage = iota + 1 // the code is looked up and tried
	late                       // expired, but still here
	fingering                  // the reader waits for a finger
	numbering                  // the alternative is typed
	comparing
	declaring // receipt of the eID PIN letter
	opening
	taking      // the door is open
	questioning // "have you got it?"
	ended       // closing words
)

// visit is a citizen's, from the code to the closing words.
type visit struct {
	stage       stage
	attempt     AttemptID
	code        pin.Code // until it is handed to the vault to be tried
	generation  Generation
	recipient   int
	compartment CompartmentID
	answerAt    time.Duration // uptime before which no refusal is shown
	refused     bool          // decided, not yet shown
	finger      int           // position that is asked for
	advice      FingerAdvice
	presented   Presentation // of the finger that is compared
	again       int          // reopenings
	returning   bool         // another's document is to be put back
	resumed     bool         // after a restart, when nobody knows who stands there
	end         ScreenName
	incident    string // of the closing words
}

// enterCode takes a typed or scanned code. A slip of the finger is found by
// its check digit and costs nothing.
func (s *step) enterCode(text []byte) {
	if s.ledger.Locked != "" || !s.ledger.hours().Open(s.at) || s.paced() > 0 {
		return
	}
	code, err := pin.Parse(text)
	if err != nil {
		s.show(idle)
		s.session.hint = codeHint(err)
		s.wait(s.rules().Idle)
		return
	}
	s.show(visiting)
	v := &s.session.visit
	*v = visit{stage: checking, attempt: s.ledger.Attempt + 1, code: code, answerAt: s.in(s.rules().AnswerAfter)}
	s.session.answers = s.now.Uptime + patience
	s.do(FindDeposit{Attempt: v.attempt, Code: code})
}

func codeHint(err error) Hint {
	switch {
	case errors.Is(err, pin.ErrSlip):
		return HintSlip
	case errors.Is(err, pin.ErrLength):
		return HintLength
	}
	return HintDigits
}

// paced is the trusted time that must pass before the next try; zero for none.
func (t *Terminal) paced() time.Duration {
	l := t.ledger
	if l.Refusals < l.Config.Rules.PaceAfter {
		return 0
	}
	return max(0, l.RefusedAt.Add(time.Duration(l.Config.Rules.Pace)).Sub(t.session.clock.base))
}

// nextPace is the uptime at which the pace allows a try; zero if it does now.
func (t *Terminal) nextPace() time.Duration {
	if p := t.paced(); p > 0 {
		return t.session.clock.at + p
	}
	return 0
}

// collectable tells whether a code may be tried on it.
func (d *deposit) collectable() bool {
	return d != nil && d.Slot && !d.Loaded.IsZero() &&
		(d.State == depositLoaded || d.State == depositDoubted || d.State == depositUnconfirmed || d.State == depositDisputed)
}

// depositFound charges the try before it is made. Whatever is wrong, the same
// work is done and the same is shown.
func (s *step) depositFound(in DepositFound) {
	v := &s.session.visit
	if s.session.mode != visiting || v.stage != checking || in.Attempt != v.attempt || v.code.IsZero() {
		return
	}
	d := s.ledger.Deposits[in.Generation]
	switch {
	case !d.collectable():
		s.emit(CodeRefused{Attempt: v.attempt, Reason: RefusedUnknown})
		s.guessed(GuessCodes)
		in.Generation = 0
	case d.Charges >= s.rules().CodeTries:
		s.emit(CodeRefused{Attempt: v.attempt, Reason: RefusedExhausted, Generation: in.Generation})
		s.guessed(GuessCodes)
		in.Generation = 0
	default:
		s.emit(CodeCharged{Attempt: v.attempt, Generation: in.Generation})
	}
	v.generation, v.recipient = in.Generation, in.Recipient
	s.do(TryCode{Attempt: v.attempt, Generation: in.Generation, Recipient: in.Recipient, Code: v.code})
	v.code = pin.Code{}
}

// codeTried settles the charge that the try was made under, whoever stands
// there by now, and goes on if it is still the same visit.
func (s *step) codeTried(in CodeTried) {
	if d := s.ledger.Deposits[in.Generation]; d != nil && in.Err == "" && d.pending(in.Attempt) {
		if in.Opened {
			s.emit(CodeProved{Attempt: in.Attempt, Generation: in.Generation})
		} else {
			s.emit(CodeFailed{Attempt: in.Attempt, Generation: in.Generation})
			s.guessed(GuessCodes)
			if d.Charges >= s.rules().CodeTries {
				s.raise(Statistics, AlarmExhausted, d.Compartment, in.Generation, "")
			}
		}
	}
	if in.Err != "" {
		s.failed("code", in.Err)
	}
	v := &s.session.visit
	if s.session.mode != visiting || v.stage != checking || in.Attempt != v.attempt || in.Generation != v.generation {
		return
	}
	s.session.answers = 0
	if in.Generation == 0 || !in.Opened || in.Err != "" {
		v.refused = true
		s.lapseVisit()
		return
	}
	s.proved()
}

func (d *deposit) pending(a AttemptID) bool {
	for _, p := range d.Pending {
		if p == a {
			return true
		}
	}
	return false
}

// lapseVisit shows a refusal at its time, not before.
func (s *step) lapseVisit() {
	v := &s.session.visit
	if v.stage == checking && v.refused && s.now.Uptime >= v.answerAt {
		s.visitEnds(ScreenRefused)
	}
}

// barrier is the screen for what stands between the proved code and its
// document; empty if nothing does. From here on the words are specific.
func (s *step) barrier(d *deposit) ScreenName {
	switch {
	case s.ledger.Locked != "":
		return ScreenLocked
	case d == nil || d.State == depositEnded || d.Revoked:
		return ScreenWithdrawn
	case d.State == depositDisputed, d.Doubts > 1:
		return ScreenDesk
	case d.State != depositLoaded && d.State != depositDoubted && d.State != depositUnconfirmed, s.ledger.listed(d.Compartment):
		return ScreenDesk
	case !s.ledger.built(d.Compartment):
		return ScreenDefect
	case s.ledger.door(d.Compartment).Disabled:
		return ScreenDefect
	case s.ledger.defect(s.ledger.door(d.Compartment)):
		return ScreenDefect // a contact locks nothing: without it people say when the door is closed
	}
	return ""
}

func (s *step) proved() {
	v := &s.session.visit
	d := s.ledger.Deposits[v.generation]
	if b := s.barrier(d); b != "" {
		s.visitEnds(b)
		return
	}
	v.compartment = d.Compartment
	o := s.ledger.Orders[d.Order]
	if o == nil || v.recipient >= len(o.Recipients) {
		s.visitEnds(ScreenDesk)
		return
	}
	if d.Expired && v.stage != late && s.hasFactor(d, o.Recipients[v.recipient].Factor) {
		v.stage = late
		s.wait(s.rules().Idle)
		return
	}
	if o.Recipients[v.recipient].Factor == FactorNumber {
		if s.shut(d, 0) {
			s.visitEnds(ScreenClosed)
			return
		}
		v.stage = numbering
		s.wait(s.rules().Idle)
		return
	}
	s.askFinger(0, false)
}

// hasFactor tells whether the recipient's factor can be asked for at all.
func (s *step) hasFactor(d *deposit, kind FactorKind) bool {
	if kind == FactorNumber {
		return !s.shut(d, 0)
	}
	return s.session.reader && len(s.openFingers()) > 0
}

// openFingers are the positions that may still be asked for.
func (s *step) openFingers() []int {
	v := &s.session.visit
	d := s.ledger.Deposits[v.generation]
	if d == nil {
		return nil
	}
	o := s.ledger.Orders[d.Order]
	if o == nil || v.recipient >= len(o.Recipients) {
		return nil
	}
	var open []int
	for _, f := range o.Recipients[v.recipient].Fingers {
		if !s.shut(d, f) {
			open = append(open, f)
		}
	}
	return open
}

// shut tells whether a finger, or for 0 the number, may not be compared any
// more. Charges that a restart left unsettled count like failures.
func (t *Terminal) shut(d *deposit, finger int) bool {
	return d.Closed[finger] || d.Factors[finger] >= t.ledger.Config.Rules.FactorTries
}

// askFinger asks for the first open finger after the given one.
func (s *step) askFinger(after int, lift bool) {
	v := &s.session.visit
	open := s.openFingers()
	switch {
	case len(open) == 0:
		s.visitEnds(ScreenClosed)
		return
	case !s.session.reader:
		s.visitEnds(ScreenDefect)
		return
	}
	next := open[0]
	for i, f := range open {
		if f == after {
			next = open[(i+1)%len(open)]
		}
	}
	v.stage, v.finger = fingering, next
	s.wait(s.rules().Idle)
	s.do(CaptureFinger{Attempt: v.attempt, Lift: lift})
}

func (s *step) fingerCaptured(in FingerCaptured) {
	v := &s.session.visit
	if s.session.mode != visiting || v.stage != fingering || in.Attempt != v.attempt {
		return
	}
	switch {
	case in.Err != "":
		s.partFailed(PartFailed{Part: "reader", Detail: in.Err})
		s.visitEnds(ScreenDefect)
	case in.Advice != "":
		v.advice = in.Advice
		s.do(CaptureFinger{Attempt: v.attempt, Lift: in.Advice != AdviceLay})
	case s.ledger.Config.Detection && !in.Presentation.Scored:
		s.partFailed(PartFailed{Part: "reader", Detail: "no score of its presentation attack detection"})
		s.visitEnds(ScreenDefect)
	case in.Presentation.Scored && in.Presentation.Score > s.rules().AttackScore:
		s.suspected(in.Presentation)
	default:
		v.advice, v.presented = "", in.Presentation
		s.compare(CompareFactor{Factor: FactorFinger, Finger: v.finger})
	}
}

// suspected counts a finger that the reader takes for a fake as one that was
// compared in vain; for whoever stands there it is the same.
func (s *step) suspected(p Presentation) {
	v := &s.session.visit
	v.advice = ""
	d := s.ledger.Deposits[v.generation]
	if b := s.barrier(d); b != "" {
		s.visitEnds(b)
		return
	}
	s.emit(FactorCharged{Attempt: v.attempt, Generation: v.generation, Factor: FactorFinger, Finger: v.finger})
	s.emit(PresentationRefused{Attempt: v.attempt, Generation: v.generation, Finger: v.finger, Score: p.Score, Limit: s.rules().AttackScore})
	s.raise(Morning, AlarmAttack, d.Compartment, v.generation, "")
	s.noMatch(v.finger, s.closeFactor(d, FactorFinger, v.finger))
}

// closeFactor closes a finger, or the number, whose tries are used up, and
// tells whether they are.
func (s *step) closeFactor(d *deposit, kind FactorKind, finger int) bool {
	if d.Factors[finger] < s.rules().FactorTries {
		return false
	}
	s.emit(FactorClosed{Generation: d.Generation, Factor: kind, Finger: finger})
	return true
}

// noMatch asks for the finger once more, or for the next if it is closed.
func (s *step) noMatch(finger int, shut bool) {
	s.session.hint = HintNoMatch
	after := 0
	if !shut {
		after = s.before(finger)
	}
	s.askFinger(after, true)
}

// compare charges the comparison before it is made.
func (s *step) compare(c CompareFactor) {
	v := &s.session.visit
	if b := s.barrier(s.ledger.Deposits[v.generation]); b != "" {
		s.visitEnds(b)
		return
	}
	s.emit(FactorCharged{Attempt: v.attempt, Generation: v.generation, Factor: c.Factor, Finger: c.Finger})
	c.Attempt, c.Generation, c.Threshold = v.attempt, v.generation, s.rules().Threshold
	v.stage = comparing
	s.session.hint, s.session.until, s.session.answers = "", 0, s.now.Uptime+patience
	s.do(c)
}

func (s *step) factorTried(in FactorTried) {
	v := &s.session.visit
	d := s.ledger.Deposits[in.Generation]
	if d == nil {
		return
	}
	finger, charged := d.Comparing[in.Attempt]
	if !charged {
		return
	}
	kind := FactorFinger
	if finger == 0 {
		kind = FactorNumber
	}
	if in.Err == "" {
		var p Presentation
		if kind == FactorFinger && v.attempt == in.Attempt {
			p = v.presented
		}
		s.emit(FactorCompared{
			Attempt: in.Attempt, Generation: in.Generation, Factor: kind, Finger: finger,
			Accepted: in.Accepted, Similarity: in.Similarity, FMR: in.FMR, Threshold: s.rules().Threshold,
			Scored: p.Scored, AttackScore: p.Score,
		})
	}
	if in.Err == "" && !in.Accepted {
		s.guessed(GuessFactors)
	}
	shut := (in.Err != "" || !in.Accepted) && s.closeFactor(d, kind, finger)
	if s.session.mode != visiting || v.stage != comparing || in.Attempt != v.attempt || in.Generation != v.generation {
		return
	}
	s.session.answers = 0
	switch {
	case in.Err != "":
		s.failed("factor", in.Err)
		s.visitEnds(ScreenDefect)
	case in.Accepted:
		s.accepted(d)
	case kind == FactorNumber && shut:
		s.visitEnds(ScreenClosed)
	case kind == FactorNumber:
		v.stage = numbering
		s.session.hint = HintWrongNumber
		s.wait(s.rules().Idle)
	default:
		s.noMatch(finger, shut)
	}
}

// before is the finger after which askFinger asks for the given one again.
func (s *step) before(finger int) int {
	open := s.openFingers()
	for i, f := range open {
		if f == finger {
			return open[(i+len(open)-1)%len(open)]
		}
	}
	return 0
}

// accepted goes on once code and factor are proved.
func (s *step) accepted(d *deposit) {
	v := &s.session.visit
	if b := s.barrier(d); b != "" {
		s.visitEnds(b)
		return
	}
	if o := s.ledger.Orders[d.Order]; o != nil && o.PINLetter && v.stage != declaring {
		v.stage = declaring
		s.wait(s.rules().Idle)
		return
	}
	s.openForCitizen()
}

// visitTimedOut ends what nobody answered.
func (s *step) visitTimedOut() {
	v := &s.session.visit
	switch {
	case v.stage == questioning && v.resumed:
		// Nobody may have stood there since the power came back.
		s.doubt(s.ledger.door(v.compartment), "a restart came between door and answer")
		s.show(idle)
	case v.stage == questioning:
		s.unconfirmed()
	default:
		s.show(idle)
	}
}

// visitUnanswered gives up on the vault. A charge stays unsettled: nobody knows.
func (s *step) visitUnanswered() {
	v := &s.session.visit
	switch v.stage {
	case checking:
		if v.generation == 0 && s.ledger.Attempt < v.attempt {
			s.emit(CodeRefused{Attempt: v.attempt, Reason: RefusedBroken})
		}
		s.visitEnds(ScreenRefused)
	case comparing:
		s.visitEnds(ScreenDefect)
	}
}

// visitEnds shows closing words; the visit itself is forgotten.
func (s *step) visitEnds(name ScreenName) {
	ses := s.session
	if ses.visit.attempt != 0 {
		s.do(ForgetVisit{})
	}
	ses.visit = visit{stage: ended, end: name, compartment: ses.visit.compartment, incident: s.closingIncident(name)}
	ses.hint, ses.answers = "", 0
	if name == ScreenRefused {
		ses.visit.compartment = 0
		s.wait(s.rules().Idle)
		return
	}
	s.wait(s.rules().Notice)
}

// closingIncident is what a citizen names on the telephone: it finds the events
// of the matter and tells nothing by itself. A refusal has the visit's own,
// whatever the code names.
func (s *step) closingIncident(name ScreenName) string {
	v := s.session.visit
	if name == ScreenRefused {
		return s.ledger.visitIncident(v.attempt)
	}
	return s.visitOf(v.generation, v.attempt)
}
