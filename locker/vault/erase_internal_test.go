package vault

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"testing"
)

// wire records what is written to a file, and each sync.
type wire struct {
	mediumFile
	did []string // "random", "zeros", "sync"
}

func (w *wire) WriteAt(p []byte, at int64) (int, error) {
	if bytes.Equal(p, make([]byte, len(p))) {
		w.did = append(w.did, "zeros")
	} else {
		w.did = append(w.did, "random")
	}
	return w.mediumFile.WriteAt(p, at)
}

func (w *wire) Sync() error {
	w.did = append(w.did, "sync")
	return w.mediumFile.Sync()
}

// Zeros alone would do on most media. A drive that compresses, or that keeps a
// note of which sectors are zero, writes nothing for them and keeps the old ones.
func TestASlotIsOverwrittenWithRandomBytesBeforeZeros(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	if err := CreateSlotFile(path, 2); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSlotFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	secret := make([]byte, 64)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(1, secret); err != nil {
		t.Fatal(err)
	}
	w := &wire{mediumFile: s.file}
	s.file = w
	if err := s.Erase(1); err != nil {
		t.Fatal(err)
	}
	want := []string{"random", "sync", "zeros", "sync"}
	if len(w.did) != len(want) {
		t.Fatalf("erasing did %v, want %v", w.did, want)
	}
	for i := range want {
		if w.did[i] != want[i] {
			t.Fatalf("erasing did %v, want %v", w.did, want)
		}
	}
}
