// Package desk is what a desk does when a citizen applies: pictures of a finger
// become an order that only one terminal can open, once.
//
// The templates exist in this process alone, between capture and sealing. The
// package talks to nobody: who leases the key and hands over the order is the
// caller's business, with package api.
package desk

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Application is what the desk asks and captures.
type Application struct {
	Terminal  string
	Document  locker.DocumentKind
	Size      locker.Size
	LowReach  bool // must lie within reach from a wheelchair
	PINLetter bool // receipt of the eID PIN letter is confirmed at handover
	Fingers   []Finger
	Number    string // in place of fingers: chosen by people whose fingers cannot be read
}

// Finger is one finger with its pictures; biometrics.Impressions of them make
// a good enrolment.
type Finger struct {
	Position int // ISO/IEC 19794-2:2005, table 5, 1 to 10
	Pictures []biometrics.Image
}

// Order enrols, signs with the desk's key and seals to a leased key of the
// terminal. The id is drawn at random.
func (a Application) Order(by envelope.Signer, key envelope.PublishedKey, now time.Time) (locker.OrderID, []byte, error) {
	factor, err := a.factor()
	if err != nil {
		return "", nil, err
	}
	defer factor.Wipe()
	id := drawID()
	recipient := locker.Recipient{Kind: locker.Applicant, Factor: factor.Kind}
	for _, f := range factor.Fingers {
		recipient.Fingers = append(recipient.Fingers, f.Position)
	}
	order := envelope.Order{
		Terminal: a.Terminal, Issued: now.UTC().Truncate(time.Second),
		Terms: locker.OrderTerms{
			Order: id, Version: 1, Key: key.ID, Documents: []locker.DocumentKind{a.Document},
			Recipients: []locker.Recipient{recipient}, Size: a.Size, LowReach: a.LowReach, PINLetter: a.PINLetter,
		},
		Factors: []envelope.Factor{factor},
	}
	sealed, err := envelope.SealOrder(envelope.Standard{}, by, key.Public, order)
	return id, sealed, err
}

func (a Application) factor() (envelope.Factor, error) {
	if a.Number != "" {
		if len(a.Fingers) > 0 {
			return envelope.Factor{}, errors.New("order: fingers or a number, not both")
		}
		return envelope.Factor{Kind: locker.FactorNumber, Number: a.Number}, nil
	}
	if len(a.Fingers) == 0 {
		return envelope.Factor{}, errors.New("order: wants the pictures of one or two fingers, or a number")
	}
	f := envelope.Factor{Kind: locker.FactorFinger}
	for _, finger := range a.Fingers {
		enrolment, err := enrol(finger)
		if err != nil {
			return envelope.Factor{}, fmt.Errorf("order: finger %d: %w", finger.Position, err)
		}
		f.Fingers = append(f.Fingers, envelope.Finger{Position: finger.Position, Enrolment: enrolment})
	}
	return f, nil
}

func enrol(f Finger) ([]byte, error) {
	templates := make([]*biometrics.Template, len(f.Pictures))
	for i, p := range f.Pictures {
		t, err := biometrics.Extract(p)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i+1, err)
		}
		templates[i] = t
	}
	e, err := biometrics.Enrol(templates...)
	if err != nil {
		return nil, err
	}
	return e.MarshalBinary()
}

// drawID draws 80 bits: opaque, and short enough for a slip's barcode.
func drawID() locker.OrderID {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return locker.OrderID(base32.StdEncoding.EncodeToString(b[:]))
}
