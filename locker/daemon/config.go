package daemon

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/nachtfach/nachtfach/hardware/evdev"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

// Config is a terminal's configuration file. Every key is known, or the start
// is refused; lengths of time are written like "90s" or "168h".
type Config struct {
	Terminal string `toml:"terminal"` // its id: a–z, 0–9, hyphen
	State    string `toml:"state"`    // folder of journal, slots and keys
	// AnyFilesystem lets the key slots lie where overwriting is not certain.
	AnyFilesystem bool          `toml:"any_filesystem"`
	Documents     []string      `toml:"documents"` // kinds that are handed out here; empty: all
	Training      bool          `toml:"training"`  // dummy orders alone, marked everywhere; see [locker.Config.Training]
	City          City          `toml:"city"`
	Kiosk         Kiosk         `toml:"kiosk"`
	Rules         locker.Rules  `toml:"rules"`
	Clock         Clock         `toml:"clock"`
	Hours         []Hours       `toml:"hours"`
	Seal          Seal          `toml:"seal"`
	TPM           TPM           `toml:"tpm"`
	Journal       Journal       `toml:"journal"`
	Watchdog      Watchdog      `toml:"watchdog"`
	GPIO          GPIO          `toml:"gpio"`
	Expanders     []Expander    `toml:"expander"`
	Modbus        []Modbus      `toml:"modbus"`
	Readers       []Reader      `toml:"reader"`
	Scanners      []Scanner     `toml:"scanner"`
	Sensors       []Sensor      `toml:"sensor"`
	Heating       Heating       `toml:"heating"`
	Compartments  []Compartment `toml:"compartment"`
}

// City says where the city's broker is and by which keys the city is known.
type City struct {
	Broker       string          `toml:"broker"` // tls://host:8883, or tcp://127.0.0.1:1883
	Username     string          `toml:"username"`
	PasswordFile string          `toml:"password_file"`
	TLS          broker.TLSFiles `toml:"tls"`
	Verifier     string          `toml:"verifier"`   // of the city's notes
	LetterKey    string          `toml:"letter_key"` // public; letters are sealed to it
	Repeat       locker.Duration `toml:"repeat"`     // of keys and letters that a broker may have lost
}

// Kiosk says where the touch screen's browser finds the terminal.
type Kiosk struct {
	Listen string `toml:"listen"` // loopback only
	Place  string `toml:"place"`  // where the terminal stands, at the head of each page
	Desk   Help   `toml:"desk"`
	HTTPS  HTTPS  `toml:"https"`

	Declaration Declaration `toml:"declaration"`

	Screenless bool `toml:"screenless"` // no touch screen shows the pages here
}

// HTTPS is a second way to the touch screen's pages, without which a browser
// asks no security key. All of it or none.
type HTTPS struct {
	Name        string `toml:"name"`        // of the town's domain; resolves to the loopback
	Listen      string `toml:"listen"`      // loopback only
	Certificate string `toml:"certificate"` // PEM, for the name
	Key         string `toml:"key"`         // PEM
}

// origin is that of the pages; empty without a name.
func (h HTTPS) origin() (string, error) {
	if h == (HTTPS{}) {
		return "", nil
	}
	name, err := kiosk.SecureName(h.Name, h.Listen)
	return "https://" + name, err
}

// Declaration is what recipients confirm before handover, where their order asks
// for it. Without a version the built-in text about the PIN letter is shown.
type Declaration struct {
	Version         string `toml:"version"` // recorded with each confirmation
	Question        string `toml:"question"`
	Text            string `toml:"text"`
	QuestionEnglish string `toml:"question_english"`
	TextEnglish     string `toml:"text_english"`
}

// builtInDeclaration is the version of the built-in text.
const builtInDeclaration = "pin-letter-2025"

// version names the text that is shown.
func (d Declaration) version() string { return cmp.Or(d.Version, builtInDeclaration) }

// fault is the first key whose value is of no use; empty if all are.
func (d Declaration) fault() (key, wants string) {
	if d == (Declaration{}) {
		return "", ""
	}
	for _, v := range []struct {
		key, value string
		most       int
	}{
		{"version", d.Version, 40}, {"question", d.Question, 120}, {"text", d.Text, 400},
		{"question_english", d.QuestionEnglish, 120}, {"text_english", d.TextEnglish, 400},
	} {
		if n := utf8.RuneCountInString(v.value); n < 1 || n > v.most {
			return v.key, fmt.Sprintf("wants 1 to %d characters", v.most)
		}
	}
	return "", ""
}

