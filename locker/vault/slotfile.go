package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// The file: a header block, then a block for each slot.
//
//	header: "NFSLOTS" version | slots uint32 | root's name | zeros … | SHA-256 of what is before it
//	slot:   "S" | length uint16 | payload | zeros …    | SHA-256 of what is before it
//
// big-endian. A block of zeros is free; so is one whose checksum does not fit,
// which a cut left behind: it is scrubbed when the file is opened, because half
// a secret may be in it. The root's name is zeros where there is no root key.
const (
	// BlockSize is the size of a slot in the file, a page of most storage.
	BlockSize = 4096
	// MaxSlot is the longest payload of a slot, in bytes.
	MaxSlot = BlockSize - slotHeader - sha256.Size
	// MaxSlots bounds a file to 256 MiB.
	MaxSlots = 1 << 16

	slotHeader  = 3
	markAt      = len(fileMagic) + 1 + 4
	markSize    = 16
	slotMark    = 'S'
	fileMagic   = "NFSLOTS"
	fileVersion = 1
)

// SlotFile keeps slots in one preallocated file, which never grows or shrinks.
// A slot is erased in place: random bytes, sync, zeros, sync. That overwrites
// for certain only where file system and medium write in place; see
// [SlotFile.CopyOnWrite]; an ext4 mounted with data=journal keeps copies too.
// Flash media remap blocks below any file system: there
// the slots belong under a key in a TPM.
//
// An error of a write or a sync is ambiguous, and a sync that is tried again
// after one may say that all is well though nothing was written: the system
// forgets what it could not write. So after the first such error every method
// answers it; the process must end and open the file again. See [SlotFile.Broken].
type SlotFile struct {
	disk  medium
	file  mediumFile
	count int
	mark  []byte // name of the root key that the payloads are sealed under

	mu     sync.Mutex
	broken error // of the first write or sync that failed
}

// ErrBroken tells that a write or a sync of a slot failed: nobody knows what
// is on the medium.
var ErrBroken = errors.New("the slots are not usable after a failed write")

// Broken is the first error of a write or a sync, an [ErrBroken]; nil if there was none.
func (s *SlotFile) Broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// breaks ends the use of the file.
func (s *SlotFile) breaks(what string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%s: %w: %w", what, ErrBroken, err)
	}
	return s.broken
}

var _ Slots = (*SlotFile)(nil)

// CreateSlotFile makes a file of free slots. It is made under a temporary name,
// synced and renamed, so that it is there whole or not at all.
func CreateSlotFile(path string, slots int) error {
	if slots < 1 || slots > MaxSlots {
		return fmt.Errorf("create slot file: %d slots, wants 1 to %d", slots, MaxSlots)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("create slot file: %s: %w", path, os.ErrExist)
	}
	return createSlotFile(system{}, path, slots)
}

func createSlotFile(disk medium, path string, slots int) error {
	s, err := writeSlotFile(disk, path, slots, make([]byte, markSize), func(int) ([]byte, error) { return nil, nil })
	if err != nil {
		return fmt.Errorf("create slot file: %w", err)
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("create slot file: %w", err)
	}
	return disk.syncFolder(filepath.Dir(path))
}

// temporary is the name of a file on its way, a pattern of os.CreateTemp and filepath.Glob.
const temporary = ".new-*"

// writeSlotFile makes a file with these payloads, nil for a free slot, and puts
// it in place of what is at path, for good once the folder is synced.
func writeSlotFile(disk medium, path string, slots int, mark []byte, payload func(int) ([]byte, error)) (s *SlotFile, err error) {
	f, err := disk.create(path + temporary)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), disk.remove(f.Name()))
		}
	}()
	if _, err := f.Write(fileHeader(slots, mark)); err != nil {
		return nil, err
	}
	b := make([]byte, BlockSize) // written, not skipped: a hole would be allocated elsewhere later
	for i := range slots {
		p, err := payload(i)
		if err != nil {
			return nil, err
		}
		if clear(b); p != nil {
			b = slotBlock(b, p)
		}
		if _, err := f.Write(b); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := disk.rename(f.Name(), path); err != nil {
		return nil, err
	}
	return &SlotFile{disk: disk, file: f, count: slots, mark: mark}, nil
}

func fileHeader(slots int, mark []byte) []byte {
	b := make([]byte, BlockSize)
	copy(b, fileMagic)
	b[len(fileMagic)] = fileVersion
	binary.BigEndian.PutUint32(b[len(fileMagic)+1:], uint32(slots))
	copy(b[markAt:], mark)
	return sum(b)
}

// sum puts the checksum at a block's end.
func sum(b []byte) []byte {
	h := sha256.Sum256(b[:BlockSize-sha256.Size])
	copy(b[BlockSize-sha256.Size:], h[:])
	return b
}

func sumFits(b []byte) bool {
	h := sha256.Sum256(b[:BlockSize-sha256.Size])
	return bytes.Equal(h[:], b[BlockSize-sha256.Size:])
}

// ErrRooted tells that slots are sealed under a root key that was not given.
var ErrRooted = errors.New("the slots lie under a root key in a TPM")

