package vault

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// SelectorRest is how long a selector is not used again after its deposit's
// end: whoever finds an old letter finds no new deposit with it.
const SelectorRest = 90 * 24 * time.Hour

// place is what a selector names.
type place struct {
	generation locker.Generation
	recipient  int
}

type restRecord struct {
	Until time.Time `json:"until"`
}

func (v *Vault) readSelectors() error {
	v.resting = map[int]time.Time{}
	return readAll(v.Records, bucketSelectors, func(key string, r restRecord) error {
		selector, err := strconv.Atoi(key)
		v.resting[selector] = r.Until
		return err
	})
}

func (v *Vault) rest(selector int, at time.Time) error {
	r := restRecord{Until: at.Add(SelectorRest)}
	if _, err := v.put(bucketSelectors, strconv.Itoa(selector), r); err != nil {
		return fmt.Errorf("let selector rest: %w", err)
	}
	v.resting[selector] = r.Until
	return nil
}

// drawSelector draws evenly from those that are neither in use nor resting.
func (v *Vault) drawSelector(at time.Time) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	free := make([]int, 0, pin.Selectors)
	for s := range pin.Selectors {
		if _, used := v.selectors[s]; used {
			continue
		}
		if until, rests := v.resting[s]; rests {
			if at.Before(until) {
				continue
			}
			if err := v.Records.Delete(bucketSelectors, strconv.Itoa(s)); err != nil {
				return 0, fmt.Errorf("selector: %w", err)
			}
			delete(v.resting, s)
		}
		free = append(free, s)
	}
	if len(free) == 0 {
		return 0, fmt.Errorf("all %d selectors are in use or rest for %d days", pin.Selectors, int(SelectorRest.Hours()/24))
	}
	var b [8]byte
	if _, err := io.ReadFull(v.Rand, b[:]); err != nil {
		return 0, fmt.Errorf("draw a selector: %w", err)
	}
	// of 2^64 by at most 10^4: the bias is below 10^-15
	return free[binary.BigEndian.Uint64(b[:])%uint64(len(free))], nil
}

// Find answers locker.FindDeposit: which deposit and recipient the code's
// selector names; false for none. It touches no record.
func (v *Vault) Find(code pin.Code) (g locker.Generation, recipient int, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p, ok := v.selectors[code.Selector()]
	return p.generation, p.recipient, ok
}
