package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// next is where a new key lies until it takes the old one's place.
func next(path string) string { return path + ".next" }

// Rekey gives a terminal a new device key and a new key for rosters; no daemon
// may run. The old device key signs for the new one in the journal, so that the
// city follows. Deposits, slots and one-time keys stay as they are.
//
// A cut leaves both keys; the next Rekey goes on with them, and until then the
// terminal does not start. Steps: new keys on the disk → event, signed by the old
// key → roster sealed to the new key → the new keys take the old ones' places.
func Rekey(c Config) (Identity, error) {
	f := files{c.State}
	id, err := f.rekey(c)
	if err != nil {
		return Identity{}, fmt.Errorf("rekey: %w", err)
	}
	return id, nil
}

func (f files) rekey(c Config) (id Identity, err error) {
	s, err := openStore(c, f, false)
	if errors.Is(err, vault.ErrTerminalKey) { // the roster is sealed to the new key already
		if err := os.Rename(next(f.terminal()), f.terminal()); err != nil {
			return id, err
		}
		s, err = openStore(c, f, false)
	}
	if errors.Is(err, journal.ErrLocked) {
		return id, fmt.Errorf("%w: stop lockerd first; nothing was changed", err)
	}
	if err != nil {
		return id, err
	}
	if id, err = f.nextKeys(c); err != nil {
		return id, errors.Join(err, s.Close())
	}
	if err := f.hand(c, s, id); err != nil {
		return id, errors.Join(err, s.Close())
	}
	if err := s.Close(); err != nil {
		return id, err
	}
	// The device's last: as long as its next one is there, this is not done.
	for _, path := range []string{f.terminal(), f.device()} {
		if err := os.Rename(next(path), path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return id, err
		}
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return id, err
	}
	return id, errors.Join(d.Sync(), d.Close())
}

// nextKeys makes the new keys, or finds those of a Rekey that was cut short.
func (f files) nextKeys(c Config) (Identity, error) {
	private, err := os.ReadFile(next(f.device()))
	if errors.Is(err, fs.ErrNotExist) {
		return f.makeNext(c)
	}
	if err != nil {
		return Identity{}, err
	}
	_, public, ok := strings.Cut(strings.TrimSpace(string(private)), "\n")
	if !ok {
		return Identity{}, fmt.Errorf("%s: is cut off; remove it and begin again", next(f.device()))
	}
	path := next(f.terminal())
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		path = f.terminal() // it has taken its place already
	}
	key, err := readKey(path)
	if err != nil {
		return Identity{}, err
	}
	return identify(c, public, key)
}

func (f files) makeNext(c Config) (Identity, error) {
	private, public, err := envelope.GenerateDevice(rand.Reader, c.Terminal)
	if err != nil {
		return Identity{}, err
	}
	key, _, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		return Identity{}, err
	}
	if err := os.Remove(next(f.terminal())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Identity{}, err // of a Rekey that did not come to its device key
	}
	if err := writeDurably(next(f.terminal()), []byte(envelope.EncodeKey(envelope.TerminalKey, true, key))); err != nil {
		return Identity{}, err
	}
	// the public half in a line of its own: a signer does not give it away
	if err := writeDurably(next(f.device()), []byte(private+"\n"+public+"\n")); err != nil {
		return Identity{}, err
	}
	return identify(c, public, key)
}

func identify(c Config, verifier string, key []byte) (Identity, error) {
	public, err := envelope.Standard{}.PublicKey(key)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Terminal: c.Terminal, Verifier: verifier, Fingerprint: envelope.Fingerprint(verifier),
		RosterKey: strings.TrimSpace(envelope.EncodeKey(envelope.TerminalKey, false, public)),
	}, nil
}

// hand records the new keys and seals the roster to the new one.
func (f files) hand(c Config, s *store, id Identity) error {
	proof, err := envelope.SignRekey(s.device, c.Terminal, envelope.Rekey{Verifier: id.Verifier, RosterKey: id.RosterKey})
	if err != nil {
		return err
	}
	e, err := lastOf(s.journal)
	if err != nil {
		return err
	}
	e.Fact = locker.DeviceRekeyed{Verifier: id.Verifier, RosterKey: id.RosterKey, Proof: string(proof)}
	if _, err := s.journal.Append([]locker.Event{e}, nil); err != nil {
		return err
	}
	if _, err := os.Stat(next(f.terminal())); errors.Is(err, fs.ErrNotExist) {
		return nil // a cut came after the roster
	}
	key, err := readKey(next(f.terminal()))
	if err != nil {
		return err
	}
	return s.vault.Rekey(key)
}

// lastOf is the last event, whose time the next one takes: the trusted time is
// the machine's to move.
func lastOf(j *journal.Journal) (locker.Event, error) {
	if j.Size() == 0 {
		return locker.Event{}, errors.New("the terminal has never started; init makes new keys")
	}
	bodies, err := j.Read(j.Size()-1, 1)
	if err != nil {
		return locker.Event{}, err
	}
	_, _, e, err := journal.Decode(bodies[0])
	return e, err
}

// readSigner reads the device's key; its public half may follow in a second line.
func readSigner(path string) (note.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("device key: %w; `lockerd init` makes it", err)
	}
	private, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("device key %s: %w", path, err)
	}
	return s, nil
}