// OpenSlotFile opens a file and scrubs the slots that a cut left torn.
// [ErrRooted]: the file is one of [RootedSlots].
func OpenSlotFile(path string) (*SlotFile, error) {
	s, err := openSlotFile(system{}, path)
	if err == nil && !isZero(s.mark) {
		return nil, fmt.Errorf("open slot file %s: %w", path, errors.Join(ErrRooted, s.Close()))
	}
	return s, err
}

func openSlotFile(disk medium, path string) (*SlotFile, error) {
	f, err := disk.open(path)
	if err != nil {
		return nil, fmt.Errorf("open slot file: %w", err)
	}
	s := &SlotFile{disk: disk, file: f}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("open slot file %s: %w", path, errors.Join(err, f.Close()))
	}
	return s, nil
}

func (s *SlotFile) check() error {
	header := make([]byte, BlockSize)
	if _, err := io.ReadFull(io.NewSectionReader(s.file, 0, BlockSize), header); err != nil {
		return fmt.Errorf("read its header: %w", err)
	}
	if !bytes.HasPrefix(header, []byte(fileMagic)) || !sumFits(header) {
		return errors.New("it is no slot file, or its header is damaged")
	}
	if v := header[len(fileMagic)]; v != fileVersion {
		return fmt.Errorf("version %d, this program knows %d", v, fileVersion)
	}
	s.count = int(binary.BigEndian.Uint32(header[len(fileMagic)+1:]))
	s.mark = header[markAt : markAt+markSize]
	size, err := s.file.size()
	if err != nil {
		return err
	}
	if want := int64(s.count+1) * BlockSize; s.count < 1 || s.count > MaxSlots || size != want {
		return fmt.Errorf("%d bytes for %d slots, wants %d", size, s.count, want)
	}
	for i := range s.count {
		torn, err := s.torn(i)
		if err != nil {
			return err
		}
		if torn {
			if err := s.Erase(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *SlotFile) torn(i int) (bool, error) {
	b, err := s.block(i)
	if err != nil {
		return false, err
	}
	defer clear(b)
	return payload(b) == nil && !isZero(b), nil
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func (s *SlotFile) block(i int) ([]byte, error) {
	if i < 0 || i >= s.count {
		return nil, fmt.Errorf("slot %d, there are 0 to %d", i, s.count-1)
	}
	if err := s.Broken(); err != nil {
		return nil, err
	}
	b := make([]byte, BlockSize)
	if _, err := s.file.ReadAt(b, int64(i+1)*BlockSize); err != nil {
		return nil, fmt.Errorf("read slot %d: %w", i, err)
	}
	return b, nil
}

// payload returns the part of a block that a Write put there; nil if it is free or torn.
func payload(b []byte) []byte {
	n := int(binary.BigEndian.Uint16(b[1:]))
	if b[0] != slotMark || n == 0 || n > MaxSlot || !sumFits(b) {
		return nil
	}
	return b[slotHeader : slotHeader+n]
}

// Count is the number of slots.
func (s *SlotFile) Count() int { return s.count }

// Read returns what was written to slot i, nil if it is free.
func (s *SlotFile) Read(i int) ([]byte, error) {
	b, err := s.block(i)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return bytes.Clone(payload(b)), nil
}

// Write overwrites slot i with 1 to MaxSlot bytes and syncs.
func (s *SlotFile) Write(i int, block []byte) error {
	if len(block) < 1 || len(block) > MaxSlot {
		return fmt.Errorf("write slot %d: %d bytes, wants 1 to %d", i, len(block), MaxSlot)
	}
	b := slotBlock(make([]byte, BlockSize), block)
	defer clear(b)
	return s.overwrite(i, b)
}

// slotBlock lays a payload into a block of zeros.
func slotBlock(b, payload []byte) []byte {
	b[0] = slotMark
	binary.BigEndian.PutUint16(b[1:], uint16(len(payload)))
	copy(b[slotHeader:], payload)
	return sum(b)
}

// Erase overwrites slot i with random bytes, syncs, then with zeros, and syncs.
func (s *SlotFile) Erase(i int) error {
	b := make([]byte, BlockSize)
	if _, err := rand.Read(b); err != nil {
		return fmt.Errorf("erase slot %d: %w", i, err)
	}
	b[0] = 0 // never by chance a slot
	if err := s.overwrite(i, b); err != nil {
		return err
	}
	clear(b)
	return s.overwrite(i, b)
}

func (s *SlotFile) overwrite(i int, b []byte) error {
	if i < 0 || i >= s.count {
		return fmt.Errorf("slot %d, there are 0 to %d", i, s.count-1)
	}
	if err := s.Broken(); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(b, int64(i+1)*BlockSize); err != nil {
		return s.breaks(fmt.Sprintf("overwrite slot %d", i), err)
	}
	if err := s.file.Sync(); err != nil {
		return s.breaks(fmt.Sprintf("overwrite slot %d", i), err)
	}
	return nil
}

// Close closes the file.
func (s *SlotFile) Close() error { return s.file.Close() }

// CopyOnWrite names the file system if it is one that writes to a new place
// and leaves the old one as it was: nothing is erased there for certain.
func (s *SlotFile) CopyOnWrite() (filesystem string, is bool) {
	f, ok := s.file.(systemFile)
	if !ok {
		return "unknown file system", true
	}
	return copyOnWrite(f.File)
}
