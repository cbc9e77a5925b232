package daemon

import (
	"fmt"
	"io"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// params are what one key derivation costs. They travel with each seal, so that
// a change leaves older deposits as they are.
func (c Config) params() seal.Params {
	p := seal.DefaultParams()
	if c.Seal != (Seal{}) {
		p.Memory, p.Time = c.Seal.Memory, c.Seal.Time
	}
	return p
}

// derivationTime is what one derivation should take at the terminal: long for who
// searches, short for who waits.
const derivationTime = 750 * time.Millisecond

// Calibrate writes the keys of the configuration with which one key derivation
// takes this board 0.5 to 1 s, if it is fast enough for the least cost.
func Calibrate(w io.Writer) error {
	p, took := seal.Calibrate(derivationTime, time.Now)
	after := max((2*took).Truncate(100*time.Millisecond)+500*time.Millisecond, time.Duration(locker.DefaultRules().AnswerAfter))
	_, err := fmt.Fprintf(w, "# one key derivation takes %v here\n[seal]\nmemory_kib = %d\npasses = %d\n\n[rules]\nanswer_after = \"%v\"\n",
		took.Round(time.Millisecond), p.Memory, p.Time, after)
	return err
}