// Help is where a person helps when the terminal cannot; shown on the pages.
type Help struct {
	Name         string `toml:"name"`
	Phone        string `toml:"phone"`
	Hours        string `toml:"hours"`
	HoursEnglish string `toml:"hours_english"`
}

// Clock is the zone of the opening hours: an offset, and whether it has the
// Union's summer time.
type Clock struct {
	Offset int    `toml:"utc_offset_minutes"`
	Summer bool   `toml:"summer_time"`
	RTC    string `toml:"rtc"` // the board's real-time clock, as the kernel names it: "rtc0"
}

// Hours is a time at which citizens may collect; none at all means always.
type Hours struct {
	Days []Day  `toml:"days"`
	From Minute `toml:"from"`
	To   Minute `toml:"to"`
}

// Seal is the cost of one key derivation (argon2id).
type Seal struct {
	Memory uint32 `toml:"memory_kib"`
	Time   uint32 `toml:"passes"`
}

// Journal says for how long the terminal keeps what happened. The city's record
// has a period of its own.
type Journal struct {
	Keep locker.Duration `toml:"keep"` // acknowledged events' bodies; afterwards their hashes alone
}

// Watchdog is the hardware's. The service manager's needs no configuration.
type Watchdog struct {
	Device string          `toml:"device"` // /dev/watchdog; empty: none
	Period locker.Duration `toml:"period"`
}

// GPIO is how lines are wired.
type GPIO struct {
	ActiveLow bool            `toml:"lock_active_low"`
	Pulse     locker.Duration `toml:"pulse"`
	OpenIsLow bool            `toml:"contact_open_is_low"`
	OutputLow bool            `toml:"output_active_low"` // lights and heater
	Pull      Pull            `toml:"contact_pull"`
	Debounce  locker.Duration `toml:"debounce"` // of contacts
}

// Expander is an MCP23017 port expander with locks and contacts on its lines.
type Expander struct {
	Name      string          `toml:"name"`
	Bus       string          `toml:"bus"`       // /dev/i2c-1
	Address   int             `toml:"address"`   // 0x20 to 0x27
	Interrupt string          `toml:"interrupt"` // the GPIO line that INTA or INTB is on; empty: polled
	ActiveLow bool            `toml:"lock_active_low"`
	Pulse     locker.Duration `toml:"pulse"`
	OpenIsLow bool            `toml:"contact_open_is_low"`
}

// Modbus is a serial line of relay and input boards.
type Modbus struct {
	Name      string          `toml:"name"`
	Path      string          `toml:"path"`
	Baud      int             `toml:"baud"`
	Parity    Parity          `toml:"parity"`
	Pulse     locker.Duration `toml:"pulse"`
	Timed     modbus.Timed    `toml:"timed_pulse"` // of its relay boards
	OpenIsOff bool            `toml:"contact_open_is_off"`
}

// Reader is a fingerprint reader.
type Reader struct {
	Driver    string   `toml:"driver"`    // "zfm", or "exec" for a vendor's helper
	Name      string   `toml:"name"`      // for alarms and errors
	Path      string   `toml:"path"`      // of zfm
	Baud      int      `toml:"baud"`      // of zfm
	Command   []string `toml:"command"`   // of exec; see package hardware/exec
	Detection bool     `toml:"detection"` // of exec: it looks for fakes and gives a score
}

// Scanner is a scanner or badge reader: a serial line of text, or a keyboard.
type Scanner struct {
	Source Source       `toml:"source"` // citizen, barcode or badge
	Driver string       `toml:"driver"` // "serial", also if left out, or "keyboard"
	Path   string       `toml:"path"`
	Baud   int          `toml:"baud"`   // of serial
	Layout evdev.Layout `toml:"layout"` // of keyboard: us or de
}

