package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/locker"
)

// Origin is the first line of a terminal's checkpoints, and the name of its
// device key: "nachtfach.de/TERMINAL".
func Origin(terminal string) string { return authority + "/" + terminal }

// title is the first line of another note about a terminal.
func title(terminal, what string) string { return Origin(terminal) + "/" + what }

func signNote(by note.Signer, text []byte) ([]byte, error) {
	return note.Sign(&note.Note{Text: string(text)}, by)
}

// Bounds of notes, in bytes.
const (
	maxNote     = 4 << 10  // a few short lines
	maxLetter   = 16 << 10 // a letter's content, or keys, in base64
	maxLongNote = 1 << 20  // a list of keys, or of a wall's documents
)

// openNote returns the text of a note that this key signed.
func openNote(what string, most int, known note.Verifier, message []byte) ([]byte, error) {
	if len(message) > most {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", what, len(message), most)
	}
	n, err := note.Open(message, note.VerifierList(known))
	var foreign *note.UnverifiedNoteError
	if errors.As(err, &foreign) {
		return nil, fmt.Errorf("%s: not signed by %s (%08x)", what, known.Name(), known.KeyHash())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return []byte(n.Text), nil
}

// PublishedKey is the public half of a one-time key of the terminal.
type PublishedKey struct {
	ID      locker.KeyID
	Public  []byte
	Expires time.Time // to the second
}

// Offered is the key as events name it.
func (k PublishedKey) Offered() locker.OfferedKey {
	return locker.OfferedKey{Key: k.ID, Hash: Hash(k.Public), Expires: k.Expires}
}

// MaxKeys is how many keys a list holds: a note is at most 1 MB.
const MaxKeys = 400

// SignKeys returns the device's list of its unused one-time keys: a note of
// the title and a line "ID EXPIRES PUBLIC" for each.
func SignKeys(device note.Signer, terminal string, keys []PublishedKey) ([]byte, error) {
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("sign keys: %d, at most %d", len(keys), MaxKeys)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n", title(terminal, "keys"), len(keys))
	for _, k := range keys {
		fmt.Fprintf(&b, "%d %s %s\n", k.ID, timeText(k.Expires), base64Text(k.Public))
	}
	return signNote(device, []byte(b.String()))
}

// OpenKeys verifies a terminal's list. A key is fit for use if its hash is also
// in the terminal's events, and it was never used.
func OpenKeys(device note.Verifier, terminal string, message []byte) ([]PublishedKey, error) {
	text, err := openNote("list of keys", maxLongNote, device, message)
	if err != nil {
		return nil, err
	}
	l := readLines(text, title(terminal, "keys"))
	n := l.number("")
	if n > MaxKeys {
		return nil, fmt.Errorf("list of keys: %d, at most %d", n, MaxKeys)
	}
	keys := make([]PublishedKey, 0, n)
	for range n {
		fields := strings.Split(l.next(""), " ")
		if len(fields) != 3 {
			l.fail("key", errors.New("wants ID EXPIRES PUBLIC"))
			break
		}
		f := &lines{rest: strings.Join(fields, "\n") + "\n"}
		k := PublishedKey{ID: locker.KeyID(f.number("")), Expires: f.time(""), Public: f.bytes("")}
		l.fail("key", f.end())
		l.fail("key", checkKey(k.ID))
		keys = append(keys, k)
	}
	if err := l.end(); err != nil {
		return nil, fmt.Errorf("list of keys: %w", err)
	}
	return keys, nil
}

// Posted is the city's word that a letter went out.
type Posted struct {
	Terminal   string
	Generation locker.Generation
	Order      locker.OrderID
	Day        string // YYYY-MM-DD
}

// SignPosted returns the note: the title, generation, order and day, a line each.
func SignPosted(city note.Signer, p Posted) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("sign posted: %w", err)
	}
	return signNote(city, fmt.Appendf(nil, "%s\n%d\n%s\n%s\n", title(p.Terminal, "posted"), p.Generation, p.Order, p.Day))
}

func (p Posted) validate() error {
	if p.Generation == 0 {
		return errors.New("generation 0 is none")
	}
	if _, err := time.Parse(time.DateOnly, p.Day); err != nil {
		return fmt.Errorf("day %.20q: wants the form 2006-01-02", p.Day)
	}
	return errors.Join(CheckTerminal(p.Terminal), CheckOrderID(p.Order))
}

// OpenPosted verifies the note.
func OpenPosted(city note.Verifier, terminal string, message []byte) (Posted, error) {
	text, err := openNote("posted", maxNote, city, message)
	if err != nil {
		return Posted{}, err
	}
	l := readLines(text, title(terminal, "posted"))
	p := Posted{Terminal: terminal, Generation: locker.Generation(l.number("")), Order: l.order(""), Day: l.next("")}
	if err := errors.Join(l.end(), p.validate()); err != nil {
		return Posted{}, fmt.Errorf("posted: %w", err)
	}
	return p, nil
}

// Checkpoint is the journal's tree at one size, as C2SP's tlog-checkpoint
// writes it: origin, size, root hash.
type Checkpoint struct {
	Terminal string
	Size     int64
	Root     tlog.Hash
}

func (c Checkpoint) text() []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n", Origin(c.Terminal), c.Size, c.Root)
}

func (c Checkpoint) validate() error {
	if c.Size < 0 {
		return fmt.Errorf("size %d is below zero", c.Size)
	}
	return CheckTerminal(c.Terminal)
}

// SignCheckpoint returns the note that the device signs.
func SignCheckpoint(device note.Signer, c Checkpoint) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return signNote(device, c.text())
}

// OpenCheckpoint verifies the note.
func OpenCheckpoint(device note.Verifier, terminal string, message []byte) (Checkpoint, error) {
	text, err := openNote("checkpoint", maxNote, device, message)
	if err != nil {
		return Checkpoint{}, err
	}
	l := readLines(text, Origin(terminal))
	c := readCheckpoint(l, terminal)
	if err := l.end(); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

func readCheckpoint(l *lines, terminal string) Checkpoint {
	c := Checkpoint{Terminal: terminal, Size: int64(l.number(""))}
	text := l.next("")
	if l.err != nil {
		return c
	}
	root, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && len(root) != tlog.HashSize {
		err = fmt.Errorf("%d bytes, wants %d", len(root), tlog.HashSize)
	}
	l.fail("root hash", err)
	if err == nil {
		copy(c.Root[:], root)
	}
	return c
}

// Ack is the city's word that it holds a terminal's first Size events, whose
// tree has this root, at this time of its clock.
type Ack struct {
	Checkpoint
	Time time.Time // to the second
}

// SignAck returns the note: a checkpoint with a line "time …" that the city signs.
func SignAck(city note.Signer, a Ack) ([]byte, error) {
	if err := errors.Join(a.validate(), checkTime("time", a.Time)); err != nil {
		return nil, fmt.Errorf("sign acknowledgement: %w", err)
	}
	return signNote(city, fmt.Appendf(a.text(), "time %s\n", timeText(a.Time)))
}

// OpenAck verifies the note.
func OpenAck(city note.Verifier, terminal string, message []byte) (Ack, error) {
	text, err := openNote("acknowledgement", maxNote, city, message)
	if err != nil {
		return Ack{}, err
	}
	l := readLines(text, Origin(terminal))
	a := Ack{Checkpoint: readCheckpoint(l, terminal), Time: l.time("time")}
	if err := l.end(); err != nil {
		return Ack{}, fmt.Errorf("acknowledgement: %w", err)
	}
	return a, nil
}
