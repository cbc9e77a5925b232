package locker

import (
	"fmt"
	"slices"
	"time"
)

// Config is what a terminal is made of and the rules it follows. It is handed
// over with [Booted] and recorded when it changes, so that the ledger depends
// on events alone.
type Config struct {
	Terminal     string            `json:"terminal"` // a–z, 0–9 and hyphen, at most 40; part of topics and line names
	Compartments []CompartmentSpec `json:"compartments"`
	Hours        Hours             `json:"hours"` // when citizens may collect; empty: always
	Rules        Rules             `json:"rules"`
	Sensors      []Sensor          `json:"sensors,omitempty"`      // that are wired, besides the doors' contacts
	Training     bool              `json:"training,omitempty"`     // dummy orders alone; see training.go
	Detection    bool              `json:"detection,omitempty"`    // every finger reader looks for fakes and gives a score
	HardwareKey  bool              `json:"hardware_key,omitempty"` // the slots lie under a root key in hardware
	Documents    []DocumentKind    `json:"documents,omitempty"`    // kinds that are handed out here; empty: all
	Declaration  string            `json:"declaration,omitempty"`  // version of the text that recipients confirm before handover
}

// CompartmentSpec is one door as it was built.
type CompartmentSpec struct {
	Number   CompartmentID `json:"number"`
	Size     Size          `json:"size"`
	Height   int           `json:"height_cm"` // of the compartment's floor above the ground
	Row      int           `json:"row"`       // from the top, from 1
	Column   int           `json:"column"`    // from the left, from 1
	LowReach bool          `json:"low_reach"` // within reach from a wheelchair (DIN 18040: 85 to 105 cm)
}

// Rules are the periods and limits. DefaultRules has their usual values.
type Rules struct {
	Retention      Duration `json:"retention" toml:"retention"`                   // from the letter's posting to expiry
	PostingOverdue Duration `json:"posting_overdue" toml:"posting_overdue"`       // a letter not posted by then: alarm, unloading list
	KeyLife        Duration `json:"key_life" toml:"key_life"`                     // of an offered order key, and of an order that nobody loads
	KeysOffered    int      `json:"keys_offered" toml:"keys_offered"`             // unused keys that are kept on offer
	CodeTries      int      `json:"code_tries" toml:"code_tries"`                 // failed or unsettled charges a generation
	FactorTries    int      `json:"factor_tries" toml:"factor_tries"`             // failed comparisons until a finger is closed
	AttackScore    float64  `json:"attack_score,omitempty" toml:"attack_score"`   // largest score of a finger that is compared, 0 to 100
	PaceAfter      int      `json:"pace_after" toml:"pace_after"`                 // refusals in a row at this terminal
	Pace           Duration `json:"pace" toml:"pace"`                             // then one try in this time
	AnswerAfter    Duration `json:"answer_after" toml:"answer_after"`             // a refusal is shown this long after the entry, whatever its cause
	Threshold      float64  `json:"threshold" toml:"threshold"`                   // largest false match rate of an accepted comparison
	DoorOpens      Duration `json:"door_opens" toml:"door_opens"`                 // contact must confirm a pulse within
	DoorReminder   Duration `json:"door_reminder" toml:"door_reminder"`           // an open door is reminded of on the screen
	DoorAlarm      Duration `json:"door_alarm" toml:"door_alarm"`                 // and then left to the alarm
	Idle           Duration `json:"idle" toml:"idle"`                             // without a key, a visit ends
	RoundIdle      Duration `json:"round_idle" toml:"round_idle"`                 // without a key, a round is interrupted
	Question       Duration `json:"question" toml:"question"`                     // "have you got it?" waits for
	Unconfirmed    Duration `json:"unconfirmed" toml:"unconfirmed"`               // without an answer to it the code stays good for
	Notice         Duration `json:"notice" toml:"notice"`                         // closing words stay on the screen for
	Mark           Duration `json:"mark" toml:"mark"`                             // the trusted time is recorded at least every
	RootEvery      Duration `json:"root_every,omitempty" toml:"root_every"`       // the root key in hardware is replaced at most this often
	FlappingAfter  int      `json:"flapping_after" toml:"flapping_after"`         // rises of one contact, sensor or part in quick succession; one more is flapping
	FlappingRest   Duration `json:"flapping_rest" toml:"flapping_rest"`           // without a change it flaps no more
	TamperKnocks   int      `json:"tamper_knocks" toml:"tamper_knocks"`           // of the tamper sensor, within
	TamperWindow   Duration `json:"tamper_window" toml:"tamper_window"`           // are taken for a burglary
	TamperHold     Duration `json:"tamper_hold" toml:"tamper_hold"`               // and so is one that lasts as long
	ConfirmProof   bool     `json:"confirm_proof,omitempty" toml:"confirm_proof"` // a round's confirmation asks for number or key, not for the card alone
	NumberTries    int      `json:"number_tries" toml:"number_tries"`             // wrong numbers of one clerk since their last quiet week; then blocked
	GuessingAfter  int      `json:"guessing_after" toml:"guessing_after"`         // refused cards, codes or factors in quick succession; one more is an alarm
	GuessingRest   Duration `json:"guessing_rest" toml:"guessing_rest"`           // without one, the alarm ends
	Extensions     int      `json:"extensions" toml:"extensions"`                 // times that a person may ask for more time on one screen
}

