//go:build !linux

package gpio

import "errors"

// CharDev has no chips here: the character devices are Linux's.
func CharDev() Kernel { return noDevices{} }

type noDevices struct{}

func (noDevices) Chips() []string { return nil }

func (noDevices) OpenChip(string) (Chip, error) {
	return nil, errors.New("GPIO character devices are Linux's")
}
