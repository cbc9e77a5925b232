//go:build !linux

package firmwaresim

import (
	"errors"
	"os"
)

func openPTY() (master, slave *os.File, err error) {
	return nil, nil, errors.New("simulated serial devices need Linux")
}

func unshare(*os.File) {}
