package seal

import (
	"fmt"
	"time"
)

// Params are what one argon2id derivation costs (RFC 9106, 3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes over the memory
	Threads uint8  // lanes
}

// Bounds of what a record may ask for: a board with 1 GB serves 256 MiB once
// at a time, and 16 passes over that take it some 15 s.
const (
	minMemory, maxMemory = 8, 256 << 10
	maxTime              = 16
	maxThreads           = 4
	maxWork              = 1 << 20 // KiB·passes: four over 256 MiB, sixteen over 64 MiB
)

// DefaultParams are RFC 9106's second recommendation with one lane: 64 MiB,
// three passes; 120 ms on a server, perhaps 0.9 s on a Raspberry Pi 4.
func DefaultParams() Params { return Params{Memory: 64 << 10, Time: 3, Threads: 1} }

// Validate says which parameter is out of its bounds.
func (p Params) Validate() error {
	switch {
	case p.Memory < minMemory || p.Memory > maxMemory:
		return fmt.Errorf("argon2id: %d KiB of memory, wants %d to %d", p.Memory, minMemory, maxMemory)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("argon2id: %d passes, wants 1 to %d", p.Time, maxTime)
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("argon2id: %d lanes, wants 1 to %d", p.Threads, maxThreads)
	case p.Memory < minMemory*uint32(p.Threads):
		return fmt.Errorf("argon2id: %d KiB of memory for %d lanes, wants %d", p.Memory, p.Threads, minMemory*uint32(p.Threads))
	case uint64(p.Memory)*uint64(p.Time) > maxWork:
		return fmt.Errorf("argon2id: %d passes over %d KiB, together at most %d", p.Time, p.Memory, maxWork)
	}
	return nil
}

// Calibrate returns the parameters, at least the default ones, whose
// derivation takes this machine about target; now is a monotonic clock. It
// also returns how long one takes by its measure.
func Calibrate(target time.Duration, now func() time.Time) (Params, time.Duration) {
	p := DefaultParams()
	started := now()
	Vain(p, []byte("calibrate"))
	took := now().Sub(started)
	pass := max(took/time.Duration(p.Time), 1)
	passes := min(max(int64(target/pass), int64(p.Time)), maxTime)
	p.Time = uint32(passes)
	return p, pass * time.Duration(passes)
}
