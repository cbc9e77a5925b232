package envelope

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Bounds of an order.
const (
	MaxDocuments  = 20
	MaxRecipients = 10
	MaxFingers    = 2         // of one recipient; a third is never asked for
	MaxEnrolment  = 256 << 10 // bytes of one finger's enrolment
	maxOrder      = 1 << 20   // bytes of a signed order before sealing
	maxVersion    = 1_000_000
)

// Order is the city's request to hold documents for recipients, with what each
// recipient proves. Terms.Desk is who signed it: found at opening, ignored at
// sealing.
type Order struct {
	Terminal string
	Issued   time.Time // to the second
	Terms    locker.OrderTerms
	Factors  []Factor // of each recipient, in their order
}

// Factor is what a recipient proves beside the code: fingers, or a number. It
// is a secret: it has no String, JSON or log form.
type Factor struct {
	Kind    locker.FactorKind
	Fingers []Finger // of FactorFinger, 1 or 2
	Number  string   // of FactorNumber, 6 to 12 digits
}

// Finger is one enrolled finger.
type Finger struct {
	Position  int    // ISO/IEC 19794-2:2005, table 5, 1 to 10
	Enrolment []byte // as package biometrics writes it
}

// SealedOrder is an order on its way and as vault record.
type SealedOrder struct {
	Terminal string         `json:"terminal"`
	Order    locker.OrderID `json:"order"`
	Version  int            `json:"version"`
	Key      locker.KeyID   `json:"key"`    // one-time key of the terminal
	Sealed   []byte         `json:"sealed"` // encapsulated key and ciphertext of the signed order
}

type orderJSON struct {
	Terminal   string                `json:"terminal"`
	Issued     time.Time             `json:"issued"`
	Order      locker.OrderID        `json:"order"`
	Version    int                   `json:"version"`
	Key        locker.KeyID          `json:"key"`
	Documents  []locker.DocumentKind `json:"documents"`
	Recipients []recipientJSON       `json:"recipients"`
	Size       locker.Size           `json:"size"`
	LowReach   bool                  `json:"low_reach"`
	PINLetter  bool                  `json:"pin_letter"`
	Training   bool                  `json:"training,omitempty"`
}

type recipientJSON struct {
	Kind   locker.RecipientKind `json:"kind"`
	Factor factorJSON           `json:"factor"`
}

// SealOrder signs the order with the desk's key and seals it to the public
// half of the terminal's one-time key Terms.Key. The result is the message.
func SealOrder(s Suite, desk Signer, public []byte, o Order) ([]byte, error) {
	o.Issued = o.Issued.UTC().Truncate(time.Second)
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("seal order: %w", err)
	}
	body, err := json.Marshal(o.wire())
	if err != nil {
		return nil, fmt.Errorf("seal order %s: %w", o.Terms.Order, err)
	}
	defer clear(body)
	signed, err := Sign(desk, NamespaceOrder, append(body, '\n'))
	if err != nil {
		return nil, fmt.Errorf("seal order %s: %w", o.Terms.Order, err)
	}
	defer clear(signed)
	if len(signed) > maxOrder {
		return nil, fmt.Errorf("seal order %s: %d bytes, at most %d", o.Terms.Order, len(signed), maxOrder)
	}
	m := SealedOrder{Terminal: o.Terminal, Order: o.Terms.Order, Version: o.Terms.Version, Key: o.Terms.Key}
	if m.Sealed, err = s.Seal(public, m.info(), signed); err != nil {
		return nil, fmt.Errorf("seal order %s to key %d: %w", m.Order, m.Key, err)
	}
	return json.Marshal(m)
}

