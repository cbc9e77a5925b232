package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"periph.io/x/conn/v3/gpio"

	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker"
)

// Size is a compartment's size by its word.
type Size locker.Size

// UnmarshalText reads small, medium or large.
func (s *Size) UnmarshalText(text []byte) error {
	sizes := map[string]locker.Size{"small": locker.Small, "medium": locker.Medium, "large": locker.Large}
	v, ok := sizes[string(text)]
	if !ok {
		return fmt.Errorf("size %q: wants small, medium or large", text)
	}
	*s = Size(v)
	return nil
}

// Source is a scanner's place by its word.
type Source locker.Source

// UnmarshalText reads citizen, barcode or badge.
func (s *Source) UnmarshalText(text []byte) error {
	switch v := locker.Source(text); v {
	case locker.SourceCitizen, locker.SourceBarcode, locker.SourceBadge:
		*s = Source(v)
		return nil
	}
	return fmt.Errorf("source %q: wants citizen, barcode or badge", text)
}

// Parity is a serial line's parity by its word.
type Parity modbus.Parity

// UnmarshalText reads none or even.
func (p *Parity) UnmarshalText(text []byte) error {
	switch string(text) {
	case "none":
		*p = Parity(modbus.ParityNone)
	case "even":
		*p = Parity(modbus.ParityEven)
	default:
		return fmt.Errorf("parity %q: wants none or even", text)
	}
	return nil
}

// Pull is a contact's resistor by its word; the usual contact needs one up.
type Pull string

// UnmarshalText reads up, down, off or board.
func (p *Pull) UnmarshalText(text []byte) error {
	if _, ok := pulls[Pull(text)]; !ok || len(text) == 0 {
		return fmt.Errorf("pull %q: wants up, down, off, or board (as the board has it)", text)
	}
	*p = Pull(text)
	return nil
}

var pulls = map[Pull]gpio.Pull{"": gpio.PullUp, "up": gpio.PullUp, "down": gpio.PullDown, "off": gpio.Float, "board": gpio.PullNoChange}

func (p Pull) pull() gpio.Pull { return pulls[p] }

// Day is a day of the week by its first three letters.
type Day time.Weekday

// UnmarshalText reads mon to sun.
func (d *Day) UnmarshalText(text []byte) error {
	for i := range 7 {
		if strings.EqualFold(time.Weekday(i).String()[:3], string(text)) {
			*d = Day(i)
			return nil
		}
	}
	return fmt.Errorf("day %q: wants mon, tue, wed, thu, fri, sat or sun", text)
}

// Minute is a time of day in minutes.
type Minute int

// UnmarshalText reads HH:MM, to 24:00.
func (m *Minute) UnmarshalText(text []byte) error {
	var h, minutes int
	if len(text) != 5 {
		return fmt.Errorf("time %q: wants HH:MM", text)
	}
	if n, err := fmt.Sscanf(string(text), "%02d:%02d", &h, &minutes); n != 2 || err != nil || h < 0 || minutes < 0 || minutes > 59 || h*60+minutes > 24*60 {
		return fmt.Errorf("time %q: wants HH:MM from 00:00 to 24:00", text)
	}
	*m = Minute(h*60 + minutes)
	return nil
}

// valueError is a value that is well written and makes no sense.
type valueError struct {
	table string // "compartment", "rules" …; empty: the top
	index int    // of an array's tables, from 0
	key   string
	want  string
}

func (e *valueError) Error() string {
	where := e.key
	if e.table != "" {
		where = strings.TrimSuffix(e.table+"."+e.key, ".")
	}
	return where + ": " + e.want
}

// line finds where the value stands, for texts that are laid out as usual: a
// header or a key at the start of each line.
func (e *valueError) line(text string) int {
	table, seen, best := "", -1, 1
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			table = strings.Trim(strings.TrimSpace(strings.SplitN(l, "#", 2)[0]), "[]")
			if table == e.table {
				seen++
			}
		}
		if table != e.table || e.table != "" && seen != e.index {
			continue
		}
		if strings.HasPrefix(l, "[") {
			best = i + 1
		}
		if key, _, ok := strings.Cut(l, "="); ok && strings.TrimSpace(key) == e.key {
			return i + 1
		}
	}
	return best
}

// longestLine is what the kiosk's pages have room for.
const longestLine = 80

// documentKinds are the kinds that orders name.
var documentKinds = []locker.DocumentKind{locker.IdentityCard, locker.Passport, locker.ResidencePermit, locker.OtherDocument}

// tooLong is the key whose words the pages have no room for; empty if all fit.
func (k Kiosk) tooLong() string {
	if utf8.RuneCountInString(k.Place) > longestLine {
		return "place"
	}
	for _, text := range []string{k.Desk.Name, k.Desk.Phone, k.Desk.Hours, k.Desk.HoursEnglish} {
		if utf8.RuneCountInString(text) > longestLine {
			return "desk"
		}
	}
	return ""
}

