package secretmem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Protect makes the process non-dumpable: no core dump is written, not even to a
// handler that ignores the limit, and only root may trace the process or read
// /proc/PID/mem. A program that the process starts is not covered.
func Protect() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep this process's memory from other processes: %w", err)
	}
	return nil
}
