package vault

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
	"github.com/nachtfach/nachtfach/pin/seal"
)

var errNotOpen = errors.New("no seal was opened in it, or what it opened was forgotten")

// visit is what is in memory while somebody stands there.
type visit struct {
	attempt    locker.AttemptID
	generation locker.Generation // zero: nothing was opened
	factor     envelope.Factor
	probe      *heldProbe // nil: no finger was captured
	turned     bool       // the person was told to turn the finger
}

// heldProbe is a captured finger, which is wiped when the visit has let go of it
// and no comparison works on it. The vault's mu guards it.
type heldProbe struct {
	Probe
	busy, forgotten bool
}

func (p *heldProbe) forget() {
	if p == nil {
		return
	}
	p.forgotten = true
	if w, ok := p.Probe.(interface{ Wipe() }); ok && !p.busy {
		w.Wipe()
	}
}

func (v *visit) wipe() {
	v.factor.Wipe()
	v.probe.forget()
	*v = visit{}
}

// Try answers locker.TryCode: it derives the key and tries the seal. What
// opens stays in memory for the attempt. Whatever is wrong, generation zero
// included, costs one derivation. An error means that slot or record could not
// be read, and nobody knows whether the code is right.
func (v *Vault) Try(attempt locker.AttemptID, g locker.Generation, recipient int, code pin.Code) (opened bool, err error) {
	v.work.Lock()
	defer v.work.Unlock()
	secret := code.Secret()
	defer clear(secret)
	s, err := v.sealed(g, recipient, code)
	if err != nil || s.box == nil {
		v.Crypto.Vain(secret)
		return false, err
	}
	defer clear(s.key)
	plain, err := v.openCode(s, secret)
	if errors.Is(err, seal.ErrWrong) || errors.Is(err, ErrRefused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("try the seal of generation %d: %w", g, err)
	}
	defer clear(plain)
	f, err := envelope.DecodeFactor(plain)
	if err != nil {
		return false, fmt.Errorf("try the seal of generation %d: %w", g, err)
	}
	v.keep(s.visits, visit{attempt: attempt, generation: g, factor: f})
	return true, nil
}

// lockedBox is what a try needs; without box there is nothing to try.
type lockedBox struct {
	box, key, ad []byte
	token        []byte // of its limit; empty: it has none
	visits       uint64
}

func (v *Vault) sealed(g locker.Generation, recipient int, code pin.Code) (lockedBox, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if g == 0 {
		return lockedBox{}, nil
	}
	d, ok := v.deposits[g]
	if !ok || recipient < 0 || recipient >= len(d.Recipients) {
		return lockedBox{}, fmt.Errorf("try the seal of generation %d: recipient %d has no record", g, recipient)
	}
	r := d.Recipients[recipient]
	if r.Selector != code.Selector() {
		return lockedBox{}, nil // a code of another deposit
	}
	key, token, err := v.depositKey(g)
	if err != nil {
		return lockedBox{}, fmt.Errorf("try the seal: %w", err)
	}
	return lockedBox{r.Sealed, key, v.bound(d, recipient), token, v.visits}, nil
}

// keep takes over what was opened, unless its visit was forgotten meanwhile.
func (v *Vault) keep(visits uint64, opened visit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.visits != visits || v.deposits[opened.generation].hash == "" {
		opened.wipe()
		return
	}
	v.visit.wipe()
	v.visit = opened
}

// Capture answers locker.CaptureFinger for an image from the reader: it keeps
// what [Vault.Compare] needs, if the image is good enough, and else advises
// how to lay the finger. It wants an opened seal.
func (v *Vault) Capture(attempt locker.AttemptID, image biometrics.Image) (locker.FingerAdvice, error) {
	v.work.Lock()
	defer v.work.Unlock()
	if err := v.during(attempt, func(s *visit) { s.probe.forget(); s.probe = nil }); err != nil {
		return "", fmt.Errorf("capture a finger: %w", err)
	}
	probe, advice, err := v.Matcher.Extract(image)
	if err != nil {
		return "", fmt.Errorf("capture a finger: %w", err)
	}
	err = v.during(attempt, func(s *visit) {
		switch {
		case advice == locker.AdviceTurn && s.turned:
			// The engine insists, and the person has tried. A comparison decides.
			s.probe, advice = &heldProbe{Probe: probe}, ""
		case advice == "":
			s.probe = &heldProbe{Probe: probe}
		}
		s.turned = s.turned || advice == locker.AdviceTurn
	})
	if err != nil {
		return "", fmt.Errorf("capture a finger: %w", err)
	}
	return advice, nil
}

// during runs f on the visit of this attempt.
func (v *Vault) during(attempt locker.AttemptID, f func(*visit)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.visit.generation == 0 || v.visit.attempt != attempt {
		return fmt.Errorf("attempt %d: %w", attempt, errNotOpen)
	}
	f(&v.visit)
	return nil
}

// Comparison is the evidence of a decision.
type Comparison struct {
	Accepted   bool
	Similarity float64 // of a finger, in the matcher's own measure
	FMR        float64 // false match rate that the similarity stands for
}

// Compare answers locker.CompareFactor: the captured finger with the one
// enrolled at that position, accepted if its false match rate is at most the
// threshold; or the number typed with the one chosen, in constant time.
func (v *Vault) Compare(attempt locker.AttemptID, g locker.Generation, factor locker.FactorKind, finger int, number []byte, threshold float64) (Comparison, error) {
	v.work.Lock()
	defer v.work.Unlock()
	wrong := func(err error) (Comparison, error) {
		return Comparison{}, fmt.Errorf("compare the %s of generation %d: %w", factor, g, err)
	}
	var kept visit
	if err := v.during(attempt, func(s *visit) { kept = s.copied(finger) }); err != nil {
		return wrong(err)
	}
	defer v.release(&kept)
	switch {
	case kept.generation != g:
		return wrong(fmt.Errorf("generation %d is open", kept.generation))
	case kept.factor.Kind != factor:
		return wrong(fmt.Errorf("the recipient has a %s", kept.factor.Kind))
	case factor == locker.FactorNumber:
		same := subtle.ConstantTimeCompare(number, kept.factor.Number) == 1
		return Comparison{Accepted: same}, nil
	case len(kept.factor.Fingers) == 0:
		return wrong(fmt.Errorf("finger %d is not enrolled", finger))
	case kept.probe == nil:
		return wrong(errors.New("no finger was captured"))
	}
	similarity, fmr, err := kept.probe.Compare(kept.factor.Fingers[0].Enrolment)
	if err != nil {
		return wrong(err)
	}
	return Comparison{Accepted: fmr <= threshold, Similarity: similarity, FMR: fmr}, nil
}

// release wipes the copy, and the probe if it was forgotten meanwhile.
func (v *Vault) release(kept *visit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := kept.probe; p != nil {
		p.busy = false
		if p.forgotten {
			p.forget()
		}
		kept.probe = nil
	}
	kept.wipe()
}

// copied is the visit with a copy of one finger alone, which can be worked on
// while the original is forgotten.
func (v *visit) copied(finger int) visit {
	c := *v
	if c.probe != nil {
		c.probe.busy = true // until release
	}
	c.factor.Fingers, c.factor.Number = nil, bytes.Clone(v.factor.Number)
	for _, f := range v.factor.Fingers {
		if f.Position == finger {
			f.Enrolment = append([]byte(nil), f.Enrolment...)
			c.factor.Fingers = []envelope.Finger{f}
		}
	}
	return c
}

// Forget answers locker.ForgetVisit.
func (v *Vault) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.visits++
	v.visit.wipe()
}
