package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nachtfach/nachtfach/locker"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ExportFormat names the file that Export writes: JSON lines, the first an
// object of the fields format, terminal, checkpoint (the device's note of the
// whole log, C2SP tlog-checkpoint), acknowledgement (the city's latest note, if
// any) and events (their number); then one object an event with its number,
// its very bytes as a text, and the hashes (base64) that prove its place in
// the tree of the checkpoint (RFC 6962, 2.1.1).
const ExportFormat = "de.nachtfach.journal.export.v1"

type exportHead struct {
	Format          string `json:"format"`
	Terminal        string `json:"terminal"`
	Checkpoint      string `json:"checkpoint"`
	Acknowledgement string `json:"acknowledgement,omitempty"`
	Events          uint64 `json:"events"`
}

type exportEvent struct {
	Sequence uint64      `json:"sequence"`
	Event    string      `json:"event"`
	Proof    []tlog.Hash `json:"proof"`
}

// maxExportLine bounds a line that is read: an event as a JSON text, whose
// quotes are escaped, and 63 hashes.
const maxExportLine = 8*MaxEvent + 8<<10

// Export writes the events of these numbers, ascending and not pruned, each
// with the proof of its place, to be checked by [ReadExport] without the
// terminal. Nil stands for all that were not pruned.
func (j *Journal) Export(w io.Writer, sequences []uint64) error {
	h := j.state()
	signed, err := j.signedHead(h)
	if err == nil && signed == nil {
		err = errors.New("the device never signed this log")
	}
	if err != nil {
		return fmt.Errorf("export journal: %w", err)
	}
	if sequences == nil {
		for n := h.pruned; n < uint64(h.tree.size); n++ {
			sequences = append(sequences, n)
		}
	}
	out := json.NewEncoder(w)
	err = out.Encode(exportHead{ExportFormat, j.Terminal(), string(signed), string(h.ack), uint64(len(sequences))})
	for _, n := range sequences {
		if err != nil {
			break
		}
		err = j.exportOne(out, h, n)
	}
	if err != nil {
		return fmt.Errorf("export journal: %w", err)
	}
	return nil
}

func (j *Journal) exportOne(out *json.Encoder, h head, n uint64) error {
	bodies, err := j.Read(n, 1)
	if err == nil && (len(bodies) == 0 || n >= uint64(h.tree.size)) {
		err = fmt.Errorf("event %d of %d is not there", n, h.tree.size)
	}
	if err != nil {
		return err
	}
	e := exportEvent{Sequence: n, Event: string(bodies[0])}
	err = j.view("prove event", func(tx *bbolt.Tx) (err error) {
		e.Proof, err = tlog.ProveRecord(h.tree.size, int64(n), stored{tx.Bucket(eventBucket)})
		return err
	})
	if err != nil {
		return fmt.Errorf("event %d: %w", n, err)
	}
	return out.Encode(e)
}

// Exported is what an export holds, once it is verified.
type Exported struct {
	Terminal     string
	Size         uint64 // events of the whole log at the checkpoint
	Root         tlog.Hash
	Events       uint64 // in the export
	Acknowledged uint64 // events that the city has signed for; 0 without its key
}

// ReadExport verifies an export: the device's note, the city's if its key is
// given, and each event's bytes, number and place in the signed tree. It hands
// the events to visit in their order. The device's key is required. The first
// event that does not hold is a [BadEventError].
func ReadExport(r io.Reader, trust Trust, visit func(sequence uint64, body []byte) error) (Exported, error) {
	x, err := readExport(r, trust, visit)
	if err != nil {
		return Exported{}, fmt.Errorf("read export: %w", err)
	}
	return x, nil
}

