package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"periph.io/x/conn/v3/physic"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/locker/report/broker"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Finding is one line of a check: a part, and what is wrong with it.
type Finding struct {
	Kind        string               `json:"kind"` // store, lock, contact, light, sensor, heating, clock, reader, scanner, wire, watchdog, city or certificate
	Compartment locker.CompartmentID `json:"compartment,omitempty"`
	Part        string               `json:"part"`
	State       string               `json:"state"`          // what was read, if the part is well
	Note        string               `json:"note,omitempty"` // what one should know all the same
	Error       string               `json:"error,omitempty"`
	Advice      string               `json:"advice,omitempty"`
}

// Kinds of parts, in the order of the table.
const (
	kindStore    = "store"
	kindLock     = "lock"
	kindContact  = "contact"
	kindLight    = "light"
	kindSensor   = "sensor"
	kindHeating  = "heating"
	kindClock    = "clock"
	kindReader   = "reader"
	kindScanner  = "scanner"
	kindWire     = "wire"
	kindWatchdog = "watchdog"
	kindCity     = "city"
	kindCert     = "certificate"
)

// Check tests every part that the configuration names and moves nothing: locks
// are switched off, which they are, and read back; doors, sensors, boards, clock
// and thermometer are read; lights and heater are switched off; readers,
// scanners, store and broker are spoken to. No other daemon may run.
func Check(ctx context.Context, c Config) ([]Finding, error) {
	k := check{ctx: ctx, config: c}
	if err := k.store(); errors.Is(err, journal.ErrLocked) {
		return k.findings, nil
	}
	p, err := openParts(c)
	if err != nil {
		return nil, err
	}
	k.parts = p
	k.derivation()
	k.doors()
	k.lights()
	k.sensors()
	k.heating()
	k.clock()
	k.readers()
	k.scanners()
	k.wires()
	k.watchdog()
	k.broker()
	k.certificates()
	return k.findings, p.Close()
}

type check struct {
	ctx      context.Context
	config   Config
	parts    *parts
	findings []Finding

	chipTakes    time.Duration // over one try at a code
	acknowledged bool          // the city has acknowledged events
	shown        certificate   // the broker's
	isShown      bool
}

// found adds a line. A part that is well has a state, one that is not an error
// and what to do about it.
func (k *check) found(kind, part, state string, err error, advice string) {
	k.add(Finding{Kind: kind, Part: part, State: state}, err, advice)
}

func (k *check) add(f Finding, err error, advice string) {
	if err != nil {
		f.State, f.Note, f.Error, f.Advice = "", "", err.Error(), advice
	}
	k.findings = append(k.findings, f)
}

// missing tells that the configuration has none of a part that one expects.
func (k *check) missing(kind, part, note string) {
	k.add(Finding{Kind: kind, Part: part, State: "none configured", Note: note}, nil, "")
}

// fault is why a part could not be opened.
func (k *check) fault(part string) error {
	for _, f := range k.parts.faults {
		if f.part == part && f.compartment == 0 {
			return f.err
		}
	}
	return nil
}

// store returns what kept it from opening the journal.
func (k *check) store() error {
	f := files{k.config.State}
	for _, path := range []string{f.device(), f.terminal(), f.slots(), f.journal()} {
		if _, err := os.Stat(path); err != nil {
			k.found(kindStore, "state folder", "", err, "run lockerd init")
			return err
		}
	}
	s, err := openStore(k.config, f, false)
	switch {
	case errors.Is(err, journal.ErrLocked):
		k.found(kindStore, "journal", "", err, "stop lockerd first; nothing else was looked at, because two programs on one wire disturb each other")
		return err
	case err != nil:
		k.found(kindStore, "journal", "", err, "")
		return err
	}
	k.acknowledged = s.journal.Cursor() > 0
	k.found(kindStore, "journal", fmt.Sprintf("%d events, %d acknowledged by the city", s.journal.Size(), s.journal.Cursor()), nil, "")
	switch filesystem, bad := s.slots.CopyOnWrite(); {
	case s.chip != nil:
		k.found(kindStore, "slots", fmt.Sprintf("%d slots under a root key in the TPM: physical erasure, within %v", s.slots.Count(), time.Duration(k.config.Rules.RootEvery)), nil, "")
	case bad:
		k.found(kindStore, "slots", "", fmt.Errorf("%s copies on write", filesystem), "put the state folder on ext4: here, what is overwritten may survive")
	default:
		k.add(Finding{Kind: kindStore, Part: "slots", State: fmt.Sprintf("%d slots", s.slots.Count()), Note: "no hardware key: logical erasure only"}, nil, "")
	}
	if s.limits != nil {
		k.tries(s)
	}
	k.space(s)
	if err = s.Close(); err != nil {
		k.found(kindStore, "journal", "", err, "")
	}
	return err
}

