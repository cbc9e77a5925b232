package seal_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/pin/seal"
)

// BenchmarkDerivation is one at the default cost; lockerd calibrate does it on
// the board.
func BenchmarkDerivation(b *testing.B) {
	for b.Loop() {
		seal.Vain(seal.DefaultParams(), []byte("1234567"))
	}
}