func readExport(r io.Reader, trust Trust, visit func(uint64, []byte) error) (Exported, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxExportLine)
	if !lines.Scan() {
		return Exported{}, errors.Join(lines.Err(), fmt.Errorf("%w: it is empty", ErrCorrupt))
	}
	x, err := openExport(lines.Bytes(), trust)
	if err != nil {
		return Exported{}, err
	}
	next := uint64(0)
	for n := uint64(0); n < x.Events; n++ {
		if !lines.Scan() {
			return Exported{}, errors.Join(lines.Err(), fmt.Errorf("%w: it ends after %d of %d events", ErrCorrupt, n, x.Events))
		}
		e, err := x.check(lines.Bytes(), next)
		if err != nil {
			return Exported{}, err
		}
		next = e.Sequence + 1
		if visit != nil {
			if err := visit(e.Sequence, []byte(e.Event)); err != nil {
				return Exported{}, err
			}
		}
	}
	if lines.Scan() {
		return Exported{}, fmt.Errorf("%w: something follows its %d events", ErrCorrupt, x.Events)
	}
	return x, lines.Err()
}

// openExport verifies who signed.
func openExport(line []byte, trust Trust) (Exported, error) {
	var h exportHead
	if err := strictly(line, &h); err != nil {
		return Exported{}, fmt.Errorf("%w: first line: %w", ErrCorrupt, err)
	}
	if h.Format != ExportFormat {
		return Exported{}, fmt.Errorf("%w: format %.60q, this program reads %q", ErrVersion, h.Format, ExportFormat)
	}
	if trust.Device == nil {
		return Exported{}, errors.New("wants the device's public key")
	}
	signed, err := note.Open([]byte(h.Checkpoint), trust.Device)
	if err != nil {
		return Exported{}, fmt.Errorf("%w: %w", ErrRewritten, err)
	}
	origin := (&Journal{config: Config{Terminal: h.Terminal}}).Origin()
	at, err := parseAck(signed.Text+"time 0001-01-01T00:00:00Z\n", origin)
	if err != nil {
		return Exported{}, fmt.Errorf("checkpoint: %w", err)
	}
	x := Exported{Terminal: h.Terminal, Size: at.size, Root: at.root, Events: h.Events}
	if trust.City == nil || h.Acknowledgement == "" {
		return x, nil
	}
	n, err := note.Open([]byte(h.Acknowledgement), trust.City)
	if err != nil {
		return Exported{}, fmt.Errorf("acknowledgement: %w: %w", ErrForged, err)
	}
	ack, err := parseAck(n.Text, origin)
	if err != nil {
		return Exported{}, fmt.Errorf("acknowledgement: %w", err)
	}
	if ack.size == x.Size && ack.root != x.Root {
		return Exported{}, fmt.Errorf("%w: at %d events", ErrFork, ack.size)
	}
	x.Acknowledged = ack.size
	return x, nil
}

// check verifies one event, which must be number next or later.
func (x Exported) check(line []byte, next uint64) (exportEvent, error) {
	var e exportEvent
	if err := strictly(line, &e); err != nil {
		return e, &BadEventError{next, fmt.Sprintf("this one, or the next in the export, cannot be read: %v", err)}
	}
	if e.Sequence < next || e.Sequence >= x.Size {
		return e, &BadEventError{e.Sequence, "is out of order, or beyond the checkpoint"}
	}
	if err := tlog.CheckRecord(e.Proof, int64(x.Size), x.Root, int64(e.Sequence), tlog.RecordHash([]byte(e.Event))); err != nil {
		return e, &BadEventError{e.Sequence, "is not in the tree that the device signed: " + err.Error()}
	}
	c, says, err := decodeEnvelope([]byte(e.Event))
	if err != nil {
		return e, &BadEventError{e.Sequence, err.Error()}
	}
	if says != e.Sequence || !isSource(c.Source, x.Terminal) {
		return e, &BadEventError{e.Sequence, fmt.Sprintf("says that it is number %d of %s", says, c.Source)}
	}
	return e, nil
}

// Events hands the events from number from on to f, decoded, in order; those
// that were pruned are passed over.
func (j *Journal) Events(from uint64, f func(sequence uint64, e locker.Event) error) error {
	return j.each(max(from, j.Pruned()), func(sequence uint64, body []byte) error {
		_, _, e, err := Decode(body)
		if err != nil {
			return err
		}
		return f(sequence, e)
	})
}

// strictly reads one JSON object of known fields.
func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
