// Package letter prints what the town gives out on paper: the letter with the
// Abholcode, and the slip that a clerk scans at the terminal.
//
// The letter follows DIN 5008 form B: the address stands where a window
// envelope (DIN lang) shows it, and the code in the middle third, which the
// fold hides on every side. German on the first page, English on the second,
// which repeats everything but the code.
//
// Input is checked: what is too long is set smaller and then refused, and so is
// a script that the font does not have, with an error that names the field.
// Nothing is written if there is an error. The letter is a secret, and who calls
// decides where it goes; the package keeps nothing. The PDF is not tagged for
// screen readers.
package letter

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// Words are the same in both languages of the letter.
type Words struct {
	German  string `toml:"de"`
	English string `toml:"en"`
}

// Town is who writes.
type Town struct {
	Name    string   `toml:"name"`    // "Stadt Musterstadt"
	Office  string   `toml:"office"`  // "Bürgerbüro"
	Address []string `toml:"address"` // street; postcode and town
	Phone   string   `toml:"phone"`
	Web     string   `toml:"web"`   // may be empty
	Hours   Words    `toml:"hours"` // of the desk
	Bring   []Words  `toml:"bring"` // besides the letter; "Ihren alten Ausweis"
}

// Station is the terminal as citizens know it.
type Station struct {
	Place Words `toml:"place"` // "Rathaus, Marktplatz 1, Eingang Nord"
	Hours Words `toml:"hours"` // "rund um die Uhr"
}

// Letter tells one recipient that the document can be collected.
type Letter struct {
	Town      Town
	Station   Station
	To        []string // the address, 2 to 6 lines, the name first
	Date      time.Time
	Order     locker.OrderID
	Code      [3]string // the groups of pin.Code
	QR        string    // its payload, pin.Code.QR
	Fingers   []int     // positions, ISO/IEC 19794-2:2005, table 5; none: a personal number
	PINLetter bool      // receipt of the eID PIN letter is confirmed at the terminal
	LastDay   time.Time // on which it can be collected for certain, see [LastDay]
	Training  bool      // a dummy's letter: marked as such on every page
}

// Slip goes with a document from the desk to the terminal.
type Slip struct {
	Town     string
	Station  string
	Terminal string
	Order    locker.OrderID
	Arrived  time.Time
	Training bool // a dummy's slip: marked as such
}

// LastDay is the last day that retention, which begins on the day of posting,
// covers to its end.
func LastDay(posted time.Time, retention time.Duration) time.Time {
	return posted.Add(retention).AddDate(0, 0, -1)
}

// Write prints the letter as PDF, A4, two pages.
func Write(w io.Writer, l Letter) error {
	if err := l.validate(); err != nil {
		return fmt.Errorf("print the letter of order %s: %w", l.Order, err)
	}
	p := newPaper(210, 297, "Abholung Ihres Dokuments", l.Date)
	for _, side := range []sheet{{p, l, german, 1}, {p, l, english, 2}} {
		side.print()
	}
	if err := p.write(w); err != nil {
		return fmt.Errorf("print the letter of order %s: %w", l.Order, err)
	}
	return nil
}

// Validate says what is missing of the town's data.
func (t Town) Validate() error {
	switch {
	case t.Name == "":
		return errors.New("the town's name is missing")
	case t.Office == "":
		return errors.New("the town's office is missing")
	case len(t.Address) != 2:
		return fmt.Errorf("the town's address has %d lines, wants 2: street; postcode and town", len(t.Address))
	case t.Phone == "":
		return errors.New("the town's phone is missing")
	}
	for _, words := range append([]Words{t.Hours}, t.Bring...) {
		if err := words.validate(); err != nil {
			return fmt.Errorf("the town's hours or what to bring: %w", err)
		}
	}
	return nil
}

// Validate says what is missing of the station's data.
func (s Station) Validate() error {
	return errors.Join(named("place", s.Place.validate()), named("hours", s.Hours.validate()))
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the station's %s: %w", name, err)
}

func (w Words) validate() error {
	if w.German == "" || w.English == "" {
		return errors.New("wants both de and en")
	}
	return nil
}

func (l Letter) validate() error {
	if err := errors.Join(l.Town.Validate(), l.Station.Validate()); err != nil {
		return err
	}
	if n := len(l.To); n < 2 || n > 6 {
		return fmt.Errorf("the address has %d lines, wants 2 to 6 (DIN 5008)", n)
	}
	for i, line := range l.To {
		if strings.TrimSpace(line) == "" {
			return fmt.Errorf("line %d of the address is empty", i+1)
		}
	}
	for i, f := range l.Fingers {
		if f < 1 || f > 10 {
			return fmt.Errorf("finger %d: wants a position from 1 to 10 (ISO/IEC 19794-2)", f)
		}
		if i > 1 {
			return fmt.Errorf("%d fingers, wants at most 2", len(l.Fingers))
		}
	}
	if l.Date.IsZero() || l.LastDay.Before(l.Date) {
		return errors.New("the last day lies before the letter's date")
	}
	return l.validateCode()
}

// validateCode tells nothing of the code.
func (l Letter) validateCode() error {
	code, err := pin.Parse(strings.Join(l.Code[:], ""))
	if err != nil {
		return fmt.Errorf("the Abholcode: %w", err)
	}
	defer code.Wipe()
	if code.Groups() != l.Code || code.QR() != l.QR {
		return errors.New("the Abholcode and its QR code differ")
	}
	return nil
}
