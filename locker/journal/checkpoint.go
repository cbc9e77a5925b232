package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/nachtfach/nachtfach/locker"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// signedEvery is the number of events from one signature that is kept for good
// to the next.
const signedEvery = 100

// Checkpoint is the device's signed note over origin, size and root (C2SP
// tlog-checkpoint) of the tree of the first size events.
func (j *Journal) Checkpoint(size uint64) ([]byte, error) {
	if err := j.ended(); err != nil {
		return nil, fmt.Errorf("make checkpoint: %w", err)
	}
	if j.config.Signer == nil {
		return nil, errors.New("make checkpoint: no device key is given")
	}
	h := j.state()
	if size > uint64(h.tree.size) {
		return nil, fmt.Errorf("make checkpoint: of %d events, there are %d", size, h.tree.size)
	}
	root, err := j.rootAt(h, size)
	if err != nil {
		return nil, fmt.Errorf("make checkpoint: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: j.checkpointText(size, root)}, j.config.Signer)
	if err != nil {
		return nil, fmt.Errorf("make checkpoint: %w", err)
	}
	return signed, nil
}

// Signed is the device's note of the log's present end as it lies in the file:
// nothing is signed anew, and no secret key is needed. Nil where the device
// never signed.
func (j *Journal) Signed() ([]byte, error) { return j.signedHead(j.state()) }

func (j *Journal) signedHead(h head) ([]byte, error) {
	if len(h.signature) == 0 {
		return nil, nil
	}
	root, err := j.rootAt(h, uint64(h.tree.size))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	return j.signedNote(uint64(h.tree.size), root, h.signature), nil
}

func (j *Journal) checkpointText(size uint64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%v\n", j.Origin(), size, root)
}

func (j *Journal) signedNote(size uint64, root tlog.Hash, signature []byte) []byte {
	return append([]byte(j.checkpointText(size, root)+"\n"), signature...)
}

// sign is the device's signature lines over the tree; nil without its key.
func (j *Journal) sign(tree *edge) ([]byte, error) {
	if j.config.Signer == nil {
		return nil, nil
	}
	root, err := tree.root()
	if err != nil {
		return nil, err
	}
	text := j.checkpointText(uint64(tree.size), root)
	signed, err := note.Sign(&note.Note{Text: text}, j.config.Signer)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return signed[len(text)+1:], nil
}

// keepSignature keeps the head's signature for good if the log has passed
// another signedEvery events.
func keepSignature(tx *bbolt.Tx, before uint64, h head) error {
	size := uint64(h.tree.size)
	if h.signature == nil || before/signedEvery == size/signedEvery {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(signedBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1
	return b.Put(key(size), h.signature)
}

// signature is one of the device's, at a size of the log.
type signature struct {
	size  uint64
	lines []byte
}

// signatures are those in the file, in order.
func (j *Journal) signatures(h head) (all []signature, err error) {
	size := uint64(h.tree.size)
	err = j.view("read checkpoints", func(tx *bbolt.Tx) error {
		b := tx.Bucket(signedBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			if len(k) == 8 && bytes.Compare(k, key(size)) < 0 {
				all = append(all, signature{keyed(k), bytes.Clone(v)})
			}
			return nil
		})
	})
	if size > 0 && len(h.signature) > 0 {
		all = append(all, signature{size, slices.Clone(h.signature)})
	}
	return all, err
}

// Trust are the public keys that a log is held against; a nil one is not asked.
type Trust struct {
	Device note.Verifiers // the terminal's: signs every commit
	City   note.Verifiers // the city's: signs what it acknowledged
}

// witness compares a tree that grows with the signatures in the file. Where the
// device was given a new key, it follows the old key's word for it; a signature
// by a key that nobody named is passed over, unless it is the last one, which
// covers all events.
type witness struct {
	journal *Journal
	device  *succession // nil: its signatures are not asked
	left    []signature
	good    uint64 // events up to which the device's signatures hold
	ack     *acknowledgement
}

func (j *Journal) witness(h head, trust Trust) (*witness, error) {
	w := &witness{journal: j}
	var err error
	if w.ack, err = j.keptAck(h); err != nil {
		return nil, err
	}
	if w.ack != nil && trust.City != nil {
		if _, err := note.Open(h.ack, trust.City); err != nil {
			return nil, fmt.Errorf("kept acknowledgement: %w: %w", ErrForged, err)
		}
	}
	if trust.Device == nil {
		return w, nil
	}
	w.device = &succession{origin: j.Origin(), named: trust.Device}
	if w.left, err = j.signatures(h); err != nil {
		return nil, err
	}
	if size := uint64(h.tree.size); size > 0 && (len(w.left) == 0 || w.left[len(w.left)-1].size != size) {
		return nil, fmt.Errorf("%w: its %d events bear no signature", ErrRewritten, size)
	}
	return w, nil
}

// see holds the tree of the first events, up to this size, against who signed
// it; body is the last one's, empty if it was pruned.
func (w *witness) see(tree *edge, body []byte) error {
	if err := w.device.hear(body); err != nil {
		return &BadEventError{uint64(tree.size) - 1, err.Error()}
	}
	if err := w.ack.compare(tree); err != nil {
		return err
	}
	size := uint64(tree.size)
	if len(w.left) == 0 || w.left[0].size != size {
		return nil
	}
	root, err := tree.root()
	if err != nil {
		return err
	}
	lines := w.left[0].lines
	w.left = w.left[1:]
	_, err = note.Open(w.journal.signedNote(size, root, lines), w.device)
	if foreign := (*note.UnverifiedNoteError)(nil); errors.As(err, &foreign) && len(w.left) > 0 {
		return nil
	}
	if err != nil {
		return &BadEventError{w.good, fmt.Sprintf("this event, or one after it up to event %d, is %v: %v", size-1, ErrRewritten, err)}
	}
	w.good = size
	return nil
}

// succession are the device's keys: those that were named, and those that one
// of them signed for in an event of the log. It is note.Verifiers.
type succession struct {
	origin string
	named  note.Verifiers
	after  []note.Verifier
}

// Verifier finds a key by its name and hash.
func (s *succession) Verifier(name string, hash uint32) (note.Verifier, error) {
	for _, v := range s.after {
		if v.Name() == name && v.KeyHash() == hash {
			return v, nil
		}
	}
	return s.named.Verifier(name, hash)
}

// hear follows the event by which a new key takes a known one's place. Of a key
// that is not known it learns nothing, and nothing is wrong with that.
func (s *succession) hear(body []byte) error {
	if s == nil || !bytes.Contains(body, []byte(`"`+locker.DeviceRekeyed{}.Type()+`"`)) {
		return nil
	}
	_, _, e, err := Decode(body)
	if err != nil {
		return err
	}
	f, ok := e.Fact.(locker.DeviceRekeyed)
	if !ok {
		return nil
	}
	proof, err := note.Open([]byte(f.Proof), s)
	if foreign := (*note.UnverifiedNoteError)(nil); errors.As(err, &foreign) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("names a new key, and the old one's word for it does not hold: %w", err)
	}
	if proof.Text != fmt.Sprintf("%s/rekey\n%s\n%s\n", s.origin, f.Verifier, f.RosterKey) {
		return errors.New("names a new key, and the old one signed for another")
	}
	v, err := note.NewVerifier(f.Verifier)
	if err != nil {
		return fmt.Errorf("names a new key: %w", err)
	}
	s.after = append(s.after, v)
	return nil
}
