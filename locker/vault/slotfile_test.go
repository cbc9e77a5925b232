package vault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/nachtfach/nachtfach/locker/vault"
)

func slotFile(t testing.TB, slots int) (*vault.SlotFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slots")
	if err := vault.CreateSlotFile(path, slots); err != nil {
		t.Fatal(err)
	}
	s, err := vault.OpenSlotFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, path
}

func TestSlotKeepsWhatWasWritten(t *testing.T) {
	s, path := slotFile(t, 3)
	if s.Count() != 3 {
		t.Errorf("%d slots", s.Count())
	}
	long := bytes.Repeat([]byte{7}, vault.MaxSlot)
	for i, block := range [][]byte{{0}, long, []byte("key")} {
		if err := s.Write(i, block); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Erase(0); err != nil {
		t.Fatal(err)
	}
	again := must(vault.OpenSlotFile(path))
	defer func() { _ = again.Close() }()
	for i, want := range [][]byte{nil, long, []byte("key")} {
		if got, err := again.Read(i); err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("slot %d: %.10x, %v", i, got, err)
		}
	}
	if info := must(os.Stat(path)); info.Size() != 4*vault.BlockSize || info.Mode().Perm() != 0o600 {
		t.Errorf("%d bytes, mode %v", info.Size(), info.Mode())
	}
}

func TestErasedSlotIsOverwrittenInPlace(t *testing.T) {
	s, path := slotFile(t, 2)
	secret := []byte("a secret of thirty-two bytes ...")
	if err := s.Write(1, secret); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(must(os.ReadFile(path)), secret) {
		t.Fatal("it is not in the file: the test is blind")
	}
	if err := s.Write(1, []byte("shorter")); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(must(os.ReadFile(path)), secret[7:]) {
		t.Error("something is left after another write")
	}
	if err := s.Erase(1); err != nil {
		t.Fatal(err)
	}
	if disk := must(os.ReadFile(path)); len(bytes.Trim(disk[vault.BlockSize:], "\x00")) > 0 {
		t.Error("something is left after erasing")
	}
}

func TestTornSlotIsFreeAndScrubbed(t *testing.T) {
	s, path := slotFile(t, 1)
	secret := []byte("a secret of thirty-two bytes ...")
	if err := s.Write(0, secret); err != nil {
		t.Fatal(err)
	}
	disk := must(os.ReadFile(path))
	disk[2*vault.BlockSize-1] ^= 1
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	again := must(vault.OpenSlotFile(path))
	defer func() { _ = again.Close() }()
	if got, err := again.Read(0); got != nil || err != nil {
		t.Errorf("%x, %v", got, err)
	}
	if bytes.Contains(must(os.ReadFile(path)), secret[:8]) {
		t.Error("half a secret is left")
	}
}

func TestSlotFileIsNeverOverwrittenByANewOne(t *testing.T) {
	s, path := slotFile(t, 1)
	if err := s.Write(0, []byte("key")); err != nil {
		t.Fatal(err)
	}
	refused(t, vault.CreateSlotFile(path, 1), "exists")
	if files := must(os.ReadDir(filepath.Dir(path))); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
	refused(t, vault.CreateSlotFile(path+"2", 0), "0 slots")
	refused(t, vault.CreateSlotFile(path+"2", vault.MaxSlots+1), "wants 1 to")
	refused(t, vault.CreateSlotFile(filepath.Join(path, "x"), 1), "create slot file")
}

func TestBadSlotFileIsRefused(t *testing.T) {
	_, path := slotFile(t, 2)
	good := must(os.ReadFile(path))
	for says, spoil := range map[string]func([]byte) []byte{
		"read its header":   func([]byte) []byte { return nil },
		"no slot file":      func(b []byte) []byte { b[0] = 'X'; return b },
		"damaged":           func(b []byte) []byte { b[11]++; return b },
		"8192 bytes for 2":  func(b []byte) []byte { return b[:2*vault.BlockSize] },
		"12289 bytes for 2": func(b []byte) []byte { return append(b, 0) },
	} {
		if err := os.WriteFile(path, spoil(bytes.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := vault.OpenSlotFile(path)
		refused(t, err, says)
	}
	_, err := vault.OpenSlotFile(path + "-not")
	refused(t, err, "open slot file")
}

func TestSlotsOutOfBoundsAreErrors(t *testing.T) {
	s, _ := slotFile(t, 1)
	for _, i := range []int{-1, 1} {
		if _, err := s.Read(i); err == nil {
			t.Errorf("read slot %d", i)
		}
		if s.Write(i, []byte("x")) == nil || s.Erase(i) == nil {
			t.Errorf("wrote slot %d", i)
		}
	}
	refused(t, s.Write(0, nil), "0 bytes")
	refused(t, s.Write(0, make([]byte, vault.MaxSlot+1)), "bytes, wants 1 to")
}

func TestFileSystemIsNamedIfItCopiesOnWrite(t *testing.T) {
	s, _ := slotFile(t, 1)
	if name, is := s.CopyOnWrite(); is != (name != "") {
		t.Errorf("%q, %v", name, is)
	}
}

func TestVaultRefusesSlotsThatItDoesNotUnderstand(t *testing.T) {
	h := newHouse(t)
	if err := h.slots.Write(11, []byte("what is this?")); err != nil {
		t.Fatal(err)
	}
	_, err := vault.Open(h.config)
	refused(t, err, "slot 11: 13 bytes of no known kind")
	if err := h.slots.Write(11, must(h.slots.Read(0))); err != nil {
		t.Fatal(err)
	}
	_, err = vault.Open(h.config)
	refused(t, err, "slots 0 and 11 both hold key 1")
}

func TestVaultRefusesRecordsThatItDoesNotUnderstand(t *testing.T) {
	for bucket, key := range map[string]string{"orders": "A-2026-0001", "deposits": "10", "commands": "10", "selectors": "1", "roster": "current"} {
		h := newHouse(t)
		_ = h.records.Put(bucket, key, []byte("{"))
		_, err := vault.Open(h.config)
		refused(t, err, "open vault")
	}
	h := newHouse(t)
	_ = h.records.Put("deposits", "10", []byte(`{"generation":11}`))
	_, err := vault.Open(h.config)
	refused(t, err, "deposits 10: names generation 11")
	for says, spoil := range map[string]func(*vault.Config){
		"the terminal's key":    func(c *vault.Config) { c.TerminalKey = c.TerminalKey[1:] },
		"the city's letter key": func(c *vault.Config) { c.LetterKey = h.letter },
	} {
		bad := h.config
		spoil(&bad)
		_, err := vault.Open(bad)
		refused(t, err, says)
	}
	h.config.Device = nil
	_, err = vault.Open(h.config)
	refused(t, err, "are wanted")
	h.config.Terminal = ""
	_, err = vault.Open(h.config)
	refused(t, err, "terminal")
}

func FuzzSlotFile(f *testing.F) {
	_, path := slotFile(f, 1)
	good := must(os.ReadFile(path))
	f.Add(good[:64], []byte("S\x00\x03key"))
	f.Fuzz(func(t *testing.T, header, slot []byte) {
		disk := bytes.Clone(good)
		copy(disk[:vault.BlockSize], header)
		copy(disk[vault.BlockSize:], slot)
		path := filepath.Join(t.TempDir(), "slots")
		if err := os.WriteFile(path, disk, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := vault.OpenSlotFile(path)
		if err != nil {
			return
		}
		defer func() { _ = s.Close() }()
		for i := range s.Count() {
			if _, err := s.Read(i); err != nil {
				t.Fatal(err)
			}
		}
	})
}