// Validate says what makes no sense and what would.
func (c Config) Validate() error {
	bad := func(table string, index int, key, format string, a ...any) error {
		return &valueError{table, index, key, fmt.Sprintf(format, a...)}
	}
	if c.State == "" {
		return bad("", 0, "state", "wants the folder in which journal, slots and keys lie")
	}
	if c.City.Broker == "" {
		return bad("city", 0, "broker", "wants an address like tls://mqtt.example.org:8883")
	}
	if c.City.TLS.Key == keyInTPM && c.TPM.Path == "" {
		return bad("city", 0, "tls", "the key %q wants a [tpm]", keyInTPM)
	}
	if c.Kiosk.Listen == "" {
		return bad("kiosk", 0, "listen", "wants a loopback address like 127.0.0.1:8480")
	}
	if _, err := c.Kiosk.HTTPS.origin(); err != nil {
		return bad("kiosk.https", 0, "name", "%s", err)
	}
	if h := c.Kiosk.HTTPS; h != (HTTPS{}) && (h.Certificate == "" || h.Key == "") {
		return bad("kiosk.https", 0, "certificate", "wants the PEM files of a certificate for %s and of its key", h.Name)
	}
	for _, d := range c.Documents {
		if !slices.Contains(documentKinds, locker.DocumentKind(d)) {
			return bad("", 0, "documents", "%q is no kind of document, wants some of %v", d, documentKinds)
		}
	}
	if key, wants := c.Kiosk.Declaration.fault(); key != "" {
		return bad("kiosk.declaration", 0, key, "%s", wants)
	}
	if key := c.Kiosk.tooLong(); key != "" {
		return bad("kiosk", 0, key, "wants at most %d characters each: it stands on one or two lines of the screen", longestLine)
	}
	if c.Seal != (Seal{}) && (c.Seal.Memory < 8 || c.Seal.Memory > 256<<10 || c.Seal.Time < 1 || c.Seal.Time > 10) {
		return bad("seal", 0, "memory_kib", "%d KiB in %d passes, wants 8 to 262144 KiB in 1 to 10 passes; leave [seal] out for the usual cost", c.Seal.Memory, c.Seal.Time)
	}
	if keep := time.Duration(c.Journal.Keep); keep < leastKeep || keep > mostKeep {
		return bad("journal", 0, "keep", "%v, wants %v to %v", keep, leastKeep, mostKeep)
	}
	for i, h := range c.Hours {
		if len(h.Days) == 0 || h.From >= h.To {
			return bad("hours", i, "from", "wants days, and a beginning before the end")
		}
	}
	if err := watchdog.CheckPeriod(c.Watchdog.period()); err != nil {
		return bad("watchdog", 0, "period", "%s", err)
	}
	if d := time.Duration(c.GPIO.Debounce); d != 0 && (d < 2*time.Millisecond || d > 500*time.Millisecond) {
		return bad("gpio", 0, "debounce", "%v, wants 2ms to 500ms", d)
	}
	for i, s := range c.Scanners {
		if key, want := s.validate(); want != "" {
			return bad("scanner", i, key, "%s", want)
		}
	}
	for i := range c.Readers {
		if key, want := c.validateReader(i); want != "" {
			return bad("reader", i, key, "%s", want)
		}
	}
	if err := c.validateWires(bad); err != nil {
		return err
	}
	return c.validateLedger(bad)
}

// validateLedger asks the state machine's own rules, one table at a time so
// that the line can be told.
func (c Config) validateLedger(bad func(table string, index int, key, format string, a ...any) error) error {
	l := c.Ledger()
	if err := l.ValidateRules(); err != nil {
		key := strings.TrimSuffix(strings.Fields(err.Error())[1], ":")
		return bad("rules", 0, key, "%s", strings.TrimPrefix(err.Error(), "rule "+key+": "))
	}
	for i := range l.Compartments {
		upTo := l
		upTo.Compartments = l.Compartments[:i+1]
		if err := upTo.Validate(); err != nil {
			if i == 0 && strings.HasPrefix(err.Error(), "terminal") {
				return bad("", 0, "terminal", "%s", err)
			}
			return bad("compartment", i, "number", "%s", err)
		}
	}
	if err := l.Validate(); err != nil {
		return bad("", 0, "terminal", "%s", err)
	}
	return nil
}

// validate names the key that is wrong, and what it wants.
func (s Scanner) validate() (key, want string) {
	keyboard := s.Driver == "keyboard"
	switch {
	case !keyboard && s.Driver != "serial" && s.Driver != "":
		return "driver", fmt.Sprintf(`%q, wants "serial" or "keyboard"`, s.Driver)
	case s.Path == "":
		return "path", "wants the device's file, by a name that stays: /dev/serial/by-id/… or /dev/input/by-id/…"
	case keyboard && s.Layout.Validate() != nil:
		return "layout", s.Layout.Validate().Error()
	case keyboard && s.Baud != 0:
		return "baud", "a keyboard has none"
	case !keyboard && s.Layout != "":
		return "layout", "is for keyboards"
	}
	return "", ""
}

// validateReader names the key that is wrong, and what it wants.
func (c Config) validateReader(i int) (key, want string) {
	r := c.Readers[i]
	for j := range i {
		if c.readerName(j) == c.readerName(i) {
			return "name", "wants a name of its own"
		}
	}
	switch {
	case r.Driver == "zfm" && (r.Path == "" || len(r.Command) > 0 || r.Detection):
		return "path", "driver zfm wants a path, and neither command nor detection: these modules look for no fakes"
	case r.Driver == "exec" && (len(r.Command) == 0 || !strings.HasPrefix(r.Command[0], "/") || r.Path != "" || r.Baud != 0):
		return "command", `driver exec wants command = ["/absolute/path", "argument"], and neither path nor baud`
	case r.Driver != "zfm" && r.Driver != "exec":
		return "driver", fmt.Sprintf(`%q, wants "zfm" or "exec"`, r.Driver)
	}
	return "", ""
}