// space says how much the disk of the state folder can take.
func (k *check) space(s *store) {
	told, err := s.told(k.config.State)
	if err == nil {
		err = told.Judge()
	}
	k.found(kindStore, "space", told.String(), err, "make room, or use a larger disk: on a full one no document can be laid in")
}

// tries says for how many deposits the chip limits the tries at a code, and how
// long it takes over one.
func (k *check) tries(s *store) {
	limited, deposits, err := s.vault.Limited()
	room := 0
	if err == nil {
		room, err = s.chip.Room(max(len(k.config.Compartments)-limited, 1))
	}
	if err == nil && room > 0 {
		k.chipTakes, err = timeTry(s.limits)
	}
	if errors.Is(err, vault.ErrNoRoom) { // for the counter that comes with the first
		room, err = 0, nil
	}
	f := Finding{Kind: kindStore, Part: "tries", State: fmt.Sprintf("limited in the TPM for %d of %d deposits; room for %d more, one try takes it %v", limited, deposits, room, k.chipTakes.Round(time.Millisecond))}
	if limited+room < len(k.config.Compartments) {
		f.Note = "for the rest the journal limits them, not the chip: its NV memory is full, or it is too old to count"
	}
	k.add(f, err, "does the chip answer, and has it NV memory of type PIN fail?")
}

// timeTry makes a limit, tries it and forgets it.
func timeTry(l *limits) (took time.Duration, err error) {
	pass, share := make([]byte, tpm.KeySize), make([]byte, tpm.KeySize)
	token, err := l.Limit(pass, share)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	_, err = l.Share(token, pass)
	return time.Since(began), errors.Join(err, l.Forget(token))
}

// derivation holds the time of one key derivation against the rule that a
// refusal is shown after two of them and a try in the chip, whatever its cause.
func (k *check) derivation() {
	p := k.config.params()
	began := time.Now()
	seal.Vain(p, []byte("check"))
	took := time.Since(began)
	var err error
	if after := time.Duration(k.config.Rules.AnswerAfter); 2*took+k.chipTakes > after {
		err = fmt.Errorf("takes %v, the TPM %v, and rules.answer_after is %v", took.Round(time.Millisecond), k.chipTakes.Round(time.Millisecond), after)
	}
	k.found(kindStore, "key derivation", fmt.Sprintf("%v for %d MiB, %d passes", took.Round(time.Millisecond), p.Memory>>10, p.Time), err,
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
		k.add(Finding{Kind: kindLock, Compartment: c.Number, Part: fmt.Sprintf("lock %d", c.Number), State: "at rest"}, faults[fmt.Sprint(locker.PartLock, c.Number)], advise(c.Lock))
		state := "closed"
		if levels[c.Number] {
			state = "open"
		}
		k.add(Finding{Kind: kindContact, Compartment: c.Number, Part: fmt.Sprintf("contact %d", c.Number), State: state}, faults[fmt.Sprint(partContact, c.Number)], advise(c.Contact))
	}
}

func (k *check) lights() {
	for _, c := range k.config.Compartments {
		if c.Light == (Wire{}) {
			continue
		}
		err := k.fault(lightPart(c.Number))
		if o := k.parts.lights[c.Number]; err == nil && o != nil {
			err = o.Switch(false)
		}
		k.add(Finding{Kind: kindLight, Compartment: c.Number, Part: lightPart(c.Number), State: "off"}, err, advise(c.Light))
	}
}

func (k *check) sensors() {
	for _, s := range k.config.Sensors {
		err, state := k.fault(sensorPart(s.Kind)), "at rest"
		if o := k.parts.sensors[s.Kind]; err == nil && o != nil {
			var tripped bool
			if tripped, err = o.Open(); tripped {
				state = "tripped"
			}
		}
		k.found(kindSensor, sensorPart(s.Kind), state, err, advise(s.Wire))
	}
}

func (k *check) heating() {
	if k.config.Heating == (Heating{}) {
		return
	}
	err, state := k.fault(heatingPart), ""
	if k.parts.heating != nil && err == nil {
		var t physic.Temperature
		if t, err = k.parts.heating.Check(); err == nil {
			state, err = t.String()+", heater off", k.parts.heater.Switch(false)
		}
	}
	k.found(kindHeating, heatingPart, state, err, "is the thermometer's file right, and its sensor connected? "+advise(k.config.Heating.Heater))
}

// advances is how long the real-time clock is given to show that it does.
const advances = 3500 * time.Millisecond

