package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Finding is one line of a check: a part, and what is wrong with it.
type Finding struct {
	Part   string `json:"part"`
	State  string `json:"state"` // what was read, if the part is well
	Error  string `json:"error,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// Check tests every part that the configuration names and moves nothing: locks
// are switched off, which they are, doors and boards are read, reader,
// scanners, store and broker are spoken to. No other daemon may run.
func Check(ctx context.Context, c Config) ([]Finding, error) {
	p, err := openParts(c)
	if err != nil {
		return nil, err
	}
	k := check{ctx: ctx, config: c, parts: p}
	k.store()
	k.derivation()
	k.doors()
	k.sensors()
	k.readers()
	k.watchdog()
	k.broker()
	return k.findings, p.Close()
}

type check struct {
	ctx      context.Context
	config   Config
	parts    *parts
	findings []Finding
}

func (k *check) found(part, state string, err error, advice string) {
	f := Finding{Part: part, State: state}
	if err != nil {
		f.State, f.Error, f.Advice = "", err.Error(), advice
	}
	k.findings = append(k.findings, f)
}

func (k *check) store() {
	f := files{k.config.State}
	for _, path := range []string{f.device(), f.terminal(), f.slots(), f.journal()} {
		if _, err := os.Stat(path); err != nil {
			k.found("state folder", "", err, "run lockerd init")
			return
		}
	}
	s, err := openStore(k.config, f, false)
	switch {
	case errors.Is(err, journal.ErrLocked):
		k.found("journal", "", err, "stop lockerd first: check opens the same parts")
		return
	case err != nil:
		k.found("journal", "", err, "")
		return
	}
	k.found("journal", fmt.Sprintf("%d events, %d acknowledged by the city", s.journal.Size(), s.journal.Cursor()), nil, "")
	switch filesystem, bad := s.slots.CopyOnWrite(); {
	case s.chip != nil:
		k.found("slots", fmt.Sprintf("%d slots under a root key in the TPM: physical erasure, within %v", s.slots.Count(), time.Duration(k.config.Rules.RootEvery)), nil, "")
	case bad:
		k.found("slots", "", fmt.Errorf("%s copies on write", filesystem), "put the state folder on ext4: here, what is overwritten may survive")
	default:
		k.found("slots", fmt.Sprintf("%d slots; no hardware key: logical erasure only", s.slots.Count()), nil, "")
	}
	if err := s.Close(); err != nil {
		k.found("journal", "", err, "")
	}
}

// derivation holds the time of one key derivation against the rule that a
// refusal is shown after two of them, whatever its cause.
func (k *check) derivation() {
	p := k.config.params()
	began := time.Now()
	seal.Vain(p, []byte("check"))
	took := time.Since(began)
	var err error
	if after := time.Duration(k.config.Rules.AnswerAfter); 2*took > after {
		err = fmt.Errorf("takes %v, and rules.answer_after is %v", took.Round(time.Millisecond), after)
	}
	k.found("key derivation", fmt.Sprintf("%v for %d MiB, %d passes", took.Round(time.Millisecond), p.Memory>>10, p.Time), err,
		"run lockerd calibrate: a refusal would tell by its time why it is one")
}

func (k *check) doors() {
	faults := map[string]error{}
	for _, f := range k.parts.faults {
		faults[fmt.Sprint(f.part, f.compartment)] = f.err
	}
	for _, f := range k.parts.rest() {
		faults[fmt.Sprint(f.part, f.compartment)] = f.err
	}
	levels, unread := k.parts.levels()
	for _, f := range unread {
		faults[fmt.Sprint(f.part, f.compartment)] = f.err
	}
	for _, c := range k.config.Compartments {
		k.found(fmt.Sprintf("compartment %d lock", c.Number), "at rest", faults[fmt.Sprint(locker.PartLock, c.Number)], advise(c.Lock))
		state := "closed"
		if levels[c.Number] {
			state = "open"
		}
		k.found(fmt.Sprintf("compartment %d contact", c.Number), state, faults[fmt.Sprint(partContact, c.Number)], advise(c.Contact))
	}
}

func (k *check) sensors() {
	for _, s := range k.config.Sensors {
		part := sensorPart(s.Kind)
		var err error
		for _, f := range k.parts.faults {
			if f.part == part {
				err = f.err
			}
		}
		state := "at rest"
		if o := k.parts.sensors[s.Kind]; err == nil && o != nil {
			var tripped bool
			if tripped, err = o.Open(); tripped {
				state = "tripped"
			}
		}
		k.found(part, state, err, advise(s.Wire))
	}
}

func advise(w Wire) string {
	switch {
	case w.GPIO != "":
		return fmt.Sprintf("is the line %q there, and may this user use it?", w.GPIO)
	case w.Expander != "":
		return fmt.Sprintf("has expander %q power, and is line %d connected?", w.Expander, w.Line)
	}
	return fmt.Sprintf("has board %d on line %q power, and its address set?", w.Board, w.Modbus)
}

// checkTime is how long one part may take to answer.
const checkTime = 5 * time.Second

func (k *check) readers() {
	ctx, cancel := context.WithTimeout(k.ctx, checkTime)
	defer cancel()
	if len(k.parts.fingers.list) == 0 {
		k.found("finger reader", "none configured", nil, "")
	}
	for i, s := range k.parts.fingers.list {
		state, advice := "answers; looks for no fakes", "is it plugged in, and is its speed right?"
		if k.config.Readers[i].Detection {
			state = "answers; looks for fakes"
		}
		if k.config.Readers[i].Driver == "exec" {
			advice = "is it plugged in, and may this user run its helper?"
		}
		k.found(s.Name(), state, s.Check(ctx), advice)
	}
	for _, source := range []locker.Source{locker.SourceCitizen, locker.SourceBarcode, locker.SourceBadge} {
		if len(k.parts.scanners[source]) == 0 {
			k.found("scanner "+string(source), "none configured", nil, "")
		}
		for _, s := range k.parts.scanners[source] {
			k.found(s.Name(), "opens", s.Check(), "is it plugged in, in serial mode?")
		}
	}
	for _, c := range k.parts.chips {
		k.found(c.Name(), "answers, and holds what is written", c.Check(), "has it power, is its address set, and may this user use the bus?")
	}
	for _, l := range k.parts.lines {
		k.found("modbus line", "opens", l.Check(), "is the adapter plugged in?")
	}
}

func (k *check) broker() {
	ctx, cancel := context.WithTimeout(k.ctx, checkTime)
	defer cancel()
	d := &Daemon{config: k.config}
	bc, err := d.brokerConfig()
	if err == nil {
		bc.ClientID = k.config.Terminal + "-check"
		var conn *broker.Conn
		if conn, err = broker.Dial(ctx, bc); err == nil {
			conn.Close()
		}
	}
	k.found("broker "+k.config.City.Broker, "connects", err, "the terminal works on without it for days")
}
