package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

var _ vault.RootKeys = rootKeys{}

// TPM is the hardware key. Without a path there is none, and erasure is logical
// only.
type TPM struct {
	Path      string `toml:"path"`       // /dev/tpmrm0
	Index     uint32 `toml:"index"`      // the first of the NV indices; see package tpm
	OwnerFile string `toml:"owner_file"` // with the chip's owner authorisation
}

// counter is the chip as the journal sees it.
type counter struct{ *tpm.Chip }

var _ journal.Counter = counter{}

// countKey is the chip's place for the key that binds the count; the others are
// the root keys'.
const countKey = 2

// Count implements journal.Counter.
func (c counter) Count() (uint64, error) {
	n, err := c.Chip.Count()
	return n, unanswered(err)
}

// Bump implements journal.Counter.
func (c counter) Bump() error { return unanswered(c.Chip.Bump()) }

// Key implements journal.Counter.
func (c counter) Key() ([]byte, error) { return rootKeys(c).Get(countKey) }

// SetKey implements journal.Counter.
func (c counter) SetKey(key []byte) error { return rootKeys(c).Put(countKey, key) }

// rootKeys is the chip as the slots see it.
type rootKeys struct{ *tpm.Chip }

// Get implements vault.RootKeys.
func (r rootKeys) Get(place int) ([]byte, error) {
	key, err := r.Chip.Get(place)
	return key, unanswered(err)
}

// Put implements vault.RootKeys.
func (r rootKeys) Put(place int, key []byte) error { return unanswered(r.Chip.Put(place, key)) }

// unanswered names an error of the chip, so that a start goes on without a
// store and tries again.
func unanswered(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errHardwareKey, err)
}

// limits is the chip as the vault sees it.
type limits struct {
	*tpm.Chip
	tries  int          // wrong ones that a new deposit has
	logger *slog.Logger // told when there is no room; nil: nobody
}

var _ vault.Limits = (*limits)(nil)

// Limit implements vault.Limits.
func (l *limits) Limit(pass, share []byte) (token []byte, err error) {
	token, err = l.Chip.Limit(pass, share, l.tries)
	if errors.Is(err, tpm.ErrNoRoom) {
		if l.logger != nil {
			l.logger.Warn("the TPM has no room for another deposit: its tries are limited by the journal alone")
		}
		return nil, fmt.Errorf("%w: %w", vault.ErrNoRoom, err)
	}
	return token, err
}

// Share implements vault.Limits.
func (l *limits) Share(token, pass []byte) (share []byte, err error) {
	share, err = l.Chip.Share(token, pass)
	if errors.Is(err, tpm.ErrUsedUp) && l.logger != nil {
		l.logger.Error("the TPM gives a deposit's share to nobody any more: only a re-issue makes it collectable", "error", err)
	}
	if errors.Is(err, tpm.ErrPass) || errors.Is(err, tpm.ErrUsedUp) {
		return nil, fmt.Errorf("%w: %w", vault.ErrRefused, err)
	}
	return share, err
}

// Keep implements vault.Limits. A start calls it.
func (l *limits) Keep(tokens [][]byte) error { return unanswered(l.Chip.Keep(tokens)) }

// tpmAuth is the file with the authorisation value of the chip's indices.
func (f files) tpmAuth() string { return f.in("tpm.auth") }

// errHardwareKey tells that the chip does not answer, or is another one.
var errHardwareKey = errors.New("the hardware key cannot be used")

// chip opens the hardware key; nil where none is configured. One that was not
// used before is made ready: at init, or when a terminal gets a chip later.
func (c Config) chip(f files) (*tpm.Chip, error) {
	if c.TPM.Path == "" {
		return nil, nil
	}
	t := tpm.Config{Path: c.TPM.Path, Index: c.TPM.Index}
	var err error
	if c.TPM.OwnerFile != "" {
		if t.Owner, err = os.ReadFile(c.TPM.OwnerFile); err != nil {
			return nil, fmt.Errorf("tpm.owner_file: %w", err)
		}
	}
	t.Auth, err = os.ReadFile(f.tpmAuth())
	if errors.Is(err, fs.ErrNotExist) {
		return newChip(t, f)
	}
	if err != nil {
		return nil, fmt.Errorf("hardware key: %w", err)
	}
	return tpm.Open(t)
}

// newChip takes a chip into use. It never takes one that another state folder
// uses: with its root key that terminal's slots would be gone.
func newChip(t tpm.Config, f files) (*tpm.Chip, error) {
	used, err := tpm.Open(t)
	if err == nil {
		return nil, errors.Join(fmt.Errorf("hardware key %s: is in use by another state folder; `lockerd clear-tpm` forgets its root key, and with it all that is sealed under it", t.Path), used.Close())
	}
	if !errors.Is(err, tpm.ErrGone) {
		return nil, err
	}
	if t.Auth, err = tpm.NewAuth(rand.Reader); err != nil {
		return nil, fmt.Errorf("hardware key: %w", err)
	}
	if err := writeDurably(f.tpmAuth(), t.Auth); err != nil {
		return nil, fmt.Errorf("hardware key: %w", err)
	}
	chip, err := tpm.Define(t)
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.tpmAuth()))
	}
	return chip, nil
}

// ClearTPM forgets what the hardware key holds: every slot under its root key
// is noise afterwards.
func ClearTPM(c Config) error {
	if c.TPM.Path == "" {
		return errors.New("clear TPM: the configuration names none")
	}
	t := tpm.Config{Path: c.TPM.Path, Index: c.TPM.Index}
	if c.TPM.OwnerFile != "" {
		owner, err := os.ReadFile(c.TPM.OwnerFile)
		if err != nil {
			return fmt.Errorf("tpm.owner_file: %w", err)
		}
		t.Owner = owner
	}
	return tpm.Clear(t)
}

// writeDurably writes a secret file, mode 0600, that is on the disk when it returns.
func writeDurably(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// slots are the vault's, with what else is asked of their file.
type slots interface {
	vault.Slots
	Close() error
	CopyOnWrite() (filesystem string, is bool)
	// Broken is why the slots are not usable any more; nil if they are.
	Broken() error
}

// openSlots opens the slots, under the root key if there is a chip.
func openSlots(f files, chip *tpm.Chip) (slots, error) {
	if chip == nil {
		s, err := vault.OpenSlotFile(f.slots())
		if err != nil { // an interface that holds a nil pointer is not nil
			return nil, err
		}
		return s, nil
	}
	s, err := vault.OpenRootedSlots(f.slots(), rootKeys{chip}, rand.Reader)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ErrCopyOnWrite tells that what is overwritten may survive where the slots lie.
var ErrCopyOnWrite = errors.New("the file system of the state folder copies on write: what is erased may survive there")

// lasting refuses slots that a file system keeps copies of. Under a root key
// they may lie anywhere.
func (c Config) lasting(s slots) error {
	filesystem, copies := s.CopyOnWrite()
	if !copies || c.TPM.Path != "" || c.AnyFilesystem {
		return nil
	}
	return fmt.Errorf("slots on %s: %w; use ext4, or a TPM", filesystem, ErrCopyOnWrite)
}
