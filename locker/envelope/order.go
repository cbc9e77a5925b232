package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	maxWord       = 64 // bytes of a name, a kind or a number in JSON

	// maxSealedOrder is in bytes: base64 of a sealed order, some encoders' escapes
	// of its slashes, and the names around it.
	maxSealedOrder = MaxMessage
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
	Number  []byte   // of FactorNumber, 6 to 12 digits
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

// What the desk signs is JSON, with terminal, issued, order, version, key,
// documents, recipients (kind and factor), size, low_reach, pin_letter and, where
// it is true, training. It is written and read by hand, as a factor is.

// SealOrder signs the order with the desk's key and seals it to the public
// half of the terminal's one-time key Terms.Key. The result is the message.
func SealOrder(s Suite, desk Signer, public []byte, o Order) ([]byte, error) {
	o.Issued = o.Issued.UTC().Truncate(time.Second)
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("seal order: %w", err)
	}
	body, err := o.encode()
	defer clear(body)
	if err != nil {
		return nil, fmt.Errorf("seal order %s: %w", o.Terms.Order, err)
	}
	signed, err := Sign(desk, NamespaceOrder, body)
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
	if len(message) > maxSealedOrder {
		return SealedOrder{}, fmt.Errorf("sealed order: %d bytes, at most %d", len(message), maxSealedOrder)
	}
	r := &reader{b: message}
	r.object(func(name string) bool {
		switch name {
		case "terminal":
			m.Terminal = string(r.text(maxWord))
		case "order":
			m.Order = locker.OrderID(r.text(maxWord))
		case "version":
			m.Version = r.small()
		case "key":
			m.Key = locker.KeyID(r.number())
		case "sealed":
			m.Sealed = r.bytes(maxOrder + 4096)
		default:
			return false
		}
		return true
	})
	if err := r.end(); err != nil {
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
// verifies that a desk signed it who had not left when the order was issued. The
// time at is the terminal's: an order that claims to be issued later is judged by
// it. A zero time means none.
func OpenOrder(s Suite, private []byte, m SealedOrder, people People, at time.Time) (Order, error) {
	signed, err := s.Open(private, m.info(), m.Sealed)
	if err != nil {
		return Order{}, fmt.Errorf("order %s: does not open with key %d: it was sealed for another terminal, order or key, or was changed", m.Order, m.Key)
	}
	defer clear(signed)
	if len(signed) > maxOrder {
		return Order{}, fmt.Errorf("order %s: %d bytes, at most %d", m.Order, len(signed), maxOrder)
	}
	body, keys, err := verified(s, NamespaceOrder, signed)
	if err == nil && len(keys) != 1 {
		err = fmt.Errorf("bears %d signatures, wants one", len(keys))
	}
	if err == nil { // nothing of a stranger's is read
		_, err = people.Holder(keys[0], locker.Desk, time.Time{})
	}
	if err != nil {
		return Order{}, fmt.Errorf("order %s: %w", m.Order, err)
	}
	o, err := readOrder(body)
	defer func() {
		if err != nil {
			o.Wipe()
		}
	}()
	if err != nil {
		return Order{}, fmt.Errorf("order %s: %w", m.Order, err)
	}
	if err = o.Validate(); err != nil {
		return Order{}, err
	}
	when := o.Issued
	if !at.IsZero() && at.Before(when) {
		when = at
	}
	if o.Terms.Desk, err = people.Holder(keys[0], locker.Desk, when); err != nil {
		err = fmt.Errorf("order %s: %w", m.Order, err)
		return Order{}, err
	}
	if o.Terminal != m.Terminal || o.Terms.Order != m.Order || o.Terms.Version != m.Version || o.Terms.Key != m.Key {
		err = fmt.Errorf("order %s: what was signed names another terminal, order, version or key than its envelope", m.Order)
		return Order{}, err
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
		if len(f.Fingers) < 1 || len(f.Fingers) > MaxFingers || len(f.Number) > 0 {
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
		if n := len(f.Number); n < 6 || n > 12 || len(bytes.Trim(f.Number, "0123456789")) > 0 {
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

// encode writes what the desk signs. The caller clears it.
func (o Order) encode() ([]byte, error) {
	t := o.Terms
	room := 1024 + 24*len(t.Documents)
	for _, f := range o.Factors {
		room += 64 + f.room()
	}
	b := fmt.Appendf(make([]byte, 0, room), `{"terminal":"%s","issued":"%s","order":"%s","version":%d,"key":%d,"documents":[`,
		o.Terminal, timeText(o.Issued), t.Order, t.Version, t.Key)
	for i, d := range t.Documents {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `"%s"`, d)
	}
	b = append(b, `],"recipients":[`...)
	for i, r := range t.Recipients {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"kind":"%s","factor":`, r.Kind)
		b = append(o.Factors[i].append(b), '}')
	}
	b = fmt.Appendf(b, `],"size":%d,"low_reach":%t,"pin_letter":%t`, t.Size, t.LowReach, t.PINLetter)
	if t.Training {
		b = append(b, `,"training":true`...)
	}
	b = append(b, "}\n"...)
	if cap(b) != room {
		clear(b)
		return nil, errRoom
	}
	return b, nil
}

// readOrder reads what a desk signed; nobody has validated it. The caller wipes
// the order, also after an error.
func readOrder(body []byte) (o Order, err error) {
	r, t := &reader{b: body}, &o.Terms
	r.object(func(name string) bool {
		switch name {
		case "terminal":
			o.Terminal = string(r.text(maxWord))
		case "issued":
			o.Issued = r.time()
		case "order":
			t.Order = locker.OrderID(r.text(maxWord))
		case "version":
			t.Version = r.small()
		case "key":
			t.Key = locker.KeyID(r.number())
		case "documents":
			r.array(MaxDocuments, func() { t.Documents = append(t.Documents, locker.DocumentKind(r.text(maxWord))) })
		case "recipients":
			r.array(MaxRecipients, func() {
				kind, f := readRecipient(r)
				o.Factors = append(o.Factors, f)
				t.Recipients = append(t.Recipients, locker.Recipient{Kind: kind, Factor: f.Kind, Fingers: f.positions()})
			})
		case "size":
			t.Size = locker.Size(r.small())
		case "low_reach":
			t.LowReach = r.boolean()
		case "pin_letter":
			t.PINLetter = r.boolean()
		case "training":
			t.Training = r.boolean()
		default:
			return false
		}
		return true
	})
	return o, r.end()
}

func readRecipient(r *reader) (kind locker.RecipientKind, f Factor) {
	r.object(func(name string) bool {
		switch name {
		case "kind":
			kind = locker.RecipientKind(r.text(maxWord))
		case "factor":
			f = readFactor(r)
		default:
			return false
		}
		return true
	})
	return kind, f
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
