//go:build !linux

package rtc

import "errors"

func (c *Clock) lostPower() (bool, error) { return false, errors.ErrUnsupported }