// Heating keeps the finger reader above the dew.
type Heating struct {
	Thermometer string  `toml:"thermometer"` // a file with thousandths of a degree Celsius
	Heater      Wire    `toml:"heater"`
	OnBelow     float64 `toml:"on_below"`  // °C
	OffAbove    float64 `toml:"off_above"` // °C
}

// Sensor is an input that watches the terminal itself.
type Sensor struct {
	Kind  locker.Sensor `toml:"kind"` // tamper, mains or enclosure
	Wire  Wire          `toml:"wire"`
	IsLow bool          `toml:"tripped_is_low"` // it is tripped while its line is low, or its input off
}

// Compartment is one door and its wires.
type Compartment struct {
	Number   locker.CompartmentID `toml:"number"`
	Size     Size                 `toml:"size"`
	Height   int                  `toml:"height_cm"`
	Row      int                  `toml:"row"`
	Column   int                  `toml:"column"`
	LowReach bool                 `toml:"low_reach"`
	Lock     Wire                 `toml:"lock"`
	Contact  Wire                 `toml:"contact"`
	Light    Wire                 `toml:"light"` // may be left out
}

// Wire is where a lock or contact is connected: a line's name in the registry,
// an expander's line, or a board's address on a Modbus line.
type Wire struct {
	GPIO     string `toml:"gpio"`
	Expander string `toml:"expander"`
	Line     int    `toml:"line"`
	Modbus   string `toml:"modbus"`
	Board    int    `toml:"board"`
	Address  int    `toml:"address"`
}

// LoadConfig reads a configuration file. Errors name the file, the line and
// what would be right.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return ParseConfig(path, text)
}

// ParseConfig reads a configuration; name is for the errors.
func ParseConfig(name string, text []byte) (Config, error) {
	c := Config{Rules: locker.DefaultRules(), Journal: Journal{Keep: DefaultKeep}}
	d := toml.NewDecoder(bytes.NewReader(severalReaders(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, explain(name, err)
	}
	if err := c.Validate(); err != nil {
		var at *valueError
		if errors.As(err, &at) {
			return Config{}, fmt.Errorf("%s:%d: %w", name, at.line(string(text)), err)
		}
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// oneReader is the header of the time when there was one reader only.
var oneReader = regexp.MustCompile(`(?m)^[ \t]*\[[ \t]*reader[ \t]*\]`)

// severalReaders makes [reader] the first [[reader]].
func severalReaders(text []byte) []byte {
	return oneReader.ReplaceAll(text, []byte("[[reader]]"))
}

// explain puts file and line before what the decoder says.
func explain(name string, err error) error {
	if strict := (*toml.StrictMissingError)(nil); errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		row, _ := first.Position()
		return fmt.Errorf("%s:%d: unknown key %q; docs/configuration.md lists the keys", name, row, strings.Join(first.Key(), "."))
	}
	if decode := (*toml.DecodeError)(nil); errors.As(err, &decode) {
		row, _ := decode.Position()
		if key := strings.Join(decode.Key(), "."); key != "" {
			return fmt.Errorf("%s:%d: %s: %s", name, row, key, strings.TrimPrefix(decode.Error(), "toml: "))
		}
		return fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Ledger is the part of the configuration that the state machine decides by.
func (c Config) Ledger() locker.Config {
	l := locker.Config{Terminal: c.Terminal, HardwareKey: c.TPM.Path != "", Detection: c.detection(), Rules: c.Rules, Training: c.Training, Declaration: c.Kiosk.Declaration.version()}
	l.Hours.Zone = locker.Zone{Offset: c.Clock.Offset, Summer: c.Clock.Summer}
	for _, h := range c.Hours {
		for _, d := range h.Days {
			l.Hours.Windows = append(l.Hours.Windows, locker.Window{Day: time.Weekday(d), From: int(h.From), To: int(h.To)})
		}
	}
	for _, d := range c.Documents {
		l.Documents = append(l.Documents, locker.DocumentKind(d))
	}
	for _, s := range c.Sensors {
		l.Sensors = append(l.Sensors, s.Kind)
	}
	for _, k := range c.Compartments {
		l.Compartments = append(l.Compartments, locker.CompartmentSpec{
			Number: k.Number, Size: locker.Size(k.Size), Height: k.Height, Row: k.Row, Column: k.Column, LowReach: k.LowReach,
		})
	}
	return l
}
