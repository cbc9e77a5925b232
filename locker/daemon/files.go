package daemon

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// files are what lies in the state folder.
type files struct{ dir string }

func (f files) in(name string) string { return filepath.Join(f.dir, name) }

func (f files) journal() string  { return filepath.Join(f.dir, "journal.db") }
func (f files) slots() string    { return filepath.Join(f.dir, "slots") }
func (f files) device() string   { return filepath.Join(f.dir, "device.key") }
func (f files) terminal() string { return filepath.Join(f.dir, "terminal.key") }
func (f files) adopted() string  { return f.in("adopted.json") }
func (f files) token() string    { return filepath.Join(f.dir, "kiosk.token") }
func (f files) socket() string   { return filepath.Join(f.dir, "lockerd.sock") }

// Socket is where a daemon with this configuration answers its operators.
func (c Config) Socket() string { return files{c.State}.socket() }

// Token is the file with the kiosk's token.
func (c Config) Token() string { return files{c.State}.token() }

// Identity is what the city must know of a terminal.
type Identity struct {
	Terminal  string `json:"terminal"`
	Verifier  string `json:"verifier"`   // of the device's notes
	RosterKey string `json:"roster_key"` // public; rosters are sealed to it
	// Fingerprint is of the verifier, to be compared by telephone or at the desk:
	// SHA-256 in groups of four hex digits.
	Fingerprint string `json:"fingerprint"`
}

// Init makes the state folder of a new terminal: keys, slots, journal and its
// first roster, which two admins signed and hold in their hands. What is there
// already is never touched (fs.ErrExist).
func Init(c Config, roster []byte) (Identity, error) { return initialise(c, roster, nil) }

// Adopt is Init for a board that takes over the wall of another one, whose log
// the city closed: note is what the city signed of it (cityd terminal retire).
// All compartments are unknown until two clerks have looked.
func Adopt(c Config, roster, note []byte) (Identity, error) {
	city, err := cityVerifier(c)
	if err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	a, err := envelope.OpenAdoption(city, c.Terminal, note)
	if err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	for _, h := range a.Held {
		if !slices.ContainsFunc(c.Compartments, func(k Compartment) bool { return k.Number == h.Compartment }) {
			return Identity{}, fmt.Errorf("init: a document should lie in compartment %d, which the configuration lacks", h.Compartment)
		}
	}
	return initialise(c, roster, &a)
}