// ParseSealedOrder reads a message; nothing of it is proved yet.
func ParseSealedOrder(message []byte) (SealedOrder, error) {
	var m SealedOrder
	if err := decodeStrict(message, &m); err != nil {
		return SealedOrder{}, fmt.Errorf("sealed order: %w", err)
	}
	if err := errors.Join(CheckTerminal(m.Terminal), CheckOrderID(m.Order), checkVersion(m.Version), checkKey(m.Key)); err != nil {
		return SealedOrder{}, fmt.Errorf("sealed order: %w", err)
	}
	if len(m.Sealed) == 0 || len(m.Sealed) > maxOrder+4096 {
		return SealedOrder{}, fmt.Errorf("sealed order %s: %d sealed bytes, wants 1 to %d", m.Order, len(m.Sealed), maxOrder+4096)
	}
	return m, nil
}

// OpenOrder opens a message with the private half of its one-time key and
// verifies that a desk of the roster signed it, who has not left at that time.
func OpenOrder(s Suite, private []byte, m SealedOrder, people People, at time.Time) (Order, error) {
	signed, err := s.Open(private, m.info(), m.Sealed)
	if err != nil {
		return Order{}, fmt.Errorf("order %s: does not open with key %d: it was sealed for another terminal, order or key, or was changed", m.Order, m.Key)
	}
	defer clear(signed)
	if len(signed) > maxOrder {
		return Order{}, fmt.Errorf("order %s: %d bytes, at most %d", m.Order, len(signed), maxOrder)
	}
	body, desk, err := verifiedBy(s, NamespaceOrder, signed, people, locker.Desk, at)
	if err != nil {
		return Order{}, fmt.Errorf("order %s: %w", m.Order, err)
	}
	var w orderJSON
	if err := decodeStrict(body, &w); err != nil {
		return Order{}, fmt.Errorf("order %s: %w", m.Order, err)
	}
	o := w.order()
	o.Terms.Desk = desk
	if err := o.Validate(); err != nil {
		return Order{}, err
	}
	if o.Terminal != m.Terminal || o.Terms.Order != m.Order || o.Terms.Version != m.Version || o.Terms.Key != m.Key {
		return Order{}, fmt.Errorf("order %s: what was signed names another terminal, order, version or key than its envelope", m.Order)
	}
	return o, nil
}

func (m SealedOrder) info() []byte {
	return info("order", m.Terminal, m.Order, m.Version, m.Key)
}

// Wipe overwrites the factors.
func (o *Order) Wipe() {
	for i := range o.Factors {
		o.Factors[i].Wipe()
	}
}

// Validate says what is wrong with the order and what would be right.
func (o Order) Validate() error {
	t := o.Terms
	if err := errors.Join(CheckTerminal(o.Terminal), CheckOrderID(t.Order), checkVersion(t.Version), checkKey(t.Key), checkTime("issued", o.Issued)); err != nil {
		return err
	}
	wrong := func(form string, args ...any) error {
		return fmt.Errorf("order %s: "+form, append([]any{t.Order}, args...)...)
	}
	switch {
	case len(t.Documents) < 1 || len(t.Documents) > MaxDocuments:
		return wrong("%d documents, wants 1 to %d", len(t.Documents), MaxDocuments)
	case len(t.Recipients) < 1 || len(t.Recipients) > MaxRecipients:
		return wrong("%d recipients, wants 1 to %d", len(t.Recipients), MaxRecipients)
	case len(o.Factors) != len(t.Recipients):
		return wrong("%d factors for %d recipients", len(o.Factors), len(t.Recipients))
	case t.Size < locker.Small || t.Size > locker.Large:
		return wrong("size %d, wants 1 to 3", t.Size)
	}
	for _, d := range t.Documents {
		switch d {
		case locker.IdentityCard, locker.Passport, locker.ResidencePermit, locker.OtherDocument:
		default:
			return wrong("document of unknown kind %.40q", string(d))
		}
	}
	for i, r := range t.Recipients {
		switch r.Kind {
		case locker.Applicant, locker.Proxy, locker.Parent:
		default:
			return wrong("recipient %d of unknown kind %.40q", i+1, string(r.Kind))
		}
		f := o.Factors[i]
		if err := f.validate(); err != nil {
			return wrong("recipient %d: %w", i+1, err)
		}
		if r.Factor != f.Kind || !slices.Equal(r.Fingers, f.positions()) {
			return wrong("recipient %d: the terms announce another factor than there is", i+1)
		}
	}
	return nil
}

