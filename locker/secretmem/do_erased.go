//go:build goexperiment.runtimesecret

package secretmem

import (
	"runtime"
	"runtime/secret"
)

// Erases tells whether Do erases what the work leaves.
const Erases = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// Do runs f and erases its registers and stack when it returns, and what it
// allocated as soon as it is collected. Goroutines that f starts are not covered.
func Do(f func()) { secret.Do(f) }