func initialise(c Config, roster []byte, adopted *locker.Adoption) (Identity, error) {
	f := files{c.State}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	for _, path := range f.made() {
		if _, err := os.Stat(path); err == nil {
			return Identity{}, fmt.Errorf("init: %s: %w: init makes a new terminal, in an empty folder", path, fs.ErrExist)
		}
	}
	id, err := f.make(c, roster, adopted)
	if err != nil { // nothing of it was ever used
		if _, made := os.Stat(f.tpmAuth()); made == nil {
			err = errors.Join(err, ClearTPM(c))
		}
		for _, path := range f.made() {
			if gone := os.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}
	return id, err
}

// made is what init makes, the journal last: a folder with one is a whole one.
func (f files) made() []string {
	return []string{f.device(), f.terminal(), f.tpmAuth(), f.adopted(), f.slots(), f.journal()}
}

func (f files) make(c Config, roster []byte, adopted *locker.Adoption) (Identity, error) {
	private, public, err := envelope.GenerateDevice(rand.Reader, c.Terminal)
	if err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	key, rosterKey, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	id := Identity{Terminal: c.Terminal, Verifier: public, Fingerprint: envelope.Fingerprint(public), RosterKey: strings.TrimSpace(envelope.EncodeKey(envelope.TerminalKey, false, rosterKey))}
	if err := writeSecret(f.device(), private+"\n"); err != nil {
		return id, err
	}
	if err := writeSecret(f.terminal(), envelope.EncodeKey(envelope.TerminalKey, true, key)); err != nil {
		return id, err
	}
	if adopted != nil {
		text, err := json.Marshal(adopted)
		if err == nil {
			err = writeDurably(f.adopted(), text)
		}
		if err != nil {
			return id, fmt.Errorf("init: %w", err)
		}
	}
	// A deposit, its successor, and the keys on offer, twice over while they are replaced.
	count := 2*len(c.Compartments) + 4*c.Rules.KeysOffered + 64
	if err := vault.CreateSlotFile(f.slots(), count); err != nil {
		return id, fmt.Errorf("init: %w", err)
	}
	return id, initJournal(c, f, roster)
}

func initJournal(c Config, f files, roster []byte) error {
	s, err := openStore(c, f, true)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := s.vault.InitRoster(roster, time.Now()); err != nil {
		return errors.Join(fmt.Errorf("init: roster: %w", err), s.Close())
	}
	return s.Close()
}

// writeSecret writes a file that a power cut does not take back. Its name is
// durable with that of the journal, which is made last in the same folder.
func writeSecret(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

// store is journal and vault of a state folder, open.
type store struct {
	journal *journal.Journal
	chip    *tpm.Chip // nil without a hardware key
	limits  *limits   // of the chip; nil without one
	slots   slots
	vault   *vault.Vault
	device  note.Signer
}

func openStore(c Config, f files, create bool) (*store, error) {
	device, err := readSigner(f.device())
	if err != nil {
		return nil, err
	}
	city, err := cityVerifier(c)
	if err != nil {
		return nil, err
	}
	letterKey, err := envelope.DecodeKey(envelope.LetterKey, false, c.City.LetterKey)
	if err != nil {
		return nil, fmt.Errorf("city.letter_key: %w", err)
	}
	terminalKey, err := readKey(f.terminal())
	if err != nil {
		return nil, err
	}
	s := &store{device: device}
	if s.chip, err = c.chip(f); err != nil {
		return nil, fmt.Errorf("%w: %w", errHardwareKey, err)
	}
	jc := journal.Config{Path: f.journal(), Terminal: c.Terminal, Log: journal.LogID(device), Entropy: rand.Reader, Signer: device, City: note.VerifierList(city)}
	if s.chip != nil {
		jc.Counter = counter{s.chip}
	}
	if create {
		if err := journal.Create(jc); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if s.journal, err = journal.Open(jc); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.roomy(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.slots, err = openSlots(f, s.chip); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	crypto := vault.NewStandard(rand.Reader)
	crypto.Params = c.params()
	origin, err := c.Kiosk.HTTPS.origin()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	var tries vault.Limits // an interface that holds a nil pointer is not nil
	if s.chip != nil {
		s.limits = &limits{Chip: s.chip, tries: c.Rules.CodeTries}
		tries = s.limits
	}
	s.vault, err = vault.Open(vault.Config{
		Limits: tries, Terminal: c.Terminal, Slots: s.slots, Records: s.journal.Records(), Crypto: crypto,
		Device: device, City: city, LetterKey: letterKey, TerminalKey: terminalKey, KioskOrigin: origin,
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// durable is the journal as the controller commits to it. A slot that could not
// be written ends the process as a failed commit does: what is on the medium is
// not known, and only a new start reads it.
type durable struct {
	*journal.Journal
	slots slots
}

// Append implements controller.Journal.
func (d durable) Append(events []locker.Event, snapshot func() ([]byte, error)) (uint64, error) {
	if err := d.slots.Broken(); err != nil {
		return 0, err
	}
	return d.Journal.Append(events, snapshot)
}

// Close closes what is open.
func (s *store) Close() error {
	var errs []error
	if s.slots != nil {
		errs = append(errs, s.slots.Close())
	}
	if s.chip != nil {
		errs = append(errs, s.chip.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	return errors.Join(errs...)
}

func cityVerifier(c Config) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(c.City.Verifier))
	if err != nil {
		return nil, fmt.Errorf("city.verifier: %w; wants the line that `cityd identity` prints", err)
	}
	return v, nil
}

// adoption is what this board was told of the one before it; nil for none.
func (f files) adoption() (*locker.Adoption, error) {
	text, err := os.ReadFile(f.adopted())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var a locker.Adoption
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return nil, fmt.Errorf("adoption: %w", err)
	}
	return &a, nil
}

func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("terminal key: %w; `lockerd init` makes it", err)
	}
	key, err := envelope.DecodeKey(envelope.TerminalKey, true, string(text))
	if err != nil {
		return nil, fmt.Errorf("terminal key %s: %w", path, err)
	}
	return key, nil
}