func (f Factor) validate() error {
	switch f.Kind {
	case locker.FactorFinger:
		if len(f.Fingers) < 1 || len(f.Fingers) > MaxFingers || f.Number != "" {
			return fmt.Errorf("%d fingers enrolled, wants 1 or %d and no number", len(f.Fingers), MaxFingers)
		}
		for i, g := range f.Fingers {
			switch {
			case g.Position < 1 || g.Position > 10:
				return fmt.Errorf("finger position %d, wants 1 to 10", g.Position)
			case i > 0 && g.Position == f.Fingers[0].Position:
				return fmt.Errorf("finger position %d is there twice", g.Position)
			case len(g.Enrolment) == 0 || len(g.Enrolment) > MaxEnrolment:
				return fmt.Errorf("finger %d: enrolment of %d bytes, wants 1 to %d", g.Position, len(g.Enrolment), MaxEnrolment)
			}
		}
	case locker.FactorNumber:
		if len(f.Fingers) > 0 {
			return errors.New("fingers beside a number")
		}
		if n := len(f.Number); n < 6 || n > 12 || strings.Trim(f.Number, "0123456789") != "" {
			return errors.New("the number wants 6 to 12 digits")
		}
	default:
		return fmt.Errorf("factor of unknown kind %.40q", string(f.Kind))
	}
	return nil
}

func (f Factor) positions() []int {
	var p []int
	for _, g := range f.Fingers {
		p = append(p, g.Position)
	}
	return p
}

func (f Factor) wire() factorJSON {
	w := factorJSON{Kind: string(f.Kind), Number: f.Number}
	for _, g := range f.Fingers {
		w.Fingers = append(w.Fingers, fingerJSON(g))
	}
	return w
}

func (w factorJSON) factor() Factor {
	f := Factor{Kind: locker.FactorKind(w.Kind), Number: w.Number}
	for _, g := range w.Fingers {
		f.Fingers = append(f.Fingers, Finger(g))
	}
	return f
}

func (o Order) wire() orderJSON {
	w := orderJSON{
		Terminal: o.Terminal, Issued: o.Issued,
		Order: o.Terms.Order, Version: o.Terms.Version, Key: o.Terms.Key,
		Documents: o.Terms.Documents, Size: o.Terms.Size,
		LowReach: o.Terms.LowReach, PINLetter: o.Terms.PINLetter, Training: o.Terms.Training,
	}
	for i, r := range o.Terms.Recipients {
		w.Recipients = append(w.Recipients, recipientJSON{r.Kind, o.Factors[i].wire()})
	}
	return w
}

func (w orderJSON) order() Order {
	o := Order{Terminal: w.Terminal, Issued: w.Issued, Terms: locker.OrderTerms{
		Order: w.Order, Version: w.Version, Key: w.Key,
		Documents: w.Documents, Size: w.Size, LowReach: w.LowReach, PINLetter: w.PINLetter, Training: w.Training,
	}}
	for _, r := range w.Recipients {
		f := r.Factor.factor()
		o.Factors = append(o.Factors, f)
		o.Terms.Recipients = append(o.Terms.Recipients, locker.Recipient{Kind: r.Kind, Factor: f.Kind, Fingers: f.positions()})
	}
	return o
}

func checkVersion(v int) error {
	if v < 1 || v > maxVersion {
		return fmt.Errorf("version %d, wants 1 to %d", v, maxVersion)
	}
	return nil
}

func checkKey(k locker.KeyID) error {
	if k < 1 || k > 1<<53 { // what JSON carries exactly
		return fmt.Errorf("key %d, wants 1 to 2^53", k)
	}
	return nil
}
