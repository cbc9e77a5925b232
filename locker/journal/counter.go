package journal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/nachtfach/nachtfach/locker"
)

// Counter is one that never goes back and does not lie on the disk, in a TPM.
//
// Every commit that charges a try at a code holds the counter's next number, and
// the counter is bumped once that is on the disk, before Append returns and the
// code is tried. So a disk is sound if it holds the counter's number, or the one
// above it: then power failed between commit and bump, and Open bumps. A disk
// that holds less is an old copy ([ErrRolledBack]): whatever was charged since
// would be free again. (With the bump first, a disk one below would have to be
// sound, and who copies the disk before each try could try for ever.)
//
// Number, tree and origin are bound together by a MAC under a key in the same
// hardware, so that the number on a copied disk cannot be mended by hand.
type Counter interface {
	Count() (uint64, error)
	Bump() error
	// Key is the MAC's, 32 bytes; zeros before SetKey.
	Key() ([]byte, error)
	SetKey(key []byte) error
}

// ErrRolledBack tells that the file is an old copy, or was changed outside of this program.
var ErrRolledBack = errors.New("the journal is older than the hardware counter: the disk was rolled back")

const macSize = sha256.Size

// charges tells whether a step's events charge a try.
func charges(events []locker.Event) bool {
	return slices.ContainsFunc(events, func(e locker.Event) bool {
		_, ok := e.Fact.(locker.CodeCharged)
		return ok
	})
}

// stamp binds the head to its count; nil without a counter.
func (j *Journal) stamp(h head) ([]byte, error) {
	if j.config.Counter == nil {
		return h.stamp, nil
	}
	root, err := h.tree.root()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, j.countKey)
	fmt.Fprintf(mac, "nachtfach.de/count/v1\n%s\n%d\n%d\n%v\n", j.Origin(), h.count, h.tree.size, root)
	return mac.Sum(nil), nil
}

// bump follows a commit that raised the head's count.
func (j *Journal) bump() error {
	if j.config.Counter == nil {
		return nil
	}
	if err := j.config.Counter.Bump(); err != nil {
		err = fmt.Errorf("append to journal: %w: count the charge: %w", ErrBroken, err)
		j.stop(err)
		return err
	}
	return nil
}

// checkCount compares the disk with the counter. One whose key was never set
// takes the disk as it is.
func (j *Journal) checkCount() error {
	c := j.config.Counter
	if c == nil {
		return nil
	}
	count, err := c.Count()
	if err != nil {
		return fmt.Errorf("read the hardware counter: %w", err)
	}
	if j.countKey, err = c.Key(); err != nil {
		return fmt.Errorf("read the hardware counter: %w", err)
	}
	if bytes.Equal(j.countKey, make([]byte, macSize)) {
		return j.startCount(count)
	}
	h := j.state()
	is, err := j.stamp(h)
	switch {
	case err != nil:
		return err
	case !hmac.Equal(is, h.stamp):
		return fmt.Errorf("%w, or changed outside: its count is not this terminal's", ErrRolledBack)
	case h.count == count+1: // power failed between commit and bump
		return c.Bump()
	case h.count > count:
		return fmt.Errorf("%w: the disk counts %d, the counter %d; it is another one", ErrRolledBack, h.count, count)
	case h.count < count:
		return fmt.Errorf("%w: the disk counts %d, the counter %d", ErrRolledBack, h.count, count)
	}
	return nil
}

// startCount takes a counter into use. The key comes last: until it is set, a
// start begins anew.
func (j *Journal) startCount(count uint64) error {
	j.countKey = make([]byte, macSize)
	if _, err := io.ReadFull(j.config.Entropy, j.countKey); err != nil {
		return fmt.Errorf("draw a key for the hardware counter: %w", err)
	}
	j.commit.Lock()
	defer j.commit.Unlock()
	h := j.state()
	h.count = count
	if err := j.update("start the count", h, nil); err != nil {
		return err
	}
	return j.config.Counter.SetKey(j.countKey)
}

func (h *head) loadCount(meta *bbolt.Bucket) {
	if v := meta.Get(countKey); len(v) == 8+macSize {
		h.count, h.stamp = binary.BigEndian.Uint64(v), bytes.Clone(v[8:])
	}
}

func (h head) saveCount(meta *bbolt.Bucket) error {
	if h.stamp == nil {
		return nil
	}
	return meta.Put(countKey, append(key(h.count), h.stamp...))
}
