//go:build !linux

package secretmem

// Protect does nothing here.
func Protect() error { return nil }