func (k *check) clock() {
	if k.parts.clock == nil {
		k.missing(kindClock, "real-time clock", "after a long power cut the time is held until the city answers")
		return
	}
	t, err := k.parts.clock.Look()
	if err == nil {
		select {
		case <-time.After(advances):
		case <-k.ctx.Done():
		}
		t, err = k.parts.clock.Look()
	}
	f := Finding{Kind: kindClock, Part: k.parts.clock.Name(), State: t.Format(time.RFC3339)}
	if off := time.Since(t).Abs().Round(time.Second); off > 2*time.Second {
		f.Note = fmt.Sprintf("%v from the machine's time", off)
	}
	k.add(f, err, "does the board have one, with a battery? see the key clock.rtc")
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
	if len(k.parts.fingers.list) == 0 {
		k.missing(kindReader, "finger reader", "no finger can be compared")
	}
	for i, s := range k.parts.fingers.list {
		f := Finding{Kind: kindReader, Part: s.Name(), State: "answers", Note: "looks for no fakes"}
		if k.config.Readers[i].Detection {
			f.State, f.Note = "answers; looks for fakes", ""
		}
		advice := "is it plugged in, and is its speed right?"
		if k.config.Readers[i].Driver == "exec" {
			advice = "is it plugged in, and may this user run its helper?"
		}
		err := s.ask(k.ctx, checkTime)
		if m, ok := s.reader.(module); ok && err == nil {
			ctx, cancel := context.WithTimeout(k.ctx, checkTime)
			err = m.Describe(ctx)
			cancel()
			if warning := m.Size().Warning(); warning != "" {
				f.Note = warning + "; " + f.Note
			}
		}
		k.add(f, err, advice)
	}
}

func (k *check) scanners() {
	for _, source := range []locker.Source{locker.SourceCitizen, locker.SourceBarcode, locker.SourceBadge} {
		if len(k.parts.scanners[source]) == 0 {
			k.missing(kindScanner, "scanner "+string(source), "")
		}
		for _, s := range k.parts.scanners[source] {
			k.found(kindScanner, s.Name(), "opens", s.Check(), "is it plugged in, and in the mode that driver names?")
		}
	}
}

func (k *check) wires() {
	for _, c := range k.parts.chips {
		k.found(kindWire, c.Name(), "answers, and holds what is written", c.Check(), "has it power, is its address set, and may this user use the bus?")
	}
	for _, l := range k.parts.lines {
		f := Finding{Kind: kindWire, Part: l.Name(), State: "opens"}
		var notes []string
		if blind := l.Blind(); len(blind) > 0 {
			notes = append(notes, fmt.Sprintf("boards %v cannot tell their coils: one that stays on is not noticed", blind))
		}
		if untimed := l.Untimed(); len(untimed) > 0 {
			notes = append(notes, fmt.Sprintf("boards %v have no timed pulse: a coil stays on if lockerd dies in its pulse, until it is started again; see timed_pulse", untimed))
		}
		f.Note = strings.Join(notes, "; ")
		k.add(f, l.Check(), "is the adapter plugged in?")
	}
}

// brokerTime is how long the trial of the broker may take: its steps wait for what
// the broker sends by itself.
const brokerTime = 20 * time.Second

func (k *check) broker() {
	ctx, cancel := context.WithTimeout(k.ctx, brokerTime)
	defer cancel()
	d := &Daemon{config: k.config, shown: &brokerSeen{}}
	bc, err := d.brokerConfig()
	if d.withoutItsKey() {
		var chip *tpm.Chip
		if chip, err = k.config.chip(files{k.config.State}); err == nil {
			defer chip.Close()
			d.store = &store{chip: chip}
			bc, err = d.brokerConfig()
		}
	}
	f := Finding{Kind: kindCity, Part: "broker " + k.config.City.Broker, State: "connects, subscribes and publishes"}
	if err == nil {
		var notes []string
		notes, err = k.tryBroker(ctx, bc)
		f.Note = strings.Join(notes, "; ")
		k.shown, k.isShown = d.shown.certificate(time.Now())
	}
	k.add(f, err, "the terminal works on without it for days")
}

// tryBroker reports as the daemon does.
func (k *check) tryBroker(ctx context.Context, bc broker.Config) ([]string, error) {
	r, err := report.New(report.Config{Terminal: k.config.Terminal, Broker: bc, Log: noLog{}, Desk: (*desk)(nil), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return r.Try(ctx, k.acknowledged)
}

// certificates tells dates and names of every certificate.
func (k *check) certificates() {
	list := k.config.certificates(time.Now())
	if k.isShown {
		list = append(list, k.shown)
	}
	for _, c := range list {
		k.found(kindCert, c.name, c.state, c.wrong, "renew it, or put in the right one; lockerd reads it again by itself")
	}
}
