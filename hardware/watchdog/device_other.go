//go:build !linux

package watchdog

import "errors"

func openCard(string) (Card, error) { return nil, errors.New("watchdog devices are Linux's") }