// KeyLife is how long a one-time order key lives after the terminal offered it,
// and how long an accepted order waits to be loaded. It is the default of
// Rules.KeyLife and the one place where the period is written down: the law on
// identity documents erases stored fingerprints 90 days after issue at the latest
// (PAuswG § 26(2), PassG § 16(2)).
const KeyLife = 90 * 24 * time.Hour

// DefaultRules are those of a terminal in the street.
func DefaultRules() Rules {
	return Rules{
		Retention:      Duration(7 * 24 * time.Hour),
		PostingOverdue: Duration(14 * 24 * time.Hour),
		KeyLife:        Duration(KeyLife),
		KeysOffered:    40,
		CodeTries:      5,
		FactorTries:    5,
		AttackScore:    50,
		PaceAfter:      10,
		Pace:           Duration(time.Minute),
		AnswerAfter:    Duration(2 * time.Second),
		Threshold:      1e-4,
		DoorOpens:      Duration(3 * time.Second),
		DoorReminder:   Duration(20 * time.Second),
		DoorAlarm:      Duration(time.Minute),
		Idle:           Duration(45 * time.Second),
		RoundIdle:      Duration(3 * time.Minute),
		Question:       Duration(45 * time.Second),
		Unconfirmed:    Duration(24 * time.Hour),
		Notice:         Duration(8 * time.Second),
		Mark:           Duration(10 * time.Minute),
		RootEvery:      Duration(time.Hour),
		FlappingAfter:  6,
		FlappingRest:   Duration(30 * time.Minute),
		TamperKnocks:   3,
		TamperWindow:   Duration(time.Minute),
		TamperHold:     Duration(5 * time.Second),
		ConfirmProof:   true,
		NumberTries:    10,
		GuessingAfter:  10,
		GuessingRest:   Duration(30 * time.Minute),
		Extensions:     3,
	}
}

// Validate says what is wrong with the configuration and what would be right.
func (c Config) Validate() error {
	if !validTerminal(c.Terminal) {
		return fmt.Errorf("terminal %q: wants 1 to 40 of a–z, 0–9 and hyphen", c.Terminal)
	}
	if len(c.Compartments) == 0 || len(c.Compartments) > 500 {
		return fmt.Errorf("compartments: %d, wants 1 to 500", len(c.Compartments))
	}
	seen := make(map[CompartmentID]bool, len(c.Compartments))
	for _, s := range c.Compartments {
		switch {
		case s.Number < 1 || s.Number > 9999:
			return fmt.Errorf("compartment %d: number wants 1 to 9999", s.Number)
		case seen[s.Number]:
			return fmt.Errorf("compartment %d: is there twice", s.Number)
		case s.Size < Small || s.Size > Large:
			return fmt.Errorf("compartment %d: size %d, wants 1 (small) to 3 (large)", s.Number, s.Size)
		case s.Height < 0 || s.Height > 250:
			return fmt.Errorf("compartment %d: height %d cm, wants 0 to 250", s.Number, s.Height)
		}
		seen[s.Number] = true
	}
	if err := c.ValidateSensors(); err != nil {
		return err
	}
	if err := c.Hours.Validate(); err != nil {
		return err
	}
	return c.ValidateRules()
}

// blindTries is how many comparisons may fail where not every reader looks for
// fakes.
const blindTries = 5

// ValidateRules says which rule is out of its bounds, or out of those that the
// readers set.
func (c Config) ValidateRules() error {
	if err := c.Rules.Validate(); err != nil {
		return err
	}
	if c.Rules.FactorTries > blindTries && !c.Detection {
		return fmt.Errorf("rule factor_tries: %d, wants 1 to %d where not every reader looks for fakes", c.Rules.FactorTries, blindTries)
	}
	return nil
}

