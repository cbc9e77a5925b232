package vault

import (
	"errors"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
)

// Matcher compares fingers. [Biometrics] is the one in use.
type Matcher interface {
	// Check says whether an enrolment can be compared with.
	Check(enrolment []byte) error
	// Extract makes an image comparable, or advises how to lay the finger. With
	// AdviceTurn it returns a probe as well.
	Extract(image biometrics.Image) (Probe, locker.FingerAdvice, error)
}

// Probe is a finger that was captured. One that has a method Wipe is wiped when
// it is forgotten.
type Probe interface {
	// Compare returns the similarity to an enrolment and the false match rate
	// that it stands for.
	Compare(enrolment []byte) (similarity, fmr float64, err error)
}

// Biometrics is package biometrics: enrolments are ISO/IEC 19794-2:2005 records
// of several impressions.
type Biometrics struct{}

var _ Matcher = Biometrics{}

// leastQuality is the quality, 0 to 100, below which another try of the finger
// is better than a comparison: it costs none of the five.
const leastQuality = 15

// Check says whether biometrics can read the enrolment.
func (Biometrics) Check(enrolment []byte) error {
	e, err := biometrics.ParseEnrolment(enrolment)
	if err == nil {
		e.Wipe()
	}
	return err
}

// Extract makes a template, or advises by what most lowers its quality. A
// picture that no finger can cause is a fault of the reader or its
// configuration: the error wraps biometrics.ErrImageScale or
// biometrics.ErrImageNegative.
func (Biometrics) Extract(image biometrics.Image) (Probe, locker.FingerAdvice, error) {
	t, err := biometrics.Extract(image)
	switch {
	case errors.Is(err, biometrics.ErrNoFinger):
		return nil, locker.AdviceLay, nil
	case errors.Is(err, biometrics.ErrSeveralFingers):
		return nil, locker.AdviceClean, nil
	}
	if err != nil {
		return nil, "", err
	}
	if q := t.Quality(); q.Score < leastQuality {
		return nil, advice(q.Reason), nil
	}
	switch err := t.Misuse(); {
	case errors.Is(err, biometrics.ErrImageUpsideDown):
		return template{t}, locker.AdviceTurn, nil
	case err != nil:
		return nil, "", err
	}
	return template{t}, "", nil
}

// advice answers each reason by an advice of its own.
func advice(r biometrics.Reason) locker.FingerAdvice {
	switch r {
	case biometrics.TooSmall:
		return locker.AdviceFlat
	case biometrics.OffCentre:
		return locker.AdviceCentre
	case biometrics.TooDry:
		return locker.AdviceDry
	case biometrics.TooWet:
		return locker.AdviceWet
	case biometrics.Blurred:
		return locker.AdviceLonger
	default:
		return locker.AdviceClean
	}
}

type template struct{ *biometrics.Template }

func (t template) Compare(enrolment []byte) (similarity, fmr float64, err error) {
	e, err := biometrics.ParseEnrolment(enrolment)
	if err != nil {
		return 0, 1, err
	}
	defer e.Wipe()
	s := e.Compare(t.Template)
	return s.Similarity, s.FMR, nil
}
