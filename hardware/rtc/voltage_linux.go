package rtc

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Bits of what RTC_VL_READ answers (linux/rtc.h).
const (
	invalid   = 1 << 0 // RTC_VL_DATA_INVALID
	backupOut = 1 << 2 // RTC_VL_BACKUP_EMPTY
)

// lostPower asks the chip for its voltage flag.
func (c *Clock) lostPower() (bool, error) {
	f, err := os.Open(filepath.Join(c.cfg.Dev, c.cfg.Name))
	if err != nil {
		return false, err
	}
	defer f.Close() // it was only read
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.RTC_VL_READ)
	return flags&(invalid|backupOut) != 0, err
}
