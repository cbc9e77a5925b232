package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
)

// RootSize is the length of a root key in bytes.
const RootSize = 32

// RootKeys is where root keys lie: two places in hardware that can be
// overwritten for certain; hardware/tpm.Chip is one.
type RootKeys interface {
	// Get reads place 0 or 1; zeros: it is empty.
	Get(place int) ([]byte, error)
	// Put overwrites it with RootSize bytes; durable when it returns.
	Put(place int, key []byte) error
}

// ErrOtherRoot tells that the hardware does not hold the root key of these
// slots: the disk is another terminal's, or a copy from before the root was
// replaced. Nothing in it can be opened any more.
var ErrOtherRoot = errors.New("the hardware key is not the one of these slots")

// RootedSlots are a [SlotFile] whose payloads are sealed under a root key in
// hardware (XChaCha20-Poly1305, bound to the slot's number). Without it, a copy
// of the disk opens nothing.
//
// Overwriting a slot is logical, as in any file. [RootedSlots.ReplaceRoot]
// makes it certain:
//
//  1. a new root is written to the idle place in hardware;
//  2. what lives is sealed under it into a new file, which takes the old one's
//     place when it is durable;
//  3. the old root is overwritten with zeros. From here on every block that
//     was ever written under it is noise, wherever a copy lies.
//
// The file names its root, so that after a cut at any step [OpenRootedSlots]
// knows which of the two places counts, and empties the other.
type RootedSlots struct {
	disk  medium
	path  string
	keys  RootKeys
	rand  io.Reader
	file  *SlotFile
	place int // of the root in force
	aead  cipher.AEAD
}

var _ Rooted = (*RootedSlots)(nil)

// rootName tells root keys apart and gives nothing of them away.
func rootName(root []byte) []byte {
	h := sha256.Sum256(append([]byte("nachtfach.de/root/v1\n"), root...))
	return h[:markSize]
}

// OpenRootedSlots opens a slot file under its root. A file without one is moved
// under a new root first; its blocks from before may survive on flash media.
// Errors: [ErrOtherRoot].
func OpenRootedSlots(path string, keys RootKeys, rand io.Reader) (*RootedSlots, error) {
	return openRootedSlots(system{}, path, keys, rand)
}

func openRootedSlots(disk medium, path string, keys RootKeys, rand io.Reader) (*RootedSlots, error) {
	s := &RootedSlots{disk: disk, path: path, keys: keys, rand: rand}
	if err := s.open(); err != nil {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
		return nil, fmt.Errorf("open slots under a root key: %w", err)
	}
	return s, nil
}

func (s *RootedSlots) open() (err error) {
	leftovers, err := s.disk.glob(s.path + temporary) // sealed under a root that is emptied below
	if err != nil {
		return err
	}
	for _, path := range leftovers {
		if err := s.disk.remove(path); err != nil {
			return err
		}
	}
	if s.file, err = openSlotFile(s.disk, s.path); err != nil {
		return err
	}
	if isZero(s.file.mark) {
		return s.ReplaceRoot()
	}
	found := false
	for place := range 2 {
		root, err := s.keys.Get(place)
		if err != nil {
			return err
		}
		if !found && subtle.ConstantTimeCompare(rootName(root), s.file.mark) == 1 {
			found, s.place = true, place
			if s.aead, err = chacha20poly1305.NewX(root); err != nil {
				return err
			}
		}
		clear(root)
	}
	if !found {
		return ErrOtherRoot
	}
	return s.empty(1 - s.place)
}

// empty overwrites a place that holds something.
func (s *RootedSlots) empty(place int) error {
	root, err := s.keys.Get(place)
	if err != nil {
		return err
	}
	defer clear(root)
	if isZero(root) {
		return nil
	}
	return s.keys.Put(place, make([]byte, RootSize))
}

// ReplaceRoot makes certain what was erased before.
func (s *RootedSlots) ReplaceRoot() error {
	next := make([]byte, RootSize)
	defer clear(next)
	if _, err := io.ReadFull(s.rand, next); err != nil {
		return fmt.Errorf("draw a root key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(next)
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	// An earlier try may have put a file in place and not for good: then both
	// roots are needed still.
	folder := filepath.Dir(s.path)
	if err := s.disk.syncFolder(folder); err != nil {
		return s.file.breaks("sync the slots' folder", err)
	}
	other := 1 - s.place
	if err := s.keys.Put(other, next); err != nil {
		return err
	}
	file, err := writeSlotFile(s.disk, s.path, s.file.count, rootName(next), func(i int) ([]byte, error) {
		plain, err := s.Read(i)
		if err != nil || plain == nil {
			return nil, err
		}
		defer clear(plain)
		return sealSlot(s.rand, aead, i, plain)
	})
	if err != nil {
		return fmt.Errorf("seal the slots anew: %w", err)
	}
	old := s.file
	s.file, s.aead, s.place = file, aead, other
	if err := errors.Join(old.Close(), s.disk.syncFolder(folder)); err != nil {
		return s.file.breaks("seal the slots anew", err)
	}
	return s.empty(1 - s.place)
}

func slotAD(i int) []byte { return fmt.Appendf(nil, "nachtfach.de/root/v1\nslot %d\n", i) }

func sealSlot(rand io.Reader, aead cipher.AEAD, i int, plain []byte) ([]byte, error) {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return aead.Seal(nonce, nonce, plain, slotAD(i)), nil
}

func openSlot(aead cipher.AEAD, i int, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("slot %d: %d bytes are no sealed slot", i, len(sealed))
	}
	plain, err := aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], slotAD(i))
	if err != nil {
		return nil, fmt.Errorf("slot %d does not open under its root key: it was changed", i)
	}
	return plain, nil
}

// Count is the number of slots.
func (s *RootedSlots) Count() int { return s.file.Count() }

// Read opens slot i; nil if it is free.
func (s *RootedSlots) Read(i int) ([]byte, error) {
	b, err := s.file.Read(i)
	if err != nil || b == nil || s.aead == nil { // not yet moved under a root
		return b, err
	}
	return openSlot(s.aead, i, b)
}

// Write seals a payload into slot i; durable when it returns.
func (s *RootedSlots) Write(i int, block []byte) error {
	b, err := sealSlot(s.rand, s.aead, i, block)
	if err != nil {
		return fmt.Errorf("write slot %d: %w", i, err)
	}
	return s.file.Write(i, b)
}

// Broken is the first error of a write or a sync; see [SlotFile.Broken].
func (s *RootedSlots) Broken() error { return s.file.Broken() }

// Erase overwrites slot i.
func (s *RootedSlots) Erase(i int) error { return s.file.Erase(i) }

// CopyOnWrite names the file system if it is one that writes to a new place,
// which matters to no slot under a root key.
func (s *RootedSlots) CopyOnWrite() (filesystem string, is bool) { return s.file.CopyOnWrite() }

// Close closes the file.
func (s *RootedSlots) Close() error { return s.file.Close() }

// openWith opens a payload of some disk's copy with some root that survived.
func openWith(roots [][]byte, i int, payload []byte) []byte {
	for _, root := range roots {
		if len(root) != RootSize || bytes.Equal(root, make([]byte, RootSize)) {
			continue
		}
		if aead, err := chacha20poly1305.NewX(root); err == nil {
			if plain, err := openSlot(aead, i, payload); err == nil {
				return plain
			}
		}
	}
	return payload
}
