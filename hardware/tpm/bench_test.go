package tpm_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
)

// On the emulator these say what sessions and encryption cost; a chip's NV
// memory is slower.
func BenchmarkBump(b *testing.B) {
	k := defined(b)
	for b.Loop() {
		if err := k.Bump(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	k := defined(b)
	key := make([]byte, tpm.KeySize)
	for b.Loop() {
		if err := k.Put(0, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLimit(b *testing.B) {
	k := defined(b)
	for b.Loop() {
		token, err := k.Limit(right, share, tries)
		if err == nil {
			err = k.Forget(token)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkShare(b *testing.B) {
	k := defined(b)
	token, err := k.Limit(right, share, tries)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := k.Share(token, right); err != nil {
			b.Fatal(err)
		}
	}
}

func defined(b *testing.B) *tpm.Chip {
	e := tpmtest.Start(b)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = k.Close() })
	return k
}
