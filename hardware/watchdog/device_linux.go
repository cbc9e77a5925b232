package watchdog

import (
	"os"

	"golang.org/x/sys/unix"
)

type charDevice struct{ *os.File }

func openCard(path string) (Card, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return charDevice{f}, nil
}

func (d charDevice) SetTimeout(seconds int) error {
	return unix.IoctlSetPointerInt(int(d.Fd()), unix.WDIOC_SETTIMEOUT, seconds)
}

func (d charDevice) Timeout() (int, error) {
	return unix.IoctlGetInt(int(d.Fd()), unix.WDIOC_GETTIMEOUT)
}

func (d charDevice) KeepAlive() error {
	return unix.IoctlWatchdogKeepalive(int(d.Fd()))
}
