package journal

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// Records keeps records beside the log, each written in a durable transaction
// of its own. A record lies in a bucket of its own within its bucket: a leaf
// page is written as a whole, and a deposit's record has hundreds of kilobytes,
// so that neighbours would be written with every change. What is deleted or replaced may stay in free pages of the file:
// store what is secret only under a key that is erased elsewhere.
type Records struct{ journal *Journal }

// Bounds in bytes.
const (
	maxName   = 255
	maxRecord = 8 << 20
)

// Records are the journal's records.
func (j *Journal) Records() Records { return Records{j} }

// Put writes the record, replacing one of the same key; at most 8 MiB. One that
// does not fit is refused with [ErrFull], and nothing was begun. A failure to
// commit breaks the journal ([ErrBroken]).
func (r Records) Put(bucket, key string, value []byte) error {
	if err := validRecord(bucket, key, value); err != nil {
		return fmt.Errorf("put record: %w", err)
	}
	fits := func() error { return r.journal.fits(len(value)) }
	return r.write("put record", fits, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(recordBucket(bucket))
		if err != nil {
			return err
		}
		own, err := b.CreateBucketIfNotExists([]byte(key))
		if err != nil {
			return err
		}
		return own.Put(recordValue, value)
	})
}

// Get answers the record's bytes; nil if there is none.
func (r Records) Get(bucket, key string) (value []byte, err error) {
	err = r.read("get record", func(tx *bbolt.Tx) error {
		b := tx.Bucket(recordBucket(bucket))
		if b == nil {
			return nil
		}
		if own := b.Bucket([]byte(key)); own != nil {
			value = bytes.Clone(own.Get(recordValue))
		}
		return nil
	})
	return value, err
}

// Delete removes the record; that there is none is fine.
func (r Records) Delete(bucket, key string) error {
	if err := validRecord(bucket, key, nil); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	return r.write("delete record", nil, func(tx *bbolt.Tx) error {
		b := tx.Bucket(recordBucket(bucket))
		if b == nil || b.Bucket([]byte(key)) == nil {
			return nil
		}
		return b.DeleteBucket([]byte(key))
	})
}

// Keys lists the bucket's keys, sorted.
func (r Records) Keys(bucket string) (keys []string, err error) {
	err = r.read("list records", func(tx *bbolt.Tx) error {
		b := tx.Bucket(recordBucket(bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, _ []byte) error {
			keys = append(keys, string(k))
			return nil
		})
	})
	return keys, err
}

// read waits for a commit under way: what it answers is on the disk.
func (r Records) read(what string, f func(tx *bbolt.Tx) error) error {
	r.journal.commit.RLock()
	defer r.journal.commit.RUnlock()
	return r.journal.view(what, f)
}

// write commits what f writes, if there is room.
func (r Records) write(what string, fits func() error, f func(tx *bbolt.Tx) error) error {
	r.journal.commit.Lock()
	defer r.journal.commit.Unlock()
	if err := r.journal.writable(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if fits != nil {
		if err := fits(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return r.journal.update(what, r.journal.state(), f)
}

// recordValue is the one key in a record's bucket.
var recordValue = []byte("value")

func recordBucket(name string) []byte { return []byte("record/" + name) }

// validRecord keeps from the transaction what bbolt would refuse in it.
func validRecord(bucket, key string, value []byte) error {
	switch {
	case bucket == "" || len(bucket) > maxName:
		return fmt.Errorf("bucket %q: wants 1 to %d bytes", bucket, maxName)
	case key == "" || len(key) > maxName:
		return fmt.Errorf("key %q in %q: wants 1 to %d bytes", key, bucket, maxName)
	case len(value) > maxRecord:
		return fmt.Errorf("%q in %q: %d bytes, at most %d are allowed", key, bucket, len(value), maxRecord)
	}
	return nil
}
