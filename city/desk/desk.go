// Package desk is what a desk does when a citizen applies: pictures of a finger
// become an order that only one terminal can open, once.
//
// The templates exist in this process alone, between capture and sealing. The
// package talks to nobody: who leases the key and hands over the order is the
// caller's business, with package api.
package desk

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/api"
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
	Training  bool // a dummy, for a terminal that trains
	Fingers   []Finger
	Number    []byte // in place of fingers: chosen by people whose fingers cannot be read
	// HandsChecked is set when a person has checked that the scans are not
	// mirrored and that each finger has its right name.
	HandsChecked bool
}

// Finger is one enrolled finger. It holds templates and has no printed form.
type Finger struct {
	Position  int // ISO/IEC 19794-2:2005, table 5, 1 to 10
	enrolment []byte
	mirror    float64 // odds that the pictures are mirrored, in powers of ten
}

// Format hides the finger from every verb of fmt.
func (Finger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "desk.Finger(hidden)") }

// PictureError says which picture Enrol refused, and why.
type PictureError struct {
	Picture int // from 1
	Err     error
}

func (e *PictureError) Error() string { return fmt.Sprintf("picture %d: %v", e.Picture, e.Err) }

// Unwrap gives the engine's reason.
func (e *PictureError) Unwrap() error { return e.Err }

// Enrol makes an enrolment of pictures of one finger, biometrics.Impressions of
// them at best. What would be refused at every visit is refused here, as a
// *PictureError, or with an error of package biometrics about all pictures:
// a wrong resolution, a negative, upside down.
func Enrol(position int, pictures ...biometrics.Image) (Finger, error) {
	if position < 1 || position > 10 {
		return Finger{}, fmt.Errorf("finger %d: wants a position from 1 (right thumb) to 10 (left little finger)", position)
	}
	for i := range pictures {
		for j := range i {
			if samePicture(pictures[j], pictures[i]) {
				return Finger{}, &PictureError{i + 1, errSamePicture}
			}
		}
	}
	templates := make([]*biometrics.Template, len(pictures))
	for i, p := range pictures {
		t, err := biometrics.Extract(p)
		if err != nil {
			return Finger{}, &PictureError{i + 1, err}
		}
		templates[i] = t
	}
	e, err := biometrics.Enrol(templates...)
	if bad := (*biometrics.ImpressionError)(nil); errors.As(err, &bad) {
		return Finger{}, &PictureError{bad.Impression, bad}
	}
	if err != nil {
		return Finger{}, err
	}
	data, err := e.MarshalBinary()
	return Finger{position, data, e.MirrorOdds(position)}, err
}

// mirrored is from which odds on, in powers of ten, the pictures of a person
// are refused as mirrored. One finger alone does not reach it: one loop in
// fifteen opens to the thumb.
const mirrored = 1.3

// LooksMirrored tells whether the loops of the fingers together open to the
// wrong side for their hands. One finger is no evidence.
func (a Application) LooksMirrored() bool {
	var odds float64
	for _, f := range a.Fingers {
		odds += f.mirror
	}
	return odds >= mirrored
}

// Wipe overwrites the number and the enrolments, once the order is sealed.
func (a *Application) Wipe() {
	clear(a.Number)
	for _, f := range a.Fingers {
		clear(f.enrolment)
	}
	a.Number, a.Fingers = nil, nil
}

// Validate says what is missing before a key is leased for it.
func (a Application) Validate() error {
	switch {
	case len(a.Number) > 0 && len(a.Fingers) > 0:
		return errors.New("fingers or a number, not both")
	case len(a.Number) == 0 && (len(a.Fingers) == 0 || len(a.Fingers) > 2):
		return errors.New("wants one or two fingers, or a number")
	case !a.HandsChecked && a.LooksMirrored():
		return biometrics.ErrImageMirrored
	case len(a.Number) > 0 && !locker.ValidNumber(a.Number):
		return errors.New("number: wants 6 to 12 digits")
	}
	return nil
}

// Key is the leased key, if the terminal's device signed for it. Without that,
// whoever hands it out could hand out one of their own, read the templates, and
// seal the signed order anew to the terminal's.
func Key(leased api.Key, device note.Verifier) (envelope.PublishedKey, error) {
	keys, err := envelope.OpenKeys(device, leased.Terminal, leased.List)
	if err != nil {
		return envelope.PublishedKey{}, fmt.Errorf("leased key %d: %w", leased.Key, err)
	}
	for _, k := range keys {
		if k.ID == leased.Key && bytes.Equal(k.Public, leased.Public) {
			return k, nil
		}
	}
	return envelope.PublishedKey{}, fmt.Errorf("leased key %d is not on the list that terminal %s signed", leased.Key, leased.Terminal)
}

// Order signs with the desk's key and seals to a leased key of the terminal. It
// returns what the city takes (envelope.SignSubmission). The id is drawn at random.
func (a Application) Order(by envelope.Signer, key envelope.PublishedKey, now time.Time) (locker.OrderID, []byte, error) {
	if err := a.Validate(); err != nil {
		return "", nil, err
	}
	id := drawID()
	factor := envelope.Factor{Kind: locker.FactorFinger}
	recipient := locker.Recipient{Kind: locker.Applicant, Factor: locker.FactorFinger}
	for _, f := range a.Fingers {
		factor.Fingers = append(factor.Fingers, envelope.Finger{Position: f.Position, Enrolment: f.enrolment})
		recipient.Fingers = append(recipient.Fingers, f.Position)
	}
	if len(a.Number) > 0 {
		factor.Kind, factor.Number, recipient.Factor = locker.FactorNumber, a.Number, locker.FactorNumber
	}
	sealed, err := envelope.SealOrder(envelope.Standard{}, by, key.Public, envelope.Order{
		Terminal: a.Terminal, Issued: now.UTC().Truncate(time.Second),
		Terms: locker.OrderTerms{
			Order: id, Version: 1, Key: key.ID, Documents: []locker.DocumentKind{a.Document},
			Recipients: []locker.Recipient{recipient}, Size: a.Size, LowReach: a.LowReach, PINLetter: a.PINLetter, Training: a.Training,
		},
		Factors: []envelope.Factor{factor},
	})
	if err != nil {
		return id, nil, err
	}
	submission, err := envelope.SignSubmission(by, sealed)
	return id, submission, err
}

// drawID draws 80 bits: opaque, and short enough for a slip's barcode.
func drawID() locker.OrderID {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return locker.OrderID(base32.StdEncoding.EncodeToString(b[:]))
}
