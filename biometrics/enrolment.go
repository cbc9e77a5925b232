package biometrics

import (
	"errors"
	"fmt"
	"slices"
)

// Impressions is how many impressions of a finger an enrolment wants: with
// three, a comparison fails a fraction as often as with one.
const Impressions = 3

const (
	// maxImpressions bounds the work of a comparison.
	maxImpressions = 10

	// minEnrolQuality is the least quality an impression must have.
	minEnrolQuality = 25

	// enrolFMR is how surely each impression must match another one.
	enrolFMR = 1e-4
)

// Errors of enrolment, wrapped with the impression's number; the text of each
// says what a person can do.
var (
	ErrPoorImpression = errors.New("impression is too poor to enrol: lay the finger again")
	ErrSame           = errors.New("impression is the same as another one: lift the finger and lay it again")
	ErrNotAlike       = errors.New("impression does not match the others: lay the same finger, in the same way")
)

// Enrolment is one finger: several impressions of it. It never changes.
type Enrolment struct{ impressions []*Template }

// Enrol makes an enrolment of impressions of one finger; Impressions of them is
// what it should get, one to ten is what it takes. It refuses an impression of
// low quality and one that does not match the others: such a finger would be
// refused at every visit. These errors are *ImpressionError. Pictures that were
// taken in a wrong way are refused with ErrImageScale, ErrImageNegative or
// ErrImageUpsideDown, wrapped.
func Enrol(impressions ...*Template) (*Enrolment, error) {
	if len(impressions) < 1 || len(impressions) > maxImpressions {
		return nil, fmt.Errorf("enrol a finger: %d impressions, not 1 to %d", len(impressions), maxImpressions)
	}
	for i, t := range impressions {
		if t == nil || t.quality.Score < minEnrolQuality {
			return nil, &ImpressionError{i + 1, ErrPoorImpression, qualityOf(t)}
		}
	}
	if err := misuse(impressions); err != nil {
		return nil, fmt.Errorf("enrol a finger: %w", err)
	}
	for i, t := range impressions {
		for _, other := range impressions[:i] {
			if slices.Equal(t.minutiae, other.minutiae) {
				return nil, &ImpressionError{i + 1, ErrSame, t.quality}
			}
		}
	}
	for i, t := range impressions {
		if len(impressions) > 1 && !matchesOther(impressions, i) {
			return nil, &ImpressionError{i + 1, ErrNotAlike, t.quality}
		}
	}
	return &Enrolment{append([]*Template(nil), impressions...)}, nil
}

func qualityOf(t *Template) Quality {
	if t == nil {
		return Quality{Reason: TooSmall}
	}
	return t.quality
}

func matchesOther(impressions []*Template, i int) bool {
	for j, other := range impressions {
		if i != j && Compare(impressions[i], other).FMR <= enrolFMR {
			return true
		}
	}
	return false
}

// ImpressionError says which impression Enrol refused, and why.
type ImpressionError struct {
	Impression int // from 1
	Err        error
	Quality    Quality
}

func (e *ImpressionError) Error() string {
	return fmt.Sprintf("enrol impression %d (quality %d, %v): %v", e.Impression, e.Quality.Score, e.Quality.Reason, e.Err)
}

func (e *ImpressionError) Unwrap() error { return e.Err }

// Impressions returns how many impressions there are.
func (e *Enrolment) Impressions() int { return len(e.impressions) }

// Compare compares a probe with every impression. The similarity is the best
// one; its false match rate counts that each impression had its chance.
func (e *Enrolment) Compare(probe *Template) Score {
	best := noMatch
	for _, t := range e.impressions {
		if s := Compare(probe, t); s.Similarity > best.Similarity {
			best = s
		}
	}
	best.FMR = min(best.FMR*float64(len(e.impressions)), 1)
	return best
}

// MarshalBinary returns the enrolment as a finger minutiae record with a view
// an impression.
func (e *Enrolment) MarshalBinary() ([]byte, error) { return marshalViews(e.impressions) }

// ParseEnrolment reads what MarshalBinary wrote, or any finger minutiae record
// of one to ten views. It does not judge them again. Every error wraps
// ErrTemplate.
func ParseEnrolment(data []byte) (*Enrolment, error) {
	views, err := parseRecord(data, maxImpressions)
	if err != nil {
		return nil, err
	}
	return &Enrolment{views}, nil
}