// ValidateSensors says which sensor has no meaning, or is there twice.
func (c Config) ValidateSensors() error {
	for i, sensor := range c.Sensors {
		if err := sensor.validate(); err != nil {
			return err
		}
		if slices.Contains(c.Sensors[:i], sensor) {
			return fmt.Errorf("sensor %q: is there twice", string(sensor))
		}
	}
	return nil
}

func validTerminal(s string) bool {
	if len(s) < 1 || len(s) > 40 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// CardsBound is the largest number of events that refused cards write in a day.
func (r Rules) CardsBound() int {
	periods := int((24*time.Hour + time.Duration(r.GuessingRest) - 1) / time.Duration(r.GuessingRest))
	return r.GuessingAfter + periods + 3*periods + 24
}

// CodesBound is the largest number of events that codes write in a day without
// one visit that proves code and factor: two each.
func (r Rules) CodesBound() int {
	return 2 * (r.PaceAfter + int(24*time.Hour/time.Duration(r.Pace)) + 1)
}

// Validate says which rule is out of its bounds.
func (r Rules) Validate() error {
	for _, p := range []struct {
		name     string
		is       Duration
		from, to time.Duration
	}{
		{"retention", r.Retention, time.Second, 366 * 24 * time.Hour},
		{"posting_overdue", r.PostingOverdue, time.Second, 366 * 24 * time.Hour},
		{"key_life", r.KeyLife, time.Minute, 366 * 24 * time.Hour},
		{"pace", r.Pace, time.Second, time.Hour},
		{"answer_after", r.AnswerAfter, 0, time.Minute},
		{"door_opens", r.DoorOpens, 100 * time.Millisecond, 30 * time.Second},
		{"door_reminder", r.DoorReminder, time.Second, 10 * time.Minute},
		{"door_alarm", r.DoorAlarm, time.Second, 30 * time.Minute},
		{"idle", r.Idle, time.Second, 10 * time.Minute},
		{"round_idle", r.RoundIdle, time.Second, time.Hour},
		{"question", r.Question, time.Second, 10 * time.Minute},
		{"unconfirmed", r.Unconfirmed, time.Minute, 7 * 24 * time.Hour},
		{"notice", r.Notice, 0, time.Minute},
		{"mark", r.Mark, time.Second, 10 * time.Minute},
		{"root_every", r.RootEvery, 0, 24 * time.Hour},
		{"tamper_window", r.TamperWindow, time.Second, time.Hour},
		{"tamper_hold", r.TamperHold, 100 * time.Millisecond, 5 * time.Minute},
		{"guessing_rest", r.GuessingRest, time.Minute, 24 * time.Hour},
		{"flapping_rest", r.FlappingRest, time.Minute, 24 * time.Hour},
	} {
		if d := time.Duration(p.is); d < p.from || d > p.to {
			return fmt.Errorf("rule %s: %v, wants %v to %v", p.name, d, p.from, p.to)
		}
	}
	for _, p := range []struct {
		name         string
		is, from, to int
	}{
		{"keys_offered", r.KeysOffered, 1, 1000},
		{"code_tries", r.CodeTries, 1, 5}, // NIST SP 800-63B-4 and our own bound
		{"factor_tries", r.FactorTries, 1, 10},
		{"pace_after", r.PaceAfter, 1, 100},
		{"tamper_knocks", r.TamperKnocks, 1, 20},
		{"number_tries", r.NumberTries, wrongNumbers, 100},
		{"guessing_after", r.GuessingAfter, 2, 100},
		{"flapping_after", r.FlappingAfter, 2, 100},
		{"extensions", r.Extensions, 0, 20},
	} {
		if p.is < p.from || p.is > p.to {
			return fmt.Errorf("rule %s: %d, wants %d to %d", p.name, p.is, p.from, p.to)
		}
	}
	if r.Threshold <= 0 || r.Threshold > 1e-3 {
		return fmt.Errorf("rule threshold: %g, wants a false match rate above 0, at most 0.001", r.Threshold)
	}
	if !(r.AttackScore > 0 && r.AttackScore <= 100) {
		return fmt.Errorf("rule attack_score: %g, wants above 0, at most 100", r.AttackScore)
	}
	if r.DoorAlarm <= r.DoorReminder {
		return fmt.Errorf("rule door_alarm: %v, wants more than door_reminder %v", time.Duration(r.DoorAlarm), time.Duration(r.DoorReminder))
	}
	return nil
}

// Duration is a time.Duration written as "168h0m0s".
type Duration time.Duration

// MarshalText writes it as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: wants a form like 90s, 10m or 168h", text)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }
